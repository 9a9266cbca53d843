"""`detector report`: what an activity found, as one page that can be published."""

from __future__ import annotations

from detector.cli.command import EXIT_DONE, Command
from detector.cli.console import make_progress
from detector.config.logging import configure_logging
from detector.report.options import ReportConfig

DESCRIPTION = """
Makes report.html of what `detector activity` wrote: one file without any request to a network, for
a reader who was not there, and for print. In words and charts: what was found at each site, with
intervals, and what was not seen; the pictures of every date in a viewer; before and after of every
event; methods, limits and where everything comes from. The same content lies beside it as
report.json, tables/ (CSV and Parquet) and charts/ (PNG and SVG). SITES and runs need to be named
only where they are not where they were when the activity was made.
"""


def run(config: ReportConfig) -> int:
    """Make the report, say where it is.

    Raises:
        QuaywatchError: the activity, a site or a run cannot be used.
    """
    configure_logging("text", quiet=config.quiet)
    from detector.report.publish import make_report, report_settings

    progress = make_progress("text", quiet=config.quiet)
    report = make_report(report_settings(config), progress)
    for site in report.document["sites"]:
        print(f"{site['name']}: {site['lead']}")
    for remark in report.remarks:
        print(f"no picture: {remark}")
    if report.shared:
        print(f"{len(report.shared)} pictures to share in {report.shared[0].parent}")
    print(f"report in {report.page}")
    return EXIT_DONE


def dry_run(config: ReportConfig) -> int:
    """Say what the page would be made of; nothing is drawn or written.

    Raises:
        QuaywatchError: as `run`.
    """
    configure_logging("text", quiet=config.quiet)
    from detector.report.publish import report_settings
    from detector.report.sources import read_sources
    from detector.wording import counted

    settings = report_settings(config)
    sources = read_sources(settings.activity, settings.sites, settings.runs, settings.allow_remote)
    looks = sources.activity["looks"]
    for name in dict.fromkeys(row["site"] for row in looks):
        days = {row["day"] for row in looks if row["site"] == name}
        ids = {i for row in looks if row["site"] == name for i in row["scene_ids"].split("; ") if i}
        known = len(ids & set(sources.scenes)) if name in sources.sites else 0
        print(
            f"{name}: {counted(len(days), 'date')}, {counted(len(ids), 'scene')}, pictures of "
            f"{known}"
        )
    for remark in sources.remarks:
        print(f"no picture: {remark}")
    print(f"writes:  {settings.out}")
    print("Nothing was written.")
    return EXIT_DONE


COMMAND = Command(
    name="report",
    summary="what an activity found, as one page that can be published",
    description=DESCRIPTION,
    config="report",
    schema=ReportConfig,
    run=run,
    dry_run=dry_run,
    paths="SITES…",
    examples=(
        ("detector report activity=activity out=report", "the page, its data, its charts"),
        (
            "detector report port.yaml railhead.yaml runs=[runs/port,runs/railhead] "
            "activity=activity out=report",
            "where sites and runs have moved",
        ),
    ),
)
