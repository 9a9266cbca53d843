"""What public datasets label: the table of sources, by the names of our classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from detector.classes import PORT, ClassSet


@dataclass(frozen=True, slots=True)
class SourceClasses:
    """What a public dataset's classes are here, and what it labels at all.

    Attributes:
        classes: the source's class names to ours; every other class is not an object here.
        complete_above_px: of each of our classes that it labels, the length in pixels from which
            the source boxes every object.
        unsure: names of classes whose objects are neither right nor wrong.
        oriented: whether its boxes are oriented.
    """

    classes: Mapping[str, str]
    complete_above_px: Mapping[str, float]
    unsure: frozenset[str] = frozenset()
    oriented: bool = True


SOURCES: Final[Mapping[str, SourceClasses]] = {
    # Our own boxes, see the pool's read-me; each row says what is labelled.
    "port-pool": SourceClasses(
        {"ship": "ship", "container_stack": "container_stack"},
        {"ship": 0.0, "container_stack": 0.0},
    ),
    # Xia et al., CVPR 2018; 2.0: Ding et al., TPAMI 2021. Vehicles and ships under about 10 px are
    # left out or "difficult"; containers are no class ("container-crane" is the crane).
    "DOTA": SourceClasses({"ship": "ship"}, {"ship": 10.0}),
    # Liu et al., ICPRAM 2017: every class is a kind of ship; boats, tugs and barges are mostly left
    # out. Of 40 unmatched proposals looked at, those under 130 px (a tenth of the boxes are) were
    # for two thirds vessels without a box, those over it for one in ten.
    "HRSC2016": SourceClasses({"*": "ship"}, {"ship": 130.0}),
    # Lam et al., arXiv:1802.07856: axis-aligned; a container or a lot of them is no block of ours.
    "xView": SourceClasses(
        {
            "40": "ship",  # maritime vessel
            "41": "ship",  # motorboat
            "42": "ship",  # sailboat
            "44": "ship",  # tugboat
            "45": "ship",  # barge
            "47": "ship",  # fishing vessel
            "49": "ship",  # ferry
            "50": "ship",  # yacht
            "51": "ship",  # container ship
            "52": "ship",  # oil tanker
        },
        {"ship": 10.0},
        oriented=False,
    ),
    # Kaggle's "Ships/Vessels in Aerial Images": one class, axis-aligned, small crops. From which
    # size every vessel is boxed was not measured.
    "kaggle-aerial-ships": SourceClasses({"ship": "ship"}, {"ship": 0.0}, oriented=False),
    # Haroon et al., IEEE JSTARS 2020: axis-aligned; of its 15 classes one is afloat, and of that
    # about ten boats a marina are boxed: see `PARTLY_BOXED_SHIPS`.
    "SIMD": SourceClasses({"Boat": "ship"}, {}, oriented=False),
    # Yang and Newsam, ACM GIS 2010: a class a picture and no boxes. The pool holds pictures of land
    # that somebody looked at, and its rows say so.
    "UCMerced": SourceClasses({}, {}),
    # Container yards, boxed by hand for this project: ships and blocks of containers, all of them.
    "Google-Earth": SourceClasses(
        {"ship": "ship", "container_stack": "container_stack"},
        {"ship": 0.0, "container_stack": 0.0},
    ),
    # Zamir et al., CVPRW 2019: instance masks of DOTA-v1's scenes, as smallest rectangles; boats
    # from 6 px have a box, smaller ones are in the pool's `labels_ignore`.
    "iSAID": SourceClasses({"ship": "ship"}, {"ship": 6.0}),
    # Google Earth screenshots at 0.7 to 0.8 m, mostly one ship at sea: polygons as envelopes.
    "ships-aerial": SourceClasses({"ship": "ship"}, {"ship": 0.0}, oriented=False),
    # Container terminals, depots and trains of several sources, boxed for this project.
    "yards": SourceClasses(
        {"ship": "ship", "container_stack": "container_stack"},
        {"ship": 0.0, "container_stack": 0.0},
    ),
    # Lorry parks, striped roofs, trailers: pictures without an object; the pool's rows say so.
    "negatives": SourceClasses({}, {}),
}

# Pool sources whose axis-aligned ship boxes leave most ships out: SIMD boxes about ten of the
# hundreds of boats in a marina (all three such images of the dev split, by eye). Their boxes are
# ships; the rest of their images is not background, and the class is not scored there.
PARTLY_BOXED_SHIPS: Final = frozenset({"SIMD"})


def complete_above_px(source: str, classes: ClassSet = PORT) -> tuple[float, ...]:
    """From which length, in pixels, a source boxes every object; one number for each class.

    Args:
        source: name of a dataset; names such as `DOTA-v1` are of `DOTA`. Unknown ones, and classes
            that a source does not label at all, have 0.
        classes: of the labels.
    """
    known = next((row for name, row in SOURCES.items() if source.startswith(name)), None)
    limits = known.complete_above_px if known is not None else {}
    return tuple(limits.get(name, 0.0) for name in classes.names)
