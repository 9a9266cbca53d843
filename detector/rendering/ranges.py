"""Draws specs: many different ports from one description of what is likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.errors import ConfigError
from detector.options import option
from detector.rendering.spec import (
    LayoutSpec,
    PlaceSpec,
    PortSpec,
    SensorSpec,
    SkySpec,
    TrafficSpec,
)
from detector.rendering.streams import stream


@dataclass(frozen=True, slots=True)
class SpecRanges:
    """From which specs are drawn: `[lowest, highest]` of a uniform draw, or a share.

    The defaults are those of the rendered share of the training.
    """

    name: str = option("first part of the scenes' names", default="drawn")
    first_seed: int = option("seed of the first scene; the others follow", low=0, default=1000)
    scenes: int = option("how many scenes", low=1, default=24)
    size_px: int = option("width and height of the scenes", low=64, default=1280)
    gsd_m: list[float] = option("metres a pixel", default_factory=lambda: [0.35, 0.9])
    sun_elevation_deg: list[float] = option("degrees", default_factory=lambda: [28.0, 65.0])
    off_nadir_deg: list[float] = option("degrees", default_factory=lambda: [0.0, 22.0])
    haze: list[float] = option("0 to 1", default_factory=lambda: [0.0, 0.22])
    wind_ms: list[float] = option("metres a second", default_factory=lambda: [1.0, 10.0])
    land_fraction: list[float] = option("share", default_factory=lambda: [0.3, 0.72])
    berth_occupancy: list[float] = option("share", default_factory=lambda: [0.35, 0.95])
    yard_fill: list[float] = option("share", default_factory=lambda: [0.3, 0.92])
    noise: list[float] = option("8-bit grey levels", default_factory=lambda: [0.8, 4.5])
    blur_px: list[float] = option("pixels", default_factory=lambda: [0.4, 0.85])
    anchored_per_km2: list[float] = option("per km2", default_factory=lambda: [0.0, 9.0])
    boats_per_km2: list[float] = option("per km2", default_factory=lambda: [0.0, 14.0])
    railheads: float = option("share of scenes without water", low=0, high=1, default=0.12)
    clouded: float = option("share of scenes with clouds", low=0, high=1, default=0.2)
    pan: float = option("share of panchromatic scenes", low=0, high=1, default=0.1)
    deep: float = option("share of scenes with 11 or 16 bits", low=0, high=1, default=0.2)

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, list) and (len(value) != 2 or value[0] > value[1]):
                raise ConfigError(f"{name}={value}: needs the lowest and the highest value")


def draw_spec(ranges: SpecRanges, index: int) -> tuple[PortSpec, int]:
    """The spec and the seed of one scene; the same on every call.

    Args:
        ranges: what is likely.
        index: number of the scene, from 0.
    """
    seed = ranges.first_seed + index
    generator = stream(seed, "spec", ranges.name)

    def uniform(limits: list[float]) -> float:
        return _uniform(generator, limits)

    inland = generator.random() < ranges.railheads
    elevation = uniform(ranges.sun_elevation_deg)
    clouds = uniform([0.05, 0.45]) if generator.random() < ranges.clouded else 0.0
    bits = int(generator.choice([11, 16])) if generator.random() < ranges.deep else 8
    zone = int(generator.integers(1, 61))
    spec = PortSpec(
        name=f"{ranges.name}{index:03d}",
        width=ranges.size_px,
        height=ranges.size_px,
        gsd_m=uniform(ranges.gsd_m),
        place=PlaceSpec(
            f"EPSG:{32600 + zone}", zone * 6 - 183 + uniform([-2, 2]), uniform([5, 55]), 0.0
        ),
        layout=LayoutSpec(
            ["railhead"] if inland else [],
            uniform([260, 620]),
            uniform([-180, 180]),
            uniform(ranges.land_fraction),
            bool(generator.random() < 0.3),
        ),
        traffic=_traffic(ranges, generator),
        sky=_sky(ranges, generator, elevation, clouds),
        sensor=SensorSpec(
            bands="pan" if generator.random() < ranges.pan else "rgb",
            bits=bits,
            off_nadir_deg=uniform(ranges.off_nadir_deg),
            view_azimuth_deg=uniform([0, 360]),
            blur_px=uniform(ranges.blur_px),
            noise=uniform(ranges.noise),
            strip_seam=bool(generator.random() < 0.1),
        ),
    )
    return spec, seed


def draw_specs(ranges: SpecRanges) -> list[tuple[PortSpec, int]]:
    """All specs of the ranges with their seeds."""
    return [draw_spec(ranges, index) for index in range(ranges.scenes)]


def _traffic(ranges: SpecRanges, generator: np.random.Generator) -> TrafficSpec:
    return TrafficSpec(
        berth_occupancy=_uniform(generator, ranges.berth_occupancy),
        rafted=_uniform(generator, [0, 0.3]),
        anchored_per_km2=_uniform(generator, ranges.anchored_per_km2),
        under_way_per_km2=_uniform(generator, [0, 4]),
        boats_per_km2=_uniform(generator, ranges.boats_per_km2),
        yard_fill=_uniform(generator, ranges.yard_fill),
        tiers_max=int(generator.integers(2, 7)),
    )


def _sky(
    ranges: SpecRanges, generator: np.random.Generator, elevation: float, clouds: float
) -> SkySpec:
    return SkySpec(
        sun_elevation_deg=elevation,
        sun_azimuth_deg=_uniform(generator, [90, 270]),
        haze=_uniform(generator, ranges.haze),
        cloud_fraction=clouds,
        wind_ms=_uniform(generator, ranges.wind_ms),
        wind_from_deg=_uniform(generator, [0, 360]),
        glint=_uniform(generator, [0.1, 0.7]),
    )


def _uniform(generator: np.random.Generator, limits: list[float]) -> float:
    return float(generator.uniform(limits[0], limits[1]))
