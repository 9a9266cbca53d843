"""Lays out a site: coast, sectors, hinterland, breakwater, anchorage."""

from __future__ import annotations

import numpy as np
import shapely

from detector.rendering.ground import ASPHALT, CONCRETE, GREEN, PORT_DEPTH_M, SOIL, road
from detector.rendering.sectors import lay_sector
from detector.rendering.site import CoastFrame, PortSite, SiteDraft, SiteZone
from detector.rendering.spec import PortSpec
from detector.rendering.streams import stream
from detector.rendering.structures import cars, hall, houses, pick, trees

DRAWN_SECTORS = ("container", "general", "piers", "natural", "bulk", "tanks", "marina")
DRAWN_WEIGHTS = np.array([0.32, 0.2, 0.14, 0.12, 0.09, 0.07, 0.06])
CELL_M = 84.0
STREET_M = 9.0
BREAKWATER_AT_M = -260.0
ANCHORAGE_FROM_M = -95.0
SLACK_M = 35.0  # the scene may be moved by a geolocation error
RAILHEAD_HALF_M = 135.0
SECTOR_DEPTH_M = {"piers": 206.0, "marina": 112.0}
TOWN_DEPTH_M = 900.0  # behind it there are only fields
FIELD_M = 260.0


def lay_out(spec: PortSpec, seed: int) -> PortSite:
    """The fixed ground of a spec: the same for every date, sky and sensor."""
    generator = stream(seed, "layout")
    frame = _coast_frame(spec, generator)
    draft = SiteDraft(frame, _extent(spec, frame), generator, spec.gsd_m, seed)
    v_min, v_max = draft.extent[2:]
    if spec.layout.breakwater:
        draft.reach_m = -BREAKWATER_AT_M - 60.0
    if v_max > 0 or "railhead" in spec.layout.sectors:
        for kind, u in _stretches(spec, draft):
            lay_sector(draft, kind, u)
            if kind == "railhead":
                middle = (v_min + v_max) / 2
                _hinterland(draft, u, middle + RAILHEAD_HALF_M)
                _hinterland(draft, u, v_min - SLACK_M, middle - RAILHEAD_HALF_M)
            elif kind not in ("natural", "empty"):
                _hinterland(draft, u, SECTOR_DEPTH_M.get(kind, PORT_DEPTH_M))
    if spec.layout.breakwater and v_min < BREAKWATER_AT_M - 30:
        _breakwater(draft)
    if v_min < ANCHORAGE_FROM_M - 60:
        _anchorage(draft)
    return draft.finish()


def _stretches(spec: PortSpec, draft: SiteDraft) -> list[tuple[str, tuple[float, float]]]:
    """Kinds of sector and where each begins and ends; given kinds are repeated in their order."""
    u_min, u_max = draft.extent[0] - SLACK_M, draft.extent[1] + SLACK_M
    kinds = list(spec.layout.sectors)
    count = max(1, round((u_max - u_min) / spec.layout.sector_m))
    if kinds:
        count = len(kinds) * max(1, round(count / len(kinds)))
    else:
        kinds = [_drawn_kind(draft.generator) for _ in range(count)]
    edges = np.linspace(u_min, u_max, count + 1).tolist()
    return [(kinds[i % len(kinds)], (edges[i], edges[i + 1])) for i in range(count)]


def _coast_frame(spec: PortSpec, generator: np.random.Generator) -> CoastFrame:
    drawn = float(generator.uniform(-180, 180))
    angle = np.deg2rad(drawn if spec.layout.coast_deg is None else spec.layout.coast_deg)
    width, height = spec.size_m
    inland = np.array([-np.sin(angle), np.cos(angle)])
    half = (width * abs(inland[0]) + height * abs(inland[1])) / 2
    centre = np.array([width, height]) / 2
    return CoastFrame(centre + inland * half * (1 - 2 * spec.layout.land_fraction), float(angle))


def _extent(spec: PortSpec, frame: CoastFrame) -> tuple[float, float, float, float]:
    width, height = spec.size_m
    corners = frame.coast(np.array([[0, 0], [width, 0], [width, height], [0, height]]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def _drawn_kind(generator: np.random.Generator) -> str:
    return DRAWN_SECTORS[int(generator.choice(len(DRAWN_SECTORS), p=DRAWN_WEIGHTS))]


def _hinterland(
    draft: SiteDraft, u: tuple[float, float], v_from: float, v_to: float | None = None
) -> None:
    """Streets, fields, halls, houses and car parks behind the port, in cells."""
    end = draft.extent[3] + 40 if v_to is None else v_to
    if end - v_from < 12:
        return
    generator = draft.generator
    draft.strip(u, (v_from, end), pick(generator, ASPHALT, 0.04), "paved")
    road(draft, u, v_from + 10)
    town = min(end, v_from + TOWN_DEPTH_M)
    for cell_u, cell_v in _grid(generator, u, (v_from + 20, town), CELL_M):
        _cell(draft, cell_u, cell_v)
    for cell_u, cell_v in _grid(generator, u, (town + 8, end), FIELD_M):
        material, colours = ("green", GREEN) if generator.random() < 0.7 else ("soil", SOIL)
        draft.strip(cell_u, cell_v, pick(generator, colours, 0.14), material)


def _grid(
    generator: np.random.Generator,
    u: tuple[float, float],
    v: tuple[float, float],
    cell_m: float,
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Cells of uneven size with streets between them."""
    cells = []
    low_v = v[0]
    while low_v < v[1]:
        depth = cell_m * float(generator.uniform(0.7, 1.35))
        low_u = u[0]
        while low_u < u[1]:
            high_u = min(low_u + cell_m * float(generator.uniform(0.6, 1.9)), u[1])
            if u[1] - high_u < 0.4 * cell_m:
                high_u = u[1]
            half = STREET_M / 2
            cells.append(((low_u + half, high_u - half), (low_v, low_v + depth - STREET_M)))
            low_u = high_u
        low_v += depth
    return cells


def _cell(draft: SiteDraft, u: tuple[float, float], v: tuple[float, float]) -> None:
    generator = draft.generator
    # neighbours are alike: land use follows a slow wave with some chance in it
    wave = np.sin(u[0] / 170) + np.sin(v[0] / 130 + u[0] / 310) + np.sin((u[0] - v[0]) / 90) / 2
    choice = float(np.clip(0.5 + 0.2 * wave + generator.normal(0, 0.16), 0, 1))
    size = np.array([u[1] - u[0], v[1] - v[0]])
    middle = np.array([u[0] + u[1], v[0] + v[1]]) / 2
    if choice < 0.3:
        draft.strip(u, v, pick(generator, GREEN, 0.12), "green")
        spots = generator.uniform([u[0], v[0]], [u[1], v[1]], (int(generator.integers(5, 40)), 2))
        draft.place(trees(generator, spots), 0, 0)
    elif choice < 0.42:
        draft.strip(u, v, pick(generator, SOIL, 0.1), "soil")
    elif choice < 0.68:
        draft.strip(u, v, pick(generator, CONCRETE, 0.08), "paved")
        length, width = size * generator.uniform(0.45, 0.8, 2)
        draft.place(
            hall(generator, float(length), float(width), float(generator.uniform(7, 13))), *middle
        )
    elif choice < 0.9:
        draft.strip(u, v, pick(generator, GREEN + SOIL, 0.1), "green")
        grid = np.stack(
            np.meshgrid(np.arange(u[0] + 12, u[1] - 8, 25), np.arange(v[0] + 10, v[1] - 8, 19)), -1
        )
        spots = grid.reshape(-1, 2)
        spots = spots[generator.random(len(spots)) < 0.85] + generator.normal(0, 0.8, (1, 2))
        if len(spots):
            draft.place(houses(generator, spots, 0.0), 0, 0)
        crowns = generator.uniform([u[0], v[0]], [u[1], v[1]], (14, 2))
        draft.place(trees(generator, crowns), 0, 0)
    else:
        draft.strip(u, v, pick(generator, ASPHALT, 0.08), "paved")
        for row in np.arange(v[0] + 8, v[1] - 6, 12.0):
            places = np.arange(u[0] + 6, u[1] - 6, 2.7)
            places = places[generator.random(len(places)) < 0.65]
            spots = np.stack([places, np.full(len(places), row)], axis=1)
            if len(spots):
                draft.place(cars(generator, spots, np.pi / 2), 0, 0)


def _breakwater(draft: SiteDraft) -> None:
    """A mole of rock along the coast, with a rough edge."""
    generator = draft.generator
    u_min, u_max = draft.extent[:2]
    u = np.arange(u_min + 0.2 * (u_max - u_min), u_max + SLACK_M, 4.0)
    bend = BREAKWATER_AT_M + 14 * np.sin((u - u_min) / 190)
    outer = np.stack([u, bend - 9 + generator.normal(0, 0.9, len(u))], axis=1)
    inner = np.stack([u, bend + 9 + generator.normal(0, 0.9, len(u))], axis=1)
    draft.ground(np.concatenate([outer, inner[::-1]]), (118, 112, 104), "soil")
    crown = np.concatenate([np.stack([u, bend - 2.5], 1), np.stack([u, bend + 2.5], 1)[::-1]])
    draft.paint(crown, (160, 156, 148), "paved")


def _anchorage(draft: SiteDraft) -> None:
    """One zone for the open water in front of the port."""
    u_min, u_max, v_min, _ = draft.extent
    outline = draft.frame.local(
        [(u_min, v_min), (u_max, v_min), (u_max, ANCHORAGE_FROM_M), (u_min, ANCHORAGE_FROM_M)]
    )
    water = shapely.Polygon(outline).difference(shapely.union_all(draft.land).buffer(12))
    parts = [part for part in shapely.get_parts(water) if part.area > 4_000]
    if parts:
        largest = max(parts, key=lambda part: part.area)
        draft.zones.append(SiteZone("anchorage 1", "anchorage", shapely.Polygon(largest.exterior)))
