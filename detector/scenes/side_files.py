"""Whether a raster of the network has files beside it, asked for all at once.

GDAL asks for some thirty files that may lie beside a raster one after the other, and waits for
each answer. A scene that has none of them, as nearly all of the network, is opened without.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import lru_cache, partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

ADDRESS: Final = re.compile(r"(?:/vsicurl/)?(https?://[^?#]+)(\?[^#]*)?")
BEHIND: Final = (".aux.xml", ".aux", ".msk", ".ovr")
INSTEAD: Final = (
    *(".aux", ".xml", ".XML", ".IMD", ".imd", ".RPB", ".rpb", ".PVL", ".pvl", ".TXT", ".txt"),
    *("_rpc.txt", "_RPC.TXT", "_metadata.txt", "_METADATA.txt", "_MTL.txt", "_MTL.TXT"),
    *("_metadata.xml", "_METADATA.XML", ".RPC", ".rpc", ".pass", ".PASS"),
    *(".tfw", ".tifw", ".wld", ".jgw", ".pgw", ".j2w", ".prj", ".tab"),
)
OF_FOLDER: Final = ("METADATA.DIM", "metadata.dim", "summary.txt", "SUMMARY.TXT")
"""Names that GDAL 3 asks for beside a raster: behind its name, instead of its ending, alone."""

NOT_THERE: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
"""Stores that may not be listed refuse what they do not have."""

TRIES: Final = 3
WAIT_S: Final = 10.0
CONNECTIONS: Final = 16


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
    parts = urlsplit(match[1])
    if "@" in parts.netloc or getproxies().get(parts.scheme):
        return False
    names = list(_names(parts.path))
    with ThreadPoolExecutor(CONNECTIONS, "side files") as pool:
        shares = [names[at::CONNECTIONS] for at in range(CONNECTIONS)]
        return all(pool.map(partial(_are_missing, parts.scheme, parts.netloc), shares))


def _names(path: str) -> Iterable[str]:
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    behind = [name + ending for ending in BEHIND]
    instead = [stem + ending for ending in INSTEAD]
    return [f"{folder}/{beside}" for beside in (*behind, *instead, *OF_FOLDER)]


def _are_missing(scheme: str, host: str, names: Iterable[str]) -> bool:
    """Whether a server says of every name that it is not there."""
    make = HTTPSConnection if scheme == "https" else HTTPConnection
    try:
        connection = make(host, timeout=WAIT_S)
        with closing(connection):
            return all(_status(connection, name) in NOT_THERE for name in names)
    except (OSError, HTTPException, ValueError):
        return False


def _status(connection: HTTPConnection, name: str) -> int:
    """What a server says of a name; asked again where it fails for a time."""
    status = 0
    for _ in range(TRIES):
        connection.request("HEAD", name)
        answer = connection.getresponse()
        answer.read()
        status = answer.status
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            break
    return status
