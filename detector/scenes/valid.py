"""Which pixels of a scene hold data, and what they show: decided once, for every scale.

A pixel is seen or not at full resolution, by the rule of the scene. A coarser view takes its mask
from the nearest pixels and its values as averages of seen pixels alone, so that a hole is the same
hole whatever marks it: what lies in it never enters a neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.windows import Window

from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.scenes.collar import SIDE_CELLS, Collar, find_collar
from detector.scenes.stretch import fit_stretch
from detector.scenes.types import Stretch

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SAMPLE_SIDE_PX: Final = 1024  # longer side of the overview that the stretch is fitted on
STRIP_PX: Final = 1 << 22  # read at once at full resolution
DECLARED: Final = ("mask", "alpha", "nodata")
LARGEST_VALUE: Final = 1e30  # of a float; beyond it stand fills such as -3.4e38
SHARE_OF_ENDS: Final = 0.9  # of an alpha band is nothing or all; near infrared has every value


@dataclass(frozen=True, slots=True)
class PixelRules:
    """How values and validity are read from a dataset.

    Attributes:
        bands: one or three band numbers.
        valid_source: `all`, `mask`, `alpha`, `nodata`, `zeros`, `edge_zeros`, `finite`.
        missing: a pixel with this value in every band is invalid; None where GDAL's mask tells.
        palette: `(N, 3)` colours of a paletted band, or None.
        collar: where alone pixels are missing; None for everywhere.
        agrees: GDAL's own mask hides no pixel that this rule shows, so its averages may be taken.
        remarks: what of the file was not believed; a sentence each, without a full stop.
        scale: `(bands, 2)` factor and summand that bring the bands to one measure; None where they
            have one.
    """

    bands: tuple[int, ...]
    valid_source: str
    missing: float | None = None
    palette: NDArray[np.uint8] | None = None
    collar: Collar | None = None
    agrees: bool = True
    remarks: tuple[str, ...] = ()
    scale: NDArray[np.float32] | None = None
    white: int | None = None
    """Value of white where 0 is white and more is darker; None where more is brighter."""

    @classmethod
    def of(
        cls,
        dataset: rasterio.DatasetReader,
        bands: tuple[int, ...],
        nodata: float | None,
        offset: float = 0.0,
    ) -> Self:
        """The rules that fit a dataset.

        Args:
            dataset: open.
            bands: one or three band numbers.
            nodata: what the user says.
            offset: is added to stored values, where the file does not tell one itself.
        """
        palette = None
        if len(bands) == 1 and dataset.colorinterp[bands[0] - 1] == ColorInterp.palette:
            table = dataset.colormap(bands[0])
            colours = [
                table.get(i, (0, 0, 0))[:3] for i in range(max(256, *(i + 1 for i in table)))
            ]
            palette = np.array(colours, np.uint8)
        declared = _declared(dataset, bands)
        scale = None if palette is not None else _scale(dataset, bands, offset)
        white = None if palette is not None else _white(dataset, bands)  # palettes know
        remarks: tuple[str, ...] = ()
        if white is not None:
            remarks = ("its 0 is white (MinIsWhite), so it is read inverted",)
        if nodata is not None:
            return cls(
                *(bands, "nodata", nodata, palette, None),
                agrees=not declared,
                remarks=remarks,
                scale=scale,
                white=white,
            )
        disbelieved = declared == "alpha" and not _is_alpha(dataset)
        if disbelieved:
            number = _alpha_band(dataset)
            remarks = (
                f"band {number} is called alpha but has all kinds of values, as near infrared has: "
                "not taken as a mask",
            )
        source = _undeclared(dataset, bands) if disbelieved or not declared else declared
        if source == "zeros" and white is not None:
            source = "all"  # 0 is the brightest
        dark = source == "all" and palette is None and white is None
        collar = _find_collar(dataset, bands) if dark else None
        if collar is not None:
            source = "edge_zeros"
        missing = 0.0 if source in ("zeros", "edge_zeros") else None
        return cls(bands, source, missing, palette, collar, not disbelieved, remarks, scale, white)

    def read(
        self, dataset: rasterio.DatasetReader, window: Window, size: tuple[int, int]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values `(3, height, width)` and validity `(height, width)` of a window in the scene."""
        valid = self.read_valid(dataset, window, size)
        if self.palette is not None:
            raw = _read(dataset, self.bands, window, size, Resampling.nearest)
            last = len(self.palette) - 1
            return np.moveaxis(self.palette[np.clip(raw[0], 0, last)], -1, 0), valid
        values = self._values(dataset, window, size)
        if self.white is not None:
            values = (self.white - values.astype(np.int64)).astype(values.dtype)
        if self.scale is not None:
            factor, summand = self.scale.T[:, :, None, None]
            values = values.astype(np.float32) * factor + summand
        return np.repeat(values, 3, axis=0) if len(values) == 1 else values, valid

    def read_valid(
        self, dataset: rasterio.DatasetReader, window: Window, size: tuple[int, int]
    ) -> NDArray[np.bool_]:
        """Validity `(height, width)` of a window inside the scene; of the nearest pixel."""
        width, height = size
        valid = np.ones((height, width), np.bool_)
        is_float = self._is_float(dataset)
        if self.missing is not None or is_float:
            raw = _nearest(dataset, self.bands, window, size)
            if self.missing is not None:
                valid = np.asarray((raw != self.missing).any(axis=0))
                if self.collar is not None:
                    valid |= ~self.collar.within(window, size)
            if is_float:
                valid &= (np.isfinite(raw) & (np.abs(raw) < LARGEST_VALUE)).all(axis=0)
        if self.missing is None and self.valid_source in DECLARED:
            valid &= (
                dataset.dataset_mask(
                    window=window, out_shape=(height, width), resampling=Resampling.nearest
                )
                > 0
            )
        return valid

    def fit_stretch(
        self, dataset: rasterio.DatasetReader, path: str, *, brighten_dark: bool
    ) -> Stretch:
        """The stretch from a reduced view of the whole scene.

        Raises:
            SceneError: nothing in it is valid.
        """
        size = PixelWindow(0, 0, dataset.width, dataset.height).size_within(SAMPLE_SIDE_PX)
        window = Window(0, 0, dataset.width, dataset.height)
        values, valid = self.read(dataset, window, size)
        if not valid.any():
            raise SceneError(
                f"{path}: no valid pixels ({self.valid_source}); if that is wrong, name another "
                "nodata value with scene.nodata="
            )
        dtype = "uint8" if self.palette is not None else dataset.dtypes[self.bands[0] - 1]
        dtype = dtype if self.scale is None else "float32"
        return fit_stretch(values[:, valid], dtype, brighten_dark=brighten_dark)

    def _is_float(self, dataset: rasterio.DatasetReader) -> bool:
        return bool(np.dtype(dataset.dtypes[self.bands[0] - 1]).kind == "f")

    def _values(
        self, dataset: rasterio.DatasetReader, window: Window, size: tuple[int, int]
    ) -> NDArray[Any]:
        """Values `(bands, height, width)`; GDAL's where it sees what the rule sees."""
        told = self.valid_source in DECLARED and self.missing is None
        reduced = told and bool(dataset.overviews(self.bands[0])) and not self._is_float(dataset)
        if self.agrees and (self.valid_source == "all" or reduced):
            return _read(dataset, self.bands, window, size, _resampling(window, size))
        parts = [
            self._strip(dataset, part, (size[0], rows)) for part, rows in _strips(window, size)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _strip(
        self, dataset: rasterio.DatasetReader, window: Window, size: tuple[int, int]
    ) -> NDArray[Any]:
        kind = _resampling(window, size)
        is_area = kind == Resampling.average
        left, columns, across = _weights(
            window.col_off, window.width, size[0], dataset.width, is_area=is_area
        )
        top, rows, down = _weights(
            window.row_off, window.height, size[1], dataset.height, is_area=is_area
        )
        block = Window(left, top, columns, rows)
        seen = self.read_valid(dataset, block, (columns, rows))
        if self.agrees and seen.all():
            return _read(dataset, self.bands, window, size, kind)
        raw = dataset.read(list(self.bands), window=block)
        weight = across @ (down @ seen.astype(np.float64)).T
        values = np.stack(
            [(across @ (down @ np.where(seen, band, 0).astype(np.float64)).T).T for band in raw]
        )
        values /= np.maximum(weight.T, 1e-9)
        # halves go up, as GDAL takes them where it averages itself
        whole = values if raw.dtype.kind == "f" else np.floor(values + 0.5 + 1e-6)
        return np.asarray(whole, raw.dtype)


def _strips(window: Window, size: tuple[int, int]) -> Iterator[tuple[Window, int]]:
    """Parts of a window and the rows of the output that each fills."""
    step = window.height / size[1]
    rows = max(1, int(STRIP_PX / max(window.width, 1.0) / step))
    for first in range(0, size[1], rows):
        number = min(rows, size[1] - first)
        yield (
            Window(window.col_off, window.row_off + first * step, window.width, number * step),
            number,
        )


def _weights(
    start: float, length: float, number: int, limit: int, *, is_area: bool
) -> tuple[int, int, csr_array]:
    """How `number` equal cells along an axis are made of pixels.

    Args:
        start: of the first cell, pixels.
        length: of all cells, pixels.
        number: of cells.
        limit: pixels that there are.
        is_area: by the area that they share; else linear between the middles.

    Returns:
        First pixel, number of pixels, and the weights `(cells, pixels)`.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to load

    step = length / number
    low = start + np.arange(number) * step
    if is_area:
        near = np.floor(low + 1e-9).astype(int)[:, None] + np.arange(int(np.ceil(step)) + 1)
        share = np.minimum(near + 1, (low + step)[:, None]) - np.maximum(near, low[:, None])
    else:
        middle = low + step / 2 - 0.5
        near = np.floor(middle).astype(int)[:, None] + np.arange(2)
        share = 1.0 - np.abs(near - middle[:, None])
    share = np.where(share > 1e-6, share, 0.0)
    near = np.clip(near, 0, limit - 1)
    first, last = int(near[share > 0].min()), int(near[share > 0].max())
    cells = np.repeat(np.arange(number), near.shape[1])
    at = np.clip(near - first, 0, last - first).ravel()
    matrix = csr_array((share.ravel(), (cells, at)), shape=(number, last - first + 1))
    return first, last - first + 1, matrix


def _read(
    dataset: rasterio.DatasetReader,
    bands: tuple[int, ...],
    window: Window,
    size: tuple[int, int],
    resampling: Resampling,
) -> NDArray[Any]:
    shape = (len(bands), size[1], size[0])
    return np.asarray(
        dataset.read(list(bands), window=window, out_shape=shape, resampling=resampling)
    )


def _nearest(
    dataset: rasterio.DatasetReader, bands: tuple[int, ...], window: Window, size: tuple[int, int]
) -> NDArray[Any]:
    """The nearest pixels, never those of overviews: they were made without knowing what is fill."""
    smaller = size[0] < window.width or size[1] < window.height
    if not smaller or not dataset.overviews(bands[0]):
        return _read(dataset, bands, window, size, Resampling.nearest)
    x = np.floor(window.col_off + (np.arange(size[0]) + 0.5) * window.width / size[0]).astype(int)
    y = np.floor(window.row_off + (np.arange(size[1]) + 0.5) * window.height / size[1]).astype(int)
    x, y = np.clip(x, 0, dataset.width - 1), np.clip(y, 0, dataset.height - 1)
    left, width = int(x[0]), int(x[-1] - x[0] + 1)
    rows = [
        dataset.read(list(bands), window=Window(left, row, width, 1))[:, 0, x - left]
        for row in y.tolist()
    ]
    return np.stack(rows, axis=1)


def _resampling(window: Window, size: tuple[int, int]) -> Resampling:
    smaller = size[0] < window.width or size[1] < window.height
    return Resampling.average if smaller else Resampling.bilinear


def _declared(dataset: rasterio.DatasetReader, bands: tuple[int, ...]) -> str:
    """What the file says of missing pixels; empty where nothing."""
    flags = dataset.mask_flag_enums[bands[0] - 1]
    if MaskFlags.alpha in flags:
        return "alpha"
    if MaskFlags.nodata in flags:
        return "nodata"
    return "mask" if MaskFlags.per_dataset in flags else ""


def _undeclared(dataset: rasterio.DatasetReader, bands: tuple[int, ...]) -> str:
    kind = np.dtype(dataset.dtypes[bands[0] - 1])
    if kind.kind == "f":
        return "finite"
    # Sensors with more than 8 bits don't deliver an exact zero in every band: that is fill.
    return "zeros" if kind.kind in "iu" and kind.itemsize > 1 else "all"


def _scale(
    dataset: rasterio.DatasetReader, bands: tuple[int, ...], offset: float
) -> NDArray[np.float32] | None:
    """Factor and summand of each band, in steps of the first one; None where they change nothing.

    An offset that all share changes it too, but little: the range of a stretch is never less than
    half of its lowest value.
    """
    pairs = np.array([(dataset.scales[b - 1], dataset.offsets[b - 1] or offset) for b in bands])
    if not np.isfinite(pairs).all() or not pairs[:, 0].all():
        return None
    pairs /= abs(pairs[0, 0])
    alike = bool((pairs == pairs[0]).all())
    if alike and (not pairs[0, 1] or dataset.dtypes[bands[0] - 1] == "uint8"):
        return None
    return pairs.astype(np.float32)


def _white(dataset: rasterio.DatasetReader, bands: tuple[int, ...]) -> int | None:
    kind = np.dtype(dataset.dtypes[bands[0] - 1])
    told = dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
    if not told or kind.kind != "u" or kind.itemsize > 4:
        return None
    bits = dataset.tags(bands[0], ns="IMAGE_STRUCTURE").get("NBITS", str(8 * kind.itemsize))
    return int(2 ** int(bits) - 1)


def _alpha_band(dataset: rasterio.DatasetReader) -> int:
    return int(dataset.colorinterp.index(ColorInterp.alpha)) + 1


def _is_alpha(dataset: rasterio.DatasetReader) -> bool:
    """Whether a band that is called alpha is one: many programs call any fourth band so."""
    if ColorInterp.alpha not in dataset.colorinterp:
        return True  # GDAL has it from elsewhere
    number = _alpha_band(dataset)
    size = PixelWindow(0, 0, dataset.width, dataset.height).size_within(SAMPLE_SIDE_PX)
    whole = Window(0, 0, dataset.width, dataset.height)
    values = _nearest(dataset, (number,), whole, size)
    kind = np.dtype(values.dtype)
    full = np.iinfo(kind).max if kind.kind in "iu" else 1.0
    ends = (values == 0) | (values == full) | (values == values.max())
    return bool(ends.mean() >= SHARE_OF_ENDS)


def _find_collar(dataset: rasterio.DatasetReader, bands: tuple[int, ...]) -> Collar | None:
    if dataset.dtypes[bands[0] - 1] != "uint8":
        return None
    size = PixelWindow(0, 0, dataset.width, dataset.height).size_within(SIDE_CELLS)
    whole = Window(0, 0, dataset.width, dataset.height)
    values = _read(dataset, bands, whole, size, Resampling.nearest)
    return find_collar(values, dataset.width, dataset.height)
