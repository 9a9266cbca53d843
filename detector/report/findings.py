"""What is said of a site, in sentences made of the activity's numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from detector.activity.changes.events import STACK_EVENTS
from detector.activity.visits.statements import CALLING_KINDS
from detector.counting.counts import UNOBSERVED_SHARE, gives_number, seen_whole, unreadable
from detector.report.captions import day_reasons
from detector.report.words import Words
from detector.times import Acquired, longest_days, parse_acquired

Row = Mapping[str, Any]

CHANGE_KINDS: Final[Mapping[str, str]] = {name: kind for kind, name in STACK_EVENTS.items()}
WHOLE_KINDS: Final = ("gone", "appeared")  # whole stacks, which a reader asks for first
SPANS_SAID: Final = 3  # pairs of dates with the largest changes of stacks that are told in words
ZONES_LED: Final = 3  # zones with most calls, in the headline


@dataclass(frozen=True, slots=True)
class Findings:
    """What is said of one site.

    Attributes:
        lead: the headline, one sentence.
        found: what was found, one sentence each.
        unseen: what was not seen, one sentence each.
    """

    lead: str
    found: tuple[str, ...]
    unseen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """One date of a site over all its zones.

    Attributes:
        day: ISO date.
        status: `whole`, `partial` or `unobserved`: of the zones that have a look that day, and of
            those that have none.
        fraction: seen share of all zones, their mean.
        scene_ids: that saw any zone.
        acquired: of the first of them, ISO time; the day alone where the time of one is unknown.
        reason: why nothing is counted that day, in words; empty where something is.
        clouds_unknown: nothing tells where clouds were, and they are taken as clear.
    """

    day: str
    status: str
    fraction: float
    scene_ids: tuple[str, ...]
    acquired: str
    reason: str = ""
    clouds_unknown: bool = False

    @classmethod
    def of(cls, row: Row) -> Day:
        """The date of a row of the document's `days`."""
        known = {key: row[key] for key in cls.__dataclass_fields__ if key in row}
        return cls(**{**known, "scene_ids": tuple(row["scene_ids"])})


def find_site(site: str, activity: Mapping[str, Any], words: Words) -> Findings:
    """The sentences of a site.

    Args:
        site: name.
        activity: content of `activity.json`.
        words: of the page.
    """
    periods = [row for row in activity["periods"] if row["site"] == site]
    events = [row for row in activity["events"] if row["site"] == site]
    looks = [row for row in activity["looks"] if row["site"] == site]
    calls = sorted(
        (row for row in periods if row["visits_min"]), key=lambda row: -row["visits_min"]
    )
    found = [_call(row, words) for row in calls]
    found += _without_calls(periods, looks, words)
    stacks = [row for row in activity.get("stacks", ()) if row["site"] == site]
    found += _stack_changes(events, looks, stacks, words)
    found += _ground_changes(activity.get("ground_changes", ()), site, words)
    changes = [row for row in activity.get("stack_changes", ()) if row["site"] == site]
    found += _without_claim(changes, "exchanged", words)
    found += _containers(activity.get("stacks", ()), site, words)
    usable = any(gives_number(row["status"]) for row in looks)
    return Findings(
        # where no date can be used, that is the headline, and not that nothing changed
        lead=_lead(calls, periods, events, stacks, words)
        if usable or not found
        else _sentence(found[0]),
        found=tuple(_sentence(text) for text in found),
        unseen=(
            *_unseen(site_days(site, activity), looks, words),
            *map(_sentence, _without_claim(changes, "undecided", words)),
        ),
    )


def site_days(site: str, activity: Mapping[str, Any]) -> list[Day]:
    """The dates of a site, in order of time."""
    looks = [row for row in activity["looks"] if row["site"] == site]
    zones = {row["zone"] for row in looks}
    days = []
    for day in sorted({row["day"] for row in looks}):
        mine = [row for row in looks if row["day"] == day]
        seen = {row["zone"]: usable_share(row) for row in mine}
        shares = [seen.get(zone, 0.0) for zone in zones]
        whole = zones == {row["zone"] for row in mine if shows_whole(row)}
        nothing = all(share < UNOBSERVED_SHARE for share in shares)
        ids = dict.fromkeys(i for row in mine for i in row["scene_ids"].split("; ") if i)
        days.append(
            Day(
                day,
                "whole" if whole else "unobserved" if nothing else "partial",
                math.fsum(shares) / len(shares),
                tuple(ids),
                min(row["acquired"] or day for row in mine),
                clouds_unknown=any(row["status"] == "cloud_unknown" for row in mine),
            )
        )
    return days


def usable_share(look: Row) -> float:
    """The seen share of a zone; nothing is seen where the resolution cannot be used."""
    return float(look["observed_fraction"]) if gives_number(look["status"]) else 0.0


def shows_whole(row: Row) -> bool:
    """Whether a look, or a count of one, is of the whole zone."""
    return seen_whole(row["status"], row["observed_fraction"])


def length_words(min_length_m: float, words: Words) -> str:
    """` of 60 m or more`, or nothing where all lengths count."""
    return words.say("short.length", metres=f"{min_length_m:g}") if min_length_m > 0 else ""


def _lead(
    calls: Sequence[Row],
    periods: Sequence[Row],
    events: Sequence[Row],
    stacks: Sequence[Row],
    words: Words,
) -> str:
    parts = []
    for key, called in (("short.lead_ships", True), ("short.lead_in", False)):
        first = [row for row in calls if tells_calls(row) == called][:ZONES_LED]
        if first:
            length = length_words(first[0]["min_length_m"], words)
            name = "short.lead_call" if called else "short.lead_there"
            told = [words.say(name, n=r["visits_min"], zone=r["zone"]) for r in first]
            parts.append(words.say(key, length=length, parts=words.listed(told)))
    if not calls and any(row["visits_min"] == 0 for row in periods):
        length = length_words(periods[0]["min_length_m"], words)
        parts.append(words.say("short.lead_none", length=length))
    spans = _spans(events)
    if spans:
        parts.append(_span_words(spans[0], words))
    elif not parts:
        parts.append(_no_stack_change(stacks, words))
    return " ".join(_sentence(part) for part in parts)


def _call(row: Row, words: Words) -> str:
    key = "short.calls" if tells_calls(row) else "short.lay"
    length = length_words(row["min_length_m"], words)
    text = words.say(key, n=row["visits_min"], length=length, zone=row["zone"])
    most = row["visits_seen_max"]
    if most and most > row["visits_min"]:
        text += words.say("short.more", max=most)
    alone = row.get("visits_min_found")
    if alone is not None and alone != row["visits_min"]:
        text += words.say("short.network_alone", n=alone)
    return text + _besides(row, words)


def tells_calls(period: Row) -> bool:
    """Whether the visits of a period are calls at a berth, and not only ships in a zone."""
    return period["kind"] in CALLING_KINDS and period["quay"] != "unknown"


def _besides(row: Row, words: Words) -> str:
    """Ships that were there and do not count as visits; where a quay is unknown, that it is."""
    text = ""
    if row["others_min"]:
        key = "short.others_in_zone" if tells_calls(row) else "short.others_under_way"
        text = words.say(key, n=row["others_min"])
    if tells_calls(row) and row["under_way_listed"]:
        text += words.say("short.wakes", n=row["under_way_listed"])
    return text + (words.say("short.no_quay") if row["quay"] == "unknown" else "")


def _without_calls(periods: Sequence[Row], looks: Sequence[Row], words: Words) -> list[str]:
    told = []
    for called, key in ((True, "short.no_calls"), (False, "short.nobody")):
        none = [r for r in periods if r["visits_min"] == 0 and tells_calls(r) == called]
        apart = [row for row in none if _besides(row, words)]
        for rows in ([row for row in none if row not in apart], *([row] for row in apart)):
            if rows:
                zones = words.listed([row["zone"] for row in rows], "any_of")
                length = length_words(rows[0]["min_length_m"], words)
                text = words.say(key, length=length, zones=zones)
                told.append(text + _besides(rows[0], words))
    for row in periods:
        if row["visits_min"] is not None:
            continue
        number, length = row["ships_on_only_look"], length_words(row["min_length_m"], words)
        if number is None:
            mine = [look for look in looks if look["zone"] == row["zone"]]
            reasons = dict.fromkeys(day_reasons(mine, words).values())
            reason = words.listed(list(reasons)) or words.say("viewer.unseen")
            told.append(words.say("short.no_look", zone=row["zone"], reason=reason))
        else:
            key = "short.one_look_at" if tells_calls(row) else "short.one_look"
            told.append(words.say(key, n=number, length=length, zone=row["zone"]))
    return told


def _stack_changes(
    events: Sequence[Row], looks: Sequence[Row], stacks: Sequence[Row], words: Words
) -> list[str]:
    """The largest changes, and all together where these are not all: sums of `stack_changes`."""
    spans = _spans(events)
    if spans:
        said = sorted(spans[:SPANS_SAID], key=lambda rows: (rows[0]["last_day"], rows[0]["zone"]))
        told = [_span_words(rows, words) for rows in said]
        if len(spans) > SPANS_SAID:
            order = list(CHANGE_KINDS)
            every = [row for rows in spans for row in rows]
            sums = _by_kind(sorted(every, key=lambda row: order.index(row["event"])))
            told.append(words.say("short.all_changes", parts=words.listed(_parts(sums, words))))
        return told
    lands = any(row["kind"] in ("yard", "railhead") for row in looks)
    return [_no_stack_change(stacks, words)] if lands else []


def _no_stack_change(stacks: Sequence[Row], words: Words) -> str:
    """That no change was found; or that none could be, where no pixel was fine enough."""
    unread = [row for row in stacks if row["status"] == "outside_model_range" and row["gsd_m"]]
    if unread and not any(gives_number(row["status"]) for row in stacks):
        finest = min(row["gsd_m"] for row in unread)
        return words.say("short.stacks_unreadable", gsd=f"{finest:.3g}")
    return words.say("short.no_stack_change")


def _ground_changes(changes: Sequence[Row], site: str, words: Words) -> list[str]:
    """One sentence for each pair of coarse looks of a yard: how much of its ground changed."""
    told = []
    for row in changes:
        if row["site"] != site or row["changed_share"] is None:
            continue
        low, mid, high = (round(100 * row[f"changed_{end}"]) for end in ("low", "share", "high"))
        values = {"zone": row["zone"], "low": low, "mid": mid, "high": high}
        values["between"] = words.between(row["from_day"], row["to_day"])
        values["gsd"] = f"{row['gsd_m']:.3g}"
        told.append(words.say("short.ground" if low else "short.ground_same", **values))
    return told


def _without_claim(changes: Sequence[Row], kind: str, words: Words) -> list[str]:
    """Rows of `stack_changes` that claim no change, added up."""
    areas = [row["area_m2"] for row in changes if row["kind"] == kind]
    return [words.say(f"short.{kind}", n=len(areas), area=round(sum(areas)))] if areas else []


def _spans(events: Sequence[Row]) -> list[list[Row]]:
    """Changes of stacks of one zone between two dates together, the largest first.

    Whole stacks that came or went count before those that grew or shrank, which are more often the
    network's; within a span they are in the same order.
    """
    spans: dict[tuple[str, str], list[Row]] = {}
    for row in events:
        if row["event"] in CHANGE_KINDS:
            spans.setdefault((row["zone"], row["last_day"]), []).append(row)
    ordered = [sorted(rows, key=_size_order) for rows in spans.values()]
    return sorted(ordered, key=lambda rows: _size_order(rows[0]))


def _size_order(row: Row) -> tuple[bool, float, str]:
    whole = CHANGE_KINDS[row["event"]] in WHOLE_KINDS
    return not whole, -(row["area_m2"] or 0.0), row["event_id"]


def _span_words(rows: Sequence[Row], words: Words) -> str:
    """What is said of the changes of one zone between two dates: all of them."""
    first, zone = rows[0], rows[0]["zone"]
    between = words.between(first["first_day"], first["last_day"])
    (kind, number, area), *rest = _by_kind(rows)
    text = words.say(f"short.{kind}", n=number, area=area, zone=zone, between=between)
    return text + (
        words.say("short.besides", parts=words.listed(_parts(rest, words))) if rest else ""
    )


def _by_kind(rows: Sequence[Row]) -> list[tuple[str, int, int]]:
    """Kind, number and square metres of changes, added up by kind, in the order of the rows."""
    sums: dict[str, tuple[int, float]] = {}
    for row in rows:
        kind = CHANGE_KINDS[row["event"]]
        number, area = sums.get(kind, (0, 0.0))
        sums[kind] = number + row["number"], area + (row["area_m2"] or 0.0)
    return [(kind, number, round(area)) for kind, (number, area) in sums.items()]


def _parts(sums: Sequence[tuple[str, int, int]], words: Words) -> list[str]:
    return [words.say(f"short.part.{kind}", n=n, area=area) for kind, n, area in sums]


def _containers(stacks: Sequence[Row], site: str, words: Words) -> list[str]:
    """The last estimate of each zone of a site that ever held blocks, where there is one."""
    ever = {row["zone"] for row in stacks if row["site"] == site and row["blocks"]}
    last: dict[str, Row] = {}
    for row in stacks:
        if row["site"] == site and row["zone"] in ever and row["teu_high"] is not None:
            last[row["zone"]] = max(last.get(row["zone"], row), row, key=lambda r: r["day"])
    told = []
    for zone, row in last.items():
        low, mid, high = (round(row[key]) for key in ("teu_low", "teu", "teu_high"))
        values = {"zone": zone, "mid": mid, "low": low, "high": high, "day": words.day(row["day"])}
        values["of"] = words.say(f"short.teu_of.{row['interval_of']}", **_seen_share(row))
        values["cut"] = words.say("short.teu_cut", n=row["cut_blocks"]) if row["cut_blocks"] else ""
        told.append(words.say("short.teu", **values))
    return told


def _seen_share(row: Row) -> dict[str, int]:
    return {"seen": math.floor(100 * row["observed_fraction"])}


def _unseen(days: Sequence[Day], looks: Sequence[Row], words: Words) -> list[str]:
    if not days:
        return []
    counts = {kind: sum(day.status == kind for day in days) for kind in ("whole", "partial")}
    untold = sum(day.clouds_unknown for day in days)
    key = "short.all_seen" if counts["whole"] == len(days) else "short.unseen"
    text = words.say(
        "short.covered" if untold else key,
        days=words.days(days[0].day, days[-1].day),
        observed=counts["whole"],
        partial=counts["partial"],
        unobserved=len(days) - counts["whole"] - counts["partial"],
        n=len(days),
        untold=untold,
    )
    told = [_sentence(text), *_uncounted(looks, words)]
    gap = _longest_gap_days(looks)
    if gap is not None:
        # dates of one hour differ by minutes; that is no further day
        words_of_gap = words.say("short.gap_days", n=max(math.ceil(gap - 0.1), 1))
        told.append(words.say(f"short.{'covered' if untold else 'unseen'}_gap", gap=words_of_gap))
    return told


def _uncounted(looks: Sequence[Row], words: Words) -> list[str]:
    """Dates on which something was seen and yet nothing can be counted: one sentence a reason."""
    dates: dict[str, list[str]] = {}
    for day, reason in day_reasons(looks, words).items():
        if any(row["day"] == day and unreadable(row["status"]) for row in looks):
            dates.setdefault(reason, []).append(day)
    return [
        words.say(
            "short.uncounted",
            n=len(days),
            days=words.listed([words.day(day) for day in days]),
            reason=reason,
        )
        for reason, days in dates.items()
    ]


def _longest_gap_days(looks: Sequence[Row]) -> float | None:
    """The longest time in which some zone was not seen whole; None with a single date."""
    gaps = []
    for zone in {row["zone"] for row in looks}:
        mine = [row for row in looks if row["zone"] == zone]
        full = [row for row in mine if shows_whole(row)]
        if len(mine) > 1:
            gaps.append(longest_days([_when(row) for row in (mine[0], mine[-1], *full)]))
    return max(gaps, default=None)


def _when(row: Row) -> Acquired:
    return parse_acquired(row["acquired"] or row["day"])


def _sentence(text: str) -> str:
    """With a capital and a full stop, whatever script the first word has."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "。", "।")) else ".")
