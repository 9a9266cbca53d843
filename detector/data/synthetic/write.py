"""Writes rendered scenes as vendors deliver them (raster, cloud mask, sidecar) with the truth."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from detector.data.synthetic.georef import scene_frame
from detector.data.synthetic.scene import RenderedScene
from detector.data.synthetic.spec import PortSpec
from detector.export.atomic import atomic_path
from detector.geometry.geodesy import lonlat

VALIDATED_ON = "rendered scene"
TIFF_OPTIONS: dict[str, Any] = {
    "tiled": True,
    "blockxsize": 512,
    "blockysize": 512,
    "compress": "deflate",
    "predictor": 2,
    "BIGTIFF": "IF_SAFER",
}


def write_scene(scene: RenderedScene, path: Path) -> Path:
    """Write a scene and what belongs to it.

    `<stem>.tif`, `<stem>.json` (a STAC item with time, sun and view), `<stem>_cloud.tif` where
    there are clouds, `<stem>_truth.geojson` and, where the site has zones, `<stem>_zones.geojson`.

    Args:
        scene: as `render` makes it.
        path: the raster's path, or a folder; then the name is made of site, date and seed.

    Returns:
        Path of the raster.
    """
    if path.suffix.lower() not in (".tif", ".tiff"):
        path = path / f"{scene_stem(scene.spec)}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = path.with_suffix("")
    clouded = scene.spec.sky.cloud_fraction > 0
    _write_raster(path, scene.values, scene)
    if clouded:
        mask = scene.cloud.astype(np.uint8)[..., None]
        _write_raster(stem.with_name(stem.name + "_cloud.tif"), mask, scene, nodata=None)
    item = stac_item(scene.spec, scene.seed, scene.acquired, stem.name)
    with atomic_path(stem.with_name(stem.name + ".json")) as temporary:
        temporary.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")
    write_vector(scene.truth_table(), stem.with_name(stem.name + "_truth.geojson"))
    if len(scene.zones):
        write_vector(scene.zones, stem.with_name(stem.name + "_zones.geojson"))
    return path


def write_vector(table: gpd.GeoDataFrame, path: Path) -> Path:
    """Write zones or truth as GeoJSON, WGS84."""
    with atomic_path(path) as temporary:
        table.to_crs(4326).to_file(temporary, driver="GeoJSON", RFC7946="YES")
    return path


def scene_stem(spec: PortSpec) -> str:
    """Name of a scene's files, without an ending."""
    return f"{spec.name}_{spec.sky.time:%Y-%m-%d}"


def stac_item(spec: PortSpec, seed: int, acquired: datetime, name: str) -> dict[str, Any]:
    """A STAC item with the time, the angles and how the scene came to be."""
    frame = scene_frame(spec)
    pixels = np.array([[0, 0], [0, spec.height], [spec.width, spec.height], [spec.width, 0]], float)
    ring = lonlat(frame.to_map(pixels), spec.place.crs)
    polygon = shapely.Polygon(ring)
    assets: dict[str, Any] = {
        "image": {"href": f"{name}.tif", "type": "image/tiff; application=geotiff"}
    }
    if spec.sky.cloud_fraction > 0:
        assets["cloud"] = {"href": f"{name}_cloud.tif", "type": "image/tiff; application=geotiff"}
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
            "datetime": acquired.strftime("%Y-%m-%dT%H:%M:%SZ"),
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
    path: Path, values: NDArray[Any], scene: RenderedScene, nodata: int | None = 0
) -> None:
    height, width, bands = values.shape
    profile = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": bands,
        "dtype": values.dtype.name,
        "crs": scene.crs,
        "transform": scene.transform,
        "nodata": nodata,
        **TIFF_OPTIONS,
    }
    with atomic_path(path) as temporary, rasterio.open(temporary, "w", **profile) as raster:
        if bands == 3:
            raster.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
        raster.write(values.transpose(2, 0, 1))
        raster.update_tags(QUAYWATCH_ORIGIN=VALIDATED_ON)
