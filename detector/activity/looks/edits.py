"""What activity and report say of a run whose files are not those that it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from detector.activity.errors import ActivityError
from detector.export.run_files import COUNTS_FILE
from detector.export.scene_files import PARQUET_FILE
from detector.export.seals import (
    GEOPACKAGE,
    RECORD_FILE,
    RUN_FILE,
    Altered,
    altered_files,
    file_seals,
)
from detector.reviewing.ledger import Review

READ_TABLES: Final = (PARQUET_FILE, COUNTS_FILE, "stacks.parquet", RUN_FILE)
READ_WORDS: Final = (
    f"{PARQUET_FILE}, {COUNTS_FILE} and stacks.parquet of the run's folder and each {RECORD_FILE}"
)
MOST_NAMED: Final = 3


def check_run(folder: Path, review: Review | None = None) -> list[str]:
    """What is to be said of a run's files, one sentence a kind; empty where all are as written.

    Activity and report read the run's own tables and each scene's record, nothing else. These must
    be as the run wrote them: rows of the tables are named by their numbers, so an edited table
    would be laid beside others that it does not fit, and nobody could tell who changed it and why.

    Args:
        folder: of the run.
        review: of the run: GeoPackages that it has read as they are now are no news.

    Raises:
        ActivityError: a file that is read was changed, is gone or is another run's.
    """
    altered = altered_files(folder)
    name = folder.resolve().name
    if altered is None:
        return [
            f"run '{name}': an earlier version wrote it, without the hashes by which edited files "
            "are noticed; run detector predict again to have them"
        ]
    for item in altered:
        if _is_read(item.name):
            raise ActivityError(_refusal(folder, item))
    changed = [item for item in altered if item.state != "gone"]
    gone = [item for item in altered if item.state == "gone"]
    told = []
    edited = [item for item in changed if item.name.endswith(GEOPACKAGE)]
    changed = [item for item in changed if item not in edited]
    unread = [item for item in edited if not _was_read(folder / item.name, review)]
    if unread:
        told.append(
            f"run '{name}': {_files(unread)} edited since the run wrote {_them(unread)} "
            f"({_names(unread)}), and no review holds the edits, so they are not used: make them "
            "one with detector review import run=FOLDER; to have the run's own files back, "
            "delete the changed ones and run detector predict again with the same out="
        )
    if changed:
        told.append(
            f"run '{name}': {_files(changed)} changed since the run wrote {_them(changed)} "
            f"({_names(changed)}). The changes are not used: activity and report read "
            f"{READ_WORDS}. Correct the boxes in the GeoPackages or with detector review; to have "
            "the run's own files back, delete the changed ones and run detector predict again "
            "with the same out="
        )
    if gone:
        told.append(
            f"run '{name}': {_files(gone)} removed since the run wrote {_them(gone)} "
            f"({_names(gone)}). Nothing is "
            f"missing in the numbers: activity and report read {READ_WORDS}. detector predict with "
            "the same out= writes them again"
        )
    return told


def _was_read(path: Path, review: Review | None) -> bool:
    """Whether a review holds what a GeoPackage of the run says now."""
    if review is None:
        return False
    known = {source.sha256 for source in review.sources}
    return bool(known & set(file_seals(path.parent, [path.name]).values()))


def _is_read(name: str) -> bool:
    return name in READ_TABLES or name.endswith(f"/{RECORD_FILE}")


def _refusal(folder: Path, item: Altered) -> str:
    what = {
        "changed": "was changed since the run wrote it, or is another run's",
        "gone": "is gone",
        "foreign": "is another run's",
    }[item.state]
    table = item.name in READ_TABLES
    way_out = (
        "run detector predict again with the same scenes and out=, which puts it together anew"
        if table
        else "run detector predict again with the same out=, which does the scene anew"
    )
    return (
        f"{folder / item.name}: {what}, and activity reads it; changes by hand are not taken, "
        f"since nothing tells who made them and why: {way_out}"
    )


def _files(items: Sequence[Altered]) -> str:
    return "1 file was" if len(items) == 1 else f"{len(items)} files were"


def _them(items: Sequence[Altered]) -> str:
    return "it" if len(items) == 1 else "them"


def _names(items: Sequence[Altered]) -> str:
    named = ", ".join(item.name for item in items[:MOST_NAMED])
    left = len(items) - MOST_NAMED
    return f"{named} and {left} more" if left > 0 else named
