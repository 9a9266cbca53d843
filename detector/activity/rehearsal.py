"""`--dry-run` of `detector activity`: which scenes would be looked at, without looking."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from detector.activity.errors import ActivityError
from detector.activity.find import ActivitySettings, site_scenes
from detector.activity.looks.runs import Runs
from detector.activity.looks.sites import Site
from detector.wording import counted


@dataclass(frozen=True, slots=True)
class PlannedSite:
    """What would be looked at of a site.

    Attributes:
        name: of the site.
        zones: its number of zones.
        scenes: that meet a zone in the period.
        days: of them, in the site's time zone, ascending.
        time_zone: whose days they are.
        gone: scenes whose file is not where the run read it: no picture of them, no registration.
    """

    name: str
    zones: int
    scenes: int
    days: tuple[date, ...]
    time_zone: str
    gone: int

    def line(self) -> str:
        """The site as a line of text."""
        told = f"{self.name}: {counted(self.zones, 'zone')}, {counted(self.scenes, 'scene')}"
        if self.days:
            told += f" of {counted(len(self.days), 'date')}, {self.days[0]} to {self.days[-1]}"
            told += f" ({self.time_zone})"
        if self.gone:
            told += f"; the files of {self.gone} are not where the run read them: no pictures"
        return told


def rehearse(
    sites: Sequence[Site], runs: Runs, settings: ActivitySettings
) -> tuple[PlannedSite, ...]:
    """What `trace_activity` would look at.

    Raises:
        ActivityError: no scene meets any zone in the period.
    """
    planned = tuple(_planned(site, runs, settings) for site in sites)
    if not any(site.scenes for site in planned):
        raise ActivityError(
            f"none of {counted(len(runs.scenes), 'scene')} meets a zone of "
            f"{', '.join(site.name for site in sites)} in the period; check the places of scenes "
            "and zones, and first= and last="
        )
    return planned


def _planned(site: Site, runs: Runs, settings: ActivitySettings) -> PlannedSite:
    scenes = site_scenes(site, runs, settings)
    days = tuple(sorted({scene.day_at(site) for scene in scenes}))
    local = [scene for scene in scenes if "://" not in scene.path and "/vsi" not in scene.path]
    gone = sum(not os.path.exists(scene.path) for scene in local)  # noqa: PTH110 - of any length
    return PlannedSite(site.name, len(site.zones), len(scenes), days, site.time_zone.key, gone)
