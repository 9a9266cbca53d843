"""What a run prints when it is done."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from detector.cli.command import EXIT_BAD_INPUT, EXIT_DONE, EXIT_SOME_FAILED
from detector.errors import shown
from detector.prediction.headline import headline_counts, interval_notes
from detector.wording import counted

if TYPE_CHECKING:
    from detector.prediction.settings import RunSummary

PIPE_WIDTH = 160  # columns where no terminal tells its own
LEFT = ("scene", "site", "date", "zone", "status")  # columns of words
MAX_ROWS = 60  # more are in counts.csv


def print_summary(summary: RunSummary, *, as_json: bool) -> None:
    """Print the counts of a run to stdout, and what could not be done.

    Args:
        summary: of the run.
        as_json: one object for machines instead of a table.
    """
    if as_json:
        print(json.dumps(_content(summary), ensure_ascii=False))
        return
    counts = pd.concat(list(summary.counts), ignore_index=True) if summary.counts else None
    if counts is not None:
        print_table(headline_counts(counts, summary.classes, summary.records))
        for note in interval_notes(counts):
            print(note)
    for warning, paths in _grouped_warnings(summary).items():
        print(shown(f"{len(paths)} of {counted(len(summary.records), 'scene')}: {warning}"))
    for line in _not_done(summary):
        print(shown(line))
    done = _done(summary)
    resumed = f", {summary.resumed} of them from an earlier run" if summary.resumed else ""
    every = counted(len(summary.records), "scene")
    print(f"{done} of {every} done{resumed}; results in {summary.out}")
    for record in summary.records[:1]:
        picture = summary.out / record.scene_id / "overlay.png"
        if record.status == "done" and picture.is_file():
            print(shown(f"look at {picture}"))


def exit_code(summary: RunSummary) -> int:
    """How a command ends that has done this."""
    if not summary.failed:
        return EXIT_DONE
    return EXIT_SOME_FAILED if len(summary.failed) < len(summary.records) else EXIT_BAD_INPUT


def _not_done(summary: RunSummary) -> Iterator[str]:
    """What became of the scenes that are not done; a reason that many share is told once."""
    paths: dict[tuple[str, str], list[str]] = {}
    for record in (*summary.failed, *summary.copies):
        paths.setdefault((record.status, record.reason), []).append(record.path)
    for (status, reason), named in paths.items():
        if len(named) > 1:
            yield f"{status}: {counted(len(named), 'scene')}, {named[0]} the first: {reason}"
        else:
            yield f"{status}: {reason if named[0] in reason else f'{named[0]}: {reason}'}"


def _grouped_warnings(summary: RunSummary) -> dict[str, list[str]]:
    """Each warning once, with the scenes that it holds for."""
    groups: dict[str, list[str]] = {}
    for record in summary.records:
        for warning in record.warnings:
            groups.setdefault(warning, []).append(record.path)
    return groups


def print_table(table: pd.DataFrame) -> None:
    """Print a table to stdout, at most `MAX_ROWS` rows of it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    sheet = Table(box=None, header_style="bold", pad_edge=False)
    for name in table.columns:
        sheet.add_column(name, justify="left" if name in LEFT else "right")
    for row in table.head(MAX_ROWS).itertuples(index=False):
        sheet.add_row(*(escape(shown(str(value))) for value in row))
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(width=width).print(sheet)
    if len(table) > MAX_ROWS:
        print(f"… and {len(table) - MAX_ROWS} rows more in counts.csv")


def _done(summary: RunSummary) -> int:
    return sum(record.status == "done" for record in summary.records)


def _content(summary: RunSummary) -> dict[str, object]:
    return {
        "out": str(summary.out),
        "done": _done(summary),
        "resumed": summary.resumed,
        "failed": [{"path": r.path, "reason": r.reason} for r in summary.failed],
        "copies": [{"path": r.path, "copy_of": r.copy_of} for r in summary.copies],
        "scenes": [
            {
                "path": r.path,
                "scene_id": r.scene_id,
                "ships": r.ships,
                "stacks": r.container_stacks,
                **r.others,
            }
            for r in summary.records
            if r.status == "done"
        ],
    }
