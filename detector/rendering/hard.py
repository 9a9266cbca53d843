"""Coarse scenes without a ship in them, of what looks like one: hard negatives, kind by kind.

What a network of 10 m scenes takes for ships is bright, long and stands in dark water: glint,
crests, wakes of boats, edges of clouds, moles, piers, roofs at the waterside, platforms, and
aeroplanes, which the bands of a pushbroom sensor see one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.rendering.content import populate
from detector.rendering.layout import lay_out
from detector.rendering.scene import RenderedScene, render_content
from detector.rendering.site import CoastFrame, SiteDraft
from detector.rendering.solids import Solids, SolidsBuilder
from detector.rendering.spec import LayoutSpec, PortSpec, SensorSpec, SkySpec, TrafficSpec
from detector.rendering.streams import stream

NOTHING: Final = TrafficSpec(0.0, 0.0, 0.0, 0.0, 0.0, 0.7, 4, True)
BOATS_PER_KM2: Final = 6.0  # of 6 to 16 m, half of them under way with a wake
PLATFORMS_PER_KM2: Final = 1.5
PLANES_PER_KM2: Final = 1.0
PLANE_M: Final = (30.0, 70.0)  # length, and about its span
BAND_GAP_M: Final = (40.0, 90.0)  # between the bands' pictures: 200 m/s for 0.2 to 0.5 s
PLANE_LIGHT: Final = 225
HALF_PLANE: Final = (  # of a length of 1, from nose to tail
    (0.5, 0.0),
    (0.47, 0.05),
    (0.12, 0.05),
    (-0.1, 0.48),
    (-0.2, 0.48),
    (-0.1, 0.05),
    (-0.38, 0.04),
    (-0.46, 0.18),
    (-0.5, 0.18),
    (-0.48, 0.0),
)
DECK_COLOURS: Final = ((196, 178, 92), (176, 84, 60), (188, 190, 188), (120, 126, 130))


def hard_scene(kind: str, seed: int, size_px: int = 1024, gsd_m: float = 2.5) -> RenderedScene:
    """A scene of one of `HARD_KINDS`. It holds no ship; boats of up to 16 m where it says so.

    Args:
        kind: name.
        seed: of everything that is drawn.
        size_px: side.
        gsd_m: metres a pixel.

    Raises:
        KeyError: no such kind.

    Examples:
        >>> scene = hard_scene("mole", seed=1, size_px=64)
        >>> len(scene.truth)
        0
    """
    generator = stream(seed, "hard", kind)
    base = PortSpec(
        name=kind,
        width=size_px,
        height=size_px,
        gsd_m=gsd_m,
        layout=LayoutSpec(land_fraction=0.0),
        traffic=NOTHING,
        sky=SkySpec(
            sun_elevation_deg=float(generator.uniform(25, 70)),
            sun_azimuth_deg=float(generator.uniform(0, 360)),
            haze=float(generator.uniform(0, 0.15)),
            wind_ms=float(generator.uniform(1, 8)),
            glint=float(generator.uniform(0.0, 0.4)),
        ),
        sensor=SensorSpec(blur_px=0.6, noise=1.5),
    )
    return HARD_KINDS[kind](base, seed, generator)


def _water(spec: PortSpec, seed: int, draft: SiteDraft | None = None) -> RenderedScene:
    """Open water, with the fixtures of a draft where one is given."""
    site = (draft or _draft(spec, seed)).finish()
    return render_content(spec, site, populate(site, spec, seed), seed)


def _draft(spec: PortSpec, seed: int) -> SiteDraft:
    width, height = spec.size_m
    frame = CoastFrame(np.array([width, height]) / 2, 0.0)
    extent = (-width / 2, width / 2, -height / 2, height / 2)
    return SiteDraft(frame, extent, stream(seed, "site"), spec.gsd_m, seed)


def _coast(
    spec: PortSpec, seed: int, sectors: tuple[str, ...], mole: bool = False
) -> RenderedScene:
    layout = LayoutSpec(sectors=list(sectors), land_fraction=0.45, breakwater=mole)
    spec = replace(spec, layout=layout)
    site = lay_out(spec, seed)
    return render_content(spec, site, populate(site, spec, seed), seed)


def _calm(spec: PortSpec, seed: int, _: np.random.Generator) -> RenderedScene:
    return _water(spec, seed)


def _glint(spec: PortSpec, seed: int, generator: np.random.Generator) -> RenderedScene:
    sky = replace(spec.sky, glint=1.0, wind_ms=float(generator.uniform(3, 8)))
    return _water(replace(spec, sky=sky), seed)


def _crests(spec: PortSpec, seed: int, generator: np.random.Generator) -> RenderedScene:
    sky = replace(spec.sky, wind_ms=float(generator.uniform(13, 22)))
    return _water(replace(spec, sky=sky), seed)


def _wakes(spec: PortSpec, seed: int, _: np.random.Generator) -> RenderedScene:
    traffic = replace(spec.traffic, boats_per_km2=BOATS_PER_KM2)
    return _water(replace(spec, traffic=traffic), seed)


def _clouds(spec: PortSpec, seed: int, generator: np.random.Generator) -> RenderedScene:
    sky = replace(spec.sky, cloud_fraction=float(generator.uniform(0.1, 0.5)))
    return _water(replace(spec, sky=sky), seed)


def _mole(spec: PortSpec, seed: int, _: np.random.Generator) -> RenderedScene:
    return _coast(spec, seed, ("natural",), mole=True)


def _piers(spec: PortSpec, seed: int, _: np.random.Generator) -> RenderedScene:
    return _coast(spec, seed, ("piers",))


def _marina(spec: PortSpec, seed: int, _: np.random.Generator) -> RenderedScene:
    traffic = replace(spec.traffic, berth_occupancy=0.8)
    return _coast(replace(spec, traffic=traffic), seed, ("marina",))


def _quays(spec: PortSpec, seed: int, _: np.random.Generator) -> RenderedScene:
    return _coast(spec, seed, ("container", "general", "bulk", "tanks"))


def _platforms(spec: PortSpec, seed: int, generator: np.random.Generator) -> RenderedScene:
    draft = _draft(spec, seed)
    for at in _spots(spec, generator, PLATFORMS_PER_KM2):
        u, v = draft.frame.coast(at[None])[0]
        draft.place(_platform(generator), float(u), float(v), float(generator.uniform(0, np.pi)))
    return _water(spec, seed, draft)


def _platform(generator: np.random.Generator) -> Solids:
    """A deck of 40 to 90 m on legs, with modules, a derrick and a helicopter deck."""
    builder = SolidsBuilder()
    length, width = (float(side) for side in generator.uniform([40, 30], [90, 55]))
    colour = DECK_COLOURS[int(generator.integers(len(DECK_COLOURS)))]
    builder.rectangle((0, 0), (length, width), (18, 24), colour, floating=True)
    for x in (-0.3, 0.0, 0.3):
        size = generator.uniform(8, 16, 2)
        builder.rectangle(
            (x * length, float(generator.uniform(-0.25, 0.25)) * width),
            (float(size[0]), float(size[1])),
            (24, float(generator.uniform(30, 44))),
            DECK_COLOURS[int(generator.integers(len(DECK_COLOURS)))],
            floating=True,
        )
    builder.rectangle((length * 0.55, 0), (22, 22), (30, 31), (150, 160, 150), floating=True)
    return builder.build()


def _planes(spec: PortSpec, seed: int, generator: np.random.Generator) -> RenderedScene:
    scene = _water(spec, seed)
    values = scene.values.copy()
    for at in _spots(spec, generator, PLANES_PER_KM2) / spec.gsd_m:
        length = float(generator.uniform(*PLANE_M)) / spec.gsd_m
        angle = float(generator.uniform(0, 2 * np.pi))
        gap = float(generator.uniform(*BAND_GAP_M)) / spec.gsd_m
        along = np.array([np.cos(angle), np.sin(angle)])
        for band in range(3):
            shape = _plane_outline(length, angle) + at + along * gap * (band - 1)
            plane = np.zeros(values.shape[:2], np.uint8)
            cv2.fillPoly(plane, [np.rint(shape).astype(np.int32)], PLANE_LIGHT)
            values[..., band] = np.maximum(values[..., band], plane)
    return replace(scene, values=values)


def _plane_outline(length: float, angle: float) -> NDArray[np.float64]:
    """Fuselage, wings and tail `(N, 2)`, pixels around the middle, nose along `angle`."""
    half = np.array(HALF_PLANE)
    outline = np.concatenate([half, half[::-1] * (1, -1)]) * length
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(outline @ turn)


def _spots(spec: PortSpec, generator: np.random.Generator, per_km2: float) -> NDArray[np.float64]:
    """Places `(N, 2)`, metres from the scene's corner; at least one."""
    width, height = spec.size_m
    number = max(1, int(generator.poisson(per_km2 * width * height / 1e6)))
    return np.asarray(generator.uniform([0, 0], [width, height], (number, 2)))


HARD_KINDS: Final[dict[str, Callable[[PortSpec, int, np.random.Generator], RenderedScene]]] = {
    "calm": _calm,
    "glint": _glint,
    "crests": _crests,
    "wakes": _wakes,
    "clouds": _clouds,
    "platforms": _platforms,
    "planes": _planes,
    "mole": _mole,
    "piers": _piers,
    "marina": _marina,
    "quays": _quays,
}
