"""A story's truth: visits, looks, travelling goods, what was seen."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from detector.classes import PORT
from detector.cli.data_render import run
from detector.rendering import PortSpec, Story, chain_story, tell_chain, zone_truth
from detector.rendering.demo import (
    DEMO_CLOUDS,
    DEMO_DAYS,
    DEMO_PORT,
    DEMO_RAILHEAD,
    SECOND_PORT,
)
from detector.rendering.layout import lay_out
from detector.rendering.options import RenderConfig
from detector.rendering.prepared import prepare
from detector.rendering.schedule import LOT_BLOCKS, consignment, schedule, travel_dates

COARSE = [
    replace(DEMO_PORT, width=600, height=467, gsd_m=1.5),
    replace(DEMO_RAILHEAD, width=467, height=333, gsd_m=1.5),
]


@pytest.fixture(scope="module")
def story() -> Story:
    return tell_chain(COARSE, 7, DEMO_DAYS, DEMO_CLOUDS)


def test_the_demo_has_two_sites_eight_dates_and_all_kinds_of_zones(story: Story) -> None:
    assert [site.name for site in story.sites] == ["port", "railhead"]
    assert all(len(site.looks) == 8 for site in story.sites)
    kinds = {kind for site in story.sites for kind in site.zones["kind"]}
    assert kinds == {"berth", "quay", "anchorage", "yard", "railhead"}


def test_ships_are_there_exactly_while_their_visits_last(story: Story) -> None:
    port = story.sites[0]
    for look in port.looks:
        there = {ship.ship_id for ship in look.content.ships if ship.ship_id.startswith("berth")}
        visiting = {
            visit.ship_id
            for visit in story.visits
            if visit.site == "port" and visit.first_day <= look.day < visit.last_day
        }
        assert there == visiting
    assert len({visit.ship_id for visit in story.visits}) > 8


def test_some_ships_shift_berth_without_a_day_between(story: Story) -> None:
    table = story.visits_table().sort_values("first_day")
    shifted = table.groupby("ship_id").filter(lambda rows: len(rows) > 1)
    assert len(shifted) >= 2
    for _, rows in shifted.groupby("ship_id"):
        assert rows["first_day"].iloc[1] == rows["last_day"].iloc[0]
        assert rows["zone"].nunique() == 2


def test_ships_at_one_berth_never_lie_in_each_other(story: Story) -> None:
    stays = schedule(story.sites[0].looks[0].site, 7, 31.0)
    for i, one in enumerate(stays):
        for other in stays[:i]:
            if one.first_day < other.last_day and other.first_day < one.last_day:
                assert not one.ship.polygon.intersects(other.ship.polygon)


def test_goods_stand_in_the_port_and_later_at_the_railhead(story: Story) -> None:
    def teu(site: int, date: int) -> dict[str, int]:
        look = story.sites[site].looks[date]
        truth = prepare(look.spec, look.site, look.content, look.seed).assembly.truth
        blocks = [item for item in truth if item.kind == "block" and item.cargo]
        found: dict[str, int] = {}
        for item in blocks:
            block = "-".join(item.object_id.split("-")[:2])
            found[block] = found.get(block, 0) + item.cargo.teu
        return found

    leaving, arriving = [], []
    in_port, at_railhead = travel_dates(2, 8)
    assert (in_port, at_railhead) == (range(3), range(4, 8))
    for site, dates, seen in ((0, (0, 3), leaving), (1, (0, 4), arriving)):
        before, after = teu(site, dates[0]), teu(site, dates[1])
        seen += [(name, before.get(name, 0), after.get(name, 0)) for name in {*before, *after}]
    gone = sorted(before for _, before, after in leaving if after == 0)
    come = sorted(after for _, before, after in arriving if before == 0)
    assert len(set(gone) & set(come)) >= LOT_BLOCKS - 1  # two blocks may hold as many


def test_yards_change_slowly_and_not_all_alike(story: Story) -> None:
    yards = [look.content.bays for look in story.sites[0].looks]
    totals = np.array([[bays.tiers.sum() for bays in yard.values()] for yard in yards])
    assert totals.shape[0] == 8
    changes = np.diff(totals.sum(axis=1)) / totals.sum(axis=1).mean()
    assert np.abs(changes).max() < 0.4
    assert (totals.std(axis=0) > 0).mean() > 0.5


def test_files_of_a_story(story: Story, tmp_path: Path) -> None:
    short = Story(tuple(replace(site, looks=site.looks[2:4]) for site in story.sites), story.visits)
    told: list[str] = []
    rasters = short.write(tmp_path, on_scene=lambda site, scene, path: told.append(site))
    assert told == ["port", "port", "railhead", "railhead"]
    assert [path.name for path in rasters[:2]] == ["port_2026-09-11.tif", "port_2026-09-15.tif"]
    assert (tmp_path / "port.geojson").is_file()
    looks = pd.read_csv(tmp_path / "looks.csv")
    assert len(looks) == 2 * len(story.sites[0].zones) + 2 * len(story.sites[1].zones)
    clear = looks[(looks["site"] == "port") & (looks["day"] == 13)]
    assert (clear["observed_fraction"] == 1.0).all()
    clouded = looks[(looks["site"] == "port") & (looks["day"] == 9)]
    assert clouded["observed_fraction"].min() < 0.98
    assert len(pd.read_csv(tmp_path / "visits.csv")) == len(story.visits)


def test_zone_truth_counts_what_is_seen_in_each_zone(story: Story) -> None:
    look = story.sites[0].looks[3]
    scene = look.render()
    table = zone_truth(scene, story.sites[0].zones).set_index("zone")
    counted = [item for item in scene.truth if item.counts]
    ships = sum(item.class_id == PORT.id("ship") for item in counted)
    assert table["stacks"].sum() <= len(counted) - ships
    assert 0.8 * ships <= table["ships"].sum() <= ships
    stacks = [item for item in counted if item.class_id == PORT.id("container_stack")]
    assert table["teu"].sum() == pytest.approx(sum(item.teu for item in stacks), rel=0.25)


def test_goods_pass_through_a_chain_of_three_sites() -> None:
    second = replace(DEMO_PORT, name="second", layout=replace(DEMO_PORT.layout, coast_deg=40.0))
    sites = [lay_out(spec, 7) for spec in (DEMO_PORT, second, DEMO_RAILHEAD)]
    sizes = [(900.0, 700.0), (900.0, 700.0), (700.0, 500.0)]
    lot = consignment(sites, 7, sizes)
    assert len(lot) == LOT_BLOCKS
    for blocks, bays in lot:
        assert len(blocks) == 3
        assert {block.shape for block in blocks} == {bays.tiers.shape}
        assert bays.tiers.min() >= 1
        for block, size in zip(blocks, sizes, strict=True):
            assert (block.centre > 0).all()
            assert (block.centre < size).all()
    assert len({blocks[0].zone for blocks, _ in lot}) == 1
    for at in range(3):
        assert len({blocks[at].block_id for blocks, _ in lot}) == len(lot)
    dates = travel_dates(3, 8)
    assert [len(span) for span in dates] == [1, 2, 3]
    assert all(one.stop < other.start for one, other in pairwise(dates))


CHAIN = [
    replace(spec, width=spec.width // 8, height=spec.height // 8, gsd_m=4.0)
    for spec in (DEMO_PORT, SECOND_PORT, DEMO_RAILHEAD)
]
CHAIN_NAMES = ["port", "second_port", "railhead"]
CHAIN_DAYS = (0, 4, 9, 13, 18, 22)  # the lot stands in the sites on the first, third, and last two


@pytest.fixture(scope="module")
def chain() -> Story:
    return tell_chain(CHAIN, 7, CHAIN_DAYS, (0.0, 0.0, 0.0, 0.0, 0.3, 0.0))


def test_a_chain_of_three_sites_is_told_and_written_with_its_truth(
    chain: Story, tmp_path: Path
) -> None:
    told: list[str] = []
    short = Story(tuple(replace(site, looks=site.looks[::2]) for site in chain.sites), chain.visits)
    rasters = short.write(tmp_path, on_scene=lambda site, scene, path: told.append(site))
    assert told == [name for name in CHAIN_NAMES for _ in range(3)]
    lot = consignment([lay_out(spec, 7) for spec in CHAIN], 7, [spec.size_m for spec in CHAIN])
    assert len(lot) == LOT_BLOCKS
    lots: list[list[int]] = []  # TEU of each block of the lot, on the dates when it is somewhere
    for at, here in enumerate(travel_dates(3, len(CHAIN_DAYS))):
        for number, date in enumerate((0, 2, 4)):
            raster = rasters[at * 3 + number]
            truth = gpd.read_file(raster.with_name(f"{raster.stem}_truth.geojson"))
            block = truth["object_id"].str.extract(r"^(block-\d+)-", expand=False)
            teu = truth.groupby(block)["teu"].sum()
            standing = [int(teu.get(places[at].block_id, 0)) for places, _ in lot]
            if date in here:
                lots.append(standing)
            else:
                assert standing == [0] * len(lot)
    assert lots == [lots[0]] * 3  # one after another, whole
    assert min(lots[0]) >= 4
    looks = pd.read_csv(tmp_path / "looks.csv")
    assert looks.groupby("site", sort=False).size().to_dict() == {
        site.name: 3 * len(site.zones) for site in chain.sites
    }
    clear = looks[looks["day"] < CHAIN_DAYS[4]]
    assert (clear["observed_fraction"] == 1.0).all()
    assert looks["observed_fraction"].min() < 0.98
    written = pd.read_csv(tmp_path / "visits.csv")
    pd.testing.assert_frame_equal(written, chain.visits_table(), check_exact=False, atol=1e-3)


def test_ships_of_a_chain_are_there_while_their_visits_last_and_ports_differ(chain: Story) -> None:
    for site in chain.sites:
        for look in site.looks:
            there = {item.ship_id for item in look.content.ships if "berth" in item.ship_id}
            assert there == {
                visit.ship_id
                for visit in chain.visits
                if visit.site == site.name and visit.first_day <= look.day < visit.last_day
            }
    days = {
        name: {visit.first_day for visit in chain.visits if visit.site == name}
        for name in CHAIN_NAMES
    }
    assert min(len(days["port"]), len(days["second_port"])) >= 8
    assert not days["port"] & days["second_port"]
    assert not days["railhead"]


def test_the_command_renders_the_chain(
    chain: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [site.name for site in chain_story(2).sites] == CHAIN_NAMES
    one_look = Story((replace(chain.sites[2], looks=chain.sites[2].looks[:1]),), chain.visits)
    asked: list[int] = []

    def told(seed: int) -> Story:
        asked.append(seed)
        return one_look

    monkeypatch.setattr("detector.rendering.demo.chain_story", told)
    config = RenderConfig(
        out=str(tmp_path),
        seed=5,
        count=1,
        what="chain",
        format="geotiff",
        strip_m=None,
        spec=PortSpec(),
    )
    assert run(config) == 0
    assert asked == [5]
    assert {path.name for path in (tmp_path / "railhead").glob("*.tif")} == {
        "railhead_2026-09-02.tif",
        "railhead_2026-09-02_cloud.tif",
    }
    assert len(pd.read_csv(tmp_path / "visits.csv")) == len(chain.visits)
