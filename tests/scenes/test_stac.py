"""Scenes that STAC names: assets, what an item tells, catalogs, pages, and what cannot be used."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError

import pystac
import pytest

from detector.errors import SceneError
from detector.scenes import stac as stac_module
from detector.scenes.discover import SceneSource, discover
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions, ViewAngles
from tests.scenes.rasters import gradient, write_raster

VISUAL = {"href": "./a.tif", "type": "image/tiff; application=geotiff", "roles": ["visual"]}
THUMB = {"href": "./a.png", "type": "image/png", "roles": ["thumbnail"]}


def _item(
    name: str = "a", assets: dict[str, Any] | None = None, **properties: Any
) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": {"type": "Point", "coordinates": [130.3, 42.2]},
        "bbox": [130.3, 42.2, 130.3, 42.2],
        "properties": {"datetime": "2023-10-13T02:15:30Z", **properties},
        "links": [],
        "assets": {"visual": VISUAL, "thumbnail": THUMB} if assets is None else assets,
    }


def _write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def _one(path: Path, item: dict[str, Any], asset: str = "") -> SceneSource:
    (found,) = discover([f"stac:{_write(path, item)}{asset}"])
    return found


def test_an_item_tells_what_its_file_does_not(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", gradient(40, 30, bands=4), crs=None)
    bands = [{"name": name, "common_name": name} for name in ("blue", "green", "red", "nir")]
    item = _item(
        assets={"visual": {**VISUAL, "eo:bands": bands}, "thumbnail": THUMB},
        gsd=0.7,
        **{
            "view:sun_elevation": 41.0,
            "view:sun_azimuth": 160,
            "view:off_nadir": 12.5,
            "view:azimuth": 999,
            "eo:cloud_cover": 30,
        },
    )
    source = _one(tmp_path / "item.json", item)
    assert source.path == str(tmp_path / "a.tif")
    with open_scene(source.path, source.options(SceneOptions())) as scene:
        info = scene.info
    assert info.acquired == datetime(2023, 10, 13, 2, 15, 30, tzinfo=UTC)
    assert info.angles == ViewAngles(41.0, 160.0, 12.5, None)
    assert (info.gsd_m, info.bands) == (0.7, (3, 2, 1))
    assert info.asked.item == str(tmp_path / "item.json")
    assert info.cloud_source is None
    assert any("says 30 % clouds, but not where" in remark for remark in info.remarks)


@pytest.mark.parametrize(
    ("bbox", "outside"),
    [
        ((129.0, 41.0, 131.0, 43.0), False),
        ((129.0, 41.0, 0.0, 131.0, 43.0, 90.0), False),
        ((170.0, 41.0, 135.0, 43.0), False),  # across 180 degrees
        ((10.0, 41.0, 11.0, 43.0), True),
        ((129.0, 31.0, 131.0, 33.0), True),
        ((1.0, 2.0), False),
    ],
)
def test_a_scene_outside_of_its_footprint_is_told(
    tmp_path: Path, bbox: tuple[float, ...], outside: bool
) -> None:
    write_raster(tmp_path / "a.tif", gradient(40, 30))  # at 129.0, 42.2
    source = _one(tmp_path / "i.json", _item() | {"bbox": list(bbox)})
    with open_scene(source.path, source.options(SceneOptions())) as scene:
        told = [remark for remark in scene.info.remarks if "outside of the footprint" in remark]
    assert len(told) == outside


def test_a_span_within_a_day_is_that_day(tmp_path: Path) -> None:
    span = {"start_datetime": "2023-10-13T00:00:00Z", "end_datetime": "2023-10-13T23:59:59Z"}
    said = _one(tmp_path / "item.json", _item(datetime=None, **span)).said
    assert said["acquired"] == date(2023, 10, 13)
    longer = span | {"end_datetime": "2023-10-15T00:00:00Z"}
    assert "acquired" not in _one(tmp_path / "item.json", _item(datetime=None, **longer)).said


def test_a_placed_asset_needs_no_gsd(tmp_path: Path) -> None:
    assert "gsd_m" not in _one(tmp_path / "i.json", _item(gsd=0.5, **{"proj:epsg": 32652})).said


@pytest.mark.parametrize(
    ("assets", "asset", "wanted"),
    [
        ({"visual": VISUAL, "analytic": {**VISUAL, "href": "b.tif"}}, "", "a.tif"),
        ({"visual": VISUAL, "analytic": {**VISUAL, "href": "b.tif"}}, "#analytic", "b.tif"),
        ({"x": {"href": "b.tif", "roles": ["data"]}, "y": {"href": "c.tif"}}, "", "b.tif"),
        (
            {"x": {"href": "b.tif", "roles": ["data", "pan"]}, "y": {"href": "c.tif"}},
            "#pan",
            "b.tif",
        ),
        ({"x": {"href": "sub/b.jp2"}, "thumbnail": THUMB}, "", "sub/b.jp2"),
    ],
)
def test_which_asset_is_read(
    tmp_path: Path, assets: dict[str, Any], asset: str, wanted: str
) -> None:
    source = _one(tmp_path / "item.json", _item(assets=assets), asset)
    assert source.path == str(tmp_path / wanted)


@pytest.mark.parametrize(
    ("item", "asset", "problem"),
    [
        (_item(assets={}), "", "has no asset with pixels; it has none; name one as in"),
        (_item(assets={"t": THUMB}), "", "item 'a' has no asset with pixels; it has t; name one"),
        (_item(), "#pan", "no asset called or with the role 'pan'; it has thumbnail, visual"),
        (
            _item(assets={"b4": {"href": "4.tif"}, "b3": {"href": "3.tif"}}),
            "",
            r"has 2 assets with pixels \(b4, b3\); name one as in stac:FILE#b4",
        ),
        ({"type": "Feature", "id": "x"}, "", r"item\.json: not a STAC item"),
        ({"type": "Point"}, "", r"item\.json: neither a STAC item, nor a catalog"),
        ([1, 2], "", "neither a STAC item"),
        (_item(), "", r"a\.tif: no such file"),
    ],
)
def test_items_that_cannot_be_used_are_rows(
    tmp_path: Path, item: Any, asset: str, problem: str
) -> None:
    source = _one(tmp_path / "item.json", item, asset)
    assert re.search(problem, str(source.problem))


def test_a_catalog_gives_its_items_in_order_and_says_what_is_broken(tmp_path: Path) -> None:
    for name in "abc":
        _write(tmp_path / "items" / name / "i.json", _item(name))
        write_raster(tmp_path / "items" / name / "a.tif", gradient(8, 8), crs=None)
    inner = {
        "type": "Collection",
        "links": [
            {"rel": "root", "href": "../catalog.json"},
            {"rel": "child", "href": "../catalog.json"},
            {"rel": "item", "href": "b/i.json"},
            {"rel": "item", "href": "gone/i.json"},
            {"rel": "item", "href": "https://elsewhere.example/i.json"},
            {"rel": "item", "href": "a/i.json"},
        ],
    }
    _write(tmp_path / "items" / "collection.json", inner)
    outer = {
        "type": "Catalog",
        "links": [
            {"rel": "item", "href": "./items/c/i.json"},
            {"rel": "child", "href": "./items/collection.json"},
        ],
    }
    found = discover([f"stac:{_write(tmp_path / 'catalog.json', outer)}"])
    good = [Path(source.path).parent.name for source in found if source.problem is None]
    assert good == ["c", "b", "a"]
    gone, elsewhere = (source.problem for source in found if source.problem is not None)
    assert "gone/i.json: cannot be read as JSON (" in str(gone)
    assert "leads to another place of the network, which is not followed; name it" in str(elsewhere)


def test_results_of_a_search_that_were_saved(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", gradient(8, 8), crs=None)
    far = _item("far", {"visual": {**VISUAL, "href": "https://host.example/far.tif"}})
    content = {"type": "FeatureCollection", "features": [_item("near"), {"type": "no"}, far]}
    near, broken, remote = discover([f"stac:{_write(tmp_path / 'search.json', content)}"])
    assert (near.path, near.problem) == (str(tmp_path / "a.tif"), None)
    assert "not a STAC item" in str(broken.problem)
    assert (remote.path, remote.named) == ("https://host.example/far.tif", False)
    with pytest.raises(SceneError, match=r"leads to the network.*scene\.allow_remote="):
        open_scene(remote.path, remote.options(SceneOptions()))


def test_an_empty_catalog_is_told(tmp_path: Path) -> None:
    content = {"type": "FeatureCollection", "features": []}
    (source,) = discover([f"stac:{_write(tmp_path / 's.json', content)}"])
    assert str(source.problem).endswith("s.json: names no item")
    (gone,) = discover([f"stac:{tmp_path / 'gone.json'}"])
    assert "gone.json: cannot be read as JSON (" in str(gone.problem)


@contextmanager
def _answer(content: bytes) -> Iterator[Any]:
    yield SimpleNamespace(read=lambda: content)


def test_a_catalog_of_the_network_stays_on_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    other = _item("b", {"visual": {**VISUAL, "href": "https://other.example/b.tif"}})
    pages: dict[str, Any] = {
        "https://host.example/c/catalog.json": {
            "type": "Catalog",
            "links": [
                {"rel": "item", "href": "./a/item.json"},
                {"rel": "item", "href": "./b/item.json"},
                {"rel": "item", "href": "https://other.example/item.json"},
            ],
        },
        "https://host.example/c/a/item.json": _item("a"),
        "https://host.example/c/b/item.json": other,
    }

    def opened(request: Any, timeout: float) -> Any:
        assert timeout == stac_module.TIMEOUT_S
        return _answer(json.dumps(pages[request.full_url]).encode())

    monkeypatch.setattr(stac_module, "urlopen", opened)
    near, far, refused = discover(["stac:https://host.example/c/catalog.json"])
    assert (near.path, near.named) == ("https://host.example/c/a/a.tif", True)
    assert (far.path, far.named) == ("https://other.example/b.tif", False)
    assert "leads to another place of the network" in str(refused.problem)


@pytest.mark.parametrize(
    ("code", "asked", "hint"),
    [(401, 1, True), (403, 1, True), (410, 1, True), (404, 1, False), (503, 3, False)],
)
def test_a_catalog_that_is_refused_or_fails(
    monkeypatch: pytest.MonkeyPatch, code: int, asked: int, hint: bool
) -> None:
    calls: list[str] = []

    def refused(request: Any, timeout: float) -> Any:
        calls.append(request.full_url)
        raise HTTPError(request.full_url, code, "no", {}, None)  # type: ignore[arg-type]

    monkeypatch.setattr(stac_module, "urlopen", refused)
    monkeypatch.setattr(stac_module, "FIRST_WAIT_S", 0.0)
    (source,) = discover(["stac:https://host.example/item.json"])
    assert len(calls) == asked
    assert f"cannot be read as JSON ({code} no)" in str(source.problem)
    assert str(source.problem).endswith("sign it anew") == hint


def test_a_search_is_asked_by_pystac_client(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Client:
        @staticmethod
        def open(root: str, timeout: float) -> Client:
            asked["root"] = root
            return Client()

        def search(self, **words: Any) -> Any:
            asked.update(words)
            assets = {"visual": {**VISUAL, "href": "https://api.example/a.tif"}}
            items = [pystac.Item.from_dict(_item(name, assets)) for name in "ab"]
            return SimpleNamespace(items=lambda: iter(items))

    monkeypatch.setitem(sys.modules, "pystac_client", SimpleNamespace(Client=Client))
    place = "https://api.example/v1/search?collections=x,y&bbox=1,2,3,4&datetime=2023-10&limit=50"
    found = discover([f"stac:{place}#visual"])
    assert [source.said["item"][-2:] for source in found[:1]] == ["#a"]
    assert asked == {
        "root": "https://api.example/v1",
        "method": "GET",
        "collections": ["x", "y"],
        "bbox": [1.0, 2.0, 3.0, 4.0],
        "datetime": "2023-10",
        "limit": 50,
    }
    monkeypatch.setitem(sys.modules, "pystac_client", None)
    (source,) = discover([f"stac:{place}"])
    assert "a search needs pystac-client" in str(source.problem)


@pytest.mark.parametrize("code", ["401", "403"])
def test_an_address_that_has_expired_says_so(tmp_path: Path, code: str) -> None:
    file = write_raster(tmp_path / "a.tif", gradient(8, 8), crs=None)
    words = [sys.executable, str(Path(__file__).with_name("failing_server.py")), file, "99", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        href = f"http://127.0.0.1:{server.stdout.readline().strip()}/signed.tif?token=old"
        item = _item(assets={"visual": {**VISUAL, "href": href}})
        source = _one(tmp_path / "item.json", item)
        options = source.options(SceneOptions(allow_remote=("127.0.0.1",)))
        with pytest.raises(
            SceneError, match=rf"response code: {code}\); its address may have expired"
        ):
            open_scene(source.path, options)
        server.terminate()
