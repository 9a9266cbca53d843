"""Accuracy of Quaywatch beside its peers: one network, one truth, one way of scoring.

Run it with `python -m benchmarks.accuracy --out FOLDER [--docs docs/accuracy.md]`. Three sets: the
dev split of the port pool, mosaics of its images put together in memory, and rendered stress scenes
(moored rows, rows of stacks, ships on seams). Losses are printed like gains.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from benchmarks.peers_inference import Peers, Tiling
from benchmarks.tables import markdown, put
from detector.boxes import Boxes
from detector.classes import CLASS_NAMES
from detector.data import port_pool
from detector.data.synthetic.stress import moored_row, ships_on_seams, stack_rows
from detector.data.synthetic.write import write_scene
from detector.evaluation.counts import count_errors, image_counts
from detector.evaluation.dataset import labelled_dataset, rendered_image
from detector.evaluation.predicting import FLOOR, completed, predict_images
from detector.evaluation.record import number, percent
from detector.evaluation.select import select
from detector.evaluation.slices import WHOLE, Slice
from detector.evaluation.summary import Predictions, detection_row
from detector.evaluation.table import match_images
from detector.evaluation.truth import EvalImage, Measure
from detector.geometry.boxes import edge_lengths
from detector.geometry.windows import PixelWindow
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions

OURS = "Quaywatch"
OVERLAP_SHARE = 0.25  # of a tile: what the fine scale of our plan uses where ships may be long
MOSAIC_CELL_PX, MOSAIC_COLUMNS, MOSAIC_ROWS, MOSAICS = 1024, 3, 2, 8
ANGLES_DEG = (0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0)
SEAM_SIDE_PX = 1280
SEAMS_PX = (480.0, 640.0, 960.0)
NEUTRAL_GREY = 96

logging.getLogger("sahi").setLevel(logging.ERROR)  # it tells of its change at low scores


@dataclass(frozen=True, slots=True)
class Set:
    """Images with truth and files, to be predicted by all.

    Attributes:
        name: for the tables.
        images: the truth.
        paths: of the files, in the same order.
    """

    name: str
    images: list[EvalImage]
    paths: list[Path]


def main() -> None:
    """Run all sets and peers, print the tables, and put them into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, default=Path("../shared/data/port"))
    parser.add_argument("--weights", default="starter")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--docs", type=Path, help="document with a place for the tables")
    parser.add_argument("--sets", default="rendered,mosaics,dev")
    parser.add_argument(
        "--every", type=int, default=1, help="take every n-th image of the dev split"
    )
    parser.add_argument("--seeds", type=int, default=2, help="of the rendered scenes")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    peers = Peers(arguments.weights, arguments.threads)
    detector = load_detector(DetectorSettings(arguments.weights, threads=arguments.threads))
    with ExitStack() as stack:
        makers = {
            "rendered": lambda: rendered_sets(arguments.out / "scenes", arguments.seeds),
            "mosaics": lambda: [mosaic_set(arguments.pool, stack)],
            "dev": lambda: [dev_set(arguments.pool, arguments.every)],
        }
        for name in arguments.sets.split(","):
            for part in makers[name]():
                found = predict_all(part, peers, detector, arguments.out)
                text = report(part, found)
                print(f"\n## {part.name}\n\n{text}", flush=True)
                if arguments.docs is not None:
                    put(arguments.docs, f"peers: {part.name}", f"\n{text}\n")


def dev_set(pool: Path, every: int) -> Set:
    """The dev split of the pool, or every n-th image of it."""
    dataset = labelled_dataset(port_pool.read(pool, "dev"))
    return Set("dev split", dataset.images[::every], dataset.paths[::every])


def mosaic_set(pool: Path, stack: ExitStack) -> Set:
    """Harbours of the dev split side by side, so that tiles see more than one image."""
    dataset = labelled_dataset(port_pool.read(pool, "dev"))
    usable = [
        index
        for index, image in enumerate(dataset.images)
        if image.source == "HRSC2016"
        and image.measures == (Measure.POLYGON,) * len(CLASS_NAMES)
        and max(image.width, image.height) <= MOSAIC_CELL_PX
        and len(image.corners)
    ]
    order = np.random.default_rng(0).permutation(usable)
    count = MOSAIC_COLUMNS * MOSAIC_ROWS
    images, paths = [], []
    for k in range(min(MOSAICS, len(order) // count)):
        chosen = order[k * count : (k + 1) * count]
        parts = [(dataset.images[i], dataset.paths[i]) for i in chosen]
        image, pixels = _mosaic(f"mosaic {k}", parts)
        images.append(image)
        paths.append(_in_memory(pixels, stack))
    return Set("mosaics", images, paths)


def rendered_sets(folder: Path, seeds: int) -> Iterator[Set]:
    """Stress scenes at seven angles, each with several seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    makers = {
        # Smaller than a tile: the peers enlarge them to the tile's size, we never more than 1.5.
        "moored rows, 10 of 60 m": moored_row,
        "moored rows, 20 of 120 m": partial(moored_row, ships=20, length_m=120.0),
        "stack rows, 30 of 12 bays": partial(stack_rows, rows=30, bays=12),
        "ships on seams": partial(
            ships_on_seams, seams_px=SEAMS_PX, length_m=120.0, size_px=(SEAM_SIDE_PX,) * 2
        ),
    }
    for name, make in makers.items():
        images, paths = [], []
        for seed in range(1, seeds + 1):
            for angle in ANGLES_DEG:
                scene = make(angle, seed=seed)
                title = f"{name} {angle:g} {seed}"
                path = folder / f"{_slug(title)}.tif"
                write_scene(scene, path)
                images.append(rendered_image(scene, title))
                paths.append(path)
        yield Set(name, images, paths)


def predict_all(part: Set, peers: Peers, detector: Detector, out: Path) -> dict[str, Predictions]:
    """Predictions of all. Those of the peers are kept by the hash of images and weights."""
    started = time.perf_counter()
    found = {OURS: predict_images(part.images, part.paths, detector).predictions}
    tile = detector.card.tile_px
    finders = peers.finders(Tiling(tile, round(OVERLAP_SHARE * tile)))
    key = _key(part, detector.card.sha256)
    files = {name: out / f"{_slug(part.name)}-{_slug(name)}-{key}.json" for name in finders}
    todo = {name: finder for name, finder in finders.items() if not files[name].is_file()}
    results: dict[str, list[tuple[Boxes, Boxes]]] = {name: [] for name in todo}
    conf = detector.conf
    for image, path in zip(part.images, part.paths, strict=True) if todo else ():
        rgb = _pixels(image, path)
        for name, finder in todo.items():
            low, high = finder(rgb, FLOOR), finder(rgb, float(conf.min()))
            counted = high.select(high.scores >= conf[high.class_ids])
            results[name].append((completed(counted, low, conf), counted))
        peers.forget()
    for name, pairs in results.items():
        _save(files[name], Predictions([pair[0] for pair in pairs], [pair[1] for pair in pairs]))
    found |= {name: _load(path) for name, path in files.items()}
    print(f"{part.name}: {time.perf_counter() - started:.0f} s", flush=True)
    return found


def report(part: Set, found: dict[str, Predictions]) -> str:
    """One table for each class and measure."""
    blocks = []
    for class_id, name in enumerate(CLASS_NAMES):
        for measure in (Measure.POLYGON, Measure.ENVELOPE):
            rows = [
                row
                for peer, predictions in found.items()
                if (row := _row(part.images, predictions, class_id, measure, peer)) is not None
            ]
            if rows:
                blocks.append(_table(part, name, class_id, measure, rows))
    return "\n\n".join(blocks)


def _table(
    part: Set, name: str, class_id: int, measure: Measure, rows: Sequence[Sequence[str]]
) -> str:
    scored = [image for image in part.images if image.measures[class_id] is measure]
    objects = sum(int((image.class_ids == class_id).sum()) for image in scored)
    places = len({image.place for image in scored})
    way = "exact polygons" if measure is Measure.POLYGON else "envelopes (axis-aligned truth)"
    head = ("", "AP50", "AP50:95", "precision", "recall", "count MAE", "total count error")
    title = (
        f"**{name}**, {way}: {len(scored)} images, {places} places, {objects} objects; "
        "in brackets 95 % place-bootstrap intervals"
    )
    return f"{title}\n\n{markdown(head, rows)}"


def _row(
    images: list[EvalImage],
    predictions: Predictions,
    class_id: int,
    measure: Measure,
    peer: str,
) -> tuple[str, ...] | None:
    complete = match_images(images, predictions.complete, with_prob_iou=False)
    counted = match_images(images, predictions.counted, with_prob_iou=False)
    if not select(complete, class_id, measure).n_truth:
        return None
    row = detection_row(complete, counted, class_id, measure, Slice(WHOLE, WHOLE))
    if row is None:
        return None
    counts = count_errors(image_counts(select(counted, class_id, measure), counted))
    return (
        peer,
        number(row.ap50),
        number(row.ap50_95),
        number(row.counted.precision),
        number(row.counted.recall),
        number(counts.mae, 2),
        percent(counts.total_error),
    )


def _mosaic(
    name: str, parts: Sequence[tuple[EvalImage, Path]]
) -> tuple[EvalImage, NDArray[np.uint8]]:
    size = (MOSAIC_ROWS * MOSAIC_CELL_PX, MOSAIC_COLUMNS * MOSAIC_CELL_PX)
    pixels = np.full((*size, 3), NEUTRAL_GREY, np.uint8)
    corners, ignored = [], []
    for k, (image, path) in enumerate(parts):
        offset = np.array([k % MOSAIC_COLUMNS, k // MOSAIC_COLUMNS]) * MOSAIC_CELL_PX
        x, y = offset.tolist()
        pixels[y : y + image.height, x : x + image.width] = _pixels(image, path)
        corners.append(image.corners + offset)
        ignored.append(image.ignored + offset)
    first = parts[0][0]
    truth = replace(
        first,
        name=name,
        place=name,
        width=size[1],
        height=size[0],
        gsd_m=None,
        corners=np.concatenate(corners),
        class_ids=np.concatenate([image.class_ids for image, _ in parts]),
        ignored=np.concatenate(ignored),
        ignored_class_ids=np.concatenate([image.ignored_class_ids for image, _ in parts]),
    )
    return truth, pixels


def _in_memory(pixels: NDArray[np.uint8], stack: ExitStack) -> Path:
    """A GeoTIFF that lives in memory as long as the stack; nothing reaches a disk."""
    memory = stack.enter_context(MemoryFile(ext=".tif"))
    height, width = pixels.shape[:2]
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8"}
    with memory.open(**profile, tiled=True, photometric="RGB") as dataset:
        dataset.write(np.moveaxis(pixels, 2, 0))
    return Path(memory.name)


def _pixels(image: EvalImage, path: Path) -> NDArray[np.uint8]:
    with open_scene(path, SceneOptions(gsd_m=image.gsd_m)) as scene:
        return scene.read(PixelWindow(0, 0, image.width, image.height)).rgb


def _key(part: Set, weights_sha256: str) -> str:
    """Of all images and the weights."""
    digest = hashlib.sha256(weights_sha256.encode())
    for image, path in zip(part.images, part.paths, strict=True):
        with open_scene(path, SceneOptions(gsd_m=image.gsd_m)) as scene:
            digest.update(f"{image.name}|{scene.info.content_hash}".encode())
    return digest.hexdigest()[:12]


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _save(path: Path, predictions: Predictions) -> None:
    def rows(sets: Sequence[Boxes]) -> list[list[list[float]]]:
        return [
            np.column_stack([b.corners.reshape(-1, 8), b.scores, b.class_ids]).tolist()
            for b in sets
        ]

    content = {"complete": rows(predictions.complete), "counted": rows(predictions.counted)}
    path.write_text(json.dumps(content), encoding="utf-8")


def _load(path: Path) -> Predictions:
    content = json.loads(path.read_text(encoding="utf-8"))

    def boxes(rows: list[list[float]]) -> Boxes:
        values = np.array(rows, np.float64).reshape(-1, 10)
        corners = values[:, :8].reshape(-1, 4, 2)
        sound = np.minimum(*edge_lengths(corners)) > 0
        values, corners = values[sound], corners[sound]
        return Boxes(corners, values[:, 8].astype(np.float32), values[:, 9].astype(np.int64))

    return Predictions(
        [boxes(rows) for rows in content["complete"]], [boxes(rows) for rows in content["counted"]]
    )


if __name__ == "__main__":
    main()
