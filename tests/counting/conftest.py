"""Files of zones and small scenes for the tests of counting."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

Ring = Sequence[tuple[float, float]]
WriteZones = Callable[..., Path]


def square(x: float, y: float, side: float) -> list[tuple[float, float]]:
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)]


@pytest.fixture
def write_zones(tmp_path: Path) -> WriteZones:
    """Writes GeoJSON by hand, so that nothing mends what the test means to be broken."""

    def write(
        *features: tuple[dict[str, Any], Any],
        name: str = "zones.geojson",
        crs: str | None = None,
    ) -> Path:
        rows = []
        for properties, shape in features:
            geometry = (
                {"type": "Polygon", "coordinates": [shape]} if isinstance(shape, list) else shape
            )
            rows.append({"type": "Feature", "properties": properties, "geometry": geometry})
        document: dict[str, Any] = {"type": "FeatureCollection", "features": rows}
        if crs is not None:
            document["crs"] = {"type": "name", "properties": {"name": crs}}
        path = tmp_path / name
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    return write
