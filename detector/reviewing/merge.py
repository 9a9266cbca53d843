"""Several reviews as one: the same source later replaces itself, other sources must agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from detector.geometry.boxes import iou_matrix
from detector.reviewing.compare import SAME_IOU
from detector.reviewing.errors import ReviewError
from detector.reviewing.ledger import Review, Source, Statement

Conflicts = Literal["refuse", "newest"]
AGREE_IOU: Final = 0.7  # boxes that two people moved are one where they share so much


def merge(before: Review, new: Review, conflicts: Conflicts = "refuse") -> Review:
    """What was said before with what is said now.

    Args:
        before: of the same run.
        new: whose sources take the place of those of equal key.
        conflicts: what becomes of two people who contradict: `refuse` names them, `newest` takes
            who looked last.

    Raises:
        ReviewError: two sources contradict.
    """
    again = {source.key for source in new.sources}
    kept = [source for source in before.sources if source.key not in again]
    sampled = {chip.image for chip in new.sample}
    together = Review(
        scenes={**before.scenes, **new.scenes},
        sources=tuple(sorted((*kept, *new.sources), key=lambda source: source.key)),
        statements=(*_left(before.statements, again), *new.statements),
        looked=(*_left(before.looked, again), *new.looked),
        sample=(*(chip for chip in before.sample if chip.image not in sampled), *new.sample),
    )
    when = {source.key: source.when for source in together.sources}
    order = sorted(together.statements, key=lambda one: (when[one.source], one.source))
    return replace(together, statements=tuple(_settled(together, order, conflicts)))


def _left(items: Sequence[Any], again: set[str]) -> list[Any]:
    return [item for item in items if item.source not in again]


def _settled(review: Review, order: Sequence[Statement], conflicts: Conflicts) -> list[Statement]:
    """The statements in order of time; of those that contradict, the last one."""
    groups: dict[tuple[str, str], list[Statement]] = {}
    for one in order:
        if not one.drawn:
            groups.setdefault((one.scene_id, one.box), []).append(one)
    settled = []
    for said in groups.values():
        last = said[-1]
        for one in said[:-1]:
            why = _contradiction(one, last)
            if not why:
                settled.append(one)
            elif conflicts == "refuse":
                raise ReviewError(_refusal(review, one, last, why))
        settled.append(last)
    return settled + [one for one in order if one.drawn]


def _contradiction(one: Statement, two: Statement) -> str:
    """In what two statements of one box differ; empty where both can hold."""
    if one.verdict and two.verdict and one.verdict != two.verdict:
        return f"{one.verdict} and {two.verdict}"
    if one.reclassified and two.reclassified and one.class_name != two.class_name:
        return f"{one.class_name} and {two.class_name}"
    if one.moved and two.moved and _overlap(one, two) < AGREE_IOU:
        return "moved to two places"
    return ""


def _overlap(one: Statement, two: Statement) -> float:
    a, b = (np.reshape(item.corners, (1, 4, 2)) for item in (one, two))
    return float(iou_matrix(a, b)[0, 0])


def _refusal(review: Review, one: Statement, two: Statement, why: str) -> str:
    first, second = (_words(review.source(item.source)) for item in (one, two))
    return (
        f"{one.box}: {first} and {second} contradict each other ({why}); settle it and import the "
        "mended file again, or say conflicts=newest"
    )


def _words(source: Source) -> str:
    who = source.who or "nobody by name"
    return f"{source.file} ({who}, {source.when or 'no date'})"


def drawn_once(statements: Sequence[Statement]) -> list[Statement]:
    """The drawn boxes of a scene, each object once: pictures overlap, and two people may draw it.

    Args:
        statements: of one scene, in order of time.

    Returns:
        Of drawn boxes of one class that lie on each other (`SAME_IOU`), the last.
    """
    kept: list[Statement] = []
    for one in reversed([item for item in statements if item.drawn]):
        same = [other for other in kept if other.class_name == one.class_name]
        if all(_overlap(one, other) < SAME_IOU for other in same):
            kept.append(one)
    return kept[::-1]
