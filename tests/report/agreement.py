"""Every number of stacks that a report says, held against the tables of its activity."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from detector.report.words import Words

NUMBER, AREA = r"(?P<n>[\d,]+)", r"(?P<area>[\d,]+) m²"
WHEN = r"(?P<when>(?:between|on) .+?)"
# how a sentence begins, and what it says beside, kind by kind
FIRST = {
    "gone": rf"{NUMBER} container stacks? \({AREA}\) gone from (?P<zone>.+?) {WHEN}",
    "appeared": rf"{NUMBER} container stacks? \({AREA}\) new in (?P<zone>.+?) {WHEN}",
    "shrunk": rf"{NUMBER} container stacks? in (?P<zone>.+?) smaller \(by {AREA}.*?\) {WHEN}",
    "grown": rf"{NUMBER} container stacks? in (?P<zone>.+?) larger \(by {AREA}.*?\) {WHEN}",
}
BESIDES = r"(?:; besides, (?P<rest>.+?))?\."
PART = {
    "gone": rf"{NUMBER} gone \({AREA}\)",
    "appeared": rf"{NUMBER} new \({AREA}\)",
    "shrunk": rf"{NUMBER} smaller \(by {AREA}\)",
    "grown": rf"{NUMBER} larger \(by {AREA}\)",
}
ALL = "Container stacks, all zones and dates together: "
NONE = (
    "No container stack was found to have come, gone, grown or shrunk between two dates that show "
    "a whole zone."
)
CARD = {
    "gone": rf"{NUMBER} stacks? gone from (?P<zone>.+)",
    "appeared": rf"{NUMBER} stacks? new in (?P<zone>.+)",
    "shrunk": rf"{NUMBER} stacks? in (?P<zone>.+) smaller",
    "grown": rf"{NUMBER} stacks? in (?P<zone>.+) larger",
    "train": rf"{NUMBER} loaded (?:block or train|blocks or trains) at (?P<zone>.+)",
}
TEXT = {  # of `events`, in the activity's own words
    "gone": rf"{NUMBER} stacks?, {AREA}, gone from (?P<zone>.+)",
    "appeared": rf"{NUMBER} stacks?, {AREA}, appeared in (?P<zone>.+)",
    "shrunk": rf"{NUMBER} stacks? in (?P<zone>.+) shrank by {AREA}",
    "grown": rf"{NUMBER} stacks? in (?P<zone>.+) grew by {AREA}",
}
REMARKS = {
    "exchanged": re.compile(
        rf"At {NUMBER} places? \({AREA}\) container stacks stand on two dates, but other .+"
    ),
    "undecided": re.compile(
        rf"At {NUMBER} places? \({AREA}\) the pictures of two dates do not tell whether .+"
    ),
}
LINK = re.compile(r": (\d+) stacks? gone by .+, (\d+) stacks? (?:new|appeared) by .+[;,] (\d+) ")
IN_PICTURE = re.compile(r"([\d,]+) ships? and ([\d,]+) stacks? marked in the picture")
IN_TABLE = {"new": "appeared", "gone": "gone", "grown": "grown", "shrunk": "shrunk"}
NO_NUMBER = "\N{EN DASH}"
LEAST_OF_A_LINK = "only if at least 3 stacks fit"  # the bar, no find
SAID = re.compile(
    r"[\d,]+ (?:container )?(?:stacks?|blocks?(?! of fixed land))\b"
    r"|stacks?\b[^.<]{0,40}\bby [\d,]+ m²"
)
SPANS_SAID = 3

Rows = list[dict[str, Any]]
Span = tuple[str, str, str, str]
Sums = dict[str, tuple[int, float]]
"""Kind of change to number and square metres."""


def hold_page_to_tables(activity: Path, report: Path) -> Counter[str]:
    """Assert that a report says of stacks what the tables say, and nothing else.

    Args:
        activity: folder of `detector activity`.
        report: folder of `detector report`.

    Returns:
        How many numbers of each place were held against a table.
    """
    content = json.loads((activity / "activity.json").read_text("utf-8"))
    document = json.loads((report / "report.json").read_text("utf-8"))
    page = Page((report / "report.html").read_text("utf-8"))
    every = content["stack_changes"]
    changes = [row for row in every if row["kind"] in FIRST]
    assert pd.read_csv(activity / "stack_changes.csv")["kind"].tolist() == _column(every, "kind")
    spans = _spans(changes)
    held = Counter(events=_hold_events(content, spans))
    explained = [LEAST_OF_A_LINK]
    for at, site in enumerate(document["sites"]):
        mine = {span: sums for span, sums in spans.items() if span[0] == site["name"]}
        held.update(_hold_sentences(site, mine))
        held.update(_hold_site_tables(site, page, at, mine))
        held["points"] += _hold_charts(site, content["stacks"])
        explained += [site["lead"], *site["found"], *_column(site["events"], "text")]
    held["links"] = _hold_links(document, content, page)
    explained += _column(document["links"], "sentence")
    held["remarks"] = _hold_remarks(document, every)
    held["timeline"] = _hold_timeline(document["timeline"]["changes"], spans)
    held["pictures"] = _hold_pictures(document, page, content)
    explained += [match[0] for match in IN_PICTURE.finditer(page.text)]
    explained += [_summary(len(site["stack_changes"])) for site in document["sites"]]
    text = page.text
    for known in sorted(explained, key=len, reverse=True):
        text = text.replace(known, "")
    left = [text[max(m.start() - 60, 0) : m.end() + 40] for m in SAID.finditer(text)]
    assert left == [], left  # no number of stacks that was not held against a table
    return held


class Page(HTMLParser):
    """Rows of the page's tables by name and site, and its text, each run of blanks one space."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: dict[tuple[str, int], list[list[str]]] = {}
        self.text = ""
        self._table: list[list[str]] | None = None
        self._silent = False
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._silent = tag in ("script", "style")
        if tag == "table":
            key = str(given.get("data-table")), int(given.get("data-site") or -1)
            self._table = self.rows.setdefault(key, [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
        elif tag in ("th", "td") and self._table is not None:
            self._table[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False
        self._table = None if tag == "table" else self._table

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.text += data
        if self._table and self._table[-1]:
            self._table[-1][-1] += data


def _hold_events(content: dict[str, Any], spans: dict[Span, Sums]) -> int:
    """`events` are `stack_changes` added up, and the loaded railheads are rows of `stacks`."""
    told: dict[Span, Sums] = {}
    stacks = {(row["site"], row["zone"], row["day"]): row for row in content["stacks"]}
    held = 0
    for event in content["events"]:
        place, number = (event["site"], event["zone"]), event["number"]
        if event["event"] == "loaded at railhead":
            row = stacks[*place, event["last_day"]]
            assert (number, event["area_m2"]) == (row["blocks"], pytest.approx(row["area_m2"]))
            assert number == len(event["evidence"].split("; ")) == len(event["lengths_m"])
        elif event["event"] != "ship":
            kind = event["event"].removeprefix("stacks ")
            days = event["first_day"], event["last_day"]
            mine = told.setdefault((*place, *days), {})
            assert kind not in mine
            mine[kind] = number, event["area_m2"]
            rows = [
                row
                for row in content["stack_changes"]
                if (row["site"], row["zone"], row["from_day"], row["to_day"], row["kind"])
                == (*place, *days, kind)
            ]
            boxes = {
                box
                for row in rows
                for name in ("blocks_before", "blocks_after")
                for box in row[name].split("; ")
            }
            assert set(event["evidence"].split("; ")) == boxes - {""}
            match = re.fullmatch(TEXT[kind], event["text"])
            assert match is not None
            assert match["zone"] == event["zone"]
            _hold(match, (number, event["area_m2"]))
        held += event["event"] != "ship"
    _same(told, spans)
    return held


def _hold_sentences(site: dict[str, Any], spans: dict[Span, Sums]) -> Counter[str]:
    """The headline and the findings: of each span all kinds, or the sums of all."""
    words = Words.read()
    by_words = {(span[1], words.between(*span[2:])): span for span in spans}
    assert len(by_words) == len(spans)

    def parse(text: str) -> list[Span]:
        found = []
        for kind, pattern in FIRST.items():
            for match in re.finditer(rf"(?:^|(?<=\. )){pattern}{BESIDES}(?= |$)", text):
                span = by_words[match["zone"], match["when"]]
                sums = _parts(match["rest"] or "")
                assert kind not in sums
                sums[kind] = int(_plain(match["n"])), float(_plain(match["area"]))
                _same({span: sums}, {span: spans[span]})
                found.append(span)
        return found

    largest = sorted(spans, key=lambda span: _whole_area(spans[span]), reverse=True)
    lead = parse(site["lead"])
    assert len(lead) == bool(spans)
    assert [_whole_area(spans[span]) for span in lead] == [
        _whole_area(spans[span]) for span in largest[:1]
    ]
    assert (NONE in site["lead"] or "stack" not in site["lead"]) or spans
    told, totals = [], []
    for text in site["found"]:
        if "stack" not in text or text == NONE or REMARKS["exchanged"].fullmatch(text):
            assert not (text == NONE and spans)
        elif text.startswith(ALL):
            totals.append(_parts(text.removeprefix(ALL).removesuffix(".")))
        else:
            (span,) = parse(text)
            told.append(span)
    assert len(set(told)) == len(told) == min(len(spans), SPANS_SAID)
    assert [span[3] for span in told] == sorted(span[3] for span in told)
    assert len(totals) == (len(spans) > SPANS_SAID)
    every = Counter[str]()
    area = Counter[str]()
    for sums in spans.values():
        for kind, (number, square_m) in sums.items():
            every[kind] += number
            area[kind] += square_m  # type: ignore[assignment]
    for sums in totals:
        assert list(sums) == [kind for kind in FIRST if kind in every]
        assert {kind: number for kind, (number, _) in sums.items()} == every
        assert {kind: m2 for kind, (_, m2) in sums.items()} == pytest.approx(area, abs=0.51)
    return Counter(leads=len(lead), sentences=len(told), totals=len(totals))


def _hold_site_tables(
    site: dict[str, Any], page: Page, at: int, spans: dict[Span, Sums]
) -> Counter[str]:
    """The page's tables and the headings of its cards; the words of an event are its number."""
    assert _column(page.rows.get(("stack_changes", at), [])[1:], 2) == [
        next(word for word, kind in IN_TABLE.items() if kind == row["kind"])
        for row in site["stack_changes"]
    ]
    areas = [
        float(_plain(area)) for area in _column(page.rows.get(("stack_changes", at), [])[1:], 3)
    ]
    assert areas == pytest.approx(_column(site["stack_changes"], "area_m2"), abs=0.51)
    shown = page.rows.get(("stacks", at), [])[1:]
    assert [(row[0], row[1], row[2]) for row in shown] == [
        (row["day"], row["zone"], NO_NUMBER if row["blocks"] is None else str(row["blocks"]))
        for row in site["stacks"]
    ]
    cells = page.rows.get(("events", at), [])[1:]
    held = 0
    assert len(cells) == len(site["events"])
    for (_, zone, text, area), event in zip(cells, site["events"], strict=True):
        assert text == event["text"]
        if event["kind"] == "ship":
            continue
        match = re.fullmatch(CARD[event["kind"]], text)
        assert match is not None
        assert (int(_plain(match["n"])), match["zone"]) == (event["number"], zone)
        assert float(_plain(area)) == pytest.approx(event["area_m2"], abs=0.51)
        held += 1
    changes = sum(number for sums in spans.values() for number, _ in sums.values())
    assert changes == len(site["stack_changes"])
    if changes:
        assert _summary(changes) in page.text
    return Counter(changes=changes, cards=held, looks=len(shown))


def _hold_charts(site: dict[str, Any], stacks: Rows) -> int:
    """Points of charts of stacks are rows of `stacks`."""
    rows = {(row["zone"], row["day"]): row for row in stacks if row["site"] == site["name"]}
    held = 0
    for chart in site["charts"]:
        for point in chart["points"] if chart["class"] == "container_stack" else ():
            row = rows[chart["zone"], point["day"]]
            assert point["found"] == row["blocks"]
            if chart["measure"] == "teu" and row["teu"] is not None:
                assert point["estimate"] == row["teu"]
            held += 1
    return held


def _hold_links(document: dict[str, Any], content: dict[str, Any], page: Page) -> int:
    events = {event["event_id"]: event for event in content["events"]}
    assert len(document["links"]) == len(content["links"])
    for link in [*content["links"], *document["links"]]:
        one, two = events[link["from_event"]], events[link["to_event"]]
        assert (one["event"], two["event"]) == ("stacks gone", "stacks appeared")
        match = LINK.search(link["sentence"])
        assert match is not None
        assert [int(number) for number in match.groups()] == [
            one["number"],
            two["number"],
            link["stacks_alike"],
        ]
        assert link["stacks_alike"] <= min(one["number"], two["number"])
    assert all(link["sentence"] in page.text for link in document["links"])
    return len(document["links"])


def _hold_remarks(document: dict[str, Any], every: Rows) -> int:
    """What claims no change is told once a site, and added up."""
    held = 0
    for site in document["sites"]:
        for kind, said in (("exchanged", site["found"]), ("undecided", site["unseen"])):
            areas = [r["area_m2"] for r in every if (r["site"], r["kind"]) == (site["name"], kind)]
            told = [match for text in said if (match := REMARKS[kind].fullmatch(text))]
            assert len(told) == bool(areas)
            for match in told:
                _hold(match, (len(areas), sum(areas)))
            held += len(told)
    return held


def _hold_timeline(rows: Rows, spans: dict[Span, Sums]) -> int:
    numbers = {
        (row["site"], row["zone"], row["first_day"], row["last_day"], row["event"]): row["number"]
        for row in rows
    }
    assert len(numbers) == len(rows)
    assert numbers == {
        (*span, f"stacks {kind}"): number
        for span, sums in spans.items()
        for kind, (number, _) in sums.items()
    }
    return len(rows)


def _hold_pictures(document: dict[str, Any], page: Page, content: dict[str, Any]) -> int:
    """One difference picture a span where they were written; a look shows at least its blocks."""
    named = [row for row in content["stack_changes"] if row["picture"]]
    assert len({row["picture"] for row in named}) == len(_spans(named))
    looks = IN_PICTURE.findall(page.text)
    days = [
        (site["name"], day["day"])
        for site in document["sites"]
        for day in site["days"]
        if not day["reason"]
    ]
    assert len(looks) == len(days)
    for (_, stacks), (site, day) in zip(looks, days, strict=True):
        in_zones = [
            row["blocks"] or 0
            for row in content["stacks"]
            if (row["site"], row["day"]) == (site, day)
        ]
        assert int(_plain(stacks)) >= sum(in_zones)
    return len(named)


def _spans(changes: Rows) -> dict[Span, Sums]:
    """What changed in a zone between two dates, by kind; the areas have the sign of the kind."""
    spans: dict[Span, Sums] = {}
    for row in changes:
        less = row["kind"] in ("gone", "shrunk")
        assert (row["area_m2"] < 0) == less
        sums = spans.setdefault((row["site"], row["zone"], row["from_day"], row["to_day"]), {})
        number, area = sums.get(row["kind"], (0, 0.0))
        sums[row["kind"]] = number + 1, area + abs(row["area_m2"])
    for one, two in pairwise(sorted(spans)):  # dates of a zone follow each other
        assert one[:2] != two[:2] or one[3] <= two[2]
    return spans


def _whole_area(sums: Sums) -> float:
    return max(sums.get(kind, (0, 0.0))[1] for kind in ("gone", "appeared"))


def _parts(text: str) -> Sums:
    """`1 gone (20 m²), 2 new (30 m²) and 3 larger (by 9 m²)` as sums; nothing is left over."""
    found: Sums = {}
    for kind, pattern in PART.items():
        for match in re.finditer(pattern, text):
            assert kind not in found
            found[kind] = int(_plain(match["n"])), float(_plain(match["area"]))
        text = re.sub(pattern, "#", text)
    assert re.fullmatch(r"(#(, #)*( and #)?)?", text), text
    return dict(sorted(found.items(), key=lambda item: list(FIRST).index(item[0])))


def _same(told: dict[Span, Sums], table: dict[Span, Sums]) -> None:
    assert told.keys() == table.keys()
    for span, sums in told.items():
        assert sums.keys() == table[span].keys(), span
        for kind, (number, area) in sums.items():
            assert number == table[span][kind][0], (span, kind)
            assert area == pytest.approx(table[span][kind][1], abs=0.51), (span, kind)


def _hold(match: re.Match[str], sums: tuple[int, float]) -> None:
    assert int(_plain(match["n"])) == sums[0]
    assert float(_plain(match["area"])) == pytest.approx(sums[1], abs=0.51)


def _summary(changes: int) -> str:
    return f"{changes} stack{'' if changes == 1 else 's'} that came, went, grew or shrank"


def _column(rows: Any, key: Any) -> list[Any]:
    return [row[key] for row in rows]


def _plain(number: str) -> str:
    return number.replace(",", "")
