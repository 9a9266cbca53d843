"""`detector data preview`: a contact sheet of what the network sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detector.cli.command import EXIT_DONE, Command
from detector.options import option
from detector.training.options import TrainConfig

DESCRIPTION = """
Draws the tiles that training would show, after all augmentation, with their boxes: ships green,
stacks yellow; a red frame where a class is not taught. Takes every option of `detector train`. The
picture shows imagery: mind its licence.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewConfig(TrainConfig):
    """Everything `detector data preview` can be told, with all options of `detector train`."""

    sheet: str = option("picture to write", path=True)
    count: int = option("tiles in it", low=1, high=1000)
    columns: int = option("tiles in a row", low=1, high=50)
    cell_px: int = option("side of a tile in the picture", low=32, high=1024)
    out: str = option("unused here: folder of the run", path=True)


def run(config: PreviewConfig) -> int:
    """Write the sheet."""
    from detector.data.chips import cut_chips
    from detector.data.labelled import Fault
    from detector.data.summary import listed
    from detector.training.dataset import worth_showing
    from detector.training.preview import contact_sheet, write_sheet
    from detector.training.session import images_of, settings_from

    settings = settings_from(config)
    cache = Path(config.data.cache) / "chips"
    faults: list[Fault] = []
    chips, unread = cut_chips(images_of(config, faults), settings.chips, cache)
    for problem in listed([*faults, *unread]):
        print(f"left out: {problem}")
    chips = worth_showing(chips, settings.views)
    sheet = contact_sheet(chips, settings, config.count, config.columns, config.cell_px)
    write_sheet(sheet, Path(config.sheet))
    print(config.sheet)
    return EXIT_DONE


COMMAND = Command(
    name="data preview",
    summary="draw what the network sees after augmentation",
    description=DESCRIPTION,
    config="data_preview",
    schema=PreviewConfig,
    run=run,
    examples=(
        ("detector data preview experiment=port-n sheet=out/sheet.jpg", "a recipe on the pool"),
    ),
)
