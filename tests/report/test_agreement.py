"""The page's numbers of stacks are those of `stack_changes`: on a yard where all kinds happen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from detector.activity.looks import registration
from detector.cli import main as cli
from detector.rendering.scene import RenderedScene
from detector.report.publish import Report
from detector.stacks.settings import StackSettings
from tests.report.agreement import hold_page_to_tables
from tests.report.make import Made
from tests.stacks.yard_site import write_yard_site
from tests.stacks.yards import BARE, sky, yard

DAYS = ("2026-05-14", "2026-05-19", "2026-05-24")
BAY_M, WIDTH_M = 12.55, 13.8  # of a block of five rows
STAYS, SHRINKS, MISSED = (50.0, 25.0), (50.0, 60.0), (50.0, 130.0)
GROWS, NEW, GONE = (140.0, 25.0), (140.0, 95.0), (50.0, 95.0)


def bays(number: int) -> np.ndarray:
    """Four bays of five rows, so many of them filled."""
    tiers = np.full((4, 5), 3)
    tiers[number:] = 0
    return tiers


LOOKS = (
    {STAYS: bays(4), SHRINKS: bays(4), GROWS: bays(2), GONE: bays(4), MISSED: bays(4)},
    {STAYS: bays(4), SHRINKS: bays(2), GROWS: bays(4), NEW: bays(3), MISSED: bays(4)},
    {STAYS: bays(4), SHRINKS: bays(2), GROWS: bays(4), MISSED: bays(4)},
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Activity and report of three looks; the second misses a block that stands there still."""
    folder = tmp_path_factory.mktemp("agreement")
    looks: list[RenderedScene] = []
    for at, (day, blocks) in enumerate(zip(DAYS, LOOKS, strict=True)):
        light = replace(sky(45.0 + 3 * at, 140.0 + 10 * at), acquired=f"{day}T02:10:00Z")
        looks.append(yard(blocks, replace(BARE, sky=light)))
    lies = [item.corners.mean(axis=0) * BARE.gsd_m for item in looks[1].truth]
    missed = int(np.argmin([np.hypot(*(at - MISSED)) for at in lies]))
    site, run = write_yard_site(folder, looks, "yard 2", StackSettings(), {(1, missed)})
    words = [str(site), f"runs=[{run}]", f"out={folder / 'out'}", "quiet=true"]
    off = ["appearance=false", "register=false", "plots=false", "draws=20"]
    with pytest.MonkeyPatch.context() as patch:  # rendered scenes lie on each other
        patch.setattr(registration, "UNREGISTERED_SD_M", 0.5)
        assert cli.main(["activity", *words, *off]) == 0
    return folder / "out"


def test_all_kinds_of_change_are_told_as_they_happened(written: Path) -> None:
    changes = pd.read_csv(written / "stack_changes.csv").set_index(["to_day", "kind"])
    truth = {
        (DAYS[1], "gone"): -4 * BAY_M,
        (DAYS[1], "appeared"): 3 * BAY_M,
        (DAYS[1], "shrunk"): -2 * BAY_M,
        (DAYS[1], "grown"): 2 * BAY_M,
        (DAYS[2], "gone"): -3 * BAY_M,
    }
    assert sorted(changes.index) == sorted(truth)  # the missed block is none of them
    for key, length in truth.items():
        assert changes.loc[key, "area_m2"] == pytest.approx(length * WIDTH_M, rel=0.08)
    events = pd.read_csv(written / "events.csv")
    assert events["text"].tolist() == [
        f"1 stack, {changes.loc[(DAYS[1], 'appeared'), 'area_m2']:.0f} m², appeared in yard 2",
        f"1 stack, {-changes.loc[(DAYS[1], 'gone'), 'area_m2']:.0f} m², gone from yard 2",
        f"1 stack in yard 2 grew by {changes.loc[(DAYS[1], 'grown'), 'area_m2']:.0f} m²",
        f"1 stack in yard 2 shrank by {-changes.loc[(DAYS[1], 'shrunk'), 'area_m2']:.0f} m²",
        f"1 stack, {-changes.loc[(DAYS[2], 'gone'), 'area_m2']:.0f} m², gone from yard 2",
    ]


def test_every_number_of_stacks_on_the_page_is_that_of_the_table(written: Path) -> None:
    held = hold_page_to_tables(written, written / "report")
    assert held == {
        "events": 5, "leads": 1, "sentences": 2, "totals": 0, "changes": 5, "cards": 5,
        "looks": 3, "points": 6, "links": 0, "timeline": 5, "pictures": 5,
        "remarks": 0,
    }  # fmt: skip


def test_every_number_of_two_sites_with_a_link(made: Made, report: Report) -> None:
    """Without rows of `stacks.csv`: changes have no containers, but the same numbers of stacks."""
    held = hold_page_to_tables(made.activity, report.page.parent)
    assert (held["events"], held["changes"], held["links"]) == (3, 6, 1)
    changes = pd.read_csv(made.activity / "stack_changes.csv")
    assert changes[["containers", "teu_low", "teu_high"]].isna().all(axis=None)


def _one_less(activity: dict[str, Any], document: dict[str, Any]) -> None:
    activity["events"][0]["number"] -= 1


def _unsaid(activity: dict[str, Any], document: dict[str, Any]) -> None:
    site = document["sites"][0]
    site["lead"] = site["lead"].partition("; besides")[0] + "."


def _other_area(activity: dict[str, Any], document: dict[str, Any]) -> None:
    activity["stack_changes"][0]["area_m2"] *= 1.01


def _row_lost(activity: dict[str, Any], document: dict[str, Any]) -> None:
    document["sites"][0]["stack_changes"].pop()


def _mark_lost(activity: dict[str, Any], document: dict[str, Any]) -> None:
    document["timeline"]["changes"].pop()


@pytest.mark.parametrize("spoil", [_one_less, _unsaid, _other_area, _row_lost, _mark_lost])
def test_a_page_that_does_not_agree_is_told(
    written: Path, tmp_path: Path, spoil: Callable[[dict[str, Any], dict[str, Any]], None]
) -> None:
    shutil.copytree(written, tmp_path / "out")
    paths = tmp_path / "out" / "activity.json", tmp_path / "out" / "report" / "report.json"
    contents = [json.loads(path.read_text("utf-8")) for path in paths]
    spoil(*contents)
    for path, content in zip(paths, contents, strict=True):
        path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(AssertionError):
        hold_page_to_tables(tmp_path / "out", tmp_path / "out" / "report")


def test_a_number_in_words_that_no_table_holds_is_told(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "out")
    page = tmp_path / "out" / "report" / "report.html"
    page.write_text(page.read_text("utf-8").replace("</h1>", "</h1><p>7 stacks gone</p>"), "utf-8")
    with pytest.raises(AssertionError, match="7 stacks gone"):
        hold_page_to_tables(tmp_path / "out", tmp_path / "out" / "report")
