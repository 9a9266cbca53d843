"""Rendered ports: the contact sheet of the docs, speed, and whether a network knows them.

python -m benchmarks.rendering sheet docs/images/render_sheet.jpg
python -m benchmarks.rendering speed
python -m benchmarks.rendering domain port-n
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import markdown
from detector.rendering import (
    LayoutSpec,
    PlaceSpec,
    PortSpec,
    RenderedScene,
    SensorSpec,
    SkySpec,
    TrafficSpec,
    render,
)
from detector.rendering.stream import render_to_file
from detector.rendering.stress import merge_harbour
from detector.rendering.validation import VALIDATED_ON, validation_specs
from detector.rendering.write import write_scene

CELL_PX = 480
COLUMNS = 4
BUSY = TrafficSpec(berth_occupancy=0.9, anchored_per_km2=6, boats_per_km2=10, yard_fill=0.8)
SCENES = 24
LENGTHS_M = ((0, 25), (25, 60), (60, 150), (150, 500))


def sheet_scenes() -> list[tuple[str, RenderedScene]]:
    """The twelve scenes of the contact sheet, each with a caption."""
    base = PortSpec(width=960, height=960, traffic=BUSY)

    def scene(
        seed: int, sectors: list[str], coast: float, land: float, **more: object
    ) -> RenderedScene:
        layout = LayoutSpec(sectors, 460.0, coast, land, bool(more.pop("breakwater", False)))
        return render(replace(base, layout=layout, **more), seed)

    return [
        ("container terminal, 0.5 m", scene(3, ["container"], -28, 0.6)),
        ("finger piers, 0.5 m", scene(21, ["piers"], 8, 0.4)),
        ("oil terminal, 0.7 m", scene(5, ["tanks", "general"], -35, 0.5, gsd_m=0.7)),
        ("marina and shore, 0.3 m", scene(9, ["marina", "natural"], 15, 0.45, gsd_m=0.3)),
        ("railhead, 0.5 m", scene(4, ["railhead"], 20, 1.0)),
        (
            "25 degrees off nadir, low sun",
            scene(
                6,
                ["container"],
                100,
                0.6,
                sky=SkySpec(sun_elevation_deg=28, sun_azimuth_deg=120),
                sensor=SensorSpec(off_nadir_deg=25, view_azimuth_deg=200),
            ),
        ),
        ("clouds and shadows", scene(12, ["general"], 40, 0.55, sky=SkySpec(cloud_fraction=0.22))),
        (
            "panchromatic, 11 bits, seam, wedge",
            scene(
                14,
                ["container", "piers"],
                -60,
                0.5,
                sensor=SensorSpec("pan", 11, 12.0, 250.0, nodata_fraction=0.1, strip_seam=True),
            ),
        ),
        ("bulk quay in haze", scene(15, ["bulk"], 170, 0.55, sky=SkySpec(haze=0.3, wind_ms=9))),
        (
            "3 m, breakwater, roads",
            scene(
                31, [], 12, 0.5, gsd_m=3.0, traffic=replace(BUSY, boats_per_km2=1), breakwater=True
            ),
        ),
        (
            "rotated grid, EPSG:3857",
            scene(18, ["container"], 0, 0.6, place=PlaceSpec("EPSG:3857", 4.1, 51.9, 30.0)),
        ),
        ("stress: what a merge must keep apart", merge_harbour(2)),
    ]


def draw_sheet(path: Path) -> None:
    """Twelve scenes, four in a row, with captions."""
    cells = [_cell(caption, scene.rgb) for caption, scene in sheet_scenes()]
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 86])


def measure_speed() -> str:
    """Megapixels a second of one core, in memory, and along the coasts of gigapixel scenes.

    Processor time is measured, so that a busy machine gives the same numbers.
    """
    rows = []
    for name, sectors in (
        ("container terminal", ["container"]),
        ("drawn port", []),
        ("open water", ["empty"]),
    ):
        layout = LayoutSpec(sectors, 520.0, 20.0)
        spec = PortSpec(width=4096, height=4096, layout=layout, traffic=BUSY)
        render(replace(spec, width=128, height=128), 1)  # textures are made once a process
        rows.append(_timed(name, lambda spec=spec: render(spec, 1).valid.size))
    with tempfile.TemporaryDirectory() as folder:
        for side in (32_000, 64_000):
            spec = PortSpec(width=side, height=side, layout=LayoutSpec([], 520.0, 3.0))
            path = Path(folder) / "big.tif"
            name = f"1 km of coast in {side**2 / 1e9:.0f} GP, to a file"
            rows.append(
                _timed(
                    name,
                    lambda spec=spec, path=path: (
                        render_to_file(spec, 1, path, coast_strip_m=500).rendered_px
                    ),
                )
            )
    return markdown(["scene", "MP rendered", "core seconds", "MP/s a core", "peak MB"], rows)


def _timed(name: str, work: Callable[[], int]) -> list[str]:
    start = time.process_time()
    pixels = work() / 1e6
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [name, f"{pixels:.0f}", f"{seconds:.1f}", f"{pixels / seconds:.1f}", f"{peak:.0f}"]


def measure_domain(weights: str, scenes: int) -> str:
    """AP50 of a network on the rendered validation set, by class and length of ship."""
    from detector.boxes.scored import Boxes
    from detector.evaluation.dataset import rendered_image
    from detector.evaluation.select import SizeRange, select
    from detector.evaluation.table import match_images
    from detector.evaluation.truth import Measure
    from detector.inference.pipeline import predict_scene
    from detector.models.detector import DetectorSettings, load_detector
    from detector.scenes.scene import open_scene

    detector = load_detector(DetectorSettings(weights, conf=0.02))
    images, found = [], []
    with tempfile.TemporaryDirectory() as folder:
        for spec, seed in validation_specs()[:scenes]:
            scene = render(spec, seed)
            path = write_scene(scene, Path(folder))
            with open_scene(path) as opened:
                detections = predict_scene(opened, detector)
            free = np.flatnonzero(~detections.on_ship)
            images.append(rendered_image(scene, spec.name))
            boxes = Boxes(detections.corners, detections.scores, detections.class_ids)
            found.append(boxes.select(free))
            path.unlink()
    table = match_images(images, found)
    rows = []
    for class_id, name in enumerate(("ship", "container_stack")):
        part = select(table, class_id, Measure.POLYGON)
        rows.append([name, str(part.n_truth), f"{part.ap():.3f}"])
        for low, high in LENGTHS_M if class_id == 0 else ():
            part = select(table, class_id, Measure.POLYGON, None, SizeRange(low, high, "m"))
            if part.n_truth:
                rows.append([f"ship, {low} to {high} m", str(part.n_truth), f"{part.ap():.3f}"])
    title = f"`{weights}`, {VALIDATED_ON}: {len(images)} scenes\n\n"
    return title + markdown(["class", "objects", "AP50"], rows)


def _cell(caption: str, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A square of the middle of a scene with its caption."""
    side = min(rgb.shape[:2])
    top, left = (rgb.shape[0] - side) // 2, (rgb.shape[1] - side) // 2
    square = rgb[top : top + side, left : left + side]
    cell = cv2.resize(square, (CELL_PX, CELL_PX), interpolation=cv2.INTER_AREA)
    # a dark edge by moved copies: another thickness would set the letters wider
    for dx, dy, grey in ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, 255)):
        at, font = (8 + dx, CELL_PX - 10 + dy), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(cell, caption, at, font, 0.45, (grey,) * 3, 1, cv2.LINE_AA)
    return np.asarray(cell)


def main(words: list[str]) -> None:
    """Run one of the measurements; without words, speed and the domain check."""
    command, rest = (words[0], words[1:]) if words else ("all", [])
    if command == "sheet" and rest:
        draw_sheet(Path(rest[0]))
    elif command == "speed":
        print(measure_speed())
    elif command == "domain":
        weights = rest[0] if rest else "port-n"
        print(measure_domain(weights, int(rest[1]) if rest[1:] else SCENES))
    elif command == "all":
        print(measure_speed(), measure_domain("port-n", SCENES), sep="\n\n")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
