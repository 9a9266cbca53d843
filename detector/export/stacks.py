"""`stacks.csv` and `stacks.parquet`: one row a block, of a scene and of a run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from detector.columns import TableError, read_columns
from detector.errors import OutputError
from detector.export.columns import STACK_SCHEMA
from detector.export.tables import write_csv
from detector.files import atomic_path
from detector.later import pandas as pd
from detector.stacks.estimate import COLUMNS, TEXT_COLUMNS

STACKS_FILE = "stacks.csv"
DIGITS = 3
ROW_GROUP_ROWS = 50_000
_KINDS = {name: "str" if name in TEXT_COLUMNS else "float64" for name in COLUMNS}
_SCHEMA = pa.schema(
    [(name, pa.string() if kind == "str" else pa.float64()) for name, kind in _KINDS.items()]
)


def no_stacks() -> pd.DataFrame:
    """The table of a scene without stacks."""
    return _no_stacks().copy()


@cache
def _no_stacks() -> pd.DataFrame:
    return pd.DataFrame([], columns=list(COLUMNS)).astype(_KINDS)


def write_stacks(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Write the table of a scene, numbers to `DIGITS` digits, as CSV and, beside it, Parquet.

    Args:
        path: of the CSV.
        table: of `COLUMNS`.

    Returns:
        What `read_stacks` reads back.

    Raises:
        OutputError: it cannot be written.
    """
    # most scenes have none, and pandas takes as long for them as for a thousand
    rounded = table.round(DIGITS) if len(table) else no_stacks()
    write_csv(path, rounded)
    kept = rounded[list(COLUMNS)].astype(_KINDS) if len(table) else rounded
    schema = _as_pandas()
    columns = [pa.array(kept[field.name], field.type, from_pandas=True) for field in schema]
    with atomic_path(_parquet(path)) as temporary:
        pq.write_table(pa.table(columns, schema=schema), temporary, compression="zstd")
    return kept


@cache
def _as_pandas() -> pa.Schema:
    """As pandas writes the table: it needs 3 ms to find that out."""
    return pa.Table.from_pandas(no_stacks(), preserve_index=False).schema


def join_stacks(path: Path, parts: Sequence[Path]) -> None:
    """Write the tables of a run: the rows of its scenes as they are, few scenes in memory.

    A scene that an older version did has no such file and no rows.

    Args:
        path: of the run's CSV.
        parts: of the scenes' CSVs.

    Raises:
        OutputError: it cannot be written, or a scene's table is damaged.
    """
    there = [part for part in parts if part.exists()]
    with atomic_path(path) as temporary:
        write_csv(temporary, no_stacks())
        with temporary.open("ab") as joined:
            for part in there:
                joined.writelines(part.read_bytes().splitlines(keepends=True)[1:])
    with (
        atomic_path(_parquet(path)) as temporary,
        pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer,
    ):
        waiting = [_SCHEMA.empty_table()]
        for part in there:
            waiting.append(_read(part))
            if sum(len(one) for one in waiting) >= ROW_GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        writer.write_table(pa.concat_tables([_SCHEMA.empty_table(), *waiting]))


def read_stacks(path: Path) -> pd.DataFrame:
    """Read a table back from its Parquet: names in the CSV may have an apostrophe in front.

    Args:
        path: of the CSV.

    Raises:
        OutputError: it is missing, damaged or of another version.
    """
    table = _read(path)
    rows: pd.DataFrame = table.to_pandas().astype(_KINDS) if len(table) else no_stacks()
    return rows


def _read(path: Path) -> pa.Table:
    source = _parquet(path)
    try:
        table = read_columns(source, STACK_SCHEMA).select(list(COLUMNS))
        return table.replace_schema_metadata(None).cast(_SCHEMA, safe=False)
    except TableError as error:
        raise OutputError(f"{error}; run detector predict again with overwrite=true") from error
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(f"{source}: {reason}; run detector predict again") from error


def _parquet(path: Path) -> Path:
    return path.with_suffix(".parquet")
