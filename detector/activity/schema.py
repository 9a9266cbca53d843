"""`activity.json`: the published JSON schema of what `detector activity` writes.

`python -m detector.activity.schema > docs/activity.schema.json` publishes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

VERSION: Final = 1
SCHEMA_ID: Final = "https://quaywatch.invalid/schemas/activity-1.json"  # a name, not a place

_TYPES: Final[Mapping[str, Any]] = {
    "text": {"type": "string"},
    "text?": {"type": ["string", "null"]},
    "day": {"type": "string", "format": "date"},
    "day?": {"type": ["string", "null"], "format": "date"},
    "time": {"type": "string", "format": "date-time"},
    "whole": {"type": "integer", "minimum": 0},
    "whole?": {"type": ["integer", "null"], "minimum": 0},
    "number": {"type": "number"},
    "number?": {"type": ["number", "null"]},
    "share": {"type": "number", "minimum": 0, "maximum": 1},
    "share?": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "truth": {"type": "boolean"},
    "numbers": {"type": "array", "items": {"type": "number"}},
    "days": {"type": "array", "items": {"type": "string", "format": "date"}},
    "status": {
        "enum": ["observed", "partial", "unobserved", "cloud_unknown", "outside_model_range"]
    },
    "stack_change": {"enum": ["appeared", "gone", "grown", "shrunk"]},
    "class": {"enum": ["ship", "container_stack"]},
    "state": {"enum": ["first_look", "stayed", "arrived", "left", "undecided"]},
}

# of one look of one zone, `looks.look_row`
LOOK_COLUMNS: Final[Mapping[str, str]] = {
    "site": "text",
    "zone": "text",
    "kind": "text",
    "day": "day",
    "acquired": "time",
    "observed_fraction": "share",
    "status": "status",
    "residual_m": "number",
    "scene_ids": "text",
}

TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "looks": LOOK_COLUMNS,
    "registration": {
        "site": "text",
        "scene_id": "text",
        "method": "text",
        "shift_east_m": "number",
        "shift_north_m": "number",
        "residual_m": "number",
        "blocks": "whole",
        "note": "text",
    },
    "series": {
        "site": "text",
        "zone": "text",
        "kind": "text",
        "day": "day",
        "acquired": "time",
        "class": "class",
        "length_class": "text",
        "count": "whole?",
        "count_est": "number?",
        "count_low": "whole?",
        "count_high": "whole?",
        "area_m2": "number?",
        "observed_fraction": "share",
        "status": "status",
        "scene_ids": "text",
        "evidence": "text",
    },
    "trends": {
        "site": "text",
        "zone": "text",
        "class": "class",
        "length_class": "text",
        "of": "text",
        "looks": "whole",
        "per_day": "number?",
        "per_day_low": "number?",
        "per_day_high": "number?",
        "change_days": "days",
    },
    "routine": {
        "site": "text",
        "zone": "text",
        "looks_observed": "whole",
        "share_occupied": "share?",
        "days_between_visits": "number?",
        "longest_gap_days": "number?",
    },
    "periods": {
        "site": "text",
        "zone": "text",
        "kind": "text",
        "first_day": "day?",
        "last_day": "day?",
        "min_length_m": "number",
        "looks": "whole",
        "looks_observed": "whole",
        "looks_partial": "whole",
        "looks_cloud_unknown": "whole",
        "longest_gap_days": "number?",
        "ships_of_unknown_length": "whole",
        "visits_min": "whole?",
        "visits_likely": "whole?",
        "visits_seen_max": "whole?",
        "visits_listed": "whole",
        "there_at_first_look": "whole",
        "there_at_last_look": "whole",
        "ships_on_only_look": "whole?",
        "sentence": "text",
    },
    "visits": {
        "visit_id": "text",
        "site": "text",
        "zone": "text",
        "first_seen": "day",
        "last_seen": "day",
        "looks_seen": "whole",
        "length_m": "number",
        "width_m": "number",
        "probability": "share",
        "arrival": "text",
        "departure": "text",
        "not_before": "day?",
        "not_after": "day?",
        "first_window": "text",
        "last_window": "text",
        "first_chip": "text?",
        "last_chip": "text?",
        "evidence": "text",
    },
    "moves": {
        "visit_id": "text",
        "site": "text",
        "zone": "text",
        "day": "day",
        "state": "state",
        "length_m": "number",
        "same_as_before": "share",
        "evidence": "text",
    },
    "events": {
        "event_id": "text",
        "site": "text",
        "zone": "text",
        "event": "text",
        "first_day": "day",
        "last_day": "day",
        "number": "whole",
        "area_m2": "number?",
        "lengths_m": "numbers",
        "widths_m": "numbers",
        "text": "text",
        "evidence": "text",
    },
    "links": {
        "from_event": "text",
        "to_event": "text",
        "from_site": "text",
        "to_site": "text",
        "gone_by": "day",
        "appeared_by": "day",
        "stacks_alike": "whole",
        "by_chance": "number",
        "sentence": "text",
    },
    "stacks": {
        **LOOK_COLUMNS,
        "blocks": "whole?",
        "area_m2": "number?",
        "containers_low": "number?",
        "containers": "number?",
        "containers_high": "number?",
        "teu_low": "number?",
        "teu": "number?",
        "teu_high": "number?",
        "method": "text",
        "lower_bound": "truth",
    },
    "stack_changes": {
        "site": "text",
        "zone": "text",
        "from_day": "day",
        "to_day": "day",
        "from_acquired": "time",
        "to_acquired": "time",
        "kind": "stack_change",
        "blocks_before": "text",
        "blocks_after": "text",
        "area_m2": "number",
        "containers_low": "number?",
        "containers": "number?",
        "containers_high": "number?",
        "teu_low": "number?",
        "teu": "number?",
        "teu_high": "number?",
        "lon": "number",
        "lat": "number",
        "picture": "text?",
    },
    "trains": {
        **LOOK_COLUMNS,
        "train": "whole",
        "blocks": "whole",
        "length_m": "number",
        "wagons": "number",
        "containers_low": "number",
        "containers": "number",
        "containers_high": "number",
        "teu": "number",
        "evidence": "text",
    },
    "skipped": {"scene": "text", "reason": "text"},
}


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of `activity.json`."""
    tables = {name: {"type": "array", "items": _row(columns)} for name, columns in TABLES.items()}
    properties = {
        "format": {"const": VERSION},
        "version": {"type": "string"},
        "calibrated": {"type": "boolean"},
        "min_length_m": {"type": "number"},
        "warnings": {"type": "array", "items": {"type": "string"}},
        **tables,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "What looks of sites show over time",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def columns_of(table: str) -> Sequence[str]:
    """Names of the columns of a table, in order."""
    return list(TABLES[table])


def _row(columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: dict(_TYPES[kind]) for name, kind in columns.items()},
        "required": list(columns),
        "additionalProperties": False,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
