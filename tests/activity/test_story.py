"""Statements on the demo's two sites over eight dates, against the generator's truth."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

import detector
from detector.activity.errors import ActivityError
from detector.activity.find import (
    ACTIVITY_FILE,
    Activity,
    ActivitySettings,
    read_activity,
    trace_activity,
)
from detector.activity.looks.runs import Runs, read_runs
from detector.activity.looks.sites import Site, read_site
from detector.activity.pictures.chips import write_chips
from detector.activity.schema import TABLES, ActivityFile, json_schema
from detector.activity.visits.appearance import with_appearance
from detector.activity.visits.bounds import VisitSettings
from detector.cli import main as cli
from detector.errors import ConfigError
from detector.rendering.demo import DEMO_DAYS
from detector.report.publish import ReportSettings, make_report
from detector.report.sources import record_inputs
from detector.times import parse_time
from tests.activity.story import Written, write_story
from tests.activity.written_run import seal_again
from tests.report.agreement import hold_page_to_tables

LONG_M = 60.0
PUBLISHED = Path(__file__).parents[2] / "docs" / "activity.schema.json"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_story(tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
def sites(story: Written) -> list[Site]:
    return [read_site(path) for path in story.sites.values()]


@pytest.fixture(scope="module")
def runs(story: Written) -> Runs:
    return read_runs(list(story.runs.values()))


@pytest.fixture(scope="module")
def activity(sites: list[Site], runs: Runs) -> Activity:
    return trace_activity(sites, runs, ActivitySettings(VisitSettings(min_length_m=LONG_M)))


def test_counts_are_the_truth(story: Written, sites: list[Site], runs: Runs) -> None:
    # unregistered, as the truth's own zones are: a shift moves centres over the border of a zone
    series = trace_activity(sites, runs, ActivitySettings(registered=False)).tables["series"]
    series = series[series["length_class"] == "all"]
    truth = story.looks.assign(day=lambda t: [date.fromisoformat(x[:10]) for x in t["acquired"]])
    checked = 0
    for row in truth.to_dict("records"):
        here = series[
            (series["site"] == row["site"])
            & (series["zone"] == row["zone"])
            & (series["day"] == row["day"])
        ].set_index("class")
        assert here["observed_fraction"].iloc[0] == pytest.approx(
            row["observed_fraction"], abs=0.03
        )
        if row["observed_fraction"] > 0.99:
            assert here.loc["ship", "count"] == row["ships"]
            assert here.loc["container_stack", "count"] == row["stacks"]
            checked += 1
    assert checked > 30


@pytest.mark.parametrize("zone", ["berth 1", "berth 2"])
def test_visits_are_bounded_by_the_truth(story: Written, activity: Activity, zone: str) -> None:
    true = story.visits
    true = true[(true["zone"] == zone) & (true["length_m"] >= LONG_M)]
    true = true[(true["last_day"] > DEMO_DAYS[0]) & (true["first_day"] <= DEMO_DAYS[-1])]
    seen = [
        any(row["first_day"] <= day < row["last_day"] for day in DEMO_DAYS)
        for row in true.to_dict("records")
    ]
    period = activity.tables["periods"].set_index("zone").loc[zone]
    assert 0.5 * sum(seen) <= period["visits_min"] <= len(true)
    assert period["visits_seen_max"] >= period["visits_listed"]
    listed = activity.tables["visits"]
    for row in listed[listed["zone"] == zone].to_dict("records"):
        lengths = true["length_m"].to_numpy()
        assert np.abs(lengths - row["length_m"]).min() < 0.03 * row["length_m"]


def test_the_sentence_says_numbers_gap_and_limits(activity: Activity) -> None:
    period = activity.tables["periods"].set_index("zone").loc["berth 1"]
    assert re.match(
        rf"at least {period['visits_min']} ships ≥ 60 m called at berth 1 between 2 September and "
        rf"3 October 2026 \({period['visits_seen_max']} if every doubtful match was a new ship\); "
        r"6 of 8 days observed, 2 in part; a call shorter than 9 days can have been missed",
        period["sentence"],
    )
    assert period["longest_gap_days"] == pytest.approx(9, abs=0.05)


def test_scenes_are_laid_on_each_other(
    story: Written, activity: Activity, sites: list[Site]
) -> None:
    table = activity.tables["registration"].set_index("scene_id")
    assert (table["method"] == "phase correlation").sum() >= 10
    before, after = [], []
    for site in sites:
        middles = _true_centres(story, site)
        pairs = [(a, b) for i, a in enumerate(middles) for b in middles[i + 1 :]]
        for (one, first), (other, second) in pairs:
            ids = [_scene_row(table, stem) for stem in (one, other)]
            if any(row["method"] == "none" for row in ids):
                continue
            shift = [np.array([row["shift_east_m"], row["shift_north_m"]]) for row in ids]
            for name in first.keys() & second.keys():
                left = first[name] - second[name]
                before.append(np.linalg.norm(left))
                after.append(np.linalg.norm(left + shift[0] - shift[1]))
    assert len(after) > 20
    assert np.median(before) > 3 * np.median(after)
    assert np.median(after) < 1.5


def _scene_row(table: pd.DataFrame, stem: str) -> pd.Series:
    return table[[scene_id.startswith(stem) for scene_id in table.index]].iloc[0]


def _true_centres(story: Written, site: Site) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Of every scene: its stem and the centres of what has one id on all dates, local metres.

    Those are ships at berths, which a shift of berth would move, and full rows of wagons; blocks
    that grow or shrink are left out by their length.
    """
    looks = []
    for path in sorted((story.folder / site.name).glob("*_truth.geojson")):
        table = gpd.read_file(path)
        table = table[(table["role"] == "object") & (table["visible"] > 0.95)]
        centres = {}
        for name, length, shape in zip(
            table["object_id"], table["length_m"], table.geometry, strict=True
        ):
            middle = np.array([shape.centroid.x, shape.centroid.y])
            centres[f"{name} {length:.0f}"] = site.frame.from_crs(middle, "EPSG:4326")
        looks.append((path.name.removesuffix("_truth.geojson"), centres))
    return looks


def test_the_consignment_is_consistent_and_no_more(activity: Activity) -> None:
    links = activity.tables["links"]
    assert len(links) == 1
    first = links.iloc[0]
    assert (first["from_site"], first["to_site"]) == ("port", "railhead")
    assert first["stacks_alike"] >= 4
    assert first["by_chance"] < 0.01
    assert first["sentence"].startswith("consistent with")
    assert "not proof" in first["sentence"]
    assert date(2026, 9, 11) <= first["gone_by"] <= date(2026, 9, 15)
    assert first["appeared_by"] == date(2026, 9, 20)


def test_the_report_says_of_stacks_what_the_tables_say(
    story: Written, activity: Activity, tmp_path: Path
) -> None:
    """On the demo's story, in which a lot travels and yards grow and shrink."""
    activity.write(tmp_path)
    record_inputs(tmp_path, list(story.sites.values()), list(story.runs.values()))
    settings = ReportSettings(activity=tmp_path, out=tmp_path / "report", charts=False)
    report = make_report(settings)
    held = hold_page_to_tables(tmp_path, tmp_path / "report")
    changes = activity.tables["stack_changes"]
    claims = changes[~changes["kind"].isin(["exchanged", "undecided"])]
    assert held["changes"] == len(claims) > 40
    assert set(claims["kind"]) == {"gone", "appeared", "shrunk", "grown"}
    # at 1.5 m a pixel: a container is less than two pixels wide
    assert (changes["kind"] == "undecided").sum() <= 0.1 * len(claims)
    assert not (changes["kind"] == "exchanged").any()
    assert (held["leads"], held["sentences"], held["totals"], held["links"]) == (2, 6, 2, 1)
    assert report.document["sites"][0]["lead"].endswith(
        "6 container stacks (3,719 m²) gone from yard 2 between 6 and 15 September 2026; besides, "
        "1 larger (by 104 m²) and 1 smaller (by 66 m²)."
    )


def test_events_are_sorted_and_their_evidence_exists(activity: Activity, runs: Runs) -> None:
    events = activity.tables["events"]
    assert events["last_day"].is_monotonic_increasing
    rows = {s.scene_id: set(s.objects.rows.tolist()) for s in runs.scenes}
    for text in events["evidence"]:
        for item in text.split("; "):
            scene_id, _, row = item.rpartition("#")
            assert int(row) in rows[scene_id]


def test_every_figure_of_a_statement_leads_to_scenes_zones_and_boxes(
    activity: Activity, sites: list[Site], runs: Runs
) -> None:
    tables = activity.tables
    scenes = {scene.scene_id: scene for scene in runs.scenes}
    areas = {(site.name, zone.name): (site, zone) for site in sites for zone in site.zones}
    for row in tables["series"].to_dict("records"):
        boxes = row["evidence"].split("; ") if row["evidence"] else []
        assert len(boxes) == (0 if pd.isna(row["count"]) else row["count"])
        assert {box.rpartition("#")[0] for box in boxes} <= set(row["scene_ids"].split("; "))
    for period in tables["periods"].to_dict("records"):
        site, zone = areas[period["site"], period["zone"]]
        looks, visits, moves = (
            table[(table["site"] == site.name) & (table["zone"] == zone.name)]
            for table in (tables["looks"], tables["visits"], tables["moves"])
        )
        assert period["looks"] == len(looks)
        assert period["looks_observed"] == (looks["observed_fraction"] >= 0.98).sum()
        assert set("; ".join(looks["scene_ids"]).split("; ")) <= set(scenes)
        assert period["visits_listed"] == len(visits)
        seen = moves[moves["state"] != "left"]
        for visit in visits.to_dict("records"):
            mine = seen[seen["visit_id"] == visit["visit_id"]]
            boxes = visit["evidence"].split("; ")
            assert set(boxes) == set(mine["evidence"])
            for box in boxes:
                scene_id, _, number = box.rpartition("#")
                objects = scenes[scene_id].objects
                at = objects.rows.tolist().index(int(number))
                assert objects.class_ids[at] == 0
                assert scene_id in "; ".join(looks["scene_ids"])


def test_files_follow_the_schema(activity: Activity, tmp_path: Path) -> None:
    activity.write(tmp_path)
    content = read_activity(tmp_path / "activity.json")
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert sorted(content) == sorted(schema["required"])
    text = (tmp_path / "activity.json").read_text(encoding="utf-8")
    read = ActivityFile.model_validate_json(text, strict=True)
    assert [row.number for row in read.events] == [row["number"] for row in content["events"]]
    for name, columns in TABLES.items():
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert list(table.columns) == list(columns)
        assert len(table) == len(content[name])
        for row in content[name]:
            assert list(row) == list(columns)
            for key, value in row.items():
                reference = schema["properties"][name]["items"]["$ref"]
                rule = schema["$defs"][reference.rpartition("/")[2]]["properties"][key]
                assert _fits(value, rule), (value, rule)


def _fits(value: Any, rule: dict[str, Any]) -> bool:
    if "anyOf" in rule or "enum" in rule:
        parts = rule.get("anyOf", ())
        return any(_fits(value, part) for part in parts) or value in rule.get("enum", ())
    if rule["type"] == "array":
        return isinstance(value, list) and all(_fits(item, rule["items"]) for item in value)
    kinds = {"string": str, "integer": int, "number": (int, float), "null": type(None)}
    if not isinstance(value, {**kinds, "boolean": bool}[rule["type"]]):
        return False
    if rule.get("format") == "date":
        return date.fromisoformat(value).isoformat() == value
    if rule.get("format") == "date-time":
        return parse_time(value) is not None
    low, high = rule.get("minimum", -np.inf), rule.get("maximum", np.inf)
    return not isinstance(value, int | float) or low <= value <= high


def test_what_breaks_the_schema_is_refused(activity: Activity) -> None:
    content = activity.to_dict()
    ActivityFile.model_validate_json(json.dumps(content), strict=True)
    look = content["looks"][0]
    for broken in (
        look | {"observed_fraction": 1.5},
        look | {"status": "seen"},
        look | {"day": "2 September"},
        look | {"more": 1},
        {key: value for key, value in look.items() if key != "residual_m"},
    ):
        changed = content | {"looks": [broken]}
        with pytest.raises(ValidationError, match=r"looks\.0"):
            ActivityFile.model_validate_json(json.dumps(changed), strict=True)


def test_command(story: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["activity", str(story.sites["port"]), f"runs=[{story.runs['port']}]"]
    assert cli.main([*words, f"out={tmp_path}", "register=false", "draws=40", "quiet=true"]) == 0
    assert "port: at least" in capsys.readouterr().out
    assert json.loads((tmp_path / "activity.json").read_text())["format"] == 1
    assert len(list((tmp_path / "plots").glob("*.png"))) >= 7
    listed = pd.read_csv(tmp_path / "visits.csv")
    for name in [*listed["first_chip"], *listed["last_chip"]]:
        assert (tmp_path / name).is_file()


def test_one_look_is_no_visit(sites: list[Site], runs: Runs) -> None:
    settings = ActivitySettings(registered=False, last=date(2026, 9, 3))
    one = trace_activity(sites[:1], runs, settings)
    assert one.tables["visits"].empty
    assert all("one day shows no visits" in text for text in one.sentences)


def test_a_site_that_no_scene_meets_is_refused(sites: list[Site], runs: Runs) -> None:
    port = Runs(tuple(s for s in runs.scenes if s.scene_id.startswith("port")), ())
    with pytest.raises(ActivityError, match="none of 8 scenes meets a zone of railhead"):
        trace_activity(sites[1:], port, ActivitySettings(registered=False))


def test_scenes_that_are_gone_widen_the_tolerance(sites: list[Site], runs: Runs) -> None:
    gone = Runs(tuple(replace(s, path="/nowhere.tif") for s in runs.scenes), ())
    result = trace_activity(sites[:1], gone, ActivitySettings(VisitSettings(draws=40)))
    assert set(result.tables["registration"]["method"]) == {"none"}
    assert result.tables["looks"]["residual_m"].min() == 8.0
    assert any("not registered" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\n", "needs the key 'zones'"),
        ("- a\n", "a site is a YAML mapping"),
        ("name: x\nzones: port.geojson\ntime_zone: Mars/Olympus\n", "'Mars/Olympus' is not known"),
        ("name: x\nzones: port.geojson\ncolour: red\n", "unknown key 'colour'"),
    ],
)
def test_bad_site_files(story: Written, text: str, message: str) -> None:
    path = story.folder / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ActivityError, match=re.escape(message)):
        read_site(path)


def test_scenes_without_a_time_are_skipped_and_said(story: Written, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(story.runs["port"], folder)
    ids = [scene["scene_id"] for scene in json.loads((folder / "run.json").read_text())["scenes"]]

    def forget_time(scene_id: str) -> None:
        path = folder / scene_id / "scene.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"acquired": None}))

    forget_time(ids[0])
    seal_again(folder)
    runs = read_runs([folder])
    assert [scene_id for scene_id, _ in runs.skipped] == [ids[0]]
    assert runs.skipped[0][1].startswith("no time of acquisition; give it with scene.acquired=")
    for scene_id in ids[1:]:
        forget_time(scene_id)
    seal_again(folder)
    with pytest.raises(ActivityError, match=r"no scene that can be used \(.*no time"):
        read_runs([folder])


def test_chips_show_the_first_and_the_last_look(
    activity: Activity, runs: Runs, tmp_path: Path
) -> None:
    visits = activity.tables["visits"].copy()
    visits.loc[visits.index[0], "visit_id"] = "../나진/" + "x" * 300
    number = write_chips(visits, runs.scenes, tmp_path)
    assert number == 2 * len(visits) == len(list((tmp_path / "chips").glob("*.png")))
    assert visits["first_chip"].iloc[0] == f"chips/0001-_나진_{'x' * 36}-first.png"
    for row in visits.to_dict("records"):
        scene_id, _, place = row["last_window"].partition(": ")
        assert row["evidence"].split("; ")[-1].startswith(scene_id)
        _, _, width, height = map(int, place.split(", "))
        chip = cv2.imread(str(tmp_path / row["last_chip"]))
        scale = min(1.0, 192 / max(width, height))
        assert chip.shape[:2] == (round(height * scale), round(width * scale))
        assert (chip == (27, 89, 196)).all(axis=2).sum() > scale * width  # the box is drawn
    gone = [replace(scene, path="/nowhere.tif") for scene in runs.scenes]
    assert write_chips(visits, gone, tmp_path / "none") == 0
    assert visits["first_chip"].isna().all()


def test_ships_that_stay_look_alike(runs: Runs, sites: list[Site], story: Written) -> None:
    """Features are of the ships' own pixels: of one object at two dates nearer than of others."""
    port = Runs(tuple(s for s in runs.scenes if s.scene_id.startswith("port")), ())
    seen = with_appearance(port, "port-n")
    lengths = np.concatenate([scene.objects.length_m for scene in seen.scenes])
    features = np.concatenate([scene.objects.embeddings for scene in seen.scenes])
    ids = np.concatenate([scene.objects.class_ids for scene in seen.scenes])
    long = (ids == 0) & (lengths >= 25)
    assert np.isfinite(features[long]).all()
    assert np.isnan(features[~long]).all()
    unit = features[long] - features[long].mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    size = np.log(lengths[long])
    day = np.concatenate([np.full(len(s.objects), i) for i, s in enumerate(seen.scenes)])[long]
    one, other = np.nonzero(day[:, None] + 1 == day)
    alike = np.abs(size[one] - size[other])
    distance = 1 - (unit[one] * unit[other]).sum(axis=1)
    assert np.median(distance[alike < 1e-3]) < np.median(distance[alike > 0.1]) - 0.2
    gone = Runs(tuple(replace(scene, path="/nowhere.tif") for scene in port.scenes), ())
    nothing = with_appearance(gone, "port-n").scenes[0].objects.embeddings
    assert nothing is not None
    assert np.isnan(nothing).all()


def test_the_published_schema_is_that_of_the_code() -> None:
    """Write it with `python -m detector.activity.schema > docs/activity.schema.json`."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json_schema()


def test_the_function_does_what_the_command_does(story: Written, tmp_path: Path) -> None:
    site, run = story.sites["port"], story.runs["port"]
    words = [f"runs=[{run}]", f"out={tmp_path}", "report=false", "weights=port-n"]
    assert cli.main(["activity", str(site), *words]) == 0
    written = read_activity(tmp_path / ACTIVITY_FILE)
    found = detector.find_activity(site, run, weights="port-n")
    assert isinstance(found, Activity)
    assert found.calibrated
    assert found.tables["series"]["count_high"].notna().any()
    content = json.loads(json.dumps(found.to_dict()))
    pictures = ("first_chip", "last_chip", "picture")  # the command alone writes them
    for name in found.tables:
        for rows in (content[name], written[name]):
            for row in rows:
                row |= {key: None for key in pictures if key in row}
        assert content[name] == written[name], name
    assert len(content["visits"]) > 5
    assert content == written


def test_options_of_the_function_are_those_of_the_command(story: Written) -> None:
    site, run = story.sites["port"], story.runs["port"]
    bare = detector.find_activity([site], [run], appearance=False, register=False, draws=40)
    assert not bare.tables["visits"].empty
    assert set(bare.tables["registration"]["method"]) == {"none"}
    with pytest.raises(ConfigError, match=r"unknown option 'drawz'; did you mean 'draws'\?"):
        detector.find_activity(site, run, drawz=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'module' object is not callable"):
        detector.activity(site, run)  # type: ignore[operator]


def test_the_package_stays_light() -> None:
    code = "import detector, sys; sys.exit('geopandas' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_runs_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ActivityError, match="not a finished run"):
        read_runs([tmp_path])
