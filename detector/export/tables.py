"""Tables and records: CSV, Parquet, JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from detector.export.records import SceneRecord
from detector.files import atomic_path
from detector.later import pandas as pd
from detector.times import TIME_FORMAT

DECIMALS = {
    "count_est": 1,
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
# OWASP, "CSV Injection"; the last four are the wide forms of the first
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\uff1d", "\uff0b", "\uff0d", "\uff20")
LINE_BREAKS = str.maketrans({"\n": "\\n", "\r": "\\r"})
UNENCODABLE = "backslashreplace"  # half surrogates; in JSON the result is an escape that reads back
LIST_SEPARATOR = " "
SENTENCE_SEPARATOR = "; "


def write_csv(path: Path, table: pd.DataFrame) -> None:
    r"""Write UTF-8 CSV with fixed decimals; empty cells are null.

    Text that a spreadsheet would run as a formula (it starts with `= + - @`, in their wide forms
    too, or a tab) gets an apostrophe in front. Every row is one line: line breaks in text are
    written as `\n` and `\r`, bytes of a file name that are not UTF-8 as `\udc80` to `\udcff`.

    Raises:
        OutputError: it cannot be written.
    """
    columns = [_cells(str(name), column) for name, column in table.items()]
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        # pandas takes 5 ms for a table of any size, and writes the same
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(zip(*columns, strict=True))


def _cells(name: str, column: pd.Series) -> list[Any]:
    """What is written of a column; empty text where there is nothing."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.strftime(TIME_FORMAT)
    pairs = list(zip(column, column.isna(), strict=True))
    if name in DECIMALS:
        pattern = f"%.{DECIMALS[name]}f"
        return ["" if missing else pattern % value for value, missing in pairs]
    if column.dtype.kind == "f":  # a narrow number with the digits that it has
        return [*np.where(column.isna(), "", column.to_numpy().astype(str))]
    return ["" if missing else _harmless(value) for value, missing in pairs]


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write Parquet.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write UTF-8 JSON, indented, in the order of the keys.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", errors=UNENCODABLE)


def scenes_table(records: Sequence[SceneRecord]) -> pd.DataFrame:
    """One row a scene; lists become text, what belongs to zones stays in `scene.json`."""
    rows = []
    for record in records:
        row = record.to_dict()
        row["transform"] = LIST_SEPARATOR.join(repr(value) for value in record.transform)
        row["bands"] = LIST_SEPARATOR.join(str(value) for value in record.bands)
        row["warnings"] = SENTENCE_SEPARATOR.join(record.warnings)
        others_found = row.pop("others", {})
        rows.append(row | others_found)
    others = list(dict.fromkeys(name for record in records for name in record.others))
    names = [item.name for item in fields(SceneRecord) if item.name != "areas"]
    names[names.index("others") : names.index("others") + 1] = others
    # As objects: pandas' own text type refuses file names that are not UTF-8.
    table = pd.DataFrame(rows, columns=names, dtype=object)
    whole = (
        "width",
        "height",
        "tiles",
        "tiles_skipped",
        "ships",
        "container_stacks",
        "deck_cargo",
        "unseen_boxes",
        *others,
    )
    return table.astype(dict.fromkeys(whole, "Int64"))


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    line = value.translate(LINE_BREAKS).encode("utf-8", UNENCODABLE).decode("utf-8")
    return f"'{line}" if line.startswith(FORMULA_STARTS) else line
