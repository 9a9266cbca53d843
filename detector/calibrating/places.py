"""What an evaluation says of counts, place by place: boxes, what is real, what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.counting.calibration import CalibrationError, read_scale, readable_length_px
from detector.counting.crowding import Crowding, find_crowding
from detector.counting.draws import BoxFacts
from detector.evaluation.table import MEASURES, MatchTable
from detector.evaluation.truth import Measure
from detector.geometry.boxes import centres

REACH_LENGTHS: Final = 5.0  # of a real box: an object missed within it was missed beside it


@dataclass(frozen=True, slots=True)
class CountPlaces:
    """Boxes and objects of one class on places with truth, as counts see them.

    An object is found from `LOOSE_IOU` on: a box that lies badly still counts it.

    Attributes:
        facts: of the D boxes that are counted, those neither right nor wrong left out.
        name: `(D,)` `<image>#<row>`.
        real: `(D,)` whether each finds an object.
        beside: `(D,)` objects missed beside each real box, the nearest in its lengths.
        image: `(D,)`.
        place: `(I,)` name of the place of each image.
        true: `(I,)` objects.
        lone: `(I,)` objects missed farther than `REACH_LENGTHS` from all real boxes.
        mpx: `(I,)` millions of pixels as read.
        missed_px: lengths as read of all objects that were missed.
        covariates: `(D, len(COVARIATES))` of the boxes, at the threshold of their own network.
        real_offset: `(I,)` by how much the log odds of real boxes exceed those of the weights that
            are calibrated: 0, or a sister's.
        found_offset: `(I,)` of recall likewise.
        least_px: `(I,)` length as read from which objects are counted.
    """

    facts: BoxFacts
    name: NDArray[np.str_]
    real: NDArray[np.bool_]
    beside: NDArray[np.int64]
    image: NDArray[np.int64]
    place: NDArray[np.str_]
    true: NDArray[np.int64]
    lone: NDArray[np.int64]
    mpx: NDArray[np.float64]
    missed_px: NDArray[np.float64]
    covariates: NDArray[np.float64]
    real_offset: NDArray[np.float64]
    found_offset: NDArray[np.float64]
    least_px: NDArray[np.float64]

    @property
    def object_places(self) -> int:
        """Places that hold objects."""
        return len(np.unique(self.place[self.true > 0]))

    def images(self, chosen: NDArray[np.bool_]) -> CountPlaces:
        """Some images with their boxes; lengths of missed objects stay those of all.

        Args:
            chosen: `(I,)`.
        """
        mine = chosen[self.image]
        position = np.cumsum(chosen) - 1
        boxes = {
            name: getattr(self, name)[mine] for name in ("name", "real", "beside", "covariates")
        }
        per_image = {
            name: getattr(self, name)[chosen]
            for name in ("place", "true", "lone", "mpx", "real_offset", "found_offset")
        } | {"least_px": self.least_px[chosen]}
        return replace(
            self,
            facts=self.facts.take(mine),
            image=position[self.image[mine]],
            **boxes,
            **per_image,
        )

    def shifted(self, real: float, found: float) -> CountPlaces:
        """The same, as of a network whose log odds exceed those of the weights by so much."""
        return replace(
            self,
            real_offset=np.full(len(self.place), real),
            found_offset=np.full(len(self.place), found),
        )


def count_places(
    table: MatchTable, class_id: int, read_gsd_m: float, conf: float, least_m: float = 0.0
) -> CountPlaces:
    """One class of an evaluation's matches at the thresholds of a card, over what counts claim.

    Args:
        table: `matches_counted.npz` of an evaluation.
        class_id: position in the table's classes.
        read_gsd_m: of the card.
        conf: score from which boxes of the class were counted.
        least_m: only images of known gsd, and in them boxes and objects from this length on.

    Raises:
        CalibrationError: the matches are those of an earlier version.
    """
    if len(table.loose) != len(table.score):
        raise CalibrationError(
            "the matches of this evaluation do not say where boxes lie; run detector evaluate again"
        )
    entry = table.classes[class_id]
    least = readable_length_px(table.gsd_m, read_gsd_m, entry)
    scored = table.measures[:, class_id] != MEASURES.index(Measure.NONE)
    if least_m:
        scored &= ~np.isnan(table.gsd_m)
        least = np.maximum(least, least_m / np.where(scored, table.gsd_m, 1.0))
    boxes = (table.class_id == class_id) & scored[table.image]
    boxes &= ~(table.neutral & (table.loose < 0)) & (table.length_px >= least[table.image])
    wanted = (table.true_class_id == class_id) & scored[table.true_image]
    wanted &= table.true_length_px >= least[table.true_image]
    kept = np.flatnonzero(boxes)
    hits = table.loose[kept]
    real = (hits >= 0) & wanted[np.maximum(hits, 0)] if len(wanted) else np.zeros(len(kept), bool)
    found = np.zeros(len(wanted), np.bool_)
    found[hits[real]] = True
    missed = np.flatnonzero(wanted & ~found)
    beside, alone = _share_out(table, kept, real, missed)
    scale = read_scale(table.gsd_m, read_gsd_m)
    image = table.image[kept]
    facts = BoxFacts(
        table.score[kept],
        table.length_px[kept] / scale[image],
        _crowding(table, kept),
        table.gsd_m[image],
    )
    position = np.cumsum(scored) - 1
    number = len(scored)
    return CountPlaces(
        facts=facts,
        name=np.array([f"{table.names[i]}#{row}" for row, i in enumerate(image)], np.str_),
        real=real,
        beside=beside,
        image=position[image],
        place=table.places[scored],
        true=np.bincount(table.true_image[wanted], minlength=number)[scored],
        lone=np.bincount(table.true_image[alone], minlength=number)[scored],
        mpx=(table.image_px / scale**2 / 1e6)[scored],
        missed_px=np.sort(table.true_length_px[missed] / scale[table.true_image[missed]]),
        covariates=facts.covariates(conf),
        real_offset=np.zeros(int(scored.sum())),
        found_offset=np.zeros(int(scored.sum())),
        least_px=(least / scale)[scored],
    )


def join_places(parts: Sequence[CountPlaces]) -> CountPlaces:
    """Several evaluations as one; places of one name are one place."""
    first = np.cumsum([0, *(len(part.place) for part in parts)])
    together = {
        item.name: np.concatenate([getattr(part, item.name) for part in parts])
        for item in fields(CountPlaces)
        if item.name not in ("facts", "image", "missed_px")
    }
    facts = [part.facts for part in parts]
    return CountPlaces(
        facts=BoxFacts(
            np.concatenate([item.score for item in facts]),
            np.concatenate([item.length_px for item in facts]),
            Crowding(
                np.concatenate([item.crowding.gap_widths for item in facts]),
                np.concatenate([item.crowding.raft for item in facts]),
            ),
            np.concatenate([item.gsd_m for item in facts]),
        ),
        image=np.concatenate(
            [part.image + start for part, start in zip(parts, first[:-1], strict=True)]
        ),
        missed_px=np.sort(np.concatenate([part.missed_px for part in parts])),
        **together,
    )


def _share_out(
    table: MatchTable,
    kept: NDArray[np.int64],
    real: NDArray[np.bool_],
    missed: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many objects were missed beside each box, and which far from all real ones."""
    beside = np.zeros(len(kept), np.int64)
    middle, true_middle = centres(table.corners[kept]), centres(table.true_corners[missed])
    length, image = table.length_px[kept], table.image[kept]
    alone = []
    for at, middle_of, place in zip(missed, true_middle, table.true_image[missed], strict=True):
        near = np.flatnonzero((image == place) & real)
        away = np.hypot(*(middle[near] - middle_of).T) / length[near]
        if len(near) and away.min() < REACH_LENGTHS:
            beside[near[int(away.argmin())]] += 1
        else:
            alone.append(at)
    return beside, np.array(alone, np.int64)


def _crowding(table: MatchTable, kept: NDArray[np.int64]) -> Crowding:
    """Among the boxes of each image."""
    gap, raft = np.zeros(len(kept)), np.zeros(len(kept), np.int64)
    for image in np.unique(table.image[kept]):
        mine = table.image[kept] == image
        found = find_crowding(table.corners[kept[mine]])
        gap[mine], raft[mine] = found.gap_widths, found.raft
    return Crowding(gap, raft)
