"""A table of scenes: what it says of each goes before the file, and a bad row is one bad row."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from detector.scenes.discover import discover
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.scenes.rasters import gradient, write_raster

HEAD = "Path;Acquired;gsd;bands;nodata;clouds;sun_elevation;off_nadir"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp949"])
def test_each_scene_gets_its_own(tmp_path: Path, encoding: str) -> None:
    write_raster(tmp_path / "나진.tif", gradient(40, 30, bands=4), crs=None)
    write_raster(tmp_path / "b.tif", gradient(40, 30), crs=None)
    (tmp_path / "b.json").write_text('{"properties": {"view:sun_elevation": 20}}')
    rows = "나진.tif;2023-10-13T02:15:30Z;0.7;3 2 1;7;clear;41;12\r\nb.tif;2023-10-14;;;;;;\r\n"
    (tmp_path / "scenes.csv").write_bytes(f"{HEAD}\r\n{rows}".encode(encoding))
    one, two = discover([tmp_path / "scenes.csv"])
    common = SceneOptions(gsd_m=0.5)
    with open_scene(one.path, one.options(common)) as scene:
        info = scene.info
        assert (info.gsd_m, info.bands, info.valid_source) == (0.7, (3, 2, 1), "nodata")
        assert (info.cloud_source, info.acquired) == (
            "user",
            datetime(2023, 10, 13, 2, 15, 30, tzinfo=UTC),
        )
        assert (info.sun_elevation_deg, info.off_nadir_deg) == (41.0, 12.0)
        assert info.sun_azimuth_deg is None
    with open_scene(two.path, two.options(common)) as scene:
        assert (scene.info.gsd_m, scene.info.acquired_day) == (0.5, date(2023, 10, 14))
        assert scene.info.sun_elevation_deg == 20.0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a.tif;soon", ":2: acquired 'soon' cannot be used"),
        ("a.tif;;-1", ":2: gsd '-1' cannot be used"),
        ("a.tif;;;1 2", ":2: bands '1 2' cannot be used"),
        ("a.tif;;;;;cloudy", ":2: clouds 'cloudy' cannot be used"),
        ("a.tif;;;;;;91", ":2: sun_elevation '91' cannot be used (from -90 to 90 degrees)"),
        (";2023-10-13", ":2: names no scene"),
        ("none.tif", "none.tif: no such file"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_its_line(
    tmp_path: Path, row: str, words: str
) -> None:
    write_raster(tmp_path / "a.tif", gradient(40, 30))
    (tmp_path / "scenes.csv").write_text(f"{HEAD}\n{row}\na.tif;2023-10-13\n")
    bad, good = discover([tmp_path / "scenes.csv"])
    assert words in str(bad.problem)
    assert good.problem is None


def test_an_unknown_column_is_told(tmp_path: Path) -> None:
    (tmp_path / "scenes.csv").write_text("path,when\na.tif,2023-10-13\n")
    (source,) = discover([tmp_path / "scenes.csv"])
    assert "has the column 'when'; a table of scenes may have path, acquired" in str(source.problem)
