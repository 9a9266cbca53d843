"""Every file that is written is there whole or not at all, and its fault is one sentence."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import torch
from matplotlib.figure import Figure

import detector
from detector.activity.pictures.chips import write_png
from detector.calibrating import kept
from detector.data import convert
from detector.errors import OutputError
from detector.evaluation import evaluator
from detector.evaluation.summary import Predictions
from detector.export.geopackage import write_geopackage
from detector.export.kml import write_kml, write_kmz
from detector.export.overlay import write_overlay
from detector.export.result import SceneResult
from detector.export.seals import write_sealed
from detector.export.stacks import join_stacks, no_stacks, write_stacks
from detector.export.tables import write_csv, write_json, write_parquet
from detector.export.vector import write_geojson, write_geoparquet
from detector.rendering import write as rendered
from detector.report import charts
from detector.scenes.scene import open_scene
from detector.training.checkpoint import RunState, save_state
from detector.training.preview import write_sheet
from detector.training.start import save_weights
from detector.training.trainer import write_metrics
from tests.export.make import Made, make_result, zones_named
from tests.faults.disk import FAULTS, Fault, failing, full_disk
from tests.scenes.rasters import UTM52, utm_transform

TABLE = pd.DataFrame({"name": ["a"] * 400, "number": np.arange(400.0)})
PROFILE = {"driver": "GTiff", "width": 64, "height": 64, "count": 3, "dtype": "uint8"}
PIXELS = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
LAND = gpd.GeoDataFrame({"kind": ["quay"]}, geometry=[shapely.box(0, 0, 9, 9)], crs=UTM52)
STATE = RunState("x-obb.yaml", 1, 1.0, {"a": torch.ones(9999)}, {}, 1, {})

Writer = Callable[[Path, Made], Any]


def _overlay(path: Path, made: Made) -> None:
    with open_scene(made.path) as scene:
        write_overlay(path, scene, made.detections, [], [])


def _result(made: Made) -> SceneResult:
    return SceneResult(made.detections, made.counts, made.zones, made.record, no_stacks())


def _join(path: Path, made: Made) -> None:
    join_stacks(path, [made.path.with_name("stacks.csv")])


def _charts(path: Path, made: Made) -> None:
    figure = Figure()
    figure.add_subplot().plot([1, 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "_figures", lambda document, words: [("a", figure)])
        charts.save_charts(path.parent, {}, None)  # type: ignore[arg-type]


def _weights(path: Path, made: Made) -> None:
    save_weights(path, {"a": torch.ones(9999)}, "x-obb.yaml", ("ship",))


# name of the file that must be told -> what writes it
WRITERS: dict[str, Writer] = {
    "table.csv": lambda path, made: write_csv(path, TABLE),
    "table.parquet": lambda path, made: write_parquet(path, TABLE),
    "record.json": lambda path, made: write_json(path, {"a": list(range(4000))}),
    "sealed.json": lambda path, made: write_sealed(path, {"a": list(range(4000))}),
    "d.gpkg": lambda path, made: write_geopackage(path, made.detections, made.zones, made.record),
    "d.geojson": lambda path, made: write_geojson(path, made.detections),
    "d.parquet": lambda path, made: write_geoparquet(
        path, [made.detections.to_geodataframe()], UTM52
    ),
    "d.kml": lambda path, made: write_kml(path, _result(made)),
    "doc.kml": lambda path, made: write_kmz(path.with_suffix(".kmz"), _result(made)),
    "overlay.png": _overlay,
    "stacks.csv": lambda path, made: write_stacks(path, no_stacks()),
    "all.csv": _join,
    "chip.png": lambda path, made: write_png(path, PIXELS),
    "01-a.png": _charts,
    "sheet.png": lambda path, made: write_sheet(PIXELS, path),
    "page.html": lambda path, made: evaluator._write_text(path, "x" * 9000),
    "boxes.npz": lambda path, made: kept._write_boxes(path, Predictions([], [])),
    "last.pt": lambda path, made: save_state(path, STATE),
    "ema.safetensors": _weights,
    "metrics.jsonl": lambda path, made: write_metrics(path, {"epoch": 3, "text": "x" * 9000}),
    "index.csv": lambda path, made: convert._write_index([], path),
    "scene.tif": lambda path, made: rendered._write_raster(path, PIXELS, PROFILE),
    "cloud.tif": lambda path, made: rendered._write_raster(path, PIXELS, PROFILE, cog=True),
    "truth.geojson": lambda path, made: rendered.write_vector(LAND, path),
}
OF_TRAINING = ("last.pt", "ema.safetensors", "metrics.jsonl")  # their sentence says what is intact
# GDAL, torch and safetensors look into what lies there, and the full device gives zeros without end
OPENED_BEFORE = (
    *("d.gpkg", "d.kml", "doc.kml", "cloud.tif", "scene.tif"),
    *("last.pt", "ema.safetensors"),
    "all.csv",  # its head is a file that replaces the device
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    write_stacks(folder / "stacks.csv", no_stacks())
    return make_result(folder, zones=zones_named(["a", "b"]), transform=utm_transform(), crs=UTM52)


CASES = [
    (name, fault)
    for name in WRITERS
    for fault in FAULTS
    if fault != "write" or name not in OPENED_BEFORE
]


@pytest.mark.parametrize(("name", "fault"), CASES)
def test_a_write_that_fails_names_the_file(
    tmp_path: Path, made: Made, name: str, fault: Fault
) -> None:
    path = tmp_path / name
    old = b'{"epoch": 1}\n'
    path.write_bytes(old)
    away = tmp_path.parent / f"{tmp_path.name}-away"
    away.mkdir()
    with pytest.raises(OutputError) as caught, failing(0, fault, away):
        WRITERS[name](path, made)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert ("make room" in said) is (fault == "write")
    way_out = "start the same command again" if name in OF_TRAINING else "name another folder"
    assert way_out in said or fault == "write"
    assert path.read_bytes() == old
    assert sorted(left.name for left in tmp_path.iterdir()) == [*_marks(tmp_path), name]
    assert list(away.iterdir()) == []


def _marks(folder: Path) -> list[str]:
    return [".quaywatch"] if (folder / ".quaywatch").exists() else []


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_asks_for_room(tmp_path: Path, made: Made, name: str) -> None:
    """A real one, where the system lets a test make it."""
    with full_disk(tmp_path / "full") as disk:
        path = disk / "old" / name
        with pytest.raises(OutputError) as caught:
            WRITERS[name](path, made)
        assert str(caught.value).startswith((f"{path}: ", f"{path.parent}: "))
        assert "make room" in str(caught.value)
        assert not [left for left in path.parent.iterdir() if left.name != ".quaywatch"]


WRITES = {
    *("write_text", "write_bytes", "to_csv", "to_parquet", "to_file", "savefig", "save_file"),
    *("savez", "savez_compressed", "copyfile", "copy2", "copytree", "move", "ParquetWriter"),
    *("serialize", "imwrite", "symlink_to", "write_dataframe", "tofile", "savetxt"),
}
SAVES = {("np", "save"), ("torch", "save"), ("json", "dump"), ("pickle", "dump")}
SEAMS = {
    *("atomic_path", "atomic_folder", "writing", "run_file", "scratch_folder"),
    *("TemporaryDirectory", "suppress"),
}
# what writes outside of the seam, and why that is right
ALLOWED = {
    "files.py": "the seam itself",
    "config/logging.py": "run.log is added to, line by line",
    "cli/main.py": "the null device",
    "export/vector.py:write_geojson": "into memory; the file is written through the seam",
    "calibrating/length_sites.py:_write_quarter": "into a temporary folder of the caller",
    "prediction/collect.py:_link": "into the folder that the seam gave its caller",
    "models/exports.py:_written": "into a temporary folder",
    "models/exports.py:read_or_export": "into the folder that the seam gave `keep_export`",
    "models/onnx_runner.py:__init__": "into the folder that the seam gave `keep_export`",
    "evaluation/plots.py:_svg": "into memory, for a page",
    "inference/checkpoint.py:_pack": "into memory; the part is written through the seam",
    "rendering/write.py:write_vector": "into memory; the file is written through the seam",
}


def _opens_to_write(call: ast.Call) -> bool:
    texts: list[Any] = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    texts += [key.value.value for key in call.keywords if isinstance(key.value, ast.Constant)]
    return any(
        isinstance(text, str) and text in ("w", "wb", "a", "ab", "x", "xb", "r+") for text in texts
    )


def _is_write(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    of = getattr(getattr(call.func, "value", None), "id", "")
    if name == "to_file" and of in ("", "frame"):  # coordinates, not a file
        return False
    opens = name in ("open", "ZipFile") and _opens_to_write(call)
    return name in WRITES or (of, name) in SAVES or opens


def _unseamed(node: ast.AST, function: str = "", *, inside: bool = False) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        function = node.name
    if isinstance(node, ast.With):
        calls = [item.context_expr for item in node.items]
        names = {getattr(call.func, "id", "") for call in calls if isinstance(call, ast.Call)}
        inside = inside or bool(names & SEAMS)
    if isinstance(node, ast.Call) and _is_write(node) and not inside:
        yield f"{function}:{node.lineno}"
    for child in ast.iter_child_nodes(node):
        yield from _unseamed(child, function, inside=inside)


def test_every_write_goes_through_the_seam() -> None:
    package = Path(detector.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        for place in _unseamed(ast.parse(path.read_text(encoding="utf-8"))):
            function = place.partition(":")[0]
            if name not in ALLOWED and f"{name}:{function}" not in ALLOWED:
                found.add(f"{name}:{place}")
    assert found == set()
