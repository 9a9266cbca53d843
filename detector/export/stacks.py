"""`stacks.csv` and `stacks.parquet`: one row a block, of a scene and of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from detector.columns import TableError, read_columns
from detector.errors import OutputError
from detector.export.columns import STACK_SCHEMA
from detector.export.tables import write_csv, write_parquet
from detector.files import atomic_path
from detector.later import pandas as pd
from detector.stacks.estimate import COLUMNS, TEXT_COLUMNS

STACKS_FILE = "stacks.csv"
DIGITS = 3
_KINDS = {name: "str" if name in TEXT_COLUMNS else "float64" for name in COLUMNS}
_SCHEMA = pa.schema(
    [(name, pa.string() if kind == "str" else pa.float64()) for name, kind in _KINDS.items()]
)


def no_stacks() -> pd.DataFrame:
    """The table of a scene without stacks."""
    return pd.DataFrame([], columns=list(COLUMNS)).astype(_KINDS)


def write_stacks(path: Path, table: pd.DataFrame) -> None:
    """Write the table of a scene, numbers to `DIGITS` digits, as CSV and, beside it, Parquet.

    Args:
        path: of the CSV.
        table: of `COLUMNS`.

    Raises:
        OutputError: it cannot be written.
    """
    rounded = table.round(DIGITS)
    write_csv(path, rounded)
    write_parquet(_parquet(path), rounded[list(COLUMNS)].astype(_KINDS))


def join_stacks(path: Path, parts: Sequence[Path]) -> None:
    """Write the tables of a run: the rows of its scenes as they are, one scene in memory.

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
        for part in there:
            rows = pa.Table.from_pandas(read_stacks(part), _SCHEMA, preserve_index=False)
            writer.write_table(rows.replace_schema_metadata(None))


def read_stacks(path: Path) -> pd.DataFrame:
    """Read a table back from its Parquet: names in the CSV may have an apostrophe in front.

    Args:
        path: of the CSV.

    Raises:
        OutputError: it is missing, damaged or of another version.
    """
    source = _parquet(path)
    try:
        table = read_columns(source, STACK_SCHEMA)
    except TableError as error:
        raise OutputError(f"{error}; run detector predict again with overwrite=true") from error
    rows: pd.DataFrame = table.select(list(COLUMNS)).to_pandas()
    return rows.astype(_KINDS)


def _parquet(path: Path) -> Path:
    return path.with_suffix(".parquet")
