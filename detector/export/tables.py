"""Tables and records: CSV, Parquet, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from detector.export.atomic import atomic_path
from detector.export.records import SceneRecord

DECIMALS = {
    "area_m2": 1,
    "observed_fraction": 4,
    "gsd_m": 4,
    "stretch_low": 3,
    "stretch_high": 3,
    "sun_elevation_deg": 2,
    "sun_azimuth_deg": 2,
    "off_nadir_deg": 2,
    "view_azimuth_deg": 2,
}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
LIST_SEPARATOR = " "
SENTENCE_SEPARATOR = "; "


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write UTF-8 CSV with fixed decimals; empty cells are null.

    Text that a spreadsheet would run as a formula (it starts with `= + - @`, a tab or a carriage
    return) gets an apostrophe in front.
    """
    shown = table.copy()
    for name in shown.columns:
        column = shown[name]
        if name in DECIMALS:
            pattern = f"%.{DECIMALS[name]}f"
            shown[name] = [None if pd.isna(value) else pattern % value for value in column]
        elif isinstance(column.dtype, pd.DatetimeTZDtype):
            shown[name] = column.dt.strftime(TIME_FORMAT)
        elif pd.api.types.is_string_dtype(column.dtype) or column.dtype == object:
            shown[name] = [_harmless(value) for value in column]
    with atomic_path(path) as temporary:
        shown.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write Parquet."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write UTF-8 JSON, indented, in the order of the keys."""
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def scenes_table(records: Sequence[SceneRecord]) -> pd.DataFrame:
    """One row a scene; lists become text, what belongs to zones stays in `scene.json`."""
    rows = []
    for record in records:
        row = record.to_dict()
        row.pop("areas")
        row["transform"] = LIST_SEPARATOR.join(repr(value) for value in record.transform)
        row["bands"] = LIST_SEPARATOR.join(str(value) for value in record.bands)
        row["warnings"] = SENTENCE_SEPARATOR.join(record.warnings)
        rows.append(row)
    table = pd.DataFrame(rows)
    whole = ("width", "height", "tiles", "ships", "container_stacks", "deck_cargo")
    return table.astype(dict.fromkeys(whole, "Int64"))


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
