"""`detector card`: thresholds, luck, metrics and calibration of weights, into a card of the run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from detector.cli.command import EXIT_DONE, Command
from detector.cli.console import make_progress
from detector.config.logging import configure_logging
from detector.data.kinds import KINDS
from detector.errors import ConfigError
from detector.evaluation.options import MeasuredDataConfig
from detector.models.kinds import BACKENDS
from detector.models.precision import PRECISIONS
from detector.options import option
from detector.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detector.calibrating.card import CardData, CardSettings, MadeCard, Thresholds
    from detector.counting.calibration import ClassCalibration
    from detector.evaluation.dataset import Dataset

DESCRIPTION = """
Measures weights and writes their card, with a copy of the weights, into out=; name both from there
with weights=out/NAME.safetensors, or copy them into weights/ to ship them. Nothing is put in by
hand, nothing is written beside the weights that are read, and equal inputs give equal bytes.
Thresholds are chosen by F1 on training places, or with thresholds_from=split as those at which the
totals of what is measured on come out; metrics and the calibration of scores and counts are
of the images of data= and split=, which the network must never have seen; the card says where each
comes from. EVALUATION is a folder that detector evaluate wrote of these weights and this data: it
saves one pass over the images.
"""
TRAINED = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardConfig:
    """Everything `detector card` can be told."""

    paths: list[str] = option("folder of an evaluation, or nothing", path=True)
    weights: str = option("shipped weights by name, or a .safetensors file with its .yaml card")
    out: str = option("folder of the card and its weights", path=True)
    name: str | None = option("name of the card; null: as it is")
    split: str = option("split of the pool to measure on; empty: all")
    dataset: str | None = option(
        "format of another dataset, read from root; null: what data says", choices=KINDS
    )
    root: str | None = option("folder of that other dataset", path=True)
    thresholds_from: str | None = option(
        "train: chosen on training places; split: on what is measured on; card: kept; null: train, "
        "of data without a training split split",
        choices=("train", "split", "card"),
    )
    threshold_images: int = option(
        "training images on which thresholds are chosen, at most", low=20, high=100_000
    )
    luck: str = option("what one look is lucky by; measure: minutes", choices=("card", "measure"))
    also: str | None = option("further split for the fit of counts; null: none")
    sister: str | None = option(
        "weights that trained on fewer places: the others join the fit of counts; null: none"
    )
    check_ports: int = option(
        "rendered ports on which the intervals are checked; 0: none", low=0, high=1000
    )
    length_sites: int = option(
        "rendered sites on which lengths are measured; 0: the card's stay", low=0, high=1000
    )
    device: str = option("auto, cpu, cuda or cuda:0; several: cuda:0,cuda:1")
    backend: str = option("what runs the network", choices=BACKENDS.names)
    precision: str = option(
        "arithmetic of the network; auto: what the card says, on a GPU f16", choices=PRECISIONS
    )
    batch: int | None = option("tiles a batch; null: by device", low=1, high=1024)
    threads: int | None = option("CPU threads of the network; null: all", low=1, high=1024)
    log: str = option("text for people, json for machines", choices=("text", "json"))
    quiet: bool = option("only warnings and the result")
    data: MeasuredDataConfig


def run(config: CardConfig) -> int:
    """Make the card and print what it says.

    Raises:
        QuaywatchError: the evaluation is of other weights, or cannot be used.
    """
    if len(config.paths) > 1:
        raise ConfigError("name one folder of detector evaluate, or none")
    configure_logging(config.log, quiet=config.quiet)
    from detector.calibrating.card import make_card

    progress = make_progress(config.log, quiet=config.quiet)
    made = make_card(to_settings(config), to_data(config), progress)
    if config.log == "json":
        print(json.dumps({"weights": str(made.weights), "card": asdict(made.card)}, default=dict))
        return EXIT_DONE
    _print(made)
    return EXIT_DONE


def to_settings(config: CardConfig) -> CardSettings:
    """The options as settings of their own."""
    from detector.calibrating.card import CardSettings, Luck
    from detector.models.detector import DetectorSettings

    detector = DetectorSettings(
        weights=config.weights,
        device=config.device,
        backend=config.backend,
        batch=config.batch,
        threads=config.threads,
        precision=config.precision,
    )
    return CardSettings(
        out=Path(config.out),
        detector=detector,
        name=config.name or "",
        thresholds=_thresholds_of(config),
        threshold_images=config.threshold_images,
        luck=cast(Luck, config.luck),
        evaluation=Path(config.paths[0]) if config.paths else None,
        sister=replace(detector, weights=config.sister) if config.sister else None,
        length_sites=config.length_sites,
    )


def _thresholds_of(config: CardConfig) -> Thresholds:
    if config.thresholds_from is None:
        return "split" if _has_no_splits(config) else "train"
    return cast("Thresholds", config.thresholds_from)  # one of its choices


def _has_no_splits(config: CardConfig) -> bool:
    return bool(config.dataset) or config.data.kind != "pool"


def to_data(config: CardConfig) -> CardData:
    """What is measured on.

    Raises:
        ConfigError: thresholds, further or sister's places from splits that the data does not have.
    """
    from detector.api.learning import evaluation_data
    from detector.calibrating.card import CardData

    if _has_no_splits(config):
        if config.thresholds_from == TRAINED and config.dataset is None:
            raise ConfigError(
                "thresholds_from=train: only the port pool tells which images are for training; "
                "say data=port, a dataset= with splits, or thresholds_from=split"
            )
        if config.also or config.sister:
            raise ConfigError(
                "also= and sister=: only the port pool has splits; say data=port, or leave them out"
            )

    def trained() -> tuple[Dataset, str]:
        dataset, name = evaluation_data(replace(config, split=TRAINED))
        if config.dataset is not None and not name.endswith(f"split {TRAINED}"):
            raise ConfigError(
                f"thresholds_from=train: no image of {config.root} is of the split '{TRAINED}'; "
                "say thresholds_from=split"
            )
        return dataset, name

    def also() -> tuple[Dataset, str]:
        return evaluation_data(replace(config, split=config.also or ""))

    def check() -> tuple[Dataset, str]:
        rendered = replace(config.data, kind="rendered", ports=config.check_ports)
        return evaluation_data(replace(config, dataset=None, root=None, data=rendered))

    return CardData(
        lambda: evaluation_data(config),
        trained,
        check if config.check_ports else None,
        also if config.also else None,
    )


def _print(made: MadeCard) -> None:
    from detector.calibrating.blocks import coverage_words
    from detector.calibrating.held_out import coverage_table

    print(coverage_table(made.calibration.coverage))
    for name, fitted in made.calibration.classes.items():
        print(
            f"{name}: {fitted.method}, mean recall of a place {fitted.recall:.2f}, "
            f"{counted(fitted.n_objects, 'object')} of {counted(fitted.n_places, 'place')}"
        )
        if not made.card.class_set[made.card.class_set.id(name)].containers:
            words = f"{counted(fitted.count_places, 'place')} with objects"
            print(
                f"{name}: counts rest on {words}{fitted.lack and '; no intervals: '}{fitted.lack}"
            )
        for data, recall, false in _known_rates(fitted, made.calibration.fitted_on):
            print(f"{name}, {data}: recall by length {recall}; false alarms a km² {false}")
    for line in coverage_words(made.blocks) if made.blocks is not None else ():
        print(line)
    thresholds = ", ".join(f"{name} {value:g}" for name, value in made.card.conf.items())
    origin = made.card.sources["thresholds"]["from"]
    print(f"thresholds: {thresholds} (from {origin})")
    for name, found in made.card.sources["thresholds"].items():
        if isinstance(found, dict) and "elsewhere" in found:
            other = found["elsewhere"]
            print(
                f"{name}: {other['counted']} counted of {other['objects']} in {other['data']}, "
                f"{100 * other['total_error']:+.1f} %"
            )
    print(f"luck: {made.card.luck:g} (from {made.card.sources['luck']['from']})")
    print(f"written; use it with weights={made.weights}")


def _known_rates(fitted: ClassCalibration, data: str) -> list[tuple[str, str, str]]:
    """Data, recall by length class and false alarms by ground, in words."""
    rates = [(data, fitted.recall_by_length, fitted.false_per_km2)]
    if fitted.checked:
        other = fitted.checked
        rates.append((other["data"], other["recall_by_length"], other["false_per_km2"]))

    def words(values: Mapping[str, float]) -> str:
        return ", ".join(f"{key}: {value:.2f}" for key, value in values.items()) or "unknown"

    return [(name, words(recall), words(false)) for name, recall, false in rates]


COMMAND = Command(
    name="card",
    summary="measure weights and write their card: thresholds, metrics, calibration",
    description=DESCRIPTION,
    config="card",
    schema=CardConfig,
    run=run,
    paths="[EVALUATION]",
    examples=(
        (
            "detector card weights=runs/new/weights/new.safetensors out=runs/new/card",
            "thresholds, metrics and calibration on the dev split of the pool",
        ),
        (
            "detector card weights=port-n luck=measure check_ports=24 out=runs/card",
            "all that a shipped card holds; thresholds without a look at the dev split",
        ),
        (
            "detector card runs/evaluate weights=port-n thresholds_from=card out=runs/card",
            "from an evaluation that is there already",
        ),
    ),
)
