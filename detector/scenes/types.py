"""What is known of a scene, what is asked of it, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from detector.geometry.geodesy import PixelSize
from detector.times import Acquired

CloudOption = Literal["auto", "clear", "unknown"]
KNOWN_SHARE: Final = 0.98  # of what was seen, as for `observed`
GsdSource = Literal["geodesic", "given", "estimated", "unknown"]


@dataclass(frozen=True, slots=True)
class ViewAngles:
    """Sun and sensor, in degrees, as the scene's metadata tell; None where they don't."""

    sun_elevation_deg: float | None = None
    sun_azimuth_deg: float | None = None
    off_nadir_deg: float | None = None
    view_azimuth_deg: float | None = None


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """What the user says of a scene; None means: find out.

    Attributes:
        bands: band numbers of red, green and blue, counted from 1, or one band for grey.
        gsd_m: ground sample distance in metres, used only where the scene has no CRS.
        acquired: time of acquisition (without a zone it is UTC), or the day alone.
        clouds: `auto` takes a cloud mask that comes with the scene; `clear` says that somebody has
            looked and there are none; `unknown` ignores masks.
        nodata: value that marks missing pixels, over what the file says.
        brighten_dark: stretch dark 8-bit scenes too, see `fit_stretch`.
        allow_remote: hosts, addresses or folders that names in files may lead to.
        angles: of sun and view, each over what the files say.
        item: the STAC item that names the scene; empty where none does.
        cloud_cover: per cent of the scene, as that item tells; it does not say where.
        as_stored: the pixels of the file itself, never warped to a map: labels lie in them.
        footprint: west, south, east, north in degrees, as that item tells.
        nir: band number of near infrared, counted from 1.
    """

    bands: tuple[int, ...] | None = None
    gsd_m: float | None = None
    acquired: date | None = None
    clouds: CloudOption = "auto"
    nodata: float | None = None
    brighten_dark: bool = False
    allow_remote: tuple[str, ...] = ()
    angles: ViewAngles = ViewAngles()
    item: str = ""
    cloud_cover: float | None = None
    as_stored: bool = False
    footprint: tuple[float, float, float, float] | None = None
    nir: int | None = None


def naming(options: SceneOptions, path: str) -> SceneOptions:
    """The same options where the user has named the scene: it may be anywhere."""
    return replace(options, allow_remote=(*options.allow_remote, path))


@dataclass(frozen=True, slots=True)
class Stretch:
    """One linear map from the scene's values to 8 bits, the same for all bands and tiles.

    Attributes:
        low: value that becomes 0.
        high: value that becomes 255.
        source: `as_is` (8-bit values untouched) or `percentiles`.
    """

    low: float
    high: float
    source: Literal["as_is", "percentiles"]


@dataclass(frozen=True, slots=True)
class SceneInfo:
    """What is known of a scene before its pixels are read.

    Attributes:
        scene_id: stem and short hash, safe as a folder's name.
        path: as given; may be a GDAL name such as `/vsicurl/…`.
        name: stem of the file's name.
        width: columns, full resolution.
        height: rows, full resolution.
        crs: as pyproj reads it, or None.
        transform: pixel to map; identity without CRS.
        pixel_size: ground size of the centre's pixel, or None where unknown.
        gsd_source: where it comes from; `estimated` from what the scene shows.
        acquired: UTC, or None where the time of day is unknown.
        acquired_source: where it comes from, `unknown` without.
        angles: sun and view.
        bands: numbers of the bands that are read, one or three.
        stretch: values to 8 bits.
        valid_source: what tells valid pixels: `all`, `mask`, `alpha`, `nodata`, `zeros`,
            `edge_zeros`, `finite`.
        cloud_source: file or band of the cloud mask, `user`, or None where clouds are unknown.
        content_hash: hash of size, geotransform and sampled blocks, hexadecimal.
        gsd_range_m: 90 % interval of an estimated gsd; None for another.
        acquired_day: the day at the place where only that is known; else None.
        acquired_remarks: what of its dates could not be read, or contradicts.
        remarks: what else of the file or the options was not believed, not used or not understood;
            a sentence each, without a full stop.
        asked: what the user says of the scene.
        near_infrared: number of that band, or None where nothing tells.
    """

    scene_id: str
    path: str
    name: str
    width: int
    height: int
    crs: str | None
    transform: Affine
    pixel_size: PixelSize | None
    gsd_source: GsdSource
    acquired: datetime | None
    acquired_source: str
    angles: ViewAngles
    bands: tuple[int, ...]
    stretch: Stretch
    valid_source: str
    cloud_source: str | None
    content_hash: str
    gsd_range_m: tuple[float, float] | None = None
    acquired_day: date | None = None
    acquired_remarks: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    asked: SceneOptions = SceneOptions()
    near_infrared: int | None = None

    @property
    def when(self) -> Acquired:
        """Time of acquisition, or the day, or neither."""
        return Acquired(self.acquired, self.acquired_day)

    @property
    def gsd_m(self) -> float | None:
        """Ground sample distance in metres at the centre, or None where unknown."""
        return self.pixel_size.gsd_m if self.pixel_size else None

    @property
    def sun_elevation_deg(self) -> float | None:
        """Degrees over the horizon."""
        return self.angles.sun_elevation_deg

    @property
    def sun_azimuth_deg(self) -> float | None:
        """Degrees from north, clockwise, towards the sun."""
        return self.angles.sun_azimuth_deg

    @property
    def off_nadir_deg(self) -> float | None:
        """Degrees between the line of sight and the vertical."""
        return self.angles.off_nadir_deg

    @property
    def view_azimuth_deg(self) -> float | None:
        """Degrees from north, clockwise, from the ground towards the sensor."""
        return self.angles.view_azimuth_deg


@dataclass(frozen=True, slots=True)
class ScenePixels:
    """Pixels of a window.

    Attributes:
        rgb: `(height, width, 3)` uint8, stretched; 0 where invalid.
        valid: `(height, width)`.
    """

    rgb: NDArray[np.uint8]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Observation:
    """What of a window was seen.

    Attributes:
        seen: `(height, width)`: valid and, where clouds are known, not under one.
        known: `(height, width)`: a cloud mask or the user says whether there is a cloud; beyond a
            mask, and where it holds no data, nothing does.
    """

    seen: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @property
    def cloud_known(self) -> bool:
        """Whether it is known of (nearly) all seen pixels that no cloud hides them."""
        return knows_clouds(self.seen, self.known)


def knows_clouds(seen: NDArray[np.bool_], known: NDArray[np.bool_]) -> bool:
    """Whether clouds are known of at least `KNOWN_SHARE` of the seen pixels."""
    if not seen.any():
        return bool(known.all())
    return bool(known[seen].mean() >= KNOWN_SHARE)
