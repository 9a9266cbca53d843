"""A story: sites over dates, ships that come and go by a schedule, stacks that grow and shrink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from detector.data.synthetic.cargo import Bays, draw_bays
from detector.data.synthetic.content import Content, PlacedShip, lie_along, populate
from detector.data.synthetic.layout import lay_out
from detector.data.synthetic.scene import RenderedScene, prepare, render_content, zones_table
from detector.data.synthetic.ships import ShipDesign, draw_design
from detector.data.synthetic.site import Berth, Site
from detector.data.synthetic.spec import LayoutSpec, PlaceSpec, PortSpec, TrafficSpec
from detector.data.synthetic.streams import stream
from detector.data.synthetic.write import scene_stem, write_scene, write_vector
from detector.export.atomic import atomic_path

DEMO_START = datetime(2026, 9, 2, 2, 12, tzinfo=UTC)
DEMO_DAYS = (0, 4, 9, 13, 18, 22, 27, 31)
DEMO_CLOUDS = (0.0, 0.0, 0.14, 0.0, 0.0, 0.38, 0.0, 0.05)
SHIFT_M = 6.0  # standard deviation of a look's geolocation error
STAY_DAYS = (3.0, 9.0)
MEETING_M = 14.0  # free water between two ships at one berth


@dataclass(frozen=True, slots=True)
class Visit:
    """A ship's stay in a zone.

    Attributes:
        site: name.
        zone: name.
        ship_id: of the ship; the same after a shift of berth.
        kind: of the ship.
        length_m: of the ship.
        first_day: days after the start of the story, when it came.
        last_day: when it went.
    """

    site: str
    zone: str
    ship_id: str
    kind: str
    length_m: float
    first_day: float
    last_day: float


@dataclass(frozen=True, slots=True)
class StoryLook:
    """One date of one site.

    Attributes:
        day: days after the start.
        spec: of the scene.
        content: what is there.
        seed: of weather and noise.
        site: fixed ground.
    """

    day: float
    spec: PortSpec
    content: Content
    seed: int
    site: Site

    def render(self) -> RenderedScene:
        """The scene of this date."""
        return render_content(self.spec, self.site, self.content, self.seed)


@dataclass(frozen=True, slots=True)
class StorySite:
    """A site with all its dates.

    Attributes:
        name: of the site.
        zones: columns `name`, `kind`, geometry in the scenes' CRS.
        looks: in order of time.
    """

    name: str
    zones: gpd.GeoDataFrame
    looks: tuple[StoryLook, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Sites over dates, with the truth about visits.

    Attributes:
        sites: each with zones and looks.
        visits: who was where, from when to when.
    """

    sites: tuple[StorySite, ...]
    visits: tuple[Visit, ...]

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write all scenes to `folder/<site>/`, zones to `folder/<site>.geojson`, and the truth.

        Returns:
            Paths of the rasters, site by site, in order of time.
        """
        rasters = []
        for site in self.sites:
            for look in site.looks:
                scene = look.render()
                name = f"{scene_stem(look.spec, scene.acquired)}.tif"
                rasters.append(write_scene(scene, folder / site.name / name))
            write_vector(site.zones, folder / f"{site.name}.geojson")
        with atomic_path(folder / "visits.csv") as temporary:
            self.visits_table().to_csv(temporary, index=False)
        return tuple(rasters)

    def visits_table(self) -> pd.DataFrame:
        """One row a visit."""
        names = list(Visit.__dataclass_fields__)
        return pd.DataFrame(
            [[getattr(visit, name) for name in names] for visit in self.visits], columns=names
        )


def demo_story(seed: int = 7) -> Story:
    """The story of the demo: a port and a railhead, eight dates, clouds on three of them.

    Containers of one consignment stand in the port until the third date and at the railhead from
    the fifth.
    """
    port = PortSpec(
        name="port",
        width=1800,
        height=1400,
        gsd_m=0.5,
        place=PlaceSpec("EPSG:32652", 130.302, 42.231),
        layout=LayoutSpec(("container", "general"), 470.0, -14.0, 0.52),
        traffic=TrafficSpec(anchored_per_km2=0.0, under_way_per_km2=2.0, boats_per_km2=6.0),
    )
    railhead = replace(
        port,
        name="railhead",
        width=1400,
        height=1000,
        place=PlaceSpec("EPSG:32652", 130.412, 42.402),
        layout=LayoutSpec(("railhead",), 700.0, 11.0, 0.5),
    )
    sites, visits = [], []
    for spec in (port, railhead):
        site, stays = tell(spec, seed, DEMO_DAYS, DEMO_CLOUDS)
        sites.append(site)
        visits += stays
    return Story(tuple(sites), tuple(visits))


def tell(
    spec: PortSpec, seed: int, days: Sequence[float], clouds: Sequence[float]
) -> tuple[StorySite, list[Visit]]:
    """One site over dates.

    Args:
        spec: of its scenes; time, clouds and shift are set for every date.
        seed: of layout and schedule.
        days: days after `DEMO_START`, ascending.
        clouds: cloud fraction of every date.
    """
    site = lay_out(spec, seed)
    ships, visits = _schedule(spec, site, seed, days)
    yards = _yards(spec, site, seed, len(days))
    looks = []
    for i, (day, cloud) in enumerate(zip(days, clouds, strict=True)):
        here = _look_spec(spec, seed, i, DEMO_START + timedelta(days=day), cloud)
        passing = populate(replace_berths(site), here, seed * 1000 + i)
        content = Content((*ships[i], *passing.ships), yards[i], passing.lorries)
        looks.append(StoryLook(day, here, content, seed * 1000 + i, site))
    zones = zones_table(prepare(spec, site, Content(), seed))
    return StorySite(spec.name, zones, tuple(looks)), visits


def replace_berths(site: Site) -> Site:
    """The site without berths: for what comes and goes beside the schedule."""
    return replace(site, berths=())


def _look_spec(spec: PortSpec, seed: int, index: int, when: datetime, cloud: float) -> PortSpec:
    generator = stream(seed, "look", spec.name, index)
    shift = generator.normal(0, SHIFT_M, 2)
    sky = replace(
        spec.sky,
        acquired=(when + timedelta(minutes=float(generator.uniform(-25, 25)))).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
        sun_elevation_deg=float(generator.uniform(38, 52)),
        sun_azimuth_deg=float(generator.uniform(140, 165)),
        haze=float(generator.uniform(0.02, 0.12)),
        wind_ms=float(generator.uniform(2.5, 8)),
        cloud_fraction=cloud,
    )
    sensor = replace(spec.sensor, shift_m=(float(shift[0]), float(shift[1])))
    return replace(spec, sky=sky, sensor=sensor)


def _schedule(
    spec: PortSpec, site: Site, seed: int, days: Sequence[float]
) -> tuple[list[list[PlacedShip]], list[Visit]]:
    """Ships at berths on every date: each comes, stays some days and goes."""
    ships: list[list[PlacedShip]] = [[] for _ in days]
    visits: list[Visit] = []
    for berth in site.berths:
        for stay, placed in _stays(berth, seed, days[-1]):
            for i, day in enumerate(days):
                if stay[0] <= day < stay[1]:
                    ships[i].append(placed)
            visits.append(
                Visit(
                    spec.name,
                    berth.zone,
                    placed.ship_id,
                    placed.design.kind,
                    placed.design.length_m,
                    *stay,
                )
            )
    return ships, visits


def _stays(
    berth: Berth, seed: int, last_day: float
) -> list[tuple[tuple[float, float], PlacedShip]]:
    """Arrivals at a berth over the whole story; a ship takes the first free stretch."""
    generator = stream(seed, "stays", berth.berth_id)
    stays: list[tuple[tuple[float, float], PlacedShip]] = []
    day = -STAY_DAYS[1]
    number = 0
    while day < last_day:
        kind = str(generator.choice(berth.kinds))
        design = draw_design(generator, kind)
        room = berth.length_m - 8
        if design.length_m > room:
            design = ShipDesign(kind, room, design.beam_m * room / design.length_m, design.seed)
        stay = (day, day + float(generator.uniform(*STAY_DAYS)))
        at = _free_place(berth, design, stay, stays)
        if at is not None:
            number += 1
            ship = lie_along(berth, design, at, 1, generator, number)[0]
            stays.append((stay, ship))
        day += float(generator.exponential(2.6))
    return stays


def _free_place(
    berth: Berth,
    design: ShipDesign,
    stay: tuple[float, float],
    stays: list[tuple[tuple[float, float], PlacedShip]],
) -> float | None:
    """Middle of the first stretch of a berth that is free for the whole stay, or None."""
    along = (berth.end - berth.start) / berth.length_m
    half = design.length_m / 2
    for at in np.arange(half + 4, berth.length_m - half - 3, 6.0):
        free = True
        for (first, last), other in stays:
            if first < stay[1] and stay[0] < last:
                centre = float((other.centre - berth.start) @ along)
                free &= abs(centre - at) > half + other.design.length_m / 2 + MEETING_M
        if free:
            return float(at)
    return None


def _yards(spec: PortSpec, site: Site, seed: int, dates: int) -> list[dict[str, Bays]]:
    """Containers on every date: every block drifts to a level of its own that moves with time."""
    yards: list[dict[str, Bays]] = [{} for _ in range(dates)]
    for block in site.blocks:
        generator = stream(seed, "yards", block.block_id)
        most = 1 if block.wagons else spec.traffic.tiers_max
        full = draw_bays(generator, block.shape, 0.95, most)
        order = generator.random(block.shape[0])
        level = float(generator.uniform(0.3, 0.8))
        trend = float(generator.normal(0.0, 0.06))
        for i in range(dates):
            if block.wagons and generator.random() < 0.4:
                level = float(generator.uniform(0, 1))  # another train
            share = float(np.clip(level + trend * i + generator.normal(0, 0.03), 0, 1))
            tiers = full.tiers * (order < share)[:, None]
            yards[i][block.block_id] = Bays(tiers, full.paired, full.seed)
    return yards
