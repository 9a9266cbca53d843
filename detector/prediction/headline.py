"""What a run found, at a glance: one row a scene and zone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detector.classes import PORT, ClassSet
from detector.counting.counts import unreadable, unreadable_words
from detector.export.records import SceneRecord
from detector.later import pandas as pd


def headline_counts(
    counts: pd.DataFrame, classes: ClassSet = PORT, records: Sequence[SceneRecord] = ()
) -> pd.DataFrame:
    """One row a scene and zone: ships, stacks, what was seen.

    Args:
        counts: as `detector.counting.counts.counts_table` makes them.
        classes: of the run.
        records: of its scenes, whose gsd tells why nothing can be counted.

    Returns:
        Columns `scene`, `date`, `zone`, one for each class (`ships`, `stacks`), `observed`,
        `status`; counts are text, a dash where unseen or not to be read, which `status` tells.
    """
    total = counts[counts["length_class"] == "all"]
    counted = [classes[class_id] for class_id in classes.with_role("counted")]
    gsds = {record.scene_id: record.gsd_m for record in records}
    rows = []
    for (scene_id, zone), group in total.groupby(["scene_id", "zone"], sort=False):
        first = group.iloc[0]
        found = dict(zip(group["class"], group["count"], strict=True))
        rows.append(
            {
                "scene": scene_id,
                "date": _date(first),
                "zone": zone or "whole scene",
                **{entry.many: _number(found[entry.name]) for entry in counted},
                **_seen(first, gsds.get(str(scene_id))),
            }
        )
    return pd.DataFrame(rows)


def _date(row: pd.Series[Any]) -> str:
    told = row["acquired"] if pd.notna(row["acquired"]) else row["acquired_day"]
    return str(told)[: len("2026-09-02")] if pd.notna(told) else "unknown"


def _seen(row: pd.Series[Any], gsd_m: float | None) -> dict[str, str]:
    if unreadable(row["status"]):
        known = row["status"] != "scale_unknown" and gsd_m is None  # no records were given
        return {"observed": "-", "status": row["status"] if known else unreadable_words(gsd_m)}
    return {"observed": f"{100 * row['observed_fraction']:.0f} %", "status": row["status"]}


def interval_notes(counts: pd.DataFrame) -> list[str]:
    """What the intervals of a run leave out, one sentence a class, and one a marina.

    Args:
        counts: as `detector.counting.counts.counts_table` makes them.
    """
    whole = counts[(counts["length_class"] == "all") & (counts["zone"] == "")]
    notes = []
    for name, rows in whole.groupby("class", sort=False):
        said, short = rows[rows["count_est"].notna()], int(rows["left_out"].fillna(0).sum())
        if short:
            notes.append(
                f"{name}: {short} of {int(rows['count'].fillna(0).sum())} boxes are too short for "
                "the claim of the intervals; they are in the counts and in no interval"
            )
        if rows["count"].notna().any() and said.empty and rows["count_low"].isna().all():
            notes.append(f"{name}: counts have no intervals; the card of the weights claims none")
    all_lengths = counts[counts["length_class"] == "all"]
    least = all_lengths[all_lengths["count_est"].isna() & all_lengths["count_low"].notna()]
    for (of, zone), part in least.groupby(["class", "zone"], sort=False):
        numbers = sorted({int(part["count_low"].min()), int(part["count_low"].max())})
        notes.append(
            f"{of}: {zone or 'the scene'} {'is' if zone else 'holds'} a marina, whose boats are "
            f"missed too often for an interval: at least {' to '.join(map(str, numbers))}"
        )
    return notes


def _number(count: Any) -> str:
    return "-" if pd.isna(count) else str(count)
