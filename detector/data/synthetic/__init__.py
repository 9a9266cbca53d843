"""Rendered ports: scenes with exact truth, from a frozen spec and a seed.

Examples:
    >>> from detector.data.synthetic import PortSpec, render
    >>> scene = render(PortSpec(width=256, height=256), seed=7)
    >>> scene.rgb.shape
    (256, 256, 3)
"""

from detector.data.synthetic.scene import RenderedScene, render, render_content
from detector.data.synthetic.spec import (
    LayoutSpec,
    PlaceSpec,
    PortSpec,
    SensorSpec,
    SkySpec,
    TrafficSpec,
)
from detector.data.synthetic.story import Story, StoryLook, StorySite, Visit, demo_story
from detector.data.synthetic.truth import TruthObject, count_truth, truth_classes, truth_corners
from detector.data.synthetic.write import write_scene, write_vector

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
    "count_truth",
    "demo_story",
    "render",
    "render_content",
    "truth_classes",
    "truth_corners",
    "write_scene",
    "write_vector",
]
