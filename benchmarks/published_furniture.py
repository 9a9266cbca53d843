"""Judges of what stands around a page's findings: titles, captions, numbers of rows, its making."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from benchmarks.published_page import numbers
from benchmarks.published_registry import WORDS, Answer, Asked, Verdict, day_of, listed, sentence

MOSTLY = 0.4  # of a box; its pixels and ours may differ by one


@sentence("chart.ships")
@sentence("chart.stacks")
@sentence("chart.area")
@sentence("chart.teu")
def _chart_title(asked: Asked) -> Iterator[Answer]:
    least = asked.world.document["min_length_m"]
    length = asked.values.get("length", "")
    known = asked.values["zone"].casefold() in (name.casefold() for name in asked.here.kinds)
    yield asked.rule(known and (not length or numbers(length) == [least]), "no such zone")


@sentence("viewer.look_alt")
def _look_alt(asked: Asked) -> Iterator[Answer]:
    site = asked.world.sites.get(asked.values["site"])
    yield asked.rule(site is not None and day_of(site, asked.values["day"]) is not None)


@sentence("viewer.chip_alt")
def _chip_alt(asked: Asked) -> Iterator[Answer]:
    known = asked.values["zone"] in asked.here.kinds
    yield asked.rule(known and day_of(asked.here, asked.values["day"]) is not None)


@sentence("viewer.label")
def _viewer_label(asked: Asked) -> Iterator[Answer]:
    yield asked.rule(asked.values["site"] == asked.here.name)


@sentence("stacks.difference_alt")
def _difference_alt(asked: Asked) -> Iterator[Answer]:
    spans = {WORDS.days(a.day, b.day) for a, b in pairwise(asked.here.looks)}
    spans |= {WORDS.days(a.day, b.day) for a in asked.here.looks for b in asked.here.looks}
    yield asked.rule(asked.values["zone"] in asked.here.kinds and asked.values["span"] in spans)


@sentence("stacks.changes")
@sentence("stacks.trains")
@sentence("stacks.differences")
@sentence("event.groups.stacks")
@sentence("event.groups.ships")
@sentence("event.groups.trains")
def _number_of_rows(asked: Asked) -> Iterator[Answer]:
    site = next(s for s in asked.world.document["sites"] if s["name"] == asked.here.name)
    kinds = [row["kind"] for row in site["events"]]
    truth = {
        "stacks.changes": len(site["stack_changes"]),
        "stacks.trains": len(site["trains"]),
        "stacks.differences": len({r["picture"] for r in site["stack_changes"] if r["picture"]}),
        "event.groups.stacks": sum(kind not in ("ship", "train") for kind in kinds),
        "event.groups.ships": kinds.count("ship"),
        "event.groups.trains": kinds.count("train"),
    }[asked.kind]
    yield asked.rule(int(asked.number("n")) <= truth, f"{truth} in the table")


@sentence("event.cut")
@sentence("visit.cut")
@sentence("viewer.cut")
def _cut(asked: Asked) -> Iterator[Answer]:
    yield asked.rule(asked.number("shown") < asked.number("n"))


@sentence("viewer.local")
def _local_time(asked: Asked) -> Iterator[Answer]:
    look = day_of(asked.here, asked.values["day"])
    zone = asked.world.time_zone
    local = look.acquired.astimezone(zone) if look is not None else None
    fits = local is not None and asked.values["time"] == f"{local:%H:%M}"
    yield asked.rule(fits and asked.values["zone"] == zone.key, str(local))


@sentence("provenance.cite")
@sentence("provenance.cite_bare")
def _cite(asked: Asked) -> Iterator[Answer]:
    document = asked.world.document
    weights = {str(row["weights"]) for row in document["provenance"]["scenes"]}
    told = asked.values["title"], asked.values["version"]
    same = told == (document["title"], document["version"])
    named = all(name in asked.values.get("weights", "") for name in weights)
    yield asked.rule(same and named, f"{document['title']}, {weights}")


@sentence("review.said")
@sentence("review.whole")
@sentence("review.differ")
@sentence("review.run")
def _reviewed(asked: Asked) -> Iterator[Answer]:
    """What people corrected is theirs to say; that they did, where nobody did, is false."""
    reviewed = any(site.get("review") for site in asked.world.document["sites"])
    yield asked.rule(None if reviewed else False, "nobody reviewed it")


@sentence("provenance.made")
@sentence("provenance.libraries")
@sentence("provenance.setting")
@sentence("links.bar")
def _making(asked: Asked) -> Iterator[Verdict]:
    document = asked.world.document
    version = asked.values.get("version", document["version"])
    run = int(asked.values.get("run", "1"))
    known = version == document["version"] and run <= len(document["provenance"]["runs"])
    yield asked.rule(None if known else False)


@sentence("provenance.calibrated")
def _calibrated(asked: Asked) -> Iterator[Verdict]:
    yield asked.rule(bool(asked.world.document["calibrated"]))


@sentence("provenance.uncalibrated")
def _uncalibrated(asked: Asked) -> Iterator[Verdict]:
    yield asked.rule(not asked.world.document["calibrated"])


@sentence("stacks.none")
def _no_teu(asked: Asked) -> Iterator[Verdict]:
    rows = [row for row in asked.world.activity["stacks"] if row["site"] == asked.here.name]
    yield asked.rule(not rows, f"{len(rows)} rows of containers")


@sentence("stacks.unread")
@sentence("chart.empty.unread")
def _unread(asked: Asked) -> Iterator[Verdict]:
    """Stacks are not readable: false where the table has a number of them."""
    rows = [row for row in asked.world.activity["series"] if row["site"] == asked.here.name]
    stacks = [row["count"] for row in rows if row["class"] == "container_stack"]
    zones = asked.values.get("zones")
    known = zones is None or all(name in asked.here.kinds for name in listed(zones))
    told = [count for count in stacks if count is not None]
    yield asked.rule(known and not told, f"{len(told)} numbers of stacks")


@sentence("viewer.unseen_boxes")
def _unseen_boxes(asked: Asked) -> Iterator[Answer]:
    look, world = day_of(asked.here, asked.values["day"]), asked.world
    prefix = f"{look.scene_id}#" if look is not None else "?"
    mine = [name for name in world.hidden if name.startswith(prefix)]
    unseen = sum(world.unseen_share(name) >= MOSTLY for name in mine)
    yield asked.rule(asked.number("n") <= unseen, f"{unseen} boxes on what was not seen")


@sentence("viewer.none")
def _no_pictures(asked: Asked) -> Iterator[Verdict]:
    views = asked.world.data["views"][[*asked.world.sites].index(asked.here.name)]
    yield asked.rule(not views, f"{len(views)} pictures")


@sentence("links.none")
def _no_link(asked: Asked) -> Iterator[Verdict]:
    yield asked.rule(None if not asked.world.document["links"] else False)
