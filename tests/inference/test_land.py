"""Boxes on land: by near infrared in rendered ports of 10 m, and by a file of land."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely.geometry import box

from detector.errors import OutputError, SceneError, ZonesError
from detector.geometry.boxes import corners_from_xywhr
from detector.inference.land import Land, can_tell_water, find_on_land
from detector.inference.pipeline import find_objects
from detector.models.detector import DetectorSettings
from detector.prediction import batch
from detector.prediction.batch import BatchSettings, RunSummary, predict_paths
from detector.rendering import RenderedScene, render
from detector.rendering.spec import PortSpec, TrafficSpec
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.counting.make import SHIP, STACK, make_detections
from tests.inference.blobs import CARD, BlobDetector, blob_scene
from tests.scenes.rasters import UTM52, utm_transform, write_raster

NAMES = ("B04", "B03", "B02", "B08, central wavelength 842 nm")
INLAND_PX = 6  # at 10 m


def four_bands(scene: RenderedScene, glint: float = 0.0) -> NDArray[np.uint16]:
    """Reflectances with near infrared as water, land, and what floats have it, and sun glint."""
    rng = np.random.default_rng(scene.seed)
    rgb = np.moveaxis(scene.values, -1, 0).astype(np.float64) * 8 + 300
    green = rgb[1]
    infrared = green * np.where(scene.water, 0.5, 1.3)
    roofs = cv2.resize(rng.random((40, 40)), scene.water.shape[::-1], interpolation=0) < 0.02
    infrared[roofs & ~scene.water] = 0.8 * green[roofs & ~scene.water]  # blue ones
    light = glint * rng.random(green.shape) * 4000
    return np.stack([*(rgb + light), infrared + light]).astype(np.uint16)


@pytest.fixture(scope="module")
def port() -> RenderedScene:
    traffic = TrafficSpec(anchored_per_km2=5.0)
    return render(PortSpec(width=200, height=200, gsd_m=10.0, traffic=traffic), 5)


def ships_of(scene: RenderedScene) -> list[tuple[Any, ...]]:
    """Boxes `class, x, y, length, width, angle` of all ships of 60 m and more that float."""
    corners = [one.corners for one in scene.truth if one.class_id == SHIP and one.length_m >= 60]
    rows = []
    for part in corners:
        along, across = part[1] - part[0], part[3] - part[0]
        sides = np.hypot(*along), np.hypot(*across)
        rows.append((SHIP, *part.mean(axis=0), *sides, np.arctan2(along[1], along[0])))
    return rows


def inland(scene: RenderedScene, number: int) -> list[tuple[Any, ...]]:
    """As many boxes of ships of 60 to 200 m, all parts of which are far from water."""
    rng = np.random.default_rng(1)
    far = cv2.distanceTransform((~scene.water).astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = np.nonzero(far > 10 + INLAND_PX)
    chosen = rng.integers(len(rows), size=number)
    return [
        (SHIP, columns[i], rows[i], rng.uniform(6, 20), rng.uniform(1.5, 3), rng.uniform(0, 3))
        for i in chosen
    ]


@pytest.mark.parametrize("glint", [0.0, 1.0])
def test_ships_stay_and_boxes_on_land_go(port: RenderedScene, tmp_path: Path, glint: float) -> None:
    ships, boxes = ships_of(port), inland(port, 60)
    assert len(ships) >= 12
    berthed = sum(one.state in ("berthed", "rafted") for one in port.truth)
    assert berthed >= 4
    path = write_raster(
        tmp_path / "a.tif",
        four_bands(port, glint),
        transform=utm_transform(10.0),
        descriptions=NAMES,
    )
    with open_scene(path) as scene:
        assert scene.info.near_infrared == 4
        rows = make_detections([*ships, *boxes], transform=utm_transform(10.0))
        told = find_on_land(scene, rows, Land())
        assert told[: len(ships)].sum() == 0
        assert told[len(ships) :].all()
        assert not find_on_land(scene, rows, Land(by_water=False)).any()
        stacks = make_detections(
            [(STACK, *one[1:]) for one in boxes], transform=utm_transform(10.0)
        )
        assert not find_on_land(scene, stacks, Land()).any()  # where they belong


def flat_scene(folder: Path, land_from: int = 60, **profile: Any) -> Path:
    """120 x 100 px of 10 m; land from a column on."""
    values = np.full((4, 100, 120), 500, np.uint16)
    values[3] = 200
    values[3, :, land_from:] = 900
    given = {"transform": utm_transform(10.0), "descriptions": NAMES} | profile
    return write_raster(folder / "a.tif", values, **given)


@pytest.mark.parametrize(
    ("x", "land"),
    [(40.0, False), (59.0, False), (61.0, False), (63.0, False), (70.0, True), (110.0, True)],
)
def test_how_near_water_is(tmp_path: Path, x: float, land: bool) -> None:
    """A ship 20 px along the coast and 3 px wide; water within 3 px beside it keeps it."""
    row = (SHIP, x, 50.0, 20.0, 3.0, np.pi / 2)
    with open_scene(flat_scene(tmp_path)) as scene:
        rows = make_detections([row], transform=utm_transform(10.0))
        assert find_on_land(scene, rows, Land()).tolist() == [land]


def test_a_pond_is_no_water(tmp_path: Path) -> None:
    path = flat_scene(tmp_path, land_from=0)
    row = (SHIP, 60.0, 50.0, 10.0, 3.0, 0.0)
    for side, stays in ((9, False), (11, True)):  # 8,100 and 12,100 m²
        values = np.full((4, 100, 120), 500, np.uint16)
        values[3] = 900
        values[3, 52 : 52 + side, 55 : 55 + side] = 200
        write_raster(path, values, transform=utm_transform(10.0), descriptions=NAMES)
        with open_scene(path) as scene:
            rows = make_detections([row], transform=utm_transform(10.0))
            assert find_on_land(scene, rows, Land()).tolist() == [not stays]


def test_what_was_not_seen_takes_no_ship_away(tmp_path: Path) -> None:
    values = np.full((4, 100, 120), 500, np.uint16)
    values[3] = 900
    values[:, :, 50:] = 0
    path = write_raster(
        tmp_path / "a.tif", values, transform=utm_transform(10.0), descriptions=NAMES, nodata=0
    )
    with open_scene(path) as scene:
        rows = make_detections(
            [(SHIP, 52.0, 50.0, 4.0, 2.0, 0.0), (SHIP, 20.0, 50.0, 4.0, 2.0, 0.0)],
            transform=utm_transform(10.0),
        )
        assert find_on_land(scene, rows, Land()).tolist() == [False, True]


@pytest.mark.parametrize(
    ("profile", "options", "band"),
    [
        ({}, {}, 4),
        ({"descriptions": ("r", "g", "b", "Near Infrared")}, {"bands": (1, 2, 3)}, 4),
        ({"descriptions": ("red", "green", "blue", "B8A")}, {}, None),
        ({"descriptions": ("red", "green", "blue", "x")}, {}, None),
        ({"descriptions": ("red", "green", "blue", "x")}, {"nir": 4}, 4),
        ({"photometric": "rgb", "descriptions": None}, {}, None),
        ({"dtype": "uint8"}, {}, None),  # stretched band by band: green and infrared don't compare
        ({"dtype": "uint8"}, {"nir": 4}, 4),
    ],
)
def test_where_near_infrared_is(
    tmp_path: Path, profile: dict[str, Any], options: dict[str, Any], band: int | None
) -> None:
    values = np.full((4, 30, 30), 50, profile.pop("dtype", "uint16"))
    given = {"transform": utm_transform(10.0), "descriptions": NAMES} | profile
    path = write_raster(tmp_path / "a.tif", values, **given)
    with open_scene(path, SceneOptions(**options)) as scene:
        assert scene.info.near_infrared == band
        assert can_tell_water(scene) == (band is not None)


def test_a_band_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"a\.tif: scene\.nir=5 .* of 4 bands"):
        open_scene(flat_scene(tmp_path), SceneOptions(nir=5))


def test_scales_of_bands_count(tmp_path: Path) -> None:
    """Stored alike, but near infrared's unit is three times as large: land."""
    import rasterio

    path = flat_scene(tmp_path, land_from=120)
    with rasterio.open(path, "r+") as file:
        file.scales = (1.0, 1.0, 1.0, 3.0)
    with open_scene(path) as scene:
        rows = make_detections([(SHIP, 60.0, 50.0, 10.0, 2.0, 0.0)], transform=utm_transform(10.0))
        assert find_on_land(scene, rows, Land()).tolist() == [True]


def test_fine_scenes_are_not_asked(tmp_path: Path) -> None:
    for gsd_m, told in ((0.5, False), (2.4, False), (2.6, True), (12.0, True)):
        path = flat_scene(tmp_path, land_from=0, transform=utm_transform(gsd_m))
        with open_scene(path) as scene:
            assert can_tell_water(scene) == told
            rows = make_detections([(SHIP, 60.0, 50.0, 20.0, 4.0, 0.0)])
            assert find_on_land(scene, rows, Land()).tolist() == [told]


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(-20, 140),
    y=st.floats(-20, 120),
    length=st.floats(2, 40),
    angle=st.floats(0, np.pi),
)
def test_a_file_of_land_is_brute_force(
    x: float, y: float, length: float, angle: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The share of a box in land, by exact areas; near the limit samples may decide otherwise."""
    parts = [box(60, -50, 100, 40), box(20, 60, 50, 200), box(100, 0, 200, 90)]
    row = (SHIP, x, y, length, length / 5, angle)
    shape = shapely.Polygon(corners_from_xywhr(np.array([row[1:]]))[0])
    share = shapely.union_all(parts).intersection(shape).area / shape.area
    if abs(share - 0.75) < 0.1:
        return
    path = tmp_path_factory.getbasetemp() / "land" / "a.tif"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        flat_scene(path.parent, land_from=120)
    with open_scene(path) as scene:
        rows = make_detections([row], transform=utm_transform(10.0))
        assert find_on_land(scene, rows, Land(parts, by_water=False)).tolist() == [share >= 0.75]


def test_a_scene_leaves_out_what_is_on_land_and_says_how_many(tmp_path: Path) -> None:
    """Four bright blobs, of which two lie inland, through the pipeline; each row stays itself."""
    values = np.full((4, 256, 256), 40, np.uint16)
    values[3] = 10
    values[3, :, 128:] = 300
    for x, y in ((40, 60), (100, 200), (170, 60), (220, 200)):
        values[:3, y - 4 : y + 4, x - 15 : x + 15] = 4000
    path = write_raster(
        tmp_path / "a.tif", values, transform=utm_transform(3.0), descriptions=NAMES
    )
    card = replace(CARD, gsd_max_m=4.0, gsd_read_m=3.0)
    with open_scene(path) as scene:
        found = find_objects(scene, BlobDetector(card=card))  # type: ignore[arg-type]
        assert found.on_land == 2
        assert sorted(found.detections.corners.mean(axis=1)[:, 0].round()) == [40.0, 100.0]
        every = find_objects(scene, BlobDetector(card=card), land=Land(by_water=False))  # type: ignore[arg-type]
        assert (len(every.detections), every.on_land) == (4, 0)


def test_predict_takes_a_file_of_land_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of four ships lie in it: left out, said, in the provenance, and a key of resuming."""
    monkeypatch.setattr(batch, "load_detector", lambda settings: BlobDetector())
    transform = utm_transform()
    centres = [(60.0, 50.0), (60.0, 200.0), (200.0, 50.0), (200.0, 200.0)]
    ships = corners_from_xywhr(np.array([(x, y, 60.0, 10.0, 0.0) for x, y in centres]))
    scene = blob_scene(
        tmp_path / "a_2023-10-13.tif", (256, 256), ships, transform=transform, crs=UTM52
    )
    (west, north), (east, south) = transform @ (128, 0), transform @ (256, 256)
    land = tmp_path / "land.geojson"
    gpd.GeoDataFrame(geometry=[box(west, south, east, north)], crs=UTM52).to_file(land)

    def run(**changes: Any) -> RunSummary:
        paths = BatchSettings((str(scene),), tmp_path / "run", DetectorSettings("blobs"))
        return predict_paths(replace(paths, **changes))

    (record,) = run(land=str(land)).records
    assert record.ships == 2
    assert "2 boxes of ships were left out: on land" in " ".join(record.warnings)
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert told["land"] == str(land)
    assert len(told["land_sha256"]) == 64
    with pytest.raises(OutputError, match="other settings"):
        run()
    (every,) = run(overwrite=True).records
    assert every.ships == 4
    with pytest.raises(ZonesError, match="no such file of land"):
        run(land=str(tmp_path / "gone.gpkg"))
