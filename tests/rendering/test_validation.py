"""The validation set is frozen; the command renders."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import rasterio

from detector.cli.data_render import run
from detector.config.compose import load_config
from detector.errors import ConfigError
from detector.rendering import PortSpec
from detector.rendering.options import RenderConfig
from detector.rendering.ranges import SpecRanges, draw_spec, draw_specs
from detector.rendering.validation import validation_specs
from detector.resources import conf_dir

# Frozen on 2026-11-24, before the counters were tuned. Do not adapt: make another set.
FROZEN_SHA256 = "c482ac8fab5d3d42fd01e498170aefb896bb479cc68d28c1343639fe690e064d"
FROZEN_SPECS_SHA256 = "9e85bb32ffacc4ce98bcb16156d5dbb37e8dec1ced7f4ef96cec8e4d56abc84b"


def test_the_parameters_are_those_that_were_frozen() -> None:
    text = (conf_dir() / "rendered_validation.yaml").read_bytes()
    assert hashlib.sha256(text).hexdigest() == FROZEN_SHA256


def test_the_specs_drawn_from_them_are_the_same_as_then() -> None:
    drawn = validation_specs()
    assert len(drawn) == 24
    text = "\n".join(
        f"{seed} {spec.gsd_m:.6f} {spec.sky.sun_elevation_deg:.6f} {spec.layout.coast_deg:.6f} "
        f"{spec.traffic.yard_fill:.6f} {spec.sensor.off_nadir_deg:.6f}"
        for spec, seed in drawn
    )
    assert hashlib.sha256(text.encode()).hexdigest() == FROZEN_SPECS_SHA256


def test_draws_keep_to_their_ranges() -> None:
    ranges = SpecRanges(scenes=60, gsd_m=[0.4, 0.6], railheads=0.5, pan=0.0)
    specs = [spec for spec, _ in draw_specs(ranges)]
    gsd = np.array([spec.gsd_m for spec in specs])
    assert 0.4 <= gsd.min() < 0.44
    assert 0.56 < gsd.max() <= 0.6
    assert {spec.sensor.bands for spec in specs} == {"rgb"}
    assert 15 <= sum(spec.layout.sectors == ["railhead"] for spec in specs) <= 45
    assert draw_spec(ranges, 7) == draw_spec(ranges, 7)


def test_ranges_need_two_ascending_numbers() -> None:
    with pytest.raises(ConfigError, match=r"haze=\[0\.5, 0\.1\]"):
        SpecRanges(haze=[0.5, 0.1])


@pytest.mark.parametrize("name", sorted(path.stem for path in (conf_dir() / "spec").glob("*.yaml")))
def test_every_shipped_spec_is_valid(name: str) -> None:
    config = load_config("render", RenderConfig, [f"spec={name}"])
    assert isinstance(config.spec, PortSpec)
    assert config.spec.name


def test_the_default_spec_is_that_of_the_code() -> None:
    assert load_config("render", RenderConfig, []).spec == PortSpec()


def test_the_command_renders_what_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"out={tmp_path / 'a b'}", "count=2", "seed=5", "spec=railhead"]
    words += ["spec.width=200", "spec.height=150", "format=cog"]
    assert run(load_config("render", RenderConfig, words)) == 0
    printed = capsys.readouterr().out.split("\n")[:2]
    assert printed == [str(tmp_path / "a b" / f"railhead_{seed}.tif") for seed in (5, 6)]
    with rasterio.open(printed[0]) as raster:
        assert (raster.width, raster.height, raster.count) == (200, 150, 3)
