"""How fast scenes are read: the network alone, our pipeline to written files, and the peers.

All arms run in one process on the same scenes, in turn, several rounds; processor seconds count,
since the machine may be shared. Peers are set up as their documentation advises for speed: fused
layers, batches, no second pass over the whole image; with the tile size and overlap of our fine
scale. Recall stands beside the time: fewer tiles that find fewer objects are no speed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rasterio

from benchmarks.throughput_alone import beside_busy, first_tile, whole_run
from benchmarks.throughput_page import merged, table, write_page
from benchmarks.throughput_scenes import (
    CONTENTS,
    KINDS,
    LAYOUTS,
    Truth,
    Wanted,
    make_scene,
)
from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.cli.demo import default_weights
from detector.detections import CORNER_COLUMNS
from detector.geometry.boxes import as_corners, iou_matrix
from detector.models.devices import usable_cores
from detector.profiling import Recorder, recording

RESIDENT_TILES = 24
PEER_BATCH = 8
OVERLAP = 0.25
MATCH_IOU = 0.5
STARTS = 5
PEER_CONF = 0.33
FIGURES = Path("benchmarks/throughput.json")  # what the page is made of
PARTS = ("scenes", "start", "whole", "busy")


@dataclass
class Arm:
    """One way to find objects in a scene.

    Attributes:
        name: in tables.
        run: from the path of a scene to the boxes found and the tiles read.
        whole: it reads the scene; else only resident tiles.
        ours: it is our pipeline, of which we know the stages.
    """

    name: str
    run: Callable[[Path], tuple[Boxes | None, int]]
    whole: bool = True
    ours: bool = False


@dataclass
class Times:
    """What rounds of one arm on one scene took."""

    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    tiles: int = 0
    recall: dict[str, float] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)


def measure(words: argparse.Namespace) -> dict[str, Any]:
    """The wanted parts."""
    said: dict[str, Any] = {"machine": _machine(words)}
    if "scenes" in words.parts:
        said["scenes"] = _all_scenes(words)
    options = [f"out={words.out / 'alone'}", "device=cpu", "quiet=true"]
    options += [f"threads={words.threads}", f"model.weights={words.weights}"]
    if "start" in words.parts:
        said["start"] = first_tile(_small(words), options, STARTS)
    if "whole" in words.parts:
        largest = make_scene(Wanted(max(words.mp)), words.out / "scenes")[0]
        said["whole"] = whole_run(largest, [*options, f"skip={words.skip}"])
    if "busy" in words.parts:
        path, arm = _small(words), _ours(words, "auto", "auto")
        arm.run(path)
        said["busy"] = beside_busy(lambda: arm.run(path), words.rounds)
    return said


def _small(words: argparse.Namespace) -> Path:
    return make_scene(Wanted(min(words.mp)), words.out / "scenes")[0]


def _all_scenes(words: argparse.Namespace) -> list[dict[str, Any]]:
    """All arms on all scenes."""
    arms = list(_arms(words))
    found: list[dict[str, Any]] = []
    for wanted in _scenes(words):
        path, truth = make_scene(wanted, words.out / "scenes")
        with rasterio.open(path) as opened:
            pixels = opened.width * opened.height / 1e6
        times = {arm.name: Times() for arm in arms}
        for number in range(words.rounds):
            for arm in arms:
                _once(arm, path, truth, times[arm.name])
                last = times[arm.name].cpu_s[-1]
                print(f"{wanted.name} {number + 1} {arm.name}: {last:.2f} s", flush=True)
        found += [
            {"scene": wanted.name, "megapixels": pixels, "arm": name, **vars(one)}
            for name, one in times.items()
        ]
        if not words.keep:
            path.unlink()
    return found


def _once(arm: Arm, path: Path, truth: Truth, times: Times) -> None:
    before = psutil.Process().memory_info().rss
    # Linux: the peak of this process from here on
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    with recording(Recorder()) as recorder:
        cpu, wall = time.process_time(), time.perf_counter()
        boxes, tiles = arm.run(path)
        times.cpu_s.append(time.process_time() - cpu)
        times.wall_s.append(time.perf_counter() - wall)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    times.peak_mb.append((1024 * int(status.split("VmHWM:")[1].split()[0]) - before) / 1e6)
    if arm.ours:
        times.stages = {one.stage: one.cpu_s for one in recorder.stages()}
    times.tiles = tiles
    if boxes is not None:
        times.recall = recall(boxes, truth)


def recall(boxes: Boxes, truth: Truth) -> dict[str, float]:
    """Share of the objects that a box of their class covers with exact IoU 0.5, by class."""
    said = {}
    for class_id, name in enumerate(PORT.names):
        true = truth.corners[truth.class_ids == class_id]
        mine = boxes.corners[boxes.class_ids == class_id]
        overlap = iou_matrix(true, mine) if len(true) and len(mine) else np.zeros((len(true), 1))
        said[name] = float((overlap.max(axis=1) >= MATCH_IOU).mean()) if len(true) else 1.0
    return said


def _arms(words: argparse.Namespace) -> Iterator[Arm]:
    wanted = set(words.arms)
    for backend, precision in (("openvino", "f32"), ("openvino", "bf16"), ("torch", "f32")):
        if f"forward-{backend}-{precision}" in wanted:
            yield _forward(words, backend, precision)
    for backend, precision in (("auto", "auto"), ("openvino", "f32"), ("torch", "f32")):
        if f"ours-{backend}" in wanted:
            yield _ours(words, backend, precision)
    if wanted & {"sahi", "supervision", "ultralytics"}:
        yield from _peers(words, wanted)


def _forward(words: argparse.Namespace, backend: str, precision: str) -> Arm:
    from detector.api.predicting import load_detector

    network = load_detector(
        words.weights, backend=backend, precision=precision, threads=words.threads, device="cpu"
    )
    side = network.card.tile_px

    def run(path: Path) -> tuple[None, int]:
        with rasterio.open(path) as opened:
            rgb = np.moveaxis(opened.read(window=((0, 2 * side), (0, 2 * side))), 0, -1)
        tile = np.ascontiguousarray(rgb[:side, :side].astype(np.uint8))
        tiles = np.repeat(tile[None], RESIDENT_TILES, axis=0)
        network.forward(tiles).wait()
        return None, RESIDENT_TILES

    return Arm(f"forward only, {backend} {precision}", run, whole=False)


def _ours(words: argparse.Namespace, backend: str, precision: str) -> Arm:
    from detector.api.settings import predict_settings
    from detector.config.compose import load_config
    from detector.prediction.batch import predict_paths
    from detector.prediction.options import PredictConfig

    def run(path: Path) -> tuple[Boxes, int]:
        out = words.out / "run"
        shutil.rmtree(out, ignore_errors=True)
        said = [
            *(f"model.weights={words.weights}", f"out={out}", f"backend={backend}", "device=cpu"),
            *(f"precision={precision}", f"threads={words.threads}", f"skip={words.skip}"),
        ]
        config = load_config("predict", PredictConfig, said, paths=[str(path)])
        done = predict_paths(predict_settings(config)).records[0]
        from detector.export.vector import read_detections

        table = read_detections(out / done.scene_id / "detections.parquet")
        corners = as_corners(table[list(CORNER_COLUMNS)].to_numpy(float).reshape(-1, 4, 2))
        ids = np.array([PORT.id(name) for name in table["class"]], np.int64)
        boxes = Boxes(corners, table["score"].to_numpy(np.float32), ids)
        return boxes, (done.tiles or 0) - (done.tiles_skipped or 0)

    how = "as it comes" if backend == "auto" else f"{backend} {precision}"
    return Arm(f"Quaywatch, {how}, files written", run, ours=True)


def _peers(words: argparse.Namespace, wanted: set[str]) -> Iterator[Arm]:
    import supervision as sv
    import torch
    from safetensors.torch import load_file
    from sahi.models.ultralytics import UltralyticsDetectionModel
    from sahi.predict import get_sliced_prediction

    from benchmarks.peers_inference import _boxes, _from_sahi, _ultralytics
    from detector.geometry.boxes import order_corners
    from detector.models.card import ModelCard
    from detector.models.detector import find_card, find_weights

    torch.set_num_threads(words.threads)
    logging.getLogger("sahi").setLevel(logging.ERROR)
    card = ModelCard.read(find_card(words.weights))
    side, overlap = card.tile_px, round(OVERLAP * card.tile_px)
    model = _ultralytics(card, load_file(find_weights(words.weights)), {}, keep=False)

    def pixels(path: Path) -> Any:
        with rasterio.open(path) as opened:
            values = np.moveaxis(opened.read(), 0, -1)
        return (values // 9).astype(np.uint8) if values.dtype != np.uint8 else values

    def several(tiles: list[Any]) -> list[Any]:
        bgr = [np.ascontiguousarray(tile[..., ::-1]) for tile in tiles]
        return model.predict(
            bgr, conf=PEER_CONF, imgsz=side, verbose=False, device="cpu", batch=len(bgr)
        )

    def sahi(path: Path) -> tuple[Boxes, int]:
        network = UltralyticsDetectionModel(
            model=model, confidence_threshold=PEER_CONF, device="cpu", image_size=side
        )
        result = get_sliced_prediction(
            pixels(path),
            network,
            slice_height=side,
            slice_width=side,
            overlap_height_ratio=OVERLAP,
            overlap_width_ratio=OVERLAP,
            perform_standard_pred=False,
            batch_size=PEER_BATCH,
            verbose=0,
        )
        return _from_sahi(result.object_prediction_list), _count(path, side, overlap)

    def supervision(path: Path) -> tuple[Boxes, int]:
        def on_tiles(tiles: list[Any]) -> list[Any]:
            return [sv.Detections.from_ultralytics(one) for one in several(tiles)]

        slicer = sv.InferenceSlicer(
            on_tiles, slice_wh=side, overlap_wh=overlap, batch_size=PEER_BATCH
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = slicer(pixels(path))
        if not len(found):
            return Boxes.empty(), _count(path, side, overlap)
        corners = np.asarray(found.data[sv.config.ORIENTED_BOX_COORDINATES], np.float64)
        boxes = Boxes(
            order_corners(corners.reshape(-1, 4, 2)),
            np.asarray(found.confidence, np.float32),
            np.asarray(found.class_id, np.int64),
        )
        return boxes, _count(path, side, overlap)

    def ultralytics(path: Path) -> tuple[Boxes, int]:
        """Batches of tiles, and no merge: that is left to the user."""
        rgb = pixels(path)
        places = list(_places(rgb.shape[:2], side, overlap))
        found = []
        for start in range(0, len(places), PEER_BATCH):
            part = places[start : start + PEER_BATCH]
            results = several([rgb[y : y + side, x : x + side] for y, x in part])
            for (y, x), result in zip(part, results, strict=True):
                boxes = _boxes(result.obb)
                found.append(Boxes(boxes.corners + np.array([x, y]), boxes.scores, boxes.class_ids))
        return Boxes.concatenate(found), len(places)

    arms = {
        "sahi": Arm("SAHI, torch, no whole image", sahi),
        "supervision": Arm("supervision InferenceSlicer, torch", supervision),
        "ultralytics": Arm("Ultralytics in batches, torch, no merge", ultralytics),
    }
    yield from (arm for name, arm in arms.items() if name in wanted)


def _places(size: tuple[int, int], side: int, overlap: int) -> Iterator[tuple[int, int]]:
    steps = [
        sorted({*range(0, max(length - side, 0), side - overlap), max(length - side, 0)})
        for length in size
    ]
    return ((y, x) for y in steps[0] for x in steps[1])


def _count(path: Path, side: int, overlap: int) -> int:
    with rasterio.open(path) as opened:
        return len(list(_places((opened.height, opened.width), side, overlap)))


def _scenes(words: argparse.Namespace) -> Iterator[Wanted]:
    for megapixels in words.mp:
        for content in words.content:
            for kind in words.kind:
                for layout in words.layout:
                    if (kind, layout) != ("uint16", "jpeg"):  # JPEG holds 8 bits
                        yield Wanted(megapixels, content, kind, layout)


def _machine(words: argparse.Namespace) -> dict[str, Any]:
    import openvino
    import torch

    return {
        "cores": usable_cores(),
        "threads": words.threads,
        "processor": _processor(),
        "load": [round(value, 1) for value in os.getloadavg()],
        "openvino": openvino.get_version().split("-")[0],
        "torch": torch.__version__,
        "weights": words.weights,
        "skip": words.skip,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


ARMS = (
    *("forward-openvino-f32", "forward-openvino-bf16", "forward-torch-f32"),
    *("ours-auto", "ours-openvino", "ours-torch", "sahi", "supervision", "ultralytics"),
)


def main() -> None:
    """Measure, print, and write the docs where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mp", type=int, nargs="+", default=[36, 100], help="megapixels")
    parser.add_argument("--content", nargs="+", default=list(CONTENTS), choices=CONTENTS)
    parser.add_argument("--kind", nargs="+", default=["uint8"], choices=KINDS)
    parser.add_argument("--layout", nargs="+", default=["deflate"], choices=LAYOUTS)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--skip", default="auto", choices=("auto", "off"))
    parser.add_argument("--weights", default=default_weights())
    parser.add_argument("--out", type=Path, default=Path(".cache/throughput"))
    parser.add_argument("--keep", action="store_true", help="keep the scenes")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--docs", action="store_true", help="keep the figures, write the page")
    parser.add_argument("--note", help="what else is to be known of these figures")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    words = parser.parse_args()
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}
    if words.page:
        write_page(known)
        return
    measured = measure(words)
    words.out.mkdir(parents=True, exist_ok=True)
    (words.out / "throughput.json").write_text(json.dumps(measured, indent=1), encoding="utf-8")
    print(table(measured.get("scenes", [])))
    if words.docs:
        figures = merged(known, measured)
        figures |= {"note": f"; {words.note}"} if words.note else {}
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        write_page(figures)


if __name__ == "__main__":
    main()
