"""What a report is made of: the activity's tables, and the sites and runs behind them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from detector.activity.find import ACTIVITY_FILE, read_activity
from detector.activity.looks.runs import Runs, RunScene, read_runs
from detector.activity.looks.sites import Site, read_site
from detector.errors import QuaywatchError
from detector.export.run_files import read_records
from detector.export.seals import RUN_FILE
from detector.export.tables import write_json
from detector.report.errors import ReportError

INPUTS_FILE: Final = "inputs.json"  # in the activity's folder: which sites and runs it was made of
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that a report shows.

    Attributes:
        activity: content of `activity.json`.
        sites: by name; those whose site file could be read.
        scenes: of the runs, by id.
        records: of the runs' scenes (`SceneRecord`), failed ones too.
        runs: content of each `run.json`.
        shifts: `(east, north)` metres of each site and scene, from the registration.
        remarks: what is missing, one sentence each.
        folder: of the activity.
    """

    activity: Mapping[str, Any]
    sites: Mapping[str, Site] = field(default_factory=dict)
    scenes: Mapping[str, RunScene] = field(default_factory=dict)
    records: Sequence[Mapping[str, Any]] = ()
    runs: Sequence[Mapping[str, Any]] = ()
    shifts: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    folder: Path = Path()

    def shift(self, site: str, scene_id: str) -> tuple[float, float]:
        """Metres east and north that a scene was moved by."""
        return self.shifts.get((site, scene_id), (0.0, 0.0))


def read_sources(
    activity_folder: Path,
    sites: Sequence[str | Path] = (),
    runs: Sequence[str | Path] = (),
    allow_remote: Sequence[str] = (),
) -> Sources:
    """Read what `detector activity` wrote, and the sites and runs that it was made of.

    Args:
        activity_folder: with `activity.json`.
        sites: site files; those that the activity was made of where none are named.
        runs: folders of `detector predict`; the same.
        allow_remote: hosts, addresses or folders that the paths of their scenes may lead to.

    Raises:
        ReportError: there is no activity, or a site or run that was named cannot be used.
        ActivityError: the activity is damaged or of another version.
    """
    path = activity_folder / ACTIVITY_FILE
    if not path.is_file():
        raise ReportError(
            f"{activity_folder}: no {ACTIVITY_FILE}; name the folder that detector activity wrote "
            "with activity="
        )
    activity = read_activity(path)
    remarks: list[str] = []
    known = _recorded(activity_folder)
    named_sites = [Path(item) for item in sites] or known["sites"]
    named_runs = [Path(item) for item in runs] or known["runs"]
    try:
        found_sites = {site.name: site for site in map(read_site, named_sites)}
        read = read_runs(named_runs, allow_remote=allow_remote) if named_runs else Runs((), ())
    except QuaywatchError as error:
        if sites or runs:
            raise
        found_sites, read, named_runs = {}, Runs((), ()), []
        remarks.append(str(error))
    # what activity said of the runs stands among its own warnings
    remarks += [text for text in read.warnings if text not in activity.get("warnings", ())]
    told_now = [review.row for review in read.reviews]
    if read.scenes:
        remarks += stale_reviews(activity, told_now)
    shifts = {
        (row["site"], row["scene_id"]): (row["shift_east_m"], row["shift_north_m"])
        for row in activity["registration"]
    }
    return Sources(
        activity,
        found_sites,
        {scene.scene_id: scene for scene in read.scenes},
        [record.to_dict() for folder in named_runs for record in read_records(folder)],
        [run for folder in named_runs if (run := _run_json(folder))],
        shifts,
        tuple(remarks),
        activity_folder,
    )


def stale_reviews(activity: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Runs whose review is another one now than that which the activity counted by.

    Args:
        activity: content of `activity.json`.
        runs: rows `RunReview.row` as the runs are now.
    """
    counted = {row["run"]: row["sha256"] for row in activity.get("reviews", ())}
    now = {row["run"]: row["sha256"] for row in runs}
    return [
        f"run '{name}': its review has changed since the activity was made, so pictures and "
        "numbers are of two states; run detector activity again"
        for name in sorted({*counted, *now})
        if counted.get(name) != now.get(name)
    ]


def record_inputs(
    activity_folder: Path, sites: Sequence[str | Path], runs: Sequence[str | Path]
) -> None:
    """Write down which sites and runs an activity was made of, relative to its folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    start = activity_folder.resolve()

    def relative(paths: Sequence[str | Path]) -> list[str]:
        return [Path(os.path.relpath(Path(p).resolve(), start)).as_posix() for p in paths]

    content = {"sites": relative(sites), "runs": relative(runs)}
    write_json(activity_folder / INPUTS_FILE, content)


def _recorded(folder: Path) -> dict[str, list[Path]]:
    try:
        content = json.loads((folder / INPUTS_FILE).read_text(encoding="utf-8"))
        return {key: [folder / str(item) for item in content[key]] for key in ("sites", "runs")}
    except (OSError, ValueError, KeyError, TypeError):
        return {"sites": [], "runs": []}


def _run_json(folder: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        logger.warning("%s: no %s, so the report does not tell its settings", folder, RUN_FILE)
        return None
    return content if isinstance(content, dict) else None
