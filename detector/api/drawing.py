"""`detector.render`: port scenes with exact truth, as `detector data render` draws them."""

from __future__ import annotations

from typing import Unpack

from detector.api.options import RENDER, compose
from detector.api.typed import RenderOptions
from detector.rendering.scene import RenderedScene
from detector.rendering.scene import render as render_port


def render(**options: Unpack[RenderOptions]) -> RenderedScene:
    """Render a port scene whose truth is exact; nothing is written.

    Args:
        **options: those of `detector data render` that decide a scene; by default as there.
            `spec="container_terminal"` takes a ready-made one.

    Returns:
        Pixels (`values`, as stored; `rgb`, for the eye), `crs`, `transform`, `acquired`, `zones`
        and `truth_table()`. `write(folder)` writes a GeoTIFF with all that belongs to it.

    Raises:
        ConfigError: an option is none, or has a value that it cannot have.

    Examples:
        >>> import detector
        >>> scene = detector.render(seed=7, width=256, height=192, gsd_m=0.6)
        >>> scene.values.shape, scene.crs
        ((192, 256, 3), 'EPSG:32652')
    """
    config = compose(RENDER, options)
    return render_port(config.spec, config.seed)
