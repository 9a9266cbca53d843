"""Rendered ports: scenes with exact truth, from a frozen spec and a seed.

Examples:
    >>> from detector.rendering import PortSpec, render
    >>> scene = render(PortSpec(width=256, height=256), seed=7)
    >>> scene.rgb.shape
    (256, 256, 3)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.rendering.demo import chain_story, demo_story, tell_chain
    from detector.rendering.scene import RenderedScene, render, render_content
    from detector.rendering.spec import (
        LayoutSpec,
        PlaceSpec,
        PortSpec,
        SensorSpec,
        SkySpec,
        TrafficSpec,
    )
    from detector.rendering.story import Story, StoryLook, StorySite, Visit
    from detector.rendering.truth import (
        TruthObject,
        count_truth,
        truth_classes,
        truth_corners,
    )
    from detector.rendering.write import write_scene, write_vector
    from detector.rendering.zone_table import zone_truth

# Looked up on first use: the command line reads the specs without loading any raster library.
_HOMES = {
    "demo": ("chain_story", "demo_story", "tell_chain"),
    "scene": ("RenderedScene", "render", "render_content"),
    "spec": ("LayoutSpec", "PlaceSpec", "PortSpec", "SensorSpec", "SkySpec", "TrafficSpec"),
    "story": ("Story", "StoryLook", "StorySite", "Visit"),
    "truth": ("TruthObject", "count_truth", "truth_classes", "truth_corners"),
    "write": ("write_scene", "write_vector"),
    "zone_table": ("zone_truth",),
}

__all__ = [
    "LayoutSpec",
    "PlaceSpec",
    "PortSpec",
    "RenderedScene",
    "SensorSpec",
    "SkySpec",
    "Story",
    "StoryLook",
    "StorySite",
    "TrafficSpec",
    "TruthObject",
    "Visit",
    "chain_story",
    "count_truth",
    "demo_story",
    "render",
    "render_content",
    "tell_chain",
    "truth_classes",
    "truth_corners",
    "write_scene",
    "write_vector",
    "zone_truth",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
