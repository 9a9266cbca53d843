"""A store of runs: what it holds, what comes and goes, and the questions of docs/database.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from detector.cli.command import EXIT_DONE, EXIT_SOME_FAILED
from detector.cli.main import main
from detector.counting.counts import DRAWS_COLUMN
from detector.errors import OutputError
from detector.export.store import TABLES, store_run
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction.batch import BatchSettings, predict_paths
from detector.scenes.types import SceneOptions
from tests.inference.blobs import BlobDetector, blob_scene
from tests.prediction.test_batch import SIZE, _ships
from tests.scenes.rasters import UTM52, utm_transform

PAGE = Path(__file__).parents[2] / "docs" / "database.md"
TEXT = PAGE.read_text(encoding="utf-8")
QUESTIONS = re.findall(r"## ([^\n]*)\n[^#]*?```sql\n(.*?)```", TEXT, re.DOTALL)
ZONES = {"west": (0, 0, 300, 500), "east": (300, 0, 600, 500)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three looks at two berths, one of them without a date, and a scene that failed."""
    folder = tmp_path_factory.mktemp("run")
    transform = utm_transform()
    shapes = [
        shapely.Polygon([transform @ c for c in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))])
        for x0, y0, x1, y1 in ZONES.values()
    ]
    table = {"name": list(ZONES), "kind": ["berth"] * 2}
    gpd.GeoDataFrame(table, geometry=shapes, crs=UTM52).to_file(folder / "zones.geojson")
    looks = {
        "a_2023-10-13": [(150.0, 100.0)],
        "b_2023-11-02": [(150.0, 100.0), (150.0, 400.0)],
        "c": [(150.0, 250.0)],
    }
    for name, places in looks.items():
        path = folder / "in" / f"{name}.tif"
        path.parent.mkdir(exist_ok=True)
        blob_scene(path, SIZE, _ships(*places), transform=transform, crs=UTM52)
    (folder / "in" / "d.tif").write_text("no raster")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "load_detector", lambda settings: BlobDetector())
        _predict(folder)
        yield folder


def _predict(folder: Path, **changes: Any) -> None:
    settings = {"formats": (), "scene": SceneOptions(clouds="clear"), **changes}
    paths, zones = (str(folder / "in"),), str(folder / "zones.geojson")
    detector = DetectorSettings("blobs")
    predict_paths(BatchSettings(paths, folder / "out", detector, zones, **settings))


@pytest.fixture(scope="module")
def store(run: Path) -> Path:
    """The run as site `najin`, and, with the draws of a card, as site `a/b`."""
    out = run / "store"
    first = store_run(run / "out", out, "najin")
    assert (first.added, first.replaced, first.kept, first.not_done) == (3, 0, 0, 1)
    store_run(run / "out", out, "a/b")
    for file in (out / "counts" / "site=a%2Fb").glob("*/*.parquet"):
        counts = pq.read_table(file, partitioning=None)
        numbers = np.arange(500).tolist()
        draws = [None if count is None else numbers for count in counts["count"].to_pylist()]
        at = counts.schema.get_field_index(DRAWS_COLUMN)
        column = counts.schema.field(at)
        pq.write_table(counts.set_column(at, column, pa.array(draws, column.type)), file)
    return out


@pytest.fixture
def database(store: Path, monkeypatch: pytest.MonkeyPatch) -> duckdb.DuckDBPyConnection:
    monkeypatch.chdir(store)
    database = duckdb.connect()
    database.execute((store / "views.sql").read_text())
    return database


def _rows(database: duckdb.DuckDBPyConnection, question: int) -> pd.DataFrame:
    return database.sql(QUESTIONS[question][1]).df()


def test_every_file_of_a_table_has_one_schema(store: Path) -> None:
    for name in TABLES:
        files = list((store / name).rglob("*.parquet"))
        assert len(files) == (8 if name == "scenes" else 6)
        (schema,) = {pq.read_schema(file).remove_metadata().to_string() for file in files}
        assert "null\n" not in f"{schema}\n"


def test_a_table_is_that_of_the_run(run: Path, database: duckdb.DuckDBPyConnection) -> None:
    for name, key in (("counts", "zone"), ("detections", "px0")):
        mine = database.sql(f"SELECT * FROM {name} WHERE site = 'najin'").df()  # noqa: S608
        theirs = pd.read_parquet(run / "out" / f"{name}.parquet")
        assert len(mine) == len(theirs)
        assert set(mine.columns) == set(theirs.columns) | {"site", "date"}
        assert sorted(map(str, mine[key])) == sorted(map(str, theirs[key]))
    scenes = database.sql("SELECT status, date, site, ships FROM scenes ORDER BY ALL").df()
    dates = ["2023-10-13", "2023-11-02", "unknown"]
    assert scenes[scenes["site"] == "a/b"]["date"].tolist() == [*dates, "unknown"]
    assert scenes[scenes["status"] == "failed"]["ships"].isna().all()


def test_the_page_asks_enough() -> None:
    assert len(QUESTIONS) >= 5


def test_ships_a_month(database: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(database, 0)
    najin = rows[rows["site"] == "najin"].drop(columns="site").to_numpy().tolist()
    assert najin == [["2023-10", 1, 1, 0], ["2023-11", 2, 1, 0]]


def test_an_interval_over_berths(database: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(database, 1)  # of 0 to 499 twice
    assert rows["site"].tolist() == ["a/b"] * 3  # the other card draws nothing
    assert rows[["berths", "low", "middle", "high"]].to_numpy().tolist() == [[2, 48, 498, 948]] * 3


def test_berths_without_ships(database: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(database, 2)
    assert rows[["site", "zone", "looks"]].to_numpy().tolist() == [
        ["a/b", "east", 3],
        ["najin", "east", 3],
    ]


def test_what_came_and_went(database: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(database, 3)  # no containers, so nothing did
    assert len(rows) == 2 * 3 * 2
    assert (rows["grown_by_m2"] == 0).all()


def test_what_cannot_be_used(database: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(database, 4)
    assert rows[["site", "state", "scenes"]].to_numpy().tolist() == [
        ["a/b", "usable", 3],
        ["a/b", "failed", 1],
        ["najin", "usable", 3],
        ["najin", "failed", 1],
    ]
    assert "not a raster" in rows["one_reason"][1]


def test_ships_in_a_place(database: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(database, 5)
    assert len(rows) == 2 * 4
    assert set(rows["length_m"]) == {71.0}  # a blob of 140 pixels, its edge taken in


def test_what_changes_is_replaced_and_what_is_damaged_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "store"
    words = ["store", str(run / "out"), f"out={out}", "quiet=true"]
    assert main(words) == EXIT_DONE
    assert "3 scenes in" in capsys.readouterr().out
    assert (out / "scenes" / "site=out").is_dir()
    again = store_run(run / "out", out, "out")
    assert (again.added, again.replaced, again.kept) == (0, 0, 3)
    (moved,) = (out / "scenes").rglob("a_2023*.parquet")
    for name in TABLES:  # as if it had been of another day, by other weights
        (file,) = (out / name).rglob("a_2023*.parquet")
        (file.parent.parent / "date=2022-01-01").mkdir()
        file.rename(file.parent.parent / "date=2022-01-01" / file.name)
    assert store_run(run / "out", out, "out").replaced == 1
    assert moved.is_file()
    assert not list(out.rglob("date=2022-01-01/*"))
    (record,) = (run / "out").glob("b_2023*/scene.json")
    content = record.read_text()
    try:
        record.write_text(json.dumps(json.loads(content) | {"ships": 7}))
        assert main(words) == EXIT_SOME_FAILED
        assert "left out: " in (told := capsys.readouterr().out)
        assert "damaged, or changed since" in told
    finally:
        record.write_text(content)
    with pytest.raises(OutputError, match="not the record of a run"):
        store_run(tmp_path, out, "x")
    assert main(["store", f"out={out}"]) == 2
