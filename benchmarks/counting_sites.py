"""Intervals of counts on rendered sites of fresh seeds, kept site by site."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from detector.calibrating.held_out import check_rows
from detector.calibrating.kept import key_of
from detector.calibrating.places import CountPlaces, count_places, join_places
from detector.classes import SHIP
from detector.config.compose import load_config
from detector.counting.calibration import Calibration, readable_length_px
from detector.evaluation.dataset import rendered_image
from detector.evaluation.predicting import predict_images
from detector.evaluation.table import MatchTable, match_images
from detector.evaluation.truth import EvalImage, EvaluationError
from detector.models.card import ModelCard
from detector.models.detector import Detector, DetectorSettings, find_card, load_detector
from detector.rendering.content import Content, populate
from detector.rendering.layout import lay_out
from detector.rendering.ranges import SpecRanges, draw_spec
from detector.rendering.scene import render_content
from detector.rendering.site import PortSite
from detector.rendering.spec import PortSpec
from detector.rendering.validation import CONFIG
from detector.rendering.write import write_scene

FIRST_SEED = 910_000  # the validation set's are from 880,000 on, those tuned to from 890,000 on
NAME = "fresh"
SIDE_PX = 960
MOST_DRAWN = 1000


@dataclass(frozen=True)
class Weights:
    """Weights whose intervals are judged; loaded only where a site is new to them."""

    name: str

    @cached_property
    def card(self) -> ModelCard:
        """What they claim."""
        return ModelCard.read(find_card(self.name))

    @cached_property
    def detector(self) -> Detector:
        """The network at the thresholds of its card."""
        return load_detector(DetectorSettings(self.name))

    def places(self, tables: Sequence[MatchTable]) -> CountPlaces:
        """What they found on sites."""
        conf, read_m = self.card.conf[SHIP.name], self.card.gsd_read_m
        return join_places(
            [count_places(table, table.classes.id(SHIP.name), read_m, conf) for table in tables]
        )


@dataclass(frozen=True, slots=True)
class DrawnSite:
    """A site before it is rendered."""

    spec: PortSpec
    seed: int
    plan: PortSite
    content: Content

    def render(self, folder: Path) -> tuple[EvalImage, Path]:
        """Its picture, written into a folder, and its truth."""
        scene = render_content(self.spec, self.plan, self.content, self.seed)
        path = write_scene(scene, folder / f"{self.spec.name}.tif")
        return rendered_image(scene, self.spec.name), path


def sites_rows(names: Sequence[str], sites: int, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Coverage on sites drawn as those of the validation set, by other seeds: rows by weights.

    Args:
        names: of the weights, whose cards hold the calibration.
        sites: how many that hold a ship long enough for the claim of the first.
        folder: where what was found is kept; a call that was cut goes on from there.

    Raises:
        ValueError: a card holds no model of counts.
    """
    weights = [Weights(name) for name in names]
    models = [Calibration.from_card(one.card.calibration).classes[SHIP.name] for one in weights]
    tables: list[list[MatchTable]] = [[] for _ in weights]
    for number, site in enumerate(_drawn(sites, weights[0].card.gsd_read_m), start=1):
        for found, table in zip(tables, matches_of(weights, site, folder), strict=True):
            found.append(table)
        print(f"{site.spec.name}: {number} of {sites}", flush=True)
    rows = {}
    for one, fitted, found in zip(weights, models, tables, strict=True):
        if fitted.counts is None:
            raise ValueError(f"{one.name}: no model of counts; run detector card")
        places = {f"{sites} rendered sites": one.places(found)}
        rows[one.card.name] = check_rows(places, fitted.counts, fitted.count_places, SHIP)
    return rows


def matches_of(weights: Sequence[Weights], site: DrawnSite, folder: Path) -> list[MatchTable]:
    """What each of the weights finds on a site; it is rendered if one of them never saw it."""
    facts = asdict(site.spec), site.seed
    paths = [folder / f"{site.spec.name}-{key_of(one.card, *facts)}.npz" for one in weights]
    known = [_read(path) for path in paths]
    if all(table is not None for table in known):
        return [table for table in known if table is not None]
    folder.mkdir(parents=True, exist_ok=True)
    tables = []
    with tempfile.TemporaryDirectory() as pictures:
        image, picture = site.render(Path(pictures))
        for one, path, table in zip(weights, paths, known, strict=True):
            if table is None:
                _matched(image, picture, one).save(path)
            tables.append(MatchTable.load(path))
    return tables


def _matched(image: EvalImage, picture: Path, weights: Weights) -> MatchTable:
    run = predict_images([image], [picture], weights.detector, floor=1.0)
    return match_images([image], run.predictions.counted, with_prob_iou=False)


def _read(path: Path) -> MatchTable | None:
    """None where there is no such file, or a damaged one."""
    try:
        return MatchTable.load(path)
    except EvaluationError:
        return None


def _drawn(sites: int, read_gsd_m: float) -> Iterator[DrawnSite]:
    """The first sites with a long ship, each a place of its own."""
    ranges = replace(
        load_config(CONFIG, SpecRanges, []), name=NAME, first_seed=FIRST_SEED, size_px=SIDE_PX
    )
    found = 0
    for index in range(MOST_DRAWN):
        if found == sites:
            return
        spec, seed = draw_spec(ranges, index)
        least_m = float(readable_length_px(np.array(spec.gsd_m), read_gsd_m)) * spec.gsd_m
        plan = lay_out(spec, seed)
        content = populate(plan, spec, seed)
        if any(ship.design.length_m >= least_m for ship in content.ships):
            found += 1
            yield DrawnSite(spec, seed, plan, content)
    raise ValueError(f"only {found} of {sites} sites among {MOST_DRAWN}; raise MOST_DRAWN")
