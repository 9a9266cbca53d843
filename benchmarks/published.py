"""Judges every sentence and every number of published pages: `python -m benchmarks.published`.

Ten rendered stories (ports, a railhead, an anchorage, clouds that are told and untold, other
sensors, cut scenes) go through `predict`, `activity` and `report` with the shipped weights. Each
text, each row of a table and each number of the page, and of what its script draws, is held
against the truth of the story: true, false, or not decidable. A text that no judge knows fails.
Prints the kinds of sentences with their verdicts, and how often intervals held.

What was rendered and what the network read stay in a cache, so a run after a change of anything
else takes some minutes; the first takes about ten on one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.published_reading import Judgement, judge_world
from benchmarks.published_stories import FIRST_SEED, STORIES, Published, publish
from benchmarks.published_tables import MOST_SHOWN, false_lines, held_table, kinds_table
from benchmarks.published_world import read_world
from benchmarks.tables import put
from detector.activity.looks.runs import read_runs

WEIGHTS = "port-n4"


def judge(published: Published) -> Judgement:
    """The judgement of a story's page and of its `report.json`."""
    folders = sorted((published.folder / "results").iterdir())
    world = read_world(published, ZoneInfo(published.plan.time_zone), read_runs(folders).scenes)
    return judge_world(world)


def main() -> None:
    """Publish, judge, print; exit code 1 where a text is unknown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=int, default=len(STORIES), help="how many, from --from")
    parser.add_argument("--from", dest="start", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of the first story")
    parser.add_argument("--weights", default=WEIGHTS)
    parser.add_argument("--cache", type=Path, help="folder of scenes and of what was read in them")
    parser.add_argument("--docs", type=Path, help="document whose tables are replaced")
    parser.add_argument("--all", action="store_true", help="print all that is false")
    given = parser.parse_args()
    cache = given.cache or Path(tempfile.mkdtemp(prefix="published-"))
    judgement = Judgement([], [])
    for at in range(given.start, min(given.start + given.stories, len(STORIES))):
        mine = judge(publish(STORIES[at], given.seed + at, cache, given.weights))
        print(f"## {STORIES[at].name}, seed {given.seed + at}", flush=True)
        print("\n".join(false_lines(mine, 1000 if given.all else MOST_SHOWN)), flush=True)
        for held in mine.held if given.all else ():
            if not held.held:
                print(f"- missed, {held.kind}: “{held.said}”; truth: {held.why}")
        judgement.add(mine)
    tables = {"kinds": kinds_table(judgement), "intervals": held_table(judgement)}
    for name, text in tables.items():
        print(f"\n{text}")
        if given.docs:
            put(given.docs, name, text)
    for text in sorted(set(judgement.unknown)):
        print(f"unknown: {text}")
    sys.exit(1 if judgement.unknown else 0)


if __name__ == "__main__":
    main()
