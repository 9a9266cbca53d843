"""The report's content as CSV and Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from detector.activity.schema import TABLES
from detector.export.tables import write_csv, write_parquet
from detector.files import prepare_folder

LIST_SEPARATOR = "; "


def write_tables(
    folder: Path, document: Mapping[str, Any], activity: Mapping[str, Any]
) -> list[Path]:
    """Write every table of the activity, and the report's own, as `<name>.csv` and `.parquet`.

    The report's own: `findings` (site, kind `lead`, `found` or `unseen`, text), `charts` (one row a
    point of a chart) and `links`.

    Raises:
        OutputError: the folder cannot be written.
    """
    prepare_folder(folder, mark=True)
    tables = {name: rows for name, rows in activity.items() if _is_table(rows)}
    tables |= {
        "findings": _findings(document),
        "charts": _charts(document),
        "links": document["links"],
    }
    paths = []
    for name, rows in tables.items():
        cells = [{k: _cell(v) for k, v in row.items()} for row in rows]
        # a table without rows has its columns all the same
        table = pd.DataFrame(cells, columns=None if cells else list(TABLES.get(name, ())))
        for ending, write in ((".csv", write_csv), (".parquet", write_parquet)):
            write(folder / f"{name}{ending}", table)
            paths.append(folder / f"{name}{ending}")
    return paths


def _is_table(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _findings(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for site in document["sites"]:
        texts = [("lead", site["lead"])]
        texts += [("found", text) for text in site["found"]]
        texts += [("unseen", text) for text in site["unseen"]]
        rows += [{"site": site["name"], "kind": kind, "text": text} for kind, text in texts]
    return rows


def _charts(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    keys = ("zone", "class", "measure")
    return [
        {"site": site["name"], **{key: chart[key] for key in keys}, **point}
        for site in document["sites"]
        for chart in site["charts"]
        for point in chart["points"]
    ]


def _cell(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return LIST_SEPARATOR.join(str(item) for item in value)
    return value
