"""A Sentinel-2 product of a few pixels, with the names and metadata of a true one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

NAME = "S2A_MSIL2A_20231013T021601_N0509_R003_T52TDL_20231013T060000.SAFE"
GRANULE = "L2A_T52TDL_A043408_20231013T022011"
SIDE = 24  # pixels of 10 m
OFFSET = -1000
BANDS = {10: ("B02", "B03", "B04", "B08", "TCI"), 20: ("B05", "SCL")}

MAIN = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://sentinel2.esa.int/PSD/User_Product_Level-2A.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_START_TIME>2023-10-13T02:16:01.024Z</PRODUCT_START_TIME>
<PRODUCT_URI>{name}</PRODUCT_URI>
<PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL><PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
<Query_Options><PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT></Query_Options>
<Product_Organisation><Granule_List>
<Granule granuleIdentifier="{granule}" imageFormat="JPEG2000">{images}</Granule>
</Granule_List></Product_Organisation></Product_Info>
<Product_Image_Characteristics>
<QUANTIFICATION_VALUES_LIST>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
</QUANTIFICATION_VALUES_LIST>
<BOA_ADD_OFFSET_VALUES_LIST>
<BOA_ADD_OFFSET band_id="1">{offset}</BOA_ADD_OFFSET>
<BOA_ADD_OFFSET band_id="2">{offset}</BOA_ADD_OFFSET>
<BOA_ADD_OFFSET band_id="3">{offset}</BOA_ADD_OFFSET>
</BOA_ADD_OFFSET_VALUES_LIST>
</Product_Image_Characteristics></n1:General_Info></n1:Level-2A_User_Product>
"""
TILE = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://sentinel2.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
<n1:General_Info><SENSING_TIME>2023-10-13T02:20:11.123Z</SENSING_TIME></n1:General_Info>
<n1:Geometric_Info><Tile_Geocoding>
<HORIZONTAL_CS_NAME>WGS84 / UTM zone 52N</HORIZONTAL_CS_NAME>
<HORIZONTAL_CS_CODE>EPSG:32652</HORIZONTAL_CS_CODE>
{sizes}
</Tile_Geocoding><Tile_Angles>
<Mean_Sun_Angle><ZENITH_ANGLE>52.5</ZENITH_ANGLE><AZIMUTH_ANGLE>165.25</AZIMUTH_ANGLE>
</Mean_Sun_Angle><Mean_Viewing_Incidence_Angle_List>
<Mean_Viewing_Incidence_Angle bandId="9"><ZENITH_ANGLE>1</ZENITH_ANGLE>
<AZIMUTH_ANGLE>2</AZIMUTH_ANGLE></Mean_Viewing_Incidence_Angle>
<Mean_Viewing_Incidence_Angle bandId="3"><ZENITH_ANGLE>8.5</ZENITH_ANGLE>
<AZIMUTH_ANGLE>104</AZIMUTH_ANGLE></Mean_Viewing_Incidence_Angle>
</Mean_Viewing_Incidence_Angle_List></Tile_Angles></n1:Geometric_Info></n1:Level-2A_Tile_ID>
"""
SIZE = """<Size resolution="{r}"><NROWS>{n}</NROWS><NCOLS>{n}</NCOLS></Size>
<Geoposition resolution="{r}"><ULX>499980</ULX><ULY>4677000</ULY><XDIM>{r}</XDIM><YDIM>-{r}</YDIM>
</Geoposition>"""


def reflectance(band: str) -> np.ndarray:
    """What a band at 10 m shows, from 1100 upwards; its first column holds no data."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    values = 1100 + 40 * columns + 10 * rows + 100 * int(band[1:])
    values[:, 0] = 0
    return values.astype(np.uint16)


def write_product(folder: Path) -> Path:
    """Write the folder of the product; a quarter of its classification is cloud."""
    root = folder / NAME
    images = []
    for step, bands in BANDS.items():
        place = root / "GRANULE" / GRANULE / "IMG_DATA" / f"R{step}m"
        place.mkdir(parents=True)
        for band in bands:
            path = place / f"T52TDL_20231013T021601_{band}_{step}m.jp2"
            _write_band(path, _pixels(band, SIDE * 10 // step), step)
            images.append(f"<IMAGE_FILE>{path.relative_to(root).with_suffix('')}</IMAGE_FILE>")
    main = MAIN.format(name=NAME, granule=GRANULE, images="".join(images), offset=OFFSET)
    (root / "MTD_MSIL2A.xml").write_text(main)
    sizes = "".join(SIZE.format(r=step, n=SIDE * 10 // step) for step in (10, 20, 60))
    (root / "GRANULE" / GRANULE / "MTD_TL.xml").write_text(TILE.format(sizes=sizes))
    return root


def write_level_1c(folder: Path) -> Path:
    """The same as level 1C: images in one folder, no scene classification."""
    name, granule = NAME.replace("MSIL2A", "MSIL1C"), GRANULE.replace("L2A", "L1C")
    root = folder / name
    place = root / "GRANULE" / granule / "IMG_DATA"
    place.mkdir(parents=True)
    images = []
    for band in BANDS[10]:
        path = place / f"T52TDL_20231013T021601_{band}.jp2"
        _write_band(path, _pixels(band, SIDE), 10)
        images.append(f"<IMAGE_FILE>{path.relative_to(root).with_suffix('')}</IMAGE_FILE>")
    main = MAIN.format(name=name, granule=granule, images="".join(images), offset=OFFSET)
    for level_2a, level_1c in (
        ("Level-2A", "Level-1C"),
        ("S2MSI2A", "S2MSI1C"),
        ("BOA_ADD_OFFSET_VALUES_LIST", "Radiometric_Offset_List"),
        ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"),
        ("<QUANTIFICATION_VALUES_LIST>", ""),
        ("</QUANTIFICATION_VALUES_LIST>", ""),
        ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE"),
    ):
        main = main.replace(level_2a, level_1c)
    (root / "MTD_MSIL1C.xml").write_text(main)
    sizes = "".join(SIZE.format(r=step, n=SIDE * 10 // step) for step in (10, 20, 60))
    tile = TILE.format(sizes=sizes).replace("Level-2A", "Level-1C")
    (root / "GRANULE" / granule / "MTD_TL.xml").write_text(tile)
    return root


def zipped(root: Path) -> Path:
    """The same as ESA sends it: one archive with the folder in it."""
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(root.parent))
    return path


def _pixels(band: str, side: int) -> np.ndarray:
    if band == "SCL":
        values = np.full((1, side, side), 6, np.uint8)  # water
        values[:, : side // 4] = 9  # cloud
        return values
    if band == "TCI":
        return np.broadcast_to(20 + 10 * np.arange(side), (3, side, side)).astype(np.uint8)
    return reflectance(band)[None, :side, :side]


def _write_band(path: Path, values: np.ndarray, step: int) -> None:
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG",
        count=len(values),
        width=values.shape[2],
        height=values.shape[1],
        dtype=values.dtype,
        crs="EPSG:32652",
        transform=Affine(step, 0, 499_980, 0, -step, 4_677_000),
        QUALITY="100",
        REVERSIBLE="YES",
    ) as file:
        file.write(values)
