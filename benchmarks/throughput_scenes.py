"""Large scenes with known truth: rendered ports laid side by side, and the sea around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from detector.geometry.boxes import Corners, as_corners
from detector.rendering import LayoutSpec, PortSpec, render, truth_classes, truth_corners

GSD_M = 0.3
PORT_PX = 1600  # side of one rendered port
SEEDS = (5, 11)
SEA_SHARE = 0.8
SEA_LEVEL, SEA_NOISE = (52, 66, 70), 3.0  # grey levels of bands, and of single pixels
SWELL_M, SWELL_LEVELS = 60.0, 2.0
UINT16_GAIN = 9
LAYOUTS = ("tiled", "striped", "deflate", "jpeg")
CONTENTS = ("port", "sea")
KINDS = ("uint8", "uint16")
BLOCK_PX = 512


@dataclass(frozen=True)
class Wanted:
    """A scene to be made.

    Attributes:
        megapixels: about so many; sides are whole ports.
        content: `port`: dense; `sea`: four fifths of it open water.
        kind: of the values.
        layout: of the file.
    """

    megapixels: int
    content: str = "port"
    kind: str = "uint8"
    layout: str = "deflate"

    @property
    def name(self) -> str:
        """Stem of the file."""
        return f"{self.content}-{self.megapixels}mp-{self.kind}-{self.layout}"

    @property
    def cells(self) -> int:
        """Ports by side."""
        return max(1, round((self.megapixels * 1e6) ** 0.5 / PORT_PX))


@dataclass(frozen=True)
class Truth:
    """What a scene holds.

    Attributes:
        corners: `(N, 4, 2)` pixels.
        class_ids: `(N,)`.
    """

    corners: Corners
    class_ids: NDArray[np.int64]


def make_scene(wanted: Wanted, folder: Path) -> tuple[Path, Truth]:
    """A scene and its truth; one that is there already is taken."""
    ports = [_port(seed) for seed in SEEDS]
    cells = wanted.cells
    plan = list(_plan(wanted))
    corners = [
        ports[number][1].corners + np.array([col, row]) * PORT_PX
        for row, col, number in plan
        if number is not None
    ]
    ids = [ports[number][1].class_ids for _, _, number in plan if number is not None]
    truth = Truth(as_corners(np.concatenate(corners)), np.concatenate(ids))
    path = folder / f"{wanted.name}.tif"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, wanted, [rgb for rgb, _ in ports], cells)
    return path, truth


def _plan(wanted: Wanted) -> Iterator[tuple[int, int, int | None]]:
    """Row, column and number of the port of every cell; None is sea."""
    cells = wanted.cells
    lands = cells**2 if wanted.content == "port" else max(1, round((1 - SEA_SHARE) * cells**2))
    for index in range(cells**2):
        row, col = divmod(index, cells)
        yield row, col, (index % len(SEEDS) if index < lands else None)


def _port(seed: int) -> tuple[NDArray[np.uint8], Truth]:
    layout = LayoutSpec(sectors=["container", "general", "piers"])
    spec = PortSpec(width=PORT_PX, height=PORT_PX, gsd_m=GSD_M, layout=layout)
    scene = render(spec, seed=seed)
    return scene.rgb, Truth(truth_corners(scene.truth), truth_classes(scene.truth))


def _sea(seed: int) -> NDArray[np.uint8]:
    """Open water `(PORT_PX, PORT_PX, 3)`: a swell that goes on in the next cell, and noise."""
    draw = np.random.default_rng(seed)
    waves = max(1, round(PORT_PX * GSD_M / SWELL_M))
    phase = 2 * np.pi * waves * np.arange(PORT_PX) / PORT_PX
    swell = SWELL_LEVELS * np.sin(phase[:, None] + phase[None])
    noise = draw.normal(0, SEA_NOISE, (PORT_PX, PORT_PX, 3))
    return np.clip(np.array(SEA_LEVEL) + swell[..., None] + noise, 1, 255).astype(np.uint8)


def _write(path: Path, wanted: Wanted, ports: list[NDArray[np.uint8]], cells: int) -> None:
    """In windows of one port: memory does not grow with the scene."""
    plain = path.with_suffix(".plain.tif") if wanted.layout == "jpeg" else path
    profile = {
        **{"driver": "GTiff", "width": cells * PORT_PX, "height": cells * PORT_PX, "count": 3},
        **{"dtype": wanted.kind, "crs": "EPSG:32652", "photometric": "RGB", "bigtiff": "IF_SAFER"},
        "transform": Affine(GSD_M, 0, 500_000, 0, -GSD_M, 4_600_000),
    }
    if wanted.layout != "striped":
        profile |= {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX}
    if wanted.layout == "deflate":
        profile |= {"compress": "deflate", "predictor": 2}
    with rasterio.open(plain, "w", **profile) as target:
        for row, col, number in _plan(wanted):
            values = _sea(row * cells + col) if number is None else ports[number]
            if wanted.kind == "uint16":
                values = values.astype(np.uint16) * UINT16_GAIN + 1
            window = Window(col * PORT_PX, row * PORT_PX, PORT_PX, PORT_PX)
            target.write(np.moveaxis(values, -1, 0), window=window)
    if wanted.layout == "jpeg":
        rasterio.shutil.copy(plain, path, driver="COG", compress="JPEG", quality=90)
        plain.unlink()
