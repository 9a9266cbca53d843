"""`detector data summary`: what a labelled dataset holds."""

from __future__ import annotations

from dataclasses import dataclass

from detector.cli.command import EXIT_DONE, Command
from detector.data.kinds import DATASETS
from detector.options import option

DESCRIPTION = """
Counts images, boxes, places and sizes (pixels and metres) of a labelled dataset, and names every
annotation that could not be used by file and line.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryConfig:
    """Everything `detector data summary` can be told."""

    kind: str = option("layout of the dataset", choices=DATASETS.names)
    root: str = option("its folder; empty: for the port pool, QUAYWATCH_POOL", path=True)
    split: str | None = option("only images of this split; null: all")


def run(config: SummaryConfig) -> int:
    """Print the summary of a dataset."""
    from detector.data.datasets import find_root, read_dataset
    from detector.data.labelled import DataError
    from detector.data.summary import summarise, to_text

    root = find_root(config.kind, config.root, "root")
    images, faults = read_dataset(config.kind, root)
    chosen = [image for image in images if config.split in (None, image.split)]
    if not chosen:
        raise DataError(f"{root}: no image of the split '{config.split}'")
    print(to_text(summarise(chosen, faults)))
    return EXIT_DONE


COMMAND = Command(
    name="data summary",
    summary="count what a labelled dataset holds",
    description=DESCRIPTION,
    config="data_summary",
    schema=SummaryConfig,
    run=run,
    examples=(
        ("detector data summary root=data/port split=dev", "the yardstick"),
        ("detector data summary kind=dota root=DOTA/train", "a split of DOTA"),
    ),
)
