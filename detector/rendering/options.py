"""What `detector data render` can be told: types, ranges and one line of help for every option.

The defaults stand in `conf/render.yaml` and `conf/spec/`. Nothing heavy is imported here, so that
the help comes at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from detector.options import option
from detector.rendering.spec import PortSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderConfig:
    """Everything `detector data render` can be told."""

    out: str = option("folder of the scenes", path=True)
    seed: int = option("of everything that is drawn", low=0)
    count: int = option("scenes, with this seed and the next ones", low=1)
    what: str = option(
        "scene: from spec; story, chain: two, three sites over eight dates; validation: frozen set",
        choices=("scene", "story", "chain", "validation"),
    )
    format: str = option("of the rasters", choices=("geotiff", "cog"))
    strip_m: float | None = option(
        "render only this near to the coast, for scenes of gigapixels; null: all", above=0
    )
    spec: PortSpec
