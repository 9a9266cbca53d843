"""What came and went: events of all sites, in order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.activity.looks.sightings import ID_SEPARATOR, PlacedObjects, stacks_of
from detector.activity.looks.zone_looks import Look
from detector.counting.counts import OBSERVED_SHARE
from detector.counting.zones import Zone
from detector.geometry.boxes import envelopes, intersection_areas

SAME_PLACE_SHARE = 0.3  # of a stack's area, under other stacks of the other look: it stood there
LENGTH_SD = 0.045  # relative, of one measured length
LEVEL_90 = 1.645


def stack_events(site: str, zone: Zone, looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Stacks that appeared or are gone, and trains, between looks that saw the whole zone.

    A stack is new where other stacks cover less than `SAME_PLACE_SHARE` of it at the look before,
    both grown by the residual of the registration, so a shift makes no events.

    Args:
        site: name.
        zone: `yard`, `railhead` or any other.
        looks: in order of time.
    """
    full = [look for look in looks if look.usable and look.observed_fraction >= OBSERVED_SHARE]
    events = []
    for before, after in pairwise(full):
        old, new = stacks_of(before.sightings), stacks_of(after.sightings)
        tolerance = float(np.hypot(before.residual_m, after.residual_m))
        for kind, here, other, look in (
            ("stacks appeared", new, old, after),
            ("stacks gone", old, new, after),
        ):
            chosen = here.select(_without_partner(here, other, tolerance))
            if len(chosen):
                events.append(_stack_event(kind, site, zone, before.day, look.day, chosen))
    if zone.kind == "railhead":
        events += [_train(site, zone, look) for look in full if len(stacks_of(look.sightings))]
    return events


def ship_events(visits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One event a visit: `ship of 122 ± 6 m at Pier 2`; ± is a 90 % interval of its length."""
    events = []
    for visit in visits:
        length = visit["length_m"]
        error = LEVEL_90 * LENGTH_SD * length / np.sqrt(visit["looks_seen"])
        events.append(
            {
                "site": visit["site"],
                "zone": visit["zone"],
                "event": "ship",
                "first_day": visit["first_seen"],
                "last_day": visit["last_seen"],
                "number": 1,
                "area_m2": None,
                "lengths_m": [round(float(length), 1)],
                "widths_m": [round(float(visit["width_m"]), 1)],
                "text": f"ship of {length:.0f} ± {max(error, 1.0):.0f} m at {visit['zone']}",
                "evidence": visit["evidence"],
            }
        )
    return events


def sort_events(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """In order of time over all sites, each with an `event_id`."""
    ordered = sorted(
        events,
        key=lambda item: (
            item["last_day"],
            item["site"],
            item["zone"],
            item["event"],
            item["text"],
        ),
    )
    return [{"event_id": f"E{i:04d}", **event} for i, event in enumerate(ordered, start=1)]


def _number_of_stacks(event: Mapping[str, Any]) -> str:
    return f"{event['number']} stack{'' if event['number'] == 1 else 's'}"


def _without_partner(
    here: PlacedObjects, other: PlacedObjects, tolerance_m: float
) -> NDArray[np.bool_]:
    """Which stacks `(N,)` stand where the other look shows none."""
    if not len(other):
        return np.ones(len(here), np.bool_)
    shapes = shapely.polygons(here.corners)
    rest = shapely.union_all(shapely.buffer(shapely.polygons(other.corners), tolerance_m))
    shared = intersection_areas(shapes, rest)
    return np.asarray(shared < SAME_PLACE_SHARE * shapely.area(shapes))


def _stack_event(
    kind: str, site: str, zone: Zone, first: date, last: date, stacks: PlacedObjects
) -> dict[str, Any]:
    area = float(stacks.area_m2.sum())
    what = "appeared in" if kind == "stacks appeared" else "gone from"
    event = {
        "site": site,
        "zone": zone.name,
        "event": kind,
        "first_day": first,
        "last_day": last,
        "number": len(stacks),
        "area_m2": area,
        "lengths_m": [round(float(x), 1) for x in stacks.length_m],
        "widths_m": [round(float(x), 1) for x in stacks.width_m],
    }
    return event | {
        "text": f"{_number_of_stacks(event)}, {area:,.0f} m², {what} {zone.name}",
        "evidence": ID_SEPARATOR.join(stacks.ids.tolist()),
    }


def _train(site: str, zone: Zone, look: Look) -> dict[str, Any]:
    """Loaded wagons or blocks at a railhead: how many, and over which length."""
    stacks = stacks_of(look.sightings)
    west, south, east, north = envelopes(stacks.corners).T
    extent = float(np.hypot(east.max() - west.min(), north.max() - south.min()))
    event = _stack_event("loaded at railhead", site, zone, look.day, look.day, stacks)
    noun = "block or train" if len(stacks) == 1 else "blocks or trains"
    return event | {
        "text": f"{len(stacks)} loaded {noun} at {zone.name}, within {extent:.0f} m",
    }
