"""One road to a card: thresholds, luck, metrics and calibration, all measured, nothing by hand.

The card and its weights are written into a folder of the run. What lies beside the weights that are
read stays as it is: an installed package is never written to.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import yaml

from detector import resources
from detector._version import __version__
from detector.calibrating.blocks import BlockImage, block_image, fit_blocks, read_block_images
from detector.calibrating.calibrate import (
    Evaluated,
    Further,
    Seen,
    Sister,
    calibrate,
    read_evaluation,
)
from detector.calibrating.choosing import by_f1, by_totals, training_sample, with_totals
from detector.calibrating.kept import FOLDER, Kept
from detector.calibrating.length_rows import real_rows, rendered_rows
from detector.calibrating.lengths import BANDS_PX, COARSE_BANDS_PX, ROWS_FILE, fit_lengths
from detector.calibrating.luck import LOOKS, measure_luck
from detector.counting.calibration import COARSE_READ_M, Calibration, CalibrationError
from detector.errors import ConfigError
from detector.evaluation.dataset import Dataset
from detector.evaluation.evaluator import CARD_FILE, EvaluationSettings, run_evaluation
from detector.evaluation.predicting import FLOOR
from detector.evaluation.summary import Predictions
from detector.evaluation.table import MatchTable, match_images
from detector.files import atomic_path, held_folder
from detector.models.card import SUFFIX, ModelCard, sha256_of
from detector.models.detector import (
    CARD_SUFFIX,
    Detector,
    DetectorSettings,
    find_card,
)
from detector.progress import Progress, SilentProgress
from detector.rendering.examples import load_detector
from detector.stacks.block_model import CARD_KEY, BlockModel
from detector.wording import counted

LOG = logging.getLogger(__name__)
ALONE: Final = 1.0  # floor of predictions of which only what is counted is wanted
Thresholds = Literal["split", "train", "card"]
Luck = Literal["card", "measure"]
Data = Callable[[], tuple[Dataset, str]]
"""Images with their truth, and what to call them; read when they are needed."""


@dataclass(frozen=True, slots=True)
class CardSettings:
    """How a card is made.

    Attributes:
        out: folder of the card and its weights.
        detector: which weights run where.
        name: of the card; empty for that of the card that is read.
        thresholds: `train` chooses them by F1 on a sample of the training split, `split` by totals
            on the images that are evaluated, `card` keeps them.
        threshold_images: of the training split, at most.
        luck: `measure`, or `card` keeps it.
        evaluation: folder of a finished evaluation of these weights, or None.
        sister: weights that trained on fewer places; what they find on training places that they
            never saw joins the fit of counts. None for none.
        length_sites: rendered sites on which lengths are measured; 0 keeps the card's `lengths`.
    """

    out: Path
    detector: DetectorSettings
    name: str = ""
    thresholds: Thresholds = "train"
    threshold_images: int = 160
    luck: Luck = "card"
    evaluation: Path | None = None
    sister: DetectorSettings | None = None
    length_sites: int = 16


@dataclass(frozen=True, slots=True)
class CardData:
    """What a card is measured on.

    Attributes:
        evaluated: places that the network never saw: metrics, calibration and, where asked,
            thresholds.
        trained: the training split, for thresholds.
        check: other places, on which the coverage of the intervals is checked; None for no check.
        also: further places that the network never saw, for the fit of counts; None for none.
    """

    evaluated: Data
    trained: Data
    check: Data | None = None
    also: Data | None = None


@dataclass(frozen=True, slots=True)
class MadeCard:
    """What was made.

    Attributes:
        card: as it was written.
        weights: path of the safetensors file, the card beside it.
        calibration: that the card holds.
        blocks: what boxes of container stacks are worth, of the card; None where it is not known.
    """

    card: ModelCard
    weights: Path
    calibration: Calibration
    blocks: BlockModel | None = None


def make_card(settings: CardSettings, data: CardData, progress: Progress | None = None) -> MadeCard:
    """Measure weights and write their card. Equal inputs give equal bytes.

    Raises:
        ConfigError: the folder belongs to the program or holds the weights themselves.
        CalibrationError: the evaluation is of other weights, or nothing can be measured.
        WeightsError: weights or card cannot be read.
        OutputError: the folder cannot be written to.
    """
    source = find_card(settings.detector.weights)
    _check_folder(settings.out, source)
    card = ModelCard.read(source)
    folder = settings.evaluation
    given = read_evaluation(folder, card) if folder is not None else None
    desk = _Desk(settings, data, given, progress or SilentProgress())
    with held_folder(settings.out):
        return _measured(desk, card, source)


def _measured(desk: _Desk, card: ModelCard, source: Path) -> MadeCard:
    """The card of weights, measured and written."""
    settings = desk.settings
    card = _with_thresholds(_with_luck(card, desk), desk)
    evaluated, check = desk.evaluations(card)
    calibration = calibrate(evaluated, desk.further(card, check), card)
    blocks = desk.blocks(card, evaluated)
    metrics = yaml.safe_load((evaluated.folder / CARD_FILE).read_text(encoding="utf-8"))
    made = replace(
        card,
        lengths=desk.lengths(card, evaluated),
        name=settings.name or card.name,
        metrics=metrics,
        calibration={
            **calibration.to_card(),
            **({} if blocks is None else {CARD_KEY: blocks.to_card()}),
        },
        sources={
            **_with_elsewhere(card, desk, evaluated),
            "metrics": evaluated.data,
            "version": __version__,
        },
    )
    return MadeCard(
        made, _write(made, card.weights_beside(source), settings.out), calibration, blocks
    )


def _with_elsewhere(card: ModelCard, desk: _Desk, evaluated: Evaluated) -> Mapping[str, Any]:
    """Sources of a card; thresholds of training places with the totals on those evaluated."""
    if desk.settings.thresholds != "train":
        return card.sources
    told = with_totals(card.sources["thresholds"], evaluated.counted, card, evaluated.data)
    return {**card.sources, "thresholds": told}


@dataclass(frozen=True)
class _Desk:
    """Where it is measured: the network is loaded once, and only if something needs it."""

    settings: CardSettings
    data: CardData
    given: Evaluated | None
    progress: Progress

    @cached_property
    def detector(self) -> Detector:
        return load_detector(self.settings.detector)

    def reading(self, card: ModelCard) -> Detector:
        """The network, read as a card says."""
        one = self.detector
        conf = np.array([card.conf[name] for name in card.classes], np.float32)
        how = (one.iou, one.threads, one.precision, one.open_tiles)
        return Detector(card, one.backend, one.batch, conf, *how)

    @cached_property
    def measured(self) -> tuple[Dataset, str]:
        """The images that are measured on, read once."""
        return self.data.evaluated()

    @cached_property
    def evaluated(self) -> tuple[Dataset, str]:
        """The images of the evaluation, and what to call them."""
        dataset, name = self.measured
        if self.given is not None and self.given.data != name:
            raise CalibrationError(
                f"{self.given.folder}: an evaluation of {self.given.data}, not of {name}, but it "
                "has to be made anew at other thresholds; say data= and split= as it was"
            )
        return dataset, name

    @cached_property
    def chosen_on(self) -> tuple[Dataset, str]:
        """The images on which thresholds are chosen and luck is measured."""
        if self.settings.thresholds != "train":
            return self.evaluated
        dataset, name = self.data.trained()
        like = [self.measured[0], *([self.data.also()[0]] if self.data.also is not None else [])]
        sources = {image.source for part in like for image in part.images}
        sample = training_sample(dataset, sources, self.settings.threshold_images)
        return sample, f"{counted(len(sample.images), 'image')} of {name}"

    @cached_property
    def kept(self) -> Kept:
        """What was measured before into the same folder."""
        return Kept(self.settings.out / FOLDER)

    def found(self, dataset: Dataset, card: ModelCard, floor: float = FLOOR) -> Predictions:
        """What the network finds on images, read as a card says."""
        return self.kept.predictions(
            dataset, card, lambda: self.reading(card), floor=floor, progress=self.progress
        )

    def matches(self, dataset: Dataset, card: ModelCard) -> MatchTable:
        """All matches of images, with scores below the thresholds too."""
        found = self.found(dataset, card)
        return match_images(dataset.images, found.complete, with_prob_iou=False)

    def lengths(self, card: ModelCard, evaluated: Evaluated) -> Mapping[str, Any]:
        """How far lengths are off, by rendered sites and places of the evaluation."""
        sites = self.settings.length_sites
        if not sites:
            return card.lengths
        rendered = rendered_rows(card, lambda: self.reading(card), sites, self.kept, self.progress)
        real = real_rows(evaluated.complete, card.gsd_read_m)
        rows = pd.concat([rendered, real], ignore_index=True)
        with atomic_path(self.settings.out / ROWS_FILE) as temporary:
            rows.to_parquet(temporary)
        places = counted(real["place"].nunique(), "place")
        told = f"{counted(sites, 'rendered site')} in pieces, and {places} of {evaluated.data}"
        bands = COARSE_BANDS_PX if card.gsd_read_m >= COARSE_READ_M else BANDS_PX
        return fit_lengths(rows, told, card.class_set, bands)

    def evaluations(self, card: ModelCard) -> tuple[Evaluated, Evaluated | None]:
        """The evaluation that the card tells, made anew where it is not at hand, and the check."""
        evaluated = self.given
        if evaluated is None or not evaluated.reads_as(card):
            evaluated = self._evaluate("evaluation", *self.evaluated, card)
        if self.data.check is None:
            return evaluated, None
        return evaluated, self._evaluate("check", *self.data.check(), card)

    def blocks(self, card: ModelCard, evaluated: Evaluated) -> BlockModel | None:
        """What boxes of container stacks are worth, by the evaluation and further places."""
        class_ids = card.class_set.with_role("containers")
        if not class_ids:
            return None
        dataset, name = self.measured
        if name != evaluated.data:
            LOG.warning(
                "not calibrated: areas and TEU of stacks: %s is an evaluation of %s, not of %s; "
                "say data= and split= as it was",
                *(evaluated.folder, evaluated.data, name),
            )
            return None
        images = read_block_images(dataset, evaluated.folder, class_ids[0])
        if self.data.also is not None:
            further, other = self.data.also()
            images += self._blocks_of(further, card, class_ids[0])
            name = f"{name}, and {other}"
        return fit_blocks(images, name)

    def _blocks_of(self, dataset: Dataset, card: ModelCard, class_id: int) -> list[BlockImage]:
        pairs = zip(dataset.images, self.found(dataset, card, ALONE).counted, strict=True)
        seen = [block_image(image, boxes, class_id) for image, boxes in pairs]
        return [image for image in seen if image is not None]

    def further(self, card: ModelCard, check: Evaluated | None) -> Further:
        """What else counts are fitted on: further places, and those that a sister never saw."""
        also = self.data.also() if self.data.also is not None else None
        own = None
        if also is not None:
            own = _seen(*also, self.found(also[0], card, ALONE), card)
        settings = self.settings.sister
        if settings is None:
            return Further(own, None, check)
        sister = ModelCard.read(find_card(settings.weights))

        @cache
        def loaded() -> Detector:
            return load_detector(settings)

        def seen(dataset: Dataset, name: str) -> Seen:
            found = self.kept.predictions(
                dataset, sister, loaded, floor=ALONE, progress=self.progress
            )
            return _seen(dataset, name, found, sister)

        unseen = unseen_by(self.data.trained()[0], sister)
        name = f"training places that {sister.name} never saw, by it"
        return Further(own, Sister(seen(*self.evaluated), seen(unseen, name)), check)

    def _evaluate(self, folder: str, dataset: Dataset, name: str, card: ModelCard) -> Evaluated:
        settings = EvaluationSettings(self.settings.out / folder, self.settings.detector)
        found = self.found(dataset, card)
        run_evaluation(
            dataset, name, settings, self.progress, detector=self.reading(card), found=found
        )
        return read_evaluation(settings.out, card)


def _seen(dataset: Dataset, name: str, found: Predictions, card: ModelCard) -> Seen:
    """What is counted of images."""
    table = match_images(dataset.images, found.counted, with_prob_iou=False)
    return Seen(name, table, card.conf)


def unseen_by(dataset: Dataset, card: ModelCard) -> Dataset:
    """The images of places on which a network did not train, of sources of which it knows others.

    What it makes of a source that it never saw, such as marinas that are labelled boat by boat,
    says nothing of a network that knows them.

    Raises:
        CalibrationError: the card does not say on which places it trained, or none is left.
    """
    trained = set(card.training.get("places", ()))
    if not trained:
        raise CalibrationError(
            f"sister={card.name}: its card does not name the places that it trained on, so none is "
            "known to be new to it; name other weights, or none"
        )
    sources = card.training.get("data", {}).get("images", {})
    kept = [
        i
        for i, image in enumerate(dataset.images)
        if image.place not in trained and (not sources or image.source in sources)
    ]
    if not kept:
        raise CalibrationError(
            f"sister={card.name}: none of {len(dataset.images)} images of the training split is of "
            "a place that is new to it and of a source that it knows; name weights that trained on "
            "fewer places, or none"
        )
    return dataset.take(kept)


def _with_luck(card: ModelCard, desk: _Desk) -> ModelCard:
    """The card with its luck and where that comes from."""
    if desk.settings.luck == "card":
        told = card.sources.get("luck", {"from": f"the card of {card.name}"})
        return replace(card, sources={**card.sources, "luck": told})
    dataset, name = desk.chosen_on
    found = measure_luck(dataset, desk.reading(card), desk.progress)
    told = {
        "from": name,
        "how": f"one tile against tiles that overlap, single images at {LOOKS} places each",
        "images": found.images,
        "ships_in_one_look": found.one_look,
        "ships_in_several": found.several_looks,
    }
    return replace(card, luck=found.luck, sources={**card.sources, "luck": told})


def _with_thresholds(card: ModelCard, desk: _Desk) -> ModelCard:
    """The card with its thresholds and where they come from."""
    source = desk.settings.thresholds
    if source == "card":
        told = card.sources.get("thresholds", {"from": f"the card of {card.name}"})
        return replace(card, sources={**card.sources, "thresholds": told})
    if source == "train":
        dataset, data = desk.chosen_on
        chosen = by_f1(card, desk.matches(dataset, card))
        told = chosen.told(data, "best F1 of what the counts claim; the network trained on them")
        return replace(card, conf=chosen.conf, sources={**card.sources, "thresholds": told})
    first = desk.given if desk.given is not None and desk.given.luck in (None, card.luck) else None
    if first is not None:
        card = replace(card, conf=first.conf)
    chosen = by_totals(
        card,
        lambda read: desk.matches(desk.chosen_on[0], read),
        None if first is None else first.complete,
    )
    told = chosen.told(
        first.data if first is not None else desk.chosen_on[1],
        "totals of what the counts claim",
    )
    return replace(card, conf=chosen.conf, sources={**card.sources, "thresholds": told})


def _check_folder(out: Path, source: Path) -> None:
    """Refuse to write where the program or the weights that are read lie."""
    place = out.resolve()
    for folder in (resources.PACKAGE, resources.conf_dir(), resources.weights_dir()):
        if place.is_relative_to(folder.resolve()):
            raise ConfigError(
                f"out={out}: belongs to the program, which is never written to; name a folder of "
                "your own and copy card and weights from there"
            )
    if place == source.resolve().parent:
        raise ConfigError(
            f"out={out}: the weights that are read lie there, and their card stays as it is; name "
            "another folder"
        )


def _write(card: ModelCard, weights: Path, out: Path) -> Path:
    """Weights first, then the card that tells of them. Returns the path to name as `weights=`."""
    named = out / f"{card.name}{SUFFIX}"
    copy = card.weights_beside(named.with_suffix(CARD_SUFFIX))
    if not copy.is_file() or sha256_of(copy) != card.sha256:
        with atomic_path(copy) as temporary:
            shutil.copyfile(weights, temporary)
    with atomic_path(named.with_suffix(CARD_SUFFIX)) as temporary:
        temporary.write_text(card.to_yaml(), encoding="utf-8")
    return named
