"""From the matches of an evaluation to the calibration of a card."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detector.calibrating.counts import COARSE_LONE_MPX, fit_counts, sister_offsets, summary_of
from detector.calibrating.fitting import false_per_km2, fit_class, recall_by_length
from detector.calibrating.held_out import HEADLINE_M, Evidence, check_rows, held_out_rows
from detector.calibrating.places import CountPlaces, count_places, join_places
from detector.calibrating.sample import Sample, sample_of
from detector.classes import ClassEntry
from detector.counting.calibration import (
    COARSE_READ_M,
    Calibration,
    CalibrationError,
    ClassCalibration,
)
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


@dataclass(frozen=True, slots=True)
class Seen:
    """Matches of places that a network did not train on, beside those of the evaluation.

    Attributes:
        data: what they are of.
        table: of what was counted.
        conf: score from which objects were counted, by class.
    """

    data: str
    table: MatchTable
    conf: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Sister:
    """What a sister network saw: one that trained on fewer places than the weights.

    Attributes:
        same: the places of the evaluation, by which its difference is measured.
        unseen: places that it did not train on, whether the weights did or not.
    """

    same: Seen
    unseen: Seen


@dataclass(frozen=True, slots=True)
class Further:
    """What counts are fitted on and checked on beside the evaluation.

    Attributes:
        own: further places that the weights did not train on; None for none.
        sister: None without one.
        check: another evaluation, to measure coverage on; None for no check.
    """

    own: Seen | None = None
    sister: Sister | None = None
    check: Evaluated | None = None


def calibrate(evaluated: Evaluated, further: Further, card: ModelCard) -> Calibration:
    """The calibration from an evaluation.

    Args:
        evaluated: of places that the network never saw.
        further: what else is known.
        card: of the weights.

    Raises:
        EvaluationError: a folder holds no matches.
    """
    table = evaluated.counted
    second = further.check.counted if further.check is not None else None
    classes, rows = {}, []
    least_mpx = COARSE_LONE_MPX if card.gsd_read_m >= COARSE_READ_M else 0.0
    for entry in card.class_set:
        class_id = table.classes.id(entry.name)
        sample = sample_of(table, class_id, card.gsd_read_m)
        try:
            fitted = fit_class(sample, entry)
            if entry.containers:  # their number goes with area and TEU, see `blocks.fit_blocks`
                classes[entry.name] = _with_check(fitted, second, further, card, entry)
                continue
            evidence, told = evidence_of(evaluated, further, card, entry)
            conf = card.conf[entry.name]
            places = join_places([item.places for item in evidence])
            fitted = replace(
                fitted,
                counts=fit_counts(places, conf, least_mpx),
                count_places=places.object_places,
                counts_from=told,
            )
        except CalibrationError as error:
            LOG.warning("not calibrated: %s", error)
            continue
        rows += held_out_rows(evidence, conf, entry, least_mpx)
        if second is not None and further.check is not None:
            rows += _check(second, fitted, entry, card, further.check.data)
        classes[entry.name] = _with_check(fitted, second, further, card, entry)
    return Calibration(classes, evaluated.data, card.gsd_read_m, tuple(rows))


def evidence_of(
    evaluated: Evaluated, further: Further, card: ModelCard, entry: ClassEntry
) -> tuple[list[Evidence], dict[str, Any]]:
    """All that the counts of a class are fitted on, and what the card tells of it.

    Raises:
        CalibrationError: no box of the evaluation is real, or matches are of an earlier version.
    """

    def places(seen: Seen) -> CountPlaces:
        class_id = seen.table.classes.id(entry.name)
        return count_places(seen.table, class_id, card.gsd_read_m, seen.conf[entry.name])

    first = Seen(evaluated.data, evaluated.counted, card.conf)
    own = [seen for seen in (first, further.own) if seen is not None]
    evidence = [Evidence(seen.data, places(seen), seen.conf[entry.name]) for seen in own]
    told: dict[str, Any] = {item.data: summary_of(item.places) for item in evidence}
    if further.sister is not None:
        same, unseen = further.sister.same, further.sister.unseen
        real, found = sister_offsets(evidence[0].places, places(same))
        shifted = places(unseen).shifted(real, found)
        evidence.append(Evidence(unseen.data, shifted, unseen.conf[entry.name]))
        told[unseen.data] = {
            **summary_of(shifted),
            "log_odds_real_beyond_ours": real,
            "log_odds_recall_beyond_ours": found,
        }
    return evidence, told


def _check(
    table: MatchTable, fitted: ClassCalibration, entry: ClassEntry, card: ModelCard, data: str
) -> list[dict[str, Any]]:
    """Coverage on other data; of ships from `HEADLINE_M` on apart."""
    if fitted.counts is None:
        return []
    shown = {data: 0.0}
    if entry.length_limits_m:
        shown[f"{data}, {entry.many} ≥ {HEADLINE_M:g} m"] = HEADLINE_M
    conf, class_id = card.conf[entry.name], table.classes.id(entry.name)
    places = {
        name: count_places(table, class_id, card.gsd_read_m, conf, least_m)
        for name, least_m in shown.items()
    }
    return check_rows(places, fitted.counts, fitted.count_places, entry)


def _with_check(
    fitted: ClassCalibration,
    table: MatchTable | None,
    further: Further,
    card: ModelCard,
    entry: ClassEntry,
) -> ClassCalibration:
    """With recall and false alarms of the second evaluation, where there is one."""
    if table is None or further.check is None:
        return fitted
    sample = sample_of(table, table.classes.id(entry.name), card.gsd_read_m)
    return replace(fitted, checked=_checked(sample, entry, further.check.data))


def _checked(sample: Sample, entry: ClassEntry, data: str) -> dict[str, Any]:
    """What the second evaluation says of recall and false alarms."""
    return {
        "data": data,
        "recall_by_length": recall_by_length(sample, entry),
        "false_per_km2": false_per_km2(sample),
    }
