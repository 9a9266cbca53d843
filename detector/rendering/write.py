"""Writes rendered scenes as vendors deliver them (raster, cloud mask, sidecar) with the truth."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Protocol

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio
import rasterio.shutil
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, Interleaving
from rasterio.errors import RasterioError

from detector.files import atomic_path, make_folder
from detector.geometry.geodesy import lonlat
from detector.rendering.georef import scene_frame
from detector.rendering.spec import PortSpec
from detector.times import format_time

VALIDATED_ON = "rendered scene"
CLOUD_ENDING = "_cloud.tif"
TIFF_OPTIONS: dict[str, Any] = {
    "tiled": True,
    "blockxsize": 512,
    "blockysize": 512,
    "compress": "deflate",
    "predictor": 2,
    "zlevel": 2,  # noise hardly shrinks further, and the time goes into the picture
    "BIGTIFF": "IF_SAFER",
}


class Writable(Protocol):
    """What is written of a scene; `scene.RenderedScene` has it."""

    @property
    def spec(self) -> PortSpec:
        """What decided it."""

    @property
    def seed(self) -> int:
        """Of everything that was drawn."""

    @property
    def values(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """`(h, w, bands)`, as stored."""

    @property
    def cloud(self) -> NDArray[np.bool_]:
        """`(h, w)` nothing is seen for cloud."""

    @property
    def transform(self) -> Affine:
        """Pixel to map."""

    @property
    def zones(self) -> gpd.GeoDataFrame:
        """Of the site."""

    def truth_table(self) -> gpd.GeoDataFrame:
        """One row an object."""


def write_scene(scene: Writable, path: Path, *, cog: bool = False) -> Path:
    """Write a scene and what belongs to it.

    `<stem>.tif`, `<stem>.json` (a STAC item with time, sun and view), `<stem>_cloud.tif` (a clear
    sky is told by a mask too), `<stem>_truth.geojson` and, where the site has zones,
    `<stem>_zones.geojson`.

    Args:
        scene: as `render` makes it.
        path: the raster's path, or a folder; then the name is made of site and date.
        cog: write a cloud-optimised GeoTIFF, with overviews.

    Returns:
        Path of the raster.
    """
    if path.suffix.lower() not in (".tif", ".tiff"):
        path = path / f"{rendered_stem(scene.spec)}.tif"
    make_folder(path.parent)
    profile = raster_profile(scene.spec, scene.transform)
    _write_raster(path, scene.values, profile, cog=cog)
    mask = scene.cloud.astype(np.uint8)[..., None]
    flat = profile | {"count": 1, "dtype": "uint8", "nodata": None}
    _write_raster(path.with_name(f"{path.stem}{CLOUD_ENDING}"), mask, flat)
    write_companions(path, scene.spec, scene.seed, scene.truth_table(), scene.zones)
    return path


def write_companions(
    path: Path, spec: PortSpec, seed: int, truth: gpd.GeoDataFrame, zones: gpd.GeoDataFrame
) -> None:
    """Write the sidecar, the truth and the zones beside a raster."""
    with atomic_path(path.with_suffix(".json")) as temporary:
        has_mask = path.with_name(f"{path.stem}{CLOUD_ENDING}").exists()
        item = stac_item(spec, seed, path.stem, cloud_mask=has_mask)
        text = json.dumps(item, indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")
    write_vector(truth, path.with_name(f"{path.stem}_truth.geojson"))
    if len(zones):
        write_vector(zones, path.with_name(f"{path.stem}_zones.geojson"))


def raster_profile(spec: PortSpec, transform: Affine) -> dict[str, Any]:
    """How rasterio writes a scene of that spec."""
    return {
        "driver": "GTiff",
        "width": spec.width,
        "height": spec.height,
        "count": 1 if spec.sensor.bands == "pan" else 3,
        "dtype": "uint8" if spec.sensor.bits == 8 else "uint16",
        "crs": spec.place.crs,
        "transform": transform,
        "nodata": 0,
        **TIFF_OPTIONS,
    }


def write_vector(table: gpd.GeoDataFrame, path: Path) -> Path:
    """Write zones or truth as GeoJSON, WGS84."""
    content = io.BytesIO()  # on a full disk GDAL would leave half a file and say nothing
    pyogrio.write_dataframe(
        table.to_crs(4326), content, layer=path.stem, driver="GeoJSON", RFC7946="YES"
    )
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())
    return path


def check_written(path: Path) -> None:
    """Refuse a GeoTIFF of which a part was not written: of a full disk GDAL says nothing.

    Raises:
        RasterioError: it cannot be opened, or a block of it lies behind the end of the file.
    """
    size = path.stat().st_size
    with rasterio.open(path) as raster:
        for band in raster.indexes if raster.interleaving is Interleaving.band else (1,):
            for (row, column), _ in raster.block_windows(band):
                block = f"{column}_{row}"
                start, length = (
                    int(raster.get_tag_item(f"BLOCK_{what}_{block}", "TIFF", bidx=band) or 0)
                    for what in ("OFFSET", "SIZE")
                )
                if start + length > size:
                    raise RasterioError(f"block {block} is not whole")


def rendered_stem(spec: PortSpec) -> str:
    """Name of a scene's files, without an ending."""
    return f"{spec.name}_{spec.sky.time:%Y-%m-%d}"


def stac_item(spec: PortSpec, seed: int, name: str, *, cloud_mask: bool) -> dict[str, Any]:
    """A STAC item with the time, the angles and how the scene came to be."""
    frame = scene_frame(spec)
    pixels = np.array([[0, 0], [0, spec.height], [spec.width, spec.height], [spec.width, 0]], float)
    ring = lonlat(frame.to_map(pixels), spec.place.crs)
    polygon = shapely.Polygon(ring)
    assets: dict[str, Any] = {
        "image": {"href": f"{name}.tif", "type": "image/tiff; application=geotiff"}
    }
    if cloud_mask:
        assets["cloud"] = {
            "href": f"{name}{CLOUD_ENDING}",
            "type": "image/tiff; application=geotiff",
        }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": ["https://stac-extensions.github.io/view/v1.0.0/schema.json"],
        "id": name,
        "geometry": shapely.geometry.mapping(polygon),
        "bbox": list(polygon.bounds),
        "links": [],
        "assets": assets,
        "properties": {
            "datetime": format_time(spec.sky.time),
            "gsd": spec.gsd_m,
            "view:sun_elevation": spec.sky.sun_elevation_deg,
            "view:sun_azimuth": spec.sky.sun_azimuth_deg,
            "view:off_nadir": spec.sensor.off_nadir_deg,
            "view:azimuth": spec.sensor.view_azimuth_deg,
            "eo:cloud_cover": 100.0 * spec.sky.cloud_fraction,
            "quaywatch:origin": VALIDATED_ON,
            "quaywatch:seed": seed,
        },
    }


def _write_raster(
    path: Path, values: NDArray[Any], profile: dict[str, Any], *, cog: bool = False
) -> None:
    with atomic_path(path, RasterioError, CPLE_BaseError) as temporary:
        raw = temporary.with_suffix(".raw") if cog else temporary
        try:
            with rasterio.open(raw, "w", **profile) as raster:
                if profile["count"] == 3:
                    raster.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
                raster.write(values.transpose(2, 0, 1))
                raster.update_tags(QUAYWATCH_ORIGIN=VALIDATED_ON)
            check_written(raw)
            if cog:
                rasterio.shutil.copy(raw, temporary, driver="COG", compress="deflate")
                check_written(temporary)
        finally:
            if cog:
                raw.unlink(missing_ok=True)
