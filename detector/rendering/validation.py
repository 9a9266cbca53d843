"""The rendered validation set: its parameters are frozen in `conf/rendered_validation.yaml`."""

from __future__ import annotations

from detector.config.compose import load_config
from detector.rendering.ranges import SpecRanges, draw_specs
from detector.rendering.spec import PortSpec

CONFIG = "rendered_validation"
VALIDATED_ON = "validated on rendered scenes"
"""What every output says whose numbers come from this set."""


def validation_specs() -> list[tuple[PortSpec, int]]:
    """Specs and seeds of the validation set, each scene a place of its own."""
    return draw_specs(load_config(CONFIG, SpecRanges, []))
