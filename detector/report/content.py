"""The report as one document of plain values: what the page shows, and `report.json` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from detector._version import __version__
from detector.activity.changes.events import STACK_EVENTS
from detector.activity.looks.lengths import length_in_short, length_in_words
from detector.activity.looks.sites import Site
from detector.classes import CONTAINER_STACK
from detector.report.captions import day_reasons, unread_reason
from detector.report.credits import read_credit
from detector.report.events import event_rows, link_rows
from detector.report.findings import (
    CHANGE_KINDS,
    Day,
    find_site,
    shows_whole,
    site_days,
    usable_share,
)
from detector.report.reviewed import say_reviewed, say_reviews
from detector.report.series import zone_charts
from detector.report.sources import Sources
from detector.report.timeline import unseen_spans, visit_bars
from detector.report.words import Words
from detector.times import parse_acquired

FORMAT: Final = 1
UTC_KEY: Final = "UTC"
PATH_KEYS: Final = ("path", "zones", "cloud_source")  # folders stay at home: only names are told
RUN_LISTS: Final = ("scenes", "files")  # of run.json: the page has a table of scenes
RECORD_KEYS: Final = (
    "path",
    "status",
    "reason",
    "scene_id",
    "acquired",
    "acquired_day",
    "acquired_precision",
    "acquired_source",
    "gsd_m",
    "crs",
    "cloud_source",
    "content_hash",
    "weights",
    "weights_sha256",
    "fingerprint",
    "warnings",
)

Row = Mapping[str, Any]


def build_document(
    sources: Sources, words: Words, note: str = "", credit: str = ""
) -> dict[str, Any]:
    """All that the report says, without pictures.

    Args:
        sources: of the report.
        words: of the page.
        note: what the reader must know first, or empty.
        credit: of the imagery, for scenes whose files do not tell; or empty.

    Returns:
        `format`, `version`, `title`, `note`, `sites` (each with `name`, `lead`, `found`, `unseen`,
        `days`, `charts`, `empty`, `visits`, `events`, `stacks`, `stack_changes`,
        `trains`, `ground_changes`), `links`, `timeline`, `provenance`.
    """
    activity = sources.activity
    names = list(dict.fromkeys(row["site"] for row in activity["looks"]))
    return {
        "format": FORMAT,
        "version": __version__,
        "title": _title(activity, names, words),
        "note": note,
        "min_length_m": activity["min_length_m"],
        "calibrated": activity["calibrated"],
        "sites": [_site(name, activity, words, sources) for name in names],
        "links": link_rows(activity, words),
        "timeline": _timeline(activity, names),
        "provenance": _provenance(sources, credit) | {"reviews": say_reviews(activity, words)},
    }


def _title(activity: Mapping[str, Any], names: Sequence[str], words: Words) -> str:
    scenes = {i for row in activity["looks"] for i in row["scene_ids"].split("; ") if i}
    days = sorted(row["day"] for row in activity["looks"])
    return words.say(
        "title",
        scenes=words.say("scenes", n=len(scenes)),
        sites=words.say("sites", n=len(names)),
        days=words.days(days[0], days[-1]) if days else "",
    )


def _site(name: str, activity: Mapping[str, Any], words: Words, sources: Sources) -> dict[str, Any]:
    findings = find_site(name, activity, words)
    site = sources.sites.get(name)
    days = site_days(name, activity)
    reasons = day_reasons(_of(activity["looks"], name), words)
    charts, empty = zone_charts(name, activity, words)
    return {
        "name": name,
        "lead": findings.lead,
        "found": list(findings.found),
        "unseen": list(findings.unseen),
        "days": [
            _day(day, reasons, local_time(day, site, words))
            | {"stacks_unread": _stacks_unread(day, name, activity, words)}
            for day in days
        ],
        "charts": charts,
        "empty": empty,
        "visits": [_visit(row, words) for row in _of(activity["visits"], name)],
        "events": event_rows(name, activity, words),
        "stacks": _of(activity.get("stacks", ()), name),
        "stacks_unread": _stacks_unread(None, name, activity, words),
        "trains": _of(activity.get("trains", ()), name),
        "ground_changes": [
            _ground(row, words) for row in _of(activity.get("ground_changes", ()), name)
        ],
        "review": say_reviewed(name, activity, words, sources),
        "stack_changes": [
            {**row, "span": _span(row, words)}
            for row in _of(activity.get("stack_changes", ()), name)
            if row["kind"] in STACK_EVENTS
        ],
    }


def _stacks_unread(day: Day | None, site: str, activity: Mapping[str, Any], words: Words) -> str:
    """Why no stack is counted on a date, or on any, though ships are; empty where some are."""

    def mine(table: str) -> list[Row]:
        rows = _of(activity[table], site)
        return [row for row in rows if day is None or row["day"] == day.day]

    stacks = [row for row in mine("series") if row["class"] == CONTAINER_STACK.name]
    return unread_reason(stacks, mine("looks"), words)


def _ground(row: Row, words: Words) -> dict[str, Any]:
    """A row of `ground_changes` with its dates in words and its shares in whole percent."""
    shares = {
        "changed_percent": row["changed_share"],
        "changed_low_percent": row["changed_low"],
        "changed_high_percent": row["changed_high"],
        "by_chance_percent": row["false_alarm"],
    }
    percents = {key: None if v is None else round(100 * v) for key, v in shares.items()}
    return {**row, "span": _span(row, words), **percents}


def _span(row: Row, words: Words) -> str:
    """The dates between which a block came, went or changed."""
    return words.days(row["from_day"], row["to_day"])


def local_time(day: Day, site: Site | None, words: Words) -> str:
    """The time of day at the site, in words; empty where it is unknown, or is UTC's."""
    moment = parse_acquired(day.acquired).moment
    if moment is None or site is None or site.time_zone.key == UTC_KEY:
        return ""
    local = moment.astimezone(site.time_zone)
    return words.say("viewer.local", time=f"{local:%H:%M}", zone=site.time_zone.key)


def _day(day: Day, reasons: Mapping[str, str], local: str) -> dict[str, Any]:
    return {
        "day": day.day,
        "status": day.status,
        "fraction": round(day.fraction, 4),
        "scene_ids": list(day.scene_ids),
        "acquired": day.acquired,
        "local": local,
        "reason": reasons.get(day.day, ""),
        "clouds_unknown": day.clouds_unknown,
    }


def _visit(row: Row, words: Words) -> dict[str, Any]:
    """A visit with its coming and going in words."""
    came, went = row["arrival"], row["departure"]
    doubtful = words.say("visit.doubtful")
    first, last = row["first_seen"], row["last_seen"]
    if came == "before the first look":
        arrival = words.say("visit.there", day=words.day(first))
    else:
        arrival = _between(row["not_before"], first, words)
        arrival += doubtful if came == "undecided" else ""
    if went == "after the last look":
        departure = words.say("visit.still", day=words.day(last))
    else:
        departure = _between(last, row["not_after"], words)
        departure += doubtful if went == "undecided" else ""
    lay = words.say("visit." + row["lies"])
    if not row.get("one_ship", True):  # earlier versions did not say
        lay = words.say("visit.may_be_two", lies=lay)
    return {
        **row,
        "length_words": length_in_words(row),
        "length_short": length_in_short(row),
        "lies_words": lay,
        "arrival_words": arrival,
        "departure_words": departure,
    }


def _between(first: str | None, last: str | None, words: Words) -> str:
    if first is None and last is None:
        return words.say("visit.unknown")
    if first is None:
        return words.say("visit.before", day=words.day(str(last)))
    if last is None:
        return words.say("visit.after", day=words.day(first))
    return words.between(first, last)


def _timeline(activity: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Rows (`site`, `zone`), looks, bars of visits, changes of stacks, and links between them."""
    events = {row["event_id"]: row for row in activity["events"]}
    rows = list(dict.fromkeys((row["site"], row["zone"]) for row in activity["looks"]))
    order = [key for name in names for key in rows if key[0] == name]
    looks = [
        {
            **_pick(row, "site", "zone", "day", "status"),
            "seen": usable_share(row),
            "shows": "whole" if shows_whole(row) else "part" if usable_share(row) else "nothing",
        }
        for row in activity["looks"]
    ]
    bars = visit_bars(activity["visits"], activity["looks"])
    visits = [
        bar | {"length_words": length_in_words(row), "length_short": length_in_short(row)}
        for bar, row in zip(bars, activity["visits"], strict=True)
    ]
    changes = [
        _pick(row, "event_id", "site", "zone", "event", "first_day", "last_day", "number")
        for row in activity["events"]
        if row["event"] in CHANGE_KINDS
    ]
    links = [
        {
            "from": _pick(events[link["from_event"]], "site", "zone", "last_day"),
            "to": _pick(events[link["to_event"]], "site", "zone", "last_day"),
            "alike": link["stacks_alike"],
        }
        for link in activity["links"]
    ]
    return {
        "rows": [{"site": site, "zone": zone} for site, zone in order],
        "looks": looks,
        "unseen": unseen_spans(looks),
        "visits": visits,
        "changes": changes,
        "links": links,
    }


def _provenance(sources: Sources, credit: str) -> dict[str, Any]:
    used = {i for row in sources.activity["looks"] for i in row["scene_ids"].split("; ") if i}
    moved = {row["scene_id"]: row for row in sources.activity["registration"]}
    nothing = {"shift_east_m": None, "shift_north_m": None, "residual_m": None, "method": ""}
    records = [
        _pick(moved.get(row["scene_id"], nothing), *nothing)
        | {"credit": read_credit(str(row["path"])) or credit}
        | _without_folders(_pick(row, *(key for key in RECORD_KEYS if key in row)))
        for row in sources.records
        if row["scene_id"] in used or row["status"] != "done"
    ]
    return {
        "activity_version": sources.activity["version"],
        "warnings": [*sources.activity["warnings"], *sources.remarks],
        "scenes": records,
        "registration": list(sources.activity["registration"]),
        "skipped": list(sources.activity["skipped"]),
        "runs": [_run(run) for run in sources.runs],
    }


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    return _without_folders({key: value for key, value in run.items() if key not in RUN_LISTS})


def _without_folders(row: Row) -> dict[str, Any]:
    named = {key: PurePath(str(row[key])).name for key in PATH_KEYS if row.get(key)}
    return {**row, **named}


def _of(rows: Sequence[Row], site: str) -> list[dict[str, Any]]:
    return [dict(row) for row in rows if row["site"] == site]


def _pick(row: Row, *keys: str) -> dict[str, Any]:
    return {key: row[key] for key in keys}
