"""Quaywatch: ships and container stacks in overhead imagery of ports, counted.

The package reads in the order of the data: `scenes`, `tiling`, `models`, `inference`,
`detections`, `counting`, `export`.

`detector.find_activity(sites, runs)`, also `detector.activity(sites, runs)`, gives the tables of
`detector activity`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from detector import _quiet

_quiet.apply()

from detector._version import __version__  # noqa: E402

if TYPE_CHECKING:
    from detector import activity as activity
    from detector.activity.api import find_activity as find_activity

__all__ = ["__version__", "activity", "find_activity"]


def __getattr__(name: str) -> Any:
    """What is loaded when it is asked for, so that `import detector` stays light."""
    if name == "activity":
        return import_module("detector.activity")
    if name == "find_activity":
        return import_module("detector.activity").find_activity
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
