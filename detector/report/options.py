"""What `detector report` can be told: one line of help for every option.

The defaults stand in `conf/report.yaml`. Nothing heavy is imported here, so that the help comes at
once.
"""

from __future__ import annotations

from dataclasses import dataclass

from detector.options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """Everything `detector report` can be told."""

    paths: list[str] = option("site files; without them those of the activity", path=True)
    activity: str = option("folder that detector activity wrote", path=True)
    runs: list[str] = option(
        "folders of detector predict; without them those of the activity", path=True
    )
    out: str = option("folder of the report", path=True)
    note: str = option("a sentence that the reader must see first")
    charts: bool = option("draw the charts as files too")
    credit: str = option("whose imagery it is, for scenes whose files do not tell")
    share: bool = option("draw pictures to share: events before and after, zones over time")
    formats: list[str] = option("of a zone over time to share", choices=("gif", "mp4"))
    allow_remote: list[str] = option(
        "hosts, addresses or folders that the paths of a run's scenes may lead to; none by default"
    )
    quiet: bool = option("no progress, only the result")
