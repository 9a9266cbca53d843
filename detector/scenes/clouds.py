"""Cloud masks that come with a scene: SCL, UDM2, or a plain mask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from detector.scenes.parts import split_part
from detector.scenes.place import Placed, open_placed
from detector.scenes.safe import find_product

CloudKind = Literal["scl", "udm2", "mask"]

# Sentinel-2 L2A scene classification: no data, clouds (medium, high probability), thin cirrus.
# Source: ESA, Sentinel-2 Products Specification Document, SCL. Objects show in cloud shadow (3).
SCL_UNSEEN = (0, 8, 9, 10)
# Planet UDM2 bands: 1 clear, 2 snow, 3 shadow, 4 light haze, 5 heavy haze, 6 cloud.
# Source: Planet, Usable Data Masks. Objects show through light haze and shadow.
UDM2_UNSEEN_BANDS = (5, 6)
PLANET_ASSET = re.compile(r"_(?:Analytic|Visual|analytic|visual|pansharpened|panchromatic).*$")


@dataclass(frozen=True, slots=True)
class CloudMask:
    """Where the cloud mask of a scene is.

    Attributes:
        path: the file; the scene's own where `band` of it is the mask.
        kind: how its values are read: `scl`, `udm2`, or `mask` (not 0 = cloud).
        band: band number of a mask of one band.
        is_own: it is a band of the scene.
    """

    path: str
    kind: CloudKind
    band: int = 1
    is_own: bool = False


def find_cloud_mask(
    dataset: rasterio.DatasetReader, path: str, sidecar: Mapping[str, Any]
) -> CloudMask | None:
    """The cloud mask in or beside a scene, or None.

    In order: a band named SCL or cloud; the scene classification of a Sentinel-2 product; an asset
    `scl`, `udm2` or `cloud` of the STAC sidecar; a file `<stem>_SCL.tif`, `<stem>_udm2.tif` or
    `<stem>_cloud.tif`, Planet's naming included.
    """
    for band, name in enumerate(dataset.descriptions, start=1):
        label = (name or "").strip().lower()
        if label in ("scl", "cloud", "clouds", "cloud_mask"):
            return CloudMask(path, "scl" if label == "scl" else "mask", band, is_own=True)
    asked = split_part(path).file
    product = find_product(asked)
    classified = product.classification() if product is not None else None
    if classified is not None:
        return CloudMask(classified, "scl")
    scene = Path(asked)
    for file, named in _candidates(scene, sidecar):
        kind = _kind(file.stem) or _kind(named)
        if kind is not None and file != scene and _is_file(file):
            return CloudMask(str(file), kind)
    return None


def _candidates(scene: Path, sidecar: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Paths that may hold a mask, each with the name of its asset or its ending."""
    assets = sidecar.get("assets")
    found = []
    for key, asset in assets.items() if isinstance(assets, dict) else ():
        href = asset.get("href") if isinstance(asset, dict) else None
        # Only files beside the scene: a sidecar is not trusted to point anywhere else.
        if isinstance(href, str) and _kind(str(key)) and ".." not in Path(href).parts:
            found.append((scene.parent / Path(href).name, str(key)))
    stems = {scene.stem, PLANET_ASSET.sub("", scene.stem)}
    endings = ("SCL", "scl", "udm2", "UDM2", "cloud", "clouds", "cloudmask")
    return found + [
        (scene.with_name(f"{stem}_{ending}.tif"), ending)
        for stem in sorted(stems)
        for ending in endings
    ]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long with its ending
        return False


def _kind(name: str) -> CloudKind | None:
    label = name.lower()
    if label.endswith("scl"):
        return "scl"
    if label.endswith("udm2"):
        return "udm2"
    return "mask" if label.endswith(("cloud", "clouds", "cloudmask", "cloud_mask")) else None


class CloudReader:
    """Reads a cloud mask in the pixel frame of its scene, whatever the mask's own grid.

    Raises:
        RasterioIOError: the mask cannot be opened or read.
    """

    def __init__(self, mask: CloudMask, scene: Placed) -> None:
        self._mask = mask
        self._stack = ExitStack()
        # Entering a dataset's context binds it to a thread; another one may close it.
        placed = open_placed(mask.path, (mask.path,) if mask.is_own else ())
        self._stack.callback(placed.close)
        source, frame = placed.dataset, scene.dataset
        if mask.kind == "udm2" and source.count < max(UDM2_UNSEEN_BANDS):
            raise RasterioIOError(f"{mask.path} has {source.count} bands, a UDM2 mask has 8")
        self._scale = (source.width / frame.width, source.height / frame.height)
        self._nodata: float | None = None if mask.is_own else source.nodata
        self._alpha = 0
        if scene.crs and placed.crs and not mask.is_own:
            beyond: dict[str, Any] = {"add_alpha": True}
            if self._nodata is not None:
                beyond = {"src_nodata": self._nodata, "nodata": self._nodata}
            bands = source.count
            source = WarpedVRT(
                source,
                src_crs=placed.crs,
                crs=scene.crs,
                transform=scene.transform,
                width=frame.width,
                height=frame.height,
                resampling=Resampling.nearest,
                **beyond,
            )
            self._stack.callback(source.close)
            self._scale = (1.0, 1.0)
            self._alpha = bands + 1 if source.count > bands else 0
        self._source = source

    def clouded(
        self, window: Window, out_size: tuple[int, int]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Cloud in a window inside the scene.

        Args:
            window: pixels of the scene, may be fractional.
            out_size: `(width, height)`.

        Returns:
            Cloud `(height, width)`, and where the mask tells of clouds at all: not beyond its
            edge, nor where it holds no data.
        """
        sx, sy = self._scale
        window = Window(
            window.col_off * sx, window.row_off * sy, window.width * sx, window.height * sy
        )
        bands = list(UDM2_UNSEEN_BANDS) if self._mask.kind == "udm2" else [self._mask.band]
        asked = [*bands, self._alpha] if self._alpha else bands
        values = self._source.read(
            asked,
            window=window,
            out_shape=(len(asked), out_size[1], out_size[0]),
            resampling=Resampling.nearest,
        )
        known = np.ones(values.shape[1:], np.bool_)
        if self._alpha:
            known = np.asarray(values[-1] > 0)
        elif self._nodata is not None:
            known = np.asarray((values != self._nodata).all(axis=0))
        if self._mask.kind == "scl":
            return np.isin(values[0], SCL_UNSEEN) & known, known
        return np.asarray((values[: len(bands)] != 0).any(axis=0)) & known, known

    def reopen(self, scene: Placed) -> CloudReader:
        """The same mask with handles of its own, for another thread."""
        return CloudReader(self._mask, scene)

    def close(self) -> None:
        """Close the files."""
        self._stack.close()
