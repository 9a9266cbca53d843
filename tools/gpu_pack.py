"""Pack the training set for a machine with a GPU that has neither the pool nor GDAL.

    QUAYWATCH_POOL=folder python -m tools.gpu_pack --weights a.safetensors --weights b.safetensors

Images are read by the project's readers and cut through `Scene` as `detector train` cuts them, but
whole: coarser views are drawn from averaged levels on the GPU, so no pixel travels twice. The
recipe of views and of the mix travels with them. See docs/gpu.md.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

from detector.config.compose import load_config
from detector.data.chips import ChipSettings, cut_chips
from detector.data.datasets import find_root, read_images
from detector.data.labelled import LabelledImage
from detector.data.sources import complete_above_px
from detector.evaluation.dataset import labelled_dataset
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from detector.training.mix import MixSettings
from detector.training.options import TrainConfig
from detector.training.session import images_of, settings_from
from tools.gpu_store import MIB, PackedChip, PackedScene, encode, write_pack

FIRST = ("yards", "Google-Earth", "xView", "DOTA-v1", "HRSC2016")  # whole, before the rest
LARGEST_PX = 4096
EVALUATED = ("dev", "dev2")
WHEELS = ("ultralytics", "shapely")
# pip takes the number of a platform literally
PLATFORMS = ("manylinux_2_28", "manylinux_2_24", "manylinux_2_17", "manylinux2014")


@dataclass(frozen=True, slots=True)
class PackSettings:
    """What is packed.

    Attributes:
        out: folder of the pack.
        limit_mib: of everything in it.
        kind: `webp` or `jpeg`.
        quality: of the pictures of the training set.
        truth_quality: of those that are evaluated.
        scales: of sources whose images without stacks are packed smaller.
        seed: of the order in which the rest is taken.
    """

    out: Path
    limit_mib: float = 51.0
    kind: str = "webp"
    quality: int = 40
    truth_quality: int = 60
    scales: dict[str, float] = field(default_factory=lambda: {"HRSC2016": 0.5})
    seed: int = 0


def main() -> None:
    """Pack as the command line says."""
    arguments = _parser().parse_args()
    settings = PackSettings(
        arguments.out,
        arguments.limit_mib,
        arguments.format,
        arguments.quality,
        arguments.truth_quality,
    )
    config = load_config("train", TrainConfig, [f"experiment={arguments.recipe}", *arguments.set])
    say(f"recipe {arguments.recipe}; pool {find_root('port', config.data.root, 'data.root')}")
    settings.out.mkdir(parents=True, exist_ok=True)
    used = fetch_wheels(settings.out / "wheels") if arguments.wheels else 0
    used += copy_weights(arguments.weights, settings.out / "weights")
    root = find_root("port", config.data.root, "data.root")
    for split in EVALUATED:
        used += pack_truth(read_images("port", root, []), split, settings)
    used += pack_training(images_of(config), config, settings, settings.limit_mib * MIB - used)
    say(f"{settings.out}: {used / MIB:.1f} MiB in all, of {settings.limit_mib:g}")


def pack_truth(images: Iterable[LabelledImage], split: str, settings: PackSettings) -> int:
    """Pack the images of a split whole, with the truth that `detector evaluate` scores."""
    dataset = labelled_dataset(image for image in images if image.split == split)
    scenes = []
    for truth, path in zip(dataset.images, dataset.paths, strict=True):
        with open_scene(path, SceneOptions(gsd_m=truth.gsd_m)) as scene:
            pixels = scene.read(PixelWindow(0, 0, truth.width, truth.height)).rgb
        scenes.append(PackedScene(truth, encode(pixels, settings.kind, settings.truth_quality)))
    size = write_pack(settings.out, split, scenes)
    say(f"{split}: {len(scenes)} images, {size / MIB:.1f} MiB")
    return size


def pack_training(
    images: Sequence[LabelledImage], config: TrainConfig, settings: PackSettings, room: float
) -> int:
    """Pack what fits: `FIRST` whole, then an equal share of the images of every other source.

    Args:
        images: with oriented ships.
        config: whose recipe of views and mix travels along.
        settings: how.
        room: bytes.

    Raises:
        SystemExit: the sources that come first do not fit.
    """
    recipe = settings_from(config)
    taken: list[PackedChip] = []
    used = 0.0
    sizes: dict[str, int] = defaultdict(int)
    for image in _in_order(images, settings.seed):
        chips = packed_chips(image, settings)
        size = sum(len(chip.encoded) + len(str(chip.to_plain())) for chip in chips)
        if used + size > room:
            if image.source in FIRST:
                sys.exit(
                    f"{', '.join(FIRST)} do not fit into {room / MIB:.1f} MiB; raise --limit-mib "
                    "or lower --quality"
                )
            break
        used += size
        sizes[image.source] += size
        taken += chips
        if len(taken) % 200 == 0:
            say(f"  {len(taken)} images, {used / MIB:.1f} MiB")
    there = Counter(image.source for image in images)
    counts = Counter(chip.source for chip in taken)
    for source, count in there.items():
        say(f"{source}: {counts[source]} of {count} images, {sizes[source] / MIB:.1f} MiB")
    facts = {
        "recipe": config.experiment,
        "views": asdict(recipe.views),
        "mix": asdict(balanced(recipe.mix, there, counts)),
    }
    return write_pack(settings.out, "train", taken, **facts)


def balanced(mix: MixSettings, there: Mapping[str, int], packed: Mapping[str, int]) -> MixSettings:
    """The mix in which every packed source is shown as often as all of its images would be."""
    weights = {
        source: mix.sources.get(source, 1.0) * there[source] / count
        for source, count in packed.items()
        if count
    }
    return replace(mix, sources=weights)


def packed_chips(image: LabelledImage, settings: PackSettings) -> list[PackedChip]:
    """An image as `detector train` cuts it, whole."""
    stacks = image.classes.mask(image.class_ids, "containers").any()
    scale = 1.0 if stacks else settings.scales.get(image.source, 1.0)
    how = ChipSettings(LARGEST_PX, 0, (scale,), min_side_px=1)
    with tempfile.TemporaryDirectory() as scratch:
        chips, problems = cut_chips([image], how, Path(scratch))
        for problem in problems:
            say(f"left out: {problem}")
        return [
            PackedChip(
                image=chip.image,
                source=chip.source,
                place=chip.place,
                split=image.split,
                width=pixels.shape[1],
                height=pixels.shape[0],
                gsd_m=chip.gsd_m,
                corners=chip.corners,
                class_ids=chip.class_ids,
                taught=chip.taught,
                complete_above=tuple(
                    limit * chip.scale for limit in complete_above_px(chip.source, chip.classes)
                ),
                encoded=encode(pixels, settings.kind, settings.quality),
            )
            for chip in chips
            for pixels in [np.array(chip.read())]
        ]


def fetch_wheels(folder: Path) -> int:
    """Wheels of this environment's versions for CPython 3.12 on Linux; their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in WHEELS:
        wanted = f"{name}-{version(name)}-"
        if any(path.name.startswith(wanted) for path in folder.glob("*.whl")):
            continue
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"]
        for platform in PLATFORMS:
            command += ["--platform", f"{platform}_x86_64"]
        subprocess.run([*command, "-d", str(folder), f"{name}=={version(name)}"], check=True)  # noqa: S603
    return _told("wheels", folder)


def copy_weights(paths: Sequence[Path], folder: Path) -> int:
    """Starting weights, by their names; their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        shutil.copyfile(path, folder / path.name)
    return _told("weights", folder)


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)  # noqa: T201 - it is what the tool is for


def _told(what: str, folder: Path) -> int:
    size = sum(path.stat().st_size for path in folder.iterdir())
    say(f"{what}: {', '.join(sorted(p.name for p in folder.iterdir()))}, {size / MIB:.1f} MiB")
    return size


def _in_order(images: Sequence[LabelledImage], seed: int) -> Iterator[LabelledImage]:
    """First the sources that come whole, then all others so that each has given an equal share."""
    rng = np.random.default_rng(seed)
    of_source: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in images:
        of_source[image.source].append(image)
    for source in FIRST:
        yield from of_source.pop(source, [])
    rest = [
        (position / len(group), source, group[index])
        for source, group in of_source.items()
        for position, index in enumerate(rng.permutation(len(group)))
    ]
    yield from (image for _, _, image in sorted(rest, key=lambda item: item[:2]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path(".cache/gpu"))
    parser.add_argument("--limit-mib", type=float, default=51.0, help="of everything packed")
    parser.add_argument("--format", choices=("webp", "jpeg"), default="webp")
    parser.add_argument("--quality", type=int, default=40)
    parser.add_argument("--truth-quality", type=int, default=60, help="of dev and dev2")
    parser.add_argument("--recipe", default="port-n-blocks", help="experiment of detector train")
    parser.add_argument("--weights", type=Path, action="append", default=[], help="to start from")
    parser.add_argument("--no-wheels", dest="wheels", action="store_false")
    parser.add_argument("set", nargs="*", help="further key=value of detector train")
    return parser


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
