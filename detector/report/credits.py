"""Whom the imagery of a scene is owed to, as far as what lies in and beside it tells."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from detector.errors import SceneError
from detector.scenes.guard import open_raster
from detector.scenes.metadata import read_sidecar

PLAIN_KEYS: Final = ("attribution", "credit", "copyright")
COPYRIGHT_TAG: Final = "TIFFTAG_COPYRIGHT"
OWNING_ROLES: Final = ("producer", "licensor")
LONGEST_CREDIT: Final = 200  # characters

logger = logging.getLogger(__name__)


def read_credit(path: str) -> str:
    """The credit of a scene's imagery in one line; empty where nothing tells.

    In this order: `attribution`, `credit` or `copyright` of the side file's properties; the
    producers and licensors among its `providers` (STAC), with its licence; the file's copyright
    tag.

    Args:
        path: of the raster, as a run names it.
    """
    for text in _told(path):
        line = " ".join(text.split())[:LONGEST_CREDIT]
        if line:
            return line
    return ""


def _told(path: str) -> Iterator[str]:
    item = read_sidecar(path)
    properties = item.get("properties", {})
    for holder in (properties, item):
        for key in PLAIN_KEYS:
            if isinstance(holder.get(key), str):
                yield holder[key]
    yield _providers(properties, item)
    try:
        with open_raster(path, (path,)) as dataset:
            yield str(dataset.tags().get(COPYRIGHT_TAG, ""))
    except SceneError as error:
        logger.debug("%s: no credit can be read (%s)", path, error)


def _providers(properties: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    for holder in (properties, item):
        found = holder.get("providers")
        if not isinstance(found, list):
            continue
        rows = [row for row in found if isinstance(row, dict) and isinstance(row.get("name"), str)]
        owners = [row["name"] for row in rows if set(row.get("roles") or ()) & {*OWNING_ROLES}]
        names = list(dict.fromkeys(owners or [row["name"] for row in rows]))
        licence = holder.get("license")
        if names:
            told = ", ".join(names)
            return f"{told} ({licence})" if isinstance(licence, str) and licence else told
    return ""
