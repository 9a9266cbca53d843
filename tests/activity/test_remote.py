"""A run folder that came from elsewhere leads to no file or host that its reader did not name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detector.activity.looks.runs import read_runs
from detector.activity.options import ActivityConfig
from detector.config.compose import load_config
from detector.errors import SceneError
from detector.report.options import ReportConfig
from detector.report.publish import report_settings
from tests.activity.test_bad_input import scene
from tests.fuzz.targets import a_run
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster

VRT = """<VRTDataset rasterXSize="40" rasterYSize="30"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


def test_a_scene_of_a_run_leads_where_its_reader_says(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    source = write_raster(there / "a.tif", gradient(40, 30), crs=UTM52, transform=utm_transform())
    (here / "a.vrt").write_text(VRT.format(source=source))
    mine = replace(scene("a"), path=str(here / "a.vrt"))
    with pytest.raises(SceneError, match="lies outside of its folder"):
        mine.open()
    with replace(mine, allow_remote=(str(there),)).open() as opened:
        assert opened.info.width == 40
    with pytest.raises(SceneError, match="leads to the network"):
        replace(mine, path="/vsicurl/http://127.0.0.1:9/a.tif").open()


def test_the_option_reaches_every_scene_of_every_run(tmp_path: Path) -> None:
    runs = read_runs([a_run(tmp_path)], allow_remote=["data.example.org"])
    assert [one.allow_remote for one in runs.scenes] == [("data.example.org",)] * 3
    told = load_config("report", ReportConfig, ["allow_remote=[a.org]", "activity=x"])
    assert report_settings(told).allow_remote == ("a.org",)
    assert load_config("activity", ActivityConfig, []).allow_remote == []
