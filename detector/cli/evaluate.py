"""`detector evaluate`: say how wrong the detector is, with intervals."""

from __future__ import annotations

import logging
from pathlib import Path

from detector.cli.command import EXIT_DONE, Command
from detector.cli.console import make_progress
from detector.config.logging import configure_logging
from detector.evaluation.options import EvaluateConfig

DESCRIPTION = """
Runs weights over labelled images through the pipeline of 'detector predict' and says how wrong
they are: average precision by exact polygon IoU, precision, recall and F1 where objects are
counted, count errors, errors by kind, by source, size and gsd. Every number comes with its images,
places, objects and a 95 % interval from resampled places. Writes metrics.json, metrics.md and
evaluation.html (which shows imagery: mind its licence).
"""
LOG = logging.getLogger(__name__)


def run(config: EvaluateConfig) -> int:
    """Evaluate and print the tables.

    Raises:
        QuaywatchError: data, weights or the other run cannot be used; one sentence says why.
    """
    configure_logging(config.log, quiet=config.quiet)
    from detector.api.learning import evaluate_as
    from detector.evaluation.evaluator import METRICS_FILE, PAGE_FILE
    from detector.evaluation.record import to_markdown

    result = evaluate_as(config, make_progress(config.log, quiet=config.quiet))
    if config.log == "json":
        print((Path(config.out) / METRICS_FILE).read_text(encoding="utf-8"), end="")
        return EXIT_DONE
    print(to_markdown(result.facts, result.evaluation.summary, result.deltas))
    LOG.info(
        "%d tiles in %.0f s, %.1f %% of it outside the network; see %s",
        result.cost.tiles,
        result.cost.seconds,
        100 * result.cost.share_outside_model,
        Path(config.out) / PAGE_FILE,
    )
    return EXIT_DONE


COMMAND = Command(
    name="evaluate",
    summary="measure weights on labelled images, with intervals",
    description=DESCRIPTION,
    config="evaluate",
    schema=EvaluateConfig,
    run=run,
    examples=(
        (
            "detector evaluate data=port split=dev weights=port-n out=runs/port-n",
            "the yardstick: one table for the dev split",
        ),
        (
            "detector evaluate weights=runs/new/weights/new.safetensors compare=runs/port-n",
            "new weights, with the differences from the run before",
        ),
        (
            "detector evaluate data=rendered data.ports=24 weights=port-n out=runs/rendered",
            "the rendered validation set, counted by zone too",
        ),
        (
            "detector evaluate dataset=dota root=/data/DOTA/val weights=port-n",
            "another labelled dataset",
        ),
    ),
)
