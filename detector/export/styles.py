"""How QGIS draws the layers of a result: QML styles that travel in the GeoPackage."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from detector.classes import PORT, ClassSet

# Okabe and Ito (2008), Color Universal Design: told apart with any colour vision. Those of classes
# stand in their entries.
ZONE_COLOUR = (86, 180, 233)
SCENE_COLOUR = (128, 128, 128)

JUDGED_COLOURS = {"false": (204, 0, 0), "doubtful": (170, 68, 153)}

DECK_CARGO = "deck cargo (not counted)"
JUDGED = {"false": "said to be false: not counted", "doubtful": "said to be doubtful"}
UNSEEN_BOX = "not seen: no observation"

Rule = tuple[str, str, tuple[int, int, int], str]
"""Label, QGIS filter expression, outline colour, pen style."""

SAMPLE = "sample"  # layer of a review's export: chips to look at
LAYER_RULES: dict[str, tuple[Rule, ...]] = {
    "zones": (
        ("zone, seen", "\"status\" <> 'unobserved'", ZONE_COLOUR, "solid"),
        ("zone, not seen", "\"status\" = 'unobserved'", SCENE_COLOUR, "dash"),
    ),
    "scenes": (("scene", "TRUE", SCENE_COLOUR, "dash"),),
    SAMPLE: (
        ("to be looked at", 'NOT coalesce("reviewed", 0)', (255, 0, 255), "dash dot"),
        ("looked at", 'coalesce("reviewed", 0)', (0, 158, 115), "dash dot"),
    ),
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
    rules: list[Rule] = [
        (label, f"\"verdict\" = '{verdict}'", JUDGED_COLOURS[verdict], "dash")
        for verdict, label in JUDGED.items()
    ]
    usual = "coalesce(\"verdict\", '') NOT IN ('false', 'doubtful')"
    # a box that a person drew has no `unseen` and no `on_ship`
    unseen, on_ship = 'coalesce("unseen", 0)', 'coalesce("on_ship", 0)'
    rules.append((UNSEEN_BOX, f"{usual} AND {unseen}", SCENE_COLOUR, "dot"))
    for entry in (classes[i] for i in classes.in_order):
        name = entry.name.replace("'", "''")
        mine = f"{usual} AND NOT {unseen} AND \"class\" = '{name}'"
        if entry.cargo_of not in classes.names:
            rules.append((entry.words, mine, entry.colour, "solid"))
            continue
        rules.append((entry.words, f"{mine} AND NOT {on_ship}", entry.colour, "solid"))
        rules.append((DECK_CARGO, f"{mine} AND {on_ship}", entry.cargo_colour, "dot"))
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
        rules_of = {"detections": class_rules(classes), **LAYER_RULES}
        for layer, rules in rules_of.items():
            if layer != SAMPLE:
                qml = _qml(rules, _fields(layer, classes))
                _insert(database, layer, geometry_column, qml, timestamp)
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, "
            "last_change) VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
            (timestamp,),
        )
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("VACUUM")  # pages in one order, whatever was inserted and moved before


@dataclass(frozen=True, slots=True)
class Field:
    """How QGIS offers a column in its form.

    Attributes:
        name: of the column.
        title: what the form calls it.
        choices: value to words; empty: no list.
        default: QGIS expression for new rows; empty: none.
        tick: a box to tick.
    """

    name: str
    title: str
    choices: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    tick: bool = False


VERDICT_WORDS: Final = {
    "": "not judged",
    "real": "real",
    "false": "false: there is none",
    "doubtful": "doubtful",
}
NULL_CHOICE: Final = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"  # QGIS's word for NULL in a value map


def _fields(layer: str, classes: ClassSet) -> tuple[Field, ...]:
    """What a person fills in a layer; the form has these first, and everything else to read."""
    reviewed = Field("reviewed", "somebody looked at all of it", default="false", tick=True)
    if layer != "detections":
        reviewer = (Field("reviewer", "who looked"),) if layer == "scenes" else ()
        return (reviewed, *reviewer)
    names = {entry.name: entry.words for entry in (classes[i] for i in classes.in_order)}
    return (
        Field("verdict", "verdict", VERDICT_WORDS, "'real'"),
        Field("class", "class", names, f"'{next(iter(names))}'"),
        Field("comment", "comment"),
    )


def add_layer_style(path: Path, layer: str, geometry_column: str, timestamp: str) -> None:
    """Add the style of one more layer to a GeoPackage that has styles; see `add_layer_styles`."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        qml = _qml(LAYER_RULES[layer], _fields(layer, PORT))
        _insert(database, layer, geometry_column, qml, timestamp)


def _insert(
    database: sqlite3.Connection, layer: str, geometry_column: str, qml: str, timestamp: str
) -> None:
    database.execute(
        f"INSERT INTO layer_styles ({STYLE_COLUMNS}) "  # noqa: S608 - a constant
        "VALUES ('', '', ?, ?, ?, ?, '', 1, '', '', NULL, ?)",
        (layer, geometry_column, layer, qml, timestamp),
    )


def _qml(rules: tuple[Rule, ...], fields: tuple[Field, ...]) -> str:
    """A rule-based renderer of outlines and a form with lists, as QGIS 3 writes them."""
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
        '<qgis styleCategories="Symbology|Fields|Forms" version="3.28.0">'
        '<renderer-v2 enableorderby="0" forceraster="0" symbollevels="0" type="RuleRenderer">'
        f'<rules key="root">{"".join(entries)}</rules>'
        f"<symbols>{''.join(symbols)}</symbols></renderer-v2>{_form(fields)}</qgis>\n"
    )


def _form(fields: tuple[Field, ...]) -> str:
    """Widgets, titles and defaults of the columns that a person fills."""
    widgets = "".join(f"<field name={quoteattr(one.name)}>{_widget(one)}</field>" for one in fields)
    titles = "".join(
        f'<alias field={quoteattr(one.name)} index="{at}" name={quoteattr(one.title)}/>'
        for at, one in enumerate(fields)
    )
    defaults = "".join(
        f'<default applyOnUpdate="0" field={quoteattr(one.name)} '
        f"expression={quoteattr(one.default)}/>"
        for one in fields
        if one.default
    )
    return (
        f"<fieldConfiguration>{widgets}</fieldConfiguration><aliases>{titles}</aliases>"
        f"<defaults>{defaults}</defaults>"
    )


def _widget(one: Field) -> str:
    if one.tick:
        return '<editWidget type="CheckBox"><config><Option/></config></editWidget>'
    if not one.choices:
        return '<editWidget type="TextEdit"><config><Option/></config></editWidget>'
    choices = "".join(
        f'<Option type="Map"><Option name={quoteattr(words)} type="QString" '
        f"value={quoteattr(value or NULL_CHOICE)}/></Option>"
        for value, words in one.choices.items()
    )
    return (
        '<editWidget type="ValueMap"><config><Option type="Map">'
        f'<Option name="map" type="List">{choices}</Option></Option></config></editWidget>'
    )
