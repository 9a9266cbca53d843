"""Looks: what one date shows of one zone. Several scenes of a day and zone become one look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry.base import BaseGeometry

from detector.activity.looks.runs import Observed, RunScene
from detector.activity.looks.sightings import ID_SEPARATOR, PlacedObjects, concatenate
from detector.activity.looks.sites import Site
from detector.counting.counts import (
    OBSERVED_SHARE,
    UNOBSERVED_SHARE,
    Status,
    gives_number,
    seen_whole,
    unreadable,
)
from detector.counting.zones import Zone, assign_to_zones
from detector.geometry.boxes import intersection_areas, polygons
from detector.geometry.frames import FilePixels, LocalMetres
from detector.times import Acquired, say_day

SAME_IOU = 0.3  # from it boxes of two scenes of a day are one object
SAME_SHARE = 0.6  # or from this share of the smaller one, as where a scene's edge cuts a ship
FOUND = "found by the network in "  # before a scene's id: its objects before people corrected them
FULL_SHARE = 0.999  # a seen fraction this near to its footprint's share: no clouds or nodata


@dataclass(frozen=True, slots=True)
class Look:
    """What one day shows of one zone.

    Attributes:
        zone: name.
        day: in the site's time zone.
        acquired: UTC, of the scene that saw most of the zone; None where its time of day is
            unknown.
        scene_ids: that saw the zone, the one that saw most first.
        observed_fraction: of the zone, by all of them; a lower bound where clouds are in several.
        status: as of counts.
        residual_m: of the registration; positions are not known better.
        sightings: objects of the zone.
        gsd_m: of the scene that saw most.
        reviewed: a person looked at all of the zone that was seen: its objects are what is there.
        found: what the network found, where people corrected it; None elsewhere.
        unreadable: classes that one of the scenes could not tell at its gsd, by name: of them
            nothing is known, whatever was seen of the zone.
    """

    zone: str
    day: date
    acquired: datetime | None
    scene_ids: tuple[str, ...]
    observed_fraction: float
    status: Status
    residual_m: float
    sightings: PlacedObjects
    gsd_m: float | None = None
    reviewed: bool = False
    found: PlacedObjects | None = None

    @property
    def as_found(self) -> Look:
        """The look without what people said of it."""
        if self.found is None:
            return self
        return replace(self, sightings=self.found, reviewed=False, found=None)

    unreadable: frozenset[str] = frozenset()

    def status_of(self, name: str) -> Status:
        """The status of the counts of one class."""
        return "outside_model_range" if name in self.unreadable and self.usable else self.status

    def of_class(self, name: str) -> Look:
        """The same look as those see it who ask for one class alone."""
        return replace(self, status=self.status_of(name))

    @property
    def when(self) -> Acquired:
        """Time of the scene that saw most, or the day alone."""
        return Acquired(self.acquired, None if self.acquired else self.day)

    @property
    def usable(self) -> bool:
        """Whether its counts can be used: something was seen, at a gsd that the model knows."""
        return gives_number(self.status)

    @property
    def whole(self) -> bool:
        """Whether the whole zone was seen, and its counts can be used."""
        return seen_whole(self.status, self.observed_fraction)


@dataclass(frozen=True, slots=True)
class Placement:
    """How a scene is laid on the site.

    Attributes:
        shift_m: east and north, added to the scene's own coordinates.
        residual_m: standard deviation of what is left.
    """

    shift_m: tuple[float, float]
    residual_m: float


def build_looks(
    site: Site, scenes: Sequence[RunScene], placements: Mapping[str, Placement]
) -> dict[str, list[Look]]:
    """The looks of every zone in order of time.

    Args:
        site: with its zones.
        scenes: of one or more runs.
        placements: of every scene, by id.

    Returns:
        Zone name to looks; an empty list for a zone that no scene meets.
    """
    outlines = {s.scene_id: _outline(s, site, placements[s.scene_id]) for s in scenes}
    days: dict[date, list[RunScene]] = {}
    for scene in scenes:
        days.setdefault(scene.day_at(site), []).append(scene)
    looks: dict[str, list[Look]] = {zone.name: [] for zone in site.zones}
    for day in sorted(days):
        near = [s for s in days[day] if _meets(outlines[s.scene_id], site)]
        found = {s.scene_id: scene_sightings(s, site, placements[s.scene_id]) for s in near}
        found |= {
            f"{FOUND}{s.scene_id}": scene_sightings(
                replace(s, objects=s.found), site, placements[s.scene_id]
            )
            for s in near
            if s.found is not None
        }
        for zone in site.zones:
            views = [
                ZoneView(
                    scene, outlines[scene.scene_id], _seen(scene, zone, outlines[scene.scene_id])
                )
                for scene in near
                if outlines[scene.scene_id].intersects(zone.shape)
            ]
            if views:
                looks[zone.name].append(_look(site, zone, day, views, found, placements))
    return looks


def unknown_orders(site: Site, scenes: Sequence[RunScene]) -> list[str]:
    """What to say of days with several scenes whose order nobody knows: one sentence a day."""
    days: dict[date, list[RunScene]] = {}
    for scene in scenes:
        days.setdefault(scene.day_at(site), []).append(scene)
    said = []
    for day in sorted(days):
        bare = [scene.scene_id for scene in days[day] if scene.acquired is None]
        if bare and len(days[day]) > 1:
            said.append(
                f"site '{site.name}', {say_day(day)}: {len(days[day])} scenes in an unknown order, "
                f"since the time of day of {', '.join(bare)} is unknown; they are one look"
            )
    return said


@dataclass(frozen=True, slots=True)
class ZoneView:
    """A scene, its outline in the local frame, and what it saw of a zone."""

    scene: RunScene
    outline: BaseGeometry
    seen: Observed


def union_fraction(zone: BaseGeometry, views: Sequence[ZoneView]) -> float:
    """The seen part of a zone in several scenes together, never too high.

    Exact where nothing but the outlines limits what was seen. Where clouds are, it is not known
    which part they hide: the scene that saw most counts in full, and every further one adds what
    lies outside the outlines of those before, less all that it did not see.
    """
    ordered = sorted(views, key=lambda view: -view.seen.fraction)
    covered: BaseGeometry = shapely.Polygon()
    total = 0.0
    for view in ordered:
        inside = view.outline.intersection(zone)
        hidden = max(0.0, inside.area - view.seen.fraction * zone.area)
        if view.seen.fraction * zone.area >= FULL_SHARE * inside.area:
            hidden = 0.0
        total += max(0.0, inside.difference(covered).area - hidden)
        covered = covered.union(inside)
    return float(min(1.0, max(total / zone.area, ordered[0].seen.fraction)))


def merge_objects(parts: Sequence[PlacedObjects]) -> PlacedObjects:
    """Objects of several scenes of one day, each once: whole before cut, then highest score.

    Boxes of one class in different scenes are one object from an IoU of `SAME_IOU` on, or where
    they share `SAME_SHARE` of the smaller.

    Args:
        parts: one a scene, in one frame.
    """
    everything = concatenate(parts)
    source = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    if len(parts) < 2 or not len(everything):
        return everything
    shapes = polygons(everything.corners)
    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    different = (
        (a < b) & (source[a] != source[b]) & (everything.class_ids[a] == everything.class_ids[b])
    )
    a, b = a[different], b[different]
    shared = intersection_areas(shapes[a], shapes[b])
    area_a, area_b = shapely.area(shapes[a]), shapely.area(shapes[b])
    iou = shared / np.maximum(area_a + area_b - shared, 1e-9)
    same = (iou >= SAME_IOU) | (shared >= SAME_SHARE * np.minimum(area_a, area_b))
    links = coo_array((np.ones(int(same.sum())), (a[same], b[same])), shape=(len(source),) * 2)
    _, labels = connected_components(links, directed=False)
    order = np.lexsort((-everything.scores, everything.is_cut))
    _, first = np.unique(labels[order], return_index=True)
    return everything.select(np.sort(order[first]))


def _look(
    site: Site,
    zone: Zone,
    day: date,
    views: Sequence[ZoneView],
    found: Mapping[str, PlacedObjects],
    placements: Mapping[str, Placement],
) -> Look:
    fit = [view for view in views if not unreadable(view.seen.status)]
    used = sorted(fit or views, key=lambda view: (-view.seen.fraction, view.scene.scene_id))
    fraction = union_fraction(zone.shape, used)
    ids = tuple(view.scene.scene_id for view in used)
    by_hand = [view for view in used if is_looked_at(view, zone, site, placements)]
    # what a person saw whole needs no other scene: what was false in it would come back from there
    reviewed = bool(by_hand) and union_fraction(zone.shape, by_hand) >= FULL_SHARE * fraction
    taken = tuple(view.scene.scene_id for view in by_hand) if reviewed else ids
    before = None
    if any(view.scene.found is not None for view in used):
        before = _inside(zone, [found.get(f"{FOUND}{name}", found[name]) for name in ids])
    return Look(
        zone=zone.name,
        day=day,
        acquired=used[0].scene.acquired,
        scene_ids=ids,
        observed_fraction=fraction,
        status=_status(fraction, used),
        residual_m=max(placements[scene_id].residual_m for scene_id in ids),
        sightings=_inside(zone, [found[name] for name in taken]),
        gsd_m=used[0].scene.gsd_m,
        reviewed=reviewed,
        found=before,
        unreadable=frozenset().union(*(view.scene.unreadable for view in used)),
    )


def is_looked_at(
    view: ZoneView, zone: Zone, site: Site, placements: Mapping[str, Placement]
) -> bool:
    """Whether somebody looked at all that a scene shows of a zone."""
    if not view.scene.looked:
        return False
    shift = np.asarray(placements[view.scene.scene_id].shift_m)
    scene = view.scene

    def to_site(points: NDArray[np.float64]) -> NDArray[np.float64]:
        local = site.frame.from_pixels(FilePixels(points), scene.transform, scene.crs)
        return np.asarray(local + shift)

    looked = shapely.union_all([shapely.transform(shape, to_site) for shape in scene.looked])
    inside = view.outline.intersection(zone.shape)
    return bool(looked.intersection(inside).area >= FULL_SHARE * inside.area > 0)


def _inside(zone: Zone, parts: Sequence[PlacedObjects]) -> PlacedObjects:
    """The objects of several scenes of a day that lie in a zone, each once."""
    objects = merge_objects(parts)
    return objects.select(assign_to_zones(objects.corners, (zone,))[0])


def _status(fraction: float, views: Sequence[ZoneView]) -> Status:
    """The gravest of what holds, in the order of the counts' status."""
    statuses = {view.seen.status for view in views}
    if all(unreadable(status) for status in statuses):
        return max(statuses)  # scale_unknown, if one is
    if fraction < UNOBSERVED_SHARE:
        return "unobserved"
    if fraction < OBSERVED_SHARE:
        return "partial"
    return "cloud_unknown" if "cloud_unknown" in statuses else "observed"


def look_row(site: Site, zone: Zone, look: Look) -> dict[str, Any]:
    """The row `schema.LookRow` of one look of a zone."""
    return {
        "site": site.name,
        "zone": zone.name,
        "kind": zone.kind,
        "day": look.day,
        "acquired": look.acquired,
        "acquired_precision": look.when.precision,
        "observed_fraction": look.observed_fraction,
        "status": look.status,
        "residual_m": look.residual_m,
        "scene_ids": ID_SEPARATOR.join(look.scene_ids),
        "gsd_m": look.gsd_m,
    }


def _seen(scene: RunScene, zone: Zone, outline: BaseGeometry) -> Observed:
    """What the run says of the zone; else what the outline says, less all that was not seen."""
    known = scene.zones.get(zone.name)
    if known is not None:
        return known
    hidden = 0.0
    if gives_number(scene.whole.status) and scene.whole.fraction < OBSERVED_SHARE:
        # nobody knows where in the scene its clouds and its pixels without data lie
        hidden = (1 - scene.whole.fraction) * outline.area
    inside = max(0.0, outline.intersection(zone.shape).area - hidden)
    share = float(inside / zone.shape.area)
    if not scene.in_model_range:
        told: Status = "scale_unknown" if scene.in_model_range is None else "outside_model_range"
        return Observed(share, told)
    clear = scene.whole.status == "observed" and scene.whole.fraction >= OBSERVED_SHARE
    return Observed(share, "observed" if clear else "cloud_unknown")


def _outline(scene: RunScene, site: Site, placement: Placement) -> BaseGeometry:
    shift = np.asarray(placement.shift_m)
    return shapely.transform(scene.footprint(site.frame), lambda points: points + shift)


def _meets(outline: BaseGeometry, site: Site) -> bool:
    return any(outline.intersects(zone.shape) for zone in site.zones)


def scene_sightings(scene: RunScene, site: Site, placement: Placement) -> PlacedObjects:
    """All objects of a scene in the local frame, in its zones or not."""
    objects = scene.objects
    corners = site.frame.from_pixels(objects.corners, scene.transform, scene.crs)
    return objects.placed(LocalMetres(corners + np.asarray(placement.shift_m)))
