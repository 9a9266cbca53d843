"""`detector activity`: sites and runs in, series, visits and events out."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from detector.activity.options import ActivityConfig
from detector.cli.command import EXIT_DONE, Command
from detector.config.logging import configure_logging
from detector.errors import ConfigError, shown

if TYPE_CHECKING:
    from detector.activity.find import Activity

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


def run(config: ActivityConfig) -> int:
    """Find the activity, write it, print the sentences.

    Raises:
        QuaywatchError: sites or runs cannot be used; one sentence says why.
    """
    _check_inputs(config)
    configure_logging(config.log, quiet=config.quiet)
    from detector.activity.find import ACTIVITY_FILE
    from detector.files import held_folder

    out = Path(config.out)
    with held_folder(out):
        activity, page = _write(config, out)
    if config.log == "json":
        print((out / ACTIVITY_FILE).read_text(encoding="utf-8"), end="")
        return EXIT_DONE
    for warning in activity.warnings:
        LOG.warning("%s", warning)
    for row in activity.tables["periods"].to_dict("records"):
        print(f"{row['site']}: {row['sentence']}")
    for sentence in activity.tables["links"]["sentence"]:
        print(sentence)
    for sentence in activity.reviewed:
        print(sentence)
    print(f"tables in {out}")
    if page is not None:
        print(f"report in {page}")
    return EXIT_DONE


def dry_run(config: ActivityConfig) -> int:
    """Say which scenes of the runs would make up each site; nothing is compared or written.

    Raises:
        QuaywatchError: as `run`.
    """
    _check_inputs(config)
    configure_logging(config.log, quiet=config.quiet)
    from detector.activity.looks.runs import read_runs
    from detector.activity.looks.sites import read_site
    from detector.activity.rehearsal import rehearse
    from detector.api.activities import activity_settings, card_of

    sites, runs = [read_site(path) for path in config.paths], read_runs(config.runs)
    planned = rehearse(sites, runs, activity_settings(config, card_of(runs, config.weights)))
    if config.log == "json":
        skipped = [{"scene": scene, "reason": reason} for scene, reason in runs.skipped]
        told = {"sites": [asdict(site) for site in planned], "skipped": skipped, "out": config.out}
        print(json.dumps(told, default=str))
        return EXIT_DONE
    for site in planned:
        print(shown(site.line()))
    for scene, reason in runs.skipped:
        print(shown(f"not used: {scene}: {reason}"))
    wanted = {"pictures": config.chips, "plots": config.plots, "the report": config.report}
    more = [name for name, asked in wanted.items() if asked]
    print(f"writes:  {config.out}: {', '.join(['tables', *more])}")
    print("Nothing was written.")
    return EXIT_DONE


def _check_inputs(config: ActivityConfig) -> None:
    if not config.paths:
        raise ConfigError("no sites: name site files (see detector activity --help)")
    if not config.runs:
        raise ConfigError("no runs: name the folders of detector predict with runs=[FOLDER,…]")


def _write(config: ActivityConfig, out: Path) -> tuple[Activity, Path | None]:
    """The activity, written, and the page of its report."""
    from detector.activity.schema import json_schema
    from detector.export.tables import write_json
    from detector.report.sources import record_inputs

    activity = _find(config, out)
    activity.write(out)
    write_json(out / SCHEMA_FILE, json_schema())
    record_inputs(out, config.paths, config.runs)
    if config.plots:
        _draw(activity, out / PLOTS_FOLDER)
    return activity, _report(config, out) if config.report else None


def _find(config: ActivityConfig, out: Path) -> Activity:
    """The activity, with the pictures of its visits and of changes of stacks written."""
    from detector.activity.looks.runs import read_runs
    from detector.activity.looks.sites import read_site
    from detector.activity.pictures.chips import write_chips
    from detector.activity.pictures.stack_pictures import write_differences
    from detector.api.activities import activity_of

    sites = [read_site(path) for path in config.paths]
    runs = read_runs(config.runs, reviewed=config.review, allow_remote=config.allow_remote)
    activity = activity_of(sites, runs, config)
    if config.chips:
        write_chips(activity.tables["visits"], runs.scenes, out)
        write_differences(activity.tables, sites, runs.scenes, out)
    return activity


def _draw(activity: Activity, folder: Path) -> None:
    from detector.activity.plots import save_plots

    save_plots(activity, folder)


def _report(config: ActivityConfig, out: Path) -> Path:
    from detector.report.publish import ReportSettings, make_report

    leave = tuple(config.allow_remote)
    return make_report(
        ReportSettings(activity=out, out=out / REPORT_FOLDER, allow_remote=leave)
    ).page


COMMAND = Command(
    name="activity",
    summary="what looks of sites show over time: series, visits, events",
    description=DESCRIPTION,
    config="activity",
    schema=ActivityConfig,
    run=run,
    dry_run=dry_run,
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
