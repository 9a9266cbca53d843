"""`stacks.csv`: one row a block, of a scene and of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from detector.errors import OutputError
from detector.export.tables import write_csv
from detector.files import atomic_path
from detector.stacks.estimate import COLUMNS, TEXT_COLUMNS

STACKS_FILE = "stacks.csv"
DIGITS = 3


def no_stacks() -> pd.DataFrame:
    """The table of a scene without stacks."""
    table = pd.DataFrame([], columns=list(COLUMNS))
    kinds = {name: "str" if name in TEXT_COLUMNS else "float64" for name in COLUMNS}
    return table.astype(kinds)


def write_stacks(path: Path, table: pd.DataFrame) -> None:
    """Write the table of a scene, numbers to `DIGITS` digits.

    Raises:
        OutputError: it cannot be written.
    """
    write_csv(path, table.round(DIGITS))


def join_stacks(path: Path, parts: Sequence[Path]) -> None:
    """Write the table of a run: the rows of its scenes, byte by byte as they are.

    A scene that an older version did has no such file and no rows.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        write_csv(temporary, no_stacks())
        with temporary.open("ab") as joined:
            for part in parts:
                if part.exists():
                    joined.writelines(part.read_bytes().splitlines(keepends=True)[1:])


def read_stacks(path: Path) -> pd.DataFrame:
    """Read a table back.

    Raises:
        OutputError: it is damaged or of another version.
    """
    kinds = {name: "str" if name in TEXT_COLUMNS else "float64" for name in COLUMNS}
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values={
            name: [""] for name in COLUMNS if name not in TEXT_COLUMNS
        })  # fmt: skip
        return table[list(COLUMNS)].astype(kinds)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(
            f"{path}: not a table of stacks of this version ({reason}); run detector predict again"
        ) from error
