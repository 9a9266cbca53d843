"""A crowded container depot: blocks of every size and both directions, with narrow lanes.

Terminals stack by plan, depots fill what room they have: where one block ends is told by lanes of
three metres, not of fourteen.
"""

from __future__ import annotations

import numpy as np

from detector.rendering.cargo import BAY_PITCH_M, ROW_PITCH_M
from detector.rendering.ground import (
    APRON_M,
    ASPHALT,
    CONCRETE,
    PORT_DEPTH_M,
    SOIL,
    apron,
    bollards,
    lane_lorries,
    port_ground,
    yard_clutter,
)
from detector.rendering.site import SiteDraft
from detector.rendering.structures import hall, pick

NARROW_LANE_M = (3.3, 5.5)  # between sides; containers up to 3 m apart would be one block
WIDE_LANE_M = (6.5, 14.0)  # a reach truck turns, lorries pass
NARROW_GAP_M = (6.4, 9.0)  # between ends; containers up to 6 m apart would be one block
WIDE_GAP_M = (9.0, 22.0)
NARROW_SHARE = 0.6
EMPTY_SHARE = 0.1
HALL_SHARE = 0.03
ACROSS_SHARE = 0.35  # of strips whose containers lie across them
THINNER_SHARE = 0.4  # of blocks that take less than the whole depth of their strip
MOST_BAYS, MOST_ROWS = 6, 9  # of a strip whose containers lie along it
MOST_BAYS_ACROSS, MOST_ROWS_ACROSS = 3, 24


def lay_depot(draft: SiteDraft, u0: float, u1: float) -> None:
    """Lay out a depot behind a quay between two values of u."""
    generator = draft.generator
    port_ground(draft, u0, u1, pick(generator, CONCRETE + ASPHALT + SOIL[:1], 0.06))
    draft.berth((u0 + 4, 0.0), (u1 - 4, 0.0), ("container", "general", "general"))
    front = 8.0
    if generator.random() < 0.5:
        apron(draft, u0, u1)
        front = APRON_M + 2.0
        lane_lorries(draft, (u0, u1), APRON_M - 2.0)
    bollards(draft, (u0, u1))
    back = max(front + 60, min(PORT_DEPTH_M - 10, draft.extent[3] + 20))
    yard_clutter(draft, (u0, u1), (6.0, back))
    zone = draft.zone("yard", "yard", (u0 + 4, u1 - 4), (front, back))
    v = front + 6.0
    while (v := _strip(draft, (u0 + 6, u1 - 6), v, back, zone)) < back:
        pass


def _strip(draft: SiteDraft, u: tuple[float, float], v: float, back: float, zone: str) -> float:
    """Blocks side by side along u from v on; returns where the next strip begins."""
    generator = draft.generator
    across = bool(generator.random() < ACROSS_SHARE)
    bays = int(generator.integers(1, MOST_BAYS_ACROSS + 1))
    rows = int(generator.integers(1, MOST_ROWS + 1))
    depth = bays * BAY_PITCH_M if across else rows * ROW_PITCH_M
    if v + depth > back:
        return back
    at = u[0] + float(generator.uniform(0, 15))
    while True:
        if across:
            shape = bays, int(generator.integers(1, MOST_ROWS_ACROSS + 1))
            length = shape[1] * ROW_PITCH_M
        else:
            shape = int(generator.integers(1, MOST_BAYS + 1)), rows
            length = shape[0] * BAY_PITCH_M
        if at + length > u[1]:
            break
        _fill(draft, (at, v), (length, depth), shape, across, zone)
        at += length + _room(
            generator, *((NARROW_LANE_M, WIDE_LANE_M) if across else (NARROW_GAP_M, WIDE_GAP_M))
        )
    # Ends face ends, or sides, of the next strip: the wider of the two rules.
    return (
        v
        + depth
        + _room(
            generator, *((NARROW_GAP_M, WIDE_LANE_M) if across else (NARROW_LANE_M, WIDE_LANE_M))
        )
    )


def _fill(
    draft: SiteDraft,
    corner: tuple[float, float],
    size: tuple[float, float],
    shape: tuple[int, int],
    across: bool,
    zone: str,
) -> None:
    """One block in its place, or a hall, or nothing."""
    generator = draft.generator
    drawn, thinner = generator.random(), generator.random() < THINNER_SHARE
    middle = corner[0] + size[0] / 2, corner[1] + size[1] / 2
    if drawn < HALL_SHARE and min(size) > 10:
        hut = hall(generator, size[0] - 2, size[1] - 2, float(generator.uniform(5, 9)))
        draft.place(hut, *middle)
        return
    if drawn < HALL_SHARE + EMPTY_SHARE:
        return
    place = 1 - int(across)
    if thinner and shape[place] > 1:
        fewer = int(generator.integers(1, shape[place]))
        free = (shape[place] - fewer) * (BAY_PITCH_M if across else ROW_PITCH_M)
        shape = (fewer, shape[1]) if across else (shape[0], fewer)
        middle = middle[0], middle[1] + free / 2 * (1 if generator.random() < 0.5 else -1)
    draft.block(middle, shape, zone, angle=np.pi / 2 if across else 0.0)


def _room(
    generator: np.random.Generator, narrow: tuple[float, float], wide: tuple[float, float]
) -> float:
    return float(generator.uniform(*(narrow if generator.random() < NARROW_SHARE else wide)))
