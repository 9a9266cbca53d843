"""What people changed at the looks of a zone: both numbers, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detector.activity.looks.sightings import PlacedObjects
from detector.activity.looks.zone_looks import Look
from detector.activity.series import source_of
from detector.classes import PORT
from detector.reviewing.correct import DRAWN


def correction_rows(site: str, zone: str, looks: Sequence[Look]) -> list[dict[str, Any]]:
    """One row a class of each look that people corrected, or looked at as a whole.

    Args:
        site: name.
        zone: of the looks.
        looks: in order of time; those that cannot be used give no rows.

    Returns:
        Rows `schema.CorrectionRow`.
    """
    rows = []
    for look in looks:
        if look.found is None or not look.usable:
            continue
        before = look.as_found.sightings
        for class_id, name in enumerate(PORT.names):
            now, was = _of(look.sightings, class_id), _of(before, class_id)
            ids, old = set(now.ids.tolist()), set(was.ids.tolist())
            rows.append(
                {
                    "site": site,
                    "zone": zone,
                    "day": look.day,
                    "class": name,
                    "source": source_of(look),
                    "count_found": len(was),
                    "count": len(now),
                    "area_found_m2": float(np.nansum(was.area_m2)),
                    "area_m2": float(np.nansum(now.area_m2)),
                    "judged": int((now.said != "").sum()) - _drawn(now),
                    "removed": len(old - ids),
                    "added": len(ids - old),
                    "doubtful": int(now.is_doubtful.sum()),
                    "observed_fraction": look.observed_fraction,
                    "status": look.status,
                }
            )
    return rows


def _of(objects: PlacedObjects, class_id: int) -> PlacedObjects:
    return objects.select(objects.class_ids == class_id)


def _drawn(objects: PlacedObjects) -> int:
    return sum(DRAWN in name for name in objects.ids.tolist())
