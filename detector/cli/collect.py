"""`detector collect`: shards of a run, put together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.command import Command
from detector.cli.console import make_progress
from detector.config.logging import configure_logging
from detector.options import option

if TYPE_CHECKING:
    from detector.prediction.collect import CollectSettings

DESCRIPTION = """
Makes one run of what `detector predict … out=FOLDER shard=3/16` left in FOLDER/shards: the folders
of the scenes are linked, copies of one picture are counted once, and the tables are written as if
one process had done it all. Where a shard is missing, its scenes are rows that say so; run it, and
collect again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectConfig:
    """Everything `detector collect` can be told."""

    out: str = option("folder that was named to the shards", path=True)
    overwrite: bool = option("replace a scene's results that other settings made")
    log: str = option("text for people, json for machines", choices=("text", "json"))
    quiet: bool = option("no progress, only warnings and the result")


def run(config: CollectConfig) -> int:
    """Collect, and print the counts.

    Raises:
        QuaywatchError: nothing could be done; one sentence says why.
    """
    configure_logging(config.log, quiet=config.quiet)
    from detector.cli.summary import exit_code, print_summary
    from detector.prediction.collect import collect_shards

    progress = make_progress(config.log, quiet=config.quiet)
    summary = collect_shards(to_settings(config), progress)
    print_summary(summary, as_json=config.log == "json")
    return exit_code(summary)


def to_settings(config: CollectConfig) -> CollectSettings:
    """The options of the command as those of `collect_shards`."""
    from detector.prediction.collect import CollectSettings

    return CollectSettings(Path(config.out), config.overwrite)


COMMAND = Command(
    name="collect",
    summary="put the shards of a run together",
    description=DESCRIPTION,
    config="collect",
    schema=CollectConfig,
    run=run,
    examples=(
        ("detector collect out=runs/x", "after detector predict … out=runs/x shard=1/16 to 16/16"),
    ),
)
