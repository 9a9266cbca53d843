"""The classes and the length classes of ships, in the order of the network's outputs."""

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
