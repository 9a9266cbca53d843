"""`activity.json`: what `detector activity` writes, as models, and its published JSON schema.

`python -m detector.activity.schema > docs/activity.schema.json` publishes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from detector.activity.looks.berthing import Lying
from detector.activity.looks.quays import QuaySource
from detector.activity.series import CountSource, Finding
from detector.counting.counts import Status

VERSION: Final = 1
SCHEMA_ID: Final = "https://quaywatch.invalid/schemas/activity-1.json"  # a name, not a place
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Whole = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
ClassName = Literal["ship", "container_stack"]


class Row(BaseModel):
    """A row of a table: the columns of its CSV, in order, and no others."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)


class LookRow(Row):
    """One look of one zone, `zone_looks.look_row`."""

    site: str
    zone: str
    kind: str
    day: date
    acquired: datetime | None
    acquired_precision: Literal["time", "time_unknown"]
    observed_fraction: Share
    status: Status
    residual_m: float
    scene_ids: str
    gsd_m: float | None


class RegistrationRow(Row):
    """How a scene was laid on the others of its site."""

    site: str
    scene_id: str
    method: str
    shift_east_m: float
    shift_north_m: float
    residual_m: float
    blocks: Whole
    note: str


class SeriesRow(Row):
    """One look, class and length class of a zone."""

    site: str
    zone: str
    kind: str
    day: date
    acquired: datetime | None
    acquired_precision: Literal["time", "time_unknown"]
    class_name: ClassName = Field(alias="class")
    length_class: str
    count: Whole | None
    count_est: float | None
    count_low: Whole | None
    count_high: Whole | None
    area_m2: float | None
    observed_fraction: Share
    status: Status
    scene_ids: str
    evidence: str
    source: CountSource
    count_found: Whole | None


class TrendRow(Row):
    """What a series does over time, `series.Trend`."""

    site: str
    zone: str
    class_name: ClassName = Field(alias="class")
    length_class: str
    of: str
    looks: Whole
    finding: Finding
    per_day: float | None
    per_day_low: float | None
    per_day_high: float | None
    change_days: list[date]
    levels: list[float]


class RoutineRow(Row):
    """What is usual in a zone where ships lie."""

    site: str
    zone: str
    looks_observed: Whole
    share_occupied: Share | None
    days_between_visits: float | None
    longest_gap_days: float | None


class PeriodRow(Row):
    """The visits to a zone in the period, `statements.Period`."""

    site: str
    zone: str
    kind: str
    first_day: date | None
    last_day: date | None
    min_length_m: float
    looks: Whole
    looks_observed: Whole
    looks_partial: Whole
    looks_cloud_unknown: Whole
    longest_gap_days: float | None
    ships_of_unknown_length: Whole
    visits_min: Whole | None
    visits_likely: Whole | None
    visits_seen_max: Whole | None
    visits_listed: Whole
    there_at_first_look: Whole
    there_at_last_look: Whole
    ships_on_only_look: Whole | None
    looks_unreadable: Whole
    quay: QuaySource
    others_min: Whole
    others_listed: Whole
    under_way_listed: Whole
    sentence: str
    visits_min_found: Whole | None


class VisitRow(Row):
    """One probable stay of a ship."""

    visit_id: str
    site: str
    zone: str
    first_seen: date
    last_seen: date
    looks_seen: Whole
    length_m: float
    length_low_m: float | None
    length_high_m: float | None
    length_cut: str
    width_m: float
    latitude_deg: float | None
    longitude_deg: float | None
    probability: Share
    lies: Lying
    counted: bool
    one_ship: bool
    arrival: str
    departure: str
    not_before: date | None
    not_after: date | None
    first_window: str
    last_window: str
    first_chip: str | None
    last_chip: str | None
    evidence: str


class MoveRow(Row):
    """What the ship of a visit did at one look."""

    visit_id: str
    site: str
    zone: str
    day: date
    state: Literal["first_look", "stayed", "arrived", "left", "undecided"]
    lies: Lying
    length_m: float
    length_cut: str
    same_as_before: Share
    evidence: str


class EventRow(Row):
    """What came or went between two looks."""

    event_id: str
    site: str
    zone: str
    event: str
    first_day: date
    last_day: date
    number: Whole
    lies: Lying | None
    one_ship: bool | None
    area_m2: float | None
    lengths_m: list[float]
    lengths_low_m: list[float | None]
    lengths_high_m: list[float | None]
    lengths_cut: list[str]
    widths_m: list[float]
    text: str
    evidence: str


class LinkRow(Row):
    """Stacks that left one site and like ones that came to another."""

    from_event: str
    to_event: str
    from_site: str
    to_site: str
    gone_by: date
    appeared_by: date
    stacks_alike: Whole
    by_chance: float
    sentence: str


class StackRow(LookRow):
    """The containers of one look of one zone.

    `blocks` and `area_m2` are what was found. Estimates and intervals are of what `interval_of`
    says: the zone, with blocks that are missed, false or joined; the seen part of it; or the found
    blocks alone, where the card does not say how often they are wrong. `cut_blocks` were found, but
    reach beyond the edge or under a cloud; what lies there is in no number.
    """

    blocks: Whole | None
    area_m2: float | None
    area_low: float | None
    area_est: float | None
    area_high: float | None
    containers_low: float | None
    containers: float | None
    containers_high: float | None
    teu_low: float | None
    teu: float | None
    teu_high: float | None
    interval_of: Literal["zone", "seen_part", "found_blocks", ""]
    method: str
    cut_blocks: Whole | None


class StackChangeRow(Row):
    """A block that came, went, grew or shrank between two looks, or of which that is undecided."""

    site: str
    zone: str
    from_day: date
    to_day: date
    from_acquired: datetime | None
    to_acquired: datetime | None
    kind: Literal["appeared", "gone", "grown", "shrunk", "exchanged", "undecided"]
    reason: str
    blocks_before: str
    blocks_after: str
    area_m2: float
    containers_low: float | None
    containers: float | None
    containers_high: float | None
    teu_low: float | None
    teu: float | None
    teu_high: float | None
    lon: float
    lat: float
    picture: str | None


class GroundChangeRow(Row):
    """How much of a yard's ground changed between two looks whose pixels are too coarse for blocks.

    The share is that of the zone's area, less what chance alone would give; see
    `changes.yard_ground`. It is no number of containers.
    """

    site: str
    zone: str
    kind: str
    from_day: date
    to_day: date
    changed_share: Share | None
    changed_low: Share | None
    changed_high: Share | None
    false_alarm: Share | None
    area_m2: float | None
    gsd_m: float | None
    reason: str


class TrainRow(LookRow):
    """A train or row of wagons at one look of a railhead."""

    train: Whole
    blocks: Whole
    length_m: float
    length_cut: str
    wagons: float
    containers_low: float
    containers: float
    containers_high: float
    teu: float
    evidence: str


class SkippedRow(Row):
    """A scene that cannot be used, and why."""

    scene: str
    reason: str


class ReviewRow(Row):
    """What people said of the boxes of a run; see `detector review`."""

    run: str
    people: str
    first: str
    last: str
    scenes: Whole
    looked: Whole
    judged: Whole
    real: Whole
    false: Whole
    doubtful: Whole
    moved: Whole
    reclassified: Whole
    drawn: Whole
    sha256: str


class CorrectionRow(Row):
    """One class of a look that people corrected: what the network found, and what counts now."""

    site: str
    zone: str
    day: date
    class_name: ClassName = Field(alias="class")
    source: CountSource
    count_found: Whole
    count: Whole
    area_found_m2: float
    area_m2: float
    judged: Whole
    removed: Whole
    added: Whole
    doubtful: Whole
    observed_fraction: Share
    status: Status


class ActivityFile(BaseModel):
    """What looks of sites show over time."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    version: str
    calibrated: bool
    min_length_m: float
    warnings: list[str]
    looks: list[LookRow]
    registration: list[RegistrationRow]
    series: list[SeriesRow]
    trends: list[TrendRow]
    routine: list[RoutineRow]
    periods: list[PeriodRow]
    visits: list[VisitRow]
    moves: list[MoveRow]
    events: list[EventRow]
    links: list[LinkRow]
    stacks: list[StackRow]
    stack_changes: list[StackChangeRow]
    ground_changes: list[GroundChangeRow]
    trains: list[TrainRow]
    skipped: list[SkippedRow]
    reviews: list[ReviewRow]
    corrections: list[CorrectionRow]


ROWS: Final[Mapping[str, type[Row]]] = {
    "looks": LookRow,
    "registration": RegistrationRow,
    "series": SeriesRow,
    "trends": TrendRow,
    "routine": RoutineRow,
    "periods": PeriodRow,
    "visits": VisitRow,
    "moves": MoveRow,
    "events": EventRow,
    "links": LinkRow,
    "stacks": StackRow,
    "stack_changes": StackChangeRow,
    "ground_changes": GroundChangeRow,
    "trains": TrainRow,
    "skipped": SkippedRow,
    "reviews": ReviewRow,
    "corrections": CorrectionRow,
}
TABLES: Final[Mapping[str, Sequence[str]]] = {
    name: tuple(field.alias or key for key, field in row.model_fields.items())
    for name, row in ROWS.items()
}


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of `activity.json`."""
    schema = ActivityFile.model_json_schema()
    return {"$schema": DIALECT, "$id": SCHEMA_ID, **schema}


def columns_of(table: str) -> Sequence[str]:
    """Names of the columns of a table, in order."""
    return TABLES[table]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
