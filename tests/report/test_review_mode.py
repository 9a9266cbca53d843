"""The review mode of the page in a headless Chromium, and what is read from the file it saves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from detector.activity.find import ActivitySettings, read_activity, trace_activity
from detector.activity.looks.runs import read_runs
from detector.activity.looks.sites import read_site
from detector.report.publish import Report, ReportSettings, make_report
from detector.report.sources import record_inputs
from detector.reviewing.errors import ReviewError
from detector.reviewing.importing import ImportSettings, import_reviews
from tests.report.make import GSD_M, SHIP_A, STACKS, Made, Names
from tests.report.test_browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = Names()
CENTRE = "document.querySelector('.map').scrollIntoView({block: 'center', behavior: 'instant'})"
PLACE = """([index, x, y]) => { const map = window.quaywatch.maps[index];
  const p = map.latLngToContainerPoint([y, x]), r = map.getContainer().getBoundingClientRect();
  return [r.x + p.x, r.y + p.y]; }"""


def to_metres(page: Page, x: float, y: float) -> list[float]:
    """Local metres of a pixel of the scenes, by a box whose both are known."""
    boxes: Any = page.evaluate("window.quaywatch.viewers[0].shots[0].boxes")
    ship = next(box for box in boxes if box["class"] == "ship")
    middle = np.reshape(ship["at"], (4, 2)).mean(axis=0)
    return [middle[0] + (x - SHIP_A[1]) * GSD_M, middle[1] - (y - SHIP_A[2]) * GSD_M]


def click(page: Page, x: float, y: float) -> None:
    """Click at a pixel of the scenes."""
    page.mouse.click(*page.evaluate(PLACE, [0, *to_metres(page, x, y)]))


def review_in(browser: Browser, report: Report, folder: Path) -> Path:
    """On the first date: the ship real, a stack false, one placed anew, a ship drawn, a zone."""
    with opened(browser, report.page) as (page, wrong):
        viewer = page.locator(".viewer").first
        assert not viewer.locator(".review-panel").is_visible()
        viewer.locator(".review-toggle").click()
        page.evaluate(CENTRE)
        assert viewer.locator(".review-told").text_content() == (
            "0 of 4 boxes judged, 0 drawn on this date."
        )
        click(page, *SHIP_A[1:3])
        assert page.locator(".known").count() == 0  # a click chooses, and tells nothing
        assert viewer.locator(".review-told").text_content().startswith("Ship: not judged.")
        page.keyboard.press("r")
        click(page, *STACKS[0][1:3])
        page.keyboard.press("f")
        click(page, *STACKS[1][1:3])
        page.keyboard.press("m")
        for x, y in ((60, 206), (104, 206), (80, 196)):
            click(page, x, y)
        page.keyboard.press("Escape")
        viewer.locator(".review-class").select_option("ship")
        viewer.locator(".review-draw").click()  # which the driver scrolls into view
        page.evaluate(CENTRE)
        assert viewer.locator(".review-told").text_content().startswith("3 more clicks.")
        for x, y in ((250, 40), (350, 40), (300, 56)):
            click(page, x, y)
        viewer.locator(".review-comment").fill("<b>second berth</b>")
        viewer.locator(".review-who").fill("Ann 나진")
        viewer.locator(".review-panel [data-zone]").first.check()
        told = viewer.locator(".review-told").text_content()
        assert told.endswith("3 of 4 boxes judged, 1 drawn on this date.")
        with page.expect_download() as saving:
            viewer.locator(".review-save").click()
        path = folder / "review.json"
        saving.value.save_as(path)
        assert [text for text in wrong if not text.startswith("request: blob:")] == []
        viewer.locator(".review-toggle").click()
        assert not viewer.locator(".review-panel").is_visible()
    return path


@pytest.fixture(scope="module")
def saved(browser: Browser, report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return review_in(browser, report, tmp_path_factory.mktemp("saved"))


@pytest.fixture
def run(made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.runs[0], tmp_path / "run"))


@pytest.mark.browser
def test_what_is_done_with_mouse_and_keys_is_read(saved: Path, run: Path) -> None:
    review = import_reviews(ImportSettings(run, (saved,))).review
    (source,) = review.sources
    assert (source.who, source.picture) == ("Ann 나진", f"{NAMES.port}, 2026-09-28")
    assert source.when == json.loads(saved.read_text())["when"]
    told = {one.box.rpartition("#")[2]: one for one in review.statements}
    assert {name: one.verdict for name, one in told.items()} == {
        "0": "real",
        "1": "false",
        "2": "real",
        "": "real",
    }
    assert [one.moved for one in told.values()] == [False, False, True, False]
    moved = np.reshape(told["2"].corners, (4, 2))
    # screen pixels and decimetres: the picture is drawn about two screen pixels a metre
    np.testing.assert_allclose(moved.mean(axis=0), [82, 201], atol=1.0)
    drawn = np.reshape(told[""].corners, (4, 2))
    np.testing.assert_allclose(drawn.mean(axis=0), [300, 48], atol=1.0)
    assert np.ptp(drawn, axis=0) == pytest.approx([100, 16], abs=1.5)
    assert told[""].comment == "<b>second berth</b>"
    (looked,) = review.looked
    assert looked.zone == NAMES.berth
    assert looked.shape.bounds == pytest.approx((10, 20, 390, 100), abs=1.0)


@pytest.mark.browser
def test_the_page_tells_both_numbers_and_the_hash(
    browser: Browser, made: Made, saved: Path, run: Path, tmp_path: Path
) -> None:
    done = import_reviews(ImportSettings(run, (saved,)))
    found = trace_activity(
        [read_site(made.sites[0])], read_runs([run]), ActivitySettings(registered=False)
    )
    found.write(tmp_path / "activity")
    record_inputs(tmp_path / "activity", [made.sites[0]], [run])
    settings = ReportSettings(tmp_path / "activity", tmp_path / "report", charts=False)
    report = make_report(settings)
    (site,) = report.document["sites"]
    assert site["review"]["sentences"][0] == (
        "People judged 3 boxes of these pictures: 2 real, 1 false, 0 doubtful; 1 moved or given "
        "another class, 1 added. Their word counts here."
    )
    told = [(row["zone"], row["count_found"], row["count"]) for row in site["review"]["rows"]]
    assert told == [(NAMES.berth, 1, 2), (NAMES.yard, 3, 2)]
    (line,) = report.document["provenance"]["reviews"]
    assert line.endswith(done.review.sha256)
    with opened(browser, report.page) as (page, wrong):
        rows = page.locator("[data-table=corrections] tbody tr").evaluate_all(
            "all => all.map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"
        )
        assert rows[0] == [
            *("2026-09-28", NAMES.berth, "Ships", "1", "2", "0", "1"),
            "a person, all of it",
        ]
        assert done.review.sha256 in page.locator(".provenance").text_content()
        # what was saved can be gone on with: of another state of the boxes, what is left of them
        viewer = page.locator(".viewer").first
        viewer.locator(".review-toggle").click()
        viewer.locator(".review-load").set_input_files(saved)
        viewer.locator(".review-told", has_text="1 drawn").wait_for()
        assert viewer.locator(".review-who").input_value() == "Ann 나진"
        assert wrong == []
    # a review that goes on after the activity was made is told
    shutil.copy(saved, tmp_path / "more.json")
    content = json.loads(saved.read_text())
    content["who"] = "Bob"
    (tmp_path / "more.json").write_text(json.dumps(content))
    import_reviews(ImportSettings(run, (tmp_path / "more.json",)))
    again = make_report(settings)
    (warning,) = again.document["provenance"]["warnings"][-1:]
    assert "its review has changed since the activity was made" in warning
    assert read_activity(tmp_path / "activity" / "activity.json")["reviews"][0]["drawn"] == 1


@pytest.mark.browser
def test_a_saved_file_that_does_not_fit_is_named(
    saved: Path, made: Made, run: Path, tmp_path: Path
) -> None:
    good = json.loads(saved.read_text())
    path = tmp_path / "saved.json"

    def refused(told: str, content: Any, folder: Path = run) -> None:
        path.write_text(json.dumps(content))
        with pytest.raises(ReviewError, match=told):
            import_reviews(ImportSettings(folder, (path,)))
        assert not (folder / "review.json").exists()

    refused("of format 2, which a newer version wrote", {**good, "format": 2})
    refused("damaged", {**good, "sites": [{"name": "x"}]})
    refused("holds no look at a scene of", good, made.runs[1])

    def changed(**values: Any) -> Any:
        content = json.loads(json.dumps(good))
        content["sites"][0]["looks"][0].update(values)
        return content

    look = good["sites"][0]["looks"][0]
    scene, box = look["scenes"][0], look["boxes"][0]
    refused("predicted anew since the page was made", changed(scenes=[{**scene, "seal": "0"}]))
    refused("is not in the run", changed(boxes=[{**box, "id": f"{scene['id']}#99"}]))
    refused("'boat' is none of the classes", changed(boxes=[{**box, "class": "boat"}]))
    refused("damaged", changed(boxes=[{**box, "verdict": "maybe"}]))
