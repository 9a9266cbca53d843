"""Georeferenced scenes with labels beside them: boxes by hand, doubts, splits, faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyproj import Transformer

from detector.classes import ClassSet
from detector.data.datasets import read_dataset
from detector.data.labelled import DataError, Labelling
from detector.geometry.boxes import edge_lengths
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster

BOX = [(10.0, 20.0), (40.0, 20.0), (40.0, 26.0), (10.0, 26.0)]  # 30 x 6 px


def polygon(corners: list[tuple[float, float]], crs: str = "EPSG:4326", **told: Any) -> Any:
    """A feature of pixel corners of a scene at 10 m."""
    points = [utm_transform(10.0) @ corner for corner in [*corners, corners[0]]]
    ring = list(Transformer.from_crs(UTM52, crs, always_xy=True).itransform(points))
    geometry = {"type": "Polygon", "coordinates": [[list(point) for point in ring]]}
    return {"type": "Feature", "properties": told, "geometry": geometry}


def scene(folder: Path, name: str, features: list[Any], **more: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_raster(folder / f"{name}.tif", gradient(64, 48), transform=utm_transform(10.0))
    content = {"type": "FeatureCollection", "features": features, **more}
    (folder / f"{name}.geojson").write_text(json.dumps(content), encoding="utf-8")


def test_boxes_doubts_and_places(tmp_path: Path) -> None:
    far = [(x + 5, y + 15) for x, y in BOX]
    features = [polygon(BOX, ignore=0), polygon(far, ignore=1), polygon(far, **{"class": "crane"})]
    scene(tmp_path, "port_2026-09-02", features)
    (image,), faults = read_dataset("geojson", tmp_path)
    assert faults == []
    assert image.place == "port"
    assert image.gsd_m == pytest.approx(10.0, rel=2e-3)
    assert len(image.corners) == len(image.ignored) == 1
    assert np.allclose(sorted(map(tuple, image.corners[0])), sorted(BOX), atol=1e-3)
    assert edge_lengths(image.corners)[0] == pytest.approx([30.0], abs=1e-3)
    assert image.labelling == (Labelling.ORIENTED, Labelling.UNLABELLED)


def test_a_class_of_the_users_own_and_the_table(tmp_path: Path) -> None:
    scene(tmp_path, "a", [polygon(BOX, **{"class": "ship"})])
    scene(tmp_path, "b", [])
    (tmp_path / "index.csv").write_text("image,split,place,source\na.tif,dev,bay,mine\n")
    images, _ = read_dataset("geojson", tmp_path, ClassSet.named(("ship",)))
    assert [(i.split, i.place, i.source) for i in images] == [
        ("dev", "bay", "mine"),
        ("", "b", tmp_path.name),
    ]
    assert [i.labelling for i in images] == [(Labelling.ORIENTED,)] * 2


def test_the_crs_that_the_file_names(tmp_path: Path) -> None:
    named = {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32652"}}}
    scene(tmp_path, "a", [polygon(BOX, UTM52)], **named)
    (image,), _ = read_dataset("geojson", tmp_path)
    assert edge_lengths(image.corners)[1] == pytest.approx([6.0], abs=1e-6)


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        {"type": "Point", "coordinates": [129.0, 42.0]},
        {"type": "Polygon", "coordinates": [[[1e400, 0], [0, 1], [1, 1], [1e400, 0]]]},
        {"type": "Polygon", "coordinates": "here"},
        {"type": "Nonsense"},
    ],
)
def test_what_is_no_polygon_is_a_fault(tmp_path: Path, geometry: Any) -> None:
    broken = {"type": "Feature", "properties": None, "geometry": geometry}
    scene(tmp_path, "a", [broken, polygon(BOX)])
    (image,), faults = read_dataset("geojson", tmp_path)
    assert len(image.corners) == 1
    assert [fault.reason for fault in faults] == ["feature 1 is no polygon that can be placed"]


@pytest.mark.parametrize("text", ["", "[]", '{"features": 3}', '{"features": [1]}'])
def test_labels_that_are_none_are_said(tmp_path: Path, text: str) -> None:
    scene(tmp_path, "a", [])
    scene(tmp_path, "b", [polygon(BOX)])
    (tmp_path / "a.geojson").write_text(text, encoding="utf-8")
    images, faults = read_dataset("geojson", tmp_path)
    assert [image.image.name for image in images] == ["b.tif"]
    assert len(faults) == 1
    assert "a.geojson" in str(faults[0])


def test_a_crs_by_address_and_a_strange_table_are_refused(tmp_path: Path) -> None:
    scene(tmp_path, "a", [polygon(BOX)], crs={"properties": {"name": "https://example.com/crs"}})
    with pytest.raises(DataError, match="no name of an authority"):
        read_dataset("geojson", tmp_path)
    (tmp_path / "index.csv").write_text("file,split\na.tif,dev\n")
    with pytest.raises(DataError, match="its columns are file, split; it may have grown_px, image"):
        read_dataset("geojson", tmp_path)


def test_outlines_that_lie_outside_their_objects(tmp_path: Path) -> None:
    """A mask of 30 x 6 px that is a pixel too large on each side: 28 x 4 px, at the same place."""
    scene(tmp_path, "a", [polygon(BOX)])
    (tmp_path / "index.csv").write_text("image,grown_px\na.tif,1\n")
    (image,), _ = read_dataset("geojson", tmp_path)
    assert edge_lengths(image.corners)[0] == pytest.approx([28.0], abs=1e-3)
    assert edge_lengths(image.corners)[1] == pytest.approx([4.0], abs=1e-3)
    assert image.corners.mean(axis=1)[0] == pytest.approx(np.mean(BOX, axis=0), abs=1e-3)
    for told in ("-1", "nan", "much"):
        (tmp_path / "index.csv").write_text(f"image,grown_px\na.tif,{told}\n")
        with pytest.raises(DataError, match=f"grown_px of a.tif is '{told}', no pixels"):
            read_dataset("geojson", tmp_path)
