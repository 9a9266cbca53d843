"""What there is to write of one scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from detector.counting.zones import Zone
from detector.detections import Detections
from detector.export.records import SceneRecord
from detector.export.stacks import no_stacks
from detector.later import pandas as pd


@dataclass(frozen=True, slots=True)
class SceneResult:
    """Everything that is written of a scene.

    Attributes:
        detections: of the scene.
        counts: as `count_scene` makes them.
        zones: in file pixels.
        record: of the scene.
        stacks: one row a block, as `estimate_stacks` makes them.
    """

    detections: Detections
    counts: pd.DataFrame
    zones: Sequence[Zone]
    record: SceneRecord
    stacks: pd.DataFrame = field(default_factory=no_stacks)
