"""Every sentence and every number of a page against the truth of a story of today's seed."""

from __future__ import annotations

import re

import pytest

from benchmarks.published import judge
from benchmarks.published_reading import Judgement, unknown_words
from benchmarks.published_registry import WORDS, Court, Verdict
from tests.report.published_story import publish_small, seed_of_today

# What may be false by chance, as the benchmark says how often: that two pictures of a block differ,
# and that the ships of two dates are one.
CHANGES = ("gone", "appeared", "shrunk", "grown", "all_changes")
LINKS = ("one ship", "arrival", "departure")


def by_chance(verdict: Verdict) -> bool:
    return re.split(r"[.:] ?", verdict.kind)[-1] in (*CHANGES, *LINKS)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    return judge(publish_small(tmp_path_factory.mktemp("published"), seed_of_today()))


def test_every_text_of_the_page_has_its_judge() -> None:
    assert unknown_words(Court.convene(WORDS)) == []


def test_every_text_of_a_page_is_known(judged: Judgement) -> None:
    assert judged.unknown == []
    assert len(judged.verdicts) >= 500


def test_nothing_false_is_said_of_what_was_seen(judged: Judgement) -> None:
    assert [verdict for verdict in judged.false if not by_chance(verdict)] == []
