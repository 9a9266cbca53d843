"""Reviews as nobody planned them: several people in one file, other shapes, empty files."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from detector.cli.main import main
from detector.cli.review_import import corrected as corrected_line
from detector.errors import SceneError
from detector.geometry.boxes import corners_from_xywhr
from detector.reviewing import corrected
from detector.reviewing.errors import ReviewError
from detector.reviewing.formats import read_sheets, write_sheets
from detector.reviewing.importing import Imported, ImportSettings, import_reviews
from detector.reviewing.ledger import REVIEW_FILE, Review, Source, Statement, read_review
from detector.reviewing.merge import Conflicts, merge
from detector.reviewing.runs import ReviewedRun
from detector.reviewing.sheet import Sheet, Verdict
from tests.reviewing.made_run import draw, edit, geopackages, outline
from tests.reviewing.test_tools import export

EMPTY = {
    "label-studio": "[]",
    "coco": json.dumps({"images": [], "annotations": [], "categories": []}),
    "cvat": "<annotations><version>1.1</version></annotations>",
}
SQUARE = corners_from_xywhr(np.array([(50, 40, 40, 20, 0.0)]))


def sheet(corners: Any = SQUARE) -> Sheet:
    number = len(corners)
    ids = tuple(f"s#{i}" for i in range(number))
    return Sheet("a.png", 100, 80, corners, np.zeros(number, np.int64), ids, ("",) * number,
                 ("",) * number)  # fmt: skip


def told_by(who: str, verdict: Verdict = "", *, box: str = "s#0", name: str = "ship",
            at: Any = SQUARE, day: int = 1, comment: str = "") -> Review:  # fmt: skip
    """What one person said of one box."""
    corners = tuple(at[0].ravel().tolist())
    one = Statement(who, "s", box, verdict, name, corners, comment=comment)
    source = Source(who, "qgis", f"{who}.gpkg", "", "s", who, f"2026-11-0{day}")
    return Review({"s": "0"}, (source,), (one,))


def merged(conflicts: Conflicts, *reviews: Review) -> list[tuple[str, str, str]]:
    together = Review()
    for review in reviews:
        together = merge(together, review, conflicts)
    return [(one.source, one.verdict, one.class_name) for one in together.statements]


def test_a_comment_that_comes_last_hides_no_contradiction() -> None:
    said = (told_by("Ann", "real"), told_by("Cid", comment="hm", day=3))
    with pytest.raises(ReviewError, match=r"s#0: Ann\.gpkg .* Bob\.gpkg .*\(real and false\)"):
        merged("refuse", *said, told_by("Bob", "false", day=2))
    left = merged("newest", *said, told_by("Bob", "false", day=2))
    assert left == [("Bob", "false", "ship"), ("Cid", "", "ship")]


def test_two_people_who_draw_one_place_differently_are_named() -> None:
    near = SQUARE + 2
    ann, same = told_by("Ann", "real", box=""), told_by("Bob", "real", box="", at=near, day=2)
    assert len(merged("refuse", ann, same)) == 2
    doubts = told_by("Bob", "doubtful", box="", at=near, day=2)
    with pytest.raises(ReviewError, match=r"s, a box drawn at pixel 50, 40: .*real and as doubtf"):
        merged("refuse", ann, doubts)
    assert merged("newest", ann, doubts) == [("Bob", "doubtful", "ship")]
    other = told_by("Bob", "real", box="", name="container_stack", at=near, day=2)
    with pytest.raises(ReviewError, match="drawn as ship and as container_stack"):
        merged("refuse", ann, other)
    away = told_by("Bob", "doubtful", box="", at=SQUARE + 30, day=2)
    assert len(merged("refuse", ann, away)) == 2
    # who drew both means both: containers that cover their ship
    (cargo,) = told_by("Ann", "real", box="", name="container_stack").statements
    both = replace(ann, statements=(*ann.statements, cargo))
    assert len(merged("refuse", both, other)) == 3


def test_every_annotator_of_a_task_is_heard() -> None:
    (task,) = json.loads(write_sheets("label-studio", [sheet()]))
    drawn = task.pop("predictions")[0]["result"]
    saved = [
        {"result": drawn, "completed_by": 1},
        {"result": [], "completed_by": 2},
        {"result": [], "completed_by": 1},
        {"result": drawn, "completed_by": 3, "was_cancelled": True},
    ]
    text = json.dumps([{**task, "annotations": saved}])
    back = read_sheets("label-studio", text, "f")
    assert [(one.who, len(one.ids), one.answered) for one in back] == [
        ("1", 0, True),
        ("2", 0, True),
    ]
    text = json.dumps([{**task, "annotations": saved[:2]}])
    assert [(one.who, len(one.ids)) for one in read_sheets("label-studio", text, "f")] == [
        ("1", 1),
        ("2", 0),
    ]


def test_annotators_of_one_task_who_contradict_are_named(run: Path, tmp_path: Path) -> None:
    path = export(run, tmp_path / "review", "label-studio", "zone:pier", side_px=0)
    tasks = json.loads(path.read_text())
    for task in tasks:
        result = task.pop("predictions")[0]["result"]
        task["annotations"] = [
            {"result": [{**one, "value": {**one["value"], "x": 1.0}} for one in result],
             "completed_by": 1},
            {"result": [], "completed_by": 2},
        ]  # fmt: skip
    path.write_text(json.dumps(tasks))
    with pytest.raises(
        ReviewError, match=r"#\d: tasks\.json \(1, .* tasks\.json \(2, .*real and f"
    ):
        import_reviews(ImportSettings(run, (path,)))
    assert not (run / REVIEW_FILE).exists()


@pytest.mark.parametrize("kind", EMPTY)
def test_a_file_without_a_picture_says_nothing(run: Path, tmp_path: Path, kind: str) -> None:
    path = export(run, tmp_path / "review", kind, "zone:pier")
    path.write_text(EMPTY[kind])
    with pytest.raises(ReviewError, match="holds no picture, so nothing was said"):
        import_reviews(ImportSettings(run, (path,)))
    assert not (run / REVIEW_FILE).exists()


def test_a_box_where_the_scene_shows_nothing_is_named(run: Path) -> None:
    first = geopackages(run)[0]
    draw(first, outline(430, 100, 60, 20), **{"class": "ship"})  # the scene is 420 pixels wide
    with pytest.raises(ReviewError, match="its middle at 430, 100, outside of what is shown"):
        import_reviews(ImportSettings(run))
    assert not (run / REVIEW_FILE).exists()
    edit(first, "DELETE FROM detections WHERE fid = (SELECT max(fid) FROM detections)")
    draw(first, outline(410, 100, 60, 20), **{"class": "ship"})
    assert len(import_reviews(ImportSettings(run)).review.statements) == 1


def test_a_reviewed_scene_that_the_run_has_no_more_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = geopackages(run)
    for path in (first, second):
        edit(path, "UPDATE detections SET verdict = 'false' WHERE fid = 1")
    assert main(["review", "import", f"run={run}"]) == 0
    review = read_review(run)
    assert review is not None
    kept = ReviewedRun.read(run)
    less = replace(kept, records={second.parent.name: kept.records[second.parent.name]})
    assert corrected.write_corrected(review, less) == [first.parent.name]
    counts = pd.read_csv(run / corrected.COUNTS_FILE)
    assert set(counts["scene_id"]) == {second.parent.name}
    capsys.readouterr()
    monkeypatch.setattr(ReviewedRun, "read", lambda folder: less)
    assert "; without " + first.parent.name in corrected_line(Imported(review, review), run)


def test_corrected_counts_of_an_earlier_review_do_not_stay(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = geopackages(run)[0]
    draw(first, outline(200, 100, 60, 20), **{"class": "container_stack"})
    assert main(["review", "import", f"run={run}"]) == 0
    assert len(corrected.read_changed_stacks(run)) == 1
    capsys.readouterr()

    def other(record: object) -> None:
        raise SceneError("a.tif: not the file that the run read")

    monkeypatch.setattr(corrected, "open_again", other)
    assert main(["review", "import", f"run={run}"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("no corrected counts and no containers of changed stacks: a.tif: not")
    assert not (run / corrected.COUNTS_FILE).exists()
    assert len(corrected.read_changed_stacks(run)) == 0


def around(points: list[tuple[float, float]]) -> tuple[float, ...]:
    """The bounds of a polygon whose smallest rectangle is upright."""
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    return (*low.tolist(), *high.tolist())


SIX = [(10.0, 20.0), (30.0, 20.0), (60.0, 20.0), (60.0, 40.0), (30.0, 40.0), (10.0, 40.0)]


@pytest.mark.parametrize("kind", ["label-studio", "cvat", "coco"])
def test_a_polygon_counts_as_the_rectangle_around_it(kind: str) -> None:
    text = write_sheets(kind, [sheet()])
    if kind == "coco":
        content = json.loads(text)
        content["annotations"][0]["segmentation"] = [[side for point in SIX for side in point]]
        text = json.dumps(content)
    elif kind == "cvat":
        points = ";".join(f"{x},{y}" for x, y in SIX)
        polygon = f'<polygon label="ship" points="{points}"><attribute name="box">s#0</attribute>'
        head = '<annotations><version>1.1</version><image id="0" name="a.png"'
        text = f'{head} width="100" height="80">{polygon}</polygon></image></annotations>'
    else:
        (task,) = json.loads(text)
        (one,) = task["predictions"][0]["result"]
        points = [(x, y / 0.8) for x, y in SIX]  # percent of 100 by 80 pixels
        one |= {"type": "polygonlabels", "value": {"points": points, "polygonlabels": ["ship"]}}
        text = json.dumps([task])
    (back,) = read_sheets(kind, text, "f")
    bounds = (*back.corners[0].min(axis=0).tolist(), *back.corners[0].max(axis=0).tolist())
    assert bounds == pytest.approx(around(SIX), abs=1e-3)
    assert back.ids == ("s#0",)


def test_a_rectangle_of_a_coco_tool_may_have_no_outline() -> None:
    content = json.loads(write_sheets("coco", [sheet()]))
    content["annotations"][0]["segmentation"] = []
    (back,) = read_sheets("coco", json.dumps(content), "f")
    assert back.corners.tolist() == sheet().corners.tolist()
    for told, parts in (("a mask", {"counts": [1], "size": [80, 100]}), ("2 parts", [[0], [1]])):
        content["annotations"][0]["segmentation"] = parts
        with pytest.raises(ReviewError, match=rf"f: object 1 is {told}; a box is one polygon"):
            read_sheets("coco", json.dumps(content), "f")


def test_shapes_that_are_no_boxes_are_not_passed_over() -> None:
    root = ET.fromstring(write_sheets("cvat", [sheet()]))  # noqa: S314 - our own
    image = root.find("image")
    assert image is not None
    ET.SubElement(image, "ellipse", {"label": "ship", "cx": "5", "cy": "5", "rx": "2", "ry": "3"})
    with pytest.raises(ReviewError, match=r"f: a\.png: holds a shape of the kind ellipse"):
        read_sheets("cvat", ET.tostring(root, encoding="unicode"), "f")
    ET.SubElement(root, "track", {"id": "0", "label": "ship"})
    with pytest.raises(ReviewError, match="f: holds tracks of a video"):
        read_sheets("cvat", ET.tostring(root, encoding="unicode"), "f")
    (task,) = json.loads(write_sheets("label-studio", [sheet()]))
    task["predictions"][0]["result"].append({"type": "brushlabels", "value": {"rle": []}})
    with pytest.raises(ReviewError, match=r"f: a\.png: holds a shape of the kind brushlabels"):
        read_sheets("label-studio", json.dumps([task]), "f")
    with pytest.raises(ReviewError, match="f: a task without 'data', as JSON-MIN has them"):
        read_sheets("label-studio", json.dumps([{"id": 1, "image": "a.png", "label": []}]), "f")
