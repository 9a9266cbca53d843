"""A review by truth says of every box what is so."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detector.activity.looks.runs import read_runs
from detector.geometry.boxes import corners_from_xywhr
from detector.reviewing.answers import Answers, review_by_truth
from detector.reviewing.corrected import COUNTS_FILE, write_corrected
from detector.reviewing.runs import ReviewedRun
from tests.reviewing.made_run import SHIPS, geopackages


def test_every_box_and_object_is_told_once(run: Path) -> None:
    scene_id = geopackages(run)[0].parent.name
    places = [(*SHIPS[0], 140, 24, 0.0), (SHIPS[1][0] + 6, SHIPS[1][1], 140, 24, 0.0)]
    places += [(200, 100, 60, 20, 0.1)]
    truth = corners_from_xywhr(np.array(places))
    names = ["ship", "ship", "container_stack"]
    answers = Answers(truth, names, np.array([False, True, True]))
    review = review_by_truth(run, scene_id, answers, "the truth")
    told = {one.box.rpartition("#")[2]: one.verdict for one in review.statements}
    # the first lies on what does not count, the second is right, the third is nothing
    assert told == {"1": "real", "2": "false", "": "real"}
    scene = read_runs([run]).scenes[0]
    assert sorted(scene.objects.ids.tolist()) == [
        f"{scene_id}#0", f"{scene_id}#1", f"{scene_id}#drawn1",
    ]  # fmt: skip
    write_corrected(review, ReviewedRun.read(run))
    rows = (run / COUNTS_FILE).read_text().splitlines()
    assert rows[1].startswith(f"{scene_id},,,ship,3,2,")
    assert ",human," in rows[1]
    assert [row.split(",")[1:6] for row in rows if ",pier," in row] == [
        ["pier", "berth", "ship", "2", "1"],
        ["pier", "berth", "container_stack", "0", "1"],
    ]
