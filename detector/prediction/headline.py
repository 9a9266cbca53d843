"""What a run found, at a glance: one row a scene and zone."""

from __future__ import annotations

from typing import Any

import pandas as pd


def headline_counts(counts: pd.DataFrame) -> pd.DataFrame:
    """One row a scene and zone: ships, stacks, what was seen.

    Args:
        counts: as `detector.counting.counts.counts_table` makes them.

    Returns:
        Columns `scene`, `date`, `zone`, `ships`, `stacks`, `observed`, `status`; counts are text,
        a dash where unseen.
    """
    total = counts[counts["length_class"] == "all"]
    rows = []
    for (scene_id, zone), group in total.groupby(["scene_id", "zone"], sort=False):
        first = group.iloc[0]
        found = dict(zip(group["class"], group["count"], strict=True))
        rows.append(
            {
                "scene": scene_id,
                "date": f"{first['acquired']:%Y-%m-%d}"
                if pd.notna(first["acquired"])
                else "unknown",
                "zone": zone or "whole scene",
                "ships": _number(found["ship"]),
                "stacks": _number(found["container_stack"]),
                "observed": f"{100 * first['observed_fraction']:.0f} %",
                "status": first["status"],
            }
        )
    return pd.DataFrame(rows)


def _number(count: Any) -> str:
    return "-" if pd.isna(count) else str(count)
