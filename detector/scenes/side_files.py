"""Whether a raster of the network has files beside it, asked for all at once.

GDAL asks for some thirty files that may lie beside a raster one after the other, and waits for
each answer. A scene that has none of them, as nearly all of the network, is opened without.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

ADDRESS: Final = re.compile(r"(?:/vsicurl/)?(https?://[^?#]+)(\?[^#]*)?")
BEHIND: Final = (".aux.xml", ".aux", ".AUX", ".msk", ".MSK", ".ovr", ".OVR")
INSTEAD: Final = (
    *(".aux", ".AUX", ".xml", ".XML", ".IMD", ".imd", ".RPB", ".rpb", ".PVL", ".pvl"),
    *("_rpc.txt", "_RPC.TXT", "_metadata.txt", "_METADATA.txt", "_MTL.txt", "_MTL.TXT"),
    *("_metadata.xml", "_METADATA.XML", ".TXT", ".txt", ".RPC", ".rpc", ".pass", ".PASS"),
    *(".tfw", ".TFW", ".tifw", ".TIFW", ".wld", ".WLD", ".jgw", ".JGW", ".pgw", ".PGW"),
    *(".j2w", ".J2W", ".prj", ".PRJ", ".tab", ".TAB"),
)
OF_FOLDER: Final = ("METADATA.DIM", "metadata.dim", "summary.txt", "SUMMARY.TXT")
"""Names that GDAL 3 asks for beside a raster: behind its name, instead of its ending, alone."""

NOT_THERE: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
"""Stores that may not be listed refuse what they do not have."""

TRIES: Final = 3
WAIT_S: Final = 10.0
AT_ONCE: Final = 32


@lru_cache(maxsize=256)
def is_alone(path: str) -> bool:
    """Whether a raster of the network surely has no file beside it that GDAL would read.

    Args:
        path: a name that the user allows us to ask for.

    Returns:
        False where it has one, where a server does not tell, and of names that are no address.
        True of an address with a query, as signed ones are: GDAL puts the endings behind the
        query, and a server may give the raster itself for each.
    """
    match = ADDRESS.fullmatch(path)
    if match is None or match[2]:
        return match is not None
    names = list(_names(match[1]))
    with ThreadPoolExecutor(AT_ONCE, "side files") as pool:
        return all(pool.map(_is_missing, names))


def _names(address: str) -> Iterable[str]:
    parts = urlsplit(address)
    folder, _, name = parts.path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    for beside in (
        *(name + ending for ending in BEHIND),
        *(stem + ending for ending in INSTEAD),
        *OF_FOLDER,
    ):
        yield urlunsplit(parts._replace(path=f"{folder}/{beside}"))


def _is_missing(address: str) -> bool:
    for _ in range(TRIES):
        try:
            with urlopen(Request(address, method="HEAD"), timeout=WAIT_S):  # noqa: S310 - http(s)
                return False
        except HTTPError as error:
            if error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                return error.code in NOT_THERE
        except (OSError, ValueError):
            return False
    return False
