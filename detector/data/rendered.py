"""Rendered ports as labelled images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.data.labelled import LabelledImage
from detector.files import atomic_path
from detector.geometry.boxes import as_corners
from detector.rendering import (
    LayoutSpec,
    PortSpec,
    SensorSpec,
    SkySpec,
    TrafficSpec,
    TruthObject,
    render,
    write_scene,
)
from detector.rendering.hard import HARD_KINDS, hard_scene
from detector.rendering.truth import truth_classes, truth_corners

SOURCE = "rendered"
HARD_SOURCE = "rendered hard"
HARD_GSD_M = 2.5
CHASSIS = "chassis"  # kind of a loaded lorry in a rendered truth
LABELS_SUFFIX = ".labels.npz"  # another name where the rule of `_hides` changed
GSD_M = (0.3, 1.0)  # the range in which both classes are labelled in the pool
# What is built along the coast, and how often. Yards are what the pool has too few of.
LAYOUTS: tuple[tuple[tuple[str, ...], float], ...] = (
    ((), 0.4),  # drawn
    (("container",), 0.3),
    (("railhead",), 0.1),
    (("general", "container"), 0.1),
    (("piers", "marina"), 0.1),
)
DEPOT: tuple[tuple[tuple[str, ...], float], ...] = ((("depot",), 1.0),)
DEPOT_GSD_M = (0.25, 0.6)  # coarser ones could not be shown at the gsd at which yards are read


@dataclass(frozen=True, slots=True)
class _Kind:
    """What scenes of one kind are drawn from."""

    name: str
    place: str
    layouts: tuple[tuple[tuple[str, ...], float], ...]
    gsd_m: tuple[float, float]
    fill: tuple[float, float]


_PORT = _Kind("port", "rendered", LAYOUTS, GSD_M, (0.25, 0.95))
_DEPOT = _Kind("depot", "rendered-depot", DEPOT, DEPOT_GSD_M, (0.6, 1.0))


def rendered_ports(folder: Path, count: int, side_px: int, seed: int) -> Iterator[LabelledImage]:
    """Ports with sea, quays, yards and ships, each of another gsd, sun and sensor.

    Args:
        folder: where the scenes are written; those that are there are not rendered again.
        count: number of ports.
        side_px: of each scene.
        seed: of the first port; the next ones follow.
    """
    for number in range(seed, seed + count):
        yield _scene(folder, side_px, number, _PORT)


def rendered_depots(folder: Path, count: int, side_px: int, seed: int) -> Iterator[LabelledImage]:
    """Crowded container depots behind a quay; everything else as for `rendered_ports`."""
    for number in range(seed, seed + count):
        yield _scene(folder, side_px, number, _DEPOT)


def hard_scenes(folder: Path, count: int, side_px: int, seed: int) -> Iterator[LabelledImage]:
    """Scenes of 2.5 m without ships, of what coarse pixels take for one, so many of each kind.

    Args:
        folder: as of `rendered_ports`.
        count: scenes of each of `rendering.hard.HARD_KINDS`.
        side_px: of each scene.
        seed: of the first one.
    """
    for kind in HARD_KINDS:
        for number in range(seed, seed + count):
            path = folder / f"hard-{kind}-{side_px}-{number}.tif"
            if not path.is_file():
                write_scene(hard_scene(kind, number, side_px, HARD_GSD_M), path)
            yield LabelledImage(
                image=path,
                width=side_px,
                height=side_px,
                source=HARD_SOURCE,
                split="train",
                place=f"rendered-hard-{kind}-{number}",
                gsd_m=HARD_GSD_M,
                corners=as_corners([]),
                class_ids=np.zeros(0, np.int64),
            )


def _scene(folder: Path, side_px: int, seed: int, kind: _Kind) -> LabelledImage:
    path = folder / f"{kind.name}-{side_px}-{seed}.tif"
    labels = path.with_suffix(LABELS_SUFFIX)
    # The labels are written last, so that picture and labels are of one rendering.
    if not labels.is_file():
        _render(path, side_px, seed, kind)
    with np.load(labels, allow_pickle=False) as truth:
        return LabelledImage(
            image=path,
            width=side_px,
            height=side_px,
            source=SOURCE,
            split="train",
            place=f"{kind.place}-{seed}",
            gsd_m=float(truth["gsd_m"]),
            corners=truth["corners"],
            class_ids=truth["class_ids"],
            ignored=truth["ignored"],
        )


def _render(path: Path, side_px: int, seed: int, kind: _Kind) -> None:
    rng = np.random.default_rng([seed, side_px])
    gsd_m = float(np.round(np.exp(rng.uniform(*np.log(kind.gsd_m))), 3))
    spec = PortSpec(
        name="port",
        width=side_px,
        height=side_px,
        gsd_m=gsd_m,
        layout=_layout(rng, kind.layouts),
        traffic=TrafficSpec(
            berth_occupancy=float(rng.uniform(0.4, 1.0)),
            rafted=float(rng.uniform(0.0, 0.4)),
            yard_fill=float(rng.uniform(*kind.fill)),
            tiers_max=int(rng.integers(1, 7)),
        ),
        sky=SkySpec(
            sun_elevation_deg=float(rng.uniform(25, 70)),
            sun_azimuth_deg=float(rng.uniform(0, 360)),
            haze=float(rng.uniform(0, 0.15)),
            wind_ms=float(rng.uniform(1, 9)),
        ),
        sensor=SensorSpec(
            off_nadir_deg=float(rng.uniform(0, 25)),
            view_azimuth_deg=float(rng.uniform(0, 360)),
            blur_px=float(rng.uniform(0.4, 0.9)),
            noise=float(rng.uniform(1, 4)),
        ),
    )
    scene = render(spec, seed)
    write_scene(scene, path)
    objects = tuple(item for item in scene.truth if item.counts)
    unsure = tuple(item for item in scene.truth if not item.counts and _hides(item))
    with atomic_path(path.with_suffix(LABELS_SUFFIX)) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            gsd_m=gsd_m,
            corners=truth_corners(objects),
            class_ids=truth_classes(objects),
            ignored=truth_corners(unsure),
        )


def _layout(
    rng: np.random.Generator, layouts: tuple[tuple[tuple[str, ...], float], ...]
) -> LayoutSpec:
    kinds, shares = zip(*layouts, strict=True)
    return LayoutSpec(
        sectors=list(kinds[rng.choice(len(kinds), p=shares)]),
        land_fraction=float(rng.uniform(0.4, 0.75)),
    )


def _hides(item: TruthObject) -> bool:
    """Whether an object that is not counted must not be taught as background either.

    Deck cargo must: it is what the network is to leave out. So must loaded lorries: whoever finds
    them in a yard is not wrong, but a lorry park that is read as rows of stacks makes counts false.
    """
    return not item.on_ship and item.kind != CHASSIS and item.visible > 0
