"""Detections made by hand, for the tests of counting and export."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from affine import Affine

from detector.classes import PORT
from detector.detections import Detections
from detector.geometry.boxes import Corners, as_corners, corners_from_xywhr
from detector.geometry.geodesy import apply_transform, box_measures
from tests.scenes.rasters import UTM52, utm_transform

SHIP, STACK = PORT.id("ship"), PORT.id("container_stack")
ACQUIRED = datetime(2023, 10, 13, 2, 15, 7, 123456, tzinfo=UTC)

Row = tuple[int, float, float, float, float, float]
"""Class, centre x, centre y, length, width (pixels), angle (radians)."""


def make_detections(
    rows: Sequence[Row] = (),
    *,
    scene_id: str = "najin-0123abcd",
    acquired: datetime | None = ACQUIRED,
    crs: str | None = UTM52,
    transform: Affine | None = None,
    gsd_m: float | None = None,
    on_ship: Sequence[int] = (),
) -> Detections:
    """Measured as the pipeline measures; `gsd_m` is that of a scene without CRS."""
    boxes = np.array([row[1:] for row in rows], float).reshape(-1, 5)
    corners: Corners = corners_from_xywhr(boxes) if len(rows) else as_corners([])
    transform = (transform or utm_transform()) if crs else Affine.identity()
    map_corners = apply_transform(transform, corners)
    if crs is not None:
        length_m, width_m, axis_deg = box_measures(map_corners, crs)
    else:
        scale = np.nan if gsd_m is None else gsd_m
        length_m, width_m = boxes[:, 2] * scale, boxes[:, 3] * scale
        axis_deg = np.full(len(rows), np.nan)
    deck = np.zeros(len(rows), np.bool_)
    deck[list(on_ship)] = True
    return Detections(
        scene_id=scene_id,
        acquired=acquired,
        crs=crs,
        class_ids=np.array([row[0] for row in rows], np.int64),
        scores=np.linspace(0.9, 0.3, len(rows), dtype=np.float32),
        corners=corners,
        map_corners=map_corners,
        length_m=length_m,
        width_m=width_m,
        axis_deg=axis_deg,
        on_ship=deck,
    )
