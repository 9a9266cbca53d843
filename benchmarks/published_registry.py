"""What a judge of `benchmarks.published` is asked and what it answers, and who judges what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.published_page import Grammar, numbers
from benchmarks.published_truth import Span, TrueLook, TrueSite
from benchmarks.published_world import World
from detector.report.words import Words

WORDS: Final = Words.read()
TRUE, FALSE, OPEN = "true", "false", "not decidable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be thought of a sentence or a number.

    Attributes:
        kind: of the sentence.
        said: as it stands on the page.
        verdict: `true`, `false` or `not decidable`.
        why: the truth, where it is not true.
    """

    kind: str
    said: str
    verdict: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Whether an interval, or what stands for one, held.

    Attributes:
        kind: of the number.
        said: as it stands on the page.
        held: whether the truth was in it.
        why: the truth.
        expected: share that should hold.
    """

    kind: str
    said: str
    held: bool
    why: str = ""
    expected: float = 0.9


Answer = Verdict | Held


@dataclass(frozen=True, slots=True)
class Asked:
    """What a judge is asked.

    Attributes:
        world: the story and what was published of it.
        text: the sentence, or the row as it stands.
        values: fields of the sentence's text, or heading to cell.
        site: where it stands; None outside of the sites' sections.
        row: of the document that a table shows.
        kind: of the sentence.
    """

    world: World
    text: str
    values: Mapping[str, str]
    site: TrueSite | None
    row: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""

    def rule(self, ok: bool | None, why: str = "", part: str = "") -> Verdict:
        """A verdict of this; None: it cannot be decided."""
        verdict = OPEN if ok is None else TRUE if ok else FALSE
        return Verdict(self.kind + (f": {part}" if part else ""), self.text, verdict, why)

    @property
    def here(self) -> TrueSite:
        """The site; the only one where it stands outside of all.

        Raises:
            LookupError: it stands outside, and there are several.
        """
        if self.site is None:
            raise LookupError(f"of which site: {self.text}")
        return self.site

    def number(self, name: str) -> float:
        """The first number of a field."""
        return numbers(self.values[name])[0]


Judge = Callable[[Asked], Iterable[Answer]]
SENTENCES: Final[dict[tuple[str, ...], Judge]] = {}
TABLES: Final[dict[str, Judge]] = {}
COLUMNS: Final[dict[str, frozenset[str]]] = {}
PLACES: Final[dict[str, Judge]] = {}


def sentence(*keys: str) -> Callable[[Judge], Judge]:
    """A judge of sentences of these texts, one after another; `key?` may be missing."""

    def put(judge: Judge) -> Judge:
        SENTENCES[keys] = judge
        return judge

    return put


def table(name: str, *columns: str) -> Callable[[Judge], Judge]:
    """A judge of the rows of a table with these headings, keys of `columns`."""

    def put(judge: Judge) -> Judge:
        TABLES[name] = judge
        COLUMNS[name] = frozenset(columns)
        return judge

    return put


def place(name: str) -> Callable[[Judge], Judge]:
    """A judge of texts without words of their own, by the element that they stand in."""

    def put(judge: Judge) -> Judge:
        PLACES[name] = judge
        return judge

    return put


@dataclass(frozen=True)
class Court:
    """The judges with the patterns of what they judge."""

    grammar: Grammar
    patterns: list[tuple[tuple[str, ...], re.Pattern[str]]]

    @classmethod
    def convene(cls, words: Words) -> Court:
        """Of the page's words; the pattern with most letters of its own is tried first."""
        grammar = Grammar(words)
        known = grammar.templates.keys() | grammar.fixed.keys()
        # a text that is no longer there is no longer said
        keys = [key for key in SENTENCES if key[0] in known]
        order = sorted(keys, key=grammar.letters, reverse=True)
        return cls(grammar, [(key, grammar.pattern(key)) for key in order])


def spans_said(site: TrueSite) -> Iterator[tuple[str, TrueLook, TrueLook]]:
    """How every pair of dates of a site is said: `between …`, and the dates."""
    for i, one in enumerate(site.looks):
        for two in site.looks[i:]:
            yield WORDS.between(one.day, two.day), one, two


def span_of(site: TrueSite, said: str) -> tuple[TrueLook, TrueLook] | None:
    """The dates of `between …` or `on …`, or None where the site has none such."""
    return next(((one, two) for text, one, two in spans_said(site) if text == said), None)


def day_of(site: TrueSite, said: str) -> TrueLook | None:
    """The look of a day in words, or of an ISO date."""
    return next((k for k in site.looks if said in (WORDS.day(k.day), k.day)), None)


def listed(said: str) -> list[str]:
    """The parts of `a, b and c` or `a, b or c`."""
    return [part for part in re.split(r", | and | or ", said) if part]


def told(span: Span) -> str:
    """A true number in words."""
    return f"{span.low:g}" if span.low == span.high else f"{span.low:g} to {span.high:g}"
