"""Tables of a run folder, read back: each column is what its schema says, or one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detector import columns
from detector.columns import Column, TableError, read_columns
from detector.counting.counts import COUNT_COLUMNS
from detector.detections import COLUMNS as DETECTED
from detector.errors import OutputError
from detector.export.columns import COUNT_SCHEMA, DETECTION_COLUMNS, STACK_SCHEMA
from detector.export.run_files import with_draws
from detector.export.scene_files import read_record, write_record
from detector.export.stacks import no_stacks, read_stacks, write_stacks
from detector.export.tables import write_parquet
from detector.export.vector import read_detections, write_geoparquet
from detector.stacks.estimate import COLUMNS as STACKS
from tests.export.make import make_result
from tests.scenes.rasters import UTM52, utm_transform


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tables of a scene, as they are written."""
    folder = tmp_path_factory.mktemp("tables")
    made = make_result(folder, transform=utm_transform(), crs=UTM52)
    found = made.detections
    write_geoparquet(folder / "detections.parquet", [found.to_geodataframe()], found.crs)
    write_parquet(folder / "counts.parquet", with_draws(made.counts))
    row = {name: "a" if column.kind == "text" else 1.0 for name, column in _named(STACK_SCHEMA)}
    write_stacks(folder / "stacks.csv", pd.concat([no_stacks(), pd.DataFrame([row] * 2)]))
    write_record(folder, made.record, made.counts)
    return {path.stem: path for path in folder.glob("*.parquet")} | {"folder": folder}


def _named(schema: Sequence[Column]) -> list[tuple[str, Column]]:
    return [(column.name, column) for column in schema]


def _read_counts(path: Path) -> None:
    read_columns(path, COUNT_SCHEMA)


READERS: dict[str, tuple[Callable[[Path], Any], Sequence[Column]]] = {
    "detections": (read_detections, DETECTION_COLUMNS),
    "counts": (_read_counts, COUNT_SCHEMA),
    "stacks": (lambda path: read_stacks(path.with_suffix(".csv")), STACK_SCHEMA),
}
ALL = [(name, column) for name, (_, schema) in READERS.items() for column in schema]


def test_every_column_has_a_schema() -> None:
    assert {column.name for column in DETECTION_COLUMNS} == set(DETECTED)
    assert {column.name for column in COUNT_SCHEMA} == set(COUNT_COLUMNS)
    assert [column.name for column in STACK_SCHEMA] == list(STACKS)


@pytest.mark.parametrize("name", READERS)
def test_what_is_written_fits(tables: dict[str, Path], name: str) -> None:
    READERS[name][0](tables[name])
    assert pq.read_metadata(tables[name]).num_rows >= 2


@pytest.mark.parametrize(("name", "column"), ALL, ids=[f"{n}-{c.name}" for n, c in ALL])
def test_every_column_is_checked(
    tables: dict[str, Path], tmp_path: Path, name: str, column: Column
) -> None:
    """Gone, of another type, twice, empty, beyond its range, infinite, of another word."""
    whole = pq.read_table(tables[name])
    place = whole.schema.get_field_index(column.name)
    rest = whole.remove_column(place)
    length = len(whole)
    other = [1.5] * length if column.kind in ("text", "time") else ["x"] * length
    cases: list[tuple[pa.Table, str]] = [
        (rest.append_column(column.name, pa.array(other)), f"column '{column.name}' holds "),
        (whole.append_column(column.name, whole.column(place)), f"2 columns '{column.name}'"),
    ]
    if not column.later:
        cases.append((rest, f"no column '{column.name}'"))
    value = whole.column(place).to_pylist()
    kind = whole.schema.field(place).type
    if not column.empty:
        empty = pa.array([*value[:-1], None], kind)
        cases.append(
            (rest.append_column(column.name, empty), f"'{column.name}' is empty in row {length}")
        )
    far: list[Any] = []
    if column.low is not None:
        far.append(column.low - 1)
    if column.high is not None:
        far.append(column.high + 1)
    if column.kind == "number":
        far.append(float("inf"))
    far += ["no such word"] if column.choices else []
    for one in far:
        made = pa.array([*value[:-1], one], pa.string() if column.choices else pa.float64())
        cases.append((rest.append_column(column.name, made), f"column '{column.name}' holds "))
    for table, said in cases:
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path)
        with pytest.raises((OutputError, TableError)) as caught:
            READERS[name][0](path)
        assert str(caught.value).startswith(f"{path}: ")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_one_sentence(tables: dict[str, Path], tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.parquet"
    stored = tables[name].read_bytes()
    for content in (b"", stored[:-9], b"PAR1" + b"\xff" * 400, stored[: len(stored) // 2]):
        path.write_bytes(content)
        with pytest.raises((OutputError, TableError), match=f"{name}.parquet: not a Parquet file"):
            READERS[name][0](path)
    path.unlink()
    with pytest.raises((OutputError, TableError), match=f"{name}.parquet: not a Parquet file"):
        READERS[name][0](path)


@pytest.mark.parametrize("geo", [b"", b"{", b"[]", b'{"columns": {}}', b"\xff"])
def test_a_geometry_that_cannot_be_read_is_one_sentence(
    tables: dict[str, Path], tmp_path: Path, geo: bytes
) -> None:
    path = tmp_path / "detections.parquet"
    pq.write_table(pq.read_table(tables["detections"]).replace_schema_metadata({b"geo": geo}), path)
    with pytest.raises(OutputError, match=r"detections\.parquet: its geometry cannot be read"):
        read_detections(path)


def test_a_table_that_would_fill_the_memory_is_not_read(
    tables: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "MAX_ROWS", 1)
    with pytest.raises(OutputError, match="at most 1 of 8,000,000,000 are read"):
        read_detections(tables["detections"])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ('"status": "done"', "status: Input should be 'done', 'failed' or 'copy'"),
        ('"width": 200', "width: Input should be a valid integer"),
        ('"counts": [', "no 'counts'"),
    ],
)
def test_the_record_of_a_scene_names_the_field(
    tables: dict[str, Path], tmp_path: Path, damage: str, said: str
) -> None:
    text = (tables["folder"] / "scene.json").read_text(encoding="utf-8")
    assert damage in text
    key = damage.split(":", maxsplit=1)[0]
    changed = damage.replace(key, '"Counts"') if "counts" in key else f'{key}: "x"'
    (tmp_path / "scene.json").write_text(text.replace(damage, changed), encoding="utf-8")
    with pytest.raises(OutputError) as caught:
        read_record(tmp_path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/scene.json: ")


def test_a_share_may_pass_one_by_rounding_only(tables: dict[str, Path], tmp_path: Path) -> None:
    table = pd.read_parquet(tables["counts"])
    for value, refused in ((1.0 + 4e-16, False), (1.001, True), (-4e-16, False)):
        path = tmp_path / f"{value}.parquet"
        write_parquet(path, table.assign(observed_fraction=value))
        if refused:
            with pytest.raises(TableError, match=r"holds 1.001, more than 1"):
                _read_counts(path)
        else:
            _read_counts(path)
