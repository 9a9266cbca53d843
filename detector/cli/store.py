"""`detector store`: runs into a store that a database asks questions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detector.cli.command import EXIT_DONE, EXIT_SOME_FAILED, Command
from detector.config.logging import configure_logging
from detector.errors import ConfigError, shown
from detector.options import option

DESCRIPTION = """
Adds the scenes of runs to a store: GeoParquet files by site and date, which DuckDB, QGIS, Spark and
others read where they lie, ten thousand scenes as one table. A scene that is there already is
replaced where its results are others, and left alone where they are the same.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Everything `detector store` can be told."""

    paths: list[str] = option("folders of detector predict", path=True)
    out: str = option("folder of the store", path=True)
    site: str | None = option("what the scenes show; null: the name of each run's folder")
    quiet: bool = option("only warnings and the result")


def run(config: StoreConfig) -> int:
    """Add every run, and say what came of it.

    Raises:
        QuaywatchError: no runs are named, one is none, or the store cannot be written.
    """
    if not config.paths:
        raise ConfigError("no runs: name folders that detector predict wrote")
    configure_logging("text", quiet=config.quiet)
    from detector.export.store import store_run
    from detector.wording import counted

    left = 0
    for name in config.paths:
        folder = Path(name)
        stored = store_run(folder, Path(config.out), config.site or folder.resolve().name)
        done = stored.added + stored.replaced + stored.kept
        print(
            shown(
                f"{name}: {counted(done, 'scene')} in {config.out}: {stored.added} added, "
                f"{stored.replaced} replaced, {stored.kept} the same; {stored.not_done} not done"
            )
        )
        for path, reason in stored.left.items():
            print(shown(f"left out: {path}: {reason}"))
        left += len(stored.left)
    return EXIT_SOME_FAILED if left else EXIT_DONE


COMMAND = Command(
    name="store",
    summary="add runs to a store that a database asks questions",
    description=DESCRIPTION,
    config="store",
    schema=StoreConfig,
    run=run,
    paths="RUNS…",
    examples=(
        ("detector store runs/najin out=store site=najin", "the scenes of a run, by their dates"),
        ("detector store runs/* out=store", "many runs, each a site of its folder's name"),
    ),
)
