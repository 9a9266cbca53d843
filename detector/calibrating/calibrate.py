"""From the matches of an evaluation to the calibration of a card."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detector.calibrating.fitting import false_per_km2, recall_by_length
from detector.calibrating.held_out import calibrate_class, check_rows
from detector.calibrating.sample import Sample, sample_of
from detector.classes import ClassEntry
from detector.counting.calibration import Calibration, CalibrationError
from detector.evaluation.evaluator import MATCHES_FILES, METRICS_FILE
from detector.evaluation.table import MatchTable
from detector.models.card import ModelCard

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation of the weights of a card.

    Attributes:
        folder: that `detector evaluate` wrote.
        data: what it was of.
        conf: score from which objects were counted, by class.
        luck: that was taken from scores; None where the evaluation does not say.
    """

    folder: Path
    data: str
    conf: dict[str, float]
    luck: float | None

    @property
    def complete(self) -> MatchTable:
        """The matches with scores below the thresholds too."""
        return MatchTable.load(self.folder / MATCHES_FILES[0])

    @property
    def counted(self) -> MatchTable:
        """The matches of what was counted."""
        return MatchTable.load(self.folder / MATCHES_FILES[1])

    def reads_as(self, card: ModelCard) -> bool:
        """Whether objects were counted as this card says."""
        return self.conf == dict(card.conf) and self.luck in (None, card.luck)


def read_evaluation(folder: Path, card: ModelCard) -> Evaluated:
    """An evaluation, if it is of the weights of this card.

    Raises:
        CalibrationError: it is of other weights or of another reading, or no evaluation.
    """
    path = folder / METRICS_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))["facts"]
        found, read, data = str(facts["sha256"]), str(facts["weights"]), str(facts["data"])
        conf = {str(name): float(value) for name, value in facts["conf"].items()}
        luck = None if facts.get("luck") is None else float(facts["luck"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationError(
            f"{path}: not an evaluation ({error}); name a folder that detector evaluate wrote"
        ) from error
    if found != card.sha256:
        raise CalibrationError(
            f"{folder}: an evaluation of other weights ({found[:12]}, not {card.sha256[:12]}); run "
            "detector evaluate with these weights first"
        )
    if read != card.name:
        raise CalibrationError(
            f"{folder}: the same weights, but read as the card '{read}' says, not '{card.name}'; "
            f"run detector evaluate weights={card.name} first"
        )
    if sorted(conf) != sorted(card.conf):
        raise CalibrationError(
            f"{folder}: it does not say from which scores objects were counted; run detector "
            "evaluate without predictions="
        )
    return Evaluated(folder, data, conf, luck)


def calibrate(evaluated: Evaluated, check: Evaluated | None, card: ModelCard) -> Calibration:
    """The calibration from an evaluation.

    Args:
        evaluated: of places that the network never saw.
        check: another one, to measure coverage on.
        card: of the weights.

    Raises:
        EvaluationError: a folder holds no matches.
    """
    table = evaluated.counted
    second = check.counted if check is not None else None
    classes, rows = {}, []
    for entry in card.class_set:
        sample = sample_of(table, table.classes.id(entry.name), card.gsd_read_m)
        try:
            fitted, held_out = calibrate_class(sample, entry, evaluated.data)
        except CalibrationError as error:
            LOG.warning("not calibrated: %s", error)
            continue
        rows += held_out
        if second is not None and check is not None:
            judged = sample_of(second, second.classes.id(entry.name), card.gsd_read_m)
            rows += check_rows(judged, fitted, entry, check.data)
            fitted = replace(fitted, checked=_checked(judged, entry, check.data))
        classes[entry.name] = fitted
    return Calibration(classes, evaluated.data, card.gsd_read_m, tuple(rows))


def _checked(sample: Sample, entry: ClassEntry, data: str) -> dict[str, Any]:
    """What the second evaluation says of recall and false alarms."""
    return {
        "data": data,
        "recall_by_length": recall_by_length(sample, entry),
        "false_per_km2": false_per_km2(sample),
    }
