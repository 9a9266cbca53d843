"""Asks the judges of a published page: every text, every row, and what its script draws."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import benchmarks.published_charts
import benchmarks.published_furniture
import benchmarks.published_rows
import benchmarks.published_sentences
import benchmarks.published_stack_sentences
import benchmarks.published_visits  # noqa: F401 - their judges
from benchmarks.published_page import Page, TableRow, Text, fields_of, leaves, sentences, values_of
from benchmarks.published_registry import (
    COLUMNS,
    FALSE,
    OPEN,
    PLACES,
    SENTENCES,
    TABLES,
    TRUE,
    WORDS,
    Answer,
    Asked,
    Court,
    Held,
    Verdict,
)
from benchmarks.published_truth import TrueSite
from benchmarks.published_world import World

PICTURE = re.compile(r'"data:image[^"]*"')
SHARE = re.compile(r"width:([\d.]+)%")
MARKS = "▲▼△▽\u00d7"  # of the legends
SHORT_WORDS = 12  # letters: shorter words can stand in a name
# Words that say nothing of what was seen: headings, buttons, columns, and how to read the page.
SAYS_NOTHING = (
    "skip", "contents", "no_script", "toolbar.", "headings.", "facts.", "legend.", "columns.",
    "timeline.", "script.", "methods.", "viewer.", "event.before", "event.after", "event.caption",
    "event.table", "event.ship_first", "event.ship_last", "event.no_picture", "visit.caption",
    "visit.chart_alt", "stacks.caption", "stacks.difference_caption", "links.intro", "note_title",
    "ground.caption",
    "provenance.scenes", "provenance.runs", "provenance.licences", "provenance.warnings",
    "provenance.skipped", "provenance.remarks", "provenance.no_credit", "provenance.reviews",
    "provenance.registration_none", "locator.", "review.", "chart.table",
    "chart.y_", "short.unseen_title", "months", "thousands", "comma", "status.",
)  # fmt: skip
# Texts that stand only inside of others, whose judges read them there.
INSIDE = (
    "any_of", "list", "between.", "span.", "day", "scenes", "sites", "short.besides",
    "date_unknown", "time_unknown", "status.", "short.teu_of.", "short.teu_cut", "short.others_",
    "short.wakes", "short.no_quay", "short.lead_there", "stacks.of.", "stacks.cut", "viewer.some_",
    "viewer.unread_stacks",
    "short.length", "short.gap_days", "short.lead_call", "short.lower_bound", "short.more",
    "short.part.",
    "chart.level_", "links.below", "links.stacks", "links.alike", "stacks.range", "stacks.bound",
    "stacks.appeared", "stacks.gone", "stacks.grown", "stacks.shrunk", "visit.", "provenance.moved",
    "chart.alt", "share.", "short.network_alone", "review.boxes", "review.when",
    "review.state", "review.draw_now",  # the page's script says them, while somebody reviews
)  # fmt: skip
# Leaves of `report.json`: those that the page shows, in its tables, sentences and drawings.
DOCUMENT = re.compile(
    r"(format|version|title|note|min_length_m|calibrated)$"
    r"|sites\.(name|lead|found|unseen|empty|stacks_unread)$"
    r"|sites\.review(\.|$)"
    r"|sites\.(days|charts|visits|events|stacks|trains|stack_changes)\."
    r"|links\.|timeline\.|provenance\."
)


@dataclass
class Judgement:
    """What was made of a page.

    Attributes:
        answers: of all judges.
        unknown: texts, columns and values that no judge knows.
    """

    answers: list[Answer]
    unknown: list[str]

    def add(self, other: Judgement) -> None:
        """All of another page too."""
        self.answers += other.answers
        self.unknown += other.unknown

    @property
    def verdicts(self) -> list[Verdict]:
        """Of sentences and numbers."""
        return [answer for answer in self.answers if isinstance(answer, Verdict)]

    @property
    def held(self) -> list[Held]:
        """Intervals."""
        return [answer for answer in self.answers if isinstance(answer, Held)]

    @property
    def false(self) -> list[Verdict]:
        """What is false."""
        return [verdict for verdict in self.verdicts if verdict.verdict == FALSE]


def judge_world(world: World) -> Judgement:
    """The judgement of a page whose truth is known."""
    court = Court.convene(WORDS)
    page = Page(PICTURE.sub('""', world.page))
    judgement = Judgement([], unknown_words(court))
    reader = _Reader(world, court, judgement)
    for text in page.texts:
        reader.read_text(text)
    for row in page.rows:
        reader.read_row(row)
    reader.read_data()
    judgement.unknown += sorted(
        {path for path, _ in leaves(world.document) if not DOCUMENT.match(path)}
    )
    return judgement


def judge_text(world: World, text: str, site: int | None = 0) -> Judgement:
    """The judgement of one text of a site's section."""
    judgement = Judgement([], [])
    reader = _Reader(world, Court.convene(WORDS), judgement)
    reader.read_text(Text(text, ("li",), site))
    return judgement


def judge_row(world: World, row: TableRow) -> Judgement:
    """The judgement of one row of a table."""
    judgement = Judgement([], [])
    _Reader(world, Court.convene(WORDS), judgement).read_row(row)
    return judgement


def unknown_words(court: Court) -> list[str]:
    """Keys of the page's texts that no judge knows, and that are not said to say nothing."""
    judged = {key.removesuffix("?") for keys in SENTENCES for key in keys}
    known = (*SAYS_NOTHING, *INSIDE)
    keys = court.grammar.templates.keys() | court.grammar.fixed.keys()
    return sorted(
        key
        for key in keys - judged
        if not key.startswith(known) or (fields_of_key(court, key) and not key.startswith(INSIDE))
    )


def fields_of_key(court: Court, key: str) -> bool:
    """Whether a text has fields: then it says something of its own."""
    return any(fields_of(text) for text in court.grammar.templates.get(key, ()))


@dataclass
class _Reader:
    """Asks the judges of one page."""

    world: World
    court: Court
    judgement: Judgement
    last_day: str = ""

    def read_text(self, text: Text) -> None:
        """One text of the page."""
        site = self._site(text.site)
        told = text.text
        names = {*text.place}
        if "details.licences" in names or told in MARKS:
            return
        if "fieldset" in names and site is not None and told in site.kinds:
            return  # a zone that somebody may have looked at
        if told in {*self.world.sites, self.world.document["note"]}:
            return
        if "span.bar" in names:
            self._ask(PLACES["bar"], "scale bar", told, site, {"text": told}, self._bar(text))
        elif "section.provenance" in names and told in self._warnings():
            self.judgement.answers.append(Verdict("warning", told, OPEN))
        elif "span.ids" in names:
            self._ask(PLACES["ids"], "ids of scenes", told, site, {})
        elif not self._read_said(told, site, "@alt" in names):
            self.judgement.unknown.append(f"{'/'.join(text.place[-2:])}: {told}")

    def _read_said(self, told: str, site: TrueSite | None, is_alt: bool) -> bool:
        """A text in the page's words; whether every part of it is known."""
        if is_alt:
            return self._read_sentence(told, site, 1, "_alt")
        if self._read_known(told, site) or self._read_date(told, site):
            return True
        rest = told
        for words in self._nothing():
            rest = rest.replace(words, "", 1) if len(words) > SHORT_WORDS else rest
        rest = rest.strip(" :.,")
        if rest == told.strip(" :.,"):
            return self._read_two(told, site)
        done = not rest or rest in self.world.sites or self._read_date(rest, site)
        return done or self._read_known(rest, site)

    def _read_known(self, told: str, site: TrueSite | None) -> bool:
        """Sentences one after another; a text of several is several parts long."""
        parts = sentences(told)
        while parts:
            for length in range(len(parts), 0, -1):
                said = " ".join(parts[:length])
                if self._is_fixed(said) or self._read_sentence(said, site, length):
                    parts = parts[length:]
                    break
            else:
                return False
        return True

    def _read_two(self, told: str, site: TrueSite | None) -> bool:
        """`before, 2 September 2026`, `quay 1, 2 to 6 September 2026`, `Visits, port`."""
        start, _, end = told.rpartition(", ")
        if end in self.world.sites:
            return self._read_known(start, site)
        first, _, second = told.partition(", ")
        known = self._is_fixed(first) or (site is not None and first in site.kinds)
        return known and self._read_date(second, site)

    def _read_date(self, told: str, site: TrueSite | None) -> bool:
        if not re.fullmatch(r"[\d\w ]*\d{4}", told) or site is None or len(told) > 50:
            return False
        self.last_day = told
        self._ask(PLACES["day"], "date", told, site, {})
        return True

    def _read_sentence(
        self, told: str, site: TrueSite | None, length: int, ending: str = ""
    ) -> bool:
        for keys, pattern in self.court.patterns:
            fits = keys[0].endswith("_alt") == (ending == "_alt")
            match = pattern.fullmatch(told) if fits else None
            if match is None or length not in self.court.grammar.lengths(keys):
                continue
            values = {"day": self.last_day, **values_of(match)}  # a caption's date stands before
            self._ask(SENTENCES[keys], keys[0], told, site, values)
            return True
        dated = re.match(r"(?:\d.*?\d{4}) (?=\S)", told)
        if dated and site is not None:  # the heading of an event begins with its dates
            for keys, pattern in self.court.patterns:
                if keys[0].startswith("event.") and pattern.fullmatch(told[dated.end() :]):
                    self._ask(SENTENCES[keys], keys[0], told, site, {})
                    return True
        return False

    def _warnings(self) -> set[str]:
        told = self.world.document["provenance"]
        skipped = {f"{row['scene']}: {row['reason']}" for row in told["skipped"]}
        return {" ".join(text.split()) for text in {*told["warnings"], *skipped}}

    def _is_fixed(self, told: str) -> bool:
        return told in self._nothing() or told.removesuffix(".") in self._nothing()

    def _nothing(self) -> list[str]:
        """Texts that say nothing of what was seen, the longest first."""
        fixed = self.court.grammar.fixed.items()
        texts = {text for key, mine in fixed if key.startswith(SAYS_NOTHING) for text in mine}
        return sorted(texts, key=len, reverse=True)

    def read_row(self, row: TableRow) -> None:
        """One row of a table."""
        site = self._site(row.site)
        by_heading = defaultdict(list)
        for key, heading in WORDS.texts["columns"].items():
            by_heading[heading].append(key)
        if row.table not in TABLES:
            self.judgement.unknown.append(f"table {row.table}")
            return
        values = {}
        for heading, cell in row.cells.items():
            keys = [key for key in by_heading[heading] if key in COLUMNS[row.table]]
            if len(keys) != 1:
                self.judgement.unknown.append(f"table {row.table}: column {heading}")
                return
            values[keys[0]] = cell
        shown = self._shown(row)
        told = " | ".join(f"{k}: {v}" for k, v in row.cells.items() if v)
        if row.site is not None:
            told = f"{self.world.document['sites'][row.site]['name']}: {told}"
        kind = f"table {row.table or 'settings'}"
        self._ask(TABLES[row.table], kind, told, site, values, shown)

    def _shown(self, row: TableRow) -> Mapping[str, Any]:
        if row.site is None:
            return {}
        site = self.world.document["sites"][row.site]
        if row.table == "series":
            return {"chart": site["charts"][row.chart], "at": row.at}
        shown: Mapping[str, Any] = site[row.table][row.at]
        return shown

    def read_data(self) -> None:
        """What the page's script draws: the document, the timeline's bars, labels of ships."""
        data, document = self.world.data, self.world.document
        same = json.loads(json.dumps(data["doc"])) == document
        self.judgement.answers.append(
            Verdict("data of the page", "the document", TRUE if same else FALSE)
        )
        keys = ("site", "zone", "first_seen", "last_seen", "not_before", "not_after")
        visits = [row for site in document["sites"] for row in site["visits"]]
        listed = Counter(tuple(row[key] for key in keys) for row in visits)
        for bar in document["timeline"]["visits"]:
            key = tuple(bar[key] for key in keys)
            verdict = TRUE if listed[key] > 0 else FALSE
            self.judgement.answers.append(Verdict("timeline: bar of a visit", str(key), verdict))
        from detector.activity.looks.sites import read_site

        for at, views in enumerate(data["views"]):
            site = self.world.site(at)
            days = [day["day"] for day in document["sites"][at]["days"]]
            path = self.world.site_files[site.name]
            crs = read_site(path).frame.crs
            for day, view in zip(days, views, strict=False):
                for label in view["labels"]:
                    self._read_label(site, day, label, crs)

    def _read_label(self, site: TrueSite, day: str, label: dict[str, Any], crs: Any) -> None:
        if label["kind"] == "zone":
            verdict = TRUE if label["text"] in site.kinds else FALSE
            self.judgement.answers.append(Verdict("label of a zone", label["text"], verdict))
            return
        row = {**label, "day": day, "crs": crs, "map_crs": self.world.crs[site.name]}
        told = f"{site.name}, {day}: {label['text']}"
        self._ask(PLACES["label"], "label of a ship", label["text"], site, {}, row, told)

    def _ask(
        self,
        judge_of: Any,
        kind: str,
        told: str,
        site: TrueSite | None,
        values: Mapping[str, str],
        row: Mapping[str, Any] | None = None,
        shown: str = "",
    ) -> None:
        if site is None and len(self.world.sites) == 1:
            site = self.world.site(0)
        asked = Asked(self.world, told, values, site, row or {}, kind)
        try:
            answers: Iterable[Answer] = list(judge_of(asked))
        except LookupError as error:
            answers = [asked.rule(False, f"no such zone, site or date: {error!r}")]
        if shown:
            answers = [replace(answer, said=shown) for answer in answers]
        self.judgement.answers += answers

    def _bar(self, text: Text) -> Mapping[str, Any]:
        share = SHARE.search(text.style)
        look = self._view(text)
        bounds = look.get("bounds") if look else None
        width = bounds[2] - bounds[0] if bounds else None
        return {"share": float(share[1]) if share else None, "width_m": width}

    def _view(self, text: Text) -> Mapping[str, Any] | None:
        if text.site is None or "div.looks" not in text.place:
            return None
        views: Sequence[Mapping[str, Any]] = self.world.data["views"][text.site]
        return views[0] if views else None

    def _site(self, at: int | None) -> TrueSite | None:
        return None if at is None else self.world.site(at)
