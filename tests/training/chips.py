"""Chips made by code: bright noise with a ship or stacks on it; and what a run wrote of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from detector.classes import PORT
from detector.data.chips import Chip
from detector.geometry.boxes import as_corners, corners_from_xywhr
from detector.training import trainer
from detector.training.settings import TrainingSettings


def make_chip(
    folder: Path,
    name: str,
    *,
    ships: int = 0,
    stacks: int = 0,
    source: str = "HRSC2016",
    side: int = 160,
    taught: tuple[bool, bool] = (True, True),
) -> Chip:
    """A chip whose objects are flat: ships at grey 250, stacks at 10, noise around 100 to 140."""
    rng = np.random.default_rng(len(name))
    pixels = rng.integers(100, 141, (side, side, 3), np.uint8)
    boxes = []
    for number in range(ships + stacks):
        x = 24.0 + 32.0 * (number % 4)
        y = 40.0 + 60.0 * (number // 4)
        boxes.append((x, y, 14.0, 40.0, 0.0))
        left, top = int(x - 7), int(y - 20)
        pixels[top : top + 40, left : left + 14] = 250 if number < ships else 10
    corners = corners_from_xywhr(np.array(boxes)) if boxes else as_corners([])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npy"
    np.save(path, pixels)
    class_ids = [PORT.id("ship")] * ships + [PORT.id("container_stack")] * stacks
    return Chip(
        path,
        source,
        f"place-{name}",
        f"{name}.png",
        1.0,
        None,
        corners,
        np.array(class_ids, np.int64),
        taught,
    )


def lines(settings: TrainingSettings) -> list[dict[str, Any]]:
    """The lines of a run's metrics."""
    text = (Path(settings.out) / trainer.METRICS_FILE).read_text()
    return [json.loads(line) for line in text.splitlines()]
