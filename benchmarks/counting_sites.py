"""Intervals of counts on rendered sites of ten ships and more, of which other data hold few."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from detector.calibrating.held_out import check_rows, coverage_table
from detector.calibrating.sample import sample_of
from detector.classes import PORT, SHIP
from detector.config.compose import load_config
from detector.counting.calibration import Calibration, readable_length_px
from detector.counting.widening import LARGE_COUNT
from detector.evaluation.dataset import Dataset, rendered_image
from detector.evaluation.evaluator import MATCHES_FILES, EvaluationSettings, run_evaluation
from detector.evaluation.table import MatchTable
from detector.evaluation.truth import EvalImage
from detector.geometry.boxes import edge_lengths
from detector.models.card import ModelCard
from detector.models.detector import DetectorSettings, find_card
from detector.rendering.content import populate
from detector.rendering.layout import lay_out
from detector.rendering.ranges import SpecRanges, draw_spec
from detector.rendering.scene import RenderedScene, render_content
from detector.rendering.validation import CONFIG
from detector.rendering.write import write_scene

FIRST_SEED = 890_000  # the validation set's are from 880,000 on
NAME = "busy"
MOST_DRAWN = 1000


def sites_table(weights: str, sites: int) -> str:
    """Coverage on sites drawn as those of the validation set, by other seeds, as Markdown.

    Sites with fewer than `LARGE_COUNT` true ships long enough for the claim are passed over, most
    of them before a pixel is drawn.

    Args:
        weights: whose card holds the calibration.
        sites: how many.
    """
    card = ModelCard.read(find_card(weights))
    calibration = Calibration.from_card(card.calibration)
    with tempfile.TemporaryDirectory() as folder:
        images, paths = [], []
        for scene, image in _busy_scenes(sites, card.gsd_read_m):
            paths.append(write_scene(scene, Path(folder) / f"{image.name}.tif"))
            images.append(image)
            print(f"{image.name}: {len(images)} of {sites}", flush=True)
        settings = EvaluationSettings(Path(folder) / "out", DetectorSettings(weights), gallery=0)
        run_evaluation(Dataset(images, paths, 0, 0), NAME, settings)
        table = MatchTable.load(settings.out / MATCHES_FILES[1])
    sample = sample_of(table, PORT.id("ship"), card.gsd_read_m)
    data = f"{sites} rendered sites of {LARGE_COUNT} ships and more"
    return coverage_table(check_rows(sample, calibration.classes["ship"], SHIP, data))


def _busy_scenes(sites: int, read_gsd_m: float) -> Iterator[tuple[RenderedScene, EvalImage]]:
    """The first scenes of enough ships, each a place of its own."""
    ranges = replace(load_config(CONFIG, SpecRanges, []), name=NAME, first_seed=FIRST_SEED)
    found = 0
    for index in range(MOST_DRAWN):
        if found == sites:
            return
        spec, seed = draw_spec(ranges, index)
        least_px = float(readable_length_px(np.array(spec.gsd_m), read_gsd_m))
        site = lay_out(spec, seed)
        content = populate(site, spec, seed)
        long = [ship for ship in content.ships if ship.design.length_m >= least_px * spec.gsd_m]
        if len(long) < LARGE_COUNT:
            continue
        scene = render_content(spec, site, content, seed)
        image = rendered_image(scene, spec.name)
        ships = image.corners[image.class_ids == PORT.id("ship")]
        if (np.maximum(*edge_lengths(ships)) >= least_px).sum() >= LARGE_COUNT:
            found += 1
            yield scene, image
    raise ValueError(f"only {found} of {sites} sites among {MOST_DRAWN}; raise MOST_DRAWN")
