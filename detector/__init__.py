"""Quaywatch: ships and container stacks in overhead imagery of ports, counted.

    results = detector.predict("najin_2023-10-13.tif", zones="najin.geojson")
    results.counts

The front door is what `__all__` names; it is loaded when it is first asked for, so that
`import detector` takes no time. Behind it the package reads in the order of the data: `scenes`,
`tiling`, `models`, `inference`, `detections`, `counting`, `export`, `activity`, `report`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from detector import _quiet

_quiet.apply()

from detector._version import __version__  # noqa: E402

if TYPE_CHECKING:
    from detector.api.activities import find_activity as find_activity
    from detector.api.drawing import render as render
    from detector.api.learning import evaluate as evaluate
    from detector.api.learning import train as train
    from detector.api.predicting import load_detector as load_detector
    from detector.api.predicting import open_scene as open_scene
    from detector.api.predicting import predict as predict
    from detector.api.results import Result as Result
    from detector.api.results import Results as Results
    from detector.detections import Detections as Detections

# Where each name lives. No module of the package is called like one of them: Python sets a module
# as an attribute of its package, and `detector.predict` would stop being the function.
_HOMES = {
    "Detections": "detector.detections",
    "Result": "detector.api.results",
    "Results": "detector.api.results",
    "evaluate": "detector.api.learning",
    "find_activity": "detector.api.activities",
    "load_detector": "detector.api.predicting",
    "open_scene": "detector.api.predicting",
    "predict": "detector.api.predicting",
    "render": "detector.api.drawing",
    "train": "detector.api.learning",
}

__all__ = [
    "Detections",
    "Result",
    "Results",
    "__version__",
    "evaluate",
    "find_activity",
    "load_detector",
    "open_scene",
    "predict",
    "render",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
