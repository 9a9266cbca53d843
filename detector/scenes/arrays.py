"""Arrays as scenes: pixels that are in memory already go the same road as a file.

GDAL keeps the array as a GeoTIFF in memory, so that windows, stretch, validity and identity are
those of the file that holds the same pixels.
"""

from __future__ import annotations

import hashlib
import re
import threading
import warnings
import weakref
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import CRSError, NotGeoreferencedWarning
from rasterio.io import MemoryFile

from detector.errors import SceneError

ARRAY_DTYPES: Final = ("uint8", "uint16", "float32")
ARRAY_BANDS: Final = (1, 3, 4)
DEFAULT_NAME: Final = "array"
NAME_RULE: Final = re.compile(r"[^/\\\x00-\x1f]+")
HASH_DIGITS: Final = 16

COLOURS: Final = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


class ArrayFile:
    """A raster in memory; it goes when nobody holds this object any more.

    Attributes:
        path: for `open_scene`; the same array in the same frame has the same path every time.
    """

    def __init__(self, folder: str, name: str) -> None:
        self._file = MemoryFile(dirname=folder, filename=f"{name}.tif")
        self.path: str = self._file.name
        weakref.finalize(self, _release, self._file)

    def write(self, array: NDArray[Any], crs: CRS | None, transform: Affine | None) -> None:
        """Write `(height, width, bands)` as a GeoTIFF."""
        height, width, count = array.shape
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with self._file.open(
                driver="GTiff",
                width=width,
                height=height,
                count=count,
                dtype=array.dtype.name,
                crs=crs,
                transform=transform,
                BIGTIFF="IF_SAFER",
            ) as raster:
                raster.colorinterp = _colours(count, array.dtype.name)
                raster.write(np.moveaxis(array, -1, 0))


def array_file(
    array: NDArray[Any],
    *,
    name: str = DEFAULT_NAME,
    crs: Any = None,
    transform: Affine | Sequence[float] | None = None,
) -> ArrayFile:
    """An array as a raster that `open_scene` opens.

    Args:
        array: `(height, width)` or `(height, width, 1 | 3 | 4)`, uint8, uint16 or float32; three
            bands are red, green and blue. The fourth one is alpha in uint8, as in a PNG (0 is
            missing), and is not read in the others, where it is near infrared. In uint16 a pixel
            with 0 in every band is missing, in float32 one with a NaN.
        name: stands where a file's name would; a date in it is the time of acquisition.
        crs: anything that pyproj reads; together with `transform`.
        transform: pixel to map, an `Affine` or its six numbers `a b c d e f`.

    Raises:
        SceneError: shape, type, name, CRS or transform is none of these.
    """
    pixels = _checked(array)
    if not NAME_RULE.fullmatch(name):
        raise SceneError(f"name={name!r}: an array needs a name such as a file's, without slashes")
    place = _placed(crs, transform)
    digest = hashlib.sha256(repr((pixels.shape, pixels.dtype.name, place)).encode())
    digest.update(pixels.data)
    folder = f"quaywatch-{digest.hexdigest()[:HASH_DIGITS]}"
    with _lock:
        known = _FILES.get(f"{folder}/{name}")
        if known is None:
            # in the table first: what releases an earlier file of this path then leaves it alone
            known = _FILES[f"{folder}/{name}"] = ArrayFile(folder, name)
            known.write(pixels, *place)
        return known


_FILES: weakref.WeakValueDictionary[str, ArrayFile] = weakref.WeakValueDictionary()
_lock: Final = threading.RLock()


def _release(file: MemoryFile) -> None:
    with _lock:
        if not any(file.name == other.path for other in _FILES.values()):
            file.close()


def _checked(array: NDArray[Any]) -> NDArray[Any]:
    """The array with its bands last, in one piece."""
    if not isinstance(array, np.ndarray):
        raise SceneError(
            f"a scene is a path or a numpy array, not a {type(array).__name__}; np.asarray may "
            "make one of it"
        )
    shown = f"an array of the shape {array.shape}"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in ARRAY_BANDS):
        hint = ""
        if array.ndim == 3 and array.shape[0] in ARRAY_BANDS:
            hint = "; with bands first, say np.moveaxis(array, 0, -1)"
        elif array.ndim == 4:
            hint = "; several scenes are a list of arrays"
        raise SceneError(
            f"{shown} is no scene: it needs (height, width) or (height, width, 1, 3 or 4){hint}"
        )
    if not array.size:
        raise SceneError(f"{shown} holds no pixels")
    if array.dtype.name not in ARRAY_DTYPES:
        raise SceneError(
            f"an array of {array.dtype.name} is no scene: it needs {', '.join(ARRAY_DTYPES)}; for "
            "example array.astype(np.float32)"
        )
    return np.ascontiguousarray(array if array.ndim == 3 else array[..., None])


def _placed(
    crs: Any, transform: Affine | Sequence[float] | None
) -> tuple[CRS | None, Affine | None]:
    if (crs is None) != (transform is None):
        missing = "transform" if transform is None else "crs"
        raise SceneError(f"crs and transform go together, and there is no {missing}")
    if crs is None or transform is None:
        return None, None
    try:
        read = CRS.from_user_input(crs)
    except (CRSError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SceneError(f"crs={crs!r}: not a CRS ({reason}); write it as 'EPSG:32652'") from error
    try:
        a, b, c, d, e, f = (float(number) for number in tuple(transform)[:6])
    except (TypeError, ValueError) as error:
        raise SceneError(
            f"transform={transform!r}: needs an Affine or its six numbers a, b, c, d, e, f"
        ) from error
    placed = Affine(a, b, c, d, e, f)
    if placed.is_degenerate or not np.isfinite(placed[:6]).all():
        raise SceneError(f"transform={tuple(placed[:6])}: has pixels without area")
    return read, placed


def _colours(count: int, dtype: str) -> list[ColorInterp]:
    if count == 1:
        return [ColorInterp.gray]
    fourth = ColorInterp.alpha if dtype == "uint8" else ColorInterp.undefined
    return [*COLOURS, fourth][:count]
