"""Pictures of docs/review.md, of rendered scenes: `python -m benchmarks.review_pictures OUT`.

QGIS is not needed: its layer is drawn here by the very rules that travel in the GeoPackage, each
filter asked of the file as SQL. Label Studio's boxes are drawn from its file as its documentation
says. The browser's picture is a screenshot of the report's review mode.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle
from playwright.sync_api import sync_playwright

import detector
from detector.cli import main as cli
from detector.report.publish import ReportSettings, make_report
from detector.report.sources import record_inputs
from detector.scenes.scene import open_scene

DAYS: Final = ("2026-05-14T02:10:00Z", "2026-05-16T02:10:00Z")
SIDE_PX: Final = 640
PENS: Final = {"solid": "-", "dash": "--", "dot": ":", "dash dot": "-."}
INCHES: Final = (7.5, 7.5)


def main(out: Path) -> None:
    """Make a run, review a part of it, and draw the three pictures."""
    mpl.use("Agg")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        scenes = [
            detector.render(seed=seed, width=SIDE_PX, height=SIDE_PX, acquired=day)
            for seed, day in zip((7, 8), DAYS, strict=True)
        ]
        paths = [scene.write(folder / f"{number}.tif") for number, scene in enumerate(scenes)]
        zones = folder / "0_zones.geojson"
        run = detector.predict(paths, zones=zones).save(folder / "run")
        draw_qgis(folder, run, out / "review_qgis.png")
        draw_label_studio(folder, run, out / "review_label_studio.png")
        site = folder / "port.yaml"
        site.write_text("name: port\nzones: 0_zones.geojson\n", encoding="utf-8")
        draw_browser(folder, site, run, out / "review_browser.png")
    print(f"three pictures in {out}")


def draw_qgis(folder: Path, run: Path, target: Path) -> None:
    """The first scene's GeoPackage with two verdicts, by its own style."""
    source = sorted(run.glob("*/detections.gpkg"))[0]
    path = Path(shutil.copy(source, folder / "review.gpkg"))
    with closing(sqlite3.connect(path)) as opened, opened:
        for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            opened.execute(f'DROP TRIGGER "{name}"')
        opened.execute("UPDATE detections SET verdict = 'false' WHERE fid = 2")
        opened.execute("UPDATE detections SET verdict = 'doubtful' WHERE fid = 3")
    figure, axes = plt.subplots(figsize=INCHES)
    record = json.loads((source.parent / "scene.json").read_text(encoding="utf-8"))
    with open_scene(record["path"]) as scene:
        rgb = scene.read_bounds((0, 0, scene.info.width, scene.info.height), (SIDE_PX, SIDE_PX)).rgb
        axes.imshow(rgb)
        handles = []
        for layer in ("zones", "detections"):
            for label, query, colour, pen in rules_of(path, layer):
                frame = gpd.read_file(path, layer=layer, where=query)
                for shape in frame.geometry.explode():
                    points = scene.to_pixel(np.array(shape.exterior.coords))
                    axes.add_patch(Polygon(points, fill=False, ec=colour, ls=PENS[pen], lw=1.8))
                handles.append(Line2D([], [], color=colour, ls=PENS[pen], label=label))
    finish(figure, axes, target, handles)


def rules_of(path: Path, layer: str) -> list[tuple[str, str, tuple[float, ...], str]]:
    """Label, filter, colour and pen of each rule of a layer's embedded style."""
    with closing(sqlite3.connect(path)) as opened:
        (qml,) = opened.execute(
            "SELECT styleQML FROM layer_styles WHERE f_table_name = ?", (layer,)
        ).fetchone()
    root = ET.fromstring(qml.partition("\n")[2])  # noqa: S314 - our own
    symbols = {}
    for symbol in root.iter("symbol"):
        options = {one.get("name"): one.get("value", "") for one in symbol.iter("Option")}
        colour = tuple(int(part) / 255 for part in options["outline_color"].split(",")[:3])
        symbols[symbol.get("name")] = (colour, options["outline_style"])
    return [
        (rule.get("label", ""), rule.get("filter", ""), *symbols[rule.get("symbol")])
        for rule in root.iter("rule")
    ]


def draw_label_studio(folder: Path, run: Path, target: Path) -> None:
    """The first task as Label Studio draws it: percent, turned around the first corner."""
    out = folder / "labels"
    words = [f"run={run}", f"out={out}", "format=label-studio", "number=0", "side_px=0"]
    if cli.main(["review", "export", *words, "quiet=true"]):
        raise RuntimeError("the export failed")
    task: Any = json.loads((out / "tasks.json").read_text(encoding="utf-8"))[0]
    figure, axes = plt.subplots(figsize=INCHES)
    axes.imshow(plt.imread(out / "images" / task["data"]["name"]))
    width, height = task["data"]["width"] / 100, task["data"]["height"] / 100
    for one in task["predictions"][0]["result"]:
        if one["type"] == "rectanglelabels":
            value = one["value"]
            colour = "#f0e442" if value["rectanglelabels"] == ["ship"] else "#d55e00"
            axes.add_patch(
                Rectangle(
                    (value["x"] * width, value["y"] * height),
                    value["width"] * width,
                    value["height"] * height,
                    angle=value["rotation"],
                    fill=False,
                    ec=colour,
                    lw=1.8,
                )
            )
    finish(figure, axes, target, [])


def finish(figure: Any, axes: Any, target: Path, handles: list[Line2D]) -> None:
    """Save a picture without axes."""
    axes.set_axis_off()
    if handles:
        axes.legend(handles=handles, loc="lower left", fontsize=7, framealpha=0.9)
    figure.savefig(target, dpi=100, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def draw_browser(folder: Path, site: Path, run: Path, target: Path) -> None:
    """The review mode of the report's viewer after three verdicts."""
    found = detector.find_activity(site, run, appearance=False, register=False)
    found.write(folder / "activity")
    record_inputs(folder / "activity", [site], [run])
    report = make_report(ReportSettings(folder / "activity", folder / "report", charts=False))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 900, "height": 1000})
        page.goto(report.page.as_uri())
        viewer = page.locator(".viewer").first
        viewer.locator(".review-toggle").click()
        for key in ("n", "r", "f", "d"):
            page.keyboard.press(key)
        viewer.screenshot(path=str(target))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
