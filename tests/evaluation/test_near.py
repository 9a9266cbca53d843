"""Objects found by their centres: a loop as oracle, and what stands beside the overlaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.evaluation.near import centre_rows
from detector.evaluation.record import CENTRES_HEADING, Facts, to_json, to_markdown
from detector.evaluation.summary import Predictions, evaluate
from detector.evaluation.table import MatchTable, match_images
from tests.evaluation.make import boxes, image, random_set

FACTS = Facts("data", "w", "0" * 12, {}, float("nan"), "", "0", 1, 1, 0, 0)


def by_hand(truth, found, class_id: int) -> list[int]:
    """The object of each box, highest score first: the nearest left, within half length + width."""
    rows = [k for k in np.argsort(-found.scores, kind="stable") if found.class_ids[k] == class_id]
    left = [int(j) for j in np.flatnonzero(truth.class_ids == class_id)]
    taken = []
    for k in rows:
        best, best_share = -1, 1.0
        for j in left:
            sides = truth.corners[j][1:3] - truth.corners[j][:2]
            reach = np.hypot(*sides[0]) / 2 + np.hypot(*sides[1]) / 2
            apart = np.hypot(*(truth.corners[j].mean(axis=0) - found.corners[k].mean(axis=0)))
            if apart / reach <= best_share:
                best, best_share = j, apart / reach
        taken.append(best)
        if best >= 0:
            left.remove(best)
    return taken


@pytest.mark.parametrize("seed", range(3))
def test_near_equals_a_loop(seed: int) -> None:
    images, predictions = random_set(seed)
    table = match_images(images, predictions, with_prob_iou=False)
    starts = np.cumsum([0, *(len(one.corners) for one in images)])
    hits = 0
    for index, (truth, found) in enumerate(zip(images, predictions, strict=True)):
        for class_id in (0, 1):
            mine = (table.image == index) & (table.class_id == class_id)
            near = table.near[mine]
            assert np.where(near < 0, -1, near - starts[index]).tolist() == by_hand(
                truth, found, class_id
            )
            hits += int((near >= 0).sum())
    assert hits > 20


def coarse_set(gsd_m: float | None):
    """A ship of 200 x 40 m and one of 70 x 20 m; boxes: right, 3 px beside, far off."""
    truth = image(xywhr=[[100, 100, 20, 4, 0], [200, 200, 7, 2, 0]], gsd_m=gsd_m)
    found = boxes(
        [[100, 100, 20, 4, 0], [203, 200, 7, 2, 0], [300, 300, 20, 4, 0]], [0.9, 0.8, 0.7]
    )
    return [truth], Predictions([found], [found])


def test_a_box_beside_its_ship_is_found_by_centre_alone() -> None:
    summary = evaluate(*coarse_set(10.0)).summary
    rows = {row.value: row for row in summary.centres}
    assert list(rows) == ["all", ">=60 m", "60-150 m", ">=150 m"]
    whole = rows[">=60 m"]
    assert (whole.by_overlap.true, whole.by_overlap.false, whole.by_overlap.missed) == (1, 2, 1)
    assert (whole.by_centre.true, whole.by_centre.false, whole.by_centre.missed) == (2, 1, 0)
    assert whole.ap.value == 1.0
    assert whole.by_centre.precision.value == pytest.approx(2 / 3)
    short = rows["60-150 m"]
    assert (short.by_overlap.true, short.by_overlap.false) == (0, 1)
    assert (short.by_centre.true, short.by_centre.false) == (1, 0)
    text = to_markdown(FACTS, summary, ())
    assert f"### {CENTRES_HEADING}" in text
    assert "| ship | >=60 m | 2 (1) | 0.333 | 0.500 | 1.000 | 0.667 | 1.000 |" in text
    assert to_json(FACTS, summary, ())["centres"][1]["by_centre"]["true"] == 2


@pytest.mark.parametrize("gsd_m", [0.5, None])
def test_fine_images_have_no_such_table(gsd_m: float | None) -> None:
    summary = evaluate(*coarse_set(gsd_m)).summary
    assert summary.centres == []
    assert CENTRES_HEADING not in to_markdown(FACTS, summary, ())


def test_a_second_box_on_a_ship_is_false() -> None:
    truth, found = coarse_set(10.0)
    twice = boxes([[100, 100, 20, 4, 0], [101, 100, 20, 4, 0]], [0.9, 0.8])
    both = evaluate(truth, replace(found, complete=[twice], counted=[twice])).summary.centres[0]
    assert (both.by_centre.true, both.by_centre.false, both.by_centre.missed) == (1, 1, 1)


def test_the_column_is_saved_and_may_be_missing(tmp_path) -> None:
    truth, found = coarse_set(10.0)
    table = match_images(truth, found.counted)
    table.save(tmp_path / "m.npz")
    assert MatchTable.load(tmp_path / "m.npz").near.tolist() == [0, 1, -1]
    with np.load(tmp_path / "m.npz") as columns:
        older = {name: columns[name] for name in columns if name != "near"}
    np.savez(tmp_path / "older.npz", **older)
    assert len(MatchTable.load(tmp_path / "older.npz").near) == 0
    assert [row.n_truth for row in centre_rows(table, table)][:2] == [2, 2]
