"""Every object once: the sightings of overlapping tiles become objects.

Match first, own second. Sightings of different tiles that agree in what both tiles see are one
object; a whole box stands for it before a fragment, then the highest score; fragments that no
whole box explains are joined. What matches nothing stays: ownership of a place never removes it.
Why no library's merge: 10,000 boxes take 0.45 s and 4 MB tile by tile, supervision's NMS 7 s and
2.4 GB, and SAHI's loses ships of moored rows (`docs/research/merging.md`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.duplicates import (
    DUPLICATE_IOU,
    crowded_tiles,
    suppress_tile_duplicates,
    without_crossing,
)
from detector.boxes.luck import LUCK
from detector.boxes.scored import Boxes, PlanBoxes, TileBoxes
from detector.classes import CONTAINER_STACK, PORT, SHIP, ClassEntry, ClassSet
from detector.errors import ConfigError
from detector.geometry.boxes import edge_lengths, order_corners, polygons, signed_areas
from detector.tiling.clusters import cluster, components
from detector.tiling.matching import Edges, MatchSettings, PairCounts, match
from detector.tiling.objects import LEAST_SAY, Objects, represent, without_leftovers
from detector.tiling.plan import BAND_HIGH, BAND_LOW, TilePlan
from detector.tiling.scales import ScaleSettings, match_scales
from detector.tiling.scores import Voting
from detector.tiling.sightings import LEAST_SIDE_READ_PX, Sightings, TileTable, sightings
from detector.tiling.voting import voted_corners

LENGTH_SLACK = 1.05
"""A joined box may exceed the longest of its class by the length error of its fragments."""

LEAST_AREA_PX = 1e-6

MOST_PENDING = 20_000
"""Boxes that wait for their duplicates to be removed: it bounds the memory at low thresholds."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """Thresholds of the merge; the defaults are those of `docs/research/merging.md`.

    Attributes:
        duplicate_iou: exact IoU from which two boxes of one tile are one object.
        match_iou: exact IoU, inside what both windows see, from which two boxes are one object.
        fragment_cover: or the share of a fragment that a whole box of another tile covers.
        width_ratio: least ratio of the widths of two fragments that are joined.
        longest_ship_m: fragments of ships are not joined beyond it; without gsd always.
        longest_stack_m: the same of container stacks.
        luck: what the score of one look is lucky by, see `boxes.luck`.

    Raises:
        ConfigError: a threshold is not above 0 and up to 1, or luck is not from 0 to 1.
    """

    duplicate_iou: float = DUPLICATE_IOU
    match_iou: float = 0.3
    fragment_cover: float = 0.6
    width_ratio: float = 0.75
    longest_ship_m: float = SHIP.longest_m
    longest_stack_m: float = CONTAINER_STACK.longest_m
    luck: float = LUCK

    def __post_init__(self) -> None:
        for name in ("duplicate_iou", "match_iou", "fragment_cover", "width_ratio"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ConfigError(f"{name} is {value}; it lies above 0 and up to 1")
        if not 0 <= self.luck < 1:
            raise ConfigError(f"luck is {self.luck}; it lies from 0 to below 1")

    def longest_m(self, entry: ClassEntry) -> float:
        """Longest object of a class, metres: as these settings say, else as its entry does."""
        said = {SHIP.name: self.longest_ship_m, CONTAINER_STACK.name: self.longest_stack_m}
        return said.get(entry.name, entry.longest_m)

    def longest_coarse_m(self, classes: ClassSet) -> float | None:
        """Longest object that is read at the coarse scale too; None where no class is."""
        lengths = [self.longest_m(entry) for entry in classes if entry.read_coarse]
        return max(lengths, default=None)


@dataclass(slots=True)
class MergeStats:
    """What became of the boxes; nothing is dropped in silence.

    Attributes:
        boxes: that were added.
        unusable: left out: a corner that is not finite, no area, or sides that cross.
        duplicates: of another box of their tile.
        out_of_band: coarse boxes of stacks, or of ships that the fine scale answers for alone.
        doubtful: objects below their threshold, by all tiles that see them.
        crossing: ships that lie across a better one of another tile or scale.
        objects: that came out.
        joined: of them made from fragments.
        crowded: tiles with more boxes than a tile can hold; only the best of them were used.
        most_held: most boxes held at once.
        pairs: that were compared.
    """

    boxes: int = 0
    unusable: int = 0
    duplicates: int = 0
    out_of_band: int = 0
    doubtful: int = 0
    crossing: int = 0
    objects: int = 0
    joined: int = 0
    crowded: list[int] = field(default_factory=list)
    most_held: int = 0
    pairs: PairCounts = field(default_factory=PairCounts)


def merge(
    tile_boxes: TileBoxes,
    plan: TilePlan,
    settings: MergeSettings | None = None,
    conf: NDArray[np.float32] | None = None,
    classes: ClassSet = PORT,
) -> PlanBoxes:
    """The objects that the boxes of all tiles show, each once.

    Args:
        tile_boxes: boxes of any tiles of `plan`, in any order, plan frame.
        plan: of the scene.
        settings: thresholds.
        conf: `(classes,)` score from which an object counts; see `Merger`.
        classes: that the boxes are of.

    Returns:
        One box an object, plan frame, ordered by top, then left; it does not depend on the order
        of the input.

    Raises:
        IndexError: a tile is not in the plan.
        ValueError: no such class.
    """
    merger = Merger(plan, settings, conf, classes)
    merger.take(tile_boxes)
    return merger.finish()


class Merger:
    """The same tile by tile, holding only what can still meet a later tile.

    Tiles may be added in any order, each once, tiles without boxes too. The result is that of
    `merge` on all boxes, whatever the order.

    Attributes:
        stats: what became of the boxes so far.
        fragments: `(N,)` of what `finish` gave: no tile saw the whole of them, and what was joined
            doesn't show all four sides; empty before.
    """

    def __init__(
        self,
        plan: TilePlan,
        settings: MergeSettings | None = None,
        conf: NDArray[np.float32] | None = None,
        classes: ClassSet = PORT,
    ) -> None:
        """Start without boxes.

        Args:
            plan: of the scene.
            settings: thresholds of the geometry.
            conf: `(classes,)` score from which an object counts. The tiles shall give boxes from
                `boxes.luck.TILE_SHARE` of it on, since an object's score is a mean. None keeps all.
            classes: that the boxes are of.
        """
        self.stats = MergeStats()
        self.fragments = np.zeros(0, np.bool_)
        self._plan = plan
        self._settings = settings or MergeSettings()
        self._classes = classes
        self._conf = np.zeros(len(classes), np.float32) if conf is None else conf
        self._voting = Voting.of(self._conf, self._settings.luck)
        self._match = _match_settings(self._settings, plan, classes)
        self._table = TileTable.of(plan)
        self._done = np.zeros(len(plan.tiles), bool)
        self._next = 0
        self._held = sightings(Boxes.empty(classes), np.zeros(0, np.int64), self._table)
        self._pending: list[TileBoxes] = []
        self._fresh: list[Sightings] = []
        self._edges = _no_edges()
        self._objects: list[Objects] = []

    def add(self, tile_index: int, boxes: PlanBoxes) -> None:
        """Take all boxes of one tile.

        Args:
            tile_index: `Tile.index`.
            boxes: plan frame, any number.

        Raises:
            IndexError: no such tile.
            ValueError: the tile was added before, or no such class.
        """
        self._check_tiles(np.array([tile_index]))
        if self._done[tile_index]:
            raise ValueError(f"tile {tile_index} was added twice")
        self.take(TileBoxes(boxes, np.full(len(boxes), tile_index, np.int64)))
        self._done[tile_index] = True
        before = self._horizon()
        while self._next < len(self._done) and self._done[self._next]:
            self._next += 1
        if self._horizon() > before:
            self._settle(self._horizon())

    def take(self, added: TileBoxes) -> None:
        """Take all boxes of one or more tiles.

        They are sifted together, which is faster than tile by tile, but never more than
        `MOST_PENDING` and those of one tile.

        Args:
            added: plan frame.

        Raises:
            IndexError: no such tile.
            ValueError: no such class.
        """
        self._check_tiles(added.tiles)
        _check_classes(added.boxes.class_ids, self._classes)
        boxes = replace(added.boxes, classes=self._classes)
        self._pending.append(TileBoxes(boxes, added.tiles))
        if sum(map(len, self._pending)) > MOST_PENDING:
            self._sift()

    def _check_tiles(self, tiles: NDArray[np.int64]) -> None:
        wrong = tiles[(tiles < 0) | (tiles >= len(self._done))]
        if len(wrong):
            raise IndexError(f"tile {wrong[0]} is not in a plan of {len(self._done)} tiles")

    def _sift(self) -> None:
        """Keep what can be used of the pending boxes: sound, no duplicates, in their bands."""
        added = TileBoxes.concatenate(self._pending)
        self._pending = []
        usable = _usable(added.boxes)
        good, tiles = added.boxes.select(usable), added.tiles[usable]
        good = replace(good, corners=order_corners(good.corners))
        band = self._in_band(good, tiles)
        boxes, tiles = good.select(band), tiles[band]
        self.stats.crowded += crowded_tiles(tiles)
        kept = suppress_tile_duplicates(boxes, tiles, self._settings.duplicate_iou, crossing=True)
        self.stats.boxes += len(added)
        self.stats.unusable += len(added) - len(good)
        self.stats.out_of_band += len(good) - len(boxes)
        self.stats.duplicates += len(boxes) - len(kept)
        if not usable.all():
            _log.warning(
                "%d of %d boxes left out: not finite, without area or twisted (tile %d first)",
                int((~usable).sum()),
                len(added),
                int(added.tiles[~usable].min()),
            )
        if len(kept):
            voted = replace(boxes.select(kept), corners=voted_corners(boxes, tiles, kept))
            self._fresh.append(sightings(voted, tiles[kept], self._table))

    def finish(self) -> PlanBoxes:
        """All objects, plan frame, ordered by top, then left."""
        self._settle(np.inf)
        found = Boxes.concatenate([part.boxes for part in self._objects])
        whole = np.concatenate([np.zeros(0, np.bool_), *(part.whole for part in self._objects)])
        if self._objects:
            joined = np.concatenate([part.joined for part in self._objects])
            keep = without_crossing(found, found.scores * np.where(whole, 1.0, LEAST_SAY))
            self.stats.crossing = int((~keep).sum())
            self.stats.objects -= self.stats.crossing
            self.stats.joined -= int(joined[~keep].sum())
            found, whole = found.select(keep), whole[keep]
        low = found.corners.min(axis=1)
        ties = found.corners.reshape(-1, 8).T
        order = np.lexsort((*ties, found.scores, found.class_ids, low[:, 0], low[:, 1]))
        self.fragments = ~whole[order]
        return PlanBoxes(found.select(order))

    def _horizon(self) -> float:
        """No tile that is still to come reads a row above this one."""
        if self._next >= len(self._done):
            return np.inf
        return self._plan.tiles[self._next].window.row

    def _settle(self, horizon: float) -> None:
        """Match what is new, and finish what no later tile can meet."""
        seen, fresh = self._all_sightings()
        self.stats.most_held = max(self.stats.most_held, len(seen))
        new = match(seen, fresh, self._match, self.stats.pairs)
        edges = _sorted(_joined(self._edges, new))
        groups = components(len(seen), edges.first, edges.second)
        reach = np.full(int(groups.max(initial=-1)) + 1, -np.inf)
        np.maximum.at(reach, groups, seen.bottoms)
        final = reach[groups] <= horizon
        if final.any():
            found = self._resolve(seen.select(final), _within(edges, final), groups[final])
            self._objects.append(found)
            self.stats.objects += len(found)
            self.stats.joined += int(found.joined.sum())
        self._held = seen.select(~final)
        self._edges = _within(edges, ~final)

    def _all_sightings(self) -> tuple[Sightings, NDArray[np.bool_]]:
        """Held and fresh sightings in canonical order; the held edges follow."""
        self._sift()
        seen = Sightings.concatenate([self._held, *self._fresh])
        self._fresh = []
        fresh = np.arange(len(seen)) >= len(self._held)
        # Within a tile the order is that of its duplicates' ranks: by score, then geometry.
        order = np.argsort(seen.tiles, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        first, second = place[self._edges.first], place[self._edges.second]
        self._edges = Edges(
            np.minimum(first, second), np.maximum(first, second), self._edges.quality
        )
        return seen.select(order), fresh[order]

    def _in_band(self, boxes: Boxes, tiles: NDArray[np.int64]) -> NDArray[np.bool_]:
        """What the scale answers for: the coarse one for ships from 0.7 of the limit on."""
        length, _ = edge_lengths(boxes.corners)
        least = BAND_LOW * self._plan.settings.limit * self._plan.settings.unit_px
        long = self._classes.mask(boxes.class_ids, "read_coarse") & (length >= least)
        return np.asarray((self._table.levels[tiles] == 0) | long)

    def _resolve(self, seen: Sightings, edges: Edges, groups: NDArray[np.int64]) -> Objects:
        level = seen.levels[edges.first] == seen.levels[edges.second]
        same = Edges(edges.first[level], edges.second[level], edges.quality[level])
        labels = cluster(seen.tiles, same)
        found = represent(seen, labels, groups, self._match.longest_px, self._table, self._voting)
        found = found.select(without_leftovers(found, self._settings.duplicate_iou))
        # Before the scales meet: what does not count itself must not take a ship away.
        counts = found.boxes.scores >= self._conf[found.boxes.class_ids]
        self.stats.doubtful += int((~counts).sum())
        found = found.select(counts)
        if self._plan.levels == 1:
            return found
        settings = ScaleSettings(
            iou=self._settings.match_iou,
            least_side_px=LEAST_SIDE_READ_PX / self._plan.settings.level_scale(1),
            width_ratio=self._settings.width_ratio,
            fine_px=BAND_HIGH * self._plan.settings.limit * self._plan.settings.unit_px,
        )
        return found.select(match_scales(found, settings))


def _check_classes(class_ids: NDArray[np.int64], classes: ClassSet) -> None:
    wrong = class_ids[(class_ids < 0) | (class_ids >= len(classes))]
    if len(wrong):
        raise ValueError(f"class {wrong[0]} is none of {', '.join(classes.names)} (from 0)")


def _match_settings(settings: MergeSettings, plan: TilePlan, classes: ClassSet) -> MatchSettings:
    metres = [settings.longest_m(entry) for entry in classes]
    known = plan.settings.gsd_m is not None
    return MatchSettings(
        iou=settings.match_iou,
        fragment_cover=settings.fragment_cover,
        width_ratio=settings.width_ratio,
        longest_px=tuple(
            length * LENGTH_SLACK * plan.settings.unit_px if known else np.inf for length in metres
        ),
    )


def _usable(boxes: Boxes) -> NDArray[np.bool_]:
    """Mask of the boxes with finite corners, an area and sides that do not cross."""
    usable = np.isfinite(boxes.corners).all(axis=(1, 2)) & np.isfinite(boxes.scores)
    some = np.flatnonzero(usable)
    usable[some] = np.abs(signed_areas(boxes.corners[some])) > LEAST_AREA_PX
    some = np.flatnonzero(usable)
    usable[some] = shapely.is_valid(polygons(boxes.corners[some]))
    return np.asarray(usable)


def _no_edges() -> Edges:
    none = np.zeros(0, np.int64)
    return Edges(none, none, np.zeros(0))


def _joined(one: Edges, other: Edges) -> Edges:
    return Edges(
        np.concatenate([one.first, other.first]),
        np.concatenate([one.second, other.second]),
        np.concatenate([one.quality, other.quality]),
    )


def _sorted(edges: Edges) -> Edges:
    order = np.lexsort((edges.second, edges.first))
    return Edges(edges.first[order], edges.second[order], edges.quality[order])


def _within(edges: Edges, mask: NDArray[np.bool_]) -> Edges:
    """The edges between the masked sightings, numbered among them."""
    place = np.cumsum(mask) - 1
    inside = mask[edges.first]
    return Edges(place[edges.first[inside]], place[edges.second[inside]], edges.quality[inside])
