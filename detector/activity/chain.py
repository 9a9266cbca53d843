"""Several sites, one chain: events over all sites, and which may have to do with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.activity.looks import Look
from detector.activity.sightings import Sightings
from detector.classes import ObjectClass
from detector.counting.counts import OBSERVED_SHARE
from detector.counting.zones import Zone
from detector.geometry.boxes import envelopes

SAME_PLACE_SHARE = 0.3  # of a stack's area, under other stacks of the other look: it stood there
LEAST_STACK_M2 = 60.0  # two 40 ft containers side by side; less is in the errors of the boxes
ALIKE_LENGTH = 0.05  # stacks of one length within this, and a metre and a half of tolerance
ALIKE_LENGTH_M = 1.5
LEAST_ALIKE_M = 20.0  # shorter stacks are like too many others
ALIKE_NUMBER = 2  # stacks at least that are alike, for a link to be listed
LONGEST_TRANSIT_DAYS = 30
LENGTH_SD = 0.045  # relative, of one measured length
LEVEL_90 = 1.645
EVIDENCE_SEPARATOR = "; "


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
        old, new = _stacks(before), _stacks(after)
        tolerance = float(np.hypot(before.residual_m, after.residual_m))
        for kind, here, other, look in (
            ("stacks appeared", new, old, after),
            ("stacks gone", old, new, after),
        ):
            chosen = here.select(_without_partner(here, other, tolerance))
            if len(chosen):
                events.append(_stack_event(kind, site, zone, before.day, look.day, chosen))
    if zone.kind == "railhead":
        events += [_train(site, zone, look) for look in full if len(_stacks(look))]
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


def consistent_links(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stacks that are gone from one site and like ones that appeared at another, later.

    A link says "consistent with", and why; it never says that they are the same containers.

    Args:
        events: as `sort_events` gives them.

    Returns:
        One row a link: both event ids, the days between, how many stacks have like lengths, and the
        sentence.
    """
    gone = [event for event in events if event["event"] == "stacks gone"]
    came = [event for event in events if event["event"] == "stacks appeared"]
    links = []
    for first in gone:
        for second in came:
            # gone within (first_day, last_day], appeared within the same kind of span
            days = (second["last_day"] - first["first_day"]).days
            if first["site"] == second["site"] or not 0 < days <= LONGEST_TRANSIT_DAYS:
                continue
            alike = count_alike(first["lengths_m"], second["lengths_m"])
            if alike >= min(ALIKE_NUMBER, first["number"], second["number"]) and alike > 0:
                links.append(_link(first, second, alike))
    return links


def count_alike(one: Sequence[float], other: Sequence[float]) -> int:
    """How many lengths of two lists pair up within the tolerance, each used once.

    Stacks shorter than `LEAST_ALIKE_M` don't take part.
    """
    a, b = (sorted(x for x in lengths if x >= LEAST_ALIKE_M) for lengths in (one, other))
    i = j = pairs = 0
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= ALIKE_LENGTH_M + ALIKE_LENGTH * max(a[i], b[j]):
            i, j, pairs = i + 1, j + 1, pairs + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return pairs


def _link(first: Mapping[str, Any], second: Mapping[str, Any], alike: int) -> dict[str, Any]:
    return {
        "from_event": first["event_id"],
        "to_event": second["event_id"],
        "from_site": first["site"],
        "to_site": second["site"],
        "gone_by": first["last_day"],
        "appeared_by": second["last_day"],
        "stacks_alike": alike,
        "sentence": (
            f"consistent with goods that went from {first['site']} ({first['zone']}) to "
            f"{second['site']} ({second['zone']}): {_stacks_of(first)} gone by "
            f"{first['last_day']}, {_stacks_of(second)} appeared by {second['last_day']}, {alike} "
            "of like length; not proof that they are the same"
        ),
    }


def _stacks_of(event: Mapping[str, Any]) -> str:
    return f"{event['number']} stack{'' if event['number'] == 1 else 's'}"


def _stacks(look: Look) -> Sightings:
    stacks = look.sightings.class_ids == ObjectClass.CONTAINER_STACK
    return look.sightings.select(stacks & (look.sightings.area_m2 >= LEAST_STACK_M2))


def _without_partner(here: Sightings, other: Sightings, tolerance_m: float) -> NDArray[np.bool_]:
    """Which stacks `(N,)` stand where the other look shows none."""
    if not len(other):
        return np.ones(len(here), np.bool_)
    shapes = shapely.polygons(here.corners)
    rest = shapely.union_all(shapely.buffer(shapely.polygons(other.corners), tolerance_m))
    shared = shapely.area(shapely.intersection(shapes, rest))
    return np.asarray(shared < SAME_PLACE_SHARE * shapely.area(shapes))


def _stack_event(
    kind: str, site: str, zone: Zone, first: date, last: date, stacks: Sightings
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
    }
    return event | {
        "text": f"{_stacks_of(event)}, {area:,.0f} m², {what} {zone.name}",
        "evidence": EVIDENCE_SEPARATOR.join(stacks.ids.tolist()),
    }


def _train(site: str, zone: Zone, look: Look) -> dict[str, Any]:
    """Loaded wagons or blocks at a railhead: how many, and over which length."""
    stacks = _stacks(look)
    west, south, east, north = envelopes(stacks.corners).T
    extent = float(np.hypot(east.max() - west.min(), north.max() - south.min()))
    event = _stack_event("loaded at railhead", site, zone, look.day, look.day, stacks)
    noun = "block or train" if len(stacks) == 1 else "blocks or trains"
    return event | {
        "text": f"{len(stacks)} loaded {noun} at {zone.name}, within {extent:.0f} m",
    }
