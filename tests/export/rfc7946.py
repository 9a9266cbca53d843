"""What RFC 7946 asks of a GeoJSON file, as checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def check(path: Path) -> dict[str, Any]:
    """The document, after every rule of RFC 7946 that applies to polygons has been checked."""
    document: dict[str, Any] = json.loads(path.read_bytes().decode("utf-8"))
    assert document["type"] == "FeatureCollection"
    assert "crs" not in document  # section 4: WGS84 and nothing else
    assert not {"coordinates", "geometries", "geometry", "properties"} & set(document)  # 7.1
    for feature in document["features"]:
        assert feature["type"] == "Feature"
        assert isinstance(feature["properties"], dict)
        assert "geometry" in feature
        _check_geometry(feature["geometry"])
        if "bbox" in feature:
            _check_bbox(feature["bbox"])
    if "bbox" in document:
        _check_bbox(document["bbox"])
    return document


def _check_geometry(geometry: dict[str, Any]) -> None:
    assert geometry["type"] in ("Polygon", "MultiPolygon")
    polygons = (
        [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    )
    for rings in polygons:
        for number, ring in enumerate(rings):
            points = np.array(ring, float)
            assert points.shape[1] == 2
            assert len(points) >= 4
            assert (points[0] == points[-1]).all()  # 3.1.6: closed
            assert (np.abs(points) <= (180, 90)).all()  # 4
            assert np.ptp(points[:, 0]) <= 180  # 3.1.9: cut at the antimeridian
            x, y = points.T
            area = float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))
            assert (area > 0) == (number == 0)  # 3.1.6: right-hand rule


def _check_bbox(bbox: list[float]) -> None:
    assert len(bbox) == 4  # 5: west, south, east, north
    assert bbox[1] <= bbox[3]
