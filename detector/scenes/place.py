"""Where the pixels of a raster lie on a map: its header, ground control points, RPCs, side files.

A raster that is placed by points or polynomials is warped while it is read, so that its pixels are
those of a map and everything behind it need not know.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError, ProjError
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import GCPTransformer
from rasterio.vrt import WarpedVRT

from detector.documents import decode_text
from detector.errors import SceneError
from detector.geometry.geodesy import lonlat
from detector.scenes.guard import GDAL_ERRORS, check_size, open_raster, reason
from detector.scenes.parts import split_part

LARGEST_COORDINATE: Final = 1e12  # of a map, in its unit
MAX_PRJ_BYTES: Final = 100_000
POOR_FIT_PX: Final = 2.0  # of ground control points, root mean square
LEAST_POINTS: Final = 3
UNPLACED: Final = (*GDAL_ERRORS, CRSError, ProjError, ValueError, OverflowError, SceneError)


@dataclass(frozen=True, slots=True)
class Placed:
    """A raster whose pixels are those of a map, where anything tells one.

    Attributes:
        dataset: gives pixels and masks.
        source: the file itself, with its tags; the same unless it is warped.
        crs: of the map, as rasterio and pyproj read it; None without.
        transform: pixel of `dataset` to map; identity without a map.
        remarks: what was used or not, a sentence each, without a full stop.
    """

    dataset: rasterio.DatasetReader
    source: rasterio.DatasetReader
    crs: str | None
    transform: Affine
    remarks: tuple[str, ...] = ()

    @property
    def is_warped(self) -> bool:
        """Whether pixels are not those of the file."""
        return self.dataset is not self.source

    def close(self) -> None:
        """Close the files."""
        self.dataset.close()
        if self.is_warped:
            self.source.close()


def open_placed(
    path: str,
    allowed: Sequence[str] = (),
    nodata: float | None = None,
    *,
    may_warp: bool = True,
) -> Placed:
    """Open a raster with what places it.

    In this order: CRS and geotransform; ground control points; RPCs; a geotransform or world file
    with a `.prj` beside it.

    Args:
        path: as `open_raster` takes it.
        allowed: as there.
        nodata: value of missing pixels, over what the file says.
        may_warp: use points and polynomials; else the raster is as it is stored, without a map.

    Raises:
        SceneError: as `open_raster`, or its place is none on the Earth.
    """
    source = open_raster(path, allowed)
    try:
        return _place(source, path, nodata, may_warp=may_warp)
    except BaseException:
        source.close()
        raise


def projection_files(path: str) -> list[Path]:
    """Where the CRS of a picture with a world file may be."""
    scene = Path(split_part(path).file)
    return [scene.parent / name for name in (f"{scene.stem}.prj", f"{scene.name}.prj")]


def _place(
    source: rasterio.DatasetReader, path: str, nodata: float | None, *, may_warp: bool
) -> Placed:
    nowhere = Affine.identity()
    has_transform = source.transform != nowhere
    if source.crs and has_transform:
        _check_place(source.crs.to_string(), source.transform, path)
        own = _horizontal(source.crs.to_string())
        return Placed(source, source, own, source.transform, _no_place(source, own))
    points, of_points = source.gcps
    if not may_warp and (points or source.rpcs is not None):
        return Placed(source, source, None, nowhere)
    if points:
        return _by_points(source, path, nodata, points, of_points)
    if source.rpcs is not None:
        return _by_rpcs(source, path, nodata)
    if has_transform:
        return _by_world_file(source, path)
    unplaced = ("has a CRS but no geotransform: not georeferenced",) if source.crs else ()
    return Placed(source, source, None, nowhere, unplaced)


def _by_world_file(source: rasterio.DatasetReader, path: str) -> Placed:
    crs, remark = _beside(path)
    if crs is None:
        return Placed(source, source, None, Affine.identity(), (remark,))
    _check_place(crs, source.transform, path)
    crs = _horizontal(crs)
    return Placed(source, source, crs, source.transform, (remark, *_no_place(source, crs)))


def _by_points(
    source: rasterio.DatasetReader,
    path: str,
    nodata: float | None,
    points: Sequence[Any],
    crs: Any,
) -> Placed:
    told = f"placed by {len(points)} ground control points"
    if not crs or len(points) < LEAST_POINTS:
        why = "without a CRS" if not crs else f"fewer than {LEAST_POINTS}"
        remark = f"{told}, {why}, which are not used: not georeferenced; give it a CRS and place"
        return Placed(source, source, None, Affine.identity(), (remark,))
    try:
        text = crs.to_string()
        if CRS.from_user_input(text).is_geographic:
            middle = np.mean([(point.x, point.y) for point in points], axis=0)
            target = _utm(lonlat(middle, text))
        else:
            target = text
        warped = _warp(source, path, nodata, crs=target)
        misfit = _misfit_px(points)
    except UNPLACED as error:
        remark = (
            f"{told}, which give no place ({reason(error)}): not georeferenced; warp it with "
            "gdalwarp -tps first"
        )
        return Placed(source, source, None, Affine.identity(), (remark,))
    poor = "; gdalwarp -tps may place it better" if misfit > POOR_FIT_PX else ""
    remark = f"{told}, that fit within {misfit:.1f} pixels: warped to {_name(target)}{poor}"
    return Placed(warped, source, warped.crs.to_string(), warped.transform, (remark,))


def _by_rpcs(source: rasterio.DatasetReader, path: str, nodata: float | None) -> Placed:
    rpcs = source.rpcs
    try:
        target = _utm(np.array([rpcs.long_off, rpcs.lat_off], np.float64))
        warped = _warp(source, path, nodata, crs=target, RPC_HEIGHT="0")
    except UNPLACED as error:
        remark = (
            f"placed by RPCs, which give no place ({reason(error)}): not georeferenced; warp it "
            "with gdalwarp -rpc first"
        )
        return Placed(source, source, None, Affine.identity(), (remark,))
    remark = (
        f"placed by RPCs: warped to {_name(target)} at height 0 of the ellipsoid; where metres "
        "matter, warp it with gdalwarp -rpc -to RPC_DEM=terrain.tif first"
    )
    return Placed(warped, source, warped.crs.to_string(), warped.transform, (remark,))


def _warp(
    source: rasterio.DatasetReader, path: str, nodata: float | None, **more: Any
) -> WarpedVRT:
    """The raster on its map; what lies outside, and what is missing, is missing.

    Raises:
        SceneError: it would be too large, or is placed where no map is.
    """
    kind = np.dtype(source.dtypes[0])
    undeclared = {"f": np.nan, "i": 0, "u": 0}.get(kind.kind if kind != np.uint8 else "")
    missing = next((one for one in (nodata, source.nodata, undeclared) if one is not None), None)
    if missing is not None:
        more |= {"src_nodata": missing, "nodata": missing, "UNIFIED_SRC_NODATA": "YES"}
    elif ColorInterp.alpha not in source.colorinterp:
        more["add_alpha"] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warped = WarpedVRT(source, resampling=Resampling.bilinear, **more)
    try:
        check_size(warped, path)
        _check_place(warped.crs.to_string(), warped.transform, path)
    except BaseException:
        warped.close()
        raise
    return warped


def _misfit_px(points: Sequence[Any]) -> float:
    """Root mean square of what the polynomial through ground control points misses, pixels."""
    with GCPTransformer(list(points)) as transformer:
        rows, columns = transformer.rowcol(
            [point.x for point in points], [point.y for point in points], op=lambda value: value
        )
    missed = np.hypot(
        np.subtract(rows, [point.row for point in points]),
        np.subtract(columns, [point.col for point in points]),
    )
    return float(np.sqrt(np.mean(missed**2)))


def _beside(path: str) -> tuple[str | None, str]:
    """The CRS in a `.prj` beside a picture, and what to say of it."""
    for file in projection_files(path):
        if not os.path.isfile(file):  # noqa: PTH113 - Path raises on overlong names
            continue
        try:
            with file.open("rb") as opened:
                text = decode_text(opened.read(MAX_PRJ_BYTES)).strip()
            crs = CRS.from_wkt(text)
        except (CRSError, OSError, ValueError) as error:
            return None, (
                f"has a geotransform or world file, but its {file.name} is no CRS "
                f"({reason(error)}): not georeferenced; write one with gdalsrsinfo -o wkt1_esri"
            )
        code = crs.to_epsg()
        name = f"EPSG:{code}" if code else crs.to_wkt()
        return name, f"its CRS, {_name(name)}, is that of {file.name}"
    return None, (
        "has a geotransform or world file but no CRS: not georeferenced; give it the CRS with "
        "gdal_edit -a_srs, or put a .prj beside it"
    )


def _utm(place: np.ndarray) -> str:
    longitude, latitude = place.tolist()
    if not (abs(latitude) <= 84.0 and abs(longitude) <= 360.0):
        raise ValueError(f"{longitude:g}, {latitude:g} are no longitude and latitude of a port")
    zone = int(((longitude + 180.0) % 360.0) // 6.0) + 1
    return f"EPSG:{(32600 if latitude >= 0 else 32700) + zone}"


def _name(crs: str) -> str:
    """A CRS in a sentence."""
    return crs if len(crs) < 40 else f"'{CRS.from_user_input(crs).name}'"


def _check_place(crs: str, transform: Affine, path: str) -> None:
    """Refuse a frame in which nothing can be measured, before any work."""
    numbers = np.array(transform[:6])
    if not (np.abs(numbers) < LARGEST_COORDINATE).all() or transform.is_degenerate:
        raise SceneError(
            f"{path}: its transform {tuple(transform[:6])} gives pixels no area or no "
            "place; georeference the scene anew"
        )
    try:
        lonlat(np.array(transform @ (0.0, 0.0)), crs)
        _check_plane(CRS.from_user_input(crs))
    except (CRSError, ProjError) as error:
        raise SceneError(
            f"{path}: its CRS '{crs[:80]}' is no map of the Earth ({reason(error)[:100]}); "
            "georeference the scene, or remove the CRS"
        ) from error


def _check_plane(crs: CRS) -> None:
    if not (crs.is_projected or crs.is_geographic):
        kind = "heights only" if crs.is_vertical else f"a {crs.type_name}"
        raise CRSError(f"{kind}, neither projected nor of longitude and latitude")


def _horizontal(crs: str) -> str:
    """Without the heights of a compound or three-dimensional CRS, which pictures do not have."""
    found = CRS.from_user_input(crs)
    if found.is_compound:
        return found.sub_crs_list[0].to_string()
    return found.to_2d().to_string() if len(found.axis_info) > 2 else crs


def _no_place(source: rasterio.DatasetReader, crs: str) -> tuple[str, ...]:
    """What to say of a picture that lies where its CRS has no place."""
    middle = np.array(source.transform @ (source.width / 2, source.height / 2))
    _, latitude = lonlat(middle, crs).tolist()
    if abs(latitude) <= 90.0:  # not of infinity
        return ()
    x, y = middle.tolist()
    return (
        f"its middle, {x:.6g}, {y:.6g}, is no place of its CRS {_name(crs)}, so its scale is "
        "unknown; if latitude stands first, georeference it anew",
    )
