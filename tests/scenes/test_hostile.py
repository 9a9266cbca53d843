"""Scenes that lie: they reach nothing but themselves, and cost little."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from detector.errors import SceneError
from detector.scenes.guard import is_allowed
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.scenes.rasters import write_raster

SIDE = 64


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A server that keeps what it is asked for: nothing, if all goes well."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(0.5)
                    asked.append(connection.recv(200))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        done.set()
        thread.join()


def _raster(path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(1, 255, (3, SIDE, SIDE)).astype(np.uint8)
    return write_raster(path, pixels)


def _vrt(path: Path, source: str, *, relative: int = 1, more: str = "", band: str = "") -> Path:
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{n}" {band}><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
        f"<SourceBand>{n}</SourceBand></SimpleSource>{more}</VRTRasterBand>"
        for n in (1, 2, 3)
    )
    path.write_text(f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}">{bands}</VRTDataset>')
    return path


def test_a_vrt_of_files_beside_it_is_read(tmp_path: Path) -> None:
    _raster(tmp_path / "a.tif")
    with open_scene(_vrt(tmp_path / "a.vrt", "a.tif")) as scene:
        assert (scene.info.width, scene.info.height) == (SIDE, SIDE)
    with open_scene(_vrt(tmp_path / "b.vrt", str(tmp_path / "a.tif"), relative=0)) as scene:
        assert scene.info.bands == (1, 2, 3)


@pytest.mark.parametrize(
    "source",
    [
        "{http}/a.tif",
        "/vsicurl/{http}/a.tif",
        "/vsizip//vsicurl/{http}/a.zip/a.tif",
        "WMS:{http}",
        "../out/a.tif",
        "/etc/hostname",
        "link.tif",
        "service.tif",
        "inner.vrt",
    ],
)
def test_a_vrt_leads_nowhere_else(
    tmp_path: Path, listener: tuple[str, list[bytes]], source: str
) -> None:
    http, asked = listener
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    _raster(out / "a.tif")
    (folder / "link.tif").symlink_to(out / "a.tif")
    (folder / "service.tif").write_text(_service(http))
    _vrt(folder / "inner.vrt", f"/vsicurl/{http}/a.tif", relative=0)
    path = _vrt(folder / "a.vrt", source.format(http=http), relative=0 if ":" in source else 1)
    with pytest.raises(SceneError):
        open_scene(path)
    assert asked == []


def test_a_folder_outside_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    _raster(tmp_path / "out" / "a.tif")
    path = _vrt(tmp_path / "in" / "a.vrt", "../out/a.tif")
    with open_scene(path, SceneOptions(allow_remote=(str(tmp_path / "out"),))) as scene:
        assert scene.info.width == SIDE


@pytest.mark.parametrize("kind", ["VRTRawRasterBand", "VRTDerivedRasterBand", "VRTOther"])
def test_a_vrt_that_reads_any_file_or_runs_a_function_is_refused(tmp_path: Path, kind: str) -> None:
    _raster(tmp_path / "a.tif")
    path = _vrt(tmp_path / "a.vrt", "a.tif", band=f'subClass="{kind}"')
    with pytest.raises(SceneError, match=kind):
        open_scene(path)


def _service(http: str) -> str:
    return (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{http}/${{z}}/${{x}}/${{y}}.png</ServerUrl>'
        "</Service><DataWindow><UpperLeftX>0</UpperLeftX><UpperLeftY>64</UpperLeftY>"
        "<LowerRightX>64</LowerRightX><LowerRightY>0</LowerRightY><SizeX>64</SizeX>"
        "<SizeY>64</SizeY></DataWindow><BandsCount>3</BandsCount></GDAL_WMS>"
    )


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.vrt", "a.xml"])
def test_a_service_under_a_rasters_name_is_refused(
    tmp_path: Path, listener: tuple[str, list[bytes]], name: str
) -> None:
    http, asked = listener
    (tmp_path / name).write_text(_service(http))
    with pytest.raises(SceneError, match="no VRT"):
        open_scene(tmp_path / name)
    assert asked == []


@pytest.mark.parametrize("name", ["/vsicurl/{http}/a.tif", "{http}/a.tif", "WMS:{http}/wms?"])
def test_a_name_of_the_network_needs_to_be_allowed(
    listener: tuple[str, list[bytes]], name: str
) -> None:
    http, asked = listener
    with pytest.raises(SceneError, match="allow_remote"):
        open_scene(name.format(http=http))
    assert asked == []


def test_overviews_elsewhere_are_refused(tmp_path: Path, listener: tuple[str, list[bytes]]) -> None:
    http, asked = listener
    path = _raster(tmp_path / "a.tif")
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=f"/vsicurl/{http}/o.tif")
    with pytest.raises(SceneError, match="overviews elsewhere"):
        open_scene(path)
    assert asked == []


def test_a_mask_that_is_a_service_is_refused(
    tmp_path: Path, listener: tuple[str, list[bytes]]
) -> None:
    http, asked = listener
    path = _raster(tmp_path / "a.tif")
    (tmp_path / "a_cloud.tif").write_text(_service(http))
    with pytest.raises(SceneError, match="a_cloud"):
        open_scene(path)
    assert asked == []


@pytest.mark.parametrize("name", ["a.tif", "a.tif.aux.xml", "a.json", "a.tif.ovr", "a.tfw"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tif"
    if name != "a.tif":
        _raster(path)
    os.mkfifo(tmp_path / name)
    with pytest.raises(SceneError, match="a pipe or device"):
        open_scene(path)


@pytest.mark.parametrize("size", [(10**6, 10**6), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)])
def test_a_size_that_no_scene_has(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    band = '<VRTRasterBand dataType="Byte" band="1"/>'
    path = tmp_path / "a.vrt"
    path.write_text(f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">{band}</VRTDataset>')
    with pytest.raises(SceneError, match="more than the"):
        open_scene(path)
    if size == (10**6, 10**6):
        options = {"SPARSE_OK": "TRUE", "BIGTIFF": "YES", "TILED": "YES"}
        tiff = tmp_path / "a.tif"
        with rasterio.open(
            tiff,
            "w",
            "GTiff",
            width,
            height,
            1,
            dtype="uint8",
            blockxsize=8192,
            blockysize=8192,
            **options,
        ):
            pass
        with pytest.raises(SceneError, match="more than the"):
            open_scene(tiff)


def test_a_bomb_of_entities_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "a.vrt"
    path.write_text('<!DOCTYPE x [<!ENTITY a "aaaa">]><VRTDataset rasterXSize="&a;"/>')
    with pytest.raises(SceneError, match="DOCTYPE"):
        open_scene(path)


def test_deep_metadata_and_long_numbers_are_passed_over(tmp_path: Path) -> None:
    path = _raster(tmp_path / "a.tif")
    (tmp_path / "a.json").write_text("[" * 100_000)
    with open_scene(path) as scene:
        assert scene.info.sun_elevation_deg is None
    (tmp_path / "a.json").write_text('{"properties": {"view:sun_elevation": %s}}' % ("9" * 400))
    with open_scene(path) as scene:
        assert scene.info.sun_elevation_deg is None


@pytest.mark.parametrize("stem", ["n" * 245, "\N{HANGUL SYLLABLE NA}" * 82])
def test_the_longest_names_are_read(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.tif"
    _raster(path)
    with open_scene(path) as scene:
        assert len(scene.info.scene_id.encode()) < 140


@pytest.mark.parametrize(
    "crs",
    [
        'LOCAL_CS["site",UNIT["metre",1]]',
        'VERT_CS["heights",VERT_DATUM["any",2005],UNIT["metre",1]]',
        'ENGCRS["site",EDATUM["any"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
        'LENGTHUNIT["metre",1]]',
        'GEOGCRS["Mars",DATUM["Mars",ELLIPSOID["Mars",3396190,169.9]],CS[ellipsoidal,2],'
        'AXIS["lat",north],AXIS["lon",east],ANGLEUNIT["degree",0.0174532925199433]]',
    ],
)
def test_a_crs_that_is_no_map_of_the_earth_is_one_sentence(tmp_path: Path, crs: str) -> None:
    _raster(tmp_path / "b.tif")
    path = _vrt(tmp_path / "a.vrt", "b.tif")
    geo = f"<SRS>{crs.replace('<', '&lt;')}</SRS><GeoTransform>0,1,0,0,0,-1</GeoTransform>"
    path.write_text(path.read_text().replace("<VRTRasterBand", f"{geo}<VRTRasterBand", 1))
    with pytest.raises(SceneError, match=r"a\.vrt: its CRS .* is no map of the Earth"):
        open_scene(path)


@pytest.mark.parametrize("transform", ["0,0,0,0,0,0", "0,nan,0,0,0,1", "0,1e300,0,0,0,1e300"])
def test_a_transform_without_inverse_is_one_sentence(tmp_path: Path, transform: str) -> None:
    _raster(tmp_path / "b.tif")
    path = _vrt(tmp_path / "a.vrt", "b.tif")
    geo = f"<SRS>EPSG:32652</SRS><GeoTransform>{transform}</GeoTransform>"
    path.write_text(path.read_text().replace("<VRTRasterBand", f"{geo}<VRTRasterBand", 1))
    with pytest.raises(SceneError, match=r"a\.vrt"):
        open_scene(path)


def test_what_an_allowed_name_covers() -> None:
    assert is_allowed("/vsicurl/https://a.org/x.tif", ("a.org",))
    assert is_allowed("https://a.org/d/x.tif", ("https://a.org/d",))
    assert is_allowed("/data/x/a.tif", ("/data/x",))
    assert not is_allowed("https://a.org.evil.com/x.tif", ("a.org", "https://a.org"))
    assert not is_allowed("/data/xy/a.tif", ("/data/x",))
    assert not is_allowed("https://b.org/a.org/x.tif", ("a.org",))
    assert not is_allowed("https://b.org/x.tif", ("",))
