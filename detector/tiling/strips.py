"""A plan cut into strips: whole rows of tiles that several processes can read apart."""

from __future__ import annotations

import itertools

from detector.tiling.plan import TilePlan


def cut_strips(plan: TilePlan, least: int) -> list[range]:
    """Strips of a plan, from its top to its bottom.

    A strip begins where the windows of a row begin, so that no two strips read the same row. Rows
    of both scales count: the tiles of a plan are ordered by their first pixel row.

    Args:
        plan: of a scene.
        least: tiles of every strip, at least.

    Returns:
        Tiles of each by their index in the plan; a single strip where the plan has less than two
        such, none where it is empty.
    """
    tiles = plan.tiles
    cuts = [0] if tiles else []
    for index, (above, below) in enumerate(itertools.pairwise(tiles), start=1):
        starts_row = above.window.row != below.window.row
        if starts_row and index - cuts[-1] >= least and len(tiles) - index >= least:
            cuts.append(index)
    return [range(*cut) for cut in itertools.pairwise([*cuts, len(tiles)])]
