"""The files that `docs/inputs.md` lists, made by code, and what each gives.

`python -m tests.inputs.table docs/inputs.md` writes the table anew; a test holds it.
"""

from __future__ import annotations

import re
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from scipy.io import netcdf_file

from detector.errors import QuaywatchError
from detector.geometry.windows import PixelWindow
from detector.scenes.discover import discover
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions, naming
from tests.scenes.rasters import gradient, utm_transform, write_raster
from tests.scenes.sentinel import write_product, zipped

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
SIDE = 40
Make = Callable[[Path], Path]


def _tif(bands: int = 3, dtype: str = "uint8", name: str = "a.tif", **more: Any) -> Make:
    return lambda folder: write_raster(folder / name, gradient(SIDE, SIDE, bands, dtype), **more)


def _hole(value: float, dtype: str, *, corner: bool = False, **more: Any) -> Make:
    def make(folder: Path) -> Path:
        values = gradient(SIDE, SIDE).astype(dtype)
        values[:, :20, : 20 if corner else SIDE] = value
        return write_raster(folder / "a.tif", values, **more)

    return make


def _with(name: str, content: str | bytes, make: Make | None = None) -> Make:
    def both(folder: Path) -> Path:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        return (make or _tif())(folder)

    return both


def _mask(name: str, value: int, bands: int = 1, width: int = SIDE, clear: int = 0) -> Make:
    """A cloud mask beside the scene; in its upper quarter the value of a cloud."""

    def make(folder: Path) -> Path:
        values = np.full((bands, SIDE, width), clear, np.uint8)
        values[5 if bands == 8 else 0, :10] = value  # band 6 of a UDM2 is cloud
        write_raster(folder / name, values)
        return _tif()(folder)

    return make


def _alpha(folder: Path) -> Path:
    values = gradient(SIDE, SIDE, 4)
    values[3] = 255
    values[:, :20] = 0
    return write_raster(folder / "a.tif", values, **RGBA)


def _nothing(folder: Path) -> Path:
    return write_raster(folder / "a.tif", np.zeros((1, SIDE, SIDE), np.uint8), nodata=0)


def _picture(name: str, mode: str = "RGB", exif: int = 0, **more: Any) -> Make:
    def make(folder: Path) -> Path:
        pixels = np.moveaxis(gradient(SIDE, SIDE), 0, -1)
        image = Image.fromarray(pixels).convert(mode)
        if exif:
            turned = Image.Exif()
            turned[274] = exif
            more["exif"] = turned
        image.save(folder / name, **more)
        return folder / name

    return make


def _raw(name: str, content: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _points(folder: Path) -> Path:
    path = _tif(crs=None)(folder)
    corners = ((0, 0), (0, SIDE), (SIDE, 0), (SIDE, SIDE))
    points = [GroundControlPoint(r, c, 500_000 + c, 4_677_000 - r) for r, c in corners]
    with rasterio.open(path, "r+") as raster:
        raster.gcps = (points, rasterio.CRS.from_epsg(32652))
    return path


def _pages(folder: Path) -> Path:
    path = _tif()(folder)
    with rasterio.open(
        path, "w", "GTiff", SIDE, SIDE, 1, dtype="uint8", APPEND_SUBDATASET="YES"
    ) as raster:
        raster.write(gradient(SIDE, SIDE, 1))
    return path


def _named(make: Make, part: str) -> Make:
    """A part of a file by its name."""
    return lambda folder: Path(f"{make(folder)}::{part}")


def _netcdf(folder: Path) -> Path:
    path = folder / "a.nc"
    with netcdf_file(path, "w") as file:
        for axis in "yx":
            file.createDimension(axis, SIDE)
        for name in ("red", "nir"):
            file.createVariable(name, "h", ("y", "x"))[:] = gradient(SIDE, SIDE, 1, "int16")[0]
    return path


def _packed(*names: str) -> Make:
    def make(folder: Path) -> Path:
        inner = _tif(name="inner.tif")(folder)
        with zipfile.ZipFile(folder / "a.zip", "w") as archive:
            for name in names:
                archive.write(inner, name)
        return folder / "a.zip"

    return make


def _polynomials(folder: Path) -> Path:
    path = _tif(crs=None)(folder)
    one, half = [1.0] + [0.0] * 19, SIDE / 2
    with rasterio.open(path, "r+") as raster:
        raster.rpcs = RPC(
            *(0.0, 100.0, 42.24, half * 5e-6, one, [0.0, 0.0, -1.0] + [0.0] * 17, half, half),
            *(129.0, half * 5e-6, one, [0.0, 1.0] + [0.0] * 18, half, half, None, None),
        )
    return path


def _scaled(folder: Path) -> Path:
    path = _tif(dtype="uint16")(folder)
    with rasterio.open(path, "r+") as raster:
        raster.scales, raster.offsets = (1e-4, 2e-4, 1e-4), (0.0, 0.1, 0.0)
    return path


def _dangling(folder: Path) -> Path:
    (folder / "a.tif").symlink_to("b.tif")
    return folder / "a.tif"


def _palette(folder: Path) -> Path:
    path = write_raster(folder / "a.tif", gradient(SIDE, SIDE, 1), photometric="palette")
    with rasterio.open(path, "r+") as raster:
        raster.write_colormap(1, {i: (i, 255 - i, 90, 255) for i in range(256)})
    return path


STAC = (
    '{"properties": {"datetime": "2023-10-13T02:15:30Z", "view:sun_elevation": 41, '
    '"view:sun_azimuth": 160, "view:off_nadir": 12, "view:azimuth": 80}}'
)
PLANET = (
    '{"properties": {"acquired": "2023-10-13T02:15:30Z", "sun_elevation": 41, '
    '"sun_azimuth": 160, "view_angle": 12, "satellite_azimuth": 80}}'
)
SPAN = STAC.replace('"datetime": ', '"datetime": null, "start_datetime": ')
PLACE = (
    "<PAMDataset><SRS>EPSG:32652</SRS>"
    "<GeoTransform>500000, 0.5, 0, 4677000, 0, -0.5</GeoTransform></PAMDataset>"
)
IMD = """BEGIN_GROUP = IMAGE_1
 firstLineTime = 2023-10-13T02:15:30.000000Z;
 meanSunEl = 41.0;
 meanSunAz = 160.0;
 meanSatAz = 80.0;
 meanOffNadirViewAngle = 12.0;
END_GROUP = IMAGE_1
END;
"""
RGBA = {"photometric": "RGB", "alpha": "YES"}
LOCAL = rasterio.CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
PLAIN = {"crs": None}
UTM = rasterio.CRS.from_epsg(32652)
WORLD = "0.5\n0\n0\n-0.5\n500000\n4677000\n"
TAG = "TIFFTAG_DATETIME"
SSC = "20231013_021530_ssc4_u0001"

CASES: dict[str, tuple[Make, SceneOptions]] = {
    name: (made, SceneOptions()) if callable(made) else made
    for name, made in {
        "GeoTIFF, 8 bits": _tif(),
        "GeoTIFF, 16 bits": _tif(dtype="uint16"),
        "GeoTIFF, signed 16 bits": _tif(dtype="int16"),
        "GeoTIFF, 32-bit floats": _tif(dtype="float32"),
        "GeoTIFF, 64-bit floats": _tif(dtype="float64"),
        "GeoTIFF, complex": _tif(dtype="complex64"),
        "panchromatic": _tif(1),
        "two bands, none named": _tif(2),
        "four bands, the fourth near infrared": _tif(4, photometric="RGB"),
        "four bands, the fourth near infrared but called alpha": _tif(4, **RGBA),
        "four bands without colours": _tif(4, photometric="MINISBLACK"),
        "the same with scene.bands": (
            _tif(4, photometric="MINISBLACK"), SceneOptions(bands=(3, 2, 1))),
        "bands named B04, B03, B02": _tif(
            4, photometric="MINISBLACK", descriptions=("B02", "B03", "B04", "B08")),
        "palette": _palette,
        "nodata declared": _hole(0, "uint8", nodata=0),
        "nodata in scene.nodata": (_hole(7, "uint8"), SceneOptions(nodata=7)),
        "NaN, undeclared": _hole(np.nan, "float32"),
        "NaN, declared": _hole(np.nan, "float32", nodata=np.nan),
        "infinity": _hole(np.inf, "float32"),
        "lowest float, undeclared": _hole(-3.4e38, "float32"),
        "zeros in 16 bits": _hole(0, "uint16"),
        "a black collar in 8 bits": _hole(0, "uint8", corner=True),
        "nothing but nodata": _nothing,
        "white is 0 (MinIsWhite)": _tif(1, photometric="MINISWHITE"),
        "1 bit": _tif(1, NBITS=1),
        "CMYK": _tif(4, photometric="CMYK"),
        "nodata beside it in .aux.xml": _with(
            "a.tif.aux.xml",
            "<PAMDataset>" + "".join(
                f'<PAMRasterBand band="{band}"><NoDataValue>9</NoDataValue></PAMRasterBand>'
                for band in (1, 2, 3)) + "</PAMDataset>",
            _hole(9, "uint8")),
        "mask band": _tif(mask=np.repeat([0, 255], 20)[:, None].repeat(SIDE, 1).astype(np.uint8)),
        "alpha band, half of it 0": _alpha,
        "EPSG:4326": _tif(crs="EPSG:4326", transform=Affine(5e-6, 0, 129, 0, -5e-6, 42)),
        "EPSG:3857": _tif(crs="EPSG:3857", transform=Affine(0.7, 0, 1.4e7, 0, -0.7, 5.2e6)),
        "turned by 30 degrees": _tif(transform=utm_transform() @ Affine.rotation(30)),
        "US survey feet": _tif(crs="EPSG:2263", transform=Affine(1.5, 0, 9.8e5, 0, -1.5, 2e5)),
        "EPSG:3857 across 180 degrees": _tif(
            crs="EPSG:3857", transform=Affine(0.7, 0, 20_037_494, 0, -0.7, 5.2e6)),
        "with heights (compound CRS)": _tif(crs="EPSG:32652+5773"),
        "geocentric CRS": _tif(crs="EPSG:4978"),
        "latitude before longitude": _tif(
            crs="EPSG:4326", transform=Affine(5e-6, 0, 42, 0, -5e-6, 129)),
        "south up": _tif(transform=Affine(0.5, 0, 500_000, 0, 0.5, 4_677_000)),
        "pixel is point": _tif(tags={"": {"AREA_OR_POINT": "Point"}}),
        "no CRS": _tif(**PLAIN),
        "no CRS, scene.gsd": (_tif(**PLAIN), SceneOptions(gsd_m=0.5)),
        "scene.gsd on a georeferenced file": (_tif(), SceneOptions(gsd_m=0.7)),
        "CRS without geotransform": _tif(transform=Affine.identity()),
        "local CRS": _tif(crs=LOCAL),
        "world file, no CRS": _with("a.tfw", WORLD, _tif(**PLAIN)),
        "ground control points": _points,
        "RPCs": _polynomials,
        "world file with a .prj": _with(
            "a.prj", UTM.to_wkt(), _with("a.tfw", WORLD, _tif(**PLAIN))),
        "world file with a .prj that is none": _with(
            "a.prj", "Projection UTM", _with("a.tfw", WORLD, _tif(**PLAIN))),
        "two pages": _pages,
        "the second page by its name, a.tif::2": _named(_pages, "2"),
        "a page that there is not": _named(_pages, "3"),
        "NetCDF with two variables": _netcdf,
        "one of them by its name, a.nc::red": _named(_netcdf, "red"),
        "bands of different scale and offset": _scaled,
        "Sentinel-2, a .SAFE folder": write_product,
        "Sentinel-2, its zip": lambda folder: zipped(write_product(folder)),
        "Sentinel-2, its true colours, ….SAFE::TCI": _named(write_product, "TCI"),
        "zip of one GeoTIFF": _packed("in/b.tif"),
        "gzip": lambda folder: _tif()(folder).rename(folder / "a.tif.gz"),
        "zip of two GeoTIFFs": _packed("b.tif", "c.tif"),
        "one of them by its name, a.zip::c.tif": _named(_packed("b.tif", "c.tif"), "c.tif"),
        "PNG": _picture("a.png"),
        "PNG, placed by .aux.xml": _with("a.png.aux.xml", PLACE, _picture("a.png")),
        "PNG called .tif": lambda folder: _picture("a.png")(folder).rename(folder / "a.tif"),
        "PNG with alpha": _picture("a.png", "RGBA"),
        "PNG, paletted": _picture("a.png", "P"),
        "JPEG": _picture("a.jpg"),
        "JPEG, grey": _picture("a.jpg", "L"),
        "JPEG, turned by EXIF": _picture("a.jpg", exif=6),
        "JPEG, CMYK": _picture("a.jpg", "CMYK"),
        "BMP": _picture("a.bmp"),
        "WebP": _picture("a.webp", lossless=True),
        "GIF": _picture("a.gif", "P"),
        "date in the name": _tif(name="najin_2023-10-13.tif"),
        "date in the name, in two ways of reading": _tif(name="najin_03-04-2023.tif"),
        "date in the TIFF": _tif(tags={"": {TAG: "2023:10:13 02:15:30"}}),
        "date that programs invent": _tif(tags={"": {TAG: "1970:01:01 00:00:00"}}),
        "Maxar's .IMD beside it": _with("a.IMD", IMD),
        "NITF with its date": lambda folder: write_raster(
            folder / "a.ntf", gradient(SIDE, SIDE), driver="NITF", ICORDS="N",
            IDATIM="20231013021530"),
        "NITF without a date": lambda folder: write_raster(
            folder / "a.ntf", gradient(SIDE, SIDE), driver="NITF", ICORDS="N"),
        "STAC item of a span of time": _with("a.json", SPAN),
        "STAC item": _with("a.json", STAC),
        "STAC item with a byte order mark": _with("a.json", "\ufeff" + STAC),
        "STAC item in UTF-16": _with("a.json", STAC.encode("utf-16")),
        "Planet metadata": _with(
            f"{SSC}_metadata.json", PLANET, _tif(name=f"{SSC}_visual.tif")),
        "damaged JSON beside it": _with("a.json", "{"),
        "other JSON beside it": _with("a.json", '{"shapes": []}'),
        "SCL beside it, a quarter clouds": _mask("a_SCL.tif", 9, clear=6),
        "UDM2 beside it, a quarter clouds": _mask("a_udm2.tif", 1, bands=8),
        "cloud mask, a quarter clouds": _mask("a_cloud.tif", 1),
        "cloud mask over half of it": _mask("a_cloud.tif", 0, width=20),
        "UDM2 of five bands": _mask("a_udm2.tif", 0, bands=5),
        "cut off": lambda folder: _cut(_tif()(folder)),
        "text named .tif": _raw("a.tif", b"<html>not found</html>"),
        "empty file": _raw("a.tif", b""),
        "a link to nothing": _dangling,
        "a folder without scenes": lambda folder: folder,
        "no such file": lambda folder: folder / "a.tif",
        "name with ! ; # ? % and a newline": _tif(name="a!b;c#d?e%20f\ng.tif"),
        "name that ends in a dot": _tif(name="a.tif."),
        "name of 255 bytes": _tif(name="n" * 251 + ".tif"),
    }.items()
}  # fmt: skip


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:2500])
    return path


def outcome(name: str, folder: Path) -> str:
    """What a file gives, in one cell of the table."""
    make, options = CASES[name]
    path = make(folder)
    (source,) = discover([path])
    try:
        if source.problem:
            return _short(source.problem, path)
        with open_scene(source.path, naming(options, source.path)) as scene:
            info = scene.info
            seen = scene.observation(PixelWindow(0, 0, info.width, info.height), (SIDE, SIDE))
            gsd = "gsd unknown" if info.gsd_m is None else f"{info.gsd_m:.2f} m ({info.gsd_source})"
            known = "" if info.cloud_source is None else f", clouds known {seen.known.mean():.0%}"
            when = f"{info.when.iso} ({info.acquired_source})" if info.when.iso else "no time"
            angles = "" if info.sun_elevation_deg is None else ", angles"
            told = [
                f"bands {', '.join(map(str, info.bands))}; {gsd}; "
                f"{seen.seen.mean():.0%} seen ({info.valid_source}{known}); {when}{angles}",
                *info.remarks,
                *info.acquired_remarks,
            ]
            return _short("; ".join(told), path)
    except QuaywatchError as error:
        return f"refused: {_short(str(error), path)}"


def _short(text: str, path: Path) -> str:
    text = (
        text.replace(f"{path}: ", "").replace(repr(str(path)), "it").replace(str(path), path.name)
    )
    text = text.replace(f"{path.parent}/", "").replace(f"{path.parent}", "folder")
    return re.sub(r"\s+", " ", text).replace("|", "/").replace("<", "&lt;")


def table() -> str:
    """The table in Markdown, between its marks."""
    lines = [BEGIN, "| file | what it gives |", "|---|---|"]
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(f"| {name} | {outcome(name, Path(folder))} |")
    return "\n".join([*lines, END])


def main(path: Path) -> None:
    """Write the table into a page, between its marks."""
    head, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    path.write_text(head + table() + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
