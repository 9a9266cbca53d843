"""Renders scenes of any size straight to a file, window by window, in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from detector.errors import ConfigError
from detector.files import atomic_path, make_folder
from detector.geometry.windows import PixelWindow
from detector.rendering.content import populate
from detector.rendering.layout import lay_out
from detector.rendering.prepared import PreparedRendering, prepare, seen_truth, zones_table
from detector.rendering.sensor import Measured
from detector.rendering.spec import PortSpec
from detector.rendering.truth import TruthObject, truth_table
from detector.rendering.write import check_written, raster_profile, write_companions

SEEN_STEP_PX = 8  # the mask of what is seen is kept at this step, for the truth
IN_FLIGHT_PER_WORKER = 2


@dataclass(frozen=True, slots=True)
class StreamedScene:
    """A scene on disk.

    Attributes:
        path: of the raster.
        truth: objects in the rendered part.
        rendered_px: pixels that were rendered; the rest is nodata.
    """

    path: Path
    truth: tuple[TruthObject, ...]
    rendered_px: int


def render_to_file(
    spec: PortSpec,
    seed: int,
    path: Path,
    *,
    coast_strip_m: float | None = None,
    on_window: Callable[[int], None] = lambda pixels: None,
) -> StreamedScene:
    """Render a scene that need not fit into memory; pixels are those of `render`.

    Args:
        spec: everything that decides the scene.
        seed: of everything that is drawn.
        path: of the GeoTIFF; sidecar, truth and zones are written beside it.
        coast_strip_m: render only windows this near to the coast line; blocks further off are
            left out of the file and read as nodata, so that scenes of 1 to 4 gigapixels cost what
            their coast costs. None renders all.
        on_window: called with the number of pixels of every window that is done.

    Raises:
        ConfigError: the spec asks for clouds.
    """
    if spec.sky.cloud_fraction > 0:
        raise ConfigError(
            f"sky.cloud_fraction={spec.sky.cloud_fraction}: scenes that are rendered straight to a "
            "file have no clouds; set it to 0 or render without a strip"
        )
    prepared = _prepare(spec, seed)
    seen = np.zeros((-(-spec.height // SEEN_STEP_PX), -(-spec.width // SEEN_STEP_PX)), np.bool_)
    wanted = [
        window for window in prepared.windows() if _near_coast(prepared, window, coast_strip_m)
    ]
    make_folder(path.parent)
    profile = raster_profile(spec, prepared.frame.transform) | {"SPARSE_OK": True}
    rendered = 0
    with atomic_path(path, RasterioError) as temporary:
        with rasterio.open(temporary, "w", **profile) as raster:
            for window, measured in _in_order(prepared, wanted):
                place = Window(window.col, window.row, window.width, window.height)
                raster.write(measured.values.transpose(2, 0, 1), window=place)
                _note_seen(seen, window, measured)
                rendered += window.width * window.height
                on_window(window.width * window.height)
        check_written(temporary)
    truth = tuple(item for item in seen_truth(prepared, seen, SEEN_STEP_PX) if item.visible > 0)
    write_companions(path, spec, seed, truth_table(truth, spec.place.crs), zones_table(prepared))
    return StreamedScene(path, truth, rendered)


def _prepare(spec: PortSpec, seed: int) -> PreparedRendering:
    site = lay_out(spec, seed)
    return prepare(spec, site, populate(site, spec, seed), seed)


def _in_order(
    prepared: PreparedRendering, windows: list[PixelWindow]
) -> Iterator[tuple[PixelWindow, Measured]]:
    """Windows with their values, rendered by all cores, few in flight."""
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        flying: deque[tuple[PixelWindow, Future[Measured]]] = deque()
        for window in windows:
            flying.append((window, pool.submit(lambda at: prepared.window(at)[0], window)))
            if len(flying) >= workers * IN_FLIGHT_PER_WORKER:
                done, future = flying.popleft()
                yield done, future.result()
        for done, future in flying:
            yield done, future.result()


def _near_coast(prepared: PreparedRendering, window: PixelWindow, strip_m: float | None) -> bool:
    """Whether some part of a window lies within the strip on either side of the coast line."""
    if strip_m is None:
        return True
    x0, y0, x1, y1 = window.bounds
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) * prepared.frame.gsd_m
    inland = prepared.site.frame.coast(corners)[:, 1]
    return bool(inland.min() <= strip_m and inland.max() >= -strip_m)


def _note_seen(seen: NDArray[np.bool_], window: PixelWindow, measured: Measured) -> None:
    """Every `SEEN_STEP_PX`th pixel of a window (windows start at multiples of it)."""
    step = SEEN_STEP_PX
    part = (measured.valid & ~measured.cloud)[::step, ::step]
    row, col = window.row // step, window.col // step
    seen[row : row + part.shape[0], col : col + part.shape[1]] = part
