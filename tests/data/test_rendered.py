"""What rendered ports teach: which objects, and what is left neither right nor wrong."""

from __future__ import annotations

import dataclasses

import pytest

from detector.data.rendered import CHASSIS, _hides
from detector.rendering import LayoutSpec, PortSpec, render


def test_loaded_lorries_are_background() -> None:
    spec = PortSpec(width=700, height=700, gsd_m=0.5, layout=LayoutSpec(sectors=["container"]))
    seen = [item for item in render(spec, 4).truth if item.visible > 0]
    lorries = [item for item in seen if item.kind == CHASSIS]
    assert len(lorries) > 3
    assert not any(item.counts or _hides(item) for item in lorries)
    cargo = [item for item in seen if item.on_ship]
    assert not any(_hides(item) for item in cargo)


@pytest.mark.parametrize(("visible", "hides"), [(0.0, False), (0.3, True)])
def test_what_is_hardly_seen_is_neither_right_nor_wrong(visible: float, hides: bool) -> None:
    spec = PortSpec(width=500, height=500, gsd_m=0.5, layout=LayoutSpec(sectors=["container"]))
    block = next(item for item in render(spec, 4).truth if item.counts)
    assert _hides(dataclasses.replace(block, visible=visible)) is hides
