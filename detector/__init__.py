"""Quaywatch: ships and container stacks in overhead imagery of ports, counted.

The package reads in the order of the data: `scenes`, `tiling`, `models`, `inference`,
`detections`, `counting`, `export`.
"""

from detector import _quiet

_quiet.apply()

from detector._version import __version__  # noqa: E402

__all__ = ["__version__"]
