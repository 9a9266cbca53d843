"""How QGIS draws the layers of a result: QML styles that travel in the GeoPackage."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from xml.sax.saxutils import quoteattr

from detector.classes import PORT, ClassSet

# Okabe and Ito (2008), Color Universal Design: told apart with any colour vision. Those of classes
# stand in their entries.
ZONE_COLOUR = (86, 180, 233)
SCENE_COLOUR = (128, 128, 128)

DECK_CARGO = "deck cargo (not counted)"
UNSEEN_BOX = "not seen: no observation"

Rule = tuple[str, str, tuple[int, int, int], str]
"""Label, QGIS filter expression, outline colour, pen style."""

LAYER_RULES: dict[str, tuple[Rule, ...]] = {
    "zones": (
        ("zone, seen", "\"status\" <> 'unobserved'", ZONE_COLOUR, "solid"),
        ("zone, not seen", "\"status\" = 'unobserved'", SCENE_COLOUR, "dash"),
    ),
    "scenes": (("scene", "TRUE", SCENE_COLOUR, "dash"),),
}

# QGIS's own table, as its "Save style in database" creates it.
STYLE_TABLE = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
    f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""
STYLE_COLUMNS = (
    "f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, "
    "styleSLD, useAsDefault, description, owner, ui, update_time"
)


def class_rules(classes: ClassSet) -> tuple[Rule, ...]:
    """How the layer of detections is drawn: each class, what is deck cargo, what is unseen."""
    rules: list[Rule] = [(UNSEEN_BOX, '"unseen"', SCENE_COLOUR, "dot")]
    for entry in (classes[i] for i in classes.in_order):
        mine = 'NOT "unseen" AND "class" = \'' + entry.name.replace("'", "''") + "'"
        if entry.cargo_of not in classes.names:
            rules.append((entry.words, mine, entry.colour, "solid"))
            continue
        rules.append((entry.words, f'{mine} AND NOT "on_ship"', entry.colour, "solid"))
        rules.append((DECK_CARGO, f'{mine} AND "on_ship"', entry.cargo_colour, "dot"))
    return tuple(rules)


def add_layer_styles(
    path: Path, geometry_column: str, timestamp: str, classes: ClassSet = PORT
) -> None:
    """Add the styles of all layers to a GeoPackage, each as its layer's default.

    Args:
        path: of the GeoPackage, written and closed.
        geometry_column: of all layers.
        timestamp: ISO 8601 with milliseconds; nothing in the file may depend on the clock.
        classes: of the detections.
    """
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute(STYLE_TABLE)
        for layer, rules in {"detections": class_rules(classes), **LAYER_RULES}.items():
            database.execute(
                f"INSERT INTO layer_styles ({STYLE_COLUMNS}) "  # noqa: S608 - a constant
                "VALUES ('', '', ?, ?, ?, ?, '', 1, '', '', NULL, ?)",
                (layer, geometry_column, layer, _qml(rules), timestamp),
            )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, "
            "last_change) VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
            (timestamp,),
        )
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("VACUUM")  # pages in one order, whatever was inserted and moved before


def _qml(rules: tuple[Rule, ...]) -> str:
    """A rule-based renderer of outlines, as QGIS 3 writes it."""
    entries, symbols = [], []
    for number, (label, expression, colour, pen) in enumerate(rules):
        entries.append(
            f'<rule key="rule{number}" symbol="{number}" label={quoteattr(label)} '
            f"filter={quoteattr(expression)}/>"
        )
        options = {
            "style": "no",
            "outline_color": f"{','.join(map(str, colour))},255",
            "outline_style": pen,
            "outline_width": "0.6",
            "outline_width_unit": "MM",
        }
        values = "".join(
            f'<Option name="{key}" type="QString" value="{value}"/>'
            for key, value in options.items()
        )
        symbols.append(
            f'<symbol alpha="1" clip_to_extent="1" force_rhr="0" name="{number}" type="fill">'
            f'<layer class="SimpleFill" enabled="1" locked="0" pass="0">'
            f'<Option type="Map">{values}</Option></layer></symbol>'
        )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis styleCategories="Symbology" version="3.28.0">'
        '<renderer-v2 enableorderby="0" forceraster="0" symbollevels="0" type="RuleRenderer">'
        f'<rules key="root">{"".join(entries)}</rules>'
        f"<symbols>{''.join(symbols)}</symbols></renderer-v2></qgis>\n"
    )
