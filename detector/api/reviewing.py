"""What a person should look at first: how much each box of a run bears on what is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detector.activity.find import ACTIVITY_FILE, read_activity
from detector.activity.looks.registration import placements, unregistered
from detector.activity.looks.runs import RunScene, read_runs
from detector.activity.looks.sightings import ID_SEPARATOR, stacks_of
from detector.activity.looks.sites import Site, read_site
from detector.activity.looks.zone_looks import Look, build_looks
from detector.activity.options import ActivityConfig
from detector.activity.visits.bounds import VisitSettings, count_visits
from detector.activity.visits.zone_visits import gather_ships, look_times
from detector.api.activities import activity_settings
from detector.config.compose import load_config
from detector.counting.calibration import Calibration
from detector.counting.zones import Zone
from detector.errors import WeightsError
from detector.models.card import ModelCard
from detector.models.detector import find_card
from detector.reviewing.correct import box_ids
from detector.reviewing.errors import ReviewError
from detector.reviewing.exporting import Frame

OPEN: Final = (0.02, 0.98)  # probabilities between which a box is worth a look
DRAWS: Final = 60  # of a count of visits: enough to see which way it moves
ALONE: Final = 0.1  # of its variance: what a box is worth that no sentence is of

Worth = Callable[[Frame], Mapping[str, float]]


def worth_of_boxes(sample: str, sites: Sequence[str | Path], activity: Path) -> Worth | None:
    """How boxes are weighed for a sample; None for samples that do not weigh them.

    Args:
        sample: `uncertain`, `changed` or another.
        sites: site files, for `uncertain`; without them a box is weighed by itself.
        activity: folder of `detector activity`, for `changed`.

    Raises:
        QuaywatchError: a site or the activity cannot be read.
    """
    if sample == "uncertain":
        read = [read_site(path) for path in sites]
        return lambda frame: uncertain(frame, read)
    if sample == "changed":
        if not (activity / ACTIVITY_FILE).is_file():
            raise ReviewError(
                f"{activity}: no {ACTIVITY_FILE}, which says what changed; run detector activity "
                "and name its folder with activity="
            )
        content = read_activity(activity / ACTIVITY_FILE)
        return lambda frame: changed(content)
    return None


def changed(activity: Mapping[str, Any]) -> dict[str, float]:
    """Boxes that say that something came or went: of stacks, and the ends of visits.

    Args:
        activity: content of `activity.json`.
    """
    worth: dict[str, float] = {}
    for row in activity.get("stack_changes", ()):
        both = (row["blocks_before"], row["blocks_after"])
        for name in ID_SEPARATOR.join(both).split(ID_SEPARATOR):
            worth[name] = worth.get(name, 0.0) + 1.0
    for row in activity["visits"]:
        seen = row["evidence"].split(ID_SEPARATOR)
        for name in {seen[0], seen[-1]}:
            worth[name] = worth.get(name, 0.0) + 1.0
    worth.pop("", None)
    return worth


def uncertain(frame: Frame, sites: Sequence[Site]) -> dict[str, float]:
    """How much a person's word on each box is expected to change what is published.

    Of ships in zones: by how much the least and the likely number of visits, in relation to them,
    would be others if the box was real and if it was false, each by its probability. Of stacks:
    the share of the zone's area that they are, by the variance of their being real. Boxes that no
    sentence is of, and all where no site is named, are worth a little: a part of their variance.

    Args:
        frame: of a run.
        sites: whose zones are published.
    """
    calibration = _calibration(frame)
    worth: dict[str, float] = {}
    for scene_id, table in frame.found.items():
        p = _probability(table, calibration)
        values = ALONE * p * (1 - p)
        worth |= dict(zip(box_ids(scene_id, len(table)), values.tolist(), strict=True))
    if not sites:
        return worth
    settings = activity_settings(load_config("activity", ActivityConfig, []), None)
    visits = replace(settings.visits, draws=DRAWS)
    scenes = read_runs([frame.run.folder], reviewed=False).scenes
    for site in sites:
        for zone, looks in _looks(site, scenes):
            told = [*_ships(zone, looks, visits, calibration), *_stacks(looks, calibration)]
            for name, value in told:
                worth[name] = worth.get(name, 0.0) + value
    return worth


def _looks(site: Site, scenes: Sequence[RunScene]) -> list[tuple[Zone, list[Look]]]:
    near = [scene for scene in scenes if _meets(site, scene)]
    if not near:
        return []
    looks = build_looks(site, near, placements(unregistered(near, "only to weigh boxes")))
    return [(zone, [one for one in looks[zone.name] if one.usable]) for zone in site.zones]


def _meets(site: Site, scene: RunScene) -> bool:
    outline = scene.footprint(site.frame)
    return any(outline.intersects(zone.shape) for zone in site.zones)


def _ships(
    zone: Zone, looks: Sequence[Look], settings: VisitSettings, calibration: Calibration
) -> list[tuple[str, float]]:
    """Each open ship of a zone, and the expected change of the numbers of visits."""
    if len(looks) < 2:
        return []
    ships, found, _ = gather_ships(looks, settings.min_length_m, calibration.probability)
    times = look_times(looks, zone)

    def numbers(probability: NDArray[np.float64]) -> float:
        told = count_visits(replace(ships, probability=probability), times, settings)
        return float(told.visits_min + told.visits_likely)

    real = ships.probability
    unsure = np.flatnonzero((real > OPEN[0]) & (real < OPEN[1])).tolist()
    now = numbers(real) if unsure else 0.0
    worth = []
    for at in unsure:
        p, change = float(real[at]), 0.0
        for said, chance in ((1.0, p), (0.0, 1 - p)):
            probability = real.copy()
            probability[at] = said
            change += chance * abs(numbers(probability) - now)
        # the variance tells boxes apart of which none changes the number alone
        worth.append((str(found.ids[at]), (change + p * (1 - p)) / max(now, 1.0)))
    return worth


def _stacks(looks: Sequence[Look], calibration: Calibration) -> list[tuple[str, float]]:
    """Each stack of a zone, and its share of the zone's area by the variance of its being real."""
    worth: list[tuple[str, float]] = []
    for look in looks:
        stacks = stacks_of(look.sightings)
        area = stacks.area_m2
        total = max(float(np.nansum(area)), 1.0)
        p = calibration.probability(stacks.class_ids, stacks.scores, stacks.length_m)
        values = np.nan_to_num(area) / total * p * (1 - p)
        worth += list(zip(stacks.ids.tolist(), values.tolist(), strict=True))
    return worth


def _probability(table: pd.DataFrame, calibration: Calibration) -> NDArray[np.float64]:
    names = calibration.class_set.names
    ids = np.array([names.index(name) for name in table["class"]], np.int64)
    scores = table["score"].to_numpy(np.float64)
    return calibration.probability(ids, scores, table["length_m"].to_numpy(np.float64))


def _calibration(frame: Frame) -> Calibration:
    """Of the run's weights; without their card scores stand for probabilities."""
    weights = {record.weights for record in frame.run.records.values()}
    try:
        card = ModelCard.read(find_card(weights.pop()))
    except (WeightsError, KeyError):
        return Calibration(class_set=frame.run.classes)
    return replace(Calibration.from_card(card.calibration), class_set=frame.run.classes)
