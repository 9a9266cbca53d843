"""The events of a site, each with the pictures before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from detector.activity.changes.events import LOADED_RAILHEAD, STACK_EVENTS
from detector.activity.looks.berthing import AT_BERTH
from detector.activity.looks.lengths import length_in_words, length_of_event
from detector.activity.looks.sightings import ID_SEPARATOR
from detector.report.findings import CHANGE_KINDS, WHOLE_KINDS
from detector.report.gallery import LookPicture, SiteGallery
from detector.report.words import Words

Row = Mapping[str, Any]

SHIP: Final = "ship"
KEYS: Final = {**CHANGE_KINDS, LOADED_RAILHEAD: "train", SHIP: "ship"}
LEAST_CHANCE: Final = 0.001  # smaller numbers say no more
# where room is short
FIRST_SHOWN: Final = {
    **{name: 0 if kind in WHOLE_KINDS else 1 for kind, name in STACK_EVENTS.items()},
    SHIP: 2,
    LOADED_RAILHEAD: 3,
}


def event_rows(site: str, activity: Mapping[str, Any], words: Words) -> list[dict[str, Any]]:
    """The events of a site in order of time, with their text in the page's words."""
    rows = []
    for row in activity["events"]:
        if row["site"] == site:
            kind = KEYS.get(row["event"], row["event"])
            rows.append({**row, "kind": kind, "text": _text(row, kind, words)})
    return rows


def shown_events(rows: Sequence[Row], most: int) -> list[Row]:
    """The events that get pictures, in order of time; where room is short stacks go first."""
    # whole stacks, stacks that grew or shrank, then ships, then trains
    order = sorted(range(len(rows)), key=lambda i: (FIRST_SHOWN.get(rows[i]["event"], 4), i))
    return [rows[i] for i in sorted(order[:most])]


def chips_of(
    row: Row, gallery: SiteGallery, looks: Sequence[Row], budget_bytes: int
) -> list[LookPicture]:
    """The pictures of an event; empty where its boxes or scenes are gone.

    Args:
        row: of the events.
        gallery: of the site.
        looks: rows of the looks of the site.
        budget_bytes: of each picture.
    """
    evidence = row["evidence"].split(ID_SEPARATOR)
    boxes = [gallery.box(item) for item in evidence]
    corners = [box for box in boxes if box is not None]
    days = {day.day: day for day in gallery.days}
    if not corners:
        return []
    frame = None
    chips = []
    for kind, day in moments(row, looks):
        moment = days.get(day)
        if moment is None:
            continue
        frame = frame or gallery.chip_frame(np.stack(corners), moment)
        chip = gallery.chip(moment, frame, evidence, kind, budget_bytes)
        if chip is not None:
            chips.append(chip)
    return chips


def link_rows(activity: Mapping[str, Any], words: Words) -> list[dict[str, Any]]:
    """The links between sites, each with its sentence, those with most stacks alike first."""
    events = {row["event_id"]: row for row in activity["events"]}
    rows = []
    strongest = sorted(activity["links"], key=lambda row: -row["stacks_alike"])
    for link in strongest:
        one, two = events[link["from_event"]], events[link["to_event"]]
        sentence = words.say(
            "links.sentence",
            from_site=link["from_site"],
            from_zone=one["zone"],
            to_site=link["to_site"],
            to_zone=two["zone"],
            gone=words.say("links.stacks", n=one["number"]),
            gone_day=words.day(link["gone_by"]),
            came=words.say("links.stacks", n=two["number"]),
            came_day=words.day(link["appeared_by"]),
            alike=words.say("links.alike", n=link["stacks_alike"]),
            chance=_chance_words(link["by_chance"], words),
        )
        rows.append(
            {**link, "sentence": sentence, "from_zone": one["zone"], "to_zone": two["zone"]}
        )
    return rows


def _chance_words(chance: float, words: Words) -> str:
    if chance < LEAST_CHANCE:
        return words.say("links.below", limit=f"{LEAST_CHANCE:g}")
    return f"{chance:.2g}"


def _text(row: Row, kind: str, words: Words) -> str:
    if kind != SHIP:
        return words.say(f"event.{kind}", n=row["number"], zone=row["zone"])
    values = {"length": length_in_words(length_of_event(row)), "zone": row["zone"]}
    key = "event.ship" if row.get("one_ship", True) else "event.ships"
    if row["lies"] == "under_way":
        return words.say(f"{key}_under_way", **values)
    return words.say(key if row["lies"] in AT_BERTH else f"{key}_in", **values)


def moments(row: Row, looks: Sequence[Row]) -> list[tuple[str, str]]:
    """Which dates show an event, in order of time: words of `event.` and ISO days."""
    first, last = row["first_day"], row["last_day"]
    if row["event"] in CHANGE_KINDS:
        return [("before", first), ("after", last)]
    days = sorted({look["day"] for look in looks if look["zone"] == row["zone"] and _shows(look)})
    before = [("before", day) for day in days if day < first][-1:]
    after = [("after", day) for day in days if day > last][:1]
    if row["event"] == LOADED_RAILHEAD:
        return [*before, ("after", last)]
    seen = [("ship_first", first)] + ([("ship_last", last)] if last != first else [])
    return [*before, *seen, *after]


def _shows(look: Row) -> bool:
    return bool(look["status"] != "unobserved")
