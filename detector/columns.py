"""Tables that were written earlier, or by others: read back column by column, as a schema says.

A table of a run folder may have been edited, cut or made by another program. Whatever is wrong with
it becomes one sentence that names the file and the column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from detector.errors import QuaywatchError

Kind = Literal["text", "number", "whole", "yes or no", "time", "numbers"]
MAX_ROWS: Final = 20_000_000  # of a table; a year of a large port has some 100,000 objects
MAX_BYTES: Final = 8_000_000_000  # of its columns, unpacked
ROUNDING: Final = 1e-9  # by which a share may pass 1: it is a quotient of floats
PANDAS: Final = b"pandas"
MOST_SHOWN: Final = 60  # characters of a value in a sentence


class TableError(QuaywatchError):
    """A table that cannot be read, or whose columns are not those of the schema."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of a table holds.

    Attributes:
        name: of the column.
        kind: of its values; `numbers` are lists of whole numbers.
        empty: whether a cell may be empty; NaN is.
        low: least value, inclusive.
        high: greatest value, inclusive.
        choices: the only values; any where there are none.
        later: tables of an earlier version lack it.
    """

    name: str
    kind: Kind
    empty: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    later: bool = False


def read_columns(path: Path, columns: Sequence[Column]) -> pa.Table:
    """A Parquet file whose columns are those of a schema; others are left in.

    Raises:
        TableError: it is missing, damaged or too large, or a column is missing or holds what it
            should not.
    """
    table = read_table(path)
    check_columns(path, table, columns)
    # what pandas wrote of its own types: who damages it makes pandas fail, and nothing needs it
    metadata = {key: text for key, text in (table.schema.metadata or {}).items() if key != PANDAS}
    return table.replace_schema_metadata(metadata)


def read_table(path: Path) -> pa.Table:
    """A Parquet file as it is.

    Raises:
        TableError: it is missing, damaged or too large.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check_size(path, file.metadata)
            return file.read()
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise TableError(f"{path}: not a Parquet file that can be read ({reason})") from error


def check_columns(path: Path, table: pa.Table, columns: Sequence[Column]) -> None:
    """Hold a table against a schema.

    Args:
        path: of its file, for sentences.
        table: that was read.
        columns: in any order.

    Raises:
        TableError: a column is missing or holds what it should not.
    """
    names = table.schema.names
    for column in columns:
        number = names.count(column.name)
        if number > 1:
            raise TableError(f"{path}: {number} columns '{column.name}'")
        if number:
            _check(path, column, table.column(column.name))
        elif not column.later:
            raise TableError(f"{path}: no column '{column.name}'")


def _check_size(path: Path, metadata: pq.FileMetaData) -> None:
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if metadata.num_rows > MAX_ROWS or size > MAX_BYTES:
        raise TableError(
            f"{path}: {metadata.num_rows:,} rows of {size:,} bytes, at most {MAX_ROWS:,} of "
            f"{MAX_BYTES:,} are read"
        )


def _check(path: Path, column: Column, values: pa.ChunkedArray) -> None:
    where = f"{path}: column '{column.name}'"
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if pa.types.is_null(kind):  # nobody wrote a value
        kind, is_of_kind = None, True
    else:
        is_of_kind = _is_of(column.kind, kind)
    if not is_of_kind:
        raise TableError(f"{where} holds {kind}, not {column.kind}")
    missing = values.null_count
    if kind is not None and pa.types.is_floating(kind):
        missing = int(pc.sum(pc.is_null(values, nan_is_null=True)).as_py() or 0)
    if missing and not column.empty:
        row = pc.index(pc.is_null(values, nan_is_null=True), True).as_py()
        raise TableError(f"{where} is empty in row {row + 1}")
    if missing == len(values):
        return
    if kind is not None and column.kind in ("number", "whole"):
        _check_range(where, column, values)
    if column.choices:
        strange = [one for one in pc.unique(values).to_pylist() if one not in column.choices]
        strange = [one for one in strange if one is not None]
        if strange:
            known = ", ".join(one or "''" for one in column.choices)
            raise TableError(f"{where} holds '{str(strange[0])[:MOST_SHOWN]}', not one of {known}")


def _check_range(where: str, column: Column, values: pa.ChunkedArray) -> None:
    if pa.types.is_floating(values.type):
        if pc.any(pc.is_inf(values)).as_py():
            raise TableError(f"{where} holds infinity")
        values = pc.drop_null(pc.if_else(pc.is_nan(values), None, values))
        if column.kind == "whole" and not pc.all(pc.equal(pc.floor(values), values)).as_py():
            raise TableError(f"{where} holds parts of whole numbers")
    ends = pc.min_max(values).as_py()
    if column.low is not None and ends["min"] < column.low - ROUNDING:
        raise TableError(f"{where} holds {ends['min']:g}, less than {column.low:g}")
    if column.high is not None and ends["max"] > column.high + ROUNDING:
        raise TableError(f"{where} holds {ends['max']:g}, more than {column.high:g}")


def _is_of(kind: Kind, found: pa.DataType) -> bool:
    of: dict[Kind, Callable[[pa.DataType], bool]] = {
        "text": lambda one: pa.types.is_string(one) or pa.types.is_large_string(one),
        "number": lambda one: pa.types.is_floating(one) or pa.types.is_integer(one),
        "whole": lambda one: pa.types.is_integer(one) or pa.types.is_floating(one),
        "yes or no": pa.types.is_boolean,
        "time": pa.types.is_timestamp,
        "numbers": lambda one: pa.types.is_list(one) and pa.types.is_integer(one.value_type),
    }
    return of[kind](found)
