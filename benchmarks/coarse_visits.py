"""Visits over series of 10 m with a look every five days: `python -m benchmarks.coarse_visits`.

Lays out rendered ports and their traffic of two months, and takes the true ships of every date
with the errors that `port-s2` has on real scenes (`benchmarks.series`), without drawing the
pictures: who is missed, what is false, how far boxes are off, and which dates clouds hide. Every
number of visits, and both ends of every visit that is listed, are held against the schedule. Takes
some minutes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binomtest

from benchmarks.tables import markdown, put
from detector.activity.find import ActivitySettings, trace_activity
from detector.activity.looks.runs import Observed, Runs, RunScene
from detector.activity.looks.sightings import ID_SEPARATOR, SeenObjects
from detector.activity.looks.sites import make_site
from detector.activity.visits.bounds import VisitSettings
from detector.activity.visits.linking import LinkSettings
from detector.classes import PORT
from detector.counting.zones import zones_of
from detector.geometry.boxes import corners_from_xywhr
from detector.rendering import tell_chain
from detector.rendering.demo import DEMO_PORT, START
from detector.rendering.prepared import prepare, seen_truth
from detector.rendering.story import StoryLook, Visit

DAYS: Final = tuple(range(0, 61, 5))
SITE = replace(
    DEMO_PORT,
    width=220,
    height=160,
    gsd_m=10.0,
    layout=replace(DEMO_PORT.layout, sectors=["container", "general", "container", "general"]),
    traffic=replace(DEMO_PORT.traffic, anchored_per_km2=2.0, under_way_per_km2=0.5),
)
FIRST_SEED: Final = 700
LEAST_M: Final = 60.0
LEAST_VISIBLE: Final = 0.5
SLACK_DAYS: Final = 0.05  # dates are told as days; looks are some minutes off
SHIP: Final = PORT.id("ship")
REAL_SCORE: Final = (8.0, 1.5)  # beta distributions of scores
FALSE_SCORE: Final = (2.0, 3.0)
DOCS: Final = Path(__file__).parents[1] / "docs" / "counting.md"
Numbers = Counter[str]


@dataclass(frozen=True, slots=True)
class Faults:
    """How a detector errs at 10 m.

    Attributes:
        miss: share of ships in view that are not found.
        hard: share of ships that are missed twice as often, such as dark or double-banked ones.
        false_per_look: false alarms that come once.
        persistent: things that are taken for a ship again and again.
        place_sd_m: of a centre, each axis.
        length_sd: relative.
        width_sd: relative.
        axis_sd_deg: of the direction.
        off: share of boxes that are cut or run on, by a tenth to a third of their length.
        cloudy: share of dates of which nothing is seen.
    """

    miss: float = 0.08
    hard: float = 0.2
    false_per_look: float = 0.3
    persistent: float = 0.5
    place_sd_m: float = 2.5
    length_sd: float = 0.03
    width_sd: float = 0.09
    axis_sd_deg: float = 2.0
    off: float = 0.09
    cloudy: float = 0.25


# As measured at anchor off Houston, and as boxes at the quays of five ports are: missed more often.
ARMS: Final = {
    "as at anchor": Faults(),
    "as at quays": Faults(
        miss=0.25, false_per_look=1.0, persistent=1.5, place_sd_m=5.0, length_sd=0.06, off=0.15
    ),
}


def main() -> None:
    """Lay out, trace, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=6, help="of each arm")
    parser.add_argument("--docs", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + options.sites)
    table = bounds_table({name: judge_all(seeds, faults) for name, faults in ARMS.items()})
    print(table)
    if options.docs:
        put(DOCS, "coarse visits", table)


def judge_all(seeds: Sequence[int], faults: Faults) -> Numbers:
    """What held and what did not, over many sites."""
    return sum((judge(seed, faults) for seed in seeds), Numbers())


def judge(seed: int, faults: Faults, days: Sequence[int] = DAYS) -> Numbers:
    """What held and what did not, of one site with looks on some days."""
    story = tell_chain([SITE], seed, days, (0.0,) * len(days))
    generator = np.random.default_rng(seed)
    fixed = _fixed_things(generator, faults)
    seen = [_seen(look, generator, faults, fixed) for look in story.sites[0].looks]
    names = {name: ship for date in seen for name, ship in date.behind.items()}
    site = make_site("port", zones_of(story.sites[0].zones))
    links = LinkSettings(recall=1.0 - faults.miss)
    settings = ActivitySettings(VisitSettings(min_length_m=LEAST_M, links=links), registered=False)
    activity = trace_activity([site], Runs(tuple(date.scene for date in seen), ()), settings)
    clear = {day: date for day, date in zip(days, seen, strict=True) if date.scene.whole.fraction}
    stays = [stay for stay in story.visits if stay.length_m >= LEAST_M]
    numbers = Numbers()
    for period in activity.tables["periods"].to_dict("records"):
        if period["kind"] == "berth":
            there = [stay for stay in stays if stay.zone == period["zone"]]
            numbers += _judge_period(period, there, clear)
    for visit in activity.tables["visits"].to_dict("records"):
        if visit["counted"] and any(visit["zone"] == stay.zone for stay in stays):
            numbers += _judge_visit(visit, stays, [names[n] for n in _evidence(visit)])
    return numbers


def _judge_period(
    period: dict[str, Any], stays: Sequence[Visit], clear: Mapping[int, _Date]
) -> Numbers:
    first, last = min(clear), max(clear)
    came = [stay for stay in stays if stay.first_day <= last and stay.last_day > first]
    shown = [
        stay
        for stay in came
        if any(
            stay.first_day <= day < stay.last_day and stay.ship_id in date.in_view
            for day, date in clear.items()
        )
    ]
    return Numbers(
        {
            "zones": 1,
            "true visits": len(came),
            "in view": len(shown),
            "at least": period["visits_min"],
            "at least holds": period["visits_min"] <= len(came),
            "at most holds": period["visits_seen_max"] >= len(shown),
        }
    )


def _judge_visit(visit: dict[str, Any], stays: Sequence[Visit], ships: Sequence[str]) -> Numbers:
    """Whether a listed visit is one ship, and came and went when it is said to have.

    Of one that is told to be one ship or two alike, the first one came and the last one went.
    """
    ship, most = Counter(ships).most_common(1)[0]
    zone = str(visit["zone"])
    numbers = Numbers(
        {"visits": 1, "real": any((s.ship_id, s.zone) == (ship, zone) for s in stays)}
    )
    if visit["one_ship"]:
        numbers += Numbers({"told as one ship": 1, "is one ship": most == len(ships)})
    first, last = (_day(visit[key]) for key in ("first_seen", "last_seen"))
    came = _stay_on(first, ships[0], zone, stays)
    went = _stay_on(last, ships[-1], zone, stays)
    if visit["arrival"] == "arrived" and came is not None:
        since = _day(visit["not_before"]) if visit["not_before"] else -np.inf
        held = since - SLACK_DAYS <= came.first_day <= first + SLACK_DAYS
        numbers += Numbers({"ends": 1, "ends hold": held})
    if visit["departure"] == "left" and went is not None:
        until = _day(visit["not_after"]) if visit["not_after"] else np.inf
        held = last - SLACK_DAYS <= went.last_day <= until + SLACK_DAYS
        numbers += Numbers({"ends": 1, "ends hold": held})
    undecided = (visit["arrival"], visit["departure"]).count("undecided")
    return numbers + Numbers({"ends undecided": undecided})


def _stay_on(day: int, ship: str, zone: str, stays: Sequence[Visit]) -> Visit | None:
    """The stay of a ship in a zone on a day."""
    mine = (stay for stay in stays if (stay.ship_id, stay.zone) == (ship, zone))
    fit = (s for s in mine if s.first_day <= day + SLACK_DAYS and day - SLACK_DAYS <= s.last_day)
    return next(fit, None)


def _day(value: Any) -> int:
    return int((value - START.date()).days)


def _evidence(visit: dict[str, Any]) -> list[str]:
    return str(visit["evidence"]).split(ID_SEPARATOR)


def _fixed_things(generator: np.random.Generator, faults: Faults) -> NDArray[np.float64]:
    """`(F, 5)` boxes in pixels of what is taken for a ship again and again."""
    return _false_boxes(generator, int(generator.poisson(faults.persistent)))


def _false_boxes(generator: np.random.Generator, number: int) -> NDArray[np.float64]:
    place = generator.uniform((0, 0), (SITE.width, SITE.height), (number, 2))
    length = generator.uniform(6.0, 15.0, (number, 1))
    angle = generator.uniform(0.0, np.pi, (number, 1))
    return np.hstack([place, length, length / 5.0, angle])


@dataclass(frozen=True, slots=True)
class _Date:
    """A date as the detector finds it.

    Attributes:
        scene: with the boxes.
        behind: the ship, or nothing, behind the id of every box.
        in_view: ships of which the picture shows more than half.
    """

    scene: RunScene
    behind: Mapping[str, str]
    in_view: frozenset[str]


def _seen(
    look: StoryLook,
    generator: np.random.Generator,
    faults: Faults,
    fixed: NDArray[np.float64],
) -> _Date:
    """One date of a site."""
    prepared = prepare(look.spec, look.site, look.content, look.seed)
    everything = seen_truth(prepared, np.ones((SITE.height, SITE.width), np.bool_))
    ships = [
        one
        for one in everything
        if one.class_id == SHIP and one.role == "object" and one.visible > LEAST_VISIBLE
    ]
    hidden = bool(generator.random() < faults.cloudy)
    dull = np.array([hash_share(one.object_id) < faults.hard for one in ships], np.bool_)
    miss = faults.miss / (1.0 + faults.hard) * (1.0 + dull)
    kept = [one for one, m in zip(ships, miss, strict=True) if generator.random() >= m]
    again = fixed[generator.random(len(fixed)) < 0.4]
    wrong = np.vstack(
        [again, _false_boxes(generator, int(generator.poisson(faults.false_per_look)))]
    )
    boxes = np.vstack([np.array([_box(one.corners) for one in kept]).reshape(-1, 5), wrong])
    real = np.arange(len(boxes)) < len(kept)
    boxes = _with_errors(boxes, generator, faults)
    name = f"day-{look.day:g}"
    ids = [f"{name}#{row}" for row in range(len(boxes))]
    objects = SeenObjects(
        ids=np.array(ids, np.str_),
        class_ids=np.full(len(boxes), SHIP),
        scores=_probabilities(real, len(ships), faults, generator),
        corners=corners_from_xywhr(boxes),
        length_m=boxes[:, 2] * SITE.gsd_m,
        width_m=boxes[:, 3] * SITE.gsd_m,
        axis_deg=np.degrees(boxes[:, 4] + np.pi / 2) % 180.0,
        gsd_m=np.full(len(boxes), SITE.gsd_m),
    )
    if hidden:
        objects = objects.select(np.zeros(len(boxes), np.bool_))
    whole = Observed(0.0, "unobserved") if hidden else Observed(1.0, "observed")
    scene = RunScene(
        name, f"{name}.tif", look.spec.sky.time, look.spec.place.crs, SITE.width, SITE.height,
        prepared.frame.transform, True, {}, whole, objects, gsd_m=SITE.gsd_m,
    )  # fmt: skip
    behind = [one.object_id for one in kept] + [""] * len(wrong)
    in_view = frozenset(one.object_id for one in ships)
    return _Date(scene, dict(zip(ids, behind, strict=True)), in_view)


def hash_share(name: str) -> float:
    """A number from 0 to 1 of a name, the same on every date and machine."""
    return float(np.random.default_rng(list(name.encode())).random())


def _box(corners: NDArray[np.float64]) -> list[float]:
    """`x, y, length, width, angle` of corners `(4, 2)`."""
    along, across = corners[1] - corners[0], corners[3] - corners[0]
    turn = float(np.arctan2(along[1], along[0]))
    return [*corners.mean(axis=0), float(np.hypot(*along)), float(np.hypot(*across)), turn]


def _with_errors(
    boxes: NDArray[np.float64], generator: np.random.Generator, faults: Faults
) -> NDArray[np.float64]:
    n = len(boxes)
    done = boxes.copy()
    done[:, 2] *= np.exp(generator.normal(0.0, faults.length_sd, n))
    done[:, 3] *= np.exp(generator.normal(0.0, faults.width_sd, n))
    done[:, 4] += np.radians(generator.normal(0.0, faults.axis_sd_deg, n))
    done[:, :2] += generator.normal(0.0, faults.place_sd_m / SITE.gsd_m, (n, 2))
    wrong = generator.random(n) < faults.off
    factor = np.where(
        wrong, 1.0 + generator.uniform(0.1, 0.33, n) * generator.choice([-1, 1], n), 1
    )
    end = done[:, 2] * (factor - 1.0) / 2.0 * generator.choice([-1, 1], n)
    done[:, 0] += end * np.cos(done[:, 4])
    done[:, 1] += end * np.sin(done[:, 4])
    done[:, 2] *= factor
    return done


def _probabilities(
    real: NDArray[np.bool_], ships: int, faults: Faults, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Calibrated probabilities, by Bayes' rule from the distributions of the scores."""
    n = len(real)
    score = np.where(real, generator.beta(*REAL_SCORE, n), generator.beta(*FALSE_SCORE, n))
    right = beta.pdf(score, *REAL_SCORE) * ships * (1.0 - faults.miss)
    wrong = beta.pdf(score, *FALSE_SCORE) * (faults.false_per_look + 0.4 * faults.persistent)
    return np.asarray(right / (right + wrong + 1e-300))


def bounds_table(arms: dict[str, Numbers]) -> str:
    """One row a statement: how often it held, with 95 % intervals."""
    rows = []
    for name, found in arms.items():
        for what, held, of in (
            ("at least so many visits, by zone", "at least holds", "zones"),
            ("at most so many of those in view, by zone", "at most holds", "zones"),
            ("came and went between the dates that are told", "ends hold", "ends"),
            ("told as one ship, and is one", "is one ship", "told as one ship"),
            ("a listed visit is a ship that called there", "real", "visits"),
        ):
            rows.append(
                [name, what, f"{found[held]} of {found[of]}", _share(found[held], found[of])]
            )
        told = f"{found['at least']} of {found['true visits']} ({found['in view']} in view)"
        rows.append([name, "visits told as “at least”, of all that were", told, ""])
    return markdown(("errors", "what is said", "held", "share [95 %]"), rows)


def _share(number: int, total: int) -> str:
    if not total:
        return ""
    ends = binomtest(number, total).proportion_ci(method="wilson")
    return f"{number / total:.1%} [{ends.low:.1%}, {ends.high:.1%}]"


if __name__ == "__main__":
    main()
