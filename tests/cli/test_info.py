"""`detector info`: what was understood, from where, and what will not be possible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from detector.cli.main import main
from detector.models.detector import AUTO_WEIGHTS
from tests.scenes.rasters import gradient, write_raster

Output = pytest.CaptureFixture[str]
FINE, COARSE = AUTO_WEIGHTS


def _info(capsys: Output, *words: str) -> list[dict[str, object]]:
    code = main(["info", *words, "json=true", "time=false"])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if all("problem" not in one for one in told) else 1)
    return list(told)


def test_a_scene_is_described(tmp_path: Path, capsys: Output) -> None:
    path = write_raster(tmp_path / "najin_2023-10-13.tif", gradient(900, 700))
    (tmp_path / "najin_2023-10-13.json").write_text(
        '\ufeff{"properties": {"datetime": "2023-10-13T02:15:30Z", "view:sun_elevation": 41,'
        '"view:sun_azimuth": 160, "view:off_nadir": 12, "view:azimuth": 80}}'
    )
    zones = tmp_path / "zones.geojson"
    square = [[129.0, 42.24], [129.001, 42.24], [129.001, 42.245], [129.0, 42.24]]
    away = [[x + 3, y] for x, y in square]
    features = [
        {
            "type": "Feature",
            "properties": {"NAME": name, "Kind": "berth"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for name, ring in (("here", square), ("away", away))
    ]
    zones.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (told,) = _info(capsys, str(path), f"zones={zones}")
    assert (told["width"], told["height"], told["crs"]) == (900, 700, "EPSG:32652")
    assert told["gsd_m"] == pytest.approx(0.5, rel=1e-3)
    assert told["gsd_source"] == "geodesic"
    assert told["acquired"] == "2023-10-13T02:15:30Z"
    assert told["acquired_source"] == "sidecar"
    assert told["angles"] == {
        "sun_elevation_deg": 41.0,
        "sun_azimuth_deg": 160.0,
        "off_nadir_deg": 12.0,
        "view_azimuth_deg": 80.0,
    }
    assert told["zones"] == [1, 2]
    assert told["valid_fraction"] == 1.0
    assert 2 <= int(str(told["tiles"])) <= 12  # of 640 pixels, read finer than the file is
    assert main(["info", str(path), "time=false"]) == 0
    told_lines = capsys.readouterr().out.splitlines()
    assert {"  gsd       0.5 m (geodesic)", "  clouds    unknown"} <= set(told_lines)
    assert main(["info", str(path), "time=false", "scene.clouds=clear"]) == 0
    assert "  clouds    clear (given)" in capsys.readouterr().out.splitlines()


def test_a_scene_that_cannot_be_opened_is_said_and_the_others_are_told(
    tmp_path: Path, capsys: Output
) -> None:
    write_raster(tmp_path / "a.tif", gradient(40, 40))
    (tmp_path / "b.tif").write_bytes(b"II*\0 nothing")
    told = _info(capsys, str(tmp_path))
    assert [Path(str(one["path"])).name for one in told] == ["a.tif", "b.tif"]
    assert str(told[1]["problem"]).startswith(str(tmp_path / "b.tif"))


def _gcps() -> list[GroundControlPoint]:
    corners = ((0, 0), (0, 40), (40, 0), (40, 40))
    return [GroundControlPoint(r, c, 500_000 + c, 4_677_000 - r) for r, c in corners]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("no transform", "has a CRS but no geotransform: not georeferenced"),
        ("control points", "placed by 4 ground control points"),
        ("world file", "has a geotransform or world file but no CRS"),
        ("given gsd", "scene.gsd=0.7 was not used: the file is georeferenced, with 0.5 m a pixel"),
        ("damaged sidecar", "its side file a.json is not used (Expecting"),
        ("other sidecar", "its side file a.json is not used: it is no STAC item"),
        ("pages", "holds 2 pages or parts, of which the first is read"),
        ("near infrared", "band 4 is called alpha but has all kinds of values"),
        ("placeholder", "1970-01-01 is what programs write that know no time"),
    ],
)
def test_what_is_not_used_is_said(tmp_path: Path, capsys: Output, kind: str, words: str) -> None:
    path = tmp_path / "a.tif"
    _write(path, kind)
    options = ["gsd=0.7"] if kind == "given gsd" else []
    (told,) = _info(capsys, str(path), *options)
    assert any(words in str(remark) for remark in told["remarks"]), told["remarks"]  # type: ignore[attr-defined]
    if kind in ("no transform", "world file"):
        assert (told["crs"], told["gsd_m"]) == (None, None)
    if kind == "control points":
        assert (told["crs"], told["gsd_m"]) == ("EPSG:32652", pytest.approx(1.0, abs=0.001))


def _write(path: Path, kind: str) -> None:
    values = gradient(40, 40, bands=4 if kind == "near infrared" else 3)
    more: dict[str, dict[str, Any]] = {
        "no transform": {"transform": Affine.identity()},
        "near infrared": {"photometric": "RGB", "alpha": "YES"},
        "placeholder": {"tags": {"": {"TIFFTAG_DATETIME": "1970:01:01 00:00:00"}}},
        "world file": {"crs": None},
        "control points": {"crs": None},
    }
    write_raster(path, values, **more.get(kind, {}))
    if kind == "world file":
        path.with_suffix(".tfw").write_text("0.5\n0\n0\n-0.5\n500000\n4677000\n")
    elif kind == "control points":
        with rasterio.open(path, "r+") as raster:
            raster.gcps = (_gcps(), rasterio.CRS.from_epsg(32652))
    elif kind == "damaged sidecar":
        path.with_suffix(".json").write_text("not JSON")
    elif kind == "other sidecar":
        path.with_suffix(".json").write_text('{"shapes": []}')
    elif kind == "pages":
        _append_page(path, values[0])


def _append_page(path: Path, values: np.ndarray) -> None:
    with rasterio.open(
        path, "w", "GTiff", 40, 40, 1, dtype="uint8", APPEND_SUBDATASET="YES"
    ) as raster:
        raster.write(values, 1)


@pytest.mark.parametrize(
    ("gsd_m", "weights", "ships", "says"),
    [
        (10.0, COARSE, "ships shorter than about 60 m", "not readable at 10 m a pixel"),
        (3.0, COARSE, "ships shorter than about 18 m", "not readable at 3 m a pixel"),
        (0.5, FINE, "", ""),
        (30.0, FINE, "", "not readable at 30 m a pixel, so nothing is counted"),
    ],
)
def test_it_says_which_card_reads_a_scene_and_what_will_not_be_possible(
    tmp_path: Path, capsys: Output, gsd_m: float, weights: str, ships: str, says: str
) -> None:
    transform = Affine(gsd_m, 0, 500_000, 0, -gsd_m, 4_677_000)
    path = write_raster(tmp_path / "a.tif", gradient(90, 70), transform=transform)
    (told,) = _info(capsys, str(path))
    assert told["weights"] == weights
    finest, coarsest = (float(end) for end in told["weights_gsd_m"])  # type: ignore[attr-defined]
    remarks = " ".join(told["remarks"])  # type: ignore[call-overload]
    assert finest < coarsest
    assert (finest <= gsd_m <= coarsest) == (gsd_m < 30)
    assert ("ships shorter than" in remarks) == bool(ships)
    assert ships in remarks
    assert says in remarks
    # tiers of stacks are of no use where no stack is readable
    assert ("tiers of container stacks" in remarks) == (gsd_m in (0.5, 30.0))
    assert main(["info", str(path), "time=false"]) == 0
    line = f"  weights   {weights} (for {finest:g} to {coarsest:g} m a pixel)"
    assert {line, "  acquired  unknown"} <= set(capsys.readouterr().out.splitlines())
