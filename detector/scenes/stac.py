"""Scenes that a STAC item, catalog, file of search results or API names: `stac:catalog.json`.

An item tells of its scene what a table of scenes tells, and which of its assets holds the pixels.
Links are followed within this disk, or within the host that the user names; what leads elsewhere is
said. Links that are signed for a time are taken as they are: signing is left to the user.
"""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urljoin, urlsplit
from urllib.request import Request, urlopen

from detector.documents import DocumentError, parse_json, read_json
from detector.errors import QuaywatchError
from detector.scenes.limits import ANGLE_LIMITS_DEG
from detector.scenes.metadata import ANGLE_KEYS
from detector.scenes.types import ViewAngles

PREFIX: Final = "stac:"
USUAL_ASSETS: Final = ("visual", "ortho_visual", "rendered", "image", "data", "analytic", "GEC")
USUAL_ROLES: Final = ("visual", "data")
NO_PIXELS: Final = ("thumbnail", "overview", "metadata", "cloud", "cloud-shadow", "snow-ice")
RASTER_TYPES: Final = ("image/tiff", "image/vnd.stac.geotiff", "image/jp2", "application/x-hdf")
RASTER_ENDINGS: Final = (".tif", ".tiff", ".jp2", ".vrt", ".ntf", ".img")
COLOURS: Final = ("red", "green", "blue")
TIMEOUT_S: Final = 30.0
TRIES: Final = 3
FIRST_WAIT_S: Final = 0.5
DEEPEST: Final = 20
REFUSED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.GONE)
EXPIRED: Final = "the link may have expired or need a key: sign it anew"


@dataclass(frozen=True, slots=True)
class StacScene:
    """A scene that an item names.

    Attributes:
        path: of the asset, or of what could not be read.
        said: fields of `SceneOptions` with their values.
        problem: why there is nothing to open, one sentence; None where there is.
        near: it lies where the user has sent us: on this disk, or on the host that was named.
    """

    path: str
    said: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    near: bool = True


class StacError(QuaywatchError):
    """A catalog, item or asset that cannot be used."""


def is_stac(name: str) -> bool:
    """Whether a name of the user is that of a catalog."""
    return name.startswith(PREFIX)


def read_stac(name: str) -> Iterator[StacScene]:
    """The scenes of `stac:PLACE` or `stac:PLACE#ASSET`.

    Args:
        name: a place is a file or address of an item, a catalog, a collection or a file of items,
            or the address of a search (`https://…/search?collections=…`); an asset is a key or a
            role.

    Yields:
        One a item, in the order of the catalog; what cannot be used is one with a problem.
    """
    place, _, wanted = name.removeprefix(PREFIX).partition("#")
    try:
        yield from (_scene(found, place, wanted) for found in _found(place))
    except StacError as error:
        yield StacScene(name, problem=str(error))


def _found(place: str) -> Iterator[Any]:
    """The items of a place; a `StacError` for what cannot be read among others."""
    if _is_remote(place) and urlsplit(place).path.rstrip("/").endswith("/search"):
        yield from _searched(place)
        return
    content = _read(place, place)
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "FeatureCollection":
        yield from (_item(feature, place) for feature in content.get("features") or ())
    elif kind == "Feature":
        yield _item(content, place)
    elif kind in ("Catalog", "Collection"):
        own = place if _is_remote(place) else os.path.normpath(place)
        yield from _below(content, place, place, {own}, 0)
    else:
        raise StacError(f"{place}: neither a STAC item, nor a catalog, collection or list of items")


def _below(
    content: Mapping[str, Any], here: str, root: str, seen: set[str], depth: int
) -> Iterator[Any]:
    """The items of a catalog and of those in it."""
    for link in content.get("links") or ():
        if not isinstance(link, dict) or link.get("rel") not in ("item", "child"):
            continue
        there = _resolve(here, str(link.get("href", "")))
        if there in seen:
            continue
        seen.add(there)
        try:
            inner = _read(there, root)
            is_catalog = isinstance(inner, dict) and inner.get("type") in ("Catalog", "Collection")
            if is_catalog and depth < DEEPEST:
                yield from _below(inner, there, root, seen, depth + 1)
            elif is_catalog:
                yield StacError(f"{there}: a catalog more than {DEEPEST} deep")
            else:
                yield _item(inner, there)
        except StacError as error:
            yield error


def _searched(place: str) -> Iterator[Any]:
    """The items of a search of an API, page by page."""
    try:
        client: Any = importlib.import_module("pystac_client")
    except ImportError as error:
        raise StacError(
            f"{place}: a search needs pystac-client ({error}); install it with pip install "
            "'quaywatch[stac]'"
        ) from error
    parts = urlsplit(place)
    root = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/search')}"
    asked: dict[str, Any] = dict(parse_qsl(parts.query))
    for key in ("collections", "ids", "bbox"):
        if key in asked:
            asked[key] = asked[key].split(",")
    if "bbox" in asked:
        asked["bbox"] = [float(value) for value in asked["bbox"]]
    if "limit" in asked:
        asked["limit"] = int(asked["limit"])
    try:
        search = client.Client.open(root, timeout=TIMEOUT_S).search(method="GET", **asked)
        yield from search.items()
    except Exception as error:
        # of its network library, of pystac, and of words that a search does not know
        raise StacError(f"{place}: the search failed ({_short(error)})") from error


def _item(content: Any, place: str) -> Any:
    """The item of a JSON object, with the places of its assets in full; or what is wrong."""
    pystac: Any = importlib.import_module("pystac")
    try:
        item = pystac.Item.from_dict(content)
    except Exception as error:
        return StacError(f"{place}: not a STAC item ({_short(error)})")
    own = item.get_self_href()
    if own is None or not _is_remote(place):
        item.set_self_href(place)
    return item


def _scene(found: Any, place: str, wanted: str) -> StacScene:
    if isinstance(found, StacError):
        return StacScene(str(found).split(": ", 1)[0], problem=str(found))
    try:
        asset = _asset(found, wanted)
    except StacError as error:
        return StacScene(found.get_self_href() or found.id, problem=str(error))
    href = _resolve(found.get_self_href() or place, asset.href)
    near = not _is_remote(href) or (_is_remote(place) and _host(href) == _host(place))
    return StacScene(href, _said(found, asset, place), near=near)


def _asset(item: Any, wanted: str) -> Any:
    """The asset with the pixels.

    Raises:
        StacError: none, or more than one.
    """
    where = f"{item.get_self_href() or item.id}: item '{item.id}'"
    if wanted in item.assets:
        return item.assets[wanted]
    if wanted:
        found = [key for key, asset in item.assets.items() if wanted in (asset.roles or ())]
        return item.assets[_one(found, where, f"no asset called or with the role '{wanted}'", item)]
    rasters = {key: asset for key, asset in item.assets.items() if _has_pixels(asset)}
    usual = [key for key in USUAL_ASSETS if key in rasters]
    if usual:
        return rasters[usual[0]]
    for role in USUAL_ROLES:
        found = [key for key, asset in rasters.items() if role in (asset.roles or ())]
        if len(found) == 1:
            return rasters[found[0]]
    return rasters[_one(list(rasters), where, "no asset with pixels", item)]


def _one(found: Sequence[str], where: str, none: str, item: Any) -> str:
    if len(found) == 1:
        return found[0]
    every = ", ".join(sorted(item.assets)) or "none"
    if not found:
        raise StacError(f"{where} has {none}; it has {every}; name one as in stac:FILE#KEY")
    raise StacError(
        f"{where} has {len(found)} assets with pixels ({', '.join(found)}); name one as in "
        f"stac:FILE#{found[0]}"
    )


def _has_pixels(asset: Any) -> bool:
    if set(asset.roles or ()) & set(NO_PIXELS):
        return False
    kind = (asset.media_type or "").split(";")[0].strip().lower()
    ending = PurePosixPath(urlsplit(asset.href).path).suffix.lower()
    return kind in RASTER_TYPES or ending in RASTER_ENDINGS


def _said(item: Any, asset: Any, place: str) -> dict[str, Any]:
    """What an item tells of its scene, as fields of `SceneOptions`."""
    told = {**item.properties, **asset.extra_fields}
    said: dict[str, Any] = {"item": item.get_self_href() or f"{place}#{item.id}"}
    acquired = _acquired(item)
    if acquired is not None:
        said["acquired"] = acquired
    angles = {
        name: _number(told.get(keys[0]), *ANGLE_LIMITS_DEG[name])
        for name, keys in ANGLE_KEYS.items()
    }
    if any(value is not None for value in angles.values()):
        said["angles"] = ViewAngles(**angles)
    corners = [_number(value, -360.0, 360.0) for value in item.bbox or ()]
    if len(corners) in (4, 6) and None not in corners:
        half = len(corners) // 2  # with heights there are six
        said["footprint"] = (corners[0], corners[1], corners[half], corners[half + 1])
    cover = _number(told.get("eo:cloud_cover"), 0.0, 100.0)
    if cover is not None:
        said["cloud_cover"] = cover
    gsd = _number(told.get("gsd"), 0.0, 1000.0)
    if gsd and not any(key.startswith("proj:") for key in told):
        said["gsd_m"] = gsd  # placed rasters tell it better
    bands = _bands(told)
    if bands:
        said["bands"] = bands
    return said


def _acquired(item: Any) -> Any:
    """Moment, or day where the item tells a span within one."""
    if item.datetime is not None:
        moment: datetime = item.datetime
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    start, end = item.common_metadata.start_datetime, item.common_metadata.end_datetime
    if start is None or end is None or start.date() != end.date():
        return None
    return start.date()


def _bands(told: Mapping[str, Any]) -> tuple[int, ...]:
    """Numbers of red, green and blue among the bands of an asset, where it names them."""
    bands = told.get("bands") or told.get("eo:bands") or ()
    names = [
        band.get("eo:common_name", band.get("common_name")) if isinstance(band, dict) else None
        for band in bands
    ]
    if all(colour in names for colour in COLOURS):
        return tuple(names.index(colour) + 1 for colour in COLOURS)
    return ()


def _number(value: Any, low: float, high: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if low <= value <= high else None


def _read(href: str, root: str) -> Any:
    """A JSON document.

    Raises:
        StacError: it cannot be read, or lies elsewhere than the root.
    """
    if not _is_remote(href):
        try:
            return read_json(Path(href))
        except (OSError, DocumentError, ValueError) as error:
            raise StacError(f"{href}: cannot be read as JSON ({_short(error)})") from error
    if not _is_remote(root) or _host(root) != _host(href):
        raise StacError(
            f"{href}: {root} leads to another place of the network, which is not followed; name "
            f"it yourself, as in stac:{href}"
        )
    try:
        return parse_json(_fetched(href))
    except (URLError, OSError, DocumentError, UnicodeDecodeError) as error:
        refused = isinstance(error, HTTPError) and error.code in REFUSED
        hint = f"; {EXPIRED}" if refused else ""
        raise StacError(f"{href}: cannot be read as JSON ({_short(error)}){hint}") from error


def _fetched(href: str) -> str:
    """A document of the network; what fails for a time is asked for again.

    Raises:
        OSError: it cannot be had.
    """
    for number in range(1, TRIES + 1):
        try:
            request = Request(href, headers={"Accept": "application/json"})  # noqa: S310 - http
            with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - and https alone
                content: bytes = answer.read()
                return content.decode("utf-8-sig")
        except OSError as error:
            lasting = isinstance(error, HTTPError) and error.code < HTTPStatus.INTERNAL_SERVER_ERROR
            if lasting or number == TRIES:
                raise
            time.sleep(FIRST_WAIT_S * 2 ** (number - 1))
    raise OSError("not reached")


def _resolve(here: str, href: str) -> str:
    """A link of a document, in full."""
    if _is_remote(href) or _is_remote(here):
        return urljoin(here, href) if _is_remote(here) else href
    return os.path.normpath(Path(here).parent / href.removeprefix("file://"))


def _is_remote(href: str) -> bool:
    scheme = urlsplit(href).scheme.lower()
    return (len(scheme) > 1 and scheme != "file") or href.startswith("/vsi")


def _host(href: str) -> str:
    return urlsplit(href).netloc.lower()


def _short(error: BaseException) -> str:
    text = str(getattr(error, "reason", None) or error)
    code = f"{error.code} " if isinstance(error, HTTPError) else ""
    return f"{code}{' '.join(text.split())[:200]}" or type(error).__name__
