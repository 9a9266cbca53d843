"""Accuracy of Quaywatch beside its peers: one network, one truth, one way of scoring.

`python -m benchmarks.accuracy --docs docs/accuracy.md --weights NAME` makes all of that page: the
evaluation of the dev split with its plots, its cost on 500 images, and the peers on the dev split,
on mosaics of its images put together in memory, and on rendered stress scenes (moored rows, rows of
stacks, ships on seams). Losses are printed like gains. What is done is kept in `--out` by the hash
of images and weights, so that a run that was cut goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.accuracy_dev import Evaluated, cost, evaluated, write
from benchmarks.accuracy_sets import (
    Set,
    dev_set,
    mosaic_set,
    pixels_of,
    rendered_sets,
    slug,
)
from benchmarks.peers_inference import Peers, Tiling
from benchmarks.pool import find_pool, skip
from benchmarks.tables import markdown, put
from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.evaluation.bootstrap import Estimate
from detector.evaluation.counts import count_errors, image_counts
from detector.evaluation.predicting import FLOOR, completed, predict_images
from detector.evaluation.record import number, percent
from detector.evaluation.select import select
from detector.evaluation.slices import WHOLE, Slice
from detector.evaluation.summary import Predictions, detection_row
from detector.evaluation.table import match_images
from detector.evaluation.truth import EvalImage, Measure
from detector.geometry.boxes import edge_lengths
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions

OURS = "Quaywatch"
OVERLAP_SHARE = 0.25  # of a tile: what the fine scale of our plan uses where ships may be long
BLOCK = 25  # images that are done before the predictions of the peers are saved
PEER_PARTS = ("rendered", "mosaics", "dev")
PARTS = ("evaluation", "cost", *PEER_PARTS)
WITHOUT_POOL = "rendered"


@dataclass(frozen=True, slots=True)
class Row:
    """One pipeline on one set, one class and measure.

    Attributes:
        name: of the pipeline.
        values: by column.
    """

    name: str
    values: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pipelines on one set, one class and measure.

    Attributes:
        title: what was measured, and on how much.
        objects: that there are.
        rows: ours first.
    """

    title: str
    objects: int
    rows: list[Row]


def main() -> None:
    """Run all parts, print the tables, and put them into the documentation."""
    arguments = _arguments()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    settings = DetectorSettings(arguments.weights, threads=arguments.threads)
    detector = load_detector(settings)
    reading = _reading(detector)
    dev = None
    if "evaluation" in arguments.parts or "dev" in arguments.parts:
        with timed("evaluation of the dev split"):
            dev = evaluated(arguments.pool, settings, reading, out)
        if arguments.docs is not None:
            write(dev, arguments.docs)
    if "cost" in arguments.parts:
        with timed("cost"):
            _put(arguments.docs, "cost", cost(arguments.pool, settings, reading, out))
    compared: list[tuple[str, Comparison]] = []
    with ExitStack() as stack:
        for part in _sets(arguments, stack):
            with timed(part.name):
                peers = Peers(arguments.weights, arguments.threads)
                ours = _known(dev, part)
                if ours is None:
                    ours = predict_images(part.images, part.paths, detector).predictions
                tables = compare(part, {OURS: ours, **predict_peers(part, peers, detector, out)})
            compared += [(part.name, table) for table in tables]
            text = "\n\n".join(_table(table) for table in tables)
            print(f"\n## {part.name}\n\n{text}", flush=True)
            _put(arguments.docs, f"peers: {part.name}", text)
    every = set(PEER_PARTS) <= set(arguments.parts)
    _put(arguments.docs if every else None, "losses", losses(compared))


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Print how long a part took."""
    start = time.perf_counter()
    yield
    print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, default=find_pool(), help="the port pool")
    parser.add_argument("--weights", default="port-n4")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--docs", type=Path, help="document with places for the tables")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--every", type=int, default=1, help="peers: every n-th image of dev")
    parser.add_argument("--seeds", type=int, default=1, help="of the rendered scenes")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if arguments.pool is None:
        for part in sorted(set(arguments.parts) - {WITHOUT_POOL}):
            skip(part)
        arguments.parts = [part for part in arguments.parts if part == WITHOUT_POOL]
    return arguments


def _sets(arguments: argparse.Namespace, stack: ExitStack) -> Iterator[Set]:
    if "rendered" in arguments.parts:
        yield from rendered_sets(arguments.out / "scenes", arguments.seeds)
    if "mosaics" in arguments.parts:
        yield mosaic_set(arguments.pool, stack)
    if "dev" in arguments.parts:
        yield dev_set(arguments.pool, arguments.every)


def _known(dev: Evaluated | None, part: Set) -> Predictions | None:
    """Our predictions where the evaluation has made them already."""
    if dev is None:
        return None
    place = {image.name: i for i, image in enumerate(dev.images)}
    if not all(image.name in place for image in part.images):
        return None
    chosen = [place[image.name] for image in part.images]
    sets = dev.predictions.complete, dev.predictions.counted
    return Predictions(*([boxes[i] for i in chosen] for boxes in sets))


def _put(docs: Path | None, place: str, text: str) -> None:
    print(f"\n### {place}\n{text}", flush=True)
    if docs is not None:
        put(docs, place, f"\n{text}\n")


def predict_peers(part: Set, peers: Peers, detector: Detector, out: Path) -> dict[str, Predictions]:
    """Predictions of all peers, kept block by block by images, weights and how they are read."""
    tile = detector.card.tile_px
    finders = peers.finders(Tiling(tile, round(OVERLAP_SHARE * tile)))
    found: dict[str, list[Predictions]] = {name: [] for name in finders}
    conf = detector.conf
    for start in range(0, len(part.images), BLOCK):
        some = slice(start, start + BLOCK)
        block = Set(part.name, part.images[some], part.paths[some])
        key = _key(block, _reading(detector))
        files = {name: out / f"{slug(part.name)}-{slug(name)}-{key}.json" for name in finders}
        todo = {name: finder for name, finder in finders.items() if not files[name].is_file()}
        results: dict[str, list[tuple[Boxes, Boxes]]] = {name: [] for name in todo}
        for image, path in zip(block.images, block.paths, strict=True) if todo else ():
            rgb = pixels_of(image, path)
            for name, finder in todo.items():
                low, high = finder(rgb, FLOOR), finder(rgb, float(conf.min()))
                counted = high.select(high.scores >= conf[high.class_ids])
                results[name].append((completed(counted, low, conf), counted))
            peers.forget()
        for name, pairs in results.items():
            complete, counts = [p[0] for p in pairs], [p[1] for p in pairs]
            _save(files[name], Predictions(complete, counts))
        for name, path in files.items():
            found[name].append(_load(path))
    return {
        name: Predictions(
            [boxes for block in blocks for boxes in block.complete],
            [boxes for block in blocks for boxes in block.counted],
        )
        for name, blocks in found.items()
    }


def compare(part: Set, found: dict[str, Predictions]) -> list[Comparison]:
    """All pipelines, for each class and measure that the set has objects of."""
    tables = []
    for class_id, name in enumerate(PORT.names):
        for measure in (Measure.POLYGON, Measure.ENVELOPE):
            rows = [
                row
                for peer, predictions in found.items()
                if (row := _row(part.images, predictions, class_id, measure, peer)) is not None
            ]
            if rows:
                tables.append(_comparison(part, name, class_id, measure, rows))
    return tables


def losses(compared: Sequence[tuple[str, Comparison]]) -> str:
    """In words: where a peer is better, and where none is."""
    lines = []
    for name, table in compared:
        title = f"**{name}**, {table.title.split(':')[0]}"
        if table.objects < LEAST_OBJECTS:
            lines.append(f"- {title}: {table.objects} objects, too few to compare anybody.")
            continue
        ours, *peers = table.rows
        behind, ahead = [], []
        for column, (digits, badness) in COLUMNS.items():
            best = min(peers, key=lambda peer: badness(peer.values[column].value))
            mine, its = ours.values[column], best.values[column]
            if round(badness(mine.value), 3) <= round(badness(its.value), 3):
                ahead.append(column)
                continue
            overlap = mine.low <= its.high and its.low <= mine.high
            behind.append(
                f"{column} {_plain(mine, digits)} against {_plain(its, digits)} ({best.name})"
                + (", intervals overlap" if overlap else "")
            )
        lines.append(
            f"- {title}. Behind: {'; '.join(behind) or 'in nothing'}. "
            f"Best or level: {', '.join(ahead) or 'in nothing'}."
        )
    return "\n".join(lines)


LEAST_OBJECTS = 20
COLUMNS = {
    "AP50": (3, lambda value: -value),
    "AP50:95": (3, lambda value: -value),
    "precision": (3, lambda value: -value),
    "recall": (3, lambda value: -value),
    "count MAE": (2, lambda value: value),
    "total count error": (None, abs),
}
"""Columns with their digits (None: per cent) and how bad a value is."""


def _plain(value: Estimate, digits: int | None) -> str:
    return f"{100 * value.value:+.0f} %" if digits is None else f"{value.value:.{digits}f}"


def _comparison(
    part: Set, name: str, class_id: int, measure: Measure, rows: list[Row]
) -> Comparison:
    scored = [image for image in part.images if image.measures[class_id] is measure]
    objects = sum(int((image.class_ids == class_id).sum()) for image in scored)
    places = len({image.place for image in scored})
    way = "exact polygons" if measure is Measure.POLYGON else "envelopes (axis-aligned truth)"
    title = f"{name}, {way}: {len(scored)} images, {places} places, {objects} objects"
    return Comparison(title, objects, rows)


def _table(table: Comparison) -> str:
    cells = [
        (row.name, *(_cell(row.values[column], digits) for column, (digits, _) in COLUMNS.items()))
        for row in table.rows
    ]
    title = f"**{table.title}**; in brackets 95 % place-bootstrap intervals"
    return f"{title}\n\n{markdown(('', *COLUMNS), cells)}"


def _cell(value: Estimate, digits: int | None) -> str:
    return percent(value) if digits is None else number(value, digits)


def _row(
    images: list[EvalImage],
    predictions: Predictions,
    class_id: int,
    measure: Measure,
    peer: str,
) -> Row | None:
    complete = match_images(images, predictions.complete, with_prob_iou=False)
    counted = match_images(images, predictions.counted, with_prob_iou=False)
    if not select(complete, class_id, measure).n_truth:
        return None
    row = detection_row(complete, counted, class_id, measure, Slice(WHOLE, WHOLE))
    if row is None:
        return None
    counts = count_errors(image_counts(select(counted, class_id, measure), counted))
    values = (
        row.ap50,
        row.ap50_95,
        row.counted.precision,
        row.counted.recall,
        counts.mae,
        counts.total_error,
    )
    return Row(peer, dict(zip(COLUMNS, values, strict=True)))


def _reading(detector: Detector) -> str:
    """What makes these weights, as their card reads them, others."""
    card = detector.card
    return repr((card.sha256, card.conf, card.iou, card.luck, card.mirrored, card.gsd_read_m))


def _key(part: Set, reading: str) -> str:
    """Of all images, the weights and how they are read."""
    digest = hashlib.sha256(reading.encode())
    for image, path in zip(part.images, part.paths, strict=True):
        with open_scene(path, SceneOptions(gsd_m=image.gsd_m)) as scene:
            digest.update(f"{image.name}|{scene.info.content_hash}".encode())
    return digest.hexdigest()[:12]


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
