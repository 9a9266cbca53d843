"""Blocks from look to look: what the network missed on one date is taken from those beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.activity.changes.blocks import Change, Compared, Standing
from detector.activity.changes.pixels import TopsOf
from detector.activity.looks.zone_looks import Look
from detector.stacks.simulate import Draws


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks that stand at one look, found there or on a date beside it.

    Attributes:
        look: of the zone.
        ids: `N` evidence ids; of a block that was missed here, those of the other date.
        standing: the blocks.
        tops: where their tops show.
    """

    look: Look
    ids: list[str]
    standing: Standing
    tops: TopsOf

    def joined(self, other: Blocks, rows: NDArray[np.int64]) -> Blocks:
        """With blocks of another look that stand here too."""
        if not len(rows):
            return self
        mine, more = self.standing, other.standing
        lean = np.tile(self.tops.usual_lean, (len(rows), 1))
        return Blocks(
            self.look,
            [*self.ids, *(other.ids[row] for row in rows.tolist())],
            Standing(
                np.concatenate([mine.corners, more.corners[rows]]),
                np.concatenate([mine.error_m, more.error_m[rows]]),
                _joined_draws(mine.draws, more.draws, rows),
            ),
            TopsOf(
                np.concatenate([self.tops.lean, lean]),
                np.concatenate([self.tops.height_m, other.tops.height_m[rows]]),
                np.concatenate([self.tops.error_m, other.tops.error_m[rows]]),
            ),
        )


Told = tuple[tuple[Blocks, Blocks], list[Change]]
"""Two looks and what changed between them."""


def follow(looks: Sequence[Blocks], compare: Callable[[Blocks, Blocks], Compared]) -> list[Told]:
    """The changes between each look and the next.

    A block that one look has, and that pixels show in the look beside it, stands there as well: so
    a block that was missed on its last date is still seen to leave. Looks are walked through
    forwards, then backwards.

    Args:
        looks: of a zone, in order of time.
        compare: two looks.
    """
    known = list(looks)
    for at in range(len(known) - 1):
        missed = compare(known[at], known[at + 1]).missed_after
        known[at + 1] = known[at + 1].joined(known[at], missed)
    told: list[Told] = []
    for at in reversed(range(len(known) - 1)):
        compared = compare(known[at], known[at + 1])
        told.append(((known[at], known[at + 1]), compared.changes))
        known[at] = known[at].joined(known[at + 1], compared.missed_before)
    return told[::-1]


def _joined_draws(mine: Draws | None, more: Draws | None, rows: NDArray[np.int64]) -> Draws | None:
    """Draws of blocks of two looks; None where either has none."""
    if mine is None or more is None:
        return None
    return Draws(
        *(
            np.concatenate([getattr(mine, name), getattr(more, name)[:, rows]], axis=1)
            for name in ("slots", "tiers", "containers", "teu")
        )
    )
