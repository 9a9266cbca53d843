"""Lengths, areas and azimuths on the ground: against pyproj.Geod and distances known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from detector.geometry.boxes import corners_from_xywhr
from detector.geometry.geodesy import PixelSize, apply_transform, box_measures, lonlat, pixel_size

WGS84 = Geod(ellps="WGS84")
DEGREES = "EPSG:4326"
# Meridian and equator of the ellipsoid: a = 6,378,137 m, f = 1 / 298.257223563.
DEGREE_OF_EQUATOR_M = 111_319.4908
DEGREE_OF_MERIDIAN_AT_EQUATOR_M = 110_574.2758
DEGREE_OF_MERIDIAN_AT_POLE_M = 111_693.8639
STEP_DEG = 1e-5


def ground_box(
    lon: float, lat: float, length_m: float, width_m: float, azimuth_deg: float
) -> np.ndarray:
    """Corners `(4, 2)` in degrees of a rectangle that geodesics lay out from its centre."""
    corners = []
    for along, across in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        angle = azimuth_deg + math.degrees(math.atan2(across * width_m, along * length_m))
        reach = math.hypot(length_m, width_m) / 2
        corners.append(WGS84.fwd(lon, lat, angle, reach)[:2])
    return np.array(corners)


def turned_apart(a: float, b: float) -> float:
    """Degrees between two axes, modulo half a turn."""
    return abs((a - b + 90) % 180 - 90)


# Lengths, widths, azimuths ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ring", "length_m", "width_m", "axis_deg"),
    [
        # Sides of a degree on the equator, first edge = length.
        ([(0, -0.5), (1, -0.5), (1, 0.5), (0, 0.5)], 111_319.49, 110_574.28, 90.0),
        ([(0, 0), (0, 2), (1, 2), (1, 0)], 221_149.45, 111_302.65, 0.0),
        # A ten thousandth of a degree at 60 degrees north: half as wide as high, about.
        ([(10, 60), (10, 60.0001), (10.0001, 60.0001), (10.0001, 60)], 11.1414, 5.5800, 0.0),
        ([(10.0001, 60), (10.0001, 60.0001), (10, 60.0001), (10, 60)], 11.1414, 5.5800, 0.0),
    ],
)
def test_boxes_measured_by_hand(
    ring: list[tuple[float, float]], length_m: float, width_m: float, axis_deg: float
) -> None:
    length, width, axis = box_measures(np.array([ring], float), DEGREES)
    assert length[0] == pytest.approx(length_m, rel=1e-4)
    assert width[0] == pytest.approx(width_m, rel=1e-4)
    assert turned_apart(axis[0], axis_deg) < 1e-6


@given(
    st.floats(-179, 179),
    st.floats(-89, 89),
    st.floats(20, 400),
    st.floats(5, 19),
    st.floats(0, 179.99),
)
def test_a_box_laid_out_by_geodesics_is_measured_back(
    lon: float, lat: float, length_m: float, width_m: float, azimuth_deg: float
) -> None:
    corners = ground_box(lon, lat, length_m, width_m, azimuth_deg)
    length, width, axis = box_measures(corners[None], DEGREES)
    # Middles of edges are taken in degrees: near a pole a straight line in degrees is an arc.
    bow = 2e-3 if abs(lat) > 85 else 1e-4
    assert length[0] == pytest.approx(length_m, rel=bow, abs=0.01)
    assert width[0] == pytest.approx(width_m, rel=10 * bow, abs=0.05)
    assert turned_apart(float(axis[0]), azimuth_deg) < (2.0 if abs(lat) > 85 else 0.05)
    assert 0 <= axis[0] < 180


@pytest.mark.parametrize("azimuth_deg", [0.0, 30.0, 90.0, 137.0])
@pytest.mark.parametrize(
    ("crs", "lon", "lat"),
    [
        ("EPSG:32652", 129.0, 42.24),
        ("EPSG:32652", 131.9, 42.0),  # away from the central meridian: north is turned by 2 degrees
        ("EPSG:3857", 129.0, 42.24),  # scale 1.35
        ("EPSG:3857", 20.0, 69.0),  # scale 2.8
        ("EPSG:3413", 60.0, 88.5),  # polar stereographic, a degree and a half from the pole
        ("EPSG:3031", -120.0, -77.8),
        ("EPSG:4326", 10.0, 60.0),
    ],
)
def test_the_frame_of_the_map_does_not_matter(
    crs: str, lon: float, lat: float, azimuth_deg: float
) -> None:
    corners = ground_box(lon, lat, 200.0, 30.0, azimuth_deg)
    to_map = Transformer.from_crs(DEGREES, crs, always_xy=True)
    on_map = np.stack(to_map.transform(corners[:, 0], corners[:, 1]), axis=-1)
    length, width, axis = box_measures(on_map[None], crs)
    assert length[0] == pytest.approx(200.0, rel=1e-4)
    assert width[0] == pytest.approx(30.0, rel=1e-3)
    assert turned_apart(float(axis[0]), azimuth_deg) < 0.05
    assert np.abs(lonlat(on_map, crs) - corners).max() < 1e-9


@pytest.mark.parametrize("lon", [179.9995, -179.9995, 180.0])
def test_the_antimeridian_is_no_border(lon: float) -> None:
    """Web Mercator and zone 60 go on to the east of 180 degrees."""
    corners = ground_box(lon, 52.0, 300.0, 40.0, 75.0)
    to_map = Transformer.from_crs(DEGREES, "EPSG:32660", always_xy=True)
    on_map = np.stack(to_map.transform(corners[:, 0], corners[:, 1]), axis=-1)
    length, width, axis = box_measures(on_map[None], "EPSG:32660")
    assert (length[0], width[0]) == pytest.approx((300.0, 40.0), rel=1e-3)
    assert turned_apart(float(axis[0]), 75.0) < 0.05
    counting_on = np.where(corners[:, 0] < 0, corners[:, 0] + 360.0, corners[:, 0])
    degrees = np.stack([counting_on, corners[:, 1]], axis=-1)
    length, width, axis = box_measures(degrees[None], DEGREES)
    assert (length[0], width[0]) == pytest.approx((300.0, 40.0), rel=1e-3)
    assert turned_apart(float(axis[0]), 75.0) < 0.05


def test_the_axis_has_no_ends() -> None:
    """Turned by half a turn a box lies as before; an azimuth of 180 is 0."""
    box = ground_box(129.0, 42.0, 100.0, 20.0, 60.0)
    one, other = (box_measures(corners[None], DEGREES) for corners in (box, np.roll(box, 2, 0)))
    assert np.array(one[:2]) == pytest.approx(np.array(other[:2]), abs=1e-6)
    assert one[2] == pytest.approx(other[2], abs=1e-3)  # meridians converge from end to end
    south = np.array([[[0, 0.001], [0, 0], [1e-4, 0], [1e-4, 0.001]]])
    assert box_measures(south, DEGREES)[2].tolist() == pytest.approx([0.0], abs=1e-9)
    hair_left_of_north = np.array([[[0, 0], [-1e-20, 1], [1, 1], [1, 0]]], float)
    assert box_measures(hair_left_of_north, DEGREES)[2][0] < 180


def test_no_boxes_have_no_measures() -> None:
    measures = box_measures(np.zeros((0, 4, 2)), "EPSG:32652")
    assert [values.tolist() for values in measures] == [[], [], []]


# Pixels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lat", "x_m", "y_m"),
    [
        (0.0, DEGREE_OF_EQUATOR_M, DEGREE_OF_MERIDIAN_AT_EQUATOR_M),
        (60.0, 55_800.17, 111_412.24),  # geodetic tables
        (-60.0, 55_800.17, 111_412.24),
        (89.0, 1_949.35, 111_693.5),
    ],
)
def test_degrees_in_metres(lat: float, x_m: float, y_m: float) -> None:
    size = pixel_size(Affine(STEP_DEG, 0, 20.0, 0, -STEP_DEG, lat), DEGREES, 0.0, 0.0)
    assert size is not None
    assert size.x_m / STEP_DEG == pytest.approx(x_m, rel=2e-4)
    assert size.y_m / STEP_DEG == pytest.approx(y_m, rel=2e-5)
    assert size.gsd_m == pytest.approx(math.sqrt(size.x_m * size.y_m), rel=1e-12)


def test_the_pole_is_a_point_and_a_span_across_it_keeps_its_length() -> None:
    size = pixel_size(Affine(1.0, 0, 0.0, 0, -1.0, 0.0), "EPSG:3413", 0.0, 0.0)
    assert size is not None  # true scale at 70 north; 0.9691 m of map a metre at the pole
    assert size.x_m == pytest.approx(1.0318, rel=1e-3)
    assert size.y_m == pytest.approx(size.x_m, rel=1e-6)
    on_the_pole = pixel_size(Affine(STEP_DEG, 0, 20.0, 0, -STEP_DEG, 90.0), DEGREES, 0.0, 60.0)
    assert on_the_pole is not None
    assert on_the_pole.y_m / STEP_DEG == pytest.approx(DEGREE_OF_MERIDIAN_AT_POLE_M, rel=1e-5)
    assert on_the_pole.x_m < 1e-4


def test_a_pixel_is_measured_where_it_is_asked_for() -> None:
    """A grid from the equator to 60 degrees north: pixels get half as wide."""
    transform = Affine(STEP_DEG, 0, 20.0, 0, -STEP_DEG, 60.0)
    top = pixel_size(transform, DEGREES, 50.0, 0.0)
    bottom = pixel_size(transform, DEGREES, 50.0, 60.0 / STEP_DEG)
    east = pixel_size(transform, DEGREES, 9e6, 0.0)
    assert top is not None
    assert bottom is not None
    assert east is not None
    assert bottom.x_m / top.x_m == pytest.approx(DEGREE_OF_EQUATOR_M / 55_800.17, rel=1e-4)
    assert (east.x_m, east.y_m) == pytest.approx((top.x_m, top.y_m), rel=1e-6)


@given(st.floats(-180, 180), st.floats(0.2, 30), st.floats(0.2, 30))
def test_sides_are_those_of_the_pixel_however_it_is_turned(
    angle_deg: float, x_m: float, y_m: float
) -> None:
    place = Affine.translation(500_000, 4_677_000) @ Affine.rotation(angle_deg)
    size = pixel_size(place @ Affine.scale(x_m, -y_m), "EPSG:32652", 10.0, 20.0)
    assert size is not None
    # On the central meridian 0.9996 m of map are a metre.
    assert (size.x_m, size.y_m) == pytest.approx((x_m / 0.9996, y_m / 0.9996), rel=1e-5)
    assert size.gsd_m**2 == pytest.approx(size.x_m * size.y_m)


def test_an_area_is_that_of_the_pixels_on_the_ground() -> None:
    """A thousand pixels square by their measured sides, and by the area of a geodesic polygon."""
    transform = Affine(2e-5, 0, 129.0, 0, -2e-5, 42.0)
    size = pixel_size(transform, DEGREES, 500.0, 500.0)
    assert size is not None
    ring = apply_transform(transform, np.array([[0.0, 0], [1000, 0], [1000, 1000], [0, 1000]]))
    area, _ = WGS84.polygon_area_perimeter(ring[:, 0], ring[:, 1])
    assert size.x_m * size.y_m * 1e6 == pytest.approx(abs(area), rel=1e-4)


def test_where_a_projection_is_not_defined_nothing_is_measured() -> None:
    far = Affine(1.0, 0, 1e9, 0, -1.0, 1e9)
    assert pixel_size(far, "EPSG:32652", 0.0, 0.0) is None
    assert not np.isfinite(lonlat(np.array([[1e9, 1e9]]), "EPSG:32652")).any()
    assert pixel_size(Affine(0.0, 0, 5e5, 0, 0.0, 4e6), "EPSG:32652", 0.0, 0.0) is None
    assert pixel_size(Affine(1.0, 0, 5e5, 0, 0.0, 4e6), "EPSG:32652", 0.0, 0.0) is None
    assert pixel_size(Affine(0.0, 0, 5e5, 0, -1.0, 4e6), "EPSG:32652", 0.0, 0.0) is None


def test_the_side_of_a_square_of_the_same_area() -> None:
    assert PixelSize(2.0, 8.0).gsd_m == 4.0


# Transforms -------------------------------------------------------------------------------------

number = st.floats(-1e3, 1e3)


@given(st.tuples(*[number] * 6), st.lists(st.tuples(number, number), max_size=5))
def test_a_transform_is_that_of_affine(
    values: tuple[float, ...], points: list[tuple[float, float]]
) -> None:
    transform = Affine(*values)
    found = apply_transform(transform, np.array(points, float).reshape(-1, 2))
    assert found.tolist() == [pytest.approx(transform @ point) for point in points]


def test_a_transform_keeps_every_shape() -> None:
    boxes = corners_from_xywhr(np.array([[5.0, 6, 4, 2, 0.3], [9, 1, 8, 2, 1.0]]))
    turned = apply_transform(Affine.rotation(90) @ Affine.scale(2), boxes)
    assert turned.shape == (2, 4, 2)
    assert turned == pytest.approx(np.stack([-2 * boxes[..., 1], 2 * boxes[..., 0]], axis=-1))
