"""Constants, limits and signs of the estimates of stacks, each number worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import gamma

from detector.stacks.estimate import _margin, _of_seen, _without_lean
from detector.stacks.pitch import (
    HALF_BAY_PITCHES_M,
    ROW_PITCHES_M,
    Periods,
    Pitch,
    _explained,
    _most_likely,
    _profiles,
    _spectrum,
    find_pitches,
)
from detector.stacks.settings import StackSettings
from detector.stacks.shadow import _first_light, _lit_level, _starts
from detector.stacks.simulate import Factors, _levels, _places, _shares, simulate
from detector.stacks.slots import (
    Fill,
    SlotGrid,
    _cells,
    _contrast,
    _edge_ratio,
    _empty,
    _for_two,
    _ground_colours,
    _misfit,
    half_bays_of,
    rows_of,
)
from tests.stacks.made import box_of, frame_of

BOX = box_of(100.0, 100.0, 50.0, 14.0)


class Picture:
    """A patch told by two functions of metres along and across `BOX`; notes where it was asked."""

    def __init__(self, free: Callable, grey: Callable) -> None:
        self._free, self._grey = free, grey
        self.asked = np.zeros((0, 0, 2))

    def free(self, places: np.ndarray) -> np.ndarray:
        self.asked = places - 100.0
        return np.asarray(self._free(*np.moveaxis(self.asked, 2, 0)), bool)

    def grey(self, places: np.ndarray) -> np.ndarray:
        self.asked = places - 100.0
        return np.asarray(self._grey(*np.moveaxis(self.asked, 2, 0)), np.float32)

    def colour(self, places: np.ndarray) -> np.ndarray:
        return np.repeat(self.grey(places)[..., None], 3, axis=2)


def everywhere(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.ones(u.shape, bool)


def near(value: np.ndarray, *places: float) -> np.ndarray:
    return np.min([np.abs(value - place) for place in places], axis=0) < 0.01


# How far is looked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("throw", "margin"),
    [(3.0, 60.0), (2.0, 2 * (8 * 2.896 + 1)), (1.0, 8 * 2.896 + 1), (0.5, 15.0)],
)
def test_the_margin_is_the_shadow_of_the_tallest_from_15_to_60_m(
    throw: float, margin: float
) -> None:
    assert _margin(frame_of((0.6 * throw, 0.8 * throw))) == pytest.approx(margin)
    assert _margin(frame_of(None)) == 15.0


def test_a_lean_takes_four_metres_a_unit_and_half_a_side_at_most() -> None:
    assert _without_lean(BOX, frame_of(lean=(-0.5, 0.25))) == pytest.approx((48.0, 13.0))
    assert _without_lean(BOX, frame_of(lean=(10.0, -2.0))) == pytest.approx((25.0, 7.0))


def test_of_a_block_under_cloud_the_seen_part_counts() -> None:
    settings = StackSettings(fill=[0.6, 0.8, 0.9])
    known = _of_seen(Fill(0.5, 0.1, True), 0.4, settings)
    assert (known.share, known.sd, known.measured) == (0.2, pytest.approx(0.04), True)
    told = _of_seen(None, 0.5, settings)
    assert (told.share, told.measured) == (0.4, False)
    assert told.sd == pytest.approx(0.5 * 0.15 / 1.6449, abs=1e-4)


# Light around a block ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "side",
    [
        lambda u, v: near(u, -1.2) & (v > 0) & (v < 14),
        lambda u, v: near(u, 51.6) & (v > 0) & (v < 14),
        lambda u, v: near(v, -1.2) & (u > 0) & (u < 13),
        lambda u, v: near(v, 15.6) & (u > 0) & (u < 13),
    ],
    ids=["left", "right", "top", "bottom"],
)
def test_lit_ground_begins_a_metre_from_each_side(side: Callable) -> None:
    """Samples stand every 0.8 m; 53 lie in the first column, 17 or 16 in the bright strip."""
    picture = Picture(
        lambda u, v: near(u, -14.0) | side(u, v),
        lambda u, v: np.where(side(u, v), 200.0, np.where(near(u, -14.0), 100.0, 0.0)),
    )
    assert _lit_level(picture, BOX) == 200.0


@pytest.mark.parametrize("place", [(-0.4, 7.6), (50.8, 7.6), (7.6, -0.4), (7.6, 14.8)])
def test_ground_nearer_than_a_metre_is_no_lit_ground(place: tuple[float, float]) -> None:
    """53 + 6 samples and one that lies too near; with it there would be the least of sixty."""

    def free(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        few = near(u, -13.2) & (v < -9.5)
        return near(u, -14.0) | few | (near(u, place[0]) & near(v, place[1]))

    picture = Picture(free, lambda u, v: u)
    u, v = np.moveaxis(BOX.places(np.arange(-14, 64, 0.8), np.arange(-14, 28, 0.8)) - 100, 2, 0)
    assert free(u, v).sum() == 60
    assert _lit_level(picture, BOX) is None


@pytest.mark.parametrize(("count", "level"), [(59, None), (60, 49.5)])
def test_light_needs_sixty_samples(count: int, level: float | None) -> None:
    """Of 0 to 59 those above the middle of the 8th and 92nd percentile: 30 … 59, less one."""

    def number(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.arange(u.size).reshape(u.shape)

    picture = Picture(lambda u, v: number(u, v) < count, number)
    found = _lit_level(picture, BOX)
    assert (found is None) == (level is None)
    if found is not None:
        assert found == np.median(np.arange(30, 60))


def test_light_is_what_is_above_the_middle_of_two_percentiles() -> None:
    """Of 200 samples 17 are 0 and 15 are 200: the 8th is 0, the 92nd 100, their middle 50."""

    def grey(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        number = np.arange(u.size).reshape(u.shape)
        return np.where(number < 17, 0.0, np.where(number < 185, 100.0, 200.0))

    free = lambda u, v: np.arange(u.size).reshape(u.shape) < 200  # noqa: E731
    assert _lit_level(Picture(free, grey), BOX) == 100.0


def test_the_light_is_looked_for_up_to_14_metres() -> None:
    picture = Picture(everywhere, lambda u, v: u)
    _lit_level(picture, BOX)
    low, high = picture.asked.min(axis=(0, 1)), picture.asked.max(axis=(0, 1))
    assert low == pytest.approx([-14.0, -14.0])
    assert high == pytest.approx([63.6, 27.6])  # 97 and 52 steps of 0.8 m


# Ground around a block --------------------------------------------------------------------------


def test_ground_is_looked_at_up_to_nine_metres_every_07() -> None:
    picture = Picture(everywhere, lambda u, v: u)
    _ground_colours(picture, BOX)
    assert picture.asked.min(axis=(0, 1)) == pytest.approx([-9.0, -9.0])
    assert picture.asked.max(axis=(0, 1)) == pytest.approx([-9 + 97 * 0.7, -9 + 45 * 0.7])
    assert picture.asked.shape == (46, 98, 2)


@pytest.mark.parametrize(
    ("inner", "outer"), [((-0.6, 7.1), (-1.3, 7.1)), ((7.1, -0.6), (7.1, -1.3)),
                         ((50.5, 7.1), (51.2, 7.1)), ((7.1, 14.8), (7.1, 15.5))],
)  # fmt: skip
def test_ground_begins_a_metre_from_the_box(
    inner: tuple[float, float], outer: tuple[float, float]
) -> None:
    """Thirty-nine samples of the first row and one more; forty are the least."""

    def row_and(place: tuple[float, float]) -> Callable:
        return lambda u, v: (
            (near(v, -9.0) & (u < -9 + 38.5 * 0.7)) | (near(u, place[0]) & near(v, place[1]))
        )

    for place, told in ((inner, False), (outer, True)):
        picture = Picture(row_and(place), lambda u, v: u)
        assert row_and(place)(*np.moveaxis(
            BOX.places(np.arange(-9, 59, 0.7), np.arange(-9, 23, 0.7)) - 100, 2, 0
        )).sum() == 40  # fmt: skip
        assert (_ground_colours(picture, BOX) is not None) == told


def test_ground_five_hundredths_behind_the_metre_is_ground() -> None:
    """A box of 50.15 by 14.45 m, samples at 51.2 and 15.5 m; thirty-nine more in the first row."""
    box = box_of(100.0, 100.0, 50.15, 14.45)
    for place in ((51.2, 7.1), (7.1, 15.5)):
        picture = Picture(
            lambda u, v, place=place: (
                (near(v, -9.0) & (u < -9 + 38.5 * 0.7)) | (near(u, place[0]) & near(v, place[1]))
            ),
            lambda u, v: u,
        )
        assert _ground_colours(picture, box) is not None


def test_ground_in_sun_and_in_shadow() -> None:
    """A fifth lies in shadow: two colours, each with 1.4826 times its median deviation."""

    def grey(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        step = (np.arange(u.size).reshape(u.shape) % 3) - 1  # -1, 0, 1: deviations of 0 and 1
        return np.where(v < -5.9, 40.0, 120.0) + 3 * step

    found = _ground_colours(Picture(everywhere, grey), BOX)
    assert found is not None
    (sun, sun_sd), (shade, shade_sd) = found
    assert sun == pytest.approx([120.0] * 3)
    assert shade == pytest.approx([40.0] * 3)
    assert sun_sd == pytest.approx([3 * 1.4826] * 3)
    assert shade_sd == pytest.approx([3 * 1.4826] * 3)


@pytest.mark.parametrize(("dark", "parts"), [(79, 1), (81, 2)])
def test_a_shadow_is_eight_hundredths_of_the_ground_at_least(dark: int, parts: int) -> None:
    """Of 1,000 samples the darkest; from the 10th to the 85th percentile there is 60 to 140."""

    def free(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        outside = (u < -1) | (u > 51) | (v < -1) | (v > 15)
        return outside & (np.cumsum(outside).reshape(u.shape) <= 1000)

    def grey(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        outside = (u < -1) | (u > 51) | (v < -1) | (v > 15)
        return np.where(np.cumsum(outside).reshape(u.shape) <= dark, 20.0, 140.0)

    found = _ground_colours(Picture(free, grey), BOX)
    assert found is not None
    # The 10th percentile is 140 like the 85th: what is as light is sun, the rest shadow.
    assert len(found) == parts
    assert found[0][0] == pytest.approx([140.0] * 3)


@pytest.mark.parametrize(("upper", "light"), [(855, 160.0), (840, 100.0)])
def test_the_middle_of_the_ground_is_that_of_its_10th_and_85th_percentile(
    upper: int, light: float
) -> None:
    """Levels 0 and 70 from 0 and 10.5 %, more from 85.5 or 84 %: the middle is 35 or 50."""

    def grey(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        number = (np.cumsum(free(u, v)) - 1).reshape(u.shape)
        return np.where(number < 105, 0.0, np.where(number < upper, 70.0, light))

    def free(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        outside = (u < -1) | (u > 51) | (v < -1) | (v > 15)
        return outside & (np.cumsum(outside).reshape(u.shape) <= 1000)

    found = _ground_colours(Picture(free, grey), BOX)
    assert found is not None
    assert [part[0][0] for part in found] == [70.0, 0.0]


@pytest.mark.parametrize(
    ("range_", "contrast"), [(150.0, 1.0), (75.0, 0.5), (300.0, 1.0), (3, 0.1)]
)
def test_the_contrast_is_a_share_of_150_levels(range_: float, contrast: float) -> None:
    picture = Picture(everywhere, lambda u, v: np.where(u < 20, 20.0, 20.0 + range_))
    assert _contrast(picture, BOX) == pytest.approx(contrast)
    assert picture.asked.min(axis=(0, 1)) == pytest.approx([-9.0, -9.0])
    assert picture.asked.max(axis=(0, 1)) == pytest.approx([58.0, 22.0])


def test_the_contrast_leaves_two_hundredths_at_both_ends_out() -> None:
    """68 times 32 samples; 1.9 and 2.1 % of them darker, 1.9 and 2.1 % lighter."""
    for low, high, contrast in ((41, 41, 0.2), (46, 41, 0.4), (41, 46, 0.6)):

        def grey(u: np.ndarray, v: np.ndarray, low: int = low, high: int = high) -> np.ndarray:
            number = np.arange(u.size).reshape(u.shape)
            return np.where(number < low, 70.0, np.where(number >= u.size - high, 190.0,
                            np.where(number < 1000, 100.0, 130.0)))  # fmt: skip

        assert _contrast(Picture(everywhere, grey), BOX) == pytest.approx(contrast)


# Slots ------------------------------------------------------------------------------------------


def test_places_of_a_length_by_hand() -> None:
    """n places of 6.5 m less one gap of 13 - 12.192 m, and 0.2 m of looseness; halves are even."""
    one = np.array([6.5])
    for places in (1, 2, 5):
        exact = places * 6.5 - (13 - 12.192) + 0.2
        assert half_bays_of(np.array([exact + 3.2]), one) == places
        assert half_bays_of(np.array([exact + 3.3]), one) == places + 1
    assert half_bays_of(np.array([0.0]), one) == 1
    for rows in (1, 2, 5):
        exact = rows * 3.0 - (3.0 - 2.438) + 0.2
        assert rows_of(np.array([exact + 1.48]), np.array([3.0])) == rows
        assert rows_of(np.array([exact + 1.52]), np.array([3.0])) == rows + 1
    assert rows_of(np.array([0.0]), np.array([3.0])) == 1


@pytest.mark.parametrize(
    ("size", "misfit"),
    [
        ((12.192, 2.438), 0.0),
        ((12.192 + 0.6321, 2.438), 0.2),  # a tenth of a place, twice
        ((12.192 - 0.6321, 2.438), 0.2),
        ((12.192, 2.438 + 0.2838), 0.1),
        ((12.192, 2.438 - 0.2838), 0.1),
        ((5.05, 2.438), 10 + 2 * (1 - 5.5 / 6.321)),
        ((5.06, 2.438), 2 * (1 - 5.51 / 6.321)),  # 6.058 m less a metre are 5.058 m
    ],
)
def test_the_misfit_by_hand(size: tuple[float, float], misfit: float) -> None:
    assert _misfit(*size) == pytest.approx(misfit, abs=1e-9)


def test_a_place_is_looked_at_in_its_middle() -> None:
    """One place of 10 by 5 m and, turned, of 5 by 10 m: 0.3 and 0.1 of it, across 0.6 of that."""
    box = box_of(100.0, 200.0, 10.0, 5.0)
    for lengthwise, (x, y) in (
        (True, ([2, 4, 6, 8], [1.6, 2.2, 2.8, 3.4])),
        (False, ([3.2, 4.4, 5.6, 6.8], [1, 2, 3, 4])),
    ):
        cells = _cells(SlotGrid(lengthwise, 1, 1, True), box)
        assert cells.shape == (1, 1, 16, 2)
        assert sorted(set(np.round(cells[..., 0].ravel() - 100, 9))) == pytest.approx(x)
        assert sorted(set(np.round(cells[..., 1].ravel() - 200, 9))) == pytest.approx(y)
    cells = _cells(SlotGrid(True, 2, 5, True), box)
    assert cells.mean(axis=2)[1, 3] == pytest.approx([107.5, 203.5])


def test_halves_differ_by_the_laws_of_two_and_of_one() -> None:
    law = (28.0, 0.15, 3.5, 0.12, 30.0)
    values = np.array([0.0, 3.0, 10.0, 60.0])
    noise = gamma(1, scale=3.5).pdf(values)
    two = 0.85 * gamma(2, scale=28.0).pdf(values) + 0.15 * noise
    one = 0.88 * noise + 0.12 * gamma(1, scale=30.0).pdf(values)
    assert _for_two(values, law) == pytest.approx(np.log(two / one), rel=1e-9)


def test_the_odds_of_an_empty_place_by_hand() -> None:
    """Ground of spread 10, between 9 and 18; colours off it by 0 and by 10 in each band."""
    ground = [(np.full(3, 100.0), np.full(3, 10.0))]
    colours = np.array([[[100.0] * 3, [110.0] * 3]])
    for contrast, z in ((1.0, 1.0), (0.8, 1.0)):
        density = np.exp(-0.5 * np.array([0.0, 3 * z**2]) * 2 / 3) / (2 * np.pi * 100)
        odds = density * (90 * contrast) ** 2 * 0.08 / 0.92
        assert _empty(colours, ground, contrast)[0] == pytest.approx(odds / (1 + odds))
    for spread, sd in ((1.0, 9.0), (50.0, 18.0)):
        odds = 90**2 / (2 * np.pi * sd**2) * 0.08 / 0.92
        found = _empty(colours[:, :1], [(np.full(3, 100.0), np.full(3, spread))], 1.0)
        assert found[0, 0] == pytest.approx(odds / (1 + odds))
    # Of two grounds the nearer one counts.
    both = [*ground, (np.full(3, 110.0), np.full(3, 10.0))]
    assert _empty(colours, both, 1.0)[0, 1] == pytest.approx(_empty(colours, ground, 1.0)[0, 0])


def test_edges_are_compared_both_ways() -> None:
    """Grey changes by 3 a metre across and by 2 along; samples stand 0.25 m apart at least."""

    class Fine(Picture):
        scale = np.array([0.1, 0.1])

    ratio = _edge_ratio(Fine(everywhere, lambda u, v: 2 * u + 3 * v), BOX)
    assert ratio == pytest.approx(1.5, rel=1e-4)
    for first, told in ((98, True), (99, False)):  # of 196 columns: half of them are enough
        half = Fine(lambda u, v, n=first: u > 0.4 + n * 0.25, lambda u, v: 2 * u + 3 * v)
        assert (_edge_ratio(half, BOX) is not None) == told
    flat = Fine(everywhere, lambda u, v: 3 * v)
    assert _edge_ratio(flat, BOX) is None
    assert flat.asked[0, 0] == pytest.approx([0.5, 0.5])
    assert flat.asked.max(axis=(0, 1)) == pytest.approx([49.25, 13.25])
    assert _edge_ratio(Fine(everywhere, lambda u, v: u), box_of(100, 100, 1.99, 9.0)) is not None
    assert _edge_ratio(Fine(everywhere, lambda u, v: u), box_of(100, 100, 1.74, 9.0)) is None


# Pitches ----------------------------------------------------------------------------------------


def test_a_wave_explains_itself_and_no_other_length() -> None:
    """Two hundred samples of 0.2 m are 40 m: ten waves of 4 m, all of the variance."""
    wave = np.sin(2 * np.pi * np.arange(200) * 0.2 / 4.0)
    spectrum = _spectrum([wave])
    assert _explained(spectrum, np.array([4.0, 40 / 9, 40 / 11])) == pytest.approx(
        [1.0, 0.0, 0.0], abs=2e-3
    )
    # Of two profiles the mean; a level and a height make no difference.
    half = _spectrum([5 + 3 * wave, np.sin(2 * np.pi * np.arange(200) * 0.2 / 8.0)])
    assert _explained(half, np.array([4.0, 8.0])) == pytest.approx([0.5, 0.5], abs=2e-3)
    # Linear between frequencies: 8,192 samples of 0.2 m.
    steps = np.arange(100.0)
    assert _explained(steps, np.array([8192 * 0.2 / 30.25])) == pytest.approx([30.25])


def test_a_profile_is_beside_its_surroundings_and_clipped_at_a_half() -> None:
    """Nine samples of 0.2 m are 1.8 m; a line that is 0.9 lighter is 0.8 lighter than they."""
    light = np.zeros((40, 3))
    light[20] = [0.9, 0.27, -0.27]
    light[32] = [-0.9, 0.27, -0.27]
    relief, edge = _profiles(light, 1.8)
    assert relief[20] == pytest.approx(0.5 / 3)
    assert relief[32] == pytest.approx(-0.5 / 3)
    assert relief[16] == pytest.approx(-0.9 / 9 / 3)
    assert relief[15] == pytest.approx(0.0)
    slope = (0.45 + 0.135 + 0.135) / 3  # beside the line, half of its height a sample
    assert edge[19] == pytest.approx(slope * 7 / 9)
    assert edge[20] == pytest.approx(-slope * 2 / 9)


def test_the_likeliest_pitch_by_its_prior() -> None:
    """Pitches of 3.0 and 3.1 m are usual, at 0 and 2 sd; a fifth of yards have any of the four."""
    pitches = np.array([2.0, 3.0, 3.1, 4.0])
    usual = np.exp(-0.5 * np.array([400.0, 0, 4, 400]))
    prior = 0.8 * usual / usual.sum() + 0.05
    near_ = prior[1:3]
    mean = float(near_ @ pitches[1:3] / near_.sum())
    found = _most_likely(np.zeros(4), pitches, Pitch(3.0, 0.05))
    assert found.metres == pytest.approx(mean)
    sd = float(np.sqrt(near_ @ (pitches[1:3] - mean) ** 2 / near_.sum()))
    assert found.sd == pytest.approx(max(sd, 0.01 * mean))
    # What the picture tells outweighs the prior: of odds of 16.8 and e^3.
    told = _most_likely(np.array([0.0, 0, 0, 3.0]), pitches, Pitch(3.0, 0.05))
    assert told.metres == pytest.approx(4.0)
    assert told.sd == pytest.approx(0.04)  # a hundredth at least


@pytest.mark.parametrize(("other", "joined"), [(3.0 * np.exp(0.089), True), (3.3, False)])
def test_a_pitch_is_the_mean_of_what_is_within_nine_hundredths(other: float, joined: bool) -> None:
    found = _most_likely(np.array([0.1, 0.0]), np.array([3.0, other]), Pitch(3.0, 100.0))
    assert (found.metres > 3.01) == joined
    assert (found.metres == pytest.approx(3.0)) == (not joined)


def test_blocks_within_300_m_have_a_quarter_of_a_say() -> None:
    def told(x: float, index: int, strength: float) -> Periods:
        rows = np.where(np.arange(len(ROW_PITCHES_M)) == index, strength, 0.0)
        return Periods(np.array([x, 0.0]), rows, np.zeros(len(HALF_BAY_PITCHES_M)))

    centre = np.zeros(2)
    low, high = 5, 45  # 2.63 m and 3.92 m, both far from the usual 2.838 m
    for weight, index in ((4.2, high), (3.8, low)):
        rows, _ = find_pitches(told(0, low, 20.0), [told(299.0, high, 20.0 * weight)], centre)
        assert abs(rows.metres - ROW_PITCHES_M[index]) < 0.02
    nominal, _ = find_pitches(None, [told(301.0, high, 90.0)], centre)
    assert nominal.metres == pytest.approx(2.838)


# Shadows ----------------------------------------------------------------------------------------


def test_where_a_ray_gets_light_by_hand() -> None:
    """Dark up to 3.0 m, light from 3.1 m: the middle level lies a third of a step behind 3.0."""
    heights = np.arange(0.0, 6.0, 0.1)
    grey = np.where(heights < 3.05, 60.0, 180.0)
    free = np.ones(len(heights), bool)
    assert _first_light(grey, free, heights, 100.0, 9) == (pytest.approx(3.0 + 0.1 / 3), False)
    # Light for eight samples only, or that begins below 1.7 m, is none.
    short = np.where((heights > 2.05) & (heights < 2.85), 180.0, grey)
    assert _first_light(short, free, heights, 100.0, 9)[0] == pytest.approx(3.0 + 0.1 / 3)
    nine = np.where((heights > 2.05) & (heights < 2.95), 180.0, grey)
    assert _first_light(nine, free, heights, 100.0, 9)[0] == pytest.approx(2.0 + 0.1 / 3)
    low = np.where(heights < 1.65, 180.0, grey)
    assert _first_light(low, free, heights, 100.0, 9)[0] == pytest.approx(3.0 + 0.1 / 3)
    # What lies behind another box is unseen: nine free samples are needed.
    for last, hidden in ((3.95, False), (3.85, True)):
        end, unseen = _first_light(grey, heights < last, heights, 100.0, 9)
        assert unseen == hidden
        assert np.isnan(end) == hidden


def test_the_edges_that_throw_a_shadow_and_their_pieces() -> None:
    """50 by 14 m, a piece each 2.838 m: 17 of the side, 4 of the end."""
    starts, ends, sines = _starts(BOX, np.array([0.6, -0.8]))
    assert len(starts) == 17 + 4
    assert ends.tolist() == [False] * 17 + [True] * 4
    assert sines == pytest.approx([0.8] * 17 + [0.6] * 4)
    assert starts[0] == pytest.approx([100 + 25 / 17, 100.0])
    assert starts[-1] == pytest.approx([150.0, 100 + 14 * 3.5 / 4])
    for sine, count in ((0.36, 21), (0.34, 17)):
        assert len(_starts(BOX, np.array([sine, -np.sqrt(1 - sine**2)]))[0]) == count
    assert len(_starts(box_of(0, 0, 2.9, 2.8), np.array([0.6, -0.8]))[0]) == 1


# Draws ------------------------------------------------------------------------------------------


def one(**changed: object) -> Factors:
    """One block of four bays of six rows, of which all is known; every number can be changed."""
    told: dict[str, object] = {
        "along_m": 50.768, "across_m": 16.828, "size_sd_m": 0.5, "fill": 0.9, "fill_sd": 0.05,
        "share": 0.7, "share_sd": 0.1, "row_pitch_m": 2.838, "row_pitch_sd": 0.05,
        "half_bay_m": 6.321, "half_bay_sd": 0.1, "tiers": 3.0, "tiers_sd": 0.4,
    }  # fmt: skip
    told |= changed
    wagons = np.array([bool(told.pop("wagons", False))])
    arrays = {name: np.array([value], float) for name, value in told.items()}
    return Factors(**arrays, prior=np.array([[1.0, 2.0, 4.0]]), wagons=wagons)


def at(score: float) -> np.ndarray:
    return np.full((1, 1), score)


def places(factors: Factors, along: float, across: float, bay: float, row: float) -> float:
    return float(_places(factors, (at(along), at(across)), (at(bay), at(row)))[0, 0])


def test_places_move_with_each_error() -> None:
    """50.768 + 0.45 m of 6.321 m and 16.828 + 0.4 m of 2.838 m, less 0.2 m: 8.07 and 6.0."""
    assert places(one(), 0, 0, 0, 0) == 8 * 6
    assert places(one(), 7, 0, 0, 0) == 9 * 6  # 3.5 m longer: 8.62
    assert places(one(), -8, 0, 0, 0) == 7 * 6  # 4 m shorter: 7.44
    assert places(one(), 0, 3, 0, 0) == 8 * 7
    assert places(one(), 0, -3, 0, 0) == 8 * 5
    assert places(one(), 0, 0, 6, 0) == 8 * 6  # 6.921 m: (50.568 + 1.65) / 6.921 = 7.54
    assert places(one(), 0, 0, 7, 0) == 7 * 6  # 7.021 m: 7.47
    assert places(one(), 0, 0, -6, 0) == 9 * 6  # 5.721 m: 8.71
    assert places(one(), 0, 0, 0, 5) == 8 * 6  # 3.088 m: (16.628 + 0.65) / 3.088 = 5.6
    assert places(one(), 0, 0, 0, 6) == 8 * 6  # 3.138 m: 5.52
    assert places(one(), 0, 0, 0, 7) == 8 * 5  # 3.188 m: 5.45
    assert places(one(), 0, 0, 0, -6) == 8 * 7  # 2.538 m: 6.59


def test_wagons_have_their_own_pitch_and_one_row() -> None:
    """6.9 m and 4 % of it, whatever the yard's: 100 m are (99.8 + 1.608) / 6.9 = 14.7 places."""
    train = one(wagons=True, along_m=100.0, size_sd_m=0.0, half_bay_m=3.0, half_bay_sd=9.0)
    assert places(train, 0, 0, 0, 0) == 15
    assert places(train, 0, 0, 1, 0) == 14  # 7.176 m: (99.8 + 2.16) / 7.176 = 14.21
    for along, count in ((102.142, 15), (102.017, 14)):  # 12.507 and 12.49, and two more
        assert places(replace(train, along_m=np.array([along])), 0, 0, 1, 0) == count
    assert places(train, 0, 0, -1, 0) == 15  # 6.624 m: (99.8 + 1.056) / 6.624 = 15.23
    assert places(train, 0, 0, -2, 0) == 16  # 6.348 m: (99.8 + 0.504) / 6.348 = 15.8


def shares(factors: Factors, habit: float, colour: float, bays: float, slots: float) -> float:
    settings = StackSettings(share_40ft=[0.4, 0.6, 0.9])
    return float(_shares(factors, settings, (at(habit), at(colour), at(bays)), at(slots))[0, 0])


def test_shares_of_40_ft_by_hand() -> None:
    measured, assumed = one(), one(share=np.nan, share_sd=np.nan)
    assert shares(measured, 3, 2, 3, 48) == pytest.approx(0.9)
    assert shares(measured, 3, -2, 3, 48) == pytest.approx(0.5)
    assert shares(measured, 0, 4, 0, 48) == 1.0
    assert shares(measured, 0, -9, 0, 48) == 0.0
    assert shares(assumed, 0, 5, 0, 48) == pytest.approx(0.6)
    assert shares(assumed, 1.6449, 0, 0, 48) == pytest.approx(0.9)
    assert shares(assumed, -1.6449, 0, 0, 48) == pytest.approx(0.4)
    # Six rows of eight places are four bays; of two places a row there is one bay, never less.
    spread = np.sqrt(0.6 * 0.4)
    assert shares(assumed, 0, 0, 1, 48) == pytest.approx(0.6 + spread / 2)
    assert shares(assumed, 0, 0, -1, 48) == pytest.approx(0.6 - spread / 2)
    assert shares(assumed, 0, 0, 0.5, 6) == pytest.approx(0.6 + spread / 2)
    train = one(share=np.nan, share_sd=np.nan, wagons=True)  # one row: 16 places are eight bays
    assert shares(train, 0, 0, 1, 16) == pytest.approx(0.6 + spread / np.sqrt(8))


def test_levels_by_shadow_and_by_prior() -> None:
    assert _levels(one(), at(1.5), at(9))[0, 0] == pytest.approx(3.6)
    assert _levels(one(), at(-1.5), at(9))[0, 0] == pytest.approx(2.4)
    assumed = one(tiers=np.nan)
    for score, level in ((0, 2.0), (1.6449, 4.0), (-1.6449, 1.0), (0.82245, 2 * 2**0.5)):
        assert _levels(assumed, at(9), at(score))[0, 0] == pytest.approx(level)


def test_stacks_of_a_block_differ_and_their_mean_less() -> None:
    """0.8 tiers a stack: over 48 places, 24 stacks, 0.163, though all else is known."""
    none = {"size_sd_m": 0, "fill": 1, "fill_sd": 0, "share_sd": 0, "row_pitch_sd": 0,
            "half_bay_sd": 0, "tiers_sd": 0}  # fmt: skip
    draws = simulate(one(**none), StackSettings(draws=40_000))
    assert draws.slots.std() == 0
    assert draws.slots[0, 0] == 48
    assert draws.tiers.std() == pytest.approx(0.8 / np.sqrt(24), rel=0.02)
    assert draws.containers == pytest.approx(draws.teu * 0.65)
    assert draws.teu == pytest.approx(48 * draws.tiers)
