"""`detector calibrate`: what scores and counts mean, into the card of the weights."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.cli.command import EXIT_DONE, Command
from detector.config.logging import configure_logging
from detector.errors import ConfigError
from detector.options import option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detector.calibrating.sample import Sample
    from detector.classes import ClassEntry
    from detector.counting.calibration import Calibration, ClassCalibration
    from detector.evaluation.table import MatchTable
    from detector.models.card import ModelCard

DESCRIPTION = """
Fits, on an evaluation of places that the network never saw, the probability that a box of a score
is real, recall and how both differ between places, and measures how often the 90 % intervals of
counts hold the truth on places left out of the fit. Writes it all into the card of the weights.
EVALUATION is a folder that detector evaluate wrote.
"""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateConfig:
    """Everything `detector calibrate` can be told."""

    paths: list[str] = option("folder of an evaluation", path=True)
    check: str | None = option("another evaluation, to measure coverage only", path=True)
    weights: str = option("weights that were evaluated, by name or path")
    write: bool = option("write the calibration into the card")
    log: str = option("text for people, json for machines", choices=("text", "json"))
    quiet: bool = option("only warnings and the result")


def run(config: CalibrateConfig) -> int:
    """Calibrate and print the coverage.

    Raises:
        QuaywatchError: the evaluation is of other weights, or cannot be used.
    """
    if len(config.paths) != 1:
        raise ConfigError("name one folder of detector evaluate (see detector calibrate --help)")
    configure_logging(config.log, quiet=config.quiet)
    from detector.calibrating.held_out import coverage_table
    from detector.files import atomic_path
    from detector.models.card import ModelCard
    from detector.models.detector import find_card

    card_path = find_card(config.weights)
    card = ModelCard.read(card_path)
    check = Path(config.check) if config.check is not None else None
    calibration = calibrate(Path(config.paths[0]), check, card)
    if config.write:
        with atomic_path(card_path) as temporary:
            text = replace(card, calibration=calibration.to_card()).to_yaml()
            temporary.write_text(text, encoding="utf-8")
    if config.log == "json":
        print(json.dumps(calibration.to_card()))
        return EXIT_DONE
    print(coverage_table(calibration.coverage))
    for name, fitted in calibration.classes.items():
        places = "" if fitted.claims else "; too few places: counts get no intervals"
        print(
            f"{name}: {fitted.method}, mean recall of a place {fitted.model.recall:.2f}, "
            f"{fitted.n_objects} objects of {fitted.n_places} places{places}"
        )
        for data, recall, false in _known_rates(fitted, calibration.fitted_on):
            print(f"{name}, {data}: recall by length {recall}; false alarms a km² {false}")
    if config.write:
        print(f"written to {card_path}")
    return EXIT_DONE


def calibrate(folder: Path, check: Path | None, card: ModelCard) -> Calibration:
    """The calibration from an evaluation.

    Raises:
        EvaluationError: a folder holds no matches.
        CalibrationError: it is of other weights.
    """
    from detector.calibrating.held_out import calibrate_class, check_rows
    from detector.calibrating.sample import sample_of
    from detector.counting.calibration import Calibration, CalibrationError

    name, table = _matches(folder, card)
    other, second = _matches(check, card) if check is not None else ("", None)
    classes, rows = {}, []
    for entry in card.class_set:
        sample = sample_of(table, table.classes.id(entry.name), card.gsd_read_m)
        try:
            fitted, held_out = calibrate_class(sample, entry, name)
        except CalibrationError as error:
            LOG.warning("not calibrated: %s", error)
            continue
        rows += held_out
        if second is not None:
            judged = sample_of(second, second.classes.id(entry.name), card.gsd_read_m)
            rows += check_rows(judged, fitted, entry, other)
            fitted = replace(fitted, checked=_checked(judged, entry, other))
        classes[entry.name] = fitted
    return Calibration(classes, name, card.gsd_read_m, tuple(rows))


def _known_rates(fitted: ClassCalibration, data: str) -> list[tuple[str, str, str]]:
    """Data, recall by length class and false alarms by ground, in words."""
    rates = [(data, fitted.recall_by_length, fitted.false_per_km2)]
    if fitted.checked:
        other = fitted.checked
        rates.append((other["data"], other["recall_by_length"], other["false_per_km2"]))

    def words(values: Mapping[str, float]) -> str:
        return ", ".join(f"{key}: {value:.2f}" for key, value in values.items()) or "unknown"

    return [(name, words(recall), words(false)) for name, recall, false in rates]


def _checked(sample: Sample, entry: ClassEntry, data: str) -> dict[str, Any]:
    """What the second evaluation says of recall and false alarms."""
    from detector.calibrating.fitting import false_per_km2, recall_by_length

    return {
        "data": data,
        "recall_by_length": recall_by_length(sample, entry),
        "false_per_km2": false_per_km2(sample),
    }


def _matches(folder: Path, card: ModelCard) -> tuple[str, MatchTable]:
    """What an evaluation was of, and its matches."""
    from detector.counting.calibration import CalibrationError
    from detector.evaluation.table import MatchTable

    path = folder / "metrics.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))["facts"]
        found, read, data = str(facts["sha256"]), str(facts["weights"]), str(facts["data"])
    except (OSError, ValueError, KeyError, TypeError) as error:
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
    return data, MatchTable.load(folder / "matches_counted.npz")


COMMAND = Command(
    name="calibrate",
    summary="what scores and counts mean, into the card of the weights",
    description=DESCRIPTION,
    config="calibrate",
    schema=CalibrateConfig,
    run=run,
    paths="EVALUATION",
    examples=(
        ("detector calibrate runs/evaluate weights=port-n", "fit, measure coverage, write"),
        (
            "detector calibrate runs/evaluate check=runs/rendered write=false",
            "coverage on rendered sites too; the card stays as it is",
        ),
    ),
)
