"""Intervals of counts on rendered sites of fresh seeds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from detector.calibrating.held_out import check_rows, coverage_table
from detector.calibrating.places import count_places
from detector.classes import SHIP
from detector.config.compose import load_config
from detector.counting.calibration import Calibration, readable_length_px
from detector.evaluation.dataset import Dataset, rendered_image
from detector.evaluation.predicting import predict_images
from detector.evaluation.table import MatchTable, match_images
from detector.evaluation.truth import EvalImage
from detector.models.detector import DetectorSettings, load_detector
from detector.rendering.content import populate
from detector.rendering.layout import lay_out
from detector.rendering.ranges import SpecRanges, draw_spec
from detector.rendering.scene import RenderedScene, render_content
from detector.rendering.validation import CONFIG
from detector.rendering.write import write_scene

FIRST_SEED = 910_000  # the validation set's are from 880,000 on, those tuned to from 890,000 on
NAME = "fresh"
SIDE_PX = 960
MOST_DRAWN = 1000


def sites_table(weights: str, sites: int) -> str:
    """Coverage on sites drawn as those of the validation set, by other seeds, as Markdown.

    Args:
        weights: whose card holds the calibration.
        sites: how many that hold a ship long enough for the claim.
    """
    detector = load_detector(DetectorSettings(weights))
    calibration = Calibration.from_card(detector.card.calibration)
    fitted = calibration.classes[SHIP.name]
    if fitted.counts is None:
        raise ValueError(f"{weights}: no model of counts; run detector card")
    table = matches_of(weights, sites)
    class_id = table.classes.id(SHIP.name)
    places = count_places(table, class_id, detector.card.gsd_read_m, detector.card.conf[SHIP.name])
    data = f"{sites} rendered sites"
    return coverage_table(check_rows({data: places}, fitted.counts, fitted.count_places, SHIP))


def matches_of(weights: str, sites: int) -> MatchTable:
    """What the weights find on the sites."""
    detector = load_detector(DetectorSettings(weights))
    with tempfile.TemporaryDirectory() as folder:
        images, paths = [], []
        for scene, image in _scenes(sites, detector.card.gsd_read_m):
            paths.append(write_scene(scene, Path(folder) / f"{image.name}.tif"))
            images.append(image)
            print(f"{image.name}: {len(images)} of {sites}", flush=True)
        dataset = Dataset(images, paths, 0, 0)
        run = predict_images(dataset.images, dataset.paths, detector, floor=1.0)
    return match_images(images, run.predictions.counted, with_prob_iou=False)


def _scenes(sites: int, read_gsd_m: float) -> Iterator[tuple[RenderedScene, EvalImage]]:
    """The first scenes with a long ship, each a place of its own."""
    ranges = replace(
        load_config(CONFIG, SpecRanges, []), name=NAME, first_seed=FIRST_SEED, size_px=SIDE_PX
    )
    found = 0
    for index in range(MOST_DRAWN):
        if found == sites:
            return
        spec, seed = draw_spec(ranges, index)
        least_m = float(readable_length_px(np.array(spec.gsd_m), read_gsd_m)) * spec.gsd_m
        site = lay_out(spec, seed)
        content = populate(site, spec, seed)
        if not any(ship.design.length_m >= least_m for ship in content.ships):
            continue
        found += 1
        scene = render_content(spec, site, content, seed)
        yield scene, rendered_image(scene, spec.name)
    raise ValueError(f"only {found} of {sites} sites among {MOST_DRAWN}; raise MOST_DRAWN")
