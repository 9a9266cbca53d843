"""Pictures of the looks and of the events, with what is drawn on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.activity.looks.lengths import length_in_short
from detector.activity.looks.sightings import ID_SEPARATOR, PlacedObjects
from detector.activity.looks.sites import Site
from detector.activity.looks.zone_looks import Placement, merge_objects, scene_sightings
from detector.classes import PORT
from detector.export.overlay_view import scale_bar
from detector.geometry.geodesy import to_lonlat_transformer
from detector.lengths import WHOLE, cut_words, short_length
from detector.report.findings import Day
from detector.report.pictures import Pictures, Placed, encode, site_grid
from detector.report.sources import Sources
from detector.scenes.grid import Grid

LOOK_SIDE_PX: Final = 1600
CHIP_SIDE_PX: Final = 400
CHIP_SHAPE: Final = (4, 3)  # width to height
CHIP_MARGIN_M: Final = 30.0
LEAST_CHIP_M: Final = 140.0
BAR_SHARE: Final = 0.3  # longest scale bar, of the picture's width
MOST_LABELS: Final = 150  # of ships in a picture, the longest first
PATH_DIGITS: Final = 1
HATCH_CELLS: Final = 6.0  # from line to line in a box that is cut
UPSAMPLED: Final = 2.0  # a chip is drawn at most so much finer than its scene


@dataclass(frozen=True, slots=True)
class Bar:
    """A scale bar: its words and its length as a share of the picture's width, in percent."""

    label: str
    percent: float


@dataclass(frozen=True, slots=True)
class LookPicture:
    """A picture for the page.

    Attributes:
        day: ISO date.
        scene_ids: on it.
        acquired: ISO time, or the day alone.
        src: `data:` URI; empty where there is no room for it.
        width: of the frame that the paths are drawn in, pixels.
        height: of it.
        bounds: `(west, south, east, north)`, local metres.
        bar: scale.
        paths: SVG path data in the frame: `ship`, `container_stack`, `own_ship`,
            `own_container_stack` (of the event), `unseen` (no observations), `zone`.
        labels: `text`, `kind` (`ship` or `zone`), `x`, `y` in local metres.
        boxes: of a look, what is known of each: see `_box_facts`.
        ships: boxes of ships in the picture.
        stacks: boxes of container stacks in the picture.
        unseen: boxes in the picture that lie on unseen pixels.
        kind: of a chip: `before`, `after`, `ship_first`, `ship_last`; empty for a look.
    """

    day: str
    scene_ids: tuple[str, ...]
    acquired: str
    src: str
    width: int
    height: int
    bounds: tuple[float, float, float, float]
    bar: Bar
    paths: Mapping[str, str]
    labels: Sequence[Mapping[str, Any]] = ()
    boxes: Sequence[Mapping[str, Any]] = ()
    ships: int = 0
    stacks: int = 0
    unseen: int = 0
    kind: str = ""


@dataclass
class SiteGallery:
    """Makes the pictures of one site.

    Attributes:
        site: with zones.
        sources: scenes and registration.
        days: of the site.
    """

    site: Site
    sources: Sources
    days: Sequence[Day]
    pictures: Pictures = field(init=False)
    _objects: dict[str, PlacedObjects] = field(init=False, default_factory=dict)
    _boxes: dict[str, dict[str, NDArray[np.float64]]] = field(init=False, default_factory=dict)
    _lengths: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.site)
        # a ship of several looks has one length on the page: that of its visit
        self._lengths = {
            name: length_in_short(visit)
            for visit in self.sources.activity.get("visits", ())
            if visit["site"] == self.site.name
            for name in visit["evidence"].split(ID_SEPARATOR)
        }

    @property
    def remarks(self) -> Sequence[str]:
        """Why pictures are missing."""
        return list(self.pictures.remarks.values())

    def look(self, day: Day, budget_bytes: int) -> LookPicture | None:
        """The whole site on a date; None where no scene of it can be read."""
        placed = self.placed(day)
        finest = self.pictures.finest_m(placed)
        grid = site_grid(self.site, LOOK_SIDE_PX, finest)
        objects = self.objects(day)
        inside = objects.select(grid.holds(objects.corners)) if len(objects) else objects
        labels = [*self._zone_labels(), *_ship_labels(inside, self._lengths)]
        picture = self._picture(day, grid, placed, inside, (), budget_bytes, labels)
        return replace(picture, boxes=self._box_facts(inside)) if picture else None

    def chip(
        self, day: Day, grid: Grid, evidence: Sequence[str], kind: str, budget_bytes: int
    ) -> LookPicture | None:
        """A part of the site on a date, with what was found and the event's own boxes."""
        objects = self.objects(day)
        inside = objects.select(grid.holds(objects.corners)) if len(objects) else objects
        return self._picture(day, grid, self.placed(day), inside, evidence, budget_bytes, (), kind)

    def chip_frame(self, corners: NDArray[np.float64], day: Day) -> Grid:
        """The grid around boxes `(N, 4, 2)`, at the resolution that the date's scenes have."""
        west, south = corners.reshape(-1, 2).min(axis=0) - CHIP_MARGIN_M
        east, north = corners.reshape(-1, 2).max(axis=0) + CHIP_MARGIN_M
        across, down = CHIP_SHAPE
        width = max(east - west, (north - south) * across / down, LEAST_CHIP_M)
        height = width * down / across
        x, y = (west + east) / 2, (south + north) / 2
        bounds = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        finest = self.pictures.finest_m(self.placed(day)) / UPSAMPLED
        return Grid.around(bounds, CHIP_SIDE_PX, finest, self.site.frame.crs)

    def objects(self, day: Day) -> PlacedObjects:
        """What was found on a date, each object once, in local metres."""
        if day.day not in self._objects:
            name, scenes = self.site.name, self.sources.scenes
            parts = [
                scene_sightings(scenes[i], self.site, Placement(self.sources.shift(name, i), 0.0))
                for i in day.scene_ids
                if i in scenes
            ]
            self._objects[day.day] = merge_objects(parts)
        return self._objects[day.day]

    def hollow(self, day: Day, grid: Grid) -> NDArray[np.float64]:
        """Corners `(N, 4, 2)` of boxes on unseen pixels of a date, local metres, on a grid."""
        name, scenes = self.site.name, self.sources.scenes
        parts = [
            scene_sightings(
                replace(scenes[i], objects=scenes[i].unseen),
                self.site,
                Placement(self.sources.shift(name, i), 0.0),
            ).corners
            for i in day.scene_ids
            if i in scenes and len(scenes[i].unseen)
        ]
        corners = np.concatenate([np.zeros((0, 4, 2)), *parts])
        return corners[grid.holds(corners)] if len(corners) else corners

    def box(self, evidence: str) -> NDArray[np.float64] | None:
        """Corners `(4, 2)` of a box that evidence names, local metres; None where it is gone.

        Args:
            evidence: `<scene_id>#<row>`, the row in that scene's detections.
        """
        scene_id, _, row = evidence.rpartition("#")
        if scene_id not in self._boxes:
            scene = self.sources.scenes.get(scene_id)
            shift = self.sources.shift(self.site.name, scene_id)
            found = scene_sightings(scene, self.site, Placement(shift, 0.0)) if scene else None
            self._boxes[scene_id] = (
                dict(zip(found.ids.tolist(), found.corners, strict=True)) if found else {}
            )
        return self._boxes[scene_id].get(f"{scene_id}#{row}")

    def placed(self, day: Day) -> list[Placed]:
        """The scenes of a date with their shifts."""
        name, scenes = self.site.name, self.sources.scenes
        return [
            Placed(scenes[i], self.sources.shift(name, i)) for i in day.scene_ids if i in scenes
        ]

    def _picture(
        self,
        day: Day,
        grid: Grid,
        placed: Sequence[Placed],
        objects: PlacedObjects,
        evidence: Sequence[str],
        budget_bytes: int,
        labels: Sequence[Mapping[str, Any]],
        kind: str = "",
    ) -> LookPicture | None:
        image = self.pictures.read(placed, grid)
        if image is None:
            return None
        src = encode(image, budget_bytes)
        if not src:
            return None
        ships = PORT.mask(objects.class_ids, "visits")
        own = np.isin(objects.ids, list(evidence))
        hollow = self.hollow(day, grid)
        paths = {
            "ship": _path(grid, objects.select(ships & ~own)),
            "container_stack": _path(grid, objects.select(~ships & ~own)),
            "own_ship": _path(grid, objects.select(ships & own)),
            "own_container_stack": _path(grid, objects.select(~ships & own)),
            "unseen": _rings(grid, hollow),
            "zone": "".join(_zone_path(grid, zone.shape) for zone in self.site.zones),
        }
        bar = scale_bar(grid.cell_m, max(int(grid.width * BAR_SHARE), 1))
        return LookPicture(
            day=day.day,
            scene_ids=tuple(item.scene.scene_id for item in placed),
            acquired=placed[0].scene.when.iso,
            src=src,
            width=grid.width,
            height=grid.height,
            bounds=grid.bounds,
            bar=Bar(bar.label, round(100.0 * bar.length_px / grid.width, 2)),
            paths=paths,
            labels=labels,
            ships=int(ships.sum()),
            stacks=int((~ships).sum()),
            unseen=len(hollow),
            kind=kind,
        )

    def _box_facts(self, objects: PlacedObjects) -> list[dict[str, Any]]:
        """What is known of each box, short: the page carries it for every look.

        `id` of the evidence; `class`; `at` its corners, local metres, x0, y0 … x3, y3; `score`;
        `length` in words; `width` metres; `area` m²; `axis` azimuth in degrees; `place` latitude
        and longitude of its centre; `cut` why its size is a lower bound, or empty; `visit` zone,
        first and last day of the visit that it is part of, or None.
        """
        lon, lat = to_lonlat_transformer(self.site.frame.crs).transform(*objects.centres.T)
        names = PORT.names
        visits = {
            name: [row["zone"], str(row["first_seen"]), str(row["last_seen"])]
            for row in self.sources.activity.get("visits", ())
            if row["site"] == self.site.name
            for name in row["evidence"].split(ID_SEPARATOR)
        }
        return [
            {
                "id": str(objects.ids[i]),
                "class": names[objects.class_ids[i]],
                "at": np.round(objects.corners[i].ravel(), 1).tolist(),
                "score": round(float(objects.scores[i]), 2),
                "length": self._length_words(objects, i),
                "width": _known(objects.width_m[i]),
                "area": _known(objects.area_m2[i]),
                "axis": _known(objects.axis_deg[i]),
                "place": [round(float(lat[i]), 5), round(float(lon[i]), 5)],
                "cut": cut_words(str(objects.cut[i])),
                "visit": visits.get(str(objects.ids[i])),
            }
            for i in range(len(objects))
        ]

    def _length_words(self, objects: PlacedObjects, i: int) -> str | None:
        if not np.isfinite(objects.length_m[i]):
            return None
        return self._lengths.get(str(objects.ids[i])) or short_length(
            objects.length_m[i], objects.length_low_m[i], objects.cut[i]
        )

    def _zone_labels(self) -> list[dict[str, Any]]:
        labels = []
        for zone in self.site.zones:
            point = zone.shape.representative_point()
            x, y = round(point.x, 1), round(point.y, 1)
            labels.append({"text": zone.name, "kind": "zone", "x": x, "y": y})
        return labels


@contextmanager
def open_gallery(site: Site, sources: Sources, days: Sequence[Day]) -> Iterator[SiteGallery]:
    """A gallery whose scenes are closed at the end."""
    gallery = SiteGallery(site, sources, days)
    try:
        yield gallery
    finally:
        gallery.pictures.close()


def _ship_labels(objects: PlacedObjects, known: Mapping[str, str]) -> list[dict[str, Any]]:
    """Lengths beside ships: those of their visits, else as the look measured them."""
    visits = PORT.mask(objects.class_ids, "visits")
    ships = np.flatnonzero(visits & np.isfinite(objects.length_m))
    longest = ships[np.argsort(-objects.length_m[ships], kind="stable")][:MOST_LABELS]
    centres = objects.centres
    return [
        {
            "text": known.get(str(objects.ids[i]))
            or short_length(objects.length_m[i], objects.length_low_m[i], objects.cut[i]),
            "kind": "ship",
            "x": round(float(centres[i, 0]), 1),
            "y": round(float(centres[i, 1]), 1),
        }
        for i in longest
    ]


def _path(grid: Grid, objects: PlacedObjects) -> str:
    """Boxes as SVG path data; those that are cut are hatched."""
    return _rings(grid, objects.corners) + _hatches(grid, objects.corners[objects.cut != WHOLE])


def _rings(grid: Grid, corners: NDArray[np.float64]) -> str:
    """Boxes `(N, 4, 2)` of local metres as SVG path data."""
    return "".join(_ring(points) for points in grid.to_cells(corners)) if len(corners) else ""


def _hatches(grid: Grid, corners: NDArray[np.float64]) -> str:
    """Diagonal lines inside boxes `(N, 4, 2)` of local metres, on one raster, as path data."""
    told = []
    for points in grid.to_cells(corners) if len(corners) else ():
        sums, (top, bottom) = points.sum(axis=1), (points[:, 1].min(), points[:, 1].max())
        at = np.arange(np.ceil(sums.min() / HATCH_CELLS), sums.max() / HATCH_CELLS) * HATCH_CELLS
        ends = np.stack([at - top, np.full_like(at, top), at - bottom, np.full_like(at, bottom)], 1)
        lines = shapely.linestrings(ends.reshape(-1, 2, 2))
        for line in shapely.intersection(lines, shapely.Polygon(points)):
            if line.geom_type == "LineString" and not line.is_empty:
                told.append(_line(shapely.get_coordinates(line)))
    return "".join(told)


def _known(value: float) -> int | None:
    return round(float(value)) if np.isfinite(value) else None


def _zone_path(grid: Grid, shape: shapely.Geometry) -> str:
    tolerance = grid.cell_m / 2
    simple = shapely.simplify(shape, tolerance)
    rings = []
    for part in shapely.get_parts(simple):
        if part.geom_type == "Polygon":
            rings += [part.exterior, *part.interiors]
    return "".join(_ring(grid.to_cells(shapely.get_coordinates(ring)[:-1])) for ring in rings)


def _ring(points: NDArray[np.float64]) -> str:
    return _line(points) + "Z"


def _line(points: NDArray[np.float64]) -> str:
    told = [f"{x:.{PATH_DIGITS}f} {y:.{PATH_DIGITS}f}" for x, y in points.tolist()]
    return "M" + "L".join(told)
