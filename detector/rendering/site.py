"""A port's fixed ground: what stays from date to date."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import shapely
import shapely.affinity
from numpy.typing import NDArray

from detector.rendering.canvas import GROUND_M
from detector.rendering.solids import Colour, Points, Solids, SolidsBuilder, rectangles

MATERIALS = ("water", "paved", "soil", "green", "roof")


@dataclass(frozen=True, slots=True)
class CoastFrame:
    """Coordinates along the coast (u) and inland (v), metres, over the scene's local metres.

    Attributes:
        origin: `(2,)` local metres of u = v = 0, a point of the quay line.
        angle: direction of u in the local frame, radians from x to y.
    """

    origin: Points
    angle: float

    def local(self, points: Points | list[tuple[float, float]]) -> Points:
        """Local metres `(..., 2)` of coast points `(..., 2)`."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = np.asarray(points, np.float64) @ np.array([[cos, sin], [-sin, cos]])
        return np.asarray(turned + self.origin)

    def coast(self, points: Points) -> Points:
        """Coast points `(..., 2)` of local metres `(..., 2)`."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.asarray((np.asarray(points) - self.origin) @ np.array([[cos, -sin], [sin, cos]]))


@dataclass(frozen=True, slots=True)
class Berth:
    """A stretch of quay that ships lie along.

    Attributes:
        berth_id: unique in the site.
        start: `(2,)` local metres, on the water's edge.
        end: `(2,)`.
        outward: `(2,)` unit vector to the water.
        kinds: kinds of ship that come here.
        zone: name of its zone.
        raft: most ships abreast.
        depth_m: water in front of the quay that ships may take.
    """

    berth_id: str
    start: Points
    end: Points
    outward: Points
    kinds: tuple[str, ...]
    zone: str
    raft: int = 1
    depth_m: float = 75.0

    @property
    def length_m(self) -> float:
        """Length of the quay."""
        return float(np.hypot(*(self.end - self.start)))

    @property
    def angle(self) -> float:
        """Direction from start to end, radians."""
        along = self.end - self.start
        return float(np.arctan2(along[1], along[0]))


@dataclass(frozen=True, slots=True)
class YardBlock:
    """A place for containers: a grid of bays and rows.

    Attributes:
        block_id: unique in the site.
        centre: `(2,)` local metres.
        angle: direction of the bays, radians.
        shape: bays, rows.
        zone: name of its zone.
        wagons: it is a train: one row, a bay a wagon.
    """

    block_id: str
    centre: Points
    angle: float
    shape: tuple[int, int]
    zone: str
    wagons: bool = False


@dataclass(frozen=True, slots=True)
class Moorings:
    """Places for boats: a row of slips.

    Attributes:
        name: unique in the site.
        slips: `(N, 2)` centres, local metres.
        angle: direction that the bows point to, radians.
        longest_m: longest boat.
        kinds: kinds of boat.
    """

    name: str
    slips: Points
    angle: float
    longest_m: float
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lot:
    """Parking places of lorries, with or without a container.

    Attributes:
        name: unique in the site.
        places: `(N, 2)` local metres.
        angle: radians.
        taken: share of places that are taken.
    """

    name: str
    places: Points
    angle: float
    taken: float = 0.5


@dataclass(frozen=True, slots=True)
class SiteZone:
    """A named polygon, local metres; kinds are those of the counting."""

    name: str
    kind: str
    polygon: shapely.Polygon


@dataclass(slots=True)
class SiteDraft:
    """A site while the sectors are laid out; points are given in coast coordinates.

    Attributes:
        frame: coast frame.
        extent: `(u_min, u_max, v_min, v_max)` that the scene covers.
        generator: of the layout.
        gsd_m: of the scenes, for what is too small to see.
        seed: of the layout.
        reach_m: how far from the coast piers and jetties may reach.
    """

    frame: CoastFrame
    extent: tuple[float, float, float, float]
    generator: np.random.Generator
    gsd_m: float
    seed: int
    reach_m: float = 300.0
    surfaces: SolidsBuilder = field(default_factory=SolidsBuilder)
    materials: list[tuple[Points, str]] = field(default_factory=list)
    fixtures: list[Solids] = field(default_factory=list)
    land: list[shapely.Polygon] = field(default_factory=list)
    berths: list[Berth] = field(default_factory=list)
    blocks: list[YardBlock] = field(default_factory=list)
    moorings: list[Moorings] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    zones: list[SiteZone] = field(default_factory=list)

    def ground(
        self, outline: Points | list[tuple[float, float]], colour: Colour, material: str = "paved"
    ) -> None:
        """Land with its own outline in the water."""
        local = _clockwise(self.frame.local(outline))
        self.surfaces.polygon(local, 0.0, GROUND_M, colour)
        self.materials.append((local, material))
        self.land.append(shapely.Polygon(local).buffer(0))

    def paint(
        self,
        outline: Points | list[tuple[float, float]],
        colour: Colour,
        material: str | None = None,
    ) -> None:
        """A surface on land that is there already."""
        local = _clockwise(self.frame.local(outline))
        self.surfaces.polygon(local, GROUND_M, GROUND_M, colour)
        if material is not None:
            self.materials.append((local, material))

    def strip(
        self,
        u: tuple[float, float],
        v: tuple[float, float],
        colour: Colour,
        material: str | None = None,
    ) -> None:
        """A rectangle of ground along the coast."""
        self.paint([(u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1])], colour, material)

    def lines(self, centres: Points, sizes: Points, colour: Colour) -> None:
        """Markings: rectangles along u and v, `(N, 2)` centres and sizes."""
        if not len(centres):
            return
        outlines = self.frame.local(
            rectangles(np.asarray(centres, np.float64), np.asarray(sizes, np.float64), 0.0)
        )
        count = len(outlines)
        heights = np.full(count, GROUND_M)
        self.surfaces.quads(outlines, heights, heights, np.tile(colour, (count, 1)))

    def place(self, solids: Solids, u: float, v: float, angle: float = 0.0) -> None:
        """A fixture at a coast point, turned by `angle` against u."""
        self.fixtures.append(
            solids.placed(self.frame.local(np.array([u, v])), self.frame.angle + angle)
        )

    def berth(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        kinds: tuple[str, ...],
        *,
        raft: int = 1,
        depth_m: float = 75.0,
    ) -> None:
        """A berth, its water on the left of start to end (v down the screen), and its zone."""
        a, b = self.frame.local(np.array(start)), self.frame.local(np.array(end))
        along = (b - a) / np.hypot(*(b - a))
        outward = np.array([along[1], -along[0]])
        number = len(self.berths) + 1
        name = f"berth {number}"
        corners = np.array(
            [a - outward * 2, b - outward * 2, b + outward * depth_m, a + outward * depth_m]
        )
        self.berths.append(Berth(f"berth-{number}", a, b, outward, kinds, name, raft, depth_m))
        self.zones.append(SiteZone(name, "berth", shapely.Polygon(corners)))

    def block(
        self,
        centre: tuple[float, float],
        shape: tuple[int, int],
        zone: str,
        *,
        angle: float = 0.0,
        wagons: bool = False,
    ) -> None:
        """A yard block or a train."""
        number = len(self.blocks) + 1
        self.blocks.append(
            YardBlock(
                f"{'train' if wagons else 'block'}-{number}",
                self.frame.local(np.array(centre)),
                self.frame.angle + angle,
                shape,
                zone,
                wagons,
            )
        )

    def zone(self, name: str, kind: str, u: tuple[float, float], v: tuple[float, float]) -> str:
        """A rectangular zone; its name gets a number where it is taken."""
        same = sum(other.name.rsplit(" ", 1)[0] == name for other in self.zones)
        full = f"{name} {same + 1}"
        corners = self.frame.local([(u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1])])
        self.zones.append(SiteZone(full, kind, shapely.Polygon(corners)))
        return full

    def finish(self) -> PortSite:
        """The site, with its fixtures and its land."""
        land = shapely.union_all(self.land) if self.land else shapely.Polygon()
        return PortSite(
            seed=self.seed,
            frame=self.frame,
            extent=self.extent,
            surfaces=self.surfaces.build(),
            materials=tuple(self.materials),
            fixtures=tuple(self.fixtures),
            land=land,
            berths=tuple(self.berths),
            blocks=tuple(self.blocks),
            moorings=tuple(self.moorings),
            lots=tuple(self.lots),
            zones=tuple(self.zones),
        )


@dataclass(frozen=True, slots=True)
class PortSite:
    """A port's fixed ground.

    Attributes:
        seed: of the layout and of the ground's textures.
        frame: coast frame.
        extent: `(u_min, u_max, v_min, v_max)` that the scene covers, metres.
        surfaces: ground and markings, drawn first.
        materials: outlines (local metres) and names of `MATERIALS`, later ones on top.
        fixtures: what stands on the ground.
        land: all that is not water, local metres.
        berths: where ships lie.
        blocks: where containers stand.
        moorings: where boats lie.
        lots: where lorries park.
        zones: named polygons.
    """

    seed: int
    frame: CoastFrame
    extent: tuple[float, float, float, float]
    surfaces: Solids
    materials: tuple[tuple[Points, str], ...]
    fixtures: tuple[Solids, ...]
    land: shapely.Geometry
    berths: tuple[Berth, ...]
    blocks: tuple[YardBlock, ...]
    moorings: tuple[Moorings, ...]
    lots: tuple[Lot, ...]
    zones: tuple[SiteZone, ...]

    def moved(self, shift: Points) -> PortSite:
        """The ground and all places moved by `(2,)` metres; the zones stay where they are."""
        return replace(
            self,
            frame=replace(self.frame, origin=self.frame.origin + shift),
            surfaces=self.surfaces.placed(shift, 0.0),
            materials=tuple((outline + shift, name) for outline, name in self.materials),
            fixtures=tuple(solids.placed(shift, 0.0) for solids in self.fixtures),
            land=shapely.affinity.translate(self.land, float(shift[0]), float(shift[1])),
            berths=tuple(
                replace(berth, start=berth.start + shift, end=berth.end + shift)
                for berth in self.berths
            ),
            blocks=tuple(replace(block, centre=block.centre + shift) for block in self.blocks),
            moorings=tuple(replace(row, slips=row.slips + shift) for row in self.moorings),
            lots=tuple(replace(lot, places=lot.places + shift) for lot in self.lots),
        )


def _clockwise(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = outline[:, 0], outline[:, 1]
    area = float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
    return outline if area > 0 else outline[::-1]
