"""The report's content, files and page, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from detector.activity.find import _settings_warnings
from detector.activity.schema import TABLES
from detector.cli import main as cli
from detector.counting.calibration import Calibration
from detector.report import publish
from detector.report.errors import ReportError
from detector.report.findings import find_site, site_days
from detector.report.page import safe_json
from detector.report.pictures import encode
from detector.report.publish import Report
from detector.report.words import Words
from tests.counting.models import calibration, count_model
from tests.report.conftest import HOSTILE, LONG
from tests.report.make import DAYS, Made, Names

ROOT = Path(__file__).parents[2]
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
NAMES = Names()


class Page(HTMLParser):
    """What a page holds, as a browser would read it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self._inside == "script" else self.texts).append(data)


def read_page(report: Report) -> Page:
    return Page(report.page.read_text(encoding="utf-8"))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def change_tables(made: Made, folder: Path, tables: dict[str, list[dict[str, Any]]]) -> Path:
    """The activity with other tables of containers."""
    activity = read_json(made.activity / "activity.json")
    for name in ("stacks", "stack_changes", "trains"):
        activity.pop(name, None)
    folder.mkdir()
    text = json.dumps({**activity, **tables})
    (folder / "activity.json").write_text(text, encoding="utf-8")
    inputs = {
        "sites": [str(path) for path in made.sites],
        "runs": [str(path) for path in made.runs],
    }
    (folder / "inputs.json").write_text(json.dumps(inputs), encoding="utf-8")
    return folder


def container_tables(made: Made) -> dict[str, list[dict[str, Any]]]:
    """Stacks on every date, and one change."""
    looks = read_json(made.activity / "activity.json")["looks"]
    numbers = {"containers_low": 40, "containers": 60, "containers_high": 90}
    teu = {"teu_low": 70.0, "teu": 110.0, "teu_high": 170.0}
    more = {
        "blocks": 3,
        "area_m2": 912.0,
        "method": "prior",
        "cut_blocks": 1,
        "interval_of": "zone",
    }
    stacks = [{**row, **numbers, **teu, **more} for row in looks if row["zone"] == NAMES.yard]
    change = {"site": NAMES.port, "zone": NAMES.yard, "kind": "gone", "area_m2": 912.0}
    days = {"from_day": "2026-10-03", "to_day": "2026-10-08"}
    return {"stacks": stacks, "stack_changes": [{**change, **days, **numbers, **teu}]}


def test_the_headlines_are_the_numbers_of_the_activity(made: Made, report: Report) -> None:
    periods = pd.read_csv(made.activity / "periods.csv").set_index("zone")
    least = periods.loc[NAMES.berth, "visits_min"]
    port, rail = report.document["sites"]
    assert least in (1, 2)
    assert f"at least {least} at {NAMES.berth}" in port["lead"]
    assert "3 container stacks" in port["lead"]
    assert f"gone from {NAMES.yard} between 3 and 8 October 2026" in port["lead"]
    assert f"new in {NAMES.railhead} between 8 and 14 October 2026" in rail["lead"]
    assert "3 of 4 dates show every zone whole, 1 a part (cloud, no data, or" in port["unseen"][0]
    assert "all 4 dates show every zone whole" in rail["unseen"][0]
    # from the second date to the fourth the berth was not seen whole
    assert "within 11 days can have been missed" in port["unseen"][1]
    assert "within 6 days can have been missed" in rail["unseen"][1]


def test_consistent_is_all_that_is_said_of_links(report: Report) -> None:
    assert len(report.document["links"]) == 1
    sentence = report.document["links"][0]["sentence"]
    assert sentence.startswith("Consistent with goods that went from Port of 나진 (East yard)")
    assert "3 stacks gone by 8 October 2026, 3 stacks new by 14 October 2026" in sentence
    assert "3 pairs are alike in length and width." in sentence
    assert "By chance alone, fewer than 0.001 pairs of lots as alike as these would be" in sentence
    link = report.document["links"][0]
    assert 0 < link["by_chance"] < 0.001
    text = " ".join(read_page(report).texts)
    assert "no proof that they are the same" in text
    assert "only if at least 3 stacks fit" in text
    assert "at most 0.05 such lines" in text
    assert not re.search(r"the same (ship|vessel|containers)\b", text)


def test_points_of_charts_are_rows_of_the_series(made: Made, report: Report) -> None:
    series = pd.read_csv(made.activity / "series.csv")
    charts = {(c["zone"], c["measure"]): c for c in report.document["sites"][0]["charts"]}
    assert set(charts) == {(NAMES.berth, "count"), (NAMES.yard, "stacks"), (NAMES.yard, "teu")}
    ships = series[
        (series["zone"] == NAMES.berth)
        & (series["class"] == "ship")
        & (series["length_class"] == ">=60 m")
    ]
    points = charts[NAMES.berth, "count"]["points"]
    assert [p["day"] for p in points] == ships["day"].tolist()
    assert [p["found"] for p in points] == ships["count"].tolist() == [1, 1, 0, 1]
    whole = [i for i, p in enumerate(points) if p["mark"] == "estimate"]
    assert whole == [0, 1, 3]
    assert points[2]["mark"] == "partial"
    for i in whole:
        row = ships.iloc[i]
        told = points[i]["estimate"], points[i]["low"], points[i]["high"]
        assert told[0] == pytest.approx(row["count_est"], abs=0.051)  # one decimal in the CSV
        assert told[1:] == (row["count_low"], row["count_high"])
    yards = series[(series["zone"] == NAMES.yard) & (series["class"] == "container_stack")]
    stacks = charts[NAMES.yard, "stacks"]["points"]
    assert [(p["found"], p["mark"]) for p in stacks] == [
        (3, "estimate"),
        (3, "estimate"),
        (0, "estimate"),
        (0, "estimate"),
    ]
    assert [p["low"] for p in stacks] == yards["count_low"].tolist()
    assert [p["high"] for p in stacks] == yards["count_high"].tolist()


def test_the_page_is_whole_and_asks_for_nothing(report: Report) -> None:
    assert report.page.stat().st_size < 15_000_000
    page = read_page(report)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for key in ("src", "href", "srcset", "action", "poster", "xlink:href"):
            value = attributes.get(key)
            assert value is None or value.startswith(("#", "data:image/jpeg;base64,")), value
    (styles,) = re.findall(r"<style>(.*?)</style>", report.page.read_text("utf-8"), re.DOTALL)
    assert ".leaflet-pane" in styles
    assert "url(" not in styles
    (policy,) = [
        a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert "default-src 'none'" in policy
    texts = [text for text in page.scripts if not text.startswith("{")]
    assert len(texts) == 5  # d3, plot, leaflet, the page, its review mode
    for text in texts:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_every_date_and_event_has_its_picture(report: Report) -> None:
    text = report.page.read_text(encoding="utf-8")
    assert text.count('<figure class="look"') == 2 * len(DAYS)
    document = report.document
    rows = [event for site in document["sites"] for event in site["events"]]
    kinds = sorted(event["kind"] for event in rows)
    assert kinds.count("gone") == 1
    assert kinds.count("appeared") == 1
    assert text.count('<article class="event ') == len(rows)
    gone = text[text.index('<article class="event e-gone"') :].split("</article>")[0]
    assert gone.count("<figure") == 2
    assert "<strong>before</strong>, 3 October 2026" in gone
    assert "<strong>after</strong>, 8 October 2026" in gone
    assert 'class="bar"' in gone
    assert 'class="north"' in gone
    # three boxes of the event before, none after
    assert [
        part.count("M")
        for part in re.findall(r'm-own_container_stack"><path class="casing" d="([^"]+)"', gone)
    ] == [3]


def test_boxes_lie_on_what_they_mark(report: Report) -> None:
    text = report.page.read_text(encoding="utf-8")
    look = text[text.index('id="look-1-0"') :].split("</figure>")[0]
    data = re.search(r"base64,([^\"]+)", look)
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', look)
    path = re.search(r'm-ship"><path class="casing" d="M([^"]+)Z"', look)
    assert data is not None and size is not None and path is not None  # noqa: PT018
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data[1]), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[:2] == (int(size[2]), int(size[1]))
    corners = np.array([pair.split() for pair in path[1].split("L")], float)
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 255)
    inner, around = cv2.erode(mask, np.ones((5, 5))), cv2.dilate(mask, np.ones((31, 31)))
    blue, _, red = cv2.mean(image, inner)[:3]
    assert red - blue > 60  # the ship is red, the water blue
    blue, _, red = cv2.mean(image, cv2.subtract(around, cv2.dilate(mask, np.ones((7, 7)))))[:3]
    assert blue - red > 20


def test_tables_hold_the_same(made: Made, report: Report) -> None:
    folder = report.page.parent / "tables"
    assert read_json(report.page.parent / "report.json") == json.loads(json.dumps(report.document))
    for name in ("series", "visits", "events", "looks", "periods"):
        told = pd.read_csv(folder / f"{name}.csv")
        assert len(told) == len(pd.read_csv(made.activity / f"{name}.csv")) > 0
        assert len(pd.read_parquet(folder / f"{name}.parquet")) == len(told)
    # a table without rows is there too, with its columns
    trains = pd.read_csv(folder / "trains.csv")
    assert len(trains) == 0
    assert list(trains.columns) == list(TABLES["trains"])
    charts = pd.read_parquet(folder / "charts.parquet")
    points = [p for s in report.document["sites"] for c in s["charts"] for p in c["points"]]
    assert charts["found"].tolist() == [p["found"] for p in points]
    findings = pd.read_csv(folder / "findings.csv")
    assert findings["text"].tolist()[0] == report.document["sites"][0]["lead"]


def test_charts_are_pictures_too(report: Report) -> None:
    folder = report.page.parent / "charts"
    pngs, svgs = sorted(folder.glob("*.png")), sorted(folder.glob("*.svg"))
    charts = sum(len(site["charts"]) for site in report.document["sites"])
    assert len(pngs) == len(svgs) == charts + 2  # and the timeline, and the visits of the port
    assert all(cv2.imread(str(path)).std() > 5 for path in pngs)
    assert pngs[0].name == "01-timeline.png"
    text = svgs[0].read_text("utf-8")
    assert all(f"{name}<" in text for name in (NAMES.berth, NAMES.yard, NAMES.railhead))
    ink = text.count("stroke: #a4430a")
    assert ink >= 3  # stacks that left, stacks that came, and the link between them
    assert ET.parse(svgs[0]).getroot().tag.endswith("svg")  # noqa: S314 - we wrote it


def test_the_same_input_gives_the_same_bytes(made: Made, report: Report) -> None:
    again = made.report("again", note="These scenes are drawn by a test.")
    one, two = report.page.parent, again.page.parent
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(two) for p in two.rglob("*") if p.is_file())
    assert [p for p in files if (one / p).read_bytes() != (two / p).read_bytes()] == []


def test_containers_are_told_where_they_were_estimated(made: Made, tmp_path: Path) -> None:
    without = " ".join(
        Page(
            made.report(
                "plain", activity=change_tables(made, tmp_path / "none", {}), charts=False
            ).page.read_text("utf-8")
        ).texts
    )
    assert "Containers and TEU were not estimated" in without
    done = made.report(
        "teu", activity=change_tables(made, tmp_path / "some", container_tables(made))
    )
    port = done.document["sites"][0]
    assert (
        "East yard: about 110 TEU of containers on 14 October 2026 (90 % interval 70 to 170); "
        "1 of its blocks is seen in part, and what was not seen of it is not counted."
        in port["found"]
    )
    assert "lower bound" not in done.page.read_text("utf-8")
    charts = {(c["zone"], c["measure"]): c["points"] for c in port["charts"]}
    assert [p["value"] for p in charts[NAMES.yard, "teu"]] == [110.0] * len(DAYS)
    text = " ".join(" ".join(Page(done.page.read_text("utf-8")).texts).split())
    assert "3 to 8 October 2026 East yard gone 912 60 (40 to 90) 110 (70 to 170)" in text


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (
            calibration(count_model(0.9, 0.9), places=5),
            "counts of ship have no intervals: 5 places with objects are known, 20 are needed",
        ),
        (Calibration(), "the weights are not calibrated: scores stand for probabilities and"),
        (calibration(count_model(0.9, 0.9), places=20), ""),
    ],
)
def test_a_card_that_claims_nothing_is_named_on_the_page(
    made: Made, tmp_path: Path, known: Calibration, words: str
) -> None:
    runs, settings = SimpleNamespace(scenes=[]), SimpleNamespace(calibration=known)
    warnings = _settings_warnings(runs, settings)  # type: ignore[arg-type]
    claims = any(fitted.claims for fitted in known.classes.values())
    told = {"warnings": warnings, "calibrated": claims}
    activity = change_tables(made, tmp_path / "told", told)
    page = made.report("claims", activity=activity, charts=False).page.read_text("utf-8")
    text = " ".join(" ".join(Page(page).texts).split())
    assert words in text
    assert ("have no intervals" in text) == bool(words)
    assert ("The scores were calibrated" in text) == claims


def test_difference_pictures_are_shown(made: Made, tmp_path: Path) -> None:
    """One a pair of dates, as it is; a file outside the activity is none."""
    tables = container_tables(made)
    (row,) = tables["stack_changes"]
    names = [
        "differences/1.png",
        "differences/1.png",
        "../secret.png",
        "differences/none.png",
        None,
    ]
    tables["stack_changes"] = [{**row, "picture": name} for name in names]
    folder = change_tables(made, tmp_path / "changed", tables)
    picture = np.zeros((120, 200, 3), np.uint8)
    picture[:, :100] = (0, 0, 255)
    (folder / "differences").mkdir()
    cv2.imwrite(str(folder / "differences" / "1.png"), picture)
    cv2.imwrite(str(tmp_path / "secret.png"), picture)
    done = made.report("differences", activity=folder, charts=False)
    page = done.page.read_text("utf-8")
    (src,) = re.findall(
        r'<figure class="chip"><img src="data:image/jpeg;base64,([^"]+)" alt="Diff', page
    )
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(src), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == picture.shape
    assert np.abs(shown[:, 10:90].astype(int) - picture[:, 10:90]).max() < 8
    assert "1 picture of the differences between two dates" in page
    assert f'alt="Differences in {NAMES.yard}, 3 to 8 October 2026"' in page
    told = [remark for remark in done.remarks if "difference picture" in remark]
    assert [remark.split(":")[0] for remark in told] == ["secret.png", "none.png"]


def test_scenes_that_are_gone_or_changed_are_said(made: Made, tmp_path: Path) -> None:
    moved = made.folder / "port" / "scene_0.tif"
    kept = moved.read_bytes()
    try:
        moved.unlink()
        gone = made.report("gone", charts=False)
        moved.write_bytes((made.folder / "port" / "scene_1.tif").read_bytes())
        changed = made.report("changed", charts=False)
    finally:
        moved.write_bytes(kept)
    assert len(gone.remarks) == len(changed.remarks) == 1
    assert "scene_0.tif: no such file" in gone.remarks[0]
    assert "scene_0.tif: not the file that the run read" in changed.remarks[0]
    assert gone.page.read_text("utf-8").count('<figure class="look"') == 2 * len(DAYS) - 1
    assert gone.document == changed.document


def test_without_sites_and_runs_the_numbers_stay(
    made: Made, report: Report, tmp_path: Path
) -> None:
    (tmp_path / "activity.json").write_bytes((made.activity / "activity.json").read_bytes())
    bare = made.report("bare", activity=tmp_path, charts=False)
    assert [s["lead"] for s in bare.document["sites"]] == [
        s["lead"] for s in report.document["sites"]
    ]
    assert "No pictures: the scenes" in bare.page.read_text("utf-8")
    named = made.report(
        "named",
        activity=tmp_path,
        sites=tuple(map(str, made.sites)),
        runs=tuple(map(str, made.runs)),
        charts=False,
    )
    assert named.page.read_text("utf-8").count('<figure class="look"') == 2 * len(DAYS)


def test_a_page_that_would_be_too_large_has_smaller_pictures(
    made: Made, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = report.page.stat().st_size
    monkeypatch.setattr(publish, "LARGEST_PAGE_BYTES", size - 20_000)
    monkeypatch.setattr(publish, "LOOKS_BYTES", 8 * publish.LEAST_LOOK_BYTES)
    small = made.report("small", charts=False)
    assert small.page.stat().st_size <= size - 20_000
    monkeypatch.setattr(publish, "LARGEST_PAGE_BYTES", 1000)
    with pytest.raises(ReportError, match="larger than a page may be"):
        made.report("none", charts=False)


def test_pictures_keep_to_their_budget() -> None:
    image = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
    for budget in (400_000, 60_000, 20_000):
        uri = encode(image, budget)
        data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
        assert 0 < len(data) <= budget
        assert data[:2] == b"\xff\xd8"
    assert encode(image, 10) == ""


def test_hostile_names_are_text(hostile: Made, hostile_report: Report) -> None:
    page = read_page(hostile_report)
    assert [tag for tag, _ in page.tags].count("script") == 6
    allowed = {"data", "theme", "print", "save"}
    for tag, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")], (tag, attributes)
        assert tag != "img" or str(attributes["src"]).startswith("data:image/jpeg")
        assert attributes.get("id", "") in allowed or re.fullmatch(
            r"(main|[a-z]+-h|site-\d(-h)?|look-\d-\d|timeline)?", attributes.get("id") or ""
        )
    text = "".join(page.texts)
    for name in (HOSTILE.port, HOSTILE.rail, HOSTILE.berth, HOSTILE.railhead):
        assert name in text
    assert LONG in text
    assert "49" not in re.findall(r"passwd</script><script>window.pwned=1</script>(..)", text)
    data = json.loads(next(script for script in page.scripts if script.startswith("{")))
    assert [site["name"] for site in data["doc"]["sites"]] == [HOSTILE.port, HOSTILE.rail]


def test_hostile_names_leave_no_formula_and_no_path(hostile: Made, hostile_report: Report) -> None:
    out = hostile_report.page.parent
    tables = [*hostile.folder.rglob("*.csv")]
    assert len(tables) > 20
    found = 0
    for path in tables:
        for row in pd.read_csv(path, dtype=str, keep_default_na=False).itertuples(index=False):
            for cell in map(str, row):
                number = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", cell)
                assert number or not cell.startswith(FORMULAS), (path.name, cell[:40])
                found += cell.startswith("'=HYPERLINK")
    assert found > 0
    visits = pd.read_parquet(out / "tables" / "events.parquet")
    assert HOSTILE.rail in set(visits["site"])  # Parquet keeps names as they are
    written = {path.resolve() for path in hostile.folder.rglob("*")}
    assert all(path.is_relative_to(hostile.folder.resolve()) for path in written)
    charts = [path.name for path in (out / "charts").iterdir() if path.name[0] != "."]
    assert charts
    assert all(
        re.fullmatch(r"\d\d-[\w.-]+\.(png|svg)", name) and len(name) < 100 for name in charts
    )
    assert not [name for name in charts if ".." in name]


def test_json_in_a_script_cannot_end_it() -> None:
    content = {"</script>": "<!-- & \u2028\u2029 '\"", "n": [1, 2.5, None]}
    text = safe_json(content)
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == content


def test_words_choose_the_form() -> None:
    words = Words.read()
    assert words.say("scenes", n=1) == "1 scene"
    assert words.say("scenes", n=1234) == "1,234 scenes"
    assert words.days("2026-10-01", "2026-10-30") == "1 to 30 October 2026"
    assert words.days("2026-09-30", "2026-10-02") == "30 September to 2 October 2026"
    assert words.days("2025-12-30", "2026-01-02") == "30 December 2025 to 2 January 2026"
    assert words.between("2026-10-01", "2026-10-30") == "between 1 and 30 October 2026"
    assert words.between("2026-10-01", "2026-10-01") == "on 1 October 2026"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed(["a", "b"], "any_of") == "a or b"


def test_the_command(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["report", f"activity={made.activity}", f"out={out}", "quiet=true", "charts=false"]
    assert cli.main(words) == 0
    assert f"report in {out / 'report.html'}" in capsys.readouterr().out
    assert cli.main(["report", f"activity={tmp_path}"]) == 2
    assert "no activity.json; name the folder" in capsys.readouterr().err


def test_activity_ends_with_the_report(made: Made, tmp_path: Path) -> None:
    runs = ",".join(map(str, made.runs))
    out = tmp_path / "activity"
    options = [f"runs=[{runs}]", f"out={out}", "register=false", "plots=false", "quiet=true"]
    assert cli.main(["activity", *map(str, made.sites), *options]) == 0
    page = (out / "report" / "report.html").read_text("utf-8")
    assert page.count('<figure class="look"') == 2 * len(DAYS)


def test_vendored_files_are_as_they_were_fetched() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "vendor.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    record = read_json(ROOT / "detector" / "report" / "vendor" / "vendor.json")
    licences = {entry["package"]: entry["licence"] for entry in record}
    assert licences == {
        "leaflet": "BSD-2-Clause",
        "d3": "ISC",
        "@observablehq/plot": "ISC",
        "world-atlas": "ISC",
    }


def test_a_date_of_unknown_clouds_is_covered_and_not_seen_whole() -> None:
    looks = [
        {
            "site": "port",
            "zone": "berth",
            "kind": "berth",
            "day": f"2026-09-{day:02d}",
            "acquired": f"2026-09-{day:02d}T02:10:00Z",
            "observed_fraction": 1.0,
            "status": status,
            "scene_ids": f"s{day}",
        }
        for day, status in ((2, "observed"), (6, "cloud_unknown"), (9, "observed"))
    ]
    activity = {"looks": looks, "periods": [], "events": [], "min_length_m": 0.0}
    assert find_site("port", activity, Words.read()).unseen == (
        "2 to 9 September 2026: pictures cover every zone on 3 of 3 dates, a part on 0, nothing on "
        "0; of 1 of these dates nothing tells where clouds were, so they can hide more.",
        "Whatever came and went within 4 days, or under clouds of which nothing tells, can have "
        "been missed.",
    )
    assert [day.clouds_unknown for day in site_days("port", activity)] == [False, True, False]


def test_activity_and_report_are_rehearsed(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x"
    sites, runs = [str(path) for path in made.sites], ",".join(map(str, made.runs))
    words = ["activity", "--dry-run", *sites, f"runs=[{runs}]", f"out={out}", "quiet=true"]
    assert cli.main([*words, "log=json"]) == 0
    told = json.loads(capsys.readouterr().out)
    looks = json.loads((made.activity / "activity.json").read_text(encoding="utf-8"))["looks"]
    for site in told["sites"]:
        mine = [row for row in looks if row["site"] == site["name"]]
        assert site["days"] == sorted({row["day"] for row in mine})
        assert site["scenes"] == len({i for row in mine for i in row["scene_ids"].split("; ") if i})
        assert site["gone"] == 0
    assert cli.main([*words, "first=2030-01-01"]) == 2
    assert "in the period" in capsys.readouterr().err
    assert cli.main(["report", "--dry-run", f"activity={made.activity}", f"out={out}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(told["sites"]) + 2
    for site, line in zip(told["sites"], lines, strict=False):
        assert line.endswith(f"pictures of {site['scenes']}")
    assert not out.exists()
