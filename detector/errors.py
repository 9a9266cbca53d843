"""The errors that a user can cause, each one clear sentence with the way out."""

import difflib
from collections.abc import Iterable


class QuaywatchError(Exception):
    """Base of all errors that are shown without a traceback, with exit code 2."""


class ConfigError(QuaywatchError):
    """An unknown key, a wrong type or a value out of range."""


class SceneError(QuaywatchError):
    """A scene that cannot be opened, read or used."""


class GeometryError(QuaywatchError):
    """A box or polygon that is not finite or not simple."""


class ZonesError(QuaywatchError):
    """A zones file that cannot be read or used."""


class WeightsError(QuaywatchError):
    """Weights or a card that are missing, damaged or of another kind."""


class DeviceError(QuaywatchError):
    """A device or backend that is not there."""


class OutputError(QuaywatchError):
    """An output folder or file that cannot be written."""


class PluginError(QuaywatchError):
    """A plug-in that cannot be loaded or used, or a name that two want."""


def nearest(word: str, valid: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no valid word is near."""
    found = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.5)
    return f"; did you mean '{found[0]}'?" if found else ""
