"""A scene behind a slow and faulty network gives what the same file gives, with more readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.remote import served
from detector.inference import pipeline as pipeline_module
from detector.inference.pipeline import PipelineSettings, find_objects
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions, naming
from tests.inference.blobs import BlobDetector, blob_scene
from tests.prediction.test_batch import _ships
from tests.scenes.rasters import UTM52, utm_transform

SIZE = (1500, 1300)


def test_nothing_is_lost_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.05")
    places = [(x, y) for x in range(150, 1400, 250) for y in range(120, 1200, 160)]
    file = blob_scene(
        tmp_path / "a.tif", SIZE, _ships(*places), transform=utm_transform(), crs=UTM52
    )
    threads: list[int] = []
    real = pipeline_module._reader_threads

    def told(scene: Scene, settings: PipelineSettings) -> int:
        threads.append(real(scene, settings))
        return threads[-1]

    monkeypatch.setattr(pipeline_module, "_reader_threads", told)
    with served(file, latency_ms=5, failures=0.1) as address:
        names = [str(file), f"/vsicurl/{address}/a.tif"]
        found = []
        for name in names:
            with open_scene(name, naming(SceneOptions(), name)) as scene:
                found.append(find_objects(scene, BlobDetector(), PipelineSettings()).detections)
    near, far = found
    assert len(near.scores) == len(places)
    assert np.array_equal(near.corners, far.corners)
    assert np.array_equal(near.scores, far.scores)
    assert threads == [2, pipeline_module.REMOTE_READERS]
