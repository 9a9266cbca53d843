"""Libraries that read what others wrote are called at few places, where their errors are known.

A new place is a decision: it guards what the library raises, and stands here with its reason.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "detector"

SEAMS = {
    "rasterio": {
        "calibrating.length_sites": "writes its own scenes",
        "prediction.health": "asks for its version and drivers",
        "rendering.stream": "writes rendered scenes",
        "rendering.write": "writes rendered scenes",
        "scenes.arrays": "keeps an array as a file in memory",
        "scenes.bands": "inside `open_scene`",
        "scenes.clouds": "inside `open_scene`",
        "scenes.guard": "opens every raster",
        "scenes.identity": "inside `open_scene`",
        "scenes.metadata": "inside `open_scene`",
        "scenes.parts": "inside `open_scene`",
        "scenes.place": "inside `open_scene`",
        "scenes.scene": "every error is a SceneError",
        "scenes.valid": "inside `open_scene`",
    },
    "pyproj": {
        "activity.changes.stack_tables": "of a site's own frame",
        "activity.looks.sites": "of zones that are checked where they are read",
        "counting.layers": "errors alone",
        "counting.zones": "zones are checked where they are read",
        "data.geojson": "errors are DataErrors",
        "export.vector": "of scenes, checked where they are opened",
        "geometry.geodesy": "measures",
        "geometry.turns": "a CRS that is no map has no turn",
        "prediction.health": "tries it out",
        "reviewing.browser": "of scenes, checked where they are opened, and of checked degrees",
        "reviewing.geopackage": "compares",
        "rendering.georef": "of a specification",
        "scenes.grid": "errors are SceneErrors",
        "scenes.place": "checks the CRS of every scene",
    },
    "pyogrio": {
        "counting.layers": "opens every vector file",
        "export.geopackage": "writes",
        "export.kml": "writes",
        "export.vector": "writes",
        "later": "loads it for those above",
        "prediction.health": "asks for its version and drivers",
        "rendering.write": "errors alone",
        "reviewing.geopackage": "errors are ReviewErrors",
        "reviewing.importing": "errors alone",
    },
    "xml": {
        "data.hrsc": "types alone",
        "documents": "parses all XML",
        "export.styles": "quotes",
        "reviewing.formats": "writes",
        "scenes.guard": "types alone",
        "scenes.safe": "types alone",
    },
}
COMPUTING = ("rasterio.features", "rasterio.windows", "rasterio.enums", "rasterio.transform")
"""Parts that read no file."""

PARSERS = {
    "fromstring": {"documents"},  # XML
    "safe_load": {"calibrating.card"},  # of a file of its own
    "SafeLoader": {"documents"},
    "read_dataframe": {"counting.layers"},
    "read_file": {"report.locator", "reviewing.geopackage", "reviewing.importing"},  # its own files
    "from_wkb": {"export.vector"},  # a fault is told by the scene, one by one
    "from_wkt": {"reviewing.ledger", "scenes.place"},
    "from_geojson": set[str](),
    "imread": set[str](),
    "imdecode": {"report.differences"},
    "DatasetReader": {"scenes.guard"},
    "WarpedVRT": {"scenes.clouds", "scenes.place"},
}
"""Calls that make something of bytes or text that others wrote, and the modules that make them."""


def _modules() -> dict[str, ast.Module]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(PACKAGE.rglob("*.py"))
    }


MODULES = _modules()


def _imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            later = node.module == "detector.later"  # the same, loaded when first used
            found |= {alias.name for alias in node.names} if later else {node.module}
    return {name.split(".")[0] for name in found if name not in COMPUTING}


def _calls(tree: ast.Module) -> set[str]:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        func.attr if isinstance(func, ast.Attribute) else func.id
        for func in called
        if isinstance(func, ast.Attribute | ast.Name)
    }


@pytest.mark.parametrize("library", SEAMS)
def test_a_library_is_imported_where_its_errors_are_known(library: str) -> None:
    using = {name for name, tree in MODULES.items() if library in _imports(tree)}
    assert using == set(SEAMS[library])


@pytest.mark.parametrize("call", PARSERS)
def test_what_others_wrote_is_parsed_at_one_place(call: str) -> None:
    assert {name for name, tree in MODULES.items() if call in _calls(tree)} == PARSERS[call]
