"""What was understood of a scene before it is read, and from where."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from detector.classes import CONTAINER_STACK
from detector.counting.zones import Zones, placeable, zones_in_pixels
from detector.export.records import ModelUse
from detector.inference.coverage import Coverage
from detector.inference.frame import PlanFrame
from detector.inference.pipeline import PipelineSettings, plan_scene
from detector.models.card import ModelCard
from detector.models.detector import Detector, larger_tile_px
from detector.prediction.remarks import scene_remarks, unreadable_remarks
from detector.scenes.scene import Scene
from detector.scenes.types import SceneInfo

GREY: Final = 90  # of the tile that is timed
GIVEN_CLEAR: Final = "user"  # what tells clouds of a scene that scene.clouds=clear was said of
COARSE_M: Final = 2.5  # from it on the length of a ship is a matter of a few pixels
LEAST_SHIP_PX: Final = 6.0  # shorter ships of such scenes are mostly missed, see docs/accuracy.md


@dataclass(frozen=True, slots=True)
class SceneDescription:
    """What a scene is taken for.

    Attributes:
        path: as given.
        scene_id: name of its folder in a run.
        width: pixels.
        height: pixels.
        crs: of the map, or None.
        gsd_m: metres by pixel, or None.
        gsd_source: where it comes from.
        bands: that are read, counted from 1.
        bands_mean: what they are taken for.
        stretch: lowest and highest value of the 8 bits, and how they were found.
        valid_source: what tells which pixels hold data.
        valid_fraction: share of the scene that holds data, on a reduced grid.
        acquired: time or day, ISO 8601; empty where unknown.
        acquired_source: where it comes from.
        angles: sun and view in degrees; None where nothing tells.
        cloud_source: what tells clouds; None where nothing does.
        zones: number of zones that meet the scene, and of all; None without zones.
        tiles: that the network reads.
        seconds: that the network takes for them, as measured on one tile; None: not measured.
        weights: that would read it.
        weights_gsd_m: finest and coarsest gsd of their card.
        remarks: what will not be possible, and why; a sentence each.
    """

    path: str
    scene_id: str
    width: int
    height: int
    crs: str | None
    gsd_m: float | None
    gsd_source: str
    bands: tuple[int, ...]
    bands_mean: str
    stretch: tuple[float, float, str]
    valid_source: str
    valid_fraction: float
    acquired: str
    acquired_source: str
    angles: dict[str, float | None]
    cloud_source: str | None
    zones: tuple[int, int] | None
    tiles: int
    seconds: float | None
    weights: str
    weights_gsd_m: tuple[float, float]
    remarks: tuple[str, ...]

    def lines(self) -> list[str]:
        """Text for people: a fact a line, with where it comes from."""
        gsd = "unknown" if self.gsd_m is None else f"{self.gsd_m:.3g} m ({self.gsd_source})"
        low, high, how = self.stretch
        clouds = "clear (given)" if self.cloud_source == GIVEN_CLEAR else self.cloud_source
        angles = [f"{key.removesuffix('_deg')} {value:g}" for key, value in _known(self.angles)]
        facts: list[tuple[str, str]] = [
            ("size", f"{self.width} x {self.height} pixels"),
            ("place", self.crs or "not georeferenced"),
            ("gsd", gsd),
            ("bands", f"{', '.join(map(str, self.bands))} ({self.bands_mean})"),
            ("stretch", f"{low:g} to {high:g} ({how})"),
            ("valid", f"{self.valid_fraction:.1%} ({self.valid_source})"),
            (
                "acquired",
                f"{self.acquired} ({self.acquired_source})" if self.acquired else "unknown",
            ),
            ("angles", f"{', '.join(angles)} degrees" if angles else "unknown"),
            ("clouds", clouds or "unknown"),
        ]
        if self.zones is not None:
            facts.append(("zones", f"{self.zones[0]} of {self.zones[1]} meet the scene"))
        took = "" if self.seconds is None else f", about {self.seconds:.0f} s for the network"
        facts.append(("tiles", f"{self.tiles}{took}"))
        finest, coarsest = self.weights_gsd_m
        facts.append(("weights", f"{self.weights} (for {finest:g} to {coarsest:g} m a pixel)"))
        facts += [("note", remark) for remark in self.remarks]
        return [self.path, *(f"  {name:<9} {text}" for name, text in facts)]


def describe_scene(
    scene: Scene, card: ModelCard, zones: Zones, tile_s: float | None = None
) -> SceneDescription:
    """What was understood of an open scene.

    Args:
        scene: open.
        card: of the weights that would read it.
        zones: of the run; without any none are told.
        tile_s: seconds that the network takes for a tile; None where nobody measured.

    Raises:
        SceneError: the scene is damaged.
        ZonesError: the zones cannot be used in the scene.
    """
    info = scene.info
    coverage = Coverage.of(scene)
    longest_m = PipelineSettings().merge.longest_coarse_m(card.class_set)
    plan = plan_scene(
        PlanFrame.of(info), coverage, card, longest_m=longest_m, larger_px=larger_tile_px(card)
    )
    inside = zones_in_pixels(zones, scene)
    frame = (0, 0, info.width, info.height)
    met = sum(_meets(zone.shape.bounds, frame) for zone in inside if not zone.shape.is_empty)
    model = ModelUse(card.name, card.sha256, card.covers(info.gsd_m), "")
    return SceneDescription(
        path=info.path,
        scene_id=info.scene_id,
        width=info.width,
        height=info.height,
        crs=info.crs,
        gsd_m=info.gsd_m,
        gsd_source=info.gsd_source,
        bands=info.bands,
        bands_mean=_bands_mean(info),
        stretch=(info.stretch.low, info.stretch.high, info.stretch.source),
        valid_source=info.valid_source,
        valid_fraction=float(coverage.valid.mean()),
        acquired=info.when.iso,
        acquired_source=info.acquired_source,
        angles=asdict(info.angles),
        cloud_source=info.cloud_source,
        zones=(met, len(zones)) if len(zones) else None,
        tiles=len(plan),
        seconds=None if tile_s is None else tile_s * plan.read_pixels / card.tile_px**2,
        weights=card.name,
        weights_gsd_m=(card.gsd_min_m, card.gsd_max_m),
        remarks=(
            *_remarks(info, card, scene_remarks(scene, model, (), placeable(zones, scene))),
            *unreadable_remarks(scene, card.class_set, card.unreadable(info.gsd_m)),
            *_coarse_remarks(info, card),
        ),
    )


def tile_seconds(detector: Detector) -> float:
    """Seconds that the network takes for a tile: of a full batch, after one to warm up."""
    side = detector.card.tile_px
    tiles = np.full((detector.batch, side, side, 3), GREY, np.uint8)
    detector.forward(tiles)
    start = time.perf_counter()
    detector.forward(tiles)
    return (time.perf_counter() - start) / detector.batch


def _remarks(info: SceneInfo, card: ModelCard, found: Sequence[str]) -> list[str]:
    remarks = list(found)
    missing = [name for name, value in asdict(info.angles).items() if value is None]
    if missing and CONTAINER_STACK.name not in card.unreadable(info.gsd_m):
        remarks.append(
            "tiers of container stacks come from what is usual, not from shadows, without "
            + ", ".join(name.removesuffix("_deg") for name in missing)
        )
    if info.cloud_source is None:
        remarks.append(
            "counts are 'cloud_unknown': nothing tells of clouds; give a mask or scene.clouds=clear"
        )
    return remarks


def _coarse_remarks(info: SceneInfo, card: ModelCard) -> list[str]:
    """What the card's own range leaves open at few pixels a ship."""
    if info.gsd_m is None or info.gsd_m < COARSE_M or not card.covers(info.gsd_m):
        return []
    least_m = LEAST_SHIP_PX * info.gsd_m
    remarks = [f"ships shorter than about {least_m:.0f} m are a few pixels and mostly missed"]
    if info.near_infrared is None:
        remarks.append(
            "near infrared is not known, so it does not tell land from water: bright roofs and "
            "quays can be taken for ships; name its band with scene.nir=, or give land="
        )
    lacking = [
        words
        for words, known in (("counts", card.calibration), ("lengths of ships", card.lengths))
        if not known
    ]
    if lacking:
        remarks.append(
            f"{' and '.join(lacking)} have no intervals: the card of '{card.name}' does not tell "
            "how far they are off"
        )
    return remarks


def _bands_mean(info: SceneInfo) -> str:
    if len(info.bands) == 1:
        return "grey or palette"
    told = "red, green, blue"
    return told if info.near_infrared is None else f"{told}; near infrared: {info.near_infrared}"


def _known(angles: dict[str, float | None]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in angles.items() if value is not None]


def _meets(
    bounds: tuple[float, float, float, float], frame: tuple[float, float, float, float]
) -> bool:
    (x0, y0, x1, y1), (left, top, right, bottom) = bounds, frame
    return x0 < right and x1 > left and y0 < bottom and y1 > top
