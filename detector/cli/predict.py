"""`detector predict`: scenes in, counts out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from detector._version import __version__
from detector.cli.command import EXIT_BAD_INPUT, EXIT_DONE, EXIT_SOME_FAILED, Command
from detector.cli.console import make_progress
from detector.config.logging import configure_logging, log_to_file
from detector.errors import ConfigError, QuaywatchError, SceneError, shown
from detector.files import MARK_FILE
from detector.prediction.options import PredictConfig
from detector.prediction.shard import Shard
from detector.profiling import Recorder, recording

DESCRIPTION = """
Finds ships and container stacks in every scene, each once, and counts them for each scene and, if
zones are given, for each zone. PATHS are scenes in any format that GDAL reads (GeoTIFF, COG, JP2,
PNG, JPEG, VRT, /vsicurl/…), folders (all scenes in and below them), or .txt files with one path a
line. Scenes that are done already are not done again, so a run that was stopped goes on.
"""
LOG_FILE = "run.log"
PROFILE_FILE = "profile.json"

logger = logging.getLogger(__name__)


def run(config: PredictConfig) -> int:
    """Run the pipeline on the scenes of `config` and print the counts.

    Raises:
        QuaywatchError: nothing could be done; one sentence says why.
    """
    if not config.paths:
        raise ConfigError("no scenes: name files, folders or a list (see detector predict --help)")
    from detector.scenes.discover import discover  # reads tables of scenes, so GDAL comes with it
    from detector.scenes.stac import is_stac

    far = any(is_stac(name) for name in config.paths)  # a catalog is asked once, by the run itself
    sources = [] if far else discover(config.paths)
    if len(sources) == 1 and sources[0].problem:
        raise SceneError(sources[0].problem)  # a typo need not wait for torch
    configure_logging(config.log, quiet=config.quiet)
    out = Path(config.out)
    if config.shard is not None:
        out = Shard.parse(config.shard).folder(out)
    with _run_log(out):
        from detector.api.settings import predict_settings
        from detector.prediction.batch import predict_paths

        progress = make_progress(config.log, quiet=config.quiet)
        with recording(Recorder()) if config.profile else nullcontext() as recorder:
            summary = predict_paths(predict_settings(config), progress)
        done, failed = len(summary.records) - len(summary.failed), len(summary.failed)
        logger.debug(
            "quaywatch ends: %d scenes done, %d of them earlier, %d failed",
            done,
            summary.resumed,
            failed,
        )
        from detector.cli.summary import exit_code, print_summary

        print_summary(summary, as_json=config.log == "json")
        if recorder is not None:
            _tell_profile(recorder, out, as_json=config.log == "json")
        return exit_code(summary)


def dry_run(config: PredictConfig) -> int:
    """Say what `run` would do, scene by scene; nothing is found and nothing written.

    Raises:
        QuaywatchError: as `run`.
    """
    if not config.paths:
        raise ConfigError("no scenes: name files, folders or a list (see detector predict --help)")
    configure_logging(config.log, quiet=config.quiet)
    from detector.api.settings import predict_settings
    from detector.prediction.rehearsal import rehearse

    rehearsal = rehearse(predict_settings(config))
    if config.log == "json":
        print(json.dumps(rehearsal.to_dict()))
    else:
        print(shown("\n".join(rehearsal.lines())))
    if not rehearsal.failing:
        return EXIT_DONE
    return EXIT_SOME_FAILED if rehearsal.failing < len(rehearsal.scenes) else EXIT_BAD_INPUT


def _tell_profile(recorder: Recorder, out: Path, *, as_json: bool) -> None:
    """Write the trace and tell the table, which for machines goes to the log alone."""
    recorder.write(out / PROFILE_FILE)
    table = recorder.table()
    for line in table.splitlines():
        logger.debug("profile: %s", line)
    if not as_json:
        print(f"{table}\n{out / PROFILE_FILE}: for chrome://tracing or ui.perfetto.dev")


@contextmanager
def _run_log(out: Path) -> Iterator[None]:
    """Keep `run.log`, but leave no folder behind that holds nothing else."""
    is_new = not out.exists()
    try:
        with log_to_file(out / LOG_FILE):
            logger.debug("quaywatch %s begins: results in %s", __version__, out)
            yield
    except QuaywatchError:
        nothing = {LOG_FILE, MARK_FILE}
        if is_new and out.is_dir() and {file.name for file in out.iterdir()} <= nothing:
            for name in nothing:
                (out / name).unlink(missing_ok=True)
            out.rmdir()
        raise


COMMAND = Command(
    name="predict",
    summary="find and count ships and container stacks in scenes",
    description=DESCRIPTION,
    config="predict",
    schema=PredictConfig,
    run=run,
    dry_run=dry_run,
    paths="PATHS…",
    examples=(
        (
            "detector predict najin_2023-10-13.tif zones=najin.geojson out=runs/najin",
            "one scene, counted per zone",
        ),
        (
            "detector predict scenes/*.tif more/ list.txt out=runs/x model.conf=0.3 device=cuda:0",
            "many scenes on a GPU, with a threshold of your own",
        ),
        (
            "detector predict port.jpg scene.gsd=0.5 scene.acquired=2024-05-01",
            "a picture without georeference",
        ),
        (
            "detector predict scenes/ out=runs/x shard=3/16",
            "one of sixteen parts, on any machine; detector collect puts them together",
        ),
    ),
)
