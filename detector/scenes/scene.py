"""A scene: windows of a raster at any scale, in 8 bits, with what is valid and seen.

A `Scene` holds one dataset handle and belongs to one thread; `reopen` gives another thread its own
without measuring the scene again. It never reads more than the window asked for.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from detector.errors import QuaywatchError, SceneError
from detector.geometry.frames import FilePixels
from detector.geometry.geodesy import PixelSize, apply_transform, pixel_size
from detector.geometry.windows import PixelWindow
from detector.scenes.bands import choose_bands, find_near_infrared
from detector.scenes.clouds import CloudMask, CloudReader, find_cloud_mask
from detector.scenes.guard import GDAL_ERRORS, reason, sources_of
from detector.scenes.identity import (
    content_hash,
    files_beside,
    files_sha256,
    hash_blocks,
    hashed_windows,
    make_scene_id,
    scene_stem,
)
from detector.scenes.item_remarks import centre_of, item_remarks
from detector.scenes.metadata import (
    find_acquired,
    find_angles,
    given_time,
    read_sidecar,
    sidecar_files,
    unread_sidecars,
)
from detector.scenes.parts import container_of, listed, part_names, split_part
from detector.scenes.place import Placed, open_placed, projection_files
from detector.scenes.safe import FINEST, find_product, lacking_image
from detector.scenes.stretch import apply_stretch
from detector.scenes.types import Observation, SceneInfo, SceneOptions, ScenePixels, ViewAngles
from detector.scenes.valid import PixelRules

RGB = ("red", "green", "blue")
Stamp: TypeAlias = tuple[int, int]
"""Size and time of change of a file."""


def open_scene(path: str | Path, options: SceneOptions | None = None) -> Scene:
    """Open a raster as a scene.

    Args:
        path: any file or name that GDAL reads, a part of a file as `FILE::PART`, or a Sentinel-2
            product.
        options: what the user says of the scene.

    Returns:
        The scene, to be closed or used as a context manager.

    Raises:
        SceneError: the file is missing, is not a raster, has no bands, no valid pixels, or does
            not tell its colours.
    """
    options = options or SceneOptions()
    stamp = _stamp(str(path))
    with _as_scene_error(str(path)):
        placed = _open(str(path), options)
    try:
        with _as_scene_error(str(path)):
            scene = _examine(placed, str(path), options)
    except BaseException:
        placed.close()
        raise
    scene._stamp = stamp
    return scene


class Scene:
    """An open scene; see the module's text. Made by `open_scene`."""

    def __init__(
        self,
        info: SceneInfo,
        placed: Placed,
        pixels: PixelRules,
        clouds: CloudReader | None,
    ) -> None:
        self.info = info
        self._placed = placed
        self._dataset = placed.dataset
        self._pixels = pixels
        self._clouds = clouds
        self._allow_remote: tuple[str, ...] = ()
        self._content = ""
        self._shown: str | None = None
        self._stamp: Stamp | None = None
        self.keep: object = None
        """What the files need to stay there as long as the scene is open; see `scenes.arrays`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._placed.close()
        if self._clouds is not None:
            self._clouds.close()

    def reopen(self) -> Scene:
        """The same scene with handles of its own, for another thread.

        Raises:
            SceneError: the file is gone or another one.
        """
        with _as_scene_error(self.info.path):
            placed = _open(
                self.info.path, replace(self.info.asked, allow_remote=self._allow_remote)
            )
            clouds = self._clouds.reopen(placed) if self._clouds is not None else None
        scene = Scene(self.info, placed, self._pixels, clouds)
        scene.keep, scene._allow_remote = self.keep, self._allow_remote
        return scene

    @property
    def is_all_seen(self) -> bool:
        """Whether nothing can hide a pixel: no nodata, no mask, no cloud mask."""
        return self._pixels.valid_source == "all" and self._clouds is None

    def check_unchanged(self) -> None:
        """Refuse a scene whose file is no more the one that was opened, such as half a download.

        Raises:
            SceneError: it was written to, replaced or removed since.
        """
        now = _stamp(self.info.path)
        if now == self._stamp:
            return
        what = "removed" if now is None else "changed"
        raise SceneError(
            f"{self.info.path}: {what} while it was read; predict it again when it is complete"
        )

    def content_sha256(self) -> str:
        """Hash of everything that the result is read from, in whole.

        The bytes of the scene, of the files that GDAL reads with it, of a VRT's sources, of the
        metadata and of the cloud mask. Of a scene that is no file on this disk (`/vsicurl/…`) it
        is `info.content_hash`, with its CRS and nodata.

        Raises:
            SceneError: a file cannot be read.
        """
        if not self._content:
            with _as_scene_error(self.info.path):
                self._content = self._hash_content()
        return self._content

    def _hash_content(self) -> str:
        path = self.info.path
        files = sources_of(path, self._allow_remote)
        if not files:
            header = (path, self.info.content_hash, self.info.crs, self._dataset.nodatavals)
            return hashlib.sha256(repr(header).encode()).hexdigest()
        scene, *sources = files
        beside = [Path(name) for name in self._placed.source.files]
        beside += sidecar_files(path) + projection_files(path)
        masks = [Path(self.info.cloud_source)] if self.info.cloud_source else []
        for file in (*sources, *masks):
            beside += files_beside(file) if file.is_file() and file != scene else []
        # unlike Path's, it says no of a name that is too long with its ending
        there = [file for file in beside if os.path.isfile(file)]  # noqa: PTH113
        return files_sha256([scene, *there], split_part(path).part)

    def settle_gsd(self, gsd_m: float, range_m: tuple[float, float]) -> None:
        """Take over a scale that was estimated from what the scene shows.

        Args:
            gsd_m: metres by pixel.
            range_m: its 90 % interval.

        Raises:
            ValueError: the scale is known already, and better.
        """
        if self.info.pixel_size is not None:
            raise ValueError(f"{self.info.path}: its gsd is {self.info.gsd_source} already")
        size = PixelSize(gsd_m, gsd_m)
        self.info = replace(self.info, pixel_size=size, gsd_source="estimated", gsd_range_m=range_m)

    def read(self, window: PixelWindow, out_size: tuple[int, int] | None = None) -> ScenePixels:
        """The pixels of a window.

        Args:
            window: full resolution; may reach beyond the scene.
            out_size: `(width, height)` to resample to; the window's own size by default. Averages
                (through overviews) when that is smaller, bilinear when it is larger.

        Returns:
            Stretched RGB and the valid mask; outside the scene 0 and invalid.

        Raises:
            SceneError: the file is damaged.
        """
        return self.read_bounds(window.bounds, out_size or (window.width, window.height))

    def read_bounds(
        self, bounds: tuple[float, float, float, float], out_size: tuple[int, int]
    ) -> ScenePixels:
        """As `read`, for `(x_min, y_min, x_max, y_max)` in pixels, fractions allowed."""
        width, height = out_size
        rgb = np.zeros((height, width, 3), np.uint8)
        valid = np.zeros((height, width), np.bool_)
        part = _place(bounds, out_size, (self.info.width, self.info.height))
        if part is not None:
            with _as_scene_error(self.info.path):
                values, seen = self._pixels.read(self._dataset, part.window, part.size)
            stretched = apply_stretch(values, self.info.stretch)
            shown = cv2.merge(list(stretched))  # a third of the time of a transposed copy
            if not seen.all():
                shown[~seen] = 0
            rgb[part.slices] = shown
            valid[part.slices] = seen
        return ScenePixels(rgb, valid)

    def observation(self, window: PixelWindow, out_size: tuple[int, int]) -> Observation:
        """What of a window was seen: valid and not under a known cloud.

        Args:
            window: full resolution; may reach beyond the scene.
            out_size: `(width, height)` of the answer.

        Raises:
            SceneError: the file or its cloud mask is damaged.
        """
        seen = self.valid_mask(window, out_size)
        known = np.full(seen.shape, self.info.cloud_source is not None)
        part = _place(window.bounds, out_size, (self.info.width, self.info.height))
        if part is not None and self._clouds is not None:
            with _as_scene_error(self.info.path):
                clouded, told = self._clouds.clouded(part.window, part.size)
            seen[part.slices] &= ~clouded
            known[part.slices] = told
        return Observation(seen, known)

    def valid_mask(self, window: PixelWindow, out_size: tuple[int, int]) -> NDArray[np.bool_]:
        """Valid pixels `(height, width)` of a window, cloud or not; arguments as `observation`."""
        valid = np.zeros((out_size[1], out_size[0]), np.bool_)
        part = _place(window.bounds, out_size, (self.info.width, self.info.height))
        if part is not None:
            with _as_scene_error(self.info.path):
                valid[part.slices] = self._pixels.read_valid(self._dataset, part.window, part.size)
        return valid

    def water(
        self, window: PixelWindow, out_size: tuple[int, int]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which pixels of a window are brighter in green than in near infrared, as water is.

        That is a water index above 0: (green - near infrared) / (green + near infrared), McFeeters,
        International Journal of Remote Sensing 17 (1996), 1425. Sun glint, which adds the same to
        both, and an offset that both share do not change its sign.

        Args:
            window: full resolution; may reach beyond the scene.
            out_size: `(width, height)` of the answer, not larger than the window.

        Returns:
            `(height, width)` water, and which pixels are valid; none is without the two bands.

        Raises:
            SceneError: the file is damaged.
        """
        water = np.zeros((out_size[1], out_size[0]), np.bool_)
        near_infrared, bands = self.info.near_infrared, self.info.bands
        if near_infrared is None or len(bands) != len(RGB):
            return water, np.zeros_like(water)
        valid = self.valid_mask(window, out_size)
        part = _place(window.bounds, out_size, (self.info.width, self.info.height))
        if part is not None:
            pair = (bands[1], near_infrared)
            with _as_scene_error(self.info.path):
                shape = (2, part.size[1], part.size[0])
                values = self._dataset.read(pair, window=part.window, out_shape=shape)
            factor, summand = (
                np.array([told[band - 1] for band in pair], np.float64)[:, None, None]
                for told in (self._dataset.scales, self._dataset.offsets)
            )
            green, infrared = values * factor + summand
            water[part.slices] = green > infrared
            valid[part.slices] &= np.isfinite(green) & np.isfinite(infrared)
        return water & valid, valid

    def pixels_sha256(self) -> str:
        """Hash of what the scene shows, whatever its file's format, compression and metadata.

        Of the bands that are read, at full resolution: of every pixel, or of blocks all over a
        scene of more than `identity.WHOLE_PX` pixels.

        Returns:
            Hexadecimal SHA-256; empty where all is of one value, which tells no picture.

        Raises:
            SceneError: the file is damaged.
        """
        if self._shown is None:
            self._shown = self._hash_pixels()
        return self._shown

    def _hash_pixels(self) -> str:
        width, height = self.info.width, self.info.height
        windows = hashed_windows(width, height)
        with _as_scene_error(self.info.path):
            blocks = (
                self._pixels.read(self._dataset, window, (int(window.width), int(window.height)))[0]
                for window in windows
            )
            return hash_blocks((width, height), blocks)

    def to_map(self, points: FilePixels) -> NDArray[np.float64]:
        """Map coordinates of `(..., 2)` pixel coordinates; unchanged without CRS."""
        return apply_transform(self.info.transform, np.asarray(points, np.float64))

    def to_pixel(self, points: NDArray[np.float64]) -> FilePixels:
        """Pixel coordinates of `(..., 2)` map coordinates; unchanged without CRS."""
        return FilePixels(apply_transform(~self.info.transform, np.asarray(points, np.float64)))


def _open(path: str, options: SceneOptions) -> Placed:
    return open_placed(path, options.allow_remote, options.nodata, may_warp=not options.as_stored)


def _stamp(path: str) -> Stamp | None:
    """Size and time of change of a file; None of a name that is no file's."""
    try:
        told = os.stat(split_part(path).file)  # noqa: PTH116 - GDAL names too
    except (OSError, ValueError):
        return None
    return told.st_size, told.st_mtime_ns


def _examine(placed: Placed, path: str, options: SceneOptions) -> Scene:
    dataset, header = placed.dataset, placed.source
    _check_pixels(header, path)
    bands = choose_bands(dataset, options.bands, path)
    rules = PixelRules.of(dataset, bands, options.nodata, _offset(header, bands, path))
    stretch = rules.fit_stretch(dataset, path, brighten_dark=options.brighten_dark)
    name = scene_stem(path)
    sidecar = read_sidecar(path)
    found = find_acquired(header, sidecar, scene_stem(split_part(path).file))
    if options.acquired is not None:
        found = given_time(options.acquired, found)
    beside = find_cloud_mask(header, path, sidecar)
    mask = beside if options.clouds == "auto" else None
    clouds = CloudReader(mask, placed) if mask is not None else None
    size, gsd_source = _measure(placed, options.gsd_m)
    digest = content_hash(dataset)
    info = SceneInfo(
        scene_id=make_scene_id(name, digest),
        path=path,
        name=name,
        width=dataset.width,
        height=dataset.height,
        crs=placed.crs,
        transform=placed.transform,
        pixel_size=size,
        gsd_source=gsd_source,  # type: ignore[arg-type]
        acquired=found.acquired.moment,
        acquired_day=found.acquired.day,
        acquired_source=found.source,
        acquired_remarks=found.remarks,
        angles=_angles(options.angles, find_angles(header, sidecar)),
        asked=options,
        bands=rules.bands,
        stretch=stretch,
        valid_source=rules.valid_source,
        remarks=(
            *rules.remarks,
            *unread_sidecars(path),
            *placed.remarks,
            *_header_remarks(header, path),
            *_overridden(options, header, beside),
            *_unused_options(options, size, gsd_source),
            *item_remarks(
                options,
                placed.crs,
                centre_of(placed.transform, dataset.width, dataset.height),
                clouds_known=mask is not None,
            ),
        ),
        cloud_source="user" if options.clouds == "clear" else (mask.path if mask else None),
        content_hash=digest,
        near_infrared=find_near_infrared(dataset, options.nir, path),
    )
    scene = Scene(info, placed, rules, clouds)
    scene._allow_remote = options.allow_remote
    return scene


def _check_pixels(header: rasterio.DatasetReader, path: str) -> None:
    if header.count == 0:
        parts = part_names(header, container_of(path).file)
        told = f"; name one of its parts, for example '{path}::{parts[0]}'" if parts else ""
        there = f" (there are {listed(parts)})" if parts else ""
        raise SceneError(f"{path}: no bands of its own{told}{there}")
    if np.issubdtype(np.dtype(header.dtypes[0]), np.complexfloating):
        raise SceneError(f"{path}: complex values are not an image; give the detected product")


def _offset(header: rasterio.DatasetReader, bands: Sequence[int], path: str) -> float:
    """What is added to the values of a product before they are light; GDAL does not tell it.

    Raises:
        SceneError: the product lacks the image of a band.
    """
    product = find_product(split_part(path).file)
    if product is None:
        return 0.0
    lacking = lacking_image(header.files, [header.descriptions[band - 1] for band in bands])
    if lacking:
        raise SceneError(f"{path}: its image of {lacking} is not there; fetch the product again")
    return product.offset()


def _angles(given: ViewAngles, found: ViewAngles) -> ViewAngles:
    """What the user says, else what was found."""
    said = {name: value for name, value in asdict(given).items() if value is not None}
    return replace(found, **said)


def _header_remarks(dataset: rasterio.DatasetReader, path: str) -> list[str]:
    """What of a file is not read, and what to do about it."""
    found = []
    asked, container = split_part(path), container_of(path)
    others = [] if asked != container else part_names(dataset, container.file)
    if container.is_product and not asked.part:
        found.append(
            f"a Sentinel-2 product, of which {FINEST} is read; another part is named as "
            f"'{Path(path).name}::20m'"
        )
    elif len(others) > 1 and not asked.part:
        found.append(
            f"holds {len(others)} pages or parts, of which the first is read; name another one as "
            f"'{Path(path).name}::{others[-1]}' (there are {listed(others)})"
        )
    turned = dataset.tags().get("EXIF_Orientation", "1")
    if turned not in ("", "1"):
        found.append(
            f"its EXIF says that it is shown turned (orientation {turned}); it is read as stored"
        )
    return found


def _overridden(
    options: SceneOptions, header: rasterio.DatasetReader, mask: CloudMask | None
) -> list[str]:
    """What a file says that the user knows better."""
    found = []
    if options.nodata is not None and header.nodata not in (None, options.nodata):
        found.append(
            f"scene.nodata={options.nodata:g} was taken in place of the file's {header.nodata:g}"
        )
    if options.clouds != "auto" and mask is not None:
        found.append(
            f"scene.clouds={options.clouds} was taken in place of the mask {Path(mask.path).name}"
        )
    return found


def _unused_options(options: SceneOptions, size: PixelSize | None, gsd_source: str) -> list[str]:
    if options.gsd_m is None or size is None or gsd_source != "geodesic":
        return []
    return [
        f"scene.gsd={options.gsd_m:g} was not used: the file is georeferenced, with "
        f"{size.gsd_m:.3g} m a pixel"
    ]


def _measure(placed: Placed, given_gsd_m: float | None) -> tuple[PixelSize | None, str]:
    if placed.crs is not None:
        centre = (placed.dataset.width / 2.0, placed.dataset.height / 2.0)
        size = pixel_size(placed.transform, placed.crs, *centre)
        if size is not None:
            return size, "geodesic"
    if given_gsd_m is not None:
        return PixelSize(given_gsd_m, given_gsd_m), "given"
    return None, "unknown"


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of a read that lies inside the scene.

    Attributes:
        window: of the scene, fractional.
        size: `(width, height)` of the output that it fills.
        slices: rows and columns of the output.
    """

    window: Window
    size: tuple[int, int]
    slices: tuple[slice, slice]


def _place(
    bounds: tuple[float, float, float, float],
    out_size: tuple[int, int],
    scene_size: tuple[int, int],
) -> _Part | None:
    spans = []
    for start, end, out, limit in zip(bounds[:2], bounds[2:], out_size, scene_size, strict=True):
        step = (end - start) / out
        # Whole output pixels that lie inside the scene; a pixel is lost rather than shifted.
        first = max(0, math.ceil((0 - start) / step - 1e-6))
        last = min(out, math.floor((limit - start) / step + 1e-6))
        if last <= first:
            return None
        low = max(start + first * step, 0.0)
        spans.append((first, last, low, min(start + last * step, limit) - low))
    (x0, x1, left, width), (y0, y1, top, height) = spans
    return _Part(
        Window(left, top, width, height), (x1 - x0, y1 - y0), (slice(y0, y1), slice(x0, x1))
    )


class _as_scene_error:  # noqa: N801 - reads as a statement
    """Turn errors inside the block into a `SceneError` that names the scene.

    A file that others made can bring any of them: a CRS that pyproj does not know, a transform
    without inverse, a number that no float holds.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: object
    ) -> None:
        if isinstance(value, GDAL_ERRORS):
            raise SceneError(
                f"{self._path}: damaged or incomplete ({reason(value)}); fetch the file again"
            ) from value
        if isinstance(value, UnicodeError):
            raise SceneError(f"{self._path}: its name is not UTF-8; rename the file") from value
        if isinstance(value, MemoryError):
            raise SceneError(f"{self._path}: not enough memory to read it") from value
        if isinstance(value, Exception) and not isinstance(value, QuaywatchError):
            raise SceneError(
                f"{self._path}: its content cannot be used ({type(value).__name__}: "
                f"{reason(value)})"
            ) from value
