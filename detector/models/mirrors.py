"""Tiles read mirrored, and what the network says of them brought back.

A mirrored tile holds the same objects, and a network's anchors lie in a grid that is its own mirror
image: every anchor has a twin. So the predictions of all readings can be laid on each other, anchor
by anchor, and their mean is freer of the accidents of one reading.

Only tiles that show something are read again: an object of which the first reading gives less than
`DOUBT` would need 0.33 in the mean of the three others to count by the shipped card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from detector.models.runners import Runner, forward_batches

LEAST_SIDE_PX = 1e-3
DOUBT = 0.1  # score in any box from which a tile is read again


@dataclass(frozen=True, slots=True)
class Mirror:
    """Which way a tile is read.

    Attributes:
        across: x runs from right to left.
        down: y runs from bottom to top.
    """

    across: bool
    down: bool


AS_IT_IS = Mirror(across=False, down=False)
MIRRORS = (
    Mirror(across=True, down=False),
    Mirror(across=False, down=True),
    Mirror(across=True, down=True),
)


class MirroredRunner:
    """A runner that reads every tile that shows something four times, and says the mean.

    Args:
        runner: that runs the network.
        tile_px: side of the tiles.
        strides: of the network's anchors.
    """

    def __init__(self, runner: Runner, tile_px: int, strides: Sequence[int]) -> None:
        self.name = runner.name
        self.device = runner.device
        self._runner = runner
        self._tile_px = tile_px
        self._strides = tuple(strides)

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runner.forward`; the batches of the mirrored tiles are of the same size."""
        mean = self._runner.forward(tiles)
        again = np.flatnonzero(mean[:, 4:-1].max(axis=(1, 2)) >= DOUBT)
        if len(again):
            mean[again] = mean_prediction(self._readings(tiles[again], mean[again], len(tiles)))
        return mean

    def _readings(
        self, tiles: NDArray[np.uint8], first: NDArray[np.float32], batch: int
    ) -> NDArray[np.float32]:
        mirrored = np.concatenate([mirror_tiles(tiles, mirror) for mirror in MIRRORS])
        raw = forward_batches(self._runner, mirrored, batch)
        parts = zip(np.split(raw, len(MIRRORS)), MIRRORS, strict=True)
        return np.stack([first, *(unmirror(p, m, self._tile_px, self._strides) for p, m in parts)])


def mirror_tiles(tiles: NDArray[np.uint8], mirror: Mirror) -> NDArray[np.uint8]:
    """Tiles `(B, height, width, 3)`, mirrored."""
    return tiles[:, :: -1 if mirror.down else 1, :: -1 if mirror.across else 1]


def unmirror(
    raw: NDArray[np.float32], mirror: Mirror, tile_px: int, strides: Sequence[int]
) -> NDArray[np.float32]:
    """Predictions of mirrored tiles as predictions of the tiles themselves.

    Args:
        raw: `(B, 4 + classes + 1, anchors)`, as `Network.forward` gives it.
        mirror: how the tiles were read.
        tile_px: side of the tiles.
        strides: pixels between anchors, one a level, in the order of the anchors.
    """
    back = raw[:, :, twins(mirror, tile_px, tuple(strides))]
    if mirror.across:
        back[:, 0] = tile_px - back[:, 0]
    if mirror.down:
        back[:, 1] = tile_px - back[:, 1]
    if mirror.across != mirror.down:
        back[:, -1] = -back[:, -1]
    return back


@cache
def twins(mirror: Mirror, tile_px: int, strides: tuple[int, ...]) -> NDArray[np.int64]:
    """Index `(anchors,)` of the anchor that lies in the mirrored tile where each one lies."""
    parts = []
    start = 0
    for stride in strides:
        side = tile_px // stride
        index = start + np.arange(side * side).reshape(side, side)
        parts.append(index[:: -1 if mirror.down else 1, :: -1 if mirror.across else 1].reshape(-1))
        start += side * side
    return np.concatenate(parts)


def mean_prediction(readings: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of several readings of the same tiles, anchor by anchor.

    Scores are plain means. Boxes are means weighted by score: of the centres, and of the matrices
    `R diag(length, width) R'`, which are the same for a box and for the box with its sides swapped
    and turned by 90 degrees, so that readings which take another side for the length agree.

    Args:
        readings: `(V, B, 4 + classes + 1, anchors)`, unmirrored.

    Returns:
        `(B, 4 + classes + 1, anchors)`, the longer side first, angles in (-pi/2, pi/2].
    """
    score = readings[:, :, 4:-1].max(axis=2)
    weight = score / np.maximum(score.sum(axis=0), np.finfo(np.float32).tiny)
    x, y, length, width = (readings[:, :, k] for k in range(4))
    angle = readings[:, :, -1]
    along, across = np.cos(angle), np.sin(angle)
    xx = (weight * (along**2 * length + across**2 * width)).sum(axis=0)
    yy = (weight * (across**2 * length + along**2 * width)).sum(axis=0)
    xy = (weight * along * across * (length - width)).sum(axis=0)
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    mean = np.empty(readings.shape[1:], np.float32)
    mean[:, 0], mean[:, 1] = (weight * x).sum(axis=0), (weight * y).sum(axis=0)
    mean[:, 2], mean[:, 3] = middle + spread, np.maximum(middle - spread, LEAST_SIDE_PX)
    mean[:, 4:-1] = readings[:, :, 4:-1].mean(axis=0)
    mean[:, -1] = np.arctan2(2 * xy, xx - yy) / 2
    return mean
