"""`detector data coarsen`: a labelled dataset as a coarser sensor sees it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from detector.cli.command import Command
from detector.cli.data_convert import tell_converted
from detector.data.kinds import DATASETS
from detector.options import option

DESCRIPTION = """
Writes ships of fine pictures as a sensor of 10 m or 3 m sees them: blurred, averaged over the
coarse pixels, with its noise. Georeferenced scenes with labels beside them (scenes=) are added as
they are. The folder is YOLO-OBB, with one class, and trains a network for coarse scenes:
detector train data.kind=yolo-obb data.root=….
"""
HARD_SIDE_PX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CoarsenConfig:
    """Everything `detector data coarsen` can be told."""

    kind: str = option("layout of the fine dataset", choices=DATASETS.names)
    root: str = option("its folder; empty: for the port pool, QUAYWATCH_POOL", path=True)
    split: str = option("images of this split, and those without one")
    sources: list[str] = option("datasets by name; empty: all")
    gsd_m: list[float] = option("gsd of the coarse images, m; one image each", above=0, high=100)
    assumed_min_m: float = option("finest gsd of images that tell none, m", above=0, high=100)
    assumed_max_m: float = option("coarsest one", above=0, high=100)
    least_m: float = option("ships below this length are ignored, m", low=0, high=1000)
    ports: int = option("rendered ports beside them", low=0, high=100_000)
    port_px: int = option("side of a rendered port, pixels", low=64, high=4096)
    hard: int = option(
        "rendered scenes without ships beside them, of each kind: glint, wakes, moles and so on",
        low=0,
        high=10_000,
    )
    cache: str = option("folder for rendered scenes", path=True)
    scenes: list[str] = option("folders of georeferenced scenes with labels, added as they are")
    seed: int = option("of everything random", low=0)
    out: str = option("folder to write", path=True)


def run(config: CoarsenConfig) -> int:
    """Coarsen and say what was left out."""
    from detector.classes import ClassSet
    from detector.data.coarse import CoarseSettings, coarsen
    from detector.data.convert import convert
    from detector.data.datasets import find_root, read_dataset
    from detector.data.rendered import hard_scenes, rendered_ports
    from detector.files import held_folder

    ships = ClassSet.named(("ship",))
    images, faults = read_dataset(config.kind, find_root(config.kind, config.root, "root"))
    chosen = [
        image
        for image in images
        if image.split in ("", config.split)
        and (not config.sources or image.source in config.sources)
    ]
    chosen += rendered_ports(
        Path(config.cache) / "ports", config.ports, config.port_px, config.seed
    )
    chosen += hard_scenes(Path(config.cache) / "hard", config.hard, HARD_SIDE_PX, config.seed)
    added = []
    for folder in config.scenes:
        found, more = read_dataset("geojson", Path(folder))
        added += [image for image in found if image.split in ("", config.split)]
        faults += more
    settings = CoarseSettings(
        tuple(config.gsd_m),
        (config.assumed_min_m, config.assumed_max_m),
        config.least_m,
        config.seed,
    )
    with (
        held_folder(Path(config.out), mark=False) as out,
        tempfile.TemporaryDirectory() as folder,
    ):
        coarse = coarsen((i.in_classes(ships) for i in chosen), settings, Path(folder))
        everything = [*coarse, *(image.in_classes(ships) for image in added)]
        written, left_out = convert(everything, out)
    return tell_converted(out, written, left_out, faults)


COMMAND = Command(
    name="data coarsen",
    summary="write a labelled dataset as a coarser sensor sees it",
    description=DESCRIPTION,
    config="data_coarsen",
    schema=CoarsenConfig,
    run=run,
    examples=(
        (
            "detector data coarsen root=port scenes=[s2] gsd_m=[10,3] out=runs/coarse",
            "ships at 10 m and 3 m, and labelled Sentinel-2 scenes",
        ),
    ),
)
