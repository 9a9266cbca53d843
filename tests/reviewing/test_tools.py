"""What goes out to the tools of people comes back, and says what the people did."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.api.reviewing import changed, worth_of_boxes
from detector.cli import main as cli
from detector.errors import OutputError
from detector.export.seals import write_sealed
from detector.geometry.boxes import Corners, corners_from_xywhr
from detector.reviewing.errors import ReviewError
from detector.reviewing.exporting import (
    IMAGES_FOLDER,
    TOOL_FILES,
    ExportSettings,
    export_review,
)
from detector.reviewing.folders import FOLDERS, write_folder
from detector.reviewing.formats import FORMATS, write_sheets
from detector.reviewing.importing import ImportSettings, import_reviews
from detector.reviewing.ledger import Review
from detector.reviewing.manifest import MANIFEST_FILE, read_manifest
from detector.reviewing.pictures import read_any
from detector.reviewing.runs import ReviewedRun
from detector.reviewing.score import score_sample, share_of
from detector.reviewing.sheet import Sheet
from tests.reviewing.made_run import NAMES, SHIPS, edit

TOOLS = [*FORMATS, *FOLDERS]


def export(run: Path, out: Path, kind: str, sample: str = "random", **more: int) -> Path:
    """Export the run for a tool; the file or folder that the tool reads."""
    worth = worth_of_boxes(sample, [], run)
    export_review(ExportSettings(run, out, kind, sample, **more), worth)
    return out / TOOL_FILES[kind] if kind in TOOL_FILES else out


def save(kind: str, sheets: list[Sheet], path: Path) -> Path:
    """Sheets as a person saves them from the tool, where the export was."""
    if kind in FOLDERS:
        for name, text in write_folder(kind, sheets).items():
            (path / name).write_bytes(text.encode())
        return path
    text = write_sheets(kind, sheets)
    if kind == "label-studio":
        tasks = json.loads(text)
        text = json.dumps([{**task, "annotations": task.pop("predictions")} for task in tasks])
    path.write_text(text, encoding="utf-8")
    return path


def row_of(sheet: Sheet, name: str) -> int:
    return next(i for i, one in enumerate(sheet.ids) if one.endswith(name))


def with_drawn(sheet: Sheet, corners: Corners, class_id: int = 0) -> Sheet:
    """A sheet on which somebody drew boxes."""
    more = len(corners)
    return replace(
        sheet,
        corners=np.concatenate([sheet.corners, corners]),
        class_ids=np.append(sheet.class_ids, np.full(more, class_id)),
        ids=(*sheet.ids, *[""] * more),
        verdicts=(*sheet.verdicts, *[""] * more),
        comments=(*sheet.comments, *[""] * more),
    )


def edited(sheet: Sheet) -> Sheet:
    """The first box away, the second moved by 8 pixels, a new one at 60, 60, all looked at."""
    keep = [i for i in range(len(sheet.ids)) if i != row_of(sheet, "#0")]
    corners = sheet.corners[keep].copy()
    corners[row_of(sheet, "#1") - 1] += 8
    left = replace(
        sheet,
        corners=corners,
        class_ids=sheet.class_ids[keep],
        ids=tuple(sheet.ids[i] for i in keep),
        verdicts=tuple(sheet.verdicts[i] for i in keep),
        comments=tuple(sheet.comments[i] for i in keep),
        reviewed=True,
    )
    return with_drawn(left, corners_from_xywhr(np.array([(60, 60, 50, 12, 0.2)])), 1)


@pytest.mark.parametrize("kind", TOOLS)
def test_what_a_person_did_in_a_tool_is_read(run: Path, tmp_path: Path, kind: str) -> None:
    path = export(run, tmp_path / "review", kind, "zone:pier", side_px=0)
    _, sheets = read_any(path, ReviewedRun.read(run).classes)
    assert [sheet.image.rpartition("-")[0] for sheet in sheets] == [
        name.removesuffix(".tif") for name in NAMES
    ]
    picture = cv2.imread(str(tmp_path / "review" / IMAGES_FOLDER / sheets[0].image))
    assert picture.shape == (300, 420, 3)
    for x, y in SHIPS:  # the ships are bright where the boxes are
        assert picture[y, x].min() > 127
    save(kind, [edited(sheets[0]), sheets[1]], path)
    review = import_reviews(ImportSettings(run, (path,), "Ann")).review
    told = {one.box.rpartition("#")[2]: one for one in review.statements}
    assert set(told) == {"0", "1", ""}
    assert (told["0"].deleted, told["0"].verdict) == (True, "false")
    assert (told["1"].moved, told["1"].verdict) == (True, "real")
    middle = np.reshape(told["1"].corners, (4, 2)).mean(axis=0)
    np.testing.assert_allclose(middle, np.add(SHIPS[1], 8.5), atol=0.01)
    assert (told[""].drawn, told[""].class_name) == (True, "container_stack")
    np.testing.assert_allclose(np.reshape(told[""].corners, (4, 2)).mean(axis=0), 60, atol=0.01)
    assert [one.scene_id for one in review.looked] == [told["0"].scene_id]
    assert {source.who for source in review.sources} == {"Ann"}


def test_chips_share_no_box_and_lie_where_they_say(run: Path, tmp_path: Path) -> None:
    path = export(run, tmp_path / "review", "coco", number=0, side_px=150)
    manifest = read_manifest(tmp_path / "review" / MANIFEST_FILE)
    assert len(manifest.pictures) == 2 * 3 * 2  # 420 by 300 in parts of 140 by 150
    assert sum(one.weight for one in manifest.pictures) == 12
    chips = [one.chip for one in manifest.pictures]
    everything = corners_from_xywhr(np.array([(x, y, 140, 24, 0.0) for x, y in SHIPS]))
    held = np.array(
        [chip.holds(everything) for chip in chips if chip.scene_id == chips[0].scene_id]
    )
    assert held.sum(axis=0).tolist() == [1, 1, 1]
    for chip in chips:
        np.testing.assert_allclose(chip.to_file(chip.to_picture(everything)), everything)
    _, sheets = read_any(path, ReviewedRun.read(run).classes)
    # a box that two pictures show and one person moves alike in both is moved once
    shown = [sheet for sheet in sheets if any(name.endswith("#1") for name in sheet.ids)]
    assert len([sheet for sheet in shown if sheet.image.startswith(chips[0].scene_id)]) > 1
    moved = [replace(sheet, corners=sheet.corners + 3.0) for sheet in sheets]
    review = import_reviews(ImportSettings(run, (save("coco", moved, path),))).review
    assert all(one.moved for one in review.statements)
    assert len({one.box for one in review.statements}) == 6


def test_precision_and_recall_are_exact_where_all_was_looked_at(run: Path, tmp_path: Path) -> None:
    path = export(run, tmp_path / "review", "coco", number=0, side_px=150)
    _, sheets = read_any(path, ReviewedRun.read(run).classes)
    sheets = [replace(sheet, reviewed=True) for sheet in sheets]
    first = next(i for i, sheet in enumerate(sheets) if any(n.endswith("#0") for n in sheet.ids))
    at = row_of(sheets[first], "#0")
    verdicts = list(sheets[first].verdicts)
    verdicts[at] = "false"
    sheets[first] = replace(sheets[first], verdicts=tuple(verdicts))
    at = next(i for i, sheet in enumerate(sheets) if sheet.image.endswith("_0_0.png"))
    new = corners_from_xywhr(np.array([(70, 40, 40, 10, 0.0), (70, 65, 40, 10, 0.0)]))
    sheets[at] = with_drawn(sheets[at], new)
    review = import_reviews(ImportSettings(run, (save("coco", sheets, path),))).review
    ships, stacks = score_sample(review, ReviewedRun.read(run))
    # six boxes, one of them false; two ships that nobody had found
    assert (ships.precision.value, ships.precision.objects) == (pytest.approx(5 / 6), 6)
    assert (ships.recall.value, ships.recall.objects) == (pytest.approx(5 / 7), 7)
    assert ships.precision.low == ships.precision.high == ships.precision.value
    assert (ships.recall.chips, ships.places, ships.missing) == (12, 2, 0)
    assert np.isnan(stacks.recall.value)
    assert score_sample(Review(), ReviewedRun.read(run)) == []


def test_the_interval_holds_its_share() -> None:
    """2,000 samples of a population whose recall is known, objects in clusters, two strata."""
    rng = np.random.default_rng(5)
    sizes = {"with boxes": 300, "without boxes": 700}
    objects = {"with boxes": rng.poisson(4, 300), "without boxes": rng.poisson(0.1, 700)}
    found = {
        name: rng.binomial(counts, np.clip(rng.normal(0.85, 0.1, len(counts)), 0, 1))
        for name, counts in objects.items()
    }
    truth = sum(f.sum() for f in found.values()) / sum(o.sum() for o in objects.values())
    held, widths = 0, []
    for _ in range(600):
        drawn = {name: rng.permutation(size)[:30] for name, size in sizes.items()}
        above = np.concatenate([found[name][drawn[name]] for name in sizes]).astype(float)
        below = np.concatenate([objects[name][drawn[name]] for name in sizes]).astype(float)
        told = share_of(above, below, [name for name in sizes for _ in range(30)], sizes)
        held += told.low <= truth <= told.high
        widths.append(told.high - told.low)
    assert 0.93 <= held / 600 <= 0.995
    assert np.mean(widths) < 0.25
    sure = share_of(np.full(20, 3.0), np.full(20, 3.0), ["a"] * 20, {"a": 500})
    assert sure.value == 1.0
    assert 0.9 < sure.low < 0.97  # 60 of 60: 0.94 by Clopper and Pearson
    assert sure.high == 1.0


def test_chance_draws_of_both_kinds_and_says_the_weights(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "a", "yolo-obb", number=6, side_px=150, seed=3)
    export(run, tmp_path / "b", "yolo-obb", number=6, side_px=150, seed=3)
    first, second = (read_manifest(tmp_path / name / MANIFEST_FILE) for name in "ab")
    assert first == second
    assert len(first.pictures) == 6
    sums: dict[str, float] = {}
    for one in first.pictures:
        sums[one.stratum] = sums.get(one.stratum, 0.0) + one.weight
    assert sums == {"with boxes": 6, "without boxes": 6}


def test_what_changes_the_sentences_most_comes_first(made: Path, run: Path, tmp_path: Path) -> None:
    worth = worth_of_boxes("uncertain", [made / "site.yaml"], run)
    settings = ExportSettings(run, tmp_path / "u", "coco", "uncertain", number=2, side_px=150)
    manifest = export_review(settings, worth)
    asked = [name.rpartition("#")[2] for one in manifest.pictures for name in one.asked]
    assert "0" not in asked  # of no zone, so of no sentence
    activity = {
        "stack_changes": [{"blocks_before": "s#1", "blocks_after": ""}],
        "visits": [{"evidence": "s#2; s#3; s#4"}],
    }
    assert changed(activity) == {"s#1": 1.0, "s#2": 1.0, "s#4": 1.0}
    with pytest.raises(ReviewError, match=r"no activity\.json, which says what changed"):
        worth_of_boxes("changed", [], tmp_path)


def test_geopackages_of_an_export_come_back_with_their_chips(run: Path, tmp_path: Path) -> None:
    export_review(ExportSettings(run, tmp_path / "q", "qgis", number=0, side_px=150))
    first, second = sorted((tmp_path / "q").glob("*.gpkg"))
    edit(first, "UPDATE sample SET reviewed = 1")
    edit(second, "UPDATE sample SET reviewed = 1")
    edit(first, "UPDATE detections SET verdict = 'false' WHERE fid = 1")
    review = import_reviews(ImportSettings(run, (first, second), "Ann")).review
    assert (len(review.looked), len(review.sample)) == (12, 12)
    ships, _ = score_sample(review, ReviewedRun.read(run))
    assert ships.precision.value == pytest.approx(5 / 6)
    assert ships.recall.value == 1.0


def test_what_does_not_fit_is_named_and_nothing_is_written(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "review"
    path = export(run, out, "coco", "zone:pier", side_px=0)
    with pytest.raises(OutputError, match="already holds an export"):
        export(run, out, "coco", "zone:pier")
    for sample, told in (("zone:else", "no scene of the run shows the zone 'else'"),
                         ("best", "sample=best: choose random")):  # fmt: skip
        with pytest.raises(ReviewError, match=told):
            export(run, tmp_path / "x", "coco", sample)
    good, manifest = path.read_text(), json.loads((out / MANIFEST_FILE).read_text())

    def refused(told: str) -> None:
        with pytest.raises(ReviewError, match=told):
            import_reviews(ImportSettings(run, (path,)))
        assert not (run / "review.json").exists()

    path.write_text(good.replace(".png", "x.png"))
    refused(r"the picture .*x\.png is not of the export")
    path.write_text(good.replace('"width": 420', '"width": 421'))
    refused("is 421 by 300 pixels there and was 420 by 300")
    path.write_text(good.replace("#0", "#77"))
    refused("is of another run of this scene")
    path.write_text("[1, 2")
    refused("neither JSON nor XML")
    path.write_text("{}")
    refused("a file of none of the tools")
    path.write_text(good)
    scene_id = next(iter(manifest["scenes"]))
    write_sealed(out / MANIFEST_FILE, {**manifest, "scenes": {scene_id: "0" * 64}})
    refused(f"the scene {scene_id} was predicted anew since the export")
    write_sealed(out / MANIFEST_FILE, {**manifest, "scenes": {"else": "0" * 64}})
    refused("of the scene else, which .* has not")
    write_sealed(out / MANIFEST_FILE, {**manifest, "format": 9, "version": "7.1"})
    refused("of format 9, which a newer version wrote")
    (out / MANIFEST_FILE).write_text(json.dumps({**manifest, "seed": 5}))
    refused("was changed since the export")
    (out / MANIFEST_FILE).unlink()
    refused("name the folder of detector review export with export=")


def test_the_commands_say_what_they_did(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "review"
    words = ["review", "export", f"run={run}", f"out={out}", "format=coco", "number=0"]
    assert cli.main([*words, "side_px=150"]) == 0
    assert "12 parts of 2 scenes" in capsys.readouterr().out
    path = str(out / TOOL_FILES["coco"])
    assert cli.main(["review", "import", path, f"run={run}", "who=Ann", "whole=true"]) == 0
    told = capsys.readouterr().out.splitlines()
    expected = (
        "ship: precision 1.00 of 6 boxes, recall 1.00 of 6 objects (95 % intervals), by 12 chips "
        "that chance chose in 2 scenes"
    ).replace("1.00 of", "1.00 (1.00 to 1.00) of")
    assert expected in told
    assert any("in 2 scenes; review.json" in line for line in told)
    assert cli.main(["review", "import"]) == 2
    assert "no run: name the folder" in capsys.readouterr().err
