"""What never moved is no change, whatever its box did: rendered yards, pixels decide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.activity.changes.blocks import Change, Compared, Standing, find_changes
from detector.activity.changes.following import Blocks, follow
from detector.activity.changes.pixels import VEILED_REASON, PixelJudge, TopsOf, open_shelf
from detector.activity.changes.veils import find_veils
from detector.activity.looks.runs import Observed, RunScene
from detector.activity.looks.sightings import no_sightings
from detector.activity.looks.sites import LocalFrame
from detector.activity.looks.zone_looks import Look, Placement
from detector.geometry.boxes import Corners
from detector.rendering.cargo import Bays
from detector.rendering.content import Content
from detector.rendering.layout import lay_out
from detector.rendering.scene import RenderedScene, render_content
from detector.rendering.site import Lot, YardBlock
from detector.rendering.spec import PortSpec
from detector.rendering.write import write_scene
from detector.scenes.grid import Grid
from tests.stacks.yards import BARE, sky

ROWS, BAYS = 5, 4
LENGTH_M, WIDTH_M = 50.13, 13.79  # of a full block
A, B = (50.0, 60.0), (130.0, 60.0)
Place = tuple[float, float]
FIRST = replace(BARE, sky=sky(45.0, 150.0))
"""The first look of all."""


def scene(
    blocks: dict[Place, tuple[int, int]],
    spec: PortSpec = FIRST,
    lorries: tuple[Place, ...] = (),
) -> RenderedScene:
    """A yard; of each block the number of its filled bays, and the seed of its colours."""
    site = lay_out(spec, 3)
    placed, bays = [], {}
    for number, (centre, (filled, seed)) in enumerate(blocks.items()):
        tiers = np.full((BAYS, ROWS), 2, np.int64)
        tiers[filled:] = 0
        name = f"block-{number}"
        placed.append(YardBlock(name, np.array(centre), 0.0, (BAYS, ROWS), ""))
        bays[name] = Bays(tiers, np.zeros(BAYS, bool), seed)
    lots = (Lot("lot", np.array(lorries, float).reshape(-1, 2), 0.0),)
    site = replace(site, blocks=tuple(placed), lots=lots)
    parked = {"lot": tuple(range(len(lorries)))}
    return render_content(spec, site, Content((), bays, parked), seed=5)


def box(
    centre: Place, first_bay: float = 0, last_bay: float = BAYS, off: Place = (0, 0)
) -> Corners:
    """A box on some bays of a block, metres from the scene's corner, y down; `off` moves it."""
    pitch = LENGTH_M / BAYS
    left, right = (centre[0] - LENGTH_M / 2 + bay * pitch + off[0] for bay in (first_bay, last_bay))
    top, bottom = (centre[1] + side * WIDTH_M / 2 + off[1] for side in (-1, 1))
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def changes(
    folder: Path,
    looks: list[tuple[RenderedScene, list[Corners]]],
    residual_m: float = 0.5,
) -> list[list[Change]]:
    """What is said between each look and the next, with the boxes that were found in them."""
    frame = LocalFrame(looks[0][0].spec.place.longitude_deg, looks[0][0].spec.place.latitude_deg)
    scenes, stand = {}, []
    for number, (rendered, boxes) in enumerate(looks):
        name = f"look{number}"
        path = write_scene(rendered, folder / f"{name}.tif")
        spec, seen = rendered.spec, Observed(1.0, "observed")
        scenes[name] = RunScene(
            name, str(path), rendered.acquired, rendered.crs, spec.width, spec.height,
            rendered.transform, True, {}, seen, no_sightings(),
        )  # fmt: skip
        pixels = np.array(boxes, float).reshape(-1, 4, 2) / spec.gsd_m
        corners = frame.from_pixels(pixels, rendered.transform, rendered.crs)
        count = len(boxes)
        look = Look("yard", rendered.acquired.date(), rendered.acquired, (name,), 1.0,
                    "observed", residual_m, no_sightings())  # fmt: skip
        tops = TopsOf(np.zeros((count, 2)), np.full(count, 5.2), np.full(count, 0.1))
        ids = [f"{name}#{row}" for row in range(count)]
        standing = Standing(corners, np.full(count, residual_m), None)
        stand.append(Blocks(look, ids, standing, tops))
    still = {name: Placement((0.0, 0.0), residual_m) for name in scenes}
    with open_shelf(scenes) as shelf:

        def compare(before: Blocks, after: Blocks) -> Compared:
            pair = (before.look, after.look), (before.tops, after.tops)
            boxes = np.concatenate([before.standing.corners, after.standing.corners])
            judge = PixelJudge(*pair, shelf, still, frame.crs, boxes)
            return find_changes(before.standing, after.standing, judge)

        return [told for _, told in follow(stand, compare)]


HAZE = replace(BARE.sky, sun_elevation_deg=35.0, sun_azimuth_deg=200.0, haze=0.3)
SENSOR = replace(BARE.sensor, blur_px=0.9, noise=5.0, bits=11)
GREY = replace(BARE.sensor, bands="pan", bits=16)
SHIFTED = replace(BARE.sensor, shift_x_m=0.6, shift_y_m=-0.5)


@pytest.mark.parametrize(
    ("boxes", "spec"),
    [
        ([box(A, 0, 2.1), box(A, 2.2, 4), box(B)], FIRST),
        ([box(A)], FIRST),
        ([], FIRST),
        ([box(A, off=(4.0, 2.5)), box(B, off=(-5.0, -2.5))], FIRST),
        ([box(A, 0, 2), box(B, 1.5, 4)], FIRST),
        ([np.array([box(A)[0], box(B)[1], box(B)[2], box(A)[3]])], FIRST),
        ([box(A), box((50.0, 110.0))], FIRST),
        ([box(A)], replace(FIRST, sky=sky(62.0, 225.0))),
        ([box(B)], replace(FIRST, sky=HAZE)),
        ([box(B)], replace(FIRST, sensor=SENSOR)),
        ([box(B, 0, 2)], replace(FIRST, sensor=GREY)),
        ([box(A)], replace(FIRST, sensor=SHIFTED)),
    ],
    ids=[
        "split", "missed", "both missed", "moved", "cut short", "joined", "false box",
        "other sun", "haze", "other sensor", "grey", "shifted",
    ],
)  # fmt: skip
def test_what_stands_unchanged_is_no_change(
    tmp_path: Path, boxes: list[Corners], spec: PortSpec
) -> None:
    still = {A: (4, 11), B: (4, 12)}
    (told,) = changes(tmp_path, [(scene(still), [box(A), box(B)]), (scene(still, spec), boxes)])
    assert told == []


def test_a_new_block_beside_an_old_one(tmp_path: Path) -> None:
    looks = [
        (scene({A: (4, 11)}), [box(A)]),
        (scene({A: (4, 11), B: (3, 12)}), [box(A, 0, 2), box(A, 2, 4), box(B, 0, 3)]),
    ]
    ((one,),) = changes(tmp_path, looks)
    assert (one.kind, one.after.tolist()) == ("appeared", [2])
    assert one.area_m2 == pytest.approx(0.75 * LENGTH_M * WIDTH_M, rel=0.01)


@pytest.mark.parametrize("forwards", [True, False])
def test_bays_that_were_added_or_taken(tmp_path: Path, forwards: bool) -> None:
    looks = [
        (scene({A: (2, 11)}), [box(A, 0, 2)]),
        (scene({A: (4, 11)}), [box(A)]),
    ]
    ((one,),) = changes(tmp_path, looks if forwards else looks[::-1])
    assert one.kind == ("grown" if forwards else "shrunk")
    sign = 1 if forwards else -1
    assert one.area_m2 == pytest.approx(sign * 0.5 * LENGTH_M * WIDTH_M, rel=0.05)


def test_bays_added_to_a_block_that_was_missed_before(tmp_path: Path) -> None:
    """Only the second look has a box: it is not new, it grew."""
    looks = [(scene({A: (2, 11)}), []), (scene({A: (4, 11)}), [box(A)])]
    ((one,),) = changes(tmp_path, looks)
    assert one.kind == "grown"
    assert one.area_m2 == pytest.approx(0.5 * LENGTH_M * WIDTH_M, rel=0.15)


def test_other_containers_in_the_same_place_are_neither_new_nor_gone(tmp_path: Path) -> None:
    looks = [(scene({A: (4, 11)}), [box(A)]), (scene({A: (4, 99)}), [box(A)])]
    ((one,),) = changes(tmp_path, looks)
    assert one.kind == "exchanged"
    assert one.area_m2 == pytest.approx(LENGTH_M * WIDTH_M, rel=0.01)


def test_other_containers_that_were_missed_are_undecided(tmp_path: Path) -> None:
    looks = [(scene({A: (4, 11)}), [box(A)]), (scene({A: (4, 99)}), [])]
    ((one,),) = changes(tmp_path, looks)
    assert (one.kind, one.reason) == (
        "undecided", "the pictures neither agree nor show plain ground",
    )  # fmt: skip


def test_lorries_on_the_empty_slot_are_no_block(tmp_path: Path) -> None:
    """The block left; whatever parks there, it did not stay."""
    parked = ((40.0, 58.0), (60.0, 62.0))
    looks = [(scene({A: (4, 11)}), [box(A)]), (scene({}, lorries=parked), [])]
    ((one,),) = changes(tmp_path, looks)
    assert one.kind in ("gone", "undecided")


def test_a_block_that_was_missed_on_its_last_date_is_seen_to_leave(tmp_path: Path) -> None:
    there, empty = scene({A: (4, 11), B: (4, 12)}), scene({B: (4, 12)})
    looks = [(there, [box(A), box(B)]), (there, [box(B)]), (empty, [box(B)])]
    first, second = changes(tmp_path, looks)
    assert first == []
    assert [one.kind for one in second] == ["gone"]
    first, second = changes(tmp_path, looks[::-1])
    assert [one.kind for one in first] == ["appeared"]
    assert second == []


def under_cloud(rendered: RenderedScene, *clouds: tuple[Place, float]) -> RenderedScene:
    """With white clouds at places, of a radius in metres, that fade over 3 m; no mask tells."""
    values = rendered.values.astype(np.float32)
    rows, columns = (np.indices(rendered.valid.shape) + 0.5) * rendered.spec.gsd_m
    for (x, y), radius_m in clouds:
        opacity = np.clip((radius_m - np.hypot(columns - x, rows - y)) / 3.0 + 0.5, 0.0, 1.0)
        values += opacity[..., None] * (232.0 - values)
    return replace(rendered, values=np.rint(values).astype(np.uint8))


@pytest.mark.parametrize("forwards", [True, False])
@pytest.mark.parametrize("light", [FIRST, replace(FIRST, sky=HAZE)], ids=["same", "haze"])
def test_what_a_cloud_hides_did_not_go(tmp_path: Path, light: PortSpec, forwards: bool) -> None:
    """Over A, that stands, lies a cloud that no file tells; B went."""
    looks = [
        (scene({A: (4, 11), B: (4, 12)}), [box(A), box(B)]),
        (under_cloud(scene({A: (4, 11)}, light), (A, 36.0)), []),
    ]
    ((first, second),) = changes(tmp_path, looks if forwards else looks[::-1])
    told = {one.centre[0] < 0: one for one in (first, second)}
    assert (told[True].kind, told[True].reason) == ("undecided", VEILED_REASON)
    assert told[False].kind == ("gone" if forwards else "appeared")


def test_a_cloud_no_larger_than_a_block_hides_it(tmp_path: Path) -> None:
    """Too little ground of the neighbourhood is brighter; but no bare ground is that bright."""
    small = tuple(((A[0] + at, A[1]), 9.0) for at in range(-24, 25, 4))
    looks = [
        (scene({A: (4, 11)}), [box(A)]),
        (under_cloud(scene({A: (4, 11)}), *small), []),
    ]
    ((one,),) = changes(tmp_path, looks)
    assert (one.kind, one.reason) == ("undecided", VEILED_REASON)


def test_ground_that_dried_is_no_cloud() -> None:
    """All of the ground is 40 grey levels brighter: the light of structures that stay tells."""
    generator = np.random.default_rng(4)
    ground = generator.normal(90.0, 8.0, (120, 120)).astype(np.float32)
    ground[::12] += 60.0  # marks
    wet = np.repeat(ground[..., None], 3, axis=2)
    boxes = np.zeros((120, 120), bool)
    boxes[40:60, 40:60] = True
    seen = np.ones_like(boxes)
    grid = Grid.around((0.0, 0.0, 240.0, 240.0), 120, 2.0, "EPSG:32633")
    dried = find_veils([wet, 1.1 * wet + 40.0], [seen, seen], boxes, seen, grid)
    assert not dried.veiled.any()
    clouded = wet.copy()
    clouded[:60] += 0.5 * (230.0 - clouded[:60])
    found = find_veils(
        [wet, clouded], [seen, seen], boxes, seen & (np.arange(120) >= 50)[:, None], grid
    )
    assert not found.veiled[0].any()
    assert found.veiled[1, :55].all()
    assert not found.veiled[1, 72:].any()
    first, second = found.brightest
    assert first == pytest.approx(second, abs=3.0)


def test_a_block_of_which_a_tenth_is_left_is_gone(tmp_path: Path) -> None:
    """A box of the other look that covers its end makes it no smaller block."""
    looks = [
        (scene({A: (4, 11)}), [box(A)]),
        (scene({}, lorries=((A[0] + 20.0, A[1]),)), [box(A, 3.6, 4.0)]),
    ]
    ((one,),) = changes(tmp_path, looks)
    assert one.kind == "gone"
    assert one.area_m2 == pytest.approx(-0.9 * LENGTH_M * WIDTH_M, rel=0.01)
    ((one,),) = changes(tmp_path, looks[::-1])
    assert one.kind == "appeared"


def test_a_box_of_one_container_is_undecided(tmp_path: Path) -> None:
    """The network takes lorries with a container for stacks, and they come and go."""
    parked = ((52.0, 60.0),)
    lorry = [[45.0, 58.4], [59.0, 58.4], [59.0, 61.6], [45.0, 61.6]]
    looks = [(scene({}, lorries=parked), [np.array(lorry)]), (scene({}), [])]
    ((one,),) = changes(tmp_path, looks)
    assert (one.kind, one.reason) == ("undecided", "one container may stand on a lorry")
    assert one.area_m2 == pytest.approx(14.0 * 3.2, rel=0.01)


def test_looks_that_are_not_registered_say_what_plain_ground_tells(tmp_path: Path) -> None:
    """Off by up to 16 m, a block on empty ground came all the same; beside others: undecided."""
    alone = [(scene({}), []), (scene({A: (4, 11)}), [box(A)])]
    ((one,),) = changes(tmp_path, alone, residual_m=8.0)
    assert one.kind == "appeared"
    near: Place = (50.0, 60.0 + 18.0)
    crowded = [
        (scene({near: (4, 12)}), [box(near)]),
        (scene({A: (4, 11), near: (4, 12)}), [box(A), box(near)]),
    ]
    ((other,),) = changes(tmp_path, crowded, residual_m=8.0)
    assert (other.kind, other.reason) == ("undecided", "the looks are not registered")


def test_pixels_too_coarse_are_undecided(tmp_path: Path) -> None:
    coarse = replace(FIRST, gsd_m=2.5, width=80, height=64)
    looks = [(scene({}, coarse), []), (scene({A: (4, 11)}, coarse), [box(A)])]
    ((one,),) = changes(tmp_path, looks)
    assert (one.kind, one.reason) == ("undecided", "pixels of 2.5 m are too coarse")
