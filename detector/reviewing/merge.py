"""Several reviews as one: the same source later replaces itself, other sources must agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    settled: list[Statement] = []
    for said in groups.values():
        settled += _agreeing(review, said, _contradiction, conflicts)
    drawn: dict[str, list[Statement]] = {}
    for one in order:
        if one.drawn:
            drawn.setdefault(one.scene_id, []).append(one)
    for said in drawn.values():
        settled += _agreeing(review, said, _drawn_contradiction(review, said), conflicts)
    return settled


def _agreeing(
    review: Review,
    said: Sequence[Statement],
    contradiction: Callable[[Statement, Statement], str],
    conflicts: Conflicts,
) -> list[Statement]:
    """Of statements in order of time those that no later one of them contradicts."""
    kept: list[Statement] = []
    for one in reversed(said):
        later = next((two for two in kept if contradiction(one, two)), None)
        if later is None:
            kept.append(one)
        elif conflicts == "refuse":
            raise ReviewError(_refusal(review, one, later, contradiction(one, later)))
    return kept[::-1]


def _drawn_contradiction(
    review: Review, said: Sequence[Statement]
) -> Callable[[Statement, Statement], str]:
    """In what two boxes that two people drew in one place differ; empty where both can hold.

    A container ship and the containers on it are nearly one outline: two classes in one place
    contradict only where neither person has both.
    """
    who = {source.key: source.who for source in review.sources}

    def has(person: str, class_name: str, place: Statement) -> bool:
        return any(
            who[one.source] == person
            and one.class_name == class_name
            and _overlap(one, place) >= SAME_IOU
            for one in said
        )

    def differ(one: Statement, two: Statement) -> str:
        first, second = who[one.source], who[two.source]
        if first == second:
            return ""
        if one.class_name == two.class_name:
            alike = one.verdict == two.verdict or _overlap(one, two) < SAME_IOU
            return "" if alike else f"drawn as {one.verdict} and as {two.verdict}"
        if _overlap(one, two) < AGREE_IOU or has(first, two.class_name, two):
            return ""
        alike = has(second, one.class_name, one)
        return "" if alike else f"drawn as {one.class_name} and as {two.class_name}"

    return differ


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
        f"{one.box or _place(one)}: {first} and {second} contradict each other ({why}); settle it "
        "and import the mended file again, or say conflicts=newest"
    )


def _place(one: Statement) -> str:
    x, y = np.reshape(one.corners, (4, 2)).mean(axis=0).tolist()
    return f"{one.scene_id}, a box drawn at pixel {x:.0f}, {y:.0f}"


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
