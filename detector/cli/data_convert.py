"""`detector data convert`: any dataset to YOLO-OBB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.command import EXIT_DONE, EXIT_SOME_FAILED, Command
from detector.data.kinds import DATASETS
from detector.options import option
from detector.wording import counted

if TYPE_CHECKING:
    from detector.data.labelled import Fault

DESCRIPTION = """
Writes a labelled dataset as one YOLO-OBB folder (images, labels, data.yaml). Images with
axis-aligned ships or with an unlabelled class are left out, since that format cannot say so; each
is named. Malformed annotations are named by file and line.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertConfig:
    """Everything `detector data convert` can be told."""

    kind: str = option("layout of the dataset", choices=DATASETS.names)
    root: str = option("its folder; empty: for the port pool, QUAYWATCH_POOL", path=True)
    split: str | None = option("only images of this split; null: all")
    out: str = option("folder to write", path=True)


def run(config: ConvertConfig) -> int:
    """Convert and say what was left out."""
    from detector.data.convert import convert
    from detector.data.datasets import find_root, read_dataset
    from detector.files import held_folder

    root = find_root(config.kind, config.root, "root")
    images, faults = read_dataset(config.kind, root)
    chosen = [image for image in images if config.split in (None, image.split)]
    with held_folder(Path(config.out), mark=False) as out:
        written, left_out = convert(chosen, out)
    return tell_converted(out, written, left_out, faults)


def tell_converted(
    out: Path, written: int, left_out: Sequence[str], faults: Sequence[Fault]
) -> int:
    """Say what a dataset became and what was left out; the exit code of the command.

    Args:
        out: folder that holds it now.
        written: images in it.
        left_out: a reason for each image that is not.
        faults: of the dataset that was read.
    """
    for reason in [*map(str, faults), *left_out]:
        print(f"left out: {reason}")
    lost = sum(not fault.note for fault in faults)
    print(
        f"{counted(written, 'image')} in {out}; {counted(len(left_out), 'image')} left out, "
        f"{counted(lost, 'fault')}"
    )
    return EXIT_SOME_FAILED if lost else EXIT_DONE


COMMAND = Command(
    name="data convert",
    summary="write a labelled dataset as YOLO-OBB",
    description=DESCRIPTION,
    config="data_convert",
    schema=ConvertConfig,
    run=run,
    examples=(("detector data convert kind=hrsc root=HRSC2016/Train out=yolo/hrsc", "HRSC2016"),),
)
