"""The tables of `benchmarks.published`: kinds of sentences, and how often intervals held."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from scipy.stats import binomtest

from benchmarks.published_reading import Judgement
from benchmarks.published_registry import (
    FALSE,
    OPEN,
    TRUE,
    Held,
    Verdict,
)
from benchmarks.tables import markdown

MOST_SHOWN = 4  # false sentences of a kind that are printed


def kinds_table(judgement: Judgement) -> str:
    """One row a kind of sentence: how many are true, false, not decidable."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in judgement.verdicts:
        counts[verdict.kind][verdict.verdict] += 1
    rows = [
        [kind, *(str(number[name]) for name in (TRUE, FALSE, OPEN)), _share(number)]
        for kind, number in sorted(counts.items())
    ]
    total: Counter[str] = sum(counts.values(), Counter())
    rows.append(["**all**", *(str(total[name]) for name in (TRUE, FALSE, OPEN)), _share(total)])
    return markdown(["kind", TRUE, FALSE, OPEN, "false of those decided"], rows)


def _share(number: Counter[str]) -> str:
    decided = number[TRUE] + number[FALSE]
    if not decided:
        return "-"
    ends = binomtest(number[FALSE], decided).proportion_ci(method="wilson")
    return f"{number[FALSE] / decided:.1%} [{ends.low:.1%}, {ends.high:.1%}]"


def held_table(judgement: Judgement) -> str:
    """One row a kind of number: the share of intervals that held, with a 95 % interval."""
    kinds: dict[str, list[Held]] = defaultdict(list)
    for held in judgement.held:
        kinds[held.kind].append(held)
    rows = []
    for kind, mine in sorted(kinds.items()):
        number = sum(held.held for held in mine)
        ends = binomtest(number, len(mine)).proportion_ci(method="wilson")
        said = sum(held.expected for held in mine) / len(mine)
        share = f"{number / len(mine):.0%} [{ends.low:.0%}, {ends.high:.0%}]"
        rows.append([kind, f"{number} of {len(mine)}", share, f"{said:.0%}"])
    return markdown(["numbers", "held", "share (95 % interval)", "said"], rows)


def false_lines(judgement: Judgement, most: int = MOST_SHOWN) -> Iterator[str]:
    """What is false, some of each kind, with the truth."""
    kinds: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in judgement.false:
        kinds[verdict.kind].append(verdict)
    for kind, mine in sorted(kinds.items()):
        for verdict in mine[:most]:
            yield f"- {kind}: “{verdict.said}”; truth: {verdict.why or 'otherwise'}"
