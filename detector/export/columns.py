"""The schemas of the tables of a run that later runs, activity and evaluation read back."""

from __future__ import annotations

from typing import Final, get_args

from detector.columns import Column
from detector.counting.counts import BLOCK_COLUMNS, DRAWS_COLUMN, QUANTILE_COLUMNS, Status
from detector.detections import CORNER_COLUMNS
from detector.lengths import CUT_WORDS, WHOLE
from detector.stacks.estimate import COLUMNS, TEXT_COLUMNS

PRECISIONS: Final = ("time", "time_unknown", "date_unknown")
FURTHEST_PX: Final = 1e9  # of a corner from the scene's first pixel
LONGEST_M: Final = 1e9

_SIZES: Final = ("length_m", "width_m")
_LENGTHS: Final = ("length_low_m", "length_high_m")
_WHEN: Final = (
    Column("acquired", "time", empty=True),
    Column("acquired_day", "text", empty=True, later=True),
    Column("acquired_precision", "text", choices=PRECISIONS, later=True),
)

DETECTION_COLUMNS: Final = (
    Column("scene_id", "text"),
    *_WHEN,
    Column("class", "text"),
    Column("score", "number", low=0, high=1),
    *(
        Column(name, "number", empty=True, low=0, high=LONGEST_M)
        for name in ("length_m", "width_m")
    ),
    *(Column(name, "number", empty=True, low=0, high=LONGEST_M, later=True) for name in _LENGTHS),
    Column("length_class", "text", empty=True),
    Column("axis_deg", "number", empty=True, low=0, high=180),
    Column("area_m2", "number", empty=True, low=0),
    Column("cut", "text", choices=(WHOLE, *CUT_WORDS), later=True),
    Column("at_scene_edge", "yes or no"),
    Column("unseen_fraction", "number", low=0, high=1, later=True),
    Column("unseen", "yes or no", later=True),
    Column("on_ship", "yes or no"),
    *(Column(name, "number", low=-FURTHEST_PX, high=FURTHEST_PX) for name in CORNER_COLUMNS),
)
"""Of `detections.parquet`, besides its geometry."""

COUNT_SCHEMA: Final = (
    Column("scene_id", "text"),
    *_WHEN,
    *(Column(name, "text") for name in ("zone", "kind", "class", "length_class")),
    *(Column(name, "whole", empty=True, low=0) for name in ("count", "count_low", "count_high")),
    *(
        Column(name, "whole", empty=True, low=0, later=True)
        for name in (*QUANTILE_COLUMNS, "left_out")
    ),
    *(Column(name, "number", empty=True, low=0) for name in ("count_est", "area_m2")),
    *(Column(name, "number", empty=True, low=0, later=True) for name in BLOCK_COLUMNS),
    Column("observed_fraction", "number", empty=True, low=0, high=1),
    Column("status", "text", choices=get_args(Status)),
    Column("gsd_source", "text", empty=True, later=True),
    Column(DRAWS_COLUMN, "numbers", empty=True, later=True),
)
"""Of `counts.parquet`."""

STACK_SCHEMA: Final = tuple(
    Column(name, "text" if name in TEXT_COLUMNS else "number", empty=True) for name in COLUMNS
)
"""Of `stacks.parquet`."""
