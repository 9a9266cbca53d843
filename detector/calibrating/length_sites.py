"""Rendered sites in pieces: lengths of what edges, nodata and clouds cut, with the exact truth.

A site is rendered as a whole and given to the pipeline in four quarters, so that their borders cut
ships whose true length is known; a corner of each is nodata, as at the border of a swath; half of
the sites have clouds with their masks.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray

from detector.config.compose import load_config
from detector.detections import Detections
from detector.geometry.boxes import polygons
from detector.inference.pipeline import PipelineSettings, find_objects
from detector.models.card import ModelCard
from detector.models.detector import Detector
from detector.rendering.ranges import SpecRanges, draw_spec
from detector.rendering.scene import RenderedScene, render
from detector.rendering.truth import TruthObject, truth_classes, truth_corners
from detector.rendering.validation import CONFIG
from detector.scenes.scene import open_scene

FIRST_SEED = 930_000  # the validation set's are from 880,000 on
SIDE_PX = 1536
COARSE_SIDE_PX = 512  # of sites for cards that read nothing finer than `COARSE_M`
COARSE_M = 1.0
COARSEST_M = 12.0  # that can be rendered
CLOUDED = 0.5
SWATH_SHARE = 0.3  # of the side of a quarter, along both legs of its nodata corner
LEAST_SHARED = 0.5  # of a box on an object: then it measures that object


def site_facts(index: int) -> tuple[float, ...]:
    """What a site's measurements depend on besides the weights."""
    sizes = SIDE_PX, COARSE_SIDE_PX, COARSE_M, COARSEST_M
    return index, FIRST_SEED, *sizes, CLOUDED, SWATH_SHARE, LEAST_SHARED


def measure_site(detector: Detector, index: int, first_seed: int = FIRST_SEED) -> pd.DataFrame:
    """One row a box that lies on an object: what was measured, and the true length.

    Args:
        detector: whose boxes; its card claims nothing of lengths.
        index: of the site, from 0.
        first_seed: of the site 0.

    Returns:
        Columns `site`, `class`, `gsd_m`, `score`, `length_m`, `shown_m` (of a cut box from the
        first to the last seen pixel), `cut`, `unseen`, `true_m`, `visible`, `object`.
    """
    drawn = load_config(CONFIG, SpecRanges, [])
    ranges = replace(drawn, name="lengths", first_seed=first_seed, clouded=CLOUDED)
    ranges = replace(ranges, **_scale_of(detector.card, ranges.gsd_m))
    spec, seed = draw_spec(ranges, index)
    scene = render(spec, seed)
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(4):
            path = _write_quarter(scene, Path(folder) / f"quarter{number}.tif", number)
            parts.append(_measured(scene, path, number, detector))
    return pd.concat(parts, ignore_index=True).assign(site=f"{ranges.name}{index:03d}")


def _scale_of(card: ModelCard, gsd_m: list[float]) -> dict[str, Any]:
    """Size and gsd of the sites: the validation set's, or those of a coarser card."""
    if card.gsd_min_m <= COARSE_M:
        return {"size_px": SIDE_PX, "gsd_m": gsd_m}
    return {
        "size_px": COARSE_SIDE_PX,
        "gsd_m": [card.gsd_min_m, min(card.gsd_max_m, COARSEST_M)],
    }


def _corner_of(number: int, side_px: int) -> tuple[int, int]:
    """Column and row where a quarter of a scene starts."""
    return (number % 2) * side_px // 2, (number // 2) * side_px // 2


def _write_quarter(scene: RenderedScene, path: Path, number: int) -> Path:
    """A quarter of a scene, with a corner of nodata, and its cloud mask."""
    half = scene.spec.width // 2
    column, row = _corner_of(number, scene.spec.width)
    window = slice(row, row + half), slice(column, column + half)
    values = np.maximum(scene.values[window], 1)
    legs = SWATH_SHARE * half
    y, x = np.mgrid[:half, :half] + 0.5
    values[x + y < legs] = 0
    transform = scene.transform * Affine.translation(column, row)
    masks = {path: np.moveaxis(values, 2, 0)}
    masks[path.with_name(f"{path.stem}_cloud.tif")] = scene.cloud[window][None].astype(np.uint8)
    for file, bands in masks.items():
        profile = {
            "driver": "GTiff",
            "count": len(bands),
            "height": half,
            "width": half,
            "dtype": bands.dtype,
            "crs": scene.crs,
            "transform": transform,
        }
        with rasterio.open(file, "w", **profile, nodata=0 if file == path else None) as raster:
            raster.write(bands)
    return path


def _measured(scene: RenderedScene, path: Path, number: int, detector: Detector) -> pd.DataFrame:
    with open_scene(path) as opened:
        found = find_objects(opened, detector, PipelineSettings(readers=1)).detections
        gsd_m = opened.info.gsd_m
    truth = tuple(item for item in scene.truth if item.role == "object" and not item.on_ship)
    box, thing = match(found, truth, _corner_of(number, scene.spec.width))
    # where the card claims nothing, what a cut object is at least is what shows of it
    shown_m = np.where(found.is_cut, found.length_low_m, found.length_m)
    return pd.DataFrame(
        {
            "class": [found.classes.names[i] for i in found.class_ids[box]],
            "gsd_m": gsd_m,
            "score": found.scores[box],
            "length_m": found.length_m[box],
            "shown_m": shown_m[box],
            "cut": found.cut[box],
            "unseen": found.unseen[box],
            "true_m": [truth[i].length_m for i in thing],
            "visible": [truth[i].visible for i in thing],
            "object": [truth[i].object_id for i in thing],
        }
    )


def match(
    found: Detections, truth: tuple[TruthObject, ...], origin: tuple[int, int] = (0, 0)
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Boxes and the objects that each lies on, by half or more of the box.

    A box over two objects measures the one that it covers most; a piece of an object measures it
    too: what is printed of either is wrong by so much.

    Args:
        found: in a part of the scene.
        truth: of the scene, file pixels.
        origin: column and row where the part starts.
    """
    boxes = polygons(found.corners)
    things = polygons(truth_corners(truth) - np.array(origin, float))
    thing, box = shapely.STRtree(boxes).query(things, predicate="intersects")
    same = truth_classes(truth)[thing] == found.class_ids[box]
    thing, box = thing[same], box[same]
    shared = shapely.area(shapely.intersection(things[thing], boxes[box]))
    on = shared >= LEAST_SHARED * shapely.area(boxes[box])
    order = np.lexsort((-shared, box))
    order = order[on[order]]
    _, first = np.unique(box[order], return_index=True)
    chosen = order[first]
    return box[chosen], thing[chosen]
