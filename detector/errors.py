"""The errors that a user can cause, each one clear sentence with the way out."""

import difflib
import re
from collections.abc import Iterable

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


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


def shown(text: str) -> str:
    r"""Text for a terminal: control characters and half surrogates as escapes, lines kept.

    Names of files can hold codes that move the cursor, change the title or hide a line.

    Examples:
        >>> shown("a\x1b[2Jb.tif")
        'a\\x1b[2Jb.tif'
    """
    return UNPRINTABLE.sub(lambda found: repr(found.group())[1:-1], text)


def nearest(word: str, valid: Iterable[str], alike: float = 0.5) -> str:
    """`; did you mean 'x'?`, or nothing where no valid word is so much alike."""
    found = difflib.get_close_matches(word, list(valid), n=1, cutoff=alike)
    return f"; did you mean '{found[0]}'?" if found else ""
