"""Small rasters for the tests of scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

UTM52 = "EPSG:32652"


def utm_transform(gsd_m: float = 0.5) -> Affine:
    """Longitude 129, latitude 42.24: Najin."""
    return Affine(gsd_m, 0.0, 500_000.0, 0.0, -gsd_m, 4_677_000.0)


def gradient(width: int, height: int, bands: int = 3, dtype: str = "uint8") -> NDArray[Any]:
    """`(bands, height, width)`: every value tells its place and fills the 8-bit range."""
    rows, columns = np.mgrid[0:height, 0:width]
    values = [(columns * (band + 2) + rows * 3) % 251 + 1 for band in range(bands)]
    return np.stack(values).astype(dtype)


def write_raster(path: Path, values: NDArray[Any], **profile: Any) -> Path:
    """Write `(bands, height, width)`; UTM by default, `crs=None` for none."""
    tags = profile.pop("tags", {})
    descriptions = profile.pop("descriptions", None)
    mask = profile.pop("mask", None)
    defaults: dict[str, Any] = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
        "crs": UTM52,
        "transform": utm_transform(),
    }
    if profile.get("crs", "") is None:
        defaults.pop("transform")
    with rasterio.open(path, "w", **{**defaults, **profile}) as file:
        file.write(values)
        if descriptions:
            file.descriptions = descriptions
        if mask is not None:
            file.write_mask(mask)
        for domain, entries in tags.items():
            file.update_tags(ns=domain or None, **entries)
    return path
