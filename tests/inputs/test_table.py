"""The table of `docs/inputs.md` says what the files give."""

from __future__ import annotations

from pathlib import Path

from tests.inputs.table import BEGIN, CASES, END, table

PAGE = Path(__file__).parents[2] / "docs" / "inputs.md"


def test_the_table_is_true() -> None:
    """After a change write it anew: python -m tests.inputs.table docs/inputs.md."""
    text = PAGE.read_text(encoding="utf-8")
    written = BEGIN + text.partition(BEGIN)[2].partition(END)[0] + END
    assert len(CASES) >= 60
    assert table().splitlines() == written.splitlines()


def test_no_file_is_an_error_of_the_program() -> None:
    text = table()
    assert "cannot be used (" not in text
    assert "Traceback" not in text
