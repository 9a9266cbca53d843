"""Ranges of what people say of a scene: one place for options, tables and side files."""

from __future__ import annotations

from typing import Final

LARGEST_GSD_M: Final = 1000.0
CLOUD_WORDS: Final = ("auto", "clear", "unknown")
ANGLE_LIMITS_DEG: Final = {
    "sun_elevation_deg": (-90.0, 90.0),
    "sun_azimuth_deg": (-360.0, 360.0),
    "off_nadir_deg": (-90.0, 90.0),
    "view_azimuth_deg": (-360.0, 360.0),
}
