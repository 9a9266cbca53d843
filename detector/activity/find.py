"""`detector activity` as a function: sites and runs in, tables out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from detector._version import __version__
from detector.activity.changes.events import (
    railhead_events,
    ship_events,
    sort_events,
    stack_events,
)
from detector.activity.changes.fixed_ground import fixed_ground, without
from detector.activity.changes.lots import consistent_links, standing_blocks
from detector.activity.changes.pixels import open_shelf
from detector.activity.changes.stack_tables import StackBook, stack_rows
from detector.activity.changes.yard_ground import ground_rows
from detector.activity.corrections import correction_rows
from detector.activity.errors import ActivityError
from detector.activity.looks.quays import find_quay, may_be_quays
from detector.activity.looks.registration import Registered, placements, register, unregistered
from detector.activity.looks.runs import Runs, RunScene
from detector.activity.looks.sites import Site
from detector.activity.looks.unnamed import with_unnamed_zones
from detector.activity.looks.wakes import Wakes
from detector.activity.looks.zone_looks import Look, build_looks, look_row, unknown_orders
from detector.activity.pictures.chips import PLACE_DIGITS, no_chips, visit_place, visit_windows
from detector.activity.schema import VERSION, ActivityFile, columns_of
from detector.activity.series import (
    SeriesSettings,
    headline,
    routine,
    series_rows,
    trend_rows,
)
from detector.activity.visits.bounds import VisitSettings
from detector.activity.visits.zone_visits import (
    Lay,
    how_they_lie,
    longest_gap_days,
    share_occupied,
    zone_visits,
)
from detector.classes import CONTAINER_STACK
from detector.counting.calibration import Calibration
from detector.counting.zones import MARINA, Zone
from detector.documents import DocumentError, read_json
from detector.export.tables import write_csv, write_json
from detector.files import held_folder
from detector.stacks.block_model import BlockModel
from detector.times import format_time
from detector.wording import counted

logger = logging.getLogger(__name__)

ACTIVITY_FILE: Final = "activity.json"
DIGITS: Final = 4
YARD_KINDS: Final = ("yard", "railhead", "quay", "zone")  # where stacks come and go
GROUND_KINDS: Final = ("yard", "railhead")  # nothing else than stacks changes their ground so
CALLED_KINDS: Final = ("berth", "quay", "anchorage", MARINA, "zone")  # where ships lie
LATER: Final = (
    *("stacks", "stack_changes", "ground_changes", "trains", "acquired_precision"),
    *("reviews", "corrections", "source", "count_found", "visits_min_found"),
    *("latitude_deg", "longitude_deg"),
)
"""Tables and columns that earlier versions did not write."""


@dataclass(frozen=True, slots=True)
class ActivitySettings:
    """How looks become statements.

    Attributes:
        visits: how visits are counted, with the least length of the headline series.
        calibration: of the weights; without it scores stand for probabilities, and that is said.
        blocks: what boxes of container stacks are worth; without it intervals are of those found.
        registered: whether scenes are laid on each other by their pictures.
        first: first day of the period, or None.
        last: last day of the period, or None.
    """

    visits: VisitSettings = field(default_factory=VisitSettings)
    calibration: Calibration = field(default_factory=Calibration)
    blocks: BlockModel | None = None
    registered: bool = True
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """Tables of what looks of sites show over time; columns as in `schema.TABLES`.

    Attributes:
        tables: by name.
        calibrated: whether the counts have intervals.
        min_length_m: of the headline series.
        warnings: what to know when reading them.
        reviewed: what people said of the runs' boxes, one sentence a run.
    """

    tables: dict[str, pd.DataFrame]
    calibrated: bool
    min_length_m: float
    warnings: tuple[str, ...]
    reviewed: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """What may be said, one sentence a zone."""
        return self.tables["periods"]["sentence"].tolist()

    def to_dict(self) -> dict[str, Any]:
        """The content of `activity.json`."""
        return {
            "format": VERSION,
            "version": __version__,
            "calibrated": self.calibrated,
            "min_length_m": self.min_length_m,
            "warnings": list(self.warnings),
            **{name: _plain_rows(table) for name, table in self.tables.items()},
        }

    def write(self, out: Path) -> None:
        """Write `activity.json` and one CSV a table.

        Raises:
            OutputError: the folder cannot be written.
        """
        with held_folder(out, again=True):
            for name, table in self.tables.items():
                write_csv(out / f"{name}.csv", _flat(table))
            write_json(out / ACTIVITY_FILE, self.to_dict())


def trace_activity(sites: Sequence[Site], runs: Runs, settings: ActivitySettings) -> Activity:
    """Series, visits and events of sites.

    Args:
        sites: with zones.
        runs: of `detector predict`, over scenes of the sites and others.
        settings: how to count.

    Raises:
        ActivityError: two sites of one name, or no scene meets any zone.
    """
    names = [site.name for site in sites]
    if len(set(names)) != len(names):
        raise ActivityError(f"two sites have one name ({', '.join(sorted(names))}); rename one")
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (*_TABLE_NAMES, _STANDING)}
    rows["skipped"] = [{"scene": scene, "reason": reason} for scene, reason in runs.skipped]
    warnings = [*runs.warnings, *(warning for site in sites for warning in site.warnings)]
    warnings += _settings_warnings(runs, settings)
    rows["reviews"] = [review.row for review in runs.reviews]
    for site in sites:
        warnings += _marina_warnings(site)
        warnings += _add_site(rows, site, runs, settings)
    if not rows["looks"]:
        raise ActivityError(
            f"none of {counted(len(runs.scenes), 'scene')} meets a zone of {', '.join(names)}; "
            "check the places of scenes and zones, and the CRS of the zones"
        )
    scenes = {scene.scene_id: scene for scene in runs.scenes}
    rows["visits"] = [
        visit
        | visit_windows(visit["evidence"], scenes)
        | visit_place(visit["evidence"], scenes)
        | no_chips()
        for visit in rows["visits"]
    ]
    rows["events"] = sort_events(rows["events"])
    rows["links"] = consistent_links(rows["events"], rows[_STANDING])
    tables = {name: _table(name, rows[name]) for name in _TABLE_NAMES}
    calibrated = any(value.claims for value in settings.calibration.classes.values())
    return Activity(
        tables,
        calibrated,
        settings.visits.min_length_m,
        tuple(warnings),
        tuple(review.words for review in runs.reviews),
    )


_STANDING: Final = "standing"  # beside the tables: blocks of every date, to compare sizes with
_TABLE_NAMES: Final = (
    "periods",
    "visits",
    "moves",
    "series",
    "trends",
    "routine",
    "events",
    "links",
    "looks",
    "registration",
    "stacks",
    "stack_changes",
    "ground_changes",
    "trains",
    "skipped",
    "reviews",
    "corrections",
)


def _settings_warnings(runs: Runs, settings: ActivitySettings) -> list[str]:
    warnings = []
    networks = {scene.weights_sha256 for scene in runs.scenes}
    if len(networks) > 1:
        warnings.append(
            f"the scenes were read by {len(networks)} different networks: changes between dates "
            "may be theirs; predict all scenes with the same weights"
        )
    if not settings.calibration.classes:
        warnings.append(
            "the weights are not calibrated: scores stand for probabilities and counts have no "
            "intervals; see detector card"
        )
    warnings += [
        f"counts of {name} have no intervals: {fitted.lack}"
        for name, fitted in settings.calibration.classes.items()
        if fitted.lack and name != CONTAINER_STACK.name  # stacks have a model of their own
    ]
    return warnings


def _marina_warnings(site: Site) -> list[str]:
    return [
        f"{site.name}, {zone.name}: a marina, whose boats are missed too often for an interval; "
        "its ships are told as at least count_low"
        for zone in site.zones
        if zone.kind == MARINA
    ]


def _add_site(
    rows: dict[str, list[dict[str, Any]]], site: Site, runs: Runs, settings: ActivitySettings
) -> list[str]:
    """Add all rows of a site; returns warnings."""
    scenes = site_scenes(site, runs, settings)
    if not scenes:
        return [f"no scene meets a zone of site '{site.name}' in the period"]
    registered = (
        register(site, scenes)
        if settings.registered
        else unregistered(scenes, "not asked for (register=false)")
    )
    rows["registration"] += [_registration_row(site, item) for item in registered]
    placed = placements(registered)
    scenes, unread = with_unnamed_zones(site, scenes)
    looks = build_looks(site, scenes, placed)
    book = StackBook(scenes, settings.blocks)
    by_id = {scene.scene_id: scene for scene in scenes}
    quays = {
        zone.name: find_quay(site, zone, looks[zone.name], by_id, placed)
        for zone in site.zones
        if zone.kind in CALLED_KINDS
    }
    lines = may_be_quays(site, quays)
    with open_shelf(by_id) as shelf:
        fixed = {name: fixed_ground(looks[name], shelf, placed, site.frame.crs) for name in quays}
    lay, lay_found = {}, {}
    with Wakes(site, by_id, placed) as wakes:
        for name, quay in quays.items():
            lay[name] = how_they_lie(looks[name], quay, lines, wakes)
            if any(look.found is not None for look in looks[name]):
                before = [look.as_found for look in looks[name]]
                lay_found[name] = how_they_lie(before, quay, lines, wakes)
    for zone in site.zones:
        told = lay.get(zone.name), lay_found.get(zone.name)
        ships = without(looks[zone.name], fixed.get(zone.name, set()))
        _add_zone(rows, site, zone, (looks[zone.name], ships), settings, *told)
        if zone.kind in YARD_KINDS:
            of_stacks = [look.of_class(CONTAINER_STACK.name) for look in looks[zone.name]]
            found = stack_rows(site, zone, of_stacks, by_id, placed, book)
            for name, more in found.items():
                rows[name] += more
            rows["events"] += stack_events(found["stack_changes"], of_stacks)
            rows[_STANDING] += standing_blocks(site.name, of_stacks)
            if zone.kind in GROUND_KINDS:
                rows["ground_changes"] += ground_rows(site, zone, looks[zone.name], by_id, placed)
            if zone.kind == "railhead":
                rows["events"] += railhead_events(site.name, zone, of_stacks)
    alone = [item for item in registered if item.method == "none"]
    warnings = [
        f"site '{site.name}', zone '{zone.name}': no scene meets it"
        for zone in site.zones
        if not looks[zone.name]
    ] + [*unread, *book.warnings]
    warnings += [
        f"site '{site.name}', zone '{name}': {counted(len(ids), 'box', 'boxes')} of ships are no "
        f"visits, since other dates show the same there without a ship, as of ground that stays: "
        f"{', '.join(sorted(ids))}"
        for name, ids in fixed.items()
        if ids
    ]
    warnings += unknown_orders(site, scenes)
    warnings += [
        f"site '{site.name}', zone '{zone.name}': which side of it is the quay is not known, so no "
        "call at it is told; draw the quay line and name its file in the site with quays:"
        for zone in site.zones
        if zone.name in lay and lay[zone.name].quay == "unknown" and looks[zone.name]
    ]
    warnings += _undecided_warnings(site, rows["stack_changes"])
    if alone and len(scenes) > 1:
        warnings.append(
            f"site '{site.name}': {len(alone)} of {len(scenes)} scenes are not registered, their "
            f"positions are taken to {alone[0].placement.residual_m:g} m ({alone[0].scene_id}: "
            f"{alone[0].note})"
        )
    return warnings


def _undecided_warnings(site: Site, changes: Sequence[dict[str, Any]]) -> list[str]:
    mine = [row for row in changes if (row["site"], row["kind"]) == (site.name, "undecided")]
    if not mine:
        return []
    area = sum(row["area_m2"] for row in mine)
    return [
        f"site '{site.name}': at {len(mine)} places of stacks ({area:,.0f} m²) the pictures of two "
        "dates do not tell whether they changed, and nothing is claimed there; they are the rows "
        "'undecided' of stack_changes, with the reason"
    ]


def site_scenes(site: Site, runs: Runs, settings: ActivitySettings) -> list[RunScene]:
    """The scenes of the period that meet a zone of a site."""
    return [scene for scene in runs.scenes if _wanted(scene, site, settings)]


def _wanted(scene: RunScene, site: Site, settings: ActivitySettings) -> bool:
    day = scene.day_at(site)
    if (settings.first and day < settings.first) or (settings.last and day > settings.last):
        return False
    outline = scene.footprint(site.frame)
    return any(outline.intersects(zone.shape) for zone in site.zones)


def _add_zone(
    rows: dict[str, list[dict[str, Any]]],
    site: Site,
    zone: Zone,
    seen: tuple[Sequence[Look], Sequence[Look]],
    settings: ActivitySettings,
    lay: Lay | None,
    lay_found: Lay | None,
) -> None:
    """Rows of a zone, of its looks and of the same without boxes of ships that are none."""
    looks, ships = seen
    probability = settings.calibration.probability
    counting = SeriesSettings(settings.visits.min_length_m, settings.calibration, settings.blocks)
    rows["looks"] += [look_row(site, zone, look) for look in looks]
    series = series_rows(site.name, zone, looks, counting)
    rows["series"] += series
    rows["trends"] += trend_rows(site.name, zone.name, series, settings.visits.min_length_m)
    rows["corrections"] += correction_rows(site.name, zone.name, looks)
    if lay is not None:
        found = zone_visits(site.name, zone, ships, settings.visits, probability, lay)
        period = asdict(found.period) | {"visits_min_found": None}
        if lay_found is not None:  # the number before people corrected the boxes
            before = [look.as_found for look in looks]
            alone = zone_visits(site.name, zone, before, settings.visits, probability, lay_found)
            period["visits_min_found"] = alone.period.visits_min
        rows["periods"].append(period)
        rows["visits"] += found.visits
        rows["moves"] += found.moves
        rows["events"] += ship_events(found.visits)
        top = headline(settings.visits.min_length_m)
        usual = routine([row for row in series if row["length_class"] == top], found.visits)
        usual["share_occupied"] = share_occupied(ships, lay, settings.visits.min_length_m)
        usual["longest_gap_days"] = longest_gap_days(looks)
        rows["routine"].append({"site": site.name, "zone": zone.name, **usual})


def _registration_row(site: Site, item: Registered) -> dict[str, Any]:
    return {
        "site": site.name,
        "scene_id": item.scene_id,
        "method": item.method,
        "shift_east_m": item.placement.shift_m[0],
        "shift_north_m": item.placement.shift_m[1],
        "residual_m": item.placement.residual_m,
        "blocks": item.blocks,
        "note": item.note,
    }


def _table(name: str, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with fixed columns; whole numbers that may be missing stay whole."""
    columns = columns_of(name)
    table = pd.DataFrame(list(rows), columns=list(columns), dtype=object)
    for column in columns:
        values = [value for value in table[column] if value is not None]
        if values and all(type(value) in (int, np.int64) for value in values):
            table[column] = table[column].astype("Int64")
        elif values and all(isinstance(value, float) for value in values):
            table[column] = table[column].astype("float64")
    return table


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """For CSV: lists as text, times to the second, numbers to `DIGITS` digits."""
    shown = table.copy()
    for name in shown.columns:
        if shown[name].dtype == object:
            shown[name] = [_cell(value) for value in shown[name]]
        elif shown[name].dtype == "float64":
            shown[name] = shown[name].round(_digits(str(name)))
    return shown


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, list):
        return "; ".join(str(item) for item in value)
    return value


def _plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): _plain(value, _digits(str(key))) for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def _digits(column: str) -> int:
    """Digits of numbers in a column: a fifth digit of degrees is a metre."""
    return PLACE_DIGITS if column.endswith("_deg") else DIGITS


def _plain(value: Any, digits: int = DIGITS) -> Any:
    if isinstance(value, list):
        return [_plain(item, digits) for item in value]
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if value is None or pd.isna(value):
        return None
    if isinstance(value, bool | str):
        return value
    number = value.item() if isinstance(value, np.generic) else value
    return round(number, digits) if isinstance(number, float) else number


def read_activity(path: Path) -> dict[str, Any]:
    """The content of an `activity.json`.

    Raises:
        ActivityError: it cannot be read, or another version wrote it.
    """
    try:
        content: dict[str, Any] = read_json(path)
    except (OSError, DocumentError) as error:
        raise ActivityError(f"{path}: not an activity.json ({error})") from error
    if not isinstance(content, dict) or content.get("format") != VERSION:
        raise ActivityError(f"{path}: of another version; run detector activity again")
    try:
        ActivityFile.model_validate(content)
    except ValidationError as error:
        faults = [fault for fault in error.errors(include_url=False) if not _is_older(fault)]
        if faults:
            where = ".".join(map(str, faults[0]["loc"]))
            raise ActivityError(
                f"{path}: {where}: {faults[0]['msg']}; it is damaged or of another version: run "
                "detector activity again"
            ) from error
    return content


def _is_older(fault: ErrorDetails) -> bool:
    """Whether a fault is only that another version knew more or less; the report does without."""
    missing = fault["type"] == "missing" and bool({fault["loc"][0], fault["loc"][-1]} & set(LATER))
    return missing or fault["type"] == "extra_forbidden"
