"""A GeoPackage that was edited in QGIS is a review: read, kept, used, and told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely

from detector.activity.find import ActivitySettings, trace_activity
from detector.activity.looks.runs import read_runs
from detector.activity.looks.sites import read_site
from detector.export.seals import write_sealed
from detector.reviewing.errors import ReviewError
from detector.reviewing.importing import ImportSettings, import_reviews
from detector.reviewing.ledger import REVIEW_FILE, read_review
from tests.reviewing.made_run import draw, edit, geopackages, outline, redraw


def test_everything_that_can_be_said_is_read(run: Path) -> None:
    first, second = geopackages(run)
    edit(first, "UPDATE detections SET verdict = 'real', comment = 'tug' WHERE fid = 1")
    redraw(first, 2, outline(130, 150, 120, 24))
    draw(first, outline(200, 100, 60, 20, 0.3), **{"class": "ship", "verdict": "real"})
    edit(first, "UPDATE scenes SET reviewer = 'Ann'")
    edit(first, "UPDATE zones SET reviewed = 1")
    edit(second, "DELETE FROM detections WHERE fid = 1")
    edit(second, "UPDATE detections SET \"class\" = 'container_stack' WHERE fid = 3")
    review = import_reviews(ImportSettings(run, who="Bob")).review
    assert read_review(run) == review
    assert [(source.picture, source.who) for source in review.sources] == [
        (first.parent.name, "Ann"),
        (second.parent.name, "Bob"),
    ]
    told = {(one.scene_id == first.parent.name, one.box.rpartition("#")[2]): one for one in
            review.statements}  # fmt: skip
    assert told[True, "0"].verdict == "real"
    assert told[True, "0"].comment == "tug"
    assert not told[True, "0"].moved
    assert (told[True, "1"].moved, told[True, "1"].verdict) == (True, "real")
    assert np.ptp(np.reshape(told[True, "1"].corners, (4, 2)), axis=0) == pytest.approx([120, 24])
    assert told[True, ""].drawn
    assert (told[False, "0"].deleted, told[False, "0"].verdict) == (True, "false")
    assert told[False, "2"].reclassified
    assert len(told) == len(review.statements) == 5
    (looked,) = review.looked
    assert (looked.zone, looked.scene_id) == ("pier", first.parent.name)
    assert shapely.area(looked.shape) == pytest.approx(410 * 140, rel=1e-3)


def test_counts_change_and_both_numbers_are_told(made: Path, run: Path) -> None:
    site = read_site(made / "site.yaml")
    before = trace_activity([site], read_runs([run]), ActivitySettings(registered=False))
    assert before.tables["reviews"].empty
    assert set(before.tables["series"]["source"]) == {"model"}
    first, second = geopackages(run)
    edit(first, "DELETE FROM detections WHERE fid = 2")
    draw(first, outline(200, 100, 130, 20), **{"class": "ship"})
    draw(first, outline(200, 200, 130, 20), **{"class": "ship", "verdict": "doubtful"})
    edit(first, "UPDATE zones SET reviewed = 1")
    edit(second, "UPDATE detections SET verdict = 'false' WHERE fid = 2")
    review = import_reviews(ImportSettings(run, who="Ann")).review
    runs = read_runs([run])
    assert runs.warnings == ()  # the edits are read, so there is nothing to warn of
    after = trace_activity([site], runs, ActivitySettings(registered=False))
    (told,) = after.tables["reviews"].to_dict("records")
    assert (told["judged"], told["false"], told["drawn"], told["people"]) == (2, 2, 2, "Ann")
    assert told["sha256"] == review.sha256
    assert "2 boxes judged (0 real, 2 false, 0 doubtful)" in after.reviewed[0]
    assert review.sha256[:12] in after.reviewed[0]
    series = after.tables["series"]
    ships = series[(series["class"] == "ship") & (series["length_class"] == "all")]
    assert ships["count_found"].tolist() == [2, 2]
    assert ships["count"].tolist() == [3, 1]
    assert ships["source"].tolist() == ["human", "corrected"]
    # a person looked at all of it: what is open is only what that person called doubtful
    assert ships[["count_low", "count_high"]].iloc[0].tolist() == [2, 3]
    rows = after.tables["corrections"]
    rows = rows[rows["class"] == "ship"].to_dict("records")
    assert [(row["removed"], row["added"], row["doubtful"]) for row in rows] == [
        (1, 2, 1),
        (1, 0, 0),
    ]
    ignoring = read_runs([run], reviewed=False)
    assert ignoring.reviews == ()
    assert [len(scene.objects) for scene in ignoring.scenes] == [3, 3]


def test_a_person_who_comes_back_takes_the_place_of_what_was_said(run: Path) -> None:
    first = geopackages(run)[0]
    edit(first, "UPDATE detections SET verdict = 'false' WHERE fid = 1")
    import_reviews(ImportSettings(run, who="Ann"))
    edit(first, "UPDATE detections SET verdict = NULL WHERE fid = 1")
    edit(first, "UPDATE detections SET verdict = 'real' WHERE fid = 2")
    (one,) = import_reviews(ImportSettings(run, who="Ann")).review.statements
    assert (one.box.rpartition("#")[2], one.verdict) == ("1", "real")


def test_two_people_who_contradict_are_named(run: Path, tmp_path: Path) -> None:
    first = geopackages(run)[0]
    edit(first, "UPDATE detections SET verdict = 'false' WHERE fid = 1")
    copy = Path(shutil.copy(first, tmp_path / "of_bob.gpkg"))
    import_reviews(ImportSettings(run, who="Ann"))
    edit(copy, "UPDATE detections SET verdict = 'real' WHERE fid = 1")
    kept = (run / REVIEW_FILE).read_bytes()
    with pytest.raises(ReviewError, match=r"#0: .*(Ann|Bob).* contradict each other \(.*real"):
        import_reviews(ImportSettings(run, (copy,), "Bob"))
    assert (run / REVIEW_FILE).read_bytes() == kept
    told = import_reviews(ImportSettings(run, (copy,), "Bob", "newest")).review.statements
    assert len(told) == 1


def test_a_scene_that_was_predicted_anew_is_named(made: Path, run: Path, tmp_path: Path) -> None:
    first = geopackages(run)[0]
    copy = Path(shutil.copy(first, tmp_path / "copy.gpkg"))
    edit(first, "UPDATE detections SET verdict = 'false' WHERE fid = 1")
    import_reviews(ImportSettings(run))
    edit(copy, "UPDATE detections SET score = 0.25 WHERE fid = 1")  # as other weights would
    with pytest.raises(ReviewError, match="predicted anew since, or the file is of another run"):
        import_reviews(ImportSettings(run, (copy,)))
    record = first.parent / "scene.json"
    content = json.loads(record.read_text())
    content["files"]["detections.parquet"] = "0" * 64
    write_sealed(record, content)
    with pytest.raises(ReviewError, match=r"was predicted anew since it was reviewed.*review=fal"):
        read_runs([run])


BAD = {
    "no verdict": ("UPDATE detections SET verdict = 'yes' WHERE fid = 2", r"row 2: 'yes' is no v"),
    "no class": ("UPDATE detections SET \"class\" = NULL WHERE fid = 2", "row 2: a box without a"),
    "a class": ("UPDATE detections SET \"class\" = 'boat' WHERE fid = 2", "'boat' is none of the"),
    "no outline": ("UPDATE detections SET geom = NULL WHERE fid = 2", "row 2: a box without an ou"),
    "no scene": ("DELETE FROM scenes", "the layer scenes names 0 scenes"),
    "other scene": ("UPDATE scenes SET scene_id = 'else'", r"of the scene else, which .* has not"),
    "other box": (
        "UPDATE detections SET box = 'else#0' WHERE fid = 1",
        "the box else#0 is not in the run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_nothing_is_written(run: Path, name: str) -> None:
    query, told = BAD[name]
    first, second = geopackages(run)
    edit(first, "UPDATE detections SET verdict = 'real' WHERE fid = 1")
    edit(second, query)
    with pytest.raises(ReviewError, match=told) as error:
        import_reviews(ImportSettings(run))
    assert "\n" not in str(error.value)
    assert not (run / REVIEW_FILE).exists()


def test_a_review_of_a_newer_version_or_by_hand_is_named(run: Path) -> None:
    edit(geopackages(run)[0], "UPDATE detections SET verdict = 'real' WHERE fid = 1")
    import_reviews(ImportSettings(run))
    path = run / REVIEW_FILE
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "scenes": {}}))
    with pytest.raises(ReviewError, match="was changed by hand"):
        read_runs([run])
    write_sealed(path, {**content, "format": 2, "version": "9.0"})
    with pytest.raises(ReviewError, match=r"of format 2, which a newer version wrote \(9\.0\)"):
        read_runs([run])


def test_nothing_edited_and_no_run_are_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="was changed since the run wrote it, so there is nothin"):
        import_reviews(ImportSettings(run))
    with pytest.raises(ReviewError, match="not the record of a run"):
        import_reviews(ImportSettings(tmp_path / "nowhere"))


def test_a_box_that_was_pasted_elsewhere_is_a_drawn_one(run: Path) -> None:
    first = geopackages(run)[0]
    draw(first, outline(200, 60, 60, 20), **{"class": "ship", "box": f"{first.parent.name}#0",
         "score": 0.9})  # fmt: skip
    with pytest.raises(ReviewError, match="is not in the run as"):
        import_reviews(ImportSettings(run))
    names = ", ".join(f"p{axis}{i}" for i in range(4) for axis in "xy")
    edit(first, "DELETE FROM detections WHERE fid = 4")
    edit(first, f"INSERT INTO detections (geom, \"class\", box, score, {names}) "  # noqa: S608
         f"SELECT geom, \"class\", box, score, {names} FROM detections WHERE fid = 1")  # fmt: skip
    with pytest.raises(ReviewError, match="two boxes are called"):
        import_reviews(ImportSettings(run))
    redraw(first, 5, outline(200, 60, 140, 24))
    (one,) = import_reviews(ImportSettings(run)).review.statements
    assert one.drawn
