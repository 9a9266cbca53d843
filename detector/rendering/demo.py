"""The story of the demo, and how a story is told on one site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from detector.rendering.cargo import Bays
from detector.rendering.content import Content, populate
from detector.rendering.layout import lay_out
from detector.rendering.prepared import prepare, zones_table
from detector.rendering.schedule import (
    consignment,
    drifting_yards,
    schedule,
    ships_on,
    travel_dates,
)
from detector.rendering.site import PortSite, YardBlock
from detector.rendering.spec import LayoutSpec, PlaceSpec, PortSpec, TrafficSpec
from detector.rendering.story import Story, StoryLook, StorySite, Visit
from detector.rendering.streams import stream
from detector.times import format_time

START = datetime(2026, 9, 2, 2, 12, tzinfo=UTC)
DEMO_DAYS = (0, 4, 9, 13, 18, 22, 27, 31)
DEMO_CLOUDS = (0.0, 0.0, 0.14, 0.0, 0.0, 0.38, 0.0, 0.05)
SHIFT_M = 5.0  # standard deviation of a look's geolocation error
LARGEST_SHIFT_M = 15.0
PORT_SEEDS = 1_000_003  # between the seeds of the ports of one chain

DEMO_PORT = PortSpec(
    name="port",
    width=1800,
    height=1400,
    gsd_m=0.5,
    place=PlaceSpec("EPSG:32652", 130.302, 42.231),
    layout=LayoutSpec(["container", "general"], 470.0, -14.0, 0.52),
    traffic=TrafficSpec(anchored_per_km2=4.0, under_way_per_km2=2.0, boats_per_km2=6.0),
)
SECOND_PORT = replace(
    DEMO_PORT,
    name="second_port",
    place=PlaceSpec("EPSG:32652", 129.420, 42.020),
    layout=LayoutSpec(["general", "container"], 470.0, 40.0, 0.52),
)
DEMO_RAILHEAD = PortSpec(
    name="railhead",
    width=1400,
    height=1000,
    gsd_m=0.5,
    place=PlaceSpec("EPSG:32652", 130.412, 42.402),
    layout=LayoutSpec(["railhead"], 700.0, 11.0, 0.5),
)


def demo_story(seed: int = 2) -> Story:
    """The story of the demo: a port and a railhead, eight dates in a month, clouds on three.

    One lot of containers stands in the port until the third date and at the railhead from the
    fifth.
    """
    return tell_chain([DEMO_PORT, DEMO_RAILHEAD], seed, DEMO_DAYS, DEMO_CLOUDS)


def chain_story(seed: int = 2) -> Story:
    """The story of a chain: a port, a second port and a railhead on the dates of the demo.

    One lot of containers stands in the port on the first date, in the second port on the third and
    fourth, and at the railhead from the sixth; on the dates between it is on its way.
    """
    return tell_chain([DEMO_PORT, SECOND_PORT, DEMO_RAILHEAD], seed, DEMO_DAYS, DEMO_CLOUDS)


def tell_chain(
    specs: Sequence[PortSpec], seed: int, days: Sequence[float], clouds: Sequence[float]
) -> Story:
    """A story on any number of sites; one lot of containers travels from each to the next.

    On which dates it stands where is `travel_dates(len(specs), len(days))`.

    Args:
        specs: of the sites' scenes; time, light, clouds and shift are set for every date.
        seed: of layout and schedule.
        days: days after `START`, ascending.
        clouds: cloud fraction of every date.
    """
    grounds = [lay_out(spec, seed) for spec in specs]
    goods = _travelling_goods(specs, grounds, seed, len(days))
    told = [
        _tell(spec, ground, own_seed, list(zip(days, clouds, strict=True)), here)
        for spec, ground, own_seed, here in zip(
            specs, grounds, _site_seeds(grounds, seed), goods, strict=True
        )
    ]
    return Story(
        tuple(site for site, _ in told), tuple(visit for _, visits in told for visit in visits)
    )


def _site_seeds(sites: Sequence[PortSite], seed: int) -> list[int]:
    """One seed a site: with one for all, the same ships would come to two ports on one day."""
    ports = [sum(bool(site.berths) for site in sites[:at]) for at in range(len(sites))]
    return [
        seed + PORT_SEEDS * earlier if site.berths else seed
        for site, earlier in zip(sites, ports, strict=True)
    ]


def _tell(
    spec: PortSpec,
    site: PortSite,
    seed: int,
    dates: Sequence[tuple[float, float]],
    goods: dict[int, list[tuple[YardBlock, Bays]]],
) -> tuple[StorySite, list[Visit]]:
    """One site: its looks, with the goods that stand in its blocks on each date, and visits."""
    stays = schedule(site, seed, dates[-1][0])
    yards = drifting_yards(site, seed, len(dates), spec.traffic.tiers_max)
    looks = []
    for i, (day, cloud) in enumerate(dates):
        here = _look_spec(spec, seed, i, day, cloud)
        scene_seed = seed * 1000 + i
        lying = ships_on(stays, day)
        passing = populate(replace(site, berths=(), blocks=()), here, scene_seed, lying)
        ground = _with_blocks(site, [block for block, _ in goods[i]])
        bays = {**yards[i], **{block.block_id: containers for block, containers in goods[i]}}
        content = Content((*lying, *passing.ships), bays, passing.lorries)
        looks.append(StoryLook(day, here, content, scene_seed, ground))
    visits = [
        Visit(
            spec.name,
            stay.berth.zone,
            stay.ship.ship_id,
            stay.ship.design.kind,
            stay.ship.design.length_m,
            stay.first_day,
            stay.last_day,
        )
        for stay in stays
        if stay.last_day > 0
    ]
    zones = zones_table(prepare(spec, site, Content(), seed))
    return StorySite(spec.name, zones, tuple(looks)), visits


def _travelling_goods(
    specs: Sequence[PortSpec], sites: Sequence[PortSite], seed: int, dates: int
) -> list[dict[int, list[tuple[YardBlock, Bays]]]]:
    """For each site and date: the blocks that goods travel through, and what stands in them."""
    sizes = [(spec.width * spec.gsd_m, spec.height * spec.gsd_m) for spec in specs]
    lot = consignment(sites, seed, sizes) if len(sites) > 1 else []
    goods: list[dict[int, list[tuple[YardBlock, Bays]]]] = []
    for at, there in enumerate(travel_dates(len(sites), dates)):
        here = {}
        for date in range(dates):
            here[date] = [
                (blocks[at], bays if date in there else _emptied(bays)) for blocks, bays in lot
            ]
        goods.append(here)
    return goods


def _emptied(bays: Bays) -> Bays:
    return replace(bays, tiers=np.zeros_like(bays.tiers))


def _with_blocks(site: PortSite, blocks: Sequence[YardBlock]) -> PortSite:
    """The site with blocks replaced by those of the same ids."""
    new = {block.block_id: block for block in blocks}
    return replace(site, blocks=tuple(new.get(old.block_id, old) for old in site.blocks))


def _look_spec(spec: PortSpec, seed: int, index: int, day: float, cloud: float) -> PortSpec:
    """The spec of one date: time, light, weather, and where the scene thinks it lies."""
    generator = stream(seed, "look", spec.name, index)
    shift = np.clip(generator.normal(0, SHIFT_M, 2), -LARGEST_SHIFT_M / 1.5, LARGEST_SHIFT_M / 1.5)
    when = START + timedelta(days=day, minutes=float(generator.uniform(-25, 25)))
    sky = replace(
        spec.sky,
        acquired=format_time(when),
        sun_elevation_deg=float(generator.uniform(38, 52)),
        sun_azimuth_deg=float(generator.uniform(140, 165)),
        haze=float(generator.uniform(0.02, 0.12)),
        wind_ms=float(generator.uniform(2.5, 8)),
        cloud_fraction=cloud,
    )
    sensor = replace(spec.sensor, shift_x_m=float(shift[0]), shift_y_m=float(shift[1]))
    return replace(spec, sky=sky, sensor=sensor)
