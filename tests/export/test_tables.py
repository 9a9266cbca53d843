"""Tables and records: fixed decimals, nulls, hostile text, the same bytes again."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.counting.counts import BLOCK_COLUMNS, COUNT_COLUMNS, DRAWS_COLUMN, counts_table
from detector.errors import OutputError
from detector.export.records import SceneRecord
from detector.export.tables import scenes_table, write_csv, write_json, write_parquet
from tests.export.make import HOSTILE_NAMES, make_result, zones_named


def cells_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_counts_as_text(tmp_path: Path) -> None:
    made = make_result(tmp_path, zones=zones_named(["A", "B", "C", "D", "E", "elsewhere"]))
    write_csv(tmp_path / "counts.csv", made.counts.drop(columns=DRAWS_COLUMN))
    text = (tmp_path / "counts.csv").read_bytes()
    assert not text.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in text
    head, *rows = cells_of(tmp_path / "counts.csv")
    assert (*head, DRAWS_COLUMN) == COUNT_COLUMNS  # which are in Parquet only
    assert len(rows) == 7 * 7
    first, last = dict(zip(head, rows[0], strict=True)), dict(zip(head, rows[-1], strict=True))
    assert first == {
        "scene_id": made.record.scene_id,
        "acquired": "2023-10-13T02:15:07Z",
        "zone": "",
        "kind": "",
        "class": "ship",
        "length_class": "all",
        "count": "2",
        "count_est": "",
        "count_low": "",
        "count_high": "",
        "count_q05": "",
        "count_q25": "",
        "count_q50": "",
        "count_q75": "",
        "count_q95": "",
        "left_out": "0",
        "area_m2": f"{made.detections.area_m2[:2].sum():.1f}",
        "observed_fraction": "1.0000",
        "status": "cloud_unknown",
        "gsd_source": "geodesic",
        "acquired_day": "",
        "acquired_precision": "time",
        **dict.fromkeys(BLOCK_COLUMNS, ""),
    }
    assert last["zone"] == "elsewhere"
    assert (last["count"], last["area_m2"]) == ("", "")
    assert (last["observed_fraction"], last["status"]) == ("0.0000", "unobserved")


def test_pandas_reads_the_counts_back(tmp_path: Path) -> None:
    made = make_result(tmp_path, zones=zones_named(["NA", "null", "나진"]))
    write_csv(tmp_path / "counts.csv", made.counts.drop(columns=DRAWS_COLUMN))
    table = pd.read_csv(
        tmp_path / "counts.csv",
        dtype={"count": "Int64"},
        keep_default_na=False,
        na_values={"count": [""], "area_m2": [""]},
        parse_dates=["acquired"],
    )
    assert table["zone"].tolist() == made.counts["zone"].tolist()
    assert table["count"].tolist() == made.counts["count"].tolist()
    assert table["area_m2"].tolist() == pytest.approx(made.counts["area_m2"].tolist(), abs=0.05)
    assert table["acquired"].iloc[0] == pd.Timestamp("2023-10-13T02:15:07Z")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\uff1d", "\uff20"])
def test_no_cell_is_a_formula(tmp_path: Path, start: str) -> None:
    name = f"{start}cmd|'/c calc'!A1"
    table = pd.DataFrame({"zone": pd.Series([name, None], dtype="str"), "count": [-1, 2]})
    write_csv(tmp_path / "a.csv", table)
    assert cells_of(tmp_path / "a.csv") == [["zone", "count"], [f"'{name}", "-1"], ["", "2"]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_any_text_comes_back(tmp_path: Path, names: list[str]) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"zone": pd.Series(names, dtype="str"), "n": 1}))
    assert (tmp_path / "a.csv").read_bytes().count(b"\n") == len(names) + 1
    read = [row[0] for row in cells_of(tmp_path / "a.csv")[1:]]
    lines = [name.replace("\n", "\\n").replace("\r", "\\r") for name in names]
    assert [cell.removeprefix("'") for cell in read] == [line.removeprefix("'") for line in lines]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in read)


def test_a_file_name_that_is_not_utf8(tmp_path: Path) -> None:
    """Linux takes any bytes as names; Python shows them as half surrogates."""
    record = SceneRecord(path="scenes/port_\udcff.tif", status="failed", reason="port_\udcff: bad")
    write_json(tmp_path / "run.json", {"path": record.path})
    assert json.loads((tmp_path / "run.json").read_bytes())["path"] == record.path
    write_csv(tmp_path / "scenes.csv", scenes_table([record]))
    assert cells_of(tmp_path / "scenes.csv")[1][0] == r"scenes/port_\udcff.tif"


def test_parquet_keeps_types_and_names(tmp_path: Path) -> None:
    made = make_result(tmp_path, zones=zones_named(HOSTILE_NAMES))
    write_parquet(tmp_path / "counts.parquet", made.counts)
    schema = pq.read_schema(tmp_path / "counts.parquet")
    types = {name: str(schema.field(name).type) for name in schema.names}
    assert [*types] == list(COUNT_COLUMNS)
    assert types["count"] == "int64"
    assert types["acquired"] == "timestamp[us, tz=UTC]"
    assert {types["area_m2"], types["observed_fraction"]} == {"double"}
    table = pd.read_parquet(tmp_path / "counts.parquet")
    assert table["zone"].unique().tolist() == ["", *HOSTILE_NAMES]
    assert table["count"].isna().sum() == made.counts["count"].isna().sum() > 0


def test_scenes_one_row_each(tmp_path: Path) -> None:
    made = make_result(tmp_path, zones=zones_named(["A"]))
    failed = SceneRecord(path="b [1],x.tif", status="failed", reason="not a raster")
    write_csv(tmp_path / "scenes.csv", scenes_table([made.record, failed]))
    head, *rows = cells_of(tmp_path / "scenes.csv")
    done, bad = (dict(zip(head, row, strict=True)) for row in rows)
    assert (done["path"], done["status"], done["reason"]) == (str(made.path), "done", "")
    assert (done["ships"], done["container_stacks"], done["deck_cargo"]) == ("2", "1", "1")
    assert done["gsd_m"] == f"{made.record.gsd_m:.4f}"
    assert done["transform"] == "0.5 0.0 500000.0 0.0 -0.5 4677000.0"
    assert done["acquired"] == "2023-10-13T02:15:07Z"
    assert len(done["content_hash"]) == 64
    assert (bad["path"], bad["status"], bad["reason"]) == ("b [1],x.tif", "failed", "not a raster")
    assert {bad[name] for name in ("scene_id", "width", "ships", "gsd_m", "acquired")} == {""}


def test_no_scene_still_has_its_columns(tmp_path: Path) -> None:
    write_csv(tmp_path / "scenes.csv", scenes_table([]))
    (head,) = cells_of(tmp_path / "scenes.csv")
    assert head[:4] == ["path", "status", "reason", "scene_id"]


def test_a_record_comes_back(tmp_path: Path) -> None:
    record = make_result(tmp_path, zones=zones_named(HOSTILE_NAMES)).record
    write_json(tmp_path / "scene.json", record.to_dict())
    text = (tmp_path / "scene.json").read_text(encoding="utf-8")
    assert "나진" in text
    assert SceneRecord.from_dict(json.loads(text)) == record


@pytest.mark.parametrize("name", ["csv", "parquet", "json"])
def test_the_same_bytes_again(tmp_path: Path, name: str) -> None:
    made = make_result(tmp_path, zones=zones_named(HOSTILE_NAMES))
    write: dict[str, Any] = {
        "csv": lambda path: write_csv(path, made.counts),
        "parquet": lambda path: write_parquet(path, made.counts),
        "json": lambda path: write_json(path, made.record.to_dict()),
    }
    for number in range(2):
        write[name](tmp_path / f"{number}.{name}")
    assert (tmp_path / f"0.{name}").read_bytes() == (tmp_path / f"1.{name}").read_bytes()


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    table = counts_table([])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # bytes a file
    try:
        with pytest.raises(OutputError, match=r"a\.csv: cannot be written \(File too large\)"):
            write_csv(tmp_path / "a.csv", table)
        with pytest.raises(OutputError, match=r"a\.parquet: cannot be written \("):
            write_parquet(tmp_path / "a.parquet", table)
        with pytest.raises(OutputError, match=r"a\.json: cannot be written \(File too large\)"):
            write_json(tmp_path / "a.json", {"a": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_csv_is_what_pandas_writes_of_the_same_cells(tmp_path: Path) -> None:
    """Of numbers of any size, times, flags, missing values and text with quotes and commas."""
    table = pd.DataFrame(
        {
            "number": [1e-7, 123456789.123456, 1e22, float("nan")],
            "narrow": pd.Series([0.1, 1e-3, 3e9, -2.5], dtype="float32"),
            "whole": pd.Series([1, None, -3, 2**60], dtype="Int64"),
            "flag": [True, False, True, True],
            "text": ['a "b", c', "", None, "나진"],
            "mixed": [None, 1, 2.5, "x"],
        }
    )
    write_csv(tmp_path / "a.csv", table)
    expected = table.to_csv(index=False, lineterminator="\n")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == expected
