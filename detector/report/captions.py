"""What stands beside pictures and charts: what is in view, what is not, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detector.counting.counts import gives_number, unreadable
from detector.report.words import Words

Row = Mapping[str, Any]


def status_words(status: str, gsd_m: float | None, words: Words) -> str:
    """The status of a look in words; of one that cannot be read with its resolution."""
    if status == "outside_model_range" and gsd_m is not None:
        return words.say("status.not_readable", gsd=f"{gsd_m:.3g}")
    return words.say(f"status.{status}")


def day_reasons(looks: Sequence[Row], words: Words) -> dict[str, str]:
    """Why nothing is counted on a date in any zone, by ISO date; dates with counts are left out.

    Args:
        looks: of one site.
        words: of the page.
    """
    reasons = {}
    for day in sorted({row["day"] for row in looks}):
        mine = [row for row in looks if row["day"] == day]
        statuses = [row["status"] for row in mine]
        unread = [row for row in mine if unreadable(row["status"])]
        if unread and all(unreadable(status) or status == "unobserved" for status in statuses):
            reasons[day] = status_words(unread[0]["status"], unread[0].get("gsd_m"), words)
        elif all(status == "unobserved" for status in statuses):
            reasons[day] = words.say("viewer.unseen")
    return reasons


def picture_caption(ships: int, stacks: int, day: Row, words: Words) -> str:
    """What a picture of the whole site shows, in the zones and beside them, and what was seen.

    Args:
        ships: boxes in the picture.
        stacks: boxes in the picture.
        day: of the document's `days`.
        words: of the page.
    """
    if day["reason"]:
        return words.say("viewer.not_counted", reason=day["reason"])
    told = words.say("viewer.some_stacks", n=stacks)
    if day.get("stacks_unread"):
        told = words.say("viewer.unread_stacks", reason=day["stacks_unread"])
    return words.say(
        "viewer.covered_counts" if day["clouds_unknown"] else "viewer.look_counts",
        ships=words.say("viewer.some_ships", n=ships),
        stacks=told,
        seen=percent(day["fraction"]),
    )


def percent(share: float) -> str:
    """A share in whole percent; neither 0 nor 100 where it is not."""
    whole = min(max(round(100 * share), 1), 99)
    return str(whole if 0.0 < share < 1.0 else round(100 * share))


def unread_reason(rows: Sequence[Row], looks: Sequence[Row], words: Words) -> str:
    """Why one class gives no number where other things are counted; empty where it gives one.

    Args:
        rows: of `series`, of that class.
        looks: of the same zones and dates.
        words: of the page.
    """
    hidden = bool(rows) and not any(gives_number(row["status"]) for row in rows)
    fine = [look for look in looks if gives_number(look["status"])]
    if not hidden or not fine or not any(unreadable(row["status"]) for row in rows):
        return ""
    gsd_m = min((look["gsd_m"] for look in fine if look.get("gsd_m")), default=None)
    return status_words("outside_model_range", gsd_m, words)


def say_empty(zones: Sequence[Row], length: str, words: Words) -> list[str]:
    """What to say of zones without a chart: what was looked for there, and on how many dates.

    Args:
        zones: `zone`, `of` (`ship`, `stack` or `both`: what was looked for there; `nothing` and
            `unread` where nothing or no stack could be counted), `seen` (dates that tell of it) and
            `reason` (of `unread`).
        length: of ships, in words.
        words: of the page.
    """
    groups: dict[tuple[str, int, str], list[str]] = {}
    for row in zones:
        groups.setdefault((row["of"], row["seen"], row["reason"]), []).append(row["zone"])
    return [
        words.say(
            f"chart.empty.{kind}",
            n=seen,
            zones=words.listed(names, "list" if kind == "unread" else "any_of"),
            length=length,
            reason=reason,
        )
        for (kind, seen, reason), names in groups.items()
    ]
