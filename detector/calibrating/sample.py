"""What an evaluation says of one class: boxes, true objects, places; the basis of calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.counting.calibration import readable_length_px
from detector.evaluation.table import MEASURES, MatchTable
from detector.evaluation.truth import Measure

SQUARE_M_A_KM2: Final = 1e6


@dataclass(frozen=True, slots=True)
class Sample:
    """Matched boxes and true objects of one class on places with truth.

    Attributes:
        score: `(D,)` of the boxes that are counted; neither-right-nor-wrong ones left out.
        real: `(D,)` whether each is a true object.
        length_m: `(D,)` of the boxes, NaN where the gsd is unknown.
        image: `(D,)` position of its image.
        true_image: `(T,)` image of each true object.
        true_found: `(T,)` whether it was found.
        true_length_m: `(T,)` NaN where the gsd is unknown.
        place: `(I,)` position of the place of each image, those without objects too; -1 for images
            that don't score the class.
        gsd_m: `(I,)` NaN where it is unknown.
        on_water: `(D,)` whether the centre of each box is on water: 1, 0, or NaN where unknown.
        area_km2: `(I, 2)` of land and of water; NaN where the gsd or the ground is unknown.
        whole_km2: `(I,)` of all ground; NaN where the gsd is unknown.
    """

    score: NDArray[np.float64]
    real: NDArray[np.bool_]
    length_m: NDArray[np.float64]
    image: NDArray[np.int64]
    true_image: NDArray[np.int64]
    true_found: NDArray[np.bool_]
    true_length_m: NDArray[np.float64]
    place: NDArray[np.int64]
    gsd_m: NDArray[np.float64]
    on_water: NDArray[np.float64]
    area_km2: NDArray[np.float64]
    whole_km2: NDArray[np.float64]

    @property
    def n_places(self) -> int:
        """Places that hold true objects."""
        return len(np.unique(self.place[self.true_image]))

    @property
    def places(self) -> NDArray[np.int64]:
        """All places, ascending."""
        return np.unique(self.place[self.place >= 0])

    def boxes_of(self, image: int) -> NDArray[np.int64]:
        """Positions of the boxes of an image."""
        return np.flatnonzero(self.image == image)

    def of_places(self, chosen: NDArray[np.int64]) -> Sample:
        """The same of some places only; positions of images and places stay."""
        inside = np.isin(self.place, chosen)
        part = self.take(inside[self.image], inside[self.true_image])
        return replace(part, place=np.where(inside, self.place, -1))

    def longer_than(self, length_m: float) -> Sample:
        """Images of known gsd only, and of them boxes and true objects from a length on."""
        chosen = self.take(self.length_m >= length_m, self.true_length_m >= length_m)
        return replace(chosen, place=np.where(np.isnan(self.gsd_m), -1, self.place))

    def take(self, boxes: NDArray[np.bool_], true: NDArray[np.bool_]) -> Sample:
        """Some boxes and true objects; positions of images and places stay."""
        return Sample(
            self.score[boxes],
            self.real[boxes],
            self.length_m[boxes],
            self.image[boxes],
            self.true_image[true],
            self.true_found[true],
            self.true_length_m[true],
            self.place,
            self.gsd_m,
            self.on_water[boxes],
            self.area_km2,
            self.whole_km2,
        )


def sample_of(
    table: MatchTable,
    class_id: int,
    read_gsd_m: float,
) -> Sample:
    """One class of an evaluation's matches at the thresholds of the card.

    Images that don't score the class are left out, boxes that are neither right nor wrong too. What
    is too short to be read takes no part: such true objects are not expected, such boxes not
    counted, and a long box on a short object is not real.

    Args:
        table: `matches_counted.npz` of an evaluation.
        class_id: position in the table's classes.
        read_gsd_m: of the card, see `readable_length_px`.
    """
    least = readable_length_px(table.gsd_m, read_gsd_m, table.classes[class_id])
    scored = table.measures[:, class_id] != MEASURES.index(Measure.NONE)
    boxes = (table.class_id == class_id) & scored[table.image]
    boxes &= ~(table.neutral & (table.found[0] < 0))
    boxes &= table.length_px >= least[table.image]
    wanted = (table.true_class_id == class_id) & scored[table.true_image]
    wanted &= table.true_length_px >= least[table.true_image]
    true = np.flatnonzero(wanted)
    hits = table.found[0][boxes]
    real = hits >= 0
    real[real] = wanted[hits[real]]
    _, place = np.unique(table.places, return_inverse=True)
    on_water = table.on_water if len(table.on_water) else np.full(len(table.score), np.nan)
    whole, water = _areas_km2(table)
    return Sample(
        score=table.score[boxes],
        real=real,
        length_m=table.length_px[boxes] * table.gsd_m[table.image[boxes]],
        image=table.image[boxes],
        true_image=table.true_image[true],
        true_found=np.isin(true, hits[real]),
        true_length_m=table.true_length_px[true] * table.gsd_m[table.true_image[true]],
        place=np.where(scored, place, -1).astype(np.int64),
        gsd_m=table.gsd_m,
        on_water=on_water[boxes],
        area_km2=np.stack([whole - water, water], axis=1),
        whole_km2=whole,
    )


def _areas_km2(table: MatchTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each image and of the water in it; NaN where unknown, as in files of older runs."""
    if not len(table.image_px):
        unknown = np.full(len(table.names), np.nan)
        return unknown, unknown
    pixel = table.gsd_m**2 / SQUARE_M_A_KM2
    return table.image_px * pixel, table.water_px * pixel
