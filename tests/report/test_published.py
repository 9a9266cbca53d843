"""Every sentence and every number of a page against the truth of a story of today's seed."""

from __future__ import annotations

import pytest

from benchmarks.published import Judgement, judge, unknown_words
from benchmarks.published_registry import FALSE, WORDS, Court
from tests.report.published_story import publish_small, seed_of_today

# What may be false by chance: the network's boxes decide it, and the benchmark says how often.
BY_CHANCE = ("event.", "short.", "table events", "table stack_changes", "table visits")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    return judge(publish_small(tmp_path_factory.mktemp("published"), seed_of_today()))


def test_every_text_of_the_page_has_its_judge() -> None:
    assert unknown_words(Court.convene(WORDS)) == []


def test_every_text_of_a_page_is_known(judged: Judgement) -> None:
    assert judged.unknown == []
    assert len(judged.verdicts) >= 500


def test_nothing_false_is_said_of_what_was_seen(judged: Judgement) -> None:
    told = [v for v in judged.verdicts if v.verdict == FALSE and not v.kind.startswith(BY_CHANCE)]
    assert told == []
