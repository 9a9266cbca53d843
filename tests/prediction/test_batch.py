"""Many scenes to a folder: rows, failures, resuming, the same bytes, names."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray

from detector.boxes import duplicates
from detector.boxes.scored import Boxes
from detector.errors import DeviceError, OutputError, QuaywatchError, ZonesError
from detector.geometry.boxes import Corners, corners_from_xywhr
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction import work
from detector.prediction.batch import BatchSettings, RunSummary, predict_paths
from tests.inference.blobs import BlobDetector, blob_scene
from tests.scenes.rasters import UTM52, utm_transform, write_raster

SIZE = (600, 500)


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> BlobDetector:
    """Bright blobs are ships; no network is needed."""
    blobs = BlobDetector()
    monkeypatch.setattr(run_module, "load_detector", lambda settings: blobs)
    return blobs


def _ships(*places: tuple[float, float]) -> Corners:
    return corners_from_xywhr(np.array([(x, y, 140, 24, 0.3) for x, y in places]))


def _scene(folder: Path, name: str, *places: tuple[float, float]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    return blob_scene(path, SIZE, _ships(*places), transform=utm_transform(), crs=UTM52)


def _zones(path: Path, crs: str = UTM52, **boxes: tuple[float, float, float, float]) -> Path:
    """Zones by pixel bounds of the scenes."""
    transform = utm_transform()
    shapes = []
    for x0, y0, x1, y1 in boxes.values():
        corners = [transform @ corner for corner in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
        shapes.append(shapely.Polygon(corners))
    frame = gpd.GeoDataFrame(
        {"name": list(boxes), "kind": ["berth"] * len(boxes)}, geometry=shapes, crs=UTM52
    )
    frame.to_crs(crs).to_file(path)
    return path


def _predict(out: Path, *paths: Path | str, **changes: object) -> RunSummary:
    values = {"paths": tuple(map(str, paths)), "out": out, "detector": DetectorSettings("blobs")}
    return predict_paths(BatchSettings(**{**values, **changes}))  # type: ignore[arg-type]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _count(out: Path, zone: str, length_class: str = "all") -> pd.Series:
    counts = pd.read_csv(out / "counts.csv", keep_default_na=False, na_values={"count": ""})
    chosen = counts["zone"] == zone
    rows = counts[chosen & (counts["class"] == "ship") & (counts["length_class"] == length_class)]
    return rows.iloc[0]


def test_the_layout_of_a_run(tmp_path: Path) -> None:
    scene = _scene(tmp_path, "a_2023-10-13.tif", (150, 100), (400, 300))
    summary = _predict(tmp_path / "out", scene)
    scene_id = summary.records[0].scene_id
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    marks = {".quaywatch", f"{scene_id}/.quaywatch"}
    names = ("gpkg", "geojson", "parquet")
    stacks = ("stacks.csv", "stacks.parquet")
    assert found == marks | {
        *(f"{scene_id}/detections.{name}" for name in names),
        *(f"{scene_id}/{name}" for name in ("counts.csv", "overlay.png", "scene.json", *stacks)),
        "detections.parquet",
        "counts.csv",
        "counts.parquet",
        *stacks,
        "scenes.csv",
        "run.json",
    }
    both = gpd.read_parquet(tmp_path / "out" / "detections.parquet")
    assert len(both) == 2
    assert both.crs.to_epsg() == 4326
    assert np.allclose(both["length_m"], 70, atol=1.5)
    assert _count(tmp_path / "out", "", "60-150 m")["count"] == 2


def test_zones_in_another_crs_count_what_they_hold(tmp_path: Path) -> None:
    scene = _scene(tmp_path, "a.tif", (150, 100), (400, 300), (420, 420))
    zones = _zones(
        tmp_path / "z.geojson",
        "EPSG:4326",
        west=(0, 0, 250, 500),
        east=(250, 0, 600, 500),
        half_out=(500, 0, 700, 500),
        far=(5000, 0, 5200, 100),
    )
    _predict(tmp_path / "out", scene, zones=str(zones))
    west, east = _count(tmp_path / "out", "west"), _count(tmp_path / "out", "east")
    assert (west["count"], west["observed_fraction"], west["status"]) == (1, 1.0, "cloud_unknown")
    assert east["count"] == 2
    half, far = _count(tmp_path / "out", "half_out"), _count(tmp_path / "out", "far")
    assert half["observed_fraction"] == pytest.approx(0.5, abs=0.005)
    assert (half["count"], half["status"]) == (0, "partial")
    assert (far["observed_fraction"], far["status"]) == (0.0, "unobserved")
    assert np.isnan(far["count"])


def test_a_device_that_vanishes_ends_the_run_with_one_line_and_a_later_run_goes_on(
    tmp_path: Path, detector: BlobDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"a": (150, 100), "b": (400, 300), "c": (200, 400)}
    scenes = [_scene(tmp_path, f"{name}.tif", place) for name, place in places.items()]
    _predict(tmp_path / "one", scenes[0])
    first = len(detector.batches)
    _predict(tmp_path / "whole", *scenes)
    forward = detector.forward
    detector.batches.clear()

    def gone(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if len(detector.batches) > first:
            raise DeviceError("device 'cuda:0' failed while it ran (device lost); start again")
        return forward(tiles)

    monkeypatch.setattr(detector, "forward", gone)
    with pytest.raises(DeviceError, match=r"^device 'cuda:0' failed while it ran \(device lost\)"):
        _predict(tmp_path / "out", *scenes)
    done = [path.parent.name[0] for path in (tmp_path / "out").glob("*/counts.csv")]
    assert done == ["a"]
    monkeypatch.setattr(detector, "forward", forward)
    again = _predict(tmp_path / "out", *scenes)
    assert [record.status for record in again.records] == ["done"] * 3
    counts = [(tmp_path / run / "counts.csv").read_bytes() for run in ("out", "whole")]
    assert counts[0] == counts[1]


def test_a_bad_scene_among_good_ones_is_a_row(tmp_path: Path) -> None:
    good = _scene(tmp_path, "good.tif", (150, 100))
    text = tmp_path / "text.tif"
    text.write_text("no raster")
    cut = tmp_path / "cut.tif"
    noise = np.random.default_rng(0).integers(1, 255, (3, 900, 900)).astype("uint8")
    write_raster(cut, noise, tiled=True, compress="deflate")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    summary = _predict(tmp_path / "out", good, text, cut, tmp_path / "gone.tif")
    table = pd.read_csv(tmp_path / "out" / "scenes.csv")
    assert table["status"].tolist() == ["done", "failed", "failed", "failed"]
    for word, reason in zip(
        ("not a raster", "damaged", "no such"), table["reason"][1:], strict=True
    ):
        assert word in reason
    assert len(summary.failed) == 3
    folders = [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert folders == [summary.records[0].scene_id]


def test_the_only_scene_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(QuaywatchError, match=r"gone\.tif"):
        _predict(tmp_path / "out", tmp_path / "gone.tif")
    assert not (tmp_path / "out").exists()


def test_the_same_scene_twice_is_counted_once(tmp_path: Path) -> None:
    one = _scene(tmp_path / "x", "a.tif", (150, 100))
    (tmp_path / "y").mkdir()
    two = Path(shutil.copy(one, tmp_path / "y" / "a.tif"))
    summary = _predict(tmp_path / "out", one, two, one)
    assert [record.status for record in summary.records] == ["done", "copy"]
    assert summary.records[1].copy_of == summary.records[0].scene_id
    assert summary.records[1].reason == f"{two}: the same picture as {one}, counted once"
    assert _count(tmp_path / "out", "")["count"] == 1


def test_one_picture_under_several_dates_is_counted_once(tmp_path: Path) -> None:
    """Saved anew with another compression, other metadata and under another date: a copy."""
    first = _scene(tmp_path, "port_2026-09-01.tif", (150, 100))
    with rasterio.open(first) as raster:
        values, profile = raster.read(), raster.profile | {"compress": "deflate", "tiled": False}
    names = ["port_2026-09-02T03-00-00Z.tif", "port_2026-09-03.tif"]
    for name in names:
        with rasterio.open(tmp_path / name, "w", **profile) as raster:
            raster.write(values)
            raster.update_tags(TIFFTAG_SOFTWARE="another")
    values[:, 7, 9] += 1  # one grey level of one pixel: another picture
    with rasterio.open(tmp_path / "port_2026-09-04.tif", "w", **profile) as raster:
        raster.write(values)
    paths = [first, *(tmp_path / name for name in names), tmp_path / "port_2026-09-04.tif"]
    summary = _predict(tmp_path / "out", *paths)
    assert [record.status for record in summary.records] == ["done", "copy", "copy", "done"]
    counts = pd.read_csv(tmp_path / "out" / "counts.csv")
    assert set(counts["acquired_day"]) == {"2026-09-01", "2026-09-04"}
    rows = pd.read_csv(tmp_path / "out" / "scenes.csv", keep_default_na=False)
    assert rows["copy_of"].tolist() == ["", *[summary.records[0].scene_id] * 2, ""]
    assert rows["reason"][1].endswith(
        "port_2026-09-01.tif, counted once, under the date of that one (2026-09-01, time unknown); "
        "this one says 2026-09-02 03:00 UTC, and pixels do not tell which is right"
    )
    told = json.loads((tmp_path / "out" / "run.json").read_text())["scenes"]
    assert [scene["status"] for scene in told] == ["done", "copy", "copy", "done"]


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    scenes = [_scene(tmp_path, f"{i}_2023-10-1{i}.tif", (150 + 40 * i, 100)) for i in range(3)]
    zones = _zones(tmp_path / "z.gpkg", west=(0, 0, 250, 500))
    _predict(tmp_path / "one", *scenes, zones=str(zones))
    _predict(tmp_path / "two", *scenes, zones=str(zones))
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, detector: BlobDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [_scene(tmp_path, f"{i}.tif", (150 + 40 * i, 100)) for i in range(3)]
    _predict(tmp_path / "whole", *scenes)
    real = work.write_scene_files

    def dies_on_the_second(folder: Path, *rest: object) -> None:
        if folder.name.startswith("1-"):
            raise KeyboardInterrupt
        real(folder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(work, "write_scene_files", dies_on_the_second)
    with pytest.raises(KeyboardInterrupt):
        _predict(tmp_path / "killed", *scenes)
    monkeypatch.setattr(work, "write_scene_files", real)
    detector.batches.clear()
    summary = _predict(tmp_path / "killed", *scenes)
    assert summary.resumed == 1
    assert 0 < len(detector.batches) < 20
    assert _bytes(tmp_path / "whole") == _bytes(tmp_path / "killed")


def test_results_of_other_settings_are_not_touched(tmp_path: Path) -> None:
    scene = _scene(tmp_path, "a.tif", (150, 100))
    _predict(tmp_path / "out", scene)
    before = _bytes(tmp_path / "out")
    zones = str(_zones(tmp_path / "z.gpkg", west=(0, 0, 250, 500)))
    with pytest.raises(OutputError, match="overwrite=true"):
        _predict(tmp_path / "out", scene, zones=zones)
    assert _bytes(tmp_path / "out") == before
    _predict(tmp_path / "out", scene, zones=zones, overwrite=True)
    assert _count(tmp_path / "out", "west")["count"] == 1


def test_results_of_other_constants_are_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = _scene(tmp_path, "a.tif", (150, 100))
    _predict(tmp_path / "out", scene)
    assert _predict(tmp_path / "out", scene).resumed == 1
    monkeypatch.setattr(duplicates, "ROW_SHARE", 0.5)
    with pytest.raises(OutputError, match="other settings, weights or code"):
        _predict(tmp_path / "out", scene)
    assert _predict(tmp_path / "out", scene, overwrite=True).resumed == 0


def test_a_scene_without_crs_has_pixels_and_no_geojson(tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    blob_scene(tmp_path / "t.tif", SIZE, _ships((150, 100)), transform=Affine.identity(), crs=None)
    cv2.imwrite(str(path), cv2.imread(str(tmp_path / "t.tif")))
    summary = _predict(tmp_path / "out", path)
    folder = tmp_path / "out" / summary.records[0].scene_id
    assert not (folder / "detections.geojson").exists()
    boxes = gpd.read_file(folder / "detections.gpkg", layer="detections")
    assert len(boxes) == 1
    assert boxes.geometry[0].centroid.coords[0] == pytest.approx((150, 100), abs=1)
    assert summary.records[0].warnings[0].startswith("scale unknown, so nothing is counted")
    assert "scene.gsd=" in summary.records[0].warnings[0]
    all_boxes = gpd.read_parquet(tmp_path / "out" / "detections.parquet")
    assert all_boxes.geometry.isna().all()
    assert all_boxes["px0"].notna().all()


@pytest.mark.parametrize(
    "name",
    ["a b.tif", "a[1].tif", "a=b.tif", "a,b.tif", "~a.tif", "나진항 2023-10-13.tif", "порт'\".tif"],
)
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    summary = _predict(tmp_path / "out", _scene(tmp_path, name, (150, 100)))
    assert [record.status for record in summary.records] == ["done"]
    table = pd.read_csv(tmp_path / "out" / "scenes.csv")
    assert table["path"][0].endswith(name)
    content = json.loads(
        (tmp_path / "out" / summary.records[0].scene_id / "scene.json").read_text()
    )
    assert content["ships"] == 1


def test_zones_only_reads_less(tmp_path: Path, detector: BlobDetector) -> None:
    folder = tmp_path / "wide"
    folder.mkdir()
    scene = blob_scene(
        folder / "a.tif", (2400, 500), _ships((150, 100)), transform=utm_transform(), crs=UTM52
    )
    zones = str(_zones(tmp_path / "z.gpkg", west=(0, 0, 250, 500)))
    _predict(tmp_path / "whole", scene, zones=zones)
    everything = sum(detector.batches)
    detector.batches.clear()
    _predict(tmp_path / "part", scene, zones=zones, zones_only=True)
    assert 0 < sum(detector.batches) < 0.5 * everything
    assert _count(tmp_path / "part", "west")["count"] == 1


def test_what_zones_only_cuts_is_flagged_and_said(
    tmp_path: Path, detector: BlobDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stacks have no coarse scale: one that goes on behind the tiles of the zone is cut there."""
    ships = detector.decode

    def stacks(raw: NDArray[np.uint8]) -> list[Boxes]:
        return [replace(boxes, class_ids=boxes.class_ids + 1) for boxes in ships(raw)]

    monkeypatch.setattr(detector, "decode", stacks)
    (tmp_path / "wide").mkdir()
    row_and_block = corners_from_xywhr(
        np.array([[1000.0, 100, 1800, 40, 0], [120, 300, 80, 40, 0]])
    )
    path = tmp_path / "wide" / "a.tif"
    scene = blob_scene(path, (2400, 500), row_and_block, transform=utm_transform(), crs=UTM52)
    zones = str(_zones(tmp_path / "z.gpkg", west=(0, 0, 250, 500)))
    for out, zones_only in (("all", False), ("part", True)):
        [record] = _predict(tmp_path / out, scene, zones=zones, zones_only=zones_only).records
        found = gpd.read_parquet(tmp_path / out / record.scene_id / "detections.parquet")
        assert found["class"].tolist() == ["container_stack"] * 2
        cut = found.sort_values("length_m")["at_scene_edge"].tolist()
        assert cut == [False, zones_only]
        said = [text for text in record.warnings if "beyond what was read" in text]
        assert [text.split()[0] for text in said] == ["1"] * zones_only


def test_a_scene_without_crs_is_counted_as_a_whole(tmp_path: Path) -> None:
    """Nobody knows where zones of a map lie in it: their rows say unobserved, not 0."""
    placed = _scene(tmp_path, "placed.tif", (150, 100), (400, 300))
    ships = _ships((150, 100), (420, 300))
    flat = blob_scene(tmp_path / "flat.tif", SIZE, ships, transform=Affine.identity(), crs=None)
    zones = str(_zones(tmp_path / "z.gpkg", west=(0, 0, 250, 500)))
    summary = _predict(tmp_path / "out", placed, flat, zones=zones)
    assert [record.status for record in summary.records] == ["done", "done"]
    record = summary.records[1]
    assert record.ships is None
    assert record.warnings[0].startswith("scale unknown")
    assert "no CRS, so the zones were not used and the scene is counted as a whole" in " ".join(
        record.warnings
    )
    assert [(area.name, area.status) for area in record.areas[1:]] == [("west", "unobserved")]
    counts = pd.read_csv(tmp_path / "out" / "counts.csv", keep_default_na=False)
    mine = counts[(counts["scene_id"] == record.scene_id) & (counts["length_class"] == "all")]
    ships = mine[mine["class"] == "ship"].set_index("zone")
    assert (ships.loc["", "count"], ships.loc["", "status"]) == ("", "scale_unknown")
    assert (ships.loc["west", "count"], ships.loc["west", "status"]) == ("", "unobserved")
    rows = pd.read_csv(tmp_path / "out" / "scenes.csv", keep_default_na=False)
    assert "the zones were not used" in rows["warnings"][1]
    with pytest.raises(ZonesError, match=r"flat\.tif: no CRS, so nobody knows where the zones lie"):
        _predict(tmp_path / "part", flat, zones=zones, zones_only=True)


def test_bad_zones_stop_the_run_before_anything_is_written(tmp_path: Path) -> None:
    scene = _scene(tmp_path, "a.tif", (150, 100))
    with pytest.raises(ZonesError, match=r"none\.geojson"):
        _predict(tmp_path / "out", scene, zones=str(tmp_path / "none.geojson"))
    assert not (tmp_path / "out").exists()


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    scene = _scene(tmp_path, "a.tif", (150, 100))
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(OutputError, match="out"):
        _predict(tmp_path / "out", scene)
    assert (tmp_path / "out").read_text() == "in the way"


def test_what_the_merge_left_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = _scene(tmp_path, "a.tif", (150, 100))
    real = work.find_objects

    def crowded(*args: object, **kwargs: object) -> object:
        found = real(*args, **kwargs)  # type: ignore[arg-type]
        found.stats.crowded.append(3)
        found.stats.unusable += 2
        return found

    monkeypatch.setattr(work, "find_objects", crowded)
    record = _predict(tmp_path / "out", scene).records[0]
    assert any("so objects are missing from the count" in warning for warning in record.warnings)
    assert any(warning.startswith("2 boxes without area") for warning in record.warnings)
