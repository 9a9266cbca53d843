"""Change between looks: what is told, and that sun, view, and missed blocks make none."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from detector.activity.changes.blocks import (
    LONE_REASON,
    LORRIES_REASON,
    Standing,
    find_changes,
)
from detector.activity.changes.pixels import PlaceShares, Shares
from detector.activity.changes.stack_tables import RUN_FILE, StackBook, stack_rows
from detector.activity.changes.trains import find_trains
from detector.activity.looks.ground import difference_picture
from detector.activity.looks.runs import Observed, RunScene
from detector.activity.looks.sightings import SeenObjects
from detector.activity.looks.sites import Site, make_site
from detector.activity.looks.zone_looks import Placement, build_looks
from detector.activity.pictures.stack_pictures import write_differences
from detector.counting.zones import Zone, Zones
from detector.export.stacks import STACKS_FILE, write_stacks
from detector.export.tables import write_json
from detector.rendering.scene import RenderedScene
from detector.scenes.scene import open_scene
from detector.stacks.estimate import estimate_stacks
from detector.stacks.settings import StackSettings
from detector.stacks.simulate import Draws
from tests.stacks.yards import BARE, found, sky, view, write, yard

STAYS = {(60.0, 40.0): np.full((4, 5), 3), (60.0, 75.0): np.full((4, 5), 2)}
NEW = {(60.0, 110.0): np.full((5, 5), 3)}


def square(x: float, y: float, w: float, h: float) -> list[list[float]]:
    return [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]


def standing(*boxes: list[list[float]], error_m: float = 0.5) -> Standing:
    corners = np.array(boxes, float).reshape(-1, 4, 2)
    teu = np.tile(corners[:, 1, 0] - corners[:, 0, 0], (50, 1))
    return Standing(corners, np.full(len(boxes), error_m), Draws(teu, teu, teu / 2, teu))


def test_appeared_gone_grown_shrunk() -> None:
    before = standing(square(0, 0, 60, 15), square(0, 50, 60, 15), square(0, 100, 30, 15))
    after = standing(square(0, 0, 60, 15), square(0, 50, 20, 15), square(200, 0, 24, 15))
    changes = {change.kind: change for change in find_changes(before, after).changes}
    assert sorted(changes) == ["appeared", "gone", "shrunk"]
    assert changes["shrunk"].area_m2 == pytest.approx(-600)
    assert np.median(changes["shrunk"].teu) == pytest.approx(-40)  # two thirds of its 60
    assert (changes["gone"].area_m2, np.median(changes["gone"].containers)) == (-450, -15)
    assert changes["appeared"].centre == pytest.approx([212, 7.5])
    grown = find_changes(after, before).changes
    assert sorted(change.kind for change in grown) == ["appeared", "gone", "grown"]


@pytest.mark.parametrize(
    ("length_m", "width_m", "reason"),
    [(16.0, 8.0, LORRIES_REASON), (17.0, 16.0, LORRIES_REASON), (15.0, 3.5, LONE_REASON),
     (16.0, 12.2, ""), (12.2, 8.0, ""), (37.0, 5.5, ""), (18.5, 8.0, "")],
)  # fmt: skip
def test_what_may_be_lorries_is_no_claim(length_m: float, width_m: float, reason: str) -> None:
    """Lorries side by side are as long as lorries; a bay of containers is 12.2 m long."""
    here, nothing = standing(square(0, 0, length_m, width_m)), standing()
    for before, after, kind in ((here, nothing, "gone"), (nothing, here, "appeared")):
        (one,) = find_changes(before, after).changes
        assert (one.kind, one.reason) == ("undecided" if reason else kind, reason)


def test_a_block_told_as_two_is_no_change() -> None:
    whole = standing(square(0, 0, 60, 15))
    parts = standing(square(0, 0, 31, 15), square(31.5, 0, 28.5, 15))
    assert find_changes(whole, parts).changes == []


def test_below_the_tolerance_is_nothing() -> None:
    before, after = standing(square(0, 0, 60, 15)), standing(square(1, 0.5, 62, 15.5))
    assert find_changes(before, after).changes == []
    longer = standing(square(0, 0, 85, 15))
    assert len(find_changes(before, longer).changes) == 1
    blurred = Standing(longer.corners, np.full(1, 9.0), longer.draws)
    assert find_changes(before, blurred).changes == []


def test_pixels_tell_a_missed_block_from_a_gone_one() -> None:
    before, after = standing(square(0, 0, 60, 15), square(0, 50, 60, 15)), standing()
    none = Shares(0.0, 0.0, 0.0)
    lost = {0: Shares(0.05, 0.9, 0.85), 1: Shares(0.9, 0.05, 0.05)}
    found = find_changes(
        before, after, lambda parts: PlaceShares(none, none, lost[int(parts.before[0])])
    )
    assert [(one.kind, one.before.tolist()) for one in found.changes] == [("gone", [1])]
    assert (found.missed_after.tolist(), found.missed_before.tolist()) == ([0], [])


@dataclass(frozen=True)
class Told:
    """The tables of looks of one yard, and what they were made from."""

    tables: dict[str, list[dict[str, object]]]
    site: Site
    scenes: list[RunScene]
    placed: dict[str, Placement]
    book: StackBook


def tables(
    folder: Path, looks: list[tuple[RenderedScene, list[int] | None]]
) -> dict[str, list[dict[str, object]]]:
    """Tables of looks of one yard; each with the stacks that were found (None: all)."""
    return tell(folder, looks).tables


def tell(
    folder: Path,
    looks: list[tuple[RenderedScene, list[int] | None]],
    assumed: tuple[StackSettings, ...] = (),
    kind: str = "yard",
) -> Told:
    """Predict and activity without a network: every look a run of its own."""
    zones = Zones((Zone("yard", kind, _zone_shape(looks[0][0])),), looks[0][0].crs, "zones.geojson")
    site = make_site("site", zones)
    scenes = []
    for number, (scene, kept) in enumerate(looks):
        run = folder / f"run{number}"
        run.mkdir()
        path = write(scene, run)
        settings = assumed[number] if assumed else StackSettings()
        write_json(run / RUN_FILE, {"stacks": asdict(settings)})
        boxes = replace(found(scene), scene_id=f"look{number}")
        boxes = boxes if kept is None else boxes.select(np.array(kept, np.int64))
        with open_scene(path) as opened:
            info = opened.info
            table = estimate_stacks(opened, boxes, [], settings)
        write_stacks(run / STACKS_FILE, table)
        seen = Observed(1.0, "observed")
        objects = SeenObjects(
            ids=np.array([f"look{number}#{row}" for row in range(len(boxes))], np.str_),
            gsd_m=np.full(len(boxes), 0.5),
            class_ids=boxes.class_ids,
            scores=boxes.scores.astype(float),
            corners=boxes.corners,
            length_m=boxes.length_m,
            width_m=boxes.width_m,
            axis_deg=boxes.axis_deg,
            cut=boxes.cut,
        )
        time = scene.acquired + pd.Timedelta(days=number)
        scenes.append(
            RunScene(f"look{number}", str(path), time, scene.crs, info.width, info.height,
                     info.transform, True, {"yard": seen}, seen, objects, folder=str(run))
        )  # fmt: skip
    placed = {scene.scene_id: Placement((0.0, 0.0), 0.5) for scene in scenes}
    built = build_looks(site, scenes, placed)["yard"]
    by_id = {scene.scene_id: scene for scene in scenes}
    book = StackBook(scenes)
    rows = stack_rows(site, site.zones[0], built, by_id, placed, book)
    return Told(rows, site, scenes, placed, book)


def _zone_shape(scene: RenderedScene) -> object:
    import shapely

    from detector.geometry.geodesy import apply_transform

    box = shapely.box(5, 5, scene.spec.width - 5, scene.spec.height - 5)
    return shapely.transform(box, lambda points: apply_transform(scene.transform, points))


def test_other_sun_and_view_make_no_change(tmp_path: Path) -> None:
    """Lean moves the tops of three tiers by 2 m one way and the other; shadows turn by 120°."""
    first = yard(STAYS, replace(BARE, sky=sky(35.0, 120.0), sensor=view(14.0, 90.0)))
    second = yard(STAYS, replace(BARE, sky=sky(60.0, 240.0), sensor=view(14.0, 270.0)))
    rows = tables(tmp_path, [(first, None), (second, None)])
    assert rows["stack_changes"] == []
    assert [row["blocks"] for row in rows["stacks"]] == [2, 2]
    truth = sum(item.teu for item in first.truth if item.class_id == 1)
    for row in rows["stacks"]:
        assert row["teu_low"] <= truth <= row["teu_high"]  # type: ignore[operator]
        assert (row["cut_blocks"], row["interval_of"]) == (0, "found_blocks")


def test_a_new_block_is_told_and_a_missed_one_is_not(tmp_path: Path) -> None:
    """The second look misses a block that stands there still, and has a new one."""
    first = yard(STAYS, replace(BARE, sky=sky(40.0, 130.0)))
    second = yard(STAYS | NEW, replace(BARE, sky=sky(55.0, 200.0), sensor=view(8.0, 200.0)))
    new = int(np.argmax(found(second).corners[:, :, 1].mean(axis=1)))
    missed = int(np.argmin(found(second).corners[:, :, 1].mean(axis=1)))
    kept = [i for i in range(3) if i != missed]
    (row,) = tables(tmp_path, [(first, None), (second, kept)])["stack_changes"]
    assert (row["kind"], row["blocks_after"]) == ("appeared", f"look1#{kept.index(new)}")
    assert row["area_m2"] == pytest.approx(62.75 * 13.8, rel=0.06)
    assert row["teu_low"] <= 150 <= row["teu_high"]  # type: ignore[operator]
    assert row["lon"] == pytest.approx(130.3, abs=0.01)


def test_a_block_that_left_is_gone_for_the_pixels_too(tmp_path: Path) -> None:
    first = yard(STAYS | NEW, replace(BARE, sky=sky(40.0, 130.0)))
    second = yard(STAYS, replace(BARE, sky=sky(55.0, 200.0)))
    (row,) = tables(tmp_path, [(first, None), (second, None)])["stack_changes"]
    assert row["kind"] == "gone"
    assert row["teu_high"] < 0  # type: ignore[operator]


def test_the_picture_of_a_difference() -> None:
    before = np.full((40, 60, 3), 80, np.uint8)
    after = before.copy()
    before[5:15, 5:15] = 200
    after[25:35, 40:50] = 200
    box = np.array([square(40, 25, 10, 10)], float)
    picture = difference_picture(before, after, box, np.zeros((0, 4, 2)))
    assert picture[10, 10].tolist() == [200, 80, 80]  # only the first has it: red
    assert picture[30, 45].tolist() == [80, 200, 200]
    assert picture[30, 40].tolist() == [40, 220, 60]


def test_the_picture_of_a_difference_is_written(tmp_path: Path) -> None:
    """Of registered looks, on its ground, outlined; a scene that is gone leaves no name."""
    first = yard(STAYS, replace(BARE, sky=sky(40.0, 130.0)))
    second = yard(STAYS | NEW, replace(BARE, sky=sky(55.0, 200.0)))
    told = tell(tmp_path, [(first, None), (second, None)])
    frames = {
        name: pd.DataFrame(rows) for name, rows in told.tables.items() if name == "stack_changes"
    }
    frames["looks"] = pd.DataFrame(told.tables["stacks"])
    frames["registration"] = pd.DataFrame(
        [
            {"site": "site", "scene_id": f"look{n}", "shift_east_m": 0.0, "shift_north_m": 0.0,
             "residual_m": 0.5} for n in (0, 1)
        ]
    )  # fmt: skip
    assert write_differences(frames, [told.site], told.scenes, tmp_path) == 1
    (name,) = frames["stack_changes"]["picture"]
    days = "-".join(str(row["day"]) for row in told.tables["stacks"])
    assert name == f"differences/0001-yard-{days}.png"
    picture = cv2.imread(str(tmp_path / name))[..., ::-1].astype(int)
    (box,) = (b for b in found(second).corners if b[:, 1].mean() == max(
        c[:, 1].mean() for c in found(second).corners
    ))  # fmt: skip
    length, width = np.ptp(box, axis=0) * 0.5
    assert picture.shape[:2] == pytest.approx((2 * (width + 120), 2 * (length + 120)), abs=3)
    green = (picture == (40, 220, 60)).all(axis=2)
    y, x = np.nonzero(green)
    assert (np.ptp(x) + 1) * 0.5 == pytest.approx(length, abs=2)  # outlined where it stands
    assert (np.ptp(y) + 1) * 0.5 == pytest.approx(width, abs=2)
    inside = picture[y.min() + 4 : y.max() - 4, x.min() + 4 : x.max() - 4]
    tint = np.abs(inside[..., 0] - inside[..., 1]).mean()
    ground = picture[y.max() + 60 :, x.min() : x.max()]
    assert tint > 3 * np.abs(ground[..., 0] - ground[..., 1]).mean()
    Path(told.scenes[0].path).unlink()
    assert write_differences(frames, [told.site], told.scenes, tmp_path) == 0
    assert frames["stack_changes"]["picture"].isna().all()


def test_activity_assumes_what_the_runs_assumed(tmp_path: Path) -> None:
    """Blocks of the second look have no shadow; with other priors their numbers are others."""
    oblique = replace(BARE, sensor=replace(BARE.sensor, off_nadir_deg=20.0))
    looks: list[tuple[RenderedScene, list[int] | None]] = [(yard(STAYS, oblique), None)] * 2
    high = StackSettings(yard_tiers=[4.0, 5.0, 6.0])
    teu = {}
    for name, assumed in (
        ("default", (StackSettings(),) * 2),
        ("high", (high, high)),
        ("mixed", (high, StackSettings())),
    ):
        (tmp_path / name).mkdir()
        told = tell(tmp_path / name, looks, assumed)
        teu[name] = [row["teu"] for row in told.tables["stacks"]]
        if name != "mixed":
            assert told.book.warnings == []
    assert teu["high"][0] == teu["high"][1] == teu["mixed"][0] == teu["mixed"][1]
    assert teu["high"][0] > 1.7 * teu["default"][0]  # type: ignore[operator]
    (warning,) = told.book.warnings
    assert "different stacks.yard_tiers ([4.0, 5.0, 6.0] and [1.0, 2" in warning
    (tmp_path / "mixed" / "run0" / RUN_FILE).write_text("{}")
    book = StackBook(told.scenes[:1])
    assert book.settings == StackSettings()
    assert "run.json does not say what was assumed of stacks" in book.warnings[0]


def test_trains_are_boxes_in_line() -> None:
    boxes = [
        square(0, 0, 100, 2.5),
        square(130, 0.6, 60, 2.5),  # the same track, empty wagons between
        square(0, 4.8, 80, 2.5),  # the next track
        square(300, 0, 40, 2.5),  # far along
    ]
    trains = sorted(find_trains(np.array(boxes, float)), key=lambda train: -train.length_m)
    assert [train.blocks.tolist() for train in trains] == [[0, 1], [2], [3]]
    assert trains[0].length_m == pytest.approx(190)
    assert trains[0].wagons == pytest.approx(160 / 13.8, rel=0.01)


@pytest.mark.parametrize(
    ("changed", "same", "containers", "kind"),
    [(0.5, 0.5, 0.02, "gone"), (0.5, 0.5, 0.45, "shrunk"), (0.8, 0.1, 0.1, "gone"),
     (0.3, 0.7, 0.02, "shrunk")],
)  # fmt: skip
def test_even_ground_under_a_box_is_no_containers_that_are_left(
    changed: float, same: float, containers: float, kind: str
) -> None:
    """A box of 23 x 22 m around a block of half its size that went."""
    before, shares = standing(square(0, 0, 23, 22)), Shares(changed, same, containers)
    none = Shares(0.0, 0.0, 0.0)
    (one,) = find_changes(before, standing(), lambda _: PlaceShares(none, none, shares)).changes
    assert one.kind == kind
