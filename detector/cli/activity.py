"""`detector activity`: sites and runs in, series, visits and events out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.command import EXIT_DONE, Command
from detector.config.logging import configure_logging
from detector.errors import ConfigError
from detector.options import option

if TYPE_CHECKING:
    from detector.activity.find import Activity, ActivitySettings

DESCRIPTION = """
Says what looks of a site show over time. SITES are YAML files: name, zones (a vector file),
time_zone and, optional, fixed (land that does not change). Scenes of one day become one look;
looks are laid on each other; every zone gets a series of counts with its gaps, trend and change
points; ships of different dates are linked, and the visits are counted at least and at most, with
the sentence that may be said. Writes activity.json, activity.schema.json, a CSV for each table, and
the report, a page for readers (see `detector report`).
"""
SCHEMA_FILE = "activity.schema.json"
PLOTS_FOLDER = "plots"
REPORT_FOLDER = "report"
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityConfig:
    """Everything `detector activity` can be told."""

    paths: list[str] = option("site files", path=True)
    runs: list[str] = option("folders that detector predict wrote", path=True)
    out: str = option("folder of the results", path=True)
    weights: str = option("weights whose calibration is used: those of the runs")
    min_length_m: float = option("ships from this length on make the headline series", low=0)
    first: str | None = option("first day, such as 2026-10-01; null: that of the first scene")
    last: str | None = option("last day; null: that of the last scene")
    register: bool = option("lay scenes on each other by their pictures; needs the scenes")
    appearance: bool = option("compare how ships look, by the weights' network; needs the scenes")
    stay_days: float = option("typical stay of a ship", above=0)
    recall: float | None = option("share of seen ships found; null: as calibrated", above=0, high=1)
    draws: int = option("Monte-Carlo draws", low=20, high=100000)
    seed: int = option("of the draws", low=0)
    plots: bool = option("draw the series and the visits")
    chips: bool = option(
        "write pictures: each visit's first and last look, changes of stacks; needs the scenes"
    )
    report: bool = option("make the report in report/")
    log: str = option("text for people, json for machines", choices=("text", "json"))
    quiet: bool = option("only warnings and the result")


def run(config: ActivityConfig) -> int:
    """Find the activity, write it, print the sentences.

    Raises:
        QuaywatchError: sites or runs cannot be used; one sentence says why.
    """
    if not config.paths:
        raise ConfigError("no sites: name site files (see detector activity --help)")
    if not config.runs:
        raise ConfigError("no runs: name the folders of detector predict with runs=[FOLDER,…]")
    configure_logging(config.log, quiet=config.quiet)
    from detector.activity.find import ACTIVITY_FILE
    from detector.activity.schema import json_schema
    from detector.export.tables import write_json
    from detector.report.sources import record_inputs

    out = Path(config.out)
    activity = _find(config, out)
    activity.write(out)
    write_json(out / SCHEMA_FILE, json_schema())
    record_inputs(out, config.paths, config.runs)
    if config.plots:
        _draw(activity, out / PLOTS_FOLDER)
    page = _report(out) if config.report else None
    if config.log == "json":
        print((out / ACTIVITY_FILE).read_text(encoding="utf-8"), end="")
        return EXIT_DONE
    for warning in activity.warnings:
        LOG.warning("%s", warning)
    for row in activity.tables["periods"].to_dict("records"):
        print(f"{row['site']}: {row['sentence']}")
    for sentence in activity.tables["links"]["sentence"]:
        print(sentence)
    print(f"tables in {out}")
    if page is not None:
        print(f"report in {page}")
    return EXIT_DONE


def _find(config: ActivityConfig, out: Path) -> Activity:
    """The activity, with the pictures of its visits and of changes of stacks written."""
    from detector.activity.find import trace_activity
    from detector.activity.looks.runs import read_runs
    from detector.activity.looks.sites import read_site
    from detector.activity.pictures.chips import write_chips
    from detector.activity.pictures.stack_pictures import write_differences

    sites = [read_site(path) for path in config.paths]
    runs = read_runs(config.runs)
    if config.appearance:
        from detector.activity.visits.appearance import with_appearance

        runs = with_appearance(runs, config.weights)
    activity = trace_activity(sites, runs, to_settings(config))
    if config.chips:
        write_chips(activity.tables["visits"], runs.scenes, out)
        write_differences(activity.tables, sites, runs.scenes, out)
    return activity


def to_settings(config: ActivityConfig) -> ActivitySettings:
    """The options as activity's own settings, with the calibration of the weights' card.

    Raises:
        WeightsError: no such weights.
        ConfigError: a day that is none.
    """
    from detector.activity.api import calibrated
    from detector.activity.find import ActivitySettings
    from detector.activity.visits.bounds import VisitSettings
    from detector.activity.visits.linking import LinkSettings

    settings = ActivitySettings(
        visits=VisitSettings(
            min_length_m=config.min_length_m,
            links=LinkSettings(stay_days=config.stay_days),
            draws=config.draws,
            seed=config.seed,
        ),
        registered=config.register,
        first=_day("first", config.first),
        last=_day("last", config.last),
    )
    return calibrated(settings, config.weights, config.recall)


def _day(key: str, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value is not None else None
    except ValueError as error:
        raise ConfigError(f"{key}={value}: this option needs a day such as 2026-10-01") from error


def _draw(activity: Activity, folder: Path) -> None:
    from detector.activity.plots import save_plots

    save_plots(activity, folder)


def _report(out: Path) -> Path:
    from detector.report.publish import ReportSettings, make_report

    return make_report(ReportSettings(activity=out, out=out / REPORT_FOLDER)).page


COMMAND = Command(
    name="activity",
    summary="what looks of sites show over time: series, visits, events",
    description=DESCRIPTION,
    config="activity",
    schema=ActivityConfig,
    run=run,
    paths="SITES…",
    examples=(
        ("detector activity najin.yaml runs=[runs/predict] out=activity", "one site"),
        (
            "detector activity port.yaml railhead.yaml runs=[runs/port,runs/railhead]",
            "two sites, one chain of events",
        ),
        (
            "detector activity najin.yaml runs=[runs/predict] first=2026-10-01 last=2026-10-31",
            "one month",
        ),
    ),
)
