"""What a YOLO network says, before boxes are made of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.models.detector import Detector
from detector.models.runners import forward_batches
from detector.models.yolo import YoloBackend


def raw_predictions(detector: Detector, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Raw predictions `(B, 4 + classes + 1, anchors)` of the detector's network."""
    assert isinstance(detector.backend, YoloBackend)
    return forward_batches(detector.backend.runner, tiles, detector.batch)
