"""The named cases of `docs/research/merging.md`: what goes wrong elsewhere.

Each has its true count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.simulating.views import SHIP, STACK, Truth, in_line, parallel, turned
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles

CASE_GSD_M = 0.5
SCENE_PX = 2000


@dataclass(frozen=True, slots=True)
class Case:
    """A layout of objects about the origin.

    Attributes:
        name: as it is called in the docs, a file name too.
        title: one line.
        class_id: of all objects.
        layout: `(N, 5)` centre, length, width, angle, pixels of 0.5 m.
    """

    name: str
    title: str
    class_id: int
    layout: NDArray[np.float64]

    def truth(self, angle_deg: float, centre: tuple[float, float]) -> Truth:
        """The layout turned by `angle_deg` and moved to `centre`."""
        xywhr = turned(self.layout, np.deg2rad(angle_deg), *centre)
        classes = np.full(len(xywhr), self.class_id, np.int64)
        return Truth(xywhr, classes, np.full(len(xywhr), self.name))


def case_plan() -> TilePlan:
    """One scale: tiles of 512 px that overlap by 220 px, 100 m and a margin."""
    return plan_tiles(SCENE_PX, SCENE_PX, PlanSettings(512, 1.0, None, CASE_GSD_M, 100.0, 400.0))


def tile_corner(plan: TilePlan) -> tuple[float, float]:
    """The middle of the area that four tiles share, near the middle of the scene."""
    inner = [t.core for t in plan.tiles if t.core.row_end < plan.height / 2 + 100]
    core = max(inner, key=lambda core: (core.row_end, -abs(core.col_end - plan.width / 2)))
    return float(core.col_end), float(core.row_end)


def _raft() -> NDArray[np.float64]:
    row = parallel(4, 180, 28, 28)
    other = row.copy()
    other[:, 1] += 184
    return np.concatenate([row, other]) - [0, 92, 0, 0, 0]


def _l_yard() -> NDArray[np.float64]:
    return np.array([[0.0, 0, 400, 48, np.pi / 2], [175, 176, 300, 48, 0]])


_BUILDERS: tuple[tuple[str, str, int, Callable[[], NDArray[np.float64]]], ...] = (
    (
        "parallel",
        "10 parallel ships of 180 x 28 px, 6 px apart",
        SHIP,
        lambda: parallel(10, 180, 28, 34),
    ),
    ("rows", "20 rows of 60 x 12 px at 8 px pitch", SHIP, lambda: parallel(20, 60, 12, 8)),
    (
        "giant",
        "a 400 m ship over three seams",
        SHIP,
        lambda: np.array([[0.0, 0, 800, 118, np.pi / 2]]),
    ),
    (
        "bow_to_stern",
        "two 150 m ships 5 m apart across a seam",
        SHIP,
        lambda: in_line(np.array([300.0, 300.0]), 10.0),
    ),
    (
        "stack_row",
        "a 300 m stack row over four tiles",
        STACK,
        lambda: np.array([[0.0, 0, 600, 24, np.pi / 2]]),
    ),
    ("l_yard", "an L-shaped yard: two blocks", STACK, _l_yard),
    (
        "four_corners",
        "a 90 m ship where four tiles meet",
        SHIP,
        lambda: np.array([[0.0, 0, 180, 28, np.pi / 2]]),
    ),
    ("raft", "a raft of eight barges, side by side and two deep", SHIP, _raft),
)

CASES = tuple(Case(name, title, class_id, build()) for name, title, class_id, build in _BUILDERS)
