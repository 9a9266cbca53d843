"""Takes a report's page apart: every text, every row of a table, every text that is an attribute.

What a text may be is told by the page's own words (`text.en.yaml`): the kind of a sentence is the
key of its text there, so a new key is a new kind.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from detector.report.words import Words

INLINE = frozenset({"strong", "bdi", "a", "em", "b"})
SILENT = frozenset({"script", "style", "pre", "svg"})
CELLS = frozenset({"td", "th"})
FORMS = frozenset({"one", "other", "none"})
VOID = frozenset({"meta", "link", "img", "br", "input", "path"})
SPOKEN = ("alt", "aria-label", "title", "placeholder")
SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z0-9])")
FIGURES = r"[-+\u2212]?\d[\d,.]*"
# What a field of a text can hold, where it is not any words.
FIELDS = {
    **dict.fromkeys(("n", "area", "mid", "low", "high", "max", "metres", "shown", "seen"), FIGURES),
    **dict.fromkeys(("observed", "partial", "unobserved"), FIGURES),
    "between": r"(?:between|on) .*?\d",
}
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Text:
    """One text of the page.

    Attributes:
        text: blanks made single.
        place: classes and names of what it stands in, outermost first.
        site: number of the site's section or card on the page, from 0; None outside of them.
        style: of the element.
    """

    text: str
    place: tuple[str, ...]
    site: int | None
    style: str = ""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table.

    Attributes:
        table: its name on the page.
        site: number of the site, or None.
        chart: number of the chart that it belongs to, or None.
        at: number of the row.
        cells: heading of the column to text.
    """

    table: str
    site: int | None
    chart: int | None
    at: int
    cells: Mapping[str, str]


@dataclass
class Page(HTMLParser):
    """The texts and the rows of a page, in order."""

    html: str
    texts: list[Text] = field(default_factory=list)
    rows: list[TableRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[tuple[str, str]] = []
        self._words = self._style = ""
        self._table: dict[str, str | None] | None = None
        self._heads: list[str] = []
        self._cells: list[str] = []
        self._number = self._sites = self._cards = 0
        self.feed(self.html)
        self._end_text()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        given = dict(attrs)
        if not self._runs_on(tag):
            self._end_text()
        self._sites += (tag, given.get("class")) == ("section", "site")
        self._cards += (tag, given.get("class")) == ("article", "card")
        if tag not in VOID:
            name = given.get("class") or given.get("id") or given.get("data-table") or ""
            self._open.append((tag, f"{tag}.{name}" if name else tag))
            self._style = given.get("style") or self._style
        if tag == "table":
            self._table, self._heads, self._number = given, [], 0
        elif tag == "tr":
            self._cells = []
        for name in SPOKEN:
            if given.get(name):
                self._add(str(given[name]), f"@{name}")

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if tag in VOID:
            return
        if not self._runs_on(tag):
            self._end_text()
        while self._open and self._open.pop()[0] != tag:
            pass
        if tag == "tr" and self._table is not None:
            self._end_row(self._table)
        elif tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        """Text between elements."""
        if not any(tag in SILENT for tag, _ in self._open):
            self._words += data

    def _runs_on(self, tag: str) -> bool:
        """Whether a text goes on over the begin or the end of an element."""
        in_cell = any(name in CELLS for name, _ in self._open)
        in_heading = tag == "span" and any(name == "h4" for name, _ in self._open)
        return tag in INLINE or in_heading or (in_cell and tag not in CELLS)

    def _end_text(self) -> None:
        text, self._words = " ".join(self._words.split()), ""
        if self._table is not None and self._open and self._open[-1][0] in CELLS:
            self._cells.append(text)
        elif text:
            self._add(text)

    def _add(self, text: str, *more: str) -> None:
        place = (*(name for _, name in self._open), *more)
        self.texts.append(Text(" ".join(text.split()), place, self._site(), self._style))

    def _end_row(self, table: Mapping[str, str | None]) -> None:
        if any(tag == "thead" for tag, _ in self._open):
            self._heads = self._cells
            return
        site, chart = (table.get(f"data-{key}") for key in ("site", "chart"))
        cells = dict(zip(self._heads, self._cells, strict=True))
        name = table.get("data-table") or ""
        self.rows.append(
            TableRow(
                name,
                int(site) if site else None,
                int(chart) if chart else None,
                self._number,
                cells,
            )
        )
        self._number += 1

    def _site(self) -> int | None:
        names = {name for _, name in self._open}
        if "section.site" in names:
            return self._sites - 1
        return self._cards - 1 if "article.card" in names else None


class Grammar:
    """The texts of the page as patterns: key to what it matches, with the names of its fields."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.fixed: dict[str, list[str]] = {}
        self.templates: dict[str, list[str]] = {}
        self._collect(words.texts, "")

    def _collect(self, found: Any, key: str) -> None:
        if isinstance(found, str):
            texts = self.templates if fields_of(found) else self.fixed
            texts.setdefault(key, []).append(found)
        elif isinstance(found, Mapping):
            for name, value in found.items():
                form = "other" in found and name in FORMS
                self._collect(value, key if form else f"{key}.{name}".removeprefix("."))
        elif isinstance(found, Sequence):
            for value in found:
                self._collect(value, key)

    def pattern(self, keys: Sequence[str]) -> re.Pattern[str]:
        """What texts of these keys, one after another, match; a key that ends in ? may be missing.

        A capital at the begin and a full stop at the end are free, as sentences have them. Fields
        of the second text and of those after it are named `<last word of the key>_<field>`.
        """
        told = ""
        for key in keys:
            name = key.rpartition(".")[2].removesuffix("?")
            prefix = f"{name}_" if told else ""
            forms = [_expression(text, prefix) for text in self._texts(key)]
            if forms:
                told += f"(?:{'|'.join(forms)})" + ("?" if key.endswith("?") else "")
        return re.compile(_named_once(told) + r"\.?", re.IGNORECASE)

    def letters(self, keys: Sequence[str]) -> int:
        """How many letters texts of these keys have of their own; those that may miss have none."""
        told = 0
        for key in keys:
            if not key.endswith("?"):
                told += min(len(re.sub(r"\{\w+\}", "", text)) for text in self._texts(key))
        return told

    def lengths(self, keys: Sequence[str]) -> set[int]:
        """Of how many sentences texts of these keys are."""
        return {
            len(sentences(text)) for key in keys for text in self._texts(key) if key[-1:] != "?"
        }

    def _texts(self, key: str) -> list[str]:
        name = key.removesuffix("?")
        return self.templates.get(name, []) + self.fixed.get(name, [])


def fields_of(template: str) -> list[str]:
    """Names of the fields of a text."""
    return [name for _, name, _, _ in string.Formatter().parse(template) if name]


def _expression(template: str, prefix: str) -> str:
    told = ""
    for literal, name, _, _ in string.Formatter().parse(template):
        told += re.escape(literal)
        told += f"(?P<{prefix}{name}>{FIELDS.get(name, '.*?')})" if name else ""
    return told.removesuffix(r"\.")


def _named_once(expression: str) -> str:
    """Groups of one name in several alternatives get numbers: `n`, `n__1`, `n__2`."""
    seen: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        name = found[1]
        seen[name] = seen.get(name, -1) + 1
        return f"(?P<{name}>" if seen[name] == 0 else f"(?P<{name}__{seen[name]}>"

    return re.sub(r"\(\?P<(\w+?)>", numbered, expression)


def values_of(match: re.Match[str]) -> dict[str, str]:
    """The fields of a match, whichever alternative they are of."""
    values: dict[str, str] = {}
    for name, value in match.groupdict().items():
        if value is not None:
            values.setdefault(name.partition("__")[0], value)
    return values


def sentences(text: str) -> list[str]:
    """A text cut where a sentence ends and another begins."""
    return SENTENCE_END.split(text)


def numbers(text: str) -> list[float]:
    """All numbers of a text, in order."""
    return [float(found.replace(",", "")) for found in NUMBER.findall(text)]


def leaves(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document with its path; places in lists are left out of it."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from leaves(value, f"{path}.{key}".removeprefix("."))
    elif isinstance(content, list):
        for value in content:
            yield from leaves(value, path)
    else:
        yield path, content
