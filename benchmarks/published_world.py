"""A rendered story with what was published of it: what `benchmarks.published` holds together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from benchmarks.published_stories import HIDDEN, Published
from benchmarks.published_truth import Thing, TrueLook, TrueSite
from detector.activity.looks.runs import RunScene
from detector.classes import PORT
from detector.detections import CORNER_COLUMNS
from detector.geometry.geodesy import apply_transform
from detector.rendering.demo import START
from detector.rendering.layout import lay_out
from detector.rendering.schedule import consignment, travel_dates
from detector.rendering.story import StoryLook, StorySite, Visit
from detector.rendering.write import CLOUD_ENDING, rendered_stem

LEAST_MATCH = 0.4  # of the smaller of two outlines that a box shares with what it shows
LEAST_COVERED = 0.35  # of a block's outline that lies in a box that tells of it
SECONDS_A_DAY = 86_400.0
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


class Loaded(NamedTuple):
    """What stands in a region: square metres under blocks, TEU, containers."""

    area_m2: float
    teu: float
    containers: float


class Leg(NamedTuple):
    """Where a lot of goods stands: a site, its zones there, the first and the last day."""

    site: str
    zones: tuple[str, ...]
    first: str
    last: str


@dataclass(frozen=True)
class World:
    """A story and what was published of it.

    Attributes:
        sites: by name.
        lot: what travels from site to site.
        time_zone: of the sites.
        document: content of `report.json`.
        activity: content of `activity.json`.
        boxes: corners `(4, 2)` in pixels of every evidence id.
        ships_found: whether a box is a ship's, of every evidence id.
        hidden: ids of boxes that the run says lie on nothing that was seen.
        crs: of the truth of each site.
        site_files: `site.yaml` of each.
        page: the HTML.
    """

    sites: dict[str, TrueSite]
    lot: tuple[Leg, ...]
    time_zone: ZoneInfo
    document: dict[str, Any]
    activity: dict[str, Any]
    boxes: dict[str, NDArray[np.float64]]
    ships_found: dict[str, bool]
    hidden: tuple[str, ...]
    crs: dict[str, str]
    site_files: dict[str, Path]
    page: str

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the page's script draws."""
        found = DATA.search(self.page)
        content: dict[str, Any] = json.loads(found[1]) if found else {}
        return content

    def site(self, at: int) -> TrueSite:
        """By its number on the page, from 0."""
        return self.sites[self.document["sites"][at]["name"]]

    def day_of(self, days: float) -> date:
        """The day at the sites, so many days after the start of the story."""
        return (START + timedelta(days=days)).astimezone(self.time_zone).date()

    def scene_look(self, scene_id: str) -> tuple[TrueSite, TrueLook]:
        """Whose picture a scene is."""
        return next(
            (site, look)
            for site in self.sites.values()
            for look in site.looks
            if look.scene_id == scene_id
        )

    def ship(self, evidence: str) -> Thing | None:
        """The ship that a box shows, or None."""
        return self._shown(evidence, is_ship=True)

    def block(self, evidence: str) -> Thing | None:
        """The block that a box shows, or None."""
        return self._shown(evidence, is_ship=False)

    def _shown(self, evidence: str, *, is_ship: bool) -> Thing | None:
        _, look = self.scene_look(evidence.rpartition("#")[0])
        box = shapely.Polygon(self.boxes[evidence])
        best, most = None, 0.0
        for thing in look.things:
            if thing.is_ship != is_ship:
                continue
            overlap = box.intersection(thing.outline).area
            if overlap >= LEAST_MATCH * min(box.area, thing.outline.area) and overlap > most:
                best, most = thing, overlap
        return best

    def found(self, look: TrueLook) -> list[tuple[str, bool]]:
        """The boxes of a date, each with whether it is a ship's."""
        prefix = f"{look.scene_id}#"
        return [(name, ship) for name, ship in self.ships_found.items() if name.startswith(prefix)]

    def unseen_share(self, evidence: str) -> float:
        """Share of a box on pixels that show nothing."""
        _, look = self.scene_look(evidence.rpartition("#")[0])
        corners = self.boxes[evidence]
        height, width = look.unseen.shape
        steps = (np.stack(np.meshgrid(np.arange(12), np.arange(12)), -1).reshape(-1, 2) + 0.5) / 12
        along, across = corners[1] - corners[0], corners[3] - corners[0]
        points = np.floor(corners[0] + steps[:, :1] * along + steps[:, 1:] * across).astype(int)
        inside = ((points >= 0) & (points < [width, height])).all(axis=1)
        outside = ~inside
        points = points.clip(0, [width - 1, height - 1])
        return float((look.unseen[points[:, 1], points[:, 0]] | outside).mean())

    def change(
        self, site: TrueSite, days: tuple[str, str], before: Iterable[str], after: Iterable[str]
    ) -> tuple[Loaded, Loaded]:
        """What stood on two dates where boxes of the dates lie, and the blocks that they show."""
        looks = [site.look(day) for day in days]
        parts: list[BaseGeometry] = []
        for ids in (before, after):
            parts += [self._placed(name) for name in ids]
        region = shapely.union_all(parts).buffer(0.5)
        for look in looks:
            for thing in look.things:
                if thing.is_ship or not thing.counts:
                    continue
                if thing.place.intersection(region).area >= LEAST_COVERED * thing.place.area:
                    parts.append(thing.place)
        region = shapely.union_all(parts).buffer(0.5)
        first, second = (_standing(look, region) for look in looks)
        return first, second

    def _placed(self, evidence: str) -> shapely.Polygon:
        """A box where it truly lies, metres of the site's CRS."""
        _, look = self.scene_look(evidence.rpartition("#")[0])
        return shapely.Polygon(true_metres(self.boxes[evidence], look.transform, look.shift_m))


def _standing(look: TrueLook, region: BaseGeometry) -> Loaded:
    blocks = [thing for thing in look.things if not thing.is_ship and thing.counts]
    places = np.array([thing.place for thing in blocks], object)
    shared = shapely.area(shapely.intersection(places, region))
    within = shared / np.maximum(shapely.area(places), 1.0) if blocks else shared
    return Loaded(
        float(shared.sum()),
        sum(float(share) * thing.teu for share, thing in zip(within, blocks, strict=True)),
        sum(float(share) * thing.containers for share, thing in zip(within, blocks, strict=True)),
    )


def read_world(published: Published, time_zone: ZoneInfo, runs: Sequence[RunScene]) -> World:
    """The truth of a story, and what was published of it.

    Args:
        published: of the story.
        time_zone: of its sites.
        runs: scenes of its runs.
    """
    report, activity = published.folder / "report", published.folder / "activity"
    document = json.loads((report / "report.json").read_text(encoding="utf-8"))
    ids = {Path(scene.path).name: scene.scene_id for scene in runs}
    folders = {site: Path(path).parents[1] for site, path in published.rasters.items()}
    visits = published.story.visits
    sites = {
        site.name: _site(site, visits, folders[site.name], ids, time_zone)
        for site in published.story.sites
    }
    boxes = {
        str(name): corners
        for scene in runs
        for objects in (scene.objects, scene.unseen)
        for name, corners in zip(objects.ids, objects.corners, strict=True)
    }
    ship_id = PORT.id("ship")
    ships_found = {
        str(name): int(class_id) == ship_id
        for scene in runs
        for name, class_id in zip(scene.objects.ids, scene.objects.class_ids, strict=True)
    }
    page = (report / "report.html").read_text(encoding="utf-8")
    return World(
        sites,
        _lot(published, sites),
        time_zone,
        document,
        json.loads((activity / "activity.json").read_text(encoding="utf-8")),
        boxes,
        ships_found,
        tuple(str(name) for scene in runs for name in scene.unseen.ids),
        {site.name: site.looks[0].spec.place.crs for site in published.story.sites},
        {name: published.folder / f"{name}.yaml" for name in sites},
        page,
    )


def _site(
    site: StorySite,
    visits: Sequence[Visit],
    folder: Path,
    ids: Mapping[str, str],
    time_zone: ZoneInfo,
) -> TrueSite:
    zones = gpd.read_file(folder / f"{site.name}.geojson").to_crs(site.looks[0].spec.place.crs)
    seen = pd.read_csv(folder / "looks.csv")
    mine = tuple(visit for visit in visits if visit.site == site.name)
    berthed = {visit.ship_id for visit in mine}
    return TrueSite(
        site.name,
        dict(zip(zones["name"], zones["kind"], strict=True)),
        dict(zip(zones["name"], zones.geometry, strict=True)),
        tuple(_look(site.name, look, berthed, folder, seen, ids, time_zone) for look in site.looks),
        mine,
    )


def _look(
    site: str,
    look: StoryLook,
    berthed: set[str],
    folder: Path,
    seen: pd.DataFrame,
    ids: Mapping[str, str],
    time_zone: ZoneInfo,
) -> TrueLook:
    spec = look.spec
    path = folder / site / f"{rendered_stem(spec)}.tif"
    told, hidden = path.with_name(f"{path.stem}{CLOUD_ENDING}"), f"{path.stem}_cloud{HIDDEN}"
    with rasterio.open(path) as raster:
        valid, transform = raster.read().any(axis=0), raster.transform
    with rasterio.open(told if told.is_file() else path.with_name(hidden)) as raster:
        cloud = raster.read(1) > 0
    rows = seen[(seen["site"] == site) & np.isclose(seen["day"], look.day)]
    shift = spec.sensor.shift_x_m, -spec.sensor.shift_y_m
    table = gpd.read_file(path.with_name(f"{path.stem}_truth.geojson"))
    acquired = spec.sky.time
    return TrueLook(
        day=acquired.astimezone(time_zone).date().isoformat(),
        at=(acquired - START).total_seconds() / SECONDS_A_DAY,
        acquired=acquired,
        name=path.name,
        scene_id=ids.get(path.name, ""),
        gsd_m=spec.gsd_m,
        transform=transform,
        shift_m=shift,
        seen=dict(zip(rows["zone"], rows["observed_fraction"], strict=True)),
        things=tuple(
            _thing(row, f"{row['object_id']}@{look.day:g}", berthed, transform, shift)
            for row in table.to_dict("records")
        ),
        unseen=~valid | cloud,
    )


def _thing(
    row: dict[str, Any],
    dated: str,
    berthed: set[str],
    transform: Affine,
    shift: tuple[float, float],
) -> Thing:
    pixels = np.array([row[name] for name in CORNER_COLUMNS]).reshape(4, 2)
    is_ship = row["class"] == "ship"
    return Thing(
        ident=row["object_id"] if row["object_id"] in berthed else dated,
        is_ship=is_ship,
        outline=shapely.Polygon(pixels),
        place=shapely.Polygon(true_metres(pixels, transform, shift)),
        length_m=row["length_m"],
        width_m=row["width_m"],
        state=row["state"],
        visible=row["visible"],
        teu=row["teu"],
        containers=row["containers"],
        wagons=row["kind"] == "wagons",
        counts=row["role"] == "object" and not row["on_ship"],
    )


def true_metres(
    pixels: NDArray[np.float64], transform: Affine, shift: tuple[float, float]
) -> NDArray[np.float64]:
    """True metres `(N, 2)` of pixels of a picture: its displacement is taken back."""
    return np.asarray(apply_transform(transform, pixels) - np.array(shift))


def _lot(published: Published, sites: Mapping[str, TrueSite]) -> tuple[Leg, ...]:
    """Where the lot of goods of a story stands, and from when to when."""
    specs = published.plan.specs
    if len(specs) < 2:
        return ()
    grounds = [lay_out(spec, published.seed) for spec in specs]
    goods = consignment(grounds, published.seed, [spec.size_m for spec in specs])
    legs = []
    for at, dates in enumerate(travel_dates(len(specs), len(published.plan.days))):
        looks = sites[specs[at].name].looks
        zones = tuple({blocks[at].zone for blocks, _ in goods})
        legs.append(Leg(specs[at].name, zones, looks[dates[0]].day, looks[dates[-1]].day))
    return tuple(legs)
