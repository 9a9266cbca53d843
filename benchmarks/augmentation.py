"""What each augmentation is worth: `python -m benchmarks.augmentation --docs FILE`.

FILE is `docs/research/augmentation.md`.

Short runs from the same weights over the same views: one without any change of pixels, one for each
change alone (in half of the views), and one without each change of geometry. Each is scored on dev
images as they are, and on the same images changed in the same way: an augmentation is worth its
place if it helps there and does no harm here. What is done is kept in `--out`, so that a run that
was cut goes on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.pool import find_pool, skip
from benchmarks.tables import markdown, put
from detector.data import port_pool
from detector.data.labelled import LabelledImage
from detector.evaluation.compare import Delta, Side, compare
from detector.evaluation.dataset import labelled_dataset
from detector.evaluation.evaluator import MATCHES_FILES, load_side
from detector.evaluation.predicting import predict_images
from detector.evaluation.summary import evaluate
from detector.evaluation.truth import Measure
from detector.models.detector import DetectorSettings, find_weights, load_detector
from detector.training.augment import AugmentSettings, PixelAugment

PIXELS: Final = tuple(item.name for item in fields(AugmentSettings))
SHARE: Final = 0.5  # of the views that get the change which is measured
SOURCES: Final = ("DOTA-v1:3", "xView:4", "Google-Earth:2", "UCMerced:1", "HRSC2016:1.5")
BASE: Final = "no change of pixels"
GEOMETRY: Final = {
    "no turning but by 90°": ("views.any_angle=0",),
    "no change of scale": ("views.scale_min=1", "views.scale_max=1", "views.stack_scale_min=1"),
    "no collages": ("views.collage=0",),
    "no pasted stacks": ("views.paste=0",),
}
AGAIN: Final = "the first run with another seed"
HRSC_STEP: Final = 4  # every fourth image: the run is to be short


@dataclass(frozen=True, slots=True)
class Settings:
    """What runs where.

    Attributes:
        pool: folder of the port pool.
        start: weights that every run starts from.
        out: folder of weights and matches.
        cache: of the training chips.
        views: of each run, seen once.
        extra: options for `detector train`, as `key=value`.
    """

    pool: Path
    start: Path
    out: Path
    cache: Path
    views: int
    extra: tuple[str, ...]


def variants() -> dict[str, tuple[str, ...]]:
    """Options of `detector train` by name; `BASE` comes first."""
    alone = {name: (f"augment.{name}={SHARE}",) for name in PIXELS}
    return {BASE: (), **alone, **GEOMETRY, AGAIN: ("trainer.seed=1",)}


def table(settings: Settings) -> str:
    """All runs, each beside the first."""
    images = dev_part(settings.pool)
    base = train(BASE, (), settings)
    rows = []
    for name, options in variants().items():
        if name == BASE:
            continue
        weights = train(name, options, settings)
        clean = compare(scored(weights, images, "", settings), scored(base, images, "", settings))
        row = [name, ap50(clean, "ship"), ap50(clean, "container_stack"), "", ""]
        if name in PIXELS:
            changed = compare(
                scored(weights, images, name, settings), scored(base, images, name, settings)
            )
            row[3:] = [ap50(changed, "ship"), ap50(changed, "container_stack")]
        rows.append(row)
        print(" | ".join(row), flush=True)
    head = ["run", "ships, images as they are", "stacks", "ships, images so changed", "stacks"]
    return markdown(head, rows)


def train(name: str, options: Sequence[str], settings: Settings) -> Path:
    """Weights of one short run."""
    out = settings.out / name.replace(" ", "-").replace("°", "")
    weights = out / "weights" / f"{out.name}.safetensors"
    if weights.is_file():
        return weights
    command = [sys.executable, "-m", "detector", "train", "experiment=port-n", "augment=none"]
    command += [f"augment.{other}=0" for other in PIXELS]
    command += [f"data.root={settings.pool}", f"network.start={settings.start}"]
    command += [f"out={out}", f"data.cache={settings.cache}", "data.ports=0", "trainer.hours=0"]
    command += [f"mix.epoch_views={settings.views}", "trainer.epochs=1", "trainer.warmup_steps=10"]
    command += [f"mix.sources=[{','.join(SOURCES)}]", *settings.extra, *options]
    subprocess.run(command, check=True)
    return weights


def dev_part(pool: Path) -> list[LabelledImage]:
    """Dev images with stacks, of DOTA and xView with objects, and every fourth of HRSC2016."""
    dev = list(port_pool.read(pool, "dev"))
    hrsc = [image for image in dev if image.source == "HRSC2016"][::HRSC_STEP]
    names = {image.image.name for image in hrsc}
    names |= {image.image.name for image in dev if (image.class_ids == 1).any()}
    fine = ("DOTA-v1", "xView")
    names |= {i.image.name for i in dev if i.source in fine and len(i.class_ids)}
    return [image for image in dev if image.image.name in names]


def scored(weights: Path, images: Sequence[LabelledImage], change: str, settings: Settings) -> Side:
    """Matches of the weights on the images, changed or as they are (`change` is empty)."""
    folder = weights.parents[1] / f"on-{change or 'clean'}"
    if not (folder / MATCHES_FILES[-1]).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        dataset = labelled_dataset(images)
        paths = changed_files(dataset.paths, change, settings.out) if change else dataset.paths
        run = predict_images(dataset.images, paths, load_detector(DetectorSettings(str(weights))))
        result = evaluate(dataset.images, run.predictions)
        for name, matches in zip(MATCHES_FILES, (result.complete, result.counted), strict=True):
            matches.save(folder / name)
    return load_side(folder)


def changed_files(paths: Sequence[Path], change: str, out: Path) -> list[Path]:
    """The images with a change of pixels, the same for every run; made once, under `out`."""
    folder = out / "images" / change
    folder.mkdir(parents=True, exist_ok=True)
    found = [folder / f"{path.stem}.png" for path in paths]
    if all(target.is_file() for target in found):
        return found
    augment = PixelAugment(AugmentSettings(**dict.fromkeys(PIXELS, 0.0) | {change: 1.0}), seed=0)
    for path, target in zip(paths, found, strict=True):
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
        pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        cv2.imwrite(str(target), cv2.cvtColor(augment(pixels), cv2.COLOR_RGB2BGR))
    return found


def ap50(deltas: Sequence[Delta], class_name: str) -> str:
    """AP50 with, and its difference from without, over all images with oriented truth."""
    [delta] = [
        d
        for d in deltas
        if (d.class_name, d.measure, d.by, d.number)
        == (class_name, Measure.POLYGON.name.lower(), "all", "AP50")
    ]
    d = delta.difference
    return f"{delta.new:.3f} ({d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}])"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, help="weights to start from; by default port-n")
    parser.add_argument("--list", action="store_true", help="only say what would be run")
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/train"))
    parser.add_argument("--views", type=int, default=800)
    parser.add_argument("--docs", type=Path, help="document to put the table into")
    parser.add_argument("extra", nargs="*", help="options of detector train, as key=value")
    options = parser.parse_args()
    pool = find_pool()
    if pool is None:
        skip("augmentation")
        return
    start = options.start or find_weights("port-n")
    places = (pool, start, options.out, options.cache)
    settings = Settings(*places, options.views, tuple(options.extra))
    if options.list:
        for name, words in variants().items():
            print(name, *words)
        print(f"on {len(dev_part(pool))} dev images")
        return
    text = table(settings)
    print(text)
    if options.docs:
        put(options.docs, "augmentation", text)


if __name__ == "__main__":
    main()
