"""What came and went: events of all sites, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

import numpy as np

from detector.activity.changes.blocks import ChangeKind
from detector.activity.looks.berthing import AT_BERTH
from detector.activity.looks.lengths import length_in_words
from detector.activity.looks.sightings import ID_SEPARATOR, PlacedObjects, stacks_of
from detector.activity.looks.zone_looks import Look
from detector.counting.zones import Zone
from detector.geometry.boxes import envelopes
from detector.wording import counted

STACK_EVENTS: Final[Mapping[ChangeKind, str]] = {
    "gone": "stacks gone",
    "appeared": "stacks appeared",
    "shrunk": "stacks shrunk",
    "grown": "stacks grown",
}
WHOLE_BLOCKS: Final[tuple[ChangeKind, ...]] = ("gone", "appeared")  # their whole area changed
LOADED_RAILHEAD: Final = "loaded at railhead"


class Size(NamedTuple):
    """Size of a ship or a block, metres; the ends of the length as `Detections` has them."""

    length_m: float
    width_m: float
    low_m: float
    high_m: float
    cut: str


def stack_events(
    changes: Sequence[Mapping[str, Any]], looks: Sequence[Look]
) -> list[dict[str, Any]]:
    """The changes of the stacks of one zone, those of one kind between two looks added up.

    Rows that are `exchanged` or `undecided` claim no change and are no events.

    `number` is the number of rows of `stack_changes`, `area_m2` the sum of their areas without the
    sign. Lengths and widths are of the blocks that the change is told by: those that left or were
    larger before, those that came or are larger after.

    Args:
        changes: rows of `stack_changes`, in order of time.
        looks: of the zone.
    """
    sizes: dict[str, Size] = {}
    for stacks in (stacks_of(look.sightings) for look in looks):
        sizes |= dict(zip(stacks.ids.tolist(), _sizes(stacks), strict=True))
    alike: dict[tuple[date, ChangeKind], list[Mapping[str, Any]]] = {}
    for row in changes:
        if row["kind"] not in STACK_EVENTS:
            continue  # it claims nothing
        alike.setdefault((row["to_day"], row["kind"]), []).append(row)
    return [_stack_event(kind, rows, sizes) for (_, kind), rows in alike.items()]


def railhead_events(site: str, zone: Zone, looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Loaded wagons or blocks at a railhead on every date that saw it whole: how many, how far.

    Args:
        site: name.
        zone: the railhead.
        looks: in order of time.
    """
    full = [look for look in looks if look.whole]
    return [_loaded(site, zone, look) for look in full if len(stacks_of(look.sightings))]


def ship_events(visits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One event a visit: `ship of 122 ± 6 m at Pier 2`, or `ship of at least 147 m`; ± is 90 %."""
    return [
        {
            "site": visit["site"],
            "zone": visit["zone"],
            "event": "ship",
            "first_day": visit["first_seen"],
            "last_day": visit["last_seen"],
            "number": 1,
            "lies": visit["lies"],
            "one_ship": visit["one_ship"],
            "area_m2": None,
            **_size_columns([_size_of_visit(visit)]),
            "text": f"{_who(visit)} {_where(visit)}",
            "evidence": visit["evidence"],
        }
        for visit in visits
    ]


def _who(visit: Mapping[str, Any]) -> str:
    """A ship; where a match of its looks is doubtful it may be two."""
    ship = f"ship of {length_in_words(visit)}"
    return ship if visit["one_ship"] else f"{ship}, or two alike,"


def _where(visit: Mapping[str, Any]) -> str:
    """Where the ship of a visit was, in words: `at` a zone only where it lay at its berth."""
    if visit["lies"] == "under_way":
        return f"under way in {visit['zone']}"
    return f"{'at' if visit['lies'] in AT_BERTH else 'in'} {visit['zone']}"


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


def _stack_event(
    kind: ChangeKind,
    rows: Sequence[Mapping[str, Any]],
    sizes: Mapping[str, Size],
) -> dict[str, Any]:
    """One event of rows of `stack_changes` of one zone, pair of looks and kind."""
    first = rows[0]
    before, after = (_ids(rows, column) for column in ("blocks_before", "blocks_after"))
    told = [sizes[name] for name in (before if kind in ("gone", "shrunk") else after)]
    area = abs(sum(row["area_m2"] for row in rows))
    stacks = counted(len(rows), "stack")
    least = "at least " if kind in WHOLE_BLOCKS and any(size.cut for size in told) else ""
    texts: dict[ChangeKind, str] = {
        "gone": f"{stacks}, {least}{area:,.0f} m², gone from {first['zone']}",
        "appeared": f"{stacks}, {least}{area:,.0f} m², appeared in {first['zone']}",
        "shrunk": f"{stacks} in {first['zone']} shrank by {area:,.0f} m²",
        "grown": f"{stacks} in {first['zone']} grew by {area:,.0f} m²",
    }
    return _event(
        (first["site"], first["zone"]),
        STACK_EVENTS[kind],
        (first["from_day"], first["to_day"]),
        len(rows),
        area,
        told,
    ) | {"text": texts[kind], "evidence": ID_SEPARATOR.join([*before, *after])}


def _ids(rows: Sequence[Mapping[str, Any]], column: str) -> list[str]:
    return [name for row in rows for name in row[column].split(ID_SEPARATOR) if name]


def _event(
    place: tuple[str, str],
    name: str,
    days: tuple[date, date],
    number: int,
    area_m2: float,
    sizes: Sequence[Size],
) -> dict[str, Any]:
    return {
        "site": place[0],
        "zone": place[1],
        "event": name,
        "first_day": days[0],
        "last_day": days[1],
        "number": number,
        "lies": None,
        "one_ship": None,
        "area_m2": area_m2,
        **_size_columns(sizes),
    }


def _loaded(site: str, zone: Zone, look: Look) -> dict[str, Any]:
    """Loaded wagons or blocks at a railhead: how many, and over which length."""
    stacks = stacks_of(look.sightings)
    west, south, east, north = envelopes(stacks.corners).T
    extent = float(np.hypot(east.max() - west.min(), north.max() - south.min()))
    noun = "block or train" if len(stacks) == 1 else "blocks or trains"
    # what goes on beyond the box of a cut block lies further out
    within = "within" if not stacks.is_cut.any() else "over at least"
    return _event(
        (site, zone.name),
        LOADED_RAILHEAD,
        (look.day, look.day),
        len(stacks),
        float(stacks.area_m2.sum()),
        _sizes(stacks),
    ) | {
        "text": f"{len(stacks)} loaded {noun} at {zone.name}, {within} {extent:.0f} m",
        "evidence": ID_SEPARATOR.join(stacks.ids.tolist()),
    }


def _sizes(stacks: PlacedObjects) -> list[Size]:
    """Of each block, as the look measured it."""
    columns = (
        stacks.length_m.tolist(),
        stacks.width_m.tolist(),
        stacks.length_low_m.tolist(),
        stacks.length_high_m.tolist(),
        stacks.cut.tolist(),
    )
    return [Size(*row) for row in zip(*columns, strict=True)]


def _size_of_visit(visit: Mapping[str, Any]) -> Size:
    low, high = (visit[f"length_{end}_m"] for end in ("low", "high"))
    return Size(
        visit["length_m"],
        visit["width_m"],
        np.nan if low is None else low,
        np.nan if high is None else high,
        visit["length_cut"],
    )


def _size_columns(sizes: Sequence[Size]) -> dict[str, list[Any]]:
    """Sizes as columns of the events: to a decimetre, None where nothing is claimed."""

    def rounded(values: Iterable[float]) -> list[float | None]:
        return [None if np.isnan(value) else round(float(value), 1) for value in values]

    return {
        "lengths_m": rounded(size.length_m for size in sizes),
        "lengths_low_m": rounded(size.low_m for size in sizes),
        "lengths_high_m": rounded(size.high_m for size in sizes),
        "lengths_cut": [size.cut for size in sizes],
        "widths_m": rounded(size.width_m for size in sizes),
    }
