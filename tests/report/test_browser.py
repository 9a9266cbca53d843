"""The page in a headless Chromium: it works, asks nobody, and can be read by everyone."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from detector.activity.looks.lengths import length_in_words
from detector.report.publish import Report
from tests.report.conftest import HOSTILE
from tests.report.make import DAYS, Made, Names

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
NAMES = Names()
WIDTHS = (380, 900, 1600)
# of each chart its width on the screen, and the size of its smallest letters there
LETTERS = """all => all.map((svg) => {
  const shown = svg.getBoundingClientRect().width, scale = shown / svg.getAttribute("width");
  const size = (text) => parseFloat(getComputedStyle(text).fontSize);
  const sizes = [...svg.querySelectorAll("text")].map(size);
  return [shown, Math.min(...sizes) * scale];
})"""
AA_CONTRAST, AA_LARGE = 4.5, 3.0  # WCAG 2.2, 1.4.3
A4_PRINTED_PX = 1017  # (297 - 2 * 14) mm at 96 px an inch

CONTRASTS = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
CONTROLS = "button, select, input, summary, a[href], .scroll, .leaflet-container"
# controls that can be seen and used, by their place in the document
REACHABLE = f"""() => [...document.querySelectorAll("{CONTROLS}")]
  .map((e, i) => (e.checkVisibility() && !e.disabled ? i : -1)).filter((i) => i >= 0)"""
FOCUSED = f"""() => [...document.querySelectorAll("{CONTROLS}")].indexOf(document.activeElement)"""
CLIP_RIGHT = """(side) => {
  const map = document.querySelector(".map");
  const path = map.querySelector(".leaflet-" + side + "-pane").style.clipPath;
  const xs = path.match(/-?[\\d.]+px/g).map(parseFloat).filter((_, i) => i % 2 === 0);
  const end = window.quaywatch.maps[0].layerPointToContainerPoint([Math.max(...xs), 0]).x;
  return end / map.clientWidth;
}"""
SMALL = "all => all.filter((e) => e.offsetParent && e.getBoundingClientRect().height < 24).length"
# cells of words that are so narrow that words break
BROKEN = """all => all.filter((e) => e.checkVisibility() && e.innerText.length > 12)
  .filter((e) => e.clientWidth < 84).map((e) => e.innerText)"""
# as of a site with seven charts of eleven dates: each takes more than half a sheet of paper
MANY_CHARTS = """() => {
  const charts = document.querySelector(".charts"), [first] = charts.children;
  const rows = first.querySelector("tbody"), row = rows.firstElementChild;
  while (rows.children.length < 11) rows.append(row.cloneNode(true));
  while (charts.children.length < 7) charts.append(first.cloneNode(true));
}"""
HEIGHTS = (
    "all => all.map((e) => [e.getBoundingClientRect().height, getComputedStyle(e).breakInside])"
)

# a word at the beginning and at the end of every block that must stay whole and can: a name of
# 10,000 characters needs more than a page
MARK_BLOCKS = """(most) => {
  const blocks = [...document.querySelectorAll("figure, .event, .card, .note, .methods > div")]
    .filter((block) => block.checkVisibility() && block.clientHeight < most);
  const style = "font-size: 2px; line-height: 1; color: black; white-space: nowrap";
  const mark = (text) => Object.assign(document.createElement("div"), { textContent: text, style });
  blocks.forEach((block, i) => { block.prepend(mark(`B#${i}#`)); block.append(mark(`E#${i}#`)); });
  return blocks.length;
}"""
CUT_TABLES = """() => [...document.querySelectorAll(".scroll")].filter((e) => e.checkVisibility())
  .filter((e) => e.firstElementChild.scrollWidth > e.clientWidth + 1).map((e) => e.ariaLabel)"""


@contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page, and everything that it complained of or asked for."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))

    def asked(url: str) -> None:
        if url != path.as_uri() and not url.startswith("data:"):
            wrong.append(f"request: {url}")

    page.on("request", lambda request: asked(request.url))
    page.goto(path.as_uri(), wait_until="load")
    yield page, wrong
    context.close()


@pytest.fixture(scope="module")
def shown(browser: Browser, report: Report) -> Iterator[Page]:
    with opened(browser, report.page) as (page, wrong):
        yield page
        assert wrong == []


def clip_right(page: Page, side: str) -> float:
    """The right end of what is shown of a side, as a share of the viewer's width."""
    return float(page.evaluate(CLIP_RIGHT, side))


def test_it_loads_without_an_error_and_without_a_request(browser: Browser, report: Report) -> None:
    with opened(browser, report.page) as (page, wrong):
        assert page.title() == "What 8 scenes of 2 sites show, 28 September to 14 October 2026"
        assert page.locator(".plot svg").count() == page.locator(".plot").count() > 5
        assert page.locator(".leaflet-container").count() == 2
        for at in range(page.locator(".show").count()):
            page.locator(".show").nth(at).click()
        assert wrong == []
        loaded = page.evaluate(
            "[...document.images].every((i) => i.complete && i.naturalWidth > 0 && i.alt !== null)"
        )
        assert loaded
        blocked = page.evaluate(
            "fetch('https://example.invalid/').then(() => 'sent', () => 'refused')"
        )
        assert blocked == "refused"
        assert "Content Security Policy" in " ".join(wrong)


def test_slider_and_switches(shown: Page) -> None:
    viewer = shown.locator(".viewer").first
    slider = viewer.locator(".slider")
    for value in (20, 90):
        slider.fill(str(value))
        assert clip_right(shown, "left") == pytest.approx(value / 100, abs=0.01)
        left = viewer.locator(".divider").evaluate("e => e.style.left")
        assert left == f"{value}%"
    slider.focus()
    shown.keyboard.press("ArrowLeft")
    assert slider.input_value() == "89"
    viewer.locator(".compare").uncheck()
    assert clip_right(shown, "left") == pytest.approx(1.0, abs=0.01)
    assert not slider.is_visible()
    viewer.locator(".compare").check()
    for layer in ("ship", "container_stack", "zone"):
        marks = viewer.locator(f".leaflet-left-pane .m-{layer}").first
        assert marks.evaluate("e => getComputedStyle(e).display") != "none"
        viewer.locator(f"[data-layer={layer}]").uncheck()
        assert marks.evaluate("e => getComputedStyle(e).display") == "none"
        viewer.locator(f"[data-layer={layer}]").check()
    label = viewer.locator(".leaflet-left-pane .tag-zone").first
    viewer.locator("[data-layer=labels]").uncheck()
    assert not label.is_visible()
    viewer.locator("[data-layer=labels]").check()
    assert label.text_content() == NAMES.berth


def test_dates_can_be_chosen(shown: Page) -> None:
    viewer = shown.locator(".viewer").first
    source = viewer.locator(".leaflet-left-pane img").first
    before = source.get_attribute("src")
    viewer.locator(".pick-left").select_option(index=3)
    assert viewer.locator(".date-left").text_content() == "14 October 2026"
    assert source.get_attribute("src") != before
    first = shown.locator("#look-1-3 img").get_attribute("src")
    assert source.get_attribute("src") == first
    viewer.locator(".pick-left").select_option(index=0)


def test_zoom_by_wheel_button_and_key(shown: Page) -> None:
    zoom = "window.quaywatch.maps[0].getZoom()"
    holder = shown.locator(".map").first
    start = shown.evaluate(zoom)
    shown.locator(".leaflet-control-zoom-in").first.click()
    clicked = shown.evaluate(zoom)
    holder.focus()
    shown.keyboard.press("+")
    pressed = shown.evaluate(zoom)
    assert start < clicked < pressed
    width = shown.locator(".leaflet-left-pane img").first.evaluate("e => e.clientWidth")
    assert width == pytest.approx(2 ** (pressed) * 460, rel=0.02)  # 380 m of zones, 40 m around
    middle = shown.evaluate("window.quaywatch.maps[0].getCenter().lng")
    # Leaflet ignores arrows while it zooms, and glides to where they point.
    shown.wait_for_function("!window.quaywatch.maps[0]._animatingZoom")
    shown.keyboard.press("ArrowRight")
    shown.wait_for_function("was => window.quaywatch.maps[0].getCenter().lng > was", arg=middle)
    shown.locator(".whole").first.click()
    assert shown.evaluate(zoom) == start


def test_a_click_on_a_box_tells_what_is_known_of_it(browser: Browser, report: Report) -> None:
    with opened(browser, report.page) as (page, wrong):
        page.evaluate("document.querySelector('.viewer').scrollIntoView({behavior: 'instant'})")
        box = page.evaluate(
            "JSON.parse(document.getElementById('data').textContent).views[0][0].boxes"
            ".find((box) => box.class === 'ship')"
        )
        middle = np.array(box["at"]).reshape(4, 2).mean(axis=0)
        place = page.evaluate(
            "([x, y]) => { const map = window.quaywatch.maps[0];"
            " const p = map.latLngToContainerPoint([y, x]);"
            " const r = map.getContainer().getBoundingClientRect();"
            " return [r.x + p.x, r.y + p.y]; }",
            middle.tolist(),
        )
        page.mouse.click(*place)
        told = page.locator(".known dd").all_text_contents()
        assert told[:2] == ["120 m", "20 m"]
        assert box["id"] == told[-1]
        assert box["visit"] is not None
        assert told[-2].startswith(NAMES.berth)
        page.keyboard.press("Escape")
        assert page.locator(".known").count() == 0
        assert wrong == []


def test_the_wheel_stops_where_pixels_end_and_stacks_are_labelled(
    browser: Browser, report: Report
) -> None:
    with opened(browser, report.page) as (page, wrong):
        page.evaluate("document.querySelector('.viewer').scrollIntoView({behavior: 'instant'})")
        page.locator(".map").first.hover()
        for _ in range(20):
            page.mouse.wheel(0, -400)
            page.wait_for_timeout(60)
        # pixels of 1 m are drawn 4 screen pixels wide at the closest
        closest = page.evaluate("window.quaywatch.maps[0].getZoom()")
        assert closest == pytest.approx(2.0, abs=0.01)
        labels = page.locator(".leaflet-left-pane .tag-stack").first.all_text_contents()
        assert labels == ["384 m²"]  # 48 m by 8 m, the largest
        assert wrong == []


def test_the_keyboard_reaches_every_control(browser: Browser, report: Report) -> None:
    with opened(browser, report.page) as (page, wrong):
        page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
        wanted = set(page.evaluate(REACHABLE))
        assert len(wanted) > 40
        reached: set[int] = set()
        for _ in range(2 * len(wanted)):
            page.keyboard.press("Tab")
            reached.add(page.evaluate(FOCUSED))
        assert wanted - reached == set()
        assert wrong == []


def test_numbers_of_the_page_are_those_of_the_tables(
    shown: Page, made: Made, report: Report
) -> None:
    def rows(selector: str) -> list[list[str]]:
        return shown.locator(f"{selector} tbody tr").evaluate_all(
            "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"
        )

    visits = pd.read_csv(made.activity / "visits.csv")
    told = rows("[data-table=visits][data-site='0']")
    assert len(told) == len(visits) > 0
    for cells, row in zip(told, visits.to_dict("records"), strict=True):
        assert cells[0] == row["zone"]
        assert cells[1] == length_in_words(row, unit="")
        assert int(cells[1].split(" ±")[0]) == round(row["length_m"])
        assert int(cells[2]) == round(row["width_m"])
        assert float(cells[7]) == pytest.approx(row["probability"], abs=0.005)
    charts = pd.read_csv(report.page.parent / "tables" / "charts.csv")
    ships = charts[charts["measure"] == "count"]
    told = rows("[data-table=series][data-site='0'][data-chart='0']")
    assert [cells[0] for cells in told] == ships["day"].tolist()
    assert [int(cells[1]) for cells in told] == ships["found"].astype(int).tolist()
    for cells, row in zip(told, ships.to_dict("records"), strict=True):
        if row["mark"] == "estimate":
            assert float(cells[2]) == pytest.approx(row["estimate"], abs=0.051)
            assert cells[3] == f"{row['low']:.0f}\u2013{row['high']:.0f}"
    drawn = shown.locator("[data-plot=series][data-site='0'][data-chart='0']")
    # three estimates with their intervals, and one date that was seen in part
    assert drawn.locator("g[aria-label=rule] line, g[aria-label='x-rule'] line").count() >= 3
    assert drawn.locator("g[aria-label=dot] circle, g[aria-label=dot] path").count() == len(DAYS)
    events = pd.read_csv(made.activity / "events.csv")
    shown_events = rows("[data-table=events]")
    assert len(shown_events) == len(events)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_aa(browser: Browser, report: Report, scheme: str) -> None:
    with opened(browser, report.page, color_scheme=scheme) as (page, wrong):
        page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
        texts = page.evaluate(CONTRASTS)
        assert len(texts) > 200
        on_pictures = {text["text"] for text in texts if text["picture"]}
        assert {"N", "50 m", "14 October 2026", NAMES.berth} <= on_pictures
        assert len([text for text in texts if text["picture"]]) > 30
        low = [t for t in texts if t["contrast"] < (AA_LARGE if t["large"] else AA_CONTRAST)]
        assert low == []
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        bright = sum(map(int, re.findall(r"\d+", ground)[:3])) > 384
        assert bright == (scheme == "light")
        page.locator("#theme").click()
        turned = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert turned != ground
        low = [t for t in page.evaluate(CONTRASTS) if t["contrast"] < AA_LARGE]
        assert low == []
        assert wrong == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(browser: Browser, report: Report, width: int) -> None:
    with opened(browser, report.page, viewport={"width": width, "height": 900}) as (page, wrong):
        assert page.evaluate("document.documentElement.scrollWidth") == width
        charts = page.locator(".plot svg").evaluate_all(
            "all => all.map((e) => e.getBoundingClientRect().right)"
        )
        assert max(charts) <= width
        picture = Image.open(io.BytesIO(page.screenshot()))
        assert picture.size == (width, 900)
        assert np.asarray(picture.convert("L")).std() > 10
        # words of tables stay whole: their cells scroll instead of shrinking
        phrases = page.locator(".phrase").evaluate_all("all => all.map((e) => e.clientWidth)")
        assert min(phrases) >= 150
        assert page.locator("table:not(.numbers) td:not(.n)").evaluate_all(BROKEN) == []
        small = page.locator("button, select, summary").evaluate_all(SMALL)
        assert small == 0  # WCAG 2.2, 2.5.8
        assert wrong == []


def test_it_prints_on_a4_with_whole_charts(browser: Browser, report: Report) -> None:
    with opened(browser, report.page, viewport={"width": 690, "height": 1000}) as (page, wrong):
        page.emulate_media(media="print", color_scheme="dark")
        assert not page.locator(".viewer").first.is_visible()
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        blocks = page.locator("figure, .event, .card").evaluate_all(HEIGHTS)
        assert {kind for _, kind in blocks} == {"avoid"}
        assert max(height for height, _ in blocks) < A4_PRINTED_PX
        pdf = page.pdf(format="A4", print_background=True)
        assert 4 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) < 30
        boxes = {
            tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", pdf)
        }
        assert all(box[2:] == pytest.approx((595.0, 842.0), abs=1.5) for box in boxes)
        assert wrong == []


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="poppler-utils are not installed")
@pytest.mark.parametrize("change", ["", MANY_CHARTS], ids=["as it is", "many charts"])
def test_no_page_of_paper_but_the_last_is_half_empty(
    browser: Browser, report: Report, tmp_path: Path, change: str
) -> None:
    with opened(browser, report.page, viewport={"width": 690, "height": 1000}) as (page, wrong):
        page.emulate_media(media="print")
        page.evaluate(change or "0")
        page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
        assert wrong == []
    command = ["pdftoppm", "-r", "30", "-png", tmp_path / "report.pdf", tmp_path / "page"]
    subprocess.run(command, check=True)
    filled = []
    for path in sorted(tmp_path.glob("page-*.png")):
        ink = (np.asarray(Image.open(path).convert("L")) < 200).any(axis=1)
        filled.append(float(np.flatnonzero(ink)[-1] / len(ink)))
    assert len(filled) > 3
    assert min(filled[:-1]) > (0.65 if change else 0.5)


def test_charts_are_readable_on_a_phone(browser: Browser, report: Report) -> None:
    """They are drawn for the width of the screen: no letter is scaled below 12 pixels."""
    with opened(browser, report.page, viewport={"width": 380, "height": 800}) as (page, wrong):
        told = page.locator(".plot svg").evaluate_all(LETTERS)
        assert len(told) >= 5
        assert all(width > 300 and smallest >= 12 for width, smallest in told)
        assert wrong == []


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils are not installed")
@pytest.mark.parametrize("of", ["report", "hostile_report"])
def test_no_chart_and_no_table_is_cut_on_paper(
    browser: Browser, request: pytest.FixtureRequest, of: str, tmp_path: Path
) -> None:
    """Every chart, picture and event begins and ends on one page; no table is cut at the right."""
    report: Report = request.getfixturevalue(of)
    with opened(browser, report.page, viewport={"width": 688, "height": 1000}) as (page, wrong):
        page.emulate_media(media="print")
        page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
        for spacing in ("0.3px", "0"):  # a font that is wider by a twentieth, then today's
            page.evaluate("(wide) => { document.body.style.letterSpacing = wide; }", spacing)
            assert page.evaluate(CUT_TABLES) == []
        number = page.evaluate(MARK_BLOCKS, A4_PRINTED_PX - 20)
        assert number > 15
        page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
        assert wrong == []
    command = ["pdftotext", "-enc", "UTF-8", tmp_path / "report.pdf", "-"]
    text = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    pages = {
        mark: at
        for at, part in enumerate(text.split("\f"))
        for mark in re.findall(r"[BE]#\d+#", part)
    }
    assert len(pages) == 2 * number
    for block in range(number):
        assert pages[f"B#{block}#"] == pages[f"E#{block}#"], block


def test_the_data_can_be_saved(browser: Browser, report: Report, tmp_path: Path) -> None:
    with opened(browser, report.page) as (page, wrong):
        with page.expect_download() as saving:
            page.locator("#save").click()
        saving.value.save_as(tmp_path / "saved.json")
        saved = pd.read_json(tmp_path / "saved.json", typ="series")
        assert saved["title"] == report.document["title"]
        assert [text for text in wrong if not text.startswith("request: blob:")] == []


def test_hostile_names_stay_names(browser: Browser, hostile_report: Report) -> None:
    with opened(browser, hostile_report.page) as (page, wrong):
        assert page.evaluate("typeof window.pwned") == "undefined"
        assert page.locator("h2 bdi").all_text_contents() == [HOSTILE.port, HOSTILE.rail]
        tags = page.locator(".leaflet-left-pane .tag-zone").all_text_contents()
        assert set(tags) == {HOSTILE.berth, HOSTILE.yard, HOSTILE.railhead}
        assert page.evaluate("document.documentElement.scrollWidth") == 1200
        for width in (380, 1200):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(200)
            assert page.evaluate("document.documentElement.scrollWidth") == width
        page.mouse.move(300, 300)
        assert page.evaluate("typeof window.pwned") == "undefined"
        assert wrong == []
