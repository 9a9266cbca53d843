"""Chooses the thresholds of a card: on training places, or on those that are evaluated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from detector.calibrating.held_out import FOLDS, SEED
from detector.calibrating.sample import sample_of
from detector.calibrating.thresholds import Balance, balance, next_thresholds, sharpest_threshold
from detector.counting.calibration import CalibrationError
from detector.evaluation.dataset import Dataset
from detector.evaluation.table import MatchTable
from detector.models.card import ModelCard

LOG = logging.getLogger(__name__)
ROUNDS: Final = 4  # of counting and choosing: a merge at other thresholds gives other boxes
CLASS_SHARE: Final = 3  # a class gets one image in so many of the sample, where so many hold it
DIGITS: Final = 4
Balances = Mapping[str, Balance | None]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Thresholds, and how totals come out at them.

    Attributes:
        conf: by class.
        balances: by class; None where nothing could be chosen.
    """

    conf: dict[str, float]
    balances: Balances

    def told(self, data: str, how: str) -> dict[str, Any]:
        """Where they come from, as plain values for a card.

        Args:
            data: on which they were chosen, in words.
            how: likewise.
        """
        told: dict[str, Any] = {"from": data, "how": f"{how}; held out: {FOLDS} folds of places"}
        for name, found in self.balances.items():
            if found is None:
                LOG.warning("%s: no true object or no box in %s; its threshold stays", name, data)
                told[name] = "kept: no true object or no box"
            else:
                told[name] = found.to_card()
        return told


def by_totals(
    card: ModelCard, matches: Callable[[ModelCard], MatchTable], first: MatchTable | None = None
) -> Chosen:
    """Thresholds at which as many objects are counted as there are.

    Args:
        card: whose thresholds are the first that are tried.
        matches: of the images as read by a card, with scores below the thresholds too.
        first: these matches as this card reads them; None where they are not at hand.
    """
    tried: list[tuple[dict[str, float], dict[str, Balance | None]]] = []
    conf = dict(card.conf)
    while len(tried) < ROUNDS and conf not in [earlier for earlier, _ in tried]:
        table = first if first is not None and not tried else matches(replace(card, conf=conf))
        balances = {
            name: balance(sample_of(table, class_id, card.gsd_read_m), conf[name])
            for class_id, name in enumerate(card.classes)
        }
        tried.append((conf, balances))
        LOG.info("thresholds %s: %s", conf, _totals(balances))
        conf = next_thresholds(conf, balances)
    return Chosen(*min(reversed(tried), key=lambda item: _off(item[1])))


def by_f1(card: ModelCard, table: MatchTable) -> Chosen:
    """Thresholds of the best F1, for places that the network knows.

    It is surer of them than of others, so totals there say too high a threshold; where most is
    right and found depends less on it.

    Args:
        card: of the weights.
        table: matches of the places, with scores below the thresholds too.
    """
    balances = {
        name: balance(sample_of(table, class_id, card.gsd_read_m), None, sharpest_threshold)
        for class_id, name in enumerate(card.classes)
    }
    conf = next_thresholds(card.conf, balances)
    LOG.info("thresholds %s: %s", conf, _totals(balances))
    return Chosen(conf, balances)


def with_totals(
    told: Mapping[str, Any], table: MatchTable, card: ModelCard, data: str
) -> dict[str, Any]:
    """What a card tells of its thresholds, with the totals on places that took no part.

    Args:
        told: see `Chosen.told`.
        table: matches of what was counted there.
        card: of the weights.
        data: what they are, in words.
    """
    known = dict(told)
    for class_id, name in enumerate(card.classes):
        sample = sample_of(table, class_id, card.gsd_read_m)
        true, counted = len(sample.true_found), len(sample.score)
        if isinstance(known.get(name), Mapping) and true:
            known[name] = {
                **known[name],
                "elsewhere": {
                    "data": data,
                    "objects": true,
                    "counted": counted,
                    "total_error": round(counted / true - 1, DIGITS),
                },
            }
    return known


def training_sample(dataset: Dataset, like: set[str], number: int) -> Dataset:
    """Some images of a training split, one a place, always the same.

    Of every class one in `CLASS_SHARE` holds an object, where there are so many; the rest is
    random.

    Args:
        dataset: the split.
        like: sources of what the card is measured on: others may show what its counts don't
            claim, such as marinas labelled boat by boat.
        number: of images, at most.

    Raises:
        CalibrationError: no image is of these sources.
    """
    order = np.random.default_rng(SEED).permutation(len(dataset.images)).tolist()
    order = [at for at in order if dataset.images[at].source in like]
    if not order:
        raise CalibrationError(
            "thresholds_from=train: no training image is of a source that is measured on "
            f"({', '.join(sorted(like))}); say thresholds_from=split"
        )
    places: set[str] = set()
    chosen: list[int] = []

    def take(candidates: list[int], most: int) -> None:
        for at in candidates:
            if most > 0 and dataset.images[at].place not in places:
                places.add(dataset.images[at].place)
                chosen.append(at)
                most -= 1

    for class_id in range(len(dataset.images[order[0]].classes)):
        holding = [at for at in order if (dataset.images[at].class_ids == class_id).any()]
        take(holding, number // CLASS_SHARE)
    take(order, number - len(chosen))
    return dataset.take(sorted(chosen))


def _off(balances: Balances) -> float:
    """How far the totals of all classes are off."""
    return sum(abs(found.error) for found in balances.values() if found is not None)


def _totals(balances: Balances) -> str:
    return ", ".join(
        f"{name} {found.counted} of {found.true}"
        for name, found in balances.items()
        if found is not None
    )
