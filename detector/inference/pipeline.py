"""From one scene to its detections: read ∥ forward ∥ decode and merge.

Reader threads, each with its own handle on the scene, fill a bounded window of tiles; the calling
thread runs the network; one more thread decodes and merges. Results are taken in plan order, so
neither batches nor boxes depend on which thread was faster. An error anywhere surfaces in the
calling thread, and leaving the block ends every thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from detector.boxes.duplicates import suppress_duplicates
from detector.boxes.scored import Boxes, PlanBoxes, TileBoxes
from detector.detections import Detections
from detector.geometry.frames import FilePixels, PlanPixels
from detector.geometry.windows import PixelWindow
from detector.inference.assemble import Ends, assemble
from detector.inference.checkpoint import Checkpoint, Part, TilesDone, of_tile
from detector.inference.coverage import Coverage
from detector.inference.flat import cell_px, is_flat
from detector.inference.frame import PlanFrame
from detector.inference.land import Land
from detector.inference.ruler import LEAST_SCORE, ScaleEstimate, measure_scale
from detector.inference.trains import join_rows
from detector.lengths import LengthErrors
from detector.models.backends import Reading
from detector.models.card import ModelCard
from detector.models.detector import Detector
from detector.profiling import span
from detector.scenes.guard import REMOTE_PART
from detector.scenes.scene import Scene
from detector.tiling.merge import Merger, MergeSettings, MergeStats
from detector.tiling.plan import (
    CLOSEST_LOOK,
    LONGEST_SHIP_M,
    MAX_UPSAMPLING,
    PlanSettings,
    TilePlan,
    plan_tiles,
    reach_beyond,
)
from detector.tiling.tile import Tile

MAX_PENDING_MERGES = 4
REMOTE_READERS = 8  # each waits 50 ms and more for its blocks; a handle each costs little
LARGER_SHARE = (
    0.85  # of the pixels of the card's tiles, at most: a pixel of larger ones costs a tenth more
)
FEW_TILES = 2  # read by the calling thread: a thread, and PROJ in it, takes longer than they do
MOST_BLOCKS_READ = 400  # surest boxes of blocks, duplicates included, that the scale is told by


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """How a scene goes through the pipeline.

    Attributes:
        readers: threads that read tiles.
        queue: batches read ahead of the network; with the tile size it bounds the memory.
        enlarge: a scene of unknown gsd that is smaller than a tile is enlarged so many times.
        estimate_gsd: measure the scale of a scene of unknown gsd on the containers in sight.
        larger_tiles: read a large scene in larger tiles where that saves work.
        skip_flat: don't ask the network of tiles that show nothing, see `detector.inference.flat`.
        merge: thresholds of the merge; the tiles overlap by what its longest ship needs. What is
            a duplicate inside a tile, and what one look is lucky by, is the detector's to say.
    """

    readers: int = 2
    queue: int = 4
    enlarge: float = CLOSEST_LOOK
    estimate_gsd: bool = False
    larger_tiles: bool = True
    skip_flat: bool = False
    merge: MergeSettings = field(default_factory=MergeSettings)


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a scene is, told after every batch.

    Attributes:
        tiles: tiles done since the last time, skipped ones included.
        pixels: scene pixels that they are answerable for.
        boxes: boxes found in them, before the merge.
    """

    tiles: int
    pixels: int
    boxes: int


@dataclass(frozen=True, slots=True)
class PreparedScene:
    """What is settled of a scene before its tiles are read.

    Attributes:
        frame: pixels that are square on the ground.
        coverage: valid part of the scene.
        plan: tiles, in the frame.
        part: whether the plan is one of a part of the scene only.
    """

    frame: PlanFrame
    coverage: Coverage
    plan: TilePlan
    part: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a scene gave.

    Attributes:
        detections: every object once.
        stats: what became of the boxes of its tiles.
        implausible: left out, since nothing of their class is so long: ships, by class.
        yards: ships left out, since surer container stacks fill them.
        beyond: objects that reach beyond the part of the scene that was read.
        flat: tiles of which the network was not asked, since they show nothing.
        blocks: stacks of low score too, file pixels; none where the gsd is known.
        scale: what they say of it; None where it is known, or nothing tells.
        on_land: ships left out, since they lie on land.
    """

    detections: Detections
    stats: MergeStats
    implausible: int
    yards: int
    beyond: int
    flat: int = 0
    blocks: Boxes = field(default_factory=Boxes.empty)
    scale: ScaleEstimate | None = None
    on_land: int = 0


def prepare_scene(
    scene: Scene,
    detector: Detector,
    settings: PipelineSettings | None = None,
    area: BaseGeometry | None = None,
) -> PreparedScene:
    """Plan the tiles of a scene.

    Args:
        scene: open.
        detector: its card tells tile size and gsd.
        settings: tell the longest ship, and how far a small scene is enlarged.
        area: look only where this geometry is, file pixels; None looks everywhere.

    Raises:
        SceneError: the scene is damaged.
    """
    frame, coverage = PlanFrame.of(scene.info), Coverage.of(scene)
    settings = settings or PipelineSettings()
    plan = plan_scene(
        frame,
        coverage,
        detector.card,
        longest_m=settings.merge.longest_coarse_m(detector.card.class_set),
        enlarge=settings.enlarge,
        area=area,
        larger_px=detector.larger_px if settings.larger_tiles else None,
    )
    return PreparedScene(frame, coverage, plan, area is not None)


def predict_scene(
    scene: Scene,
    detector: Detector,
    settings: PipelineSettings | None = None,
    *,
    prepared: PreparedScene | None = None,
    on_advance: Callable[[Advance], None] | None = None,
) -> Detections:
    """Find every object of a scene once; see `find_objects`."""
    return find_objects(
        scene, detector, settings, prepared=prepared, on_advance=on_advance
    ).detections


def find_objects(
    scene: Scene,
    detector: Detector,
    settings: PipelineSettings | None = None,
    *,
    prepared: PreparedScene | None = None,
    on_advance: Callable[[Advance], None] | None = None,
    checkpoint: Checkpoint | None = None,
    land: Land | None = None,
) -> Found:
    """Find every object of a scene once, and say what became of the boxes.

    Args:
        scene: open; the reader threads open it again for themselves.
        detector: of any backend.
        settings: threads and queue.
        prepared: frame, coverage and tiles; by default `prepare_scene` makes them.
        on_advance: called from the calling thread.
        checkpoint: of this scene and plan; tiles that it holds are not read again, whoever read
            them.
        land: on which nothing floats; by default what the scene's near infrared tells.

    Returns:
        The detections, in an order fixed by class, score and place, and the merge's account.

    Raises:
        SceneError: the scene is damaged.
    """
    settings = settings or PipelineSettings()
    prepared = prepared or prepare_scene(scene, detector, settings)
    frame, plan = prepared.frame, prepared.plan
    if plan.settings.tile_px != detector.card.tile_px:
        detector = detector.of_tiles(plan.settings.tile_px)
    merging_settings = replace(settings.merge, duplicate_iou=detector.iou, luck=detector.card.luck)
    merger = Merger(plan, merging_settings, detector.conf, detector.card.class_set)
    blocks = _Blocks(detector) if scene.info.gsd_m is None and settings.estimate_gsd else None
    tell = on_advance or (lambda advance: None)
    taker = _Taker(detector, merger, blocks, checkpoint)
    every = range(len(plan))
    pieces = checkpoint.pieces(every) if checkpoint is not None else [every]
    _go_through(scene, settings, prepared, taker, pieces, tell)
    with span("merge"):
        merged, into = join_rows(merger.finish(), scene.info.gsd_m)
    cut = np.ones(len(merged), np.bool_)
    np.logical_and.at(cut, into, merger.fragments)
    beyond = reach_beyond(merged, plan) if prepared.part else np.zeros(len(merged), np.bool_)
    ends = Ends(beyond, cut)
    errors = LengthErrors.from_card(detector.card.lengths, detector.card.gsd_read_m)
    with span("measure"):
        found = assemble(merged, scene, frame, prepared.coverage, ends, errors, land or Land())
    made = Found(
        found.detections,
        merger.stats,
        found.implausible,
        found.yards,
        int(beyond.sum()),
        taker.flat,
        on_land=found.on_land,
    )
    if blocks is None:
        return made
    once, scale = blocks.told(scene, frame)
    return replace(made, blocks=once, scale=scale)


def read_strip(
    scene: Scene,
    detector: Detector,
    settings: PipelineSettings,
    prepared: PreparedScene,
    tiles: range,
    checkpoint: Checkpoint,
) -> None:
    """Find what some tiles of a scene show, and keep it for the process that merges.

    That one calls `find_objects` with the same scene, detector, settings and plan, and with a
    checkpoint of the same folder and key. What the checkpoint holds already is not read again.

    Args:
        scene: open; its gsd is known, or not to be measured.
        detector: of any backend.
        settings: threads and queue.
        prepared: frame, coverage and tiles.
        tiles: by their index in the plan, without gaps.
        checkpoint: of this scene and plan.

    Raises:
        SceneError: the scene is damaged.
        OutputError: the parts cannot be written.
    """
    if prepared.plan.settings.tile_px != detector.card.tile_px:
        detector = detector.of_tiles(prepared.plan.settings.tile_px)
    taker = _Taker(detector, None, None, checkpoint)
    missing = (piece for piece in checkpoint.pieces(tiles) if isinstance(piece, range))
    _go_through(scene, settings, prepared, taker, missing, lambda advance: None)
    checkpoint.finish()


def settle_scale(
    scene: Scene, detector: Detector, found: Found, settings: PipelineSettings | None = None
) -> bool:
    """Give a scene of unknown gsd the scale that its containers tell, if they are sure.

    Where those found are not, or say a coarse or very fine scale, the surroundings of the blocks
    are read once more, enlarged: small rows are found there that the scene's own pixels do not
    show, and how much better they are seen must fit the scale.

    Args:
        scene: open; its `info` changes where they are sure.
        detector: that found them.
        found: in the scene.
        settings: threads and queue.

    Returns:
        Whether they are sure: then the scene is to be prepared and read again, as if told.

    Raises:
        SceneError: the scene is damaged.
    """
    settings = settings or PipelineSettings()
    if scene.info.gsd_m is not None or not settings.estimate_gsd or not len(found.blocks):
        return False
    scale = found.scale
    if scale is None or not (scale.is_sure and scale.is_usual):
        around = _enlarged(scene, detector, FilePixels(found.blocks.corners))
        larger = find_objects(scene, detector, settings, prepared=around)
        gain = float(larger.blocks.scores.sum() / found.blocks.scores.sum())
        scale = scale if scale is not None and scale.is_sure else larger.scale
        if scale is None or not scale.is_sure or not scale.fits(gain):
            return False
    scene.settle_gsd(scale.gsd_m, (scale.low_m, scale.high_m))
    return True


def _enlarged(scene: Scene, detector: Detector, blocks: FilePixels) -> PreparedScene:
    """The tiles around some blocks as large as a scene may be read."""
    frame, coverage, card = PlanFrame.of(scene.info), Coverage.of(scene), detector.card
    own = PlanSettings.for_scene(
        None, tile_px=card.tile_px, read_gsd_m=card.gsd_read_m, longest_m=None
    )
    limit = own.limit / MAX_UPSAMPLING
    settings = replace(own, scale=MAX_UPSAMPLING, limit=limit, longest=limit)
    around = shapely.union_all(shapely.buffer(shapely.polygons(blocks), card.tile_px / 2))
    plan = plan_tiles(frame.width, frame.height, settings, wanted=around)
    return PreparedScene(frame, coverage, plan, part=True)


def plan_scene(
    frame: PlanFrame,
    coverage: Coverage,
    card: ModelCard,
    *,
    longest_m: float | None = LONGEST_SHIP_M,
    enlarge: float = CLOSEST_LOOK,
    area: BaseGeometry | None = None,
    larger_px: int | None = None,
) -> TilePlan:
    """The tiles of a scene that hold valid pixels, and meet `area` (file pixels) where given.

    `longest_m` is that of what the coarse scale may read; None reads the fine scale alone. Tiles of
    `larger_px`, at the same scales and overlaps, are taken where that saves clearly: a border is
    read twice, and larger tiles have fewer.
    """
    side_px = max(frame.width, frame.height)
    if frame.gsd_m is None and side_px < card.tile_px:
        settings = PlanSettings.for_small_scene(side_px, tile_px=card.tile_px, enlarge=enlarge)
        if longest_m is None:
            settings = replace(settings, coarse_scale=None)
    else:
        settings = PlanSettings.for_scene(
            frame.gsd_m,
            tile_px=card.tile_px,
            read_gsd_m=card.gsd_read_m,
            longest_m=longest_m,
            upsampling=card.upsampling,
        )
    if area is not None:
        shapely.prepare(area)

    def wanted(core: PixelWindow) -> bool:
        bounds = frame.file_bounds(core)
        if area is not None and not shapely.intersects(area, shapely.box(*bounds)):
            return False
        return coverage.any_valid(bounds)

    def planned(settings: PlanSettings) -> TilePlan:
        settings = settings.snug(frame.width, frame.height)
        return plan_tiles(frame.width, frame.height, settings, wanted=wanted)

    plan = planned(settings)
    if larger_px is None or side_px <= larger_px / settings.scale:
        return plan
    larger = planned(replace(settings, tile_px=larger_px))
    return larger if larger.read_pixels <= LARGER_SHARE * plan.read_pixels else plan


@dataclass(frozen=True, slots=True)
class _Batch:
    """Tiles that go through the network together, and the empty ones between them.

    Attributes:
        tiles: with valid pixels.
        pixels: `(len(tiles), tile, tile, 3)` uint8.
        empty: tiles that hold no valid pixel, or nothing to see; the merge hears of them, the
            network does not.
        flat: how many of these hold nothing to see.
    """

    tiles: list[Tile]
    pixels: NDArray[np.uint8]
    empty: list[Tile]
    flat: int


def _go_through(
    scene: Scene,
    settings: PipelineSettings,
    prepared: PreparedScene,
    taker: _Taker,
    pieces: Iterable[Part | range],
    tell: Callable[[Advance], None],
) -> None:
    """Give the taker what is kept of a plan's tiles, and of the others what the network reads."""
    detector, plan = taker.detector, prepared.plan
    with ExitStack() as stack:
        readers = stack.enter_context(_Readers(scene, prepared.frame, settings))
        merging = stack.enter_context(ThreadPoolExecutor(1, "merge"))
        stack.callback(merging.shutdown, wait=True, cancel_futures=True)
        pending: deque[Future[Advance]] = deque()
        most_pending = MAX_PENDING_MERGES + detector.threads  # a backend may work on several
        for piece in pieces:
            if isinstance(piece, Part):
                kept = plan.tiles[piece.start : piece.stop]
                pending.append(merging.submit(taker.take_over, piece, kept))
                _tell_done(pending, most_pending, tell)
                continue
            pending.append(merging.submit(taker.begin, piece.start))
            for batch in _batches(plan, readers, detector.batch, settings.queue, piece):
                reading = detector.forward(batch.pixels)
                pending.append(merging.submit(taker.take, batch, reading))
                _tell_done(pending, most_pending, tell)
        _tell_done(pending, 0, tell)


def _tell_done(pending: deque[Future[Advance]], most: int, tell: Callable[[Advance], None]) -> None:
    """Tell what is done; wait until no more than `most` are not."""
    while len(pending) > most or (pending and pending[0].done()):
        advance = pending.popleft().result()
        if advance.tiles:
            tell(advance)


def _batches(
    plan: TilePlan, readers: _Readers, size: int, queue: int, piece: range
) -> Iterator[_Batch]:
    side = plan.settings.tile_px
    wanted = plan.tiles[piece.start : piece.stop]
    tiles: list[Tile] = []
    pixels: list[NDArray[np.uint8]] = []
    empty: list[Tile] = []
    flat = 0
    for tile, read in readers.read_in_order(wanted, side, ahead=max(1, queue) * size):
        if read.rgb is None:
            empty.append(tile)
            flat += read.flat
            continue
        tiles.append(tile)
        pixels.append(read.rgb)
        if len(tiles) == size:
            yield _Batch(tiles, np.stack(pixels), empty, flat)
            tiles, pixels, empty, flat = [], [], [], 0
    if tiles or empty:
        stacked = np.stack(pixels) if pixels else np.zeros((0, side, side, 3), np.uint8)
        yield _Batch(tiles, stacked, empty, flat)


class _Taker:
    """Takes what the tiles gave, batch by batch or from an earlier run; on one thread at a time.

    Args:
        detector: that reads them.
        merger: of their boxes; None where another process merges what the checkpoint keeps.
        blocks: by which the scale is measured, or None.
        checkpoint: that keeps them, or None.
    """

    def __init__(
        self,
        detector: Detector,
        merger: Merger | None,
        blocks: _Blocks | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.detector = detector
        self._merger = merger
        self._blocks = blocks
        self._checkpoint = checkpoint
        self.flat = 0

    def begin(self, start: int) -> Advance:
        """Say at which tile the next batch begins."""
        if self._checkpoint is not None:
            self._checkpoint.begin(start)
        return Advance(0, 0, 0)

    def take(self, batch: _Batch, reading: Reading) -> Advance:
        """Decode and merge a batch."""
        with span("decode"):
            low = self._blocks.add(batch.tiles, reading) if self._blocks is not None else []
            found = [
                of_tile(_to_plan_frame(boxes, tile), tile.index)
                for tile, boxes in zip(batch.tiles, self.detector.decode(reading), strict=True)
            ]
        if self._merger is not None:
            with span("merge"):
                for tile, boxes in zip(batch.tiles, found, strict=True):
                    self._merger.add(tile.index, boxes.boxes)
                for tile in batch.empty:
                    self._merger.add(tile.index, PlanBoxes(Boxes.empty()))
        done = [*batch.tiles, *batch.empty]
        self.flat += batch.flat
        if self._checkpoint is not None:
            self._checkpoint.add(TilesDone(len(done), batch.flat), found, low)
        return _advance(done, sum(map(len, found)))

    def take_over(self, part: Part, tiles: Sequence[Tile]) -> Advance:
        """Merge what an earlier run has kept of some tiles."""
        if self._blocks is not None:
            self._blocks.take_over(part.blocks)
        self.flat += part.flat
        order = np.argsort(part.boxes.tiles, kind="stable")
        ends = [[tile.index, tile.index + 1] for tile in tiles]
        spans = np.searchsorted(part.boxes.tiles[order], np.reshape(ends, (-1, 2)))
        if self._merger is not None:
            for tile, (start, stop) in zip(tiles, spans, strict=True):
                mine = order[start:stop]
                self._merger.add(tile.index, PlanBoxes(part.boxes.boxes.select(mine)))
        return _advance(tiles, len(part.boxes))


def _advance(done: Sequence[Tile], found: int) -> Advance:
    pixels = sum(tile.core.width * tile.core.height for tile in done if tile.level == 0)
    return Advance(len(done), pixels, found)


class _Blocks:
    """Container stacks of low score too, in file order: rows show a scale before they count."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        classes = detector.card.class_set
        mine = classes.mask(np.arange(len(classes)), "containers")
        self._conf = np.where(mine, LEAST_SCORE, 1.1).astype(np.float32)
        self._found: list[Boxes] = []

    def add(self, tiles: list[Tile], reading: Reading) -> list[TileBoxes]:
        """Keep those of some tiles, and give them; the coarse look shows no rows."""
        found = [
            of_tile(_to_plan_frame(boxes, tile), tile.index)
            for tile, boxes in zip(tiles, self._detector.decode(reading, self._conf), strict=True)
            if tile.level == 0 and len(boxes)
        ]
        self._found += [boxes.boxes for boxes in found]
        return found

    def take_over(self, blocks: TileBoxes) -> None:
        """Keep those that an earlier run has kept."""
        self._found.append(blocks.boxes)

    def told(self, scene: Scene, frame: PlanFrame) -> tuple[Boxes, ScaleEstimate | None]:
        """Each once, file pixels, and what they say of the scale."""
        boxes = Boxes.concatenate([Boxes.empty(), *self._found])
        best = boxes.select(np.argsort(-boxes.scores, kind="stable")[:MOST_BLOCKS_READ])
        once = best.select(suppress_duplicates(best, self._detector.iou))
        corners = frame.to_file(PlanPixels(once.corners))
        return replace(once, corners=corners), measure_scale(scene, corners, once.scores)


def _to_plan_frame(boxes: Boxes, tile: Tile) -> PlanBoxes:
    origin = np.array([tile.window.col, tile.window.row], np.float64)
    return PlanBoxes(replace(boxes, corners=boxes.corners / tile.scale + origin))


def _reader_threads(scene: Scene, settings: PipelineSettings) -> int:
    """How many threads read: more where they mostly wait for a network."""
    return max(settings.readers, REMOTE_READERS) if _is_far(scene) else settings.readers


def _is_far(scene: Scene) -> bool:
    return REMOTE_PART.search(scene.info.path) is not None


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a tile.

    Attributes:
        rgb: its pixels; None where none is valid, or there is nothing to see.
        flat: there is nothing to see.
    """

    rgb: NDArray[np.uint8] | None
    flat: bool


class _Readers:
    """Threads that read tiles ahead, each with a handle of its own on the scene.

    `FEW_TILES` are read where they are asked for, from the scene itself.
    """

    def __init__(self, scene: Scene, frame: PlanFrame, settings: PipelineSettings) -> None:
        self._scene = scene
        self._frame = frame
        self._skip_flat = settings.skip_flat
        self._local = threading.local()
        self._lock = threading.Lock()
        self._opened: list[Scene] = []
        self._pool = ThreadPoolExecutor(_reader_threads(scene, settings), "read")

    def __enter__(self) -> _Readers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for scene in self._opened:
            scene.close()

    def read_in_order(
        self, tiles: tuple[Tile, ...], side: int, ahead: int
    ) -> Iterator[tuple[Tile, _Read]]:
        """Tiles with their pixels; at most `ahead` wait read."""
        if len(tiles) <= FEW_TILES and not _is_far(self._scene):
            self._local.scene = self._scene
            yield from ((tile, self._read(tile, side)) for tile in tiles)
            return
        waiting: deque[tuple[Tile, Future[_Read]]] = deque()
        for tile in tiles:
            waiting.append((tile, self._pool.submit(self._read, tile, side)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()

    def _read(self, tile: Tile, side: int) -> _Read:
        bounds = self._frame.file_bounds(tile.window)
        with span("read"):
            pixels = self._own_scene().read_bounds(bounds, (side, side))
            gsd_m = None if self._frame.gsd_m is None else self._frame.gsd_m / tile.scale
            flat = self._skip_flat and is_flat(pixels, cell_px(gsd_m))
        seen = pixels.valid.any() and not flat
        return _Read(pixels.rgb if seen else None, flat)

    def _own_scene(self) -> Scene:
        scene: Scene | None = getattr(self._local, "scene", None)
        if scene is None:
            scene = self._scene.reopen()
            self._local.scene = scene
            with self._lock:
                self._opened.append(scene)
        return scene
