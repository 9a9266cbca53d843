"""The classes and the length classes of ships, in the order of the network's outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray


class ObjectClass(IntEnum):
    """Class indices as the network, the labels and the tables use them."""

    SHIP = 0
    CONTAINER_STACK = 1


CLASS_NAMES: Final = ("ship", "container_stack")

SHIP_LENGTH_LIMITS_M: Final = (25.0, 60.0, 150.0)
SHIP_LENGTH_CLASSES: Final = ("<25 m", "25-60 m", "60-150 m", ">=150 m")
LENGTH_UNKNOWN: Final = "unknown"
NO_LENGTH_CLASS: Final = ""


def length_classes(class_ids: NDArray[np.integer], length_m: NDArray[np.floating]) -> list[str]:
    """Length class of every object.

    Args:
        class_ids: `(N,)` values of `ObjectClass`.
        length_m: `(N,)` lengths in metres; NaN where the gsd is unknown.

    Returns:
        `N` names: one of `SHIP_LENGTH_CLASSES` for ships of known length, `LENGTH_UNKNOWN` for
        ships without, `NO_LENGTH_CLASS` for stacks.

    Examples:
        >>> length_classes(np.array([0, 0, 1]), np.array([60.0, np.nan, 40.0]))
        ['60-150 m', 'unknown', '']
    """
    bins = np.digitize(length_m, SHIP_LENGTH_LIMITS_M)
    return [
        NO_LENGTH_CLASS
        if class_id != ObjectClass.SHIP
        else (LENGTH_UNKNOWN if np.isnan(length) else SHIP_LENGTH_CLASSES[bin_])
        for class_id, length, bin_ in zip(class_ids, length_m, bins, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class SourceClasses:
    """What a public dataset's classes are here, and what it labels at all.

    Attributes:
        classes: the source's class names to ours; every other class is not an object here.
        unsure: names of classes whose objects are neither right nor wrong.
        complete_above_px: of each of our classes, the length in pixels from which the source boxes
            every object; None where it does not label the class at all.
        oriented: whether its boxes are oriented.
    """

    classes: Mapping[str, ObjectClass]
    complete_above_px: tuple[float | None, ...]
    unsure: frozenset[str] = frozenset()
    oriented: bool = True


SOURCES: Final[Mapping[str, SourceClasses]] = {
    # Our own boxes, see the pool's read-me; each row says what is labelled.
    "port-pool": SourceClasses(
        {"ship": ObjectClass.SHIP, "container_stack": ObjectClass.CONTAINER_STACK}, (0.0, 0.0)
    ),
    # Xia et al., CVPR 2018; 2.0: Ding et al., TPAMI 2021. Vehicles and ships under about 10 px are
    # left out or "difficult"; containers are no class ("container-crane" is the crane).
    "DOTA": SourceClasses({"ship": ObjectClass.SHIP}, (10.0, None)),
    # Liu et al., ICPRAM 2017: every class is a kind of ship; boats, tugs and barges are mostly left
    # out. Of 40 unmatched proposals looked at, those under 130 px (a tenth of the boxes are) were
    # for two thirds vessels without a box, those over it for one in ten.
    "HRSC2016": SourceClasses({"*": ObjectClass.SHIP}, (130.0, None)),
    # Lam et al., arXiv:1802.07856: axis-aligned; a container or a lot of them is no block of ours.
    "xView": SourceClasses(
        {
            "40": ObjectClass.SHIP,  # maritime vessel
            "41": ObjectClass.SHIP,  # motorboat
            "42": ObjectClass.SHIP,  # sailboat
            "44": ObjectClass.SHIP,  # tugboat
            "45": ObjectClass.SHIP,  # barge
            "47": ObjectClass.SHIP,  # fishing vessel
            "49": ObjectClass.SHIP,  # ferry
            "50": ObjectClass.SHIP,  # yacht
            "51": ObjectClass.SHIP,  # container ship
            "52": ObjectClass.SHIP,  # oil tanker
        },
        (10.0, None),
        oriented=False,
    ),
    # Kaggle's "Ships/Vessels in Aerial Images": one class, axis-aligned, small crops. From which
    # size every vessel is boxed was not measured.
    "kaggle-aerial-ships": SourceClasses({"ship": ObjectClass.SHIP}, (0.0, None), oriented=False),
    # Haroon et al., IEEE JSTARS 2020: axis-aligned; of its 15 classes one is afloat, and of that
    # about ten boats a marina are boxed: see `PARTLY_BOXED_SHIPS`.
    "SIMD": SourceClasses({"Boat": ObjectClass.SHIP}, (None, None), oriented=False),
    # Yang and Newsam, ACM GIS 2010: a class a picture and no boxes. The pool holds pictures of land
    # that somebody looked at, and its rows say so.
    "UCMerced": SourceClasses({}, (None, None)),
    # Container yards, boxed by hand for this project: ships and blocks of containers, all of them.
    "Google-Earth": SourceClasses(
        {"ship": ObjectClass.SHIP, "container_stack": ObjectClass.CONTAINER_STACK}, (0.0, 0.0)
    ),
    # Zamir et al., CVPRW 2019: instance masks of DOTA-v1's scenes, as smallest rectangles; boats
    # from 6 px have a box, smaller ones are in the pool's `labels_ignore`.
    "iSAID": SourceClasses({"ship": ObjectClass.SHIP}, (6.0, None)),
    # Google Earth screenshots at 0.7 to 0.8 m, mostly one ship at sea: polygons as envelopes.
    "ships-aerial": SourceClasses({"ship": ObjectClass.SHIP}, (0.0, None), oriented=False),
    # Container terminals, depots and trains of several sources, boxed for this project.
    "yards": SourceClasses(
        {"ship": ObjectClass.SHIP, "container_stack": ObjectClass.CONTAINER_STACK}, (0.0, 0.0)
    ),
    # Lorry parks, striped roofs, trailers: pictures without an object; the pool's rows say so.
    "negatives": SourceClasses({}, (None, None)),
}

# Pool sources whose axis-aligned ship boxes leave most ships out: SIMD boxes about ten of the
# hundreds of boats in a marina (all three such images of the dev split, by eye). Their boxes are
# ships; the rest of their images is not background, and the class is not scored there.
PARTLY_BOXED_SHIPS: Final = frozenset({"SIMD"})


def complete_above_px(source: str) -> tuple[float, ...]:
    """From which length, in pixels, a source boxes every object; one number for each class.

    Args:
        source: name of a dataset; names such as `DOTA-v1` are of `DOTA`. Unknown ones, and classes
            that a source does not label at all, have 0.
    """
    for name, classes in SOURCES.items():
        if source.startswith(name):
            return tuple(limit or 0.0 for limit in classes.complete_above_px)
    return (0.0,) * len(CLASS_NAMES)
