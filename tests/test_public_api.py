"""The front door: what `import detector` gives is what the commands do."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
import typing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image

import detector
from detector.api import options as door
from detector.cli import main as cli
from detector.errors import ConfigError, OutputError, SceneError
from detector.export.overlay import MIN_SIDE_PX
from detector.models.detector import Detector
from detector.rendering import RenderedScene
from detector.scenes.arrays import array_file
from tests.cli.test_main import HEAVY

ROOT = Path(__file__).parents[1]
FUNCTIONS = (
    "evaluate",
    "find_activity",
    "load_detector",
    "open_scene",
    "predict",
    "render",
    "train",
)
LOG = "run.log"  # of the command; the only file that `save` does not write


@dataclass(frozen=True)
class Written:
    """A rendered scene on disk, and what the command made of it."""

    scene: RenderedScene
    path: Path
    zones: Path
    out: Path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("api")
    scene = detector.render(seed=7, width=320, height=256)
    path = scene.write(folder / "port_2026-05-14.tif")
    zones = path.with_name(f"{path.stem}_zones.geojson")
    out = folder / "command"
    words = ["predict", str(path), f"zones={zones}", f"out={out}", "threads=1", "quiet=true"]
    assert cli.main(words) == 0
    return Written(scene, path, zones, out)


@pytest.fixture(scope="module")
def network() -> Detector:
    return detector.load_detector("port-n4", threads=1)


@pytest.fixture(scope="module")
def found(written: Written, network: Detector) -> detector.Results:
    return detector.predict(written.path, zones=written.zones, detector=network)


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != LOG]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_door_is_light_and_lists_its_names() -> None:
    code = (
        "import sys, detector; names = dir(detector);"
        f"print([m for m in {HEAVY} if m in sys.modules], set(detector.__all__) <= set(names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ
    )
    assert done.stdout == "[] True\n"


def test_every_name_is_there_with_its_signature() -> None:
    for name in FUNCTIONS:
        function = getattr(detector, name)
        assert inspect.isfunction(function)
        assert function.__doc__
        hints = typing.get_type_hints(function, include_extras=True)
        assert "return" in hints
    assert set(detector.__all__) == {*FUNCTIONS, "Detections", "Result", "Results", "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        detector.nothing  # noqa: B018 - asked for, since it is not there


def test_no_module_is_called_like_a_public_name() -> None:
    inside = {module.name for module in pkgutil.iter_modules(detector.__path__)}
    inside |= {
        module.name
        for module in pkgutil.iter_modules(importlib.import_module("detector.api").__path__)
    }
    assert len(inside) > 30
    assert inside & {*FUNCTIONS, "Detections", "Result", "Results"} == set()


@pytest.mark.parametrize("name", [*FUNCTIONS, "Detections"])
def test_the_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    finder = doctest.DocTestFinder(recurse=False)
    tests = [test for test in finder.find(getattr(detector, name), name) if test.examples]
    assert len(tests) == 1
    said: list[str] = []
    failed, tried = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST).run(
        tests[0], out=said.append
    )
    assert (failed, tried > 1) == (0, True), "".join(said)
    assert "SKIP" not in (getattr(detector, name).__doc__ or "")


def test_the_types_are_written_down_as_they_are() -> None:
    """Write them with `python -m detector.api.options > detector/api/typed.py`."""
    text = (ROOT / "detector" / "api" / "typed.py").read_text(encoding="utf-8")
    assert text == door.typed_source()
    for item in door.DOORS:
        for leaf, keys in item.short_names.items():
            assert item.options[keys[0]].key.endswith(f".{leaf}")


def test_predict_gives_what_the_command_wrote(written: Written, found: detector.Results) -> None:
    (result,) = found
    folder = written.out / result.record.scene_id
    table = gpd.read_parquet(folder / "detections.parquet")
    assert len(table) > 0
    pd.testing.assert_frame_equal(pd.DataFrame(result.detections), pd.DataFrame(table))
    assert result.detections.crs == table.crs == written.scene.crs
    counts = pd.read_parquet(written.out / "counts.parquet")
    assert set(counts["zone"]) > {""}
    pd.testing.assert_frame_equal(found.counts, counts.drop(columns="draws"))
    assert json.loads(json.dumps(result.record.to_dict())) == {
        key: value
        for key, value in json.loads((folder / "scene.json").read_text(encoding="utf-8")).items()
        if key not in ("counts", "files", "formats", "sha256")
    }


def test_saved_files_are_those_of_the_command(
    written: Written, found: detector.Results, tmp_path: Path
) -> None:
    assert found.save(tmp_path / "run") == tmp_path / "run"
    expected = content(written.out)
    assert len(expected) == 17  # two of them the marks of the folders
    assert content(tmp_path / "run") == expected
    assert found[0].save(tmp_path / "one") == tmp_path / "one"
    assert content(tmp_path / "one") == expected
    assert found.save(written.out) == written.out  # the same results: they stay
    assert content(written.out) == expected


def test_other_results_are_only_replaced_when_told(
    written: Written, found: detector.Results, network: Detector, tmp_path: Path
) -> None:
    folder = found.save(tmp_path / "run")
    bare = detector.predict(written.path, detector=network)
    with pytest.raises(OutputError, match="holds results of other settings, weights or code"):
        bare.save(folder)
    assert content(folder) == content(written.out)
    bare.save(folder, overwrite=True)
    assert set(pd.read_csv(folder / "counts.csv", keep_default_na=False)["zone"]) == {""}


def test_an_array_in_its_place_is_the_file(
    written: Written, network: Detector, tmp_path: Path
) -> None:
    with rasterio.open(written.path) as raster:
        pixels, nodata = np.moveaxis(raster.read(), 0, -1), raster.nodata
    said: dict[str, Any] = {"nodata": nodata, "clouds": "clear", "acquired": "2026-05-14T02:10:00Z"}
    zones = gpd.read_file(written.zones)
    file = detector.predict(written.path, zones=zones, detector=network, **said)[0]
    place = {"crs": written.scene.crs, "transform": written.scene.transform}
    array = detector.predict(
        pixels, name=written.path.stem, zones=zones, detector=network, **place, **said
    )[0]
    assert len(array.detections) > 0
    pd.testing.assert_frame_equal(pd.DataFrame(array.detections), pd.DataFrame(file.detections))
    by_angles = ["teu_est", "teu_low", "teu_high"]  # shadows: a sidecar tells the angles
    pd.testing.assert_frame_equal(
        array.counts.drop(columns=by_angles), file.counts.drop(columns=by_angles)
    )
    assert array.info is not None
    (said_of_file,) = file.info.remarks
    assert said_of_file.startswith("scene.clouds=clear was taken in place of the mask")
    assert array.info == replace(
        file.info,
        path=array.info.path,
        remarks=(),
        asked=array.info.asked,  # names the file that may be read
        angles=array.info.angles,  # a sidecar tells the angles
    )
    again = detector.predict(
        pixels, name=written.path.stem, zones=zones, detector=network, **place, **said
    )
    saved = [content(item.save(tmp_path / str(i))) for i, item in enumerate((array, again))]
    assert saved[0] == saved[1]


def test_three_lines_in_a_notebook_show_a_picture(written: Written, network: Detector) -> None:
    results = detector.predict(written.scene.values, gsd=0.5, detector=network)
    page = results._repr_html_()
    assert page.count("<img ") == 1
    assert 'src="data:image/jpeg;base64,' in page
    assert results[0].record.gsd_m == 0.5
    ships = int(results.summary["ships"].iloc[0])
    assert ships == (results[0].detections["class"] == "ship").sum() > 0
    assert f"<td>{ships}</td>" in page
    assert page == results[0]._repr_html_()
    assert str(ships) in repr(results).splitlines()[2]
    picture = results[0].plot(max_side_px=MIN_SIDE_PX)
    assert isinstance(picture, Image.Image)
    assert max(picture.size) <= MIN_SIDE_PX
    assert np.asarray(picture).std() > 10


def test_what_a_notebook_shows_is_escaped(written: Written, network: Detector) -> None:
    name = "<script>alert('x')<b>\"&"
    zones = written.scene.zones.assign(name=lambda t: [f"<i>{i}" for i in range(len(t))])
    shown = detector.predict(
        written.scene.values,
        name=name,
        crs=written.scene.crs,
        transform=written.scene.transform,
        zones=zones,
        detector=network,
    )._repr_html_()
    assert "<script" not in shown
    assert "<i>" not in shown
    assert "&lt;script&gt;" in shown
    assert "&lt;i&gt;0" in shown


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [None, 1, 3, 4])
def test_arrays_of_every_kind_are_read_as_they_are(dtype: str, bands: int | None) -> None:
    shape = (48, 64) if bands is None else (48, 64, bands)
    array = np.random.default_rng(1).integers(1, 256, shape).astype(dtype)
    with detector.open_scene(array, gsd=0.5) as scene:
        info = scene.info
        assert (info.width, info.height, info.gsd_m, info.crs) == (64, 48, 0.5, None)
        assert info.bands == ((1, 2, 3) if bands in (3, 4) else (1,))
        # a fourth band with noise in it is infrared, not alpha
        assert info.valid_source == {"uint16": "zeros", "float32": "finite"}.get(dtype, "all")
        rgb = scene.read_bounds((0, 0, 64, 48), (64, 48)).rgb
        other = scene.reopen().read_bounds((0, 0, 64, 48), (64, 48)).rgb
    assert (rgb == other).all()
    if dtype == "uint8":
        plain = array if array.ndim == 3 else array[..., None]
        assert (rgb == np.broadcast_to(plain[..., :3], (48, 64, 3))).all()


def test_alpha_is_missing_in_bytes_and_infrared_in_words() -> None:
    array = np.full((32, 32, 4), 200, np.uint8)
    array[:16, :, 3] = 0
    with detector.open_scene(array) as scene:
        valid = scene.read_bounds((0, 0, 32, 32), (32, 32)).valid
    assert valid.sum() == 16 * 32
    assert not valid[:16].any()
    with detector.open_scene(array, bands=[3, 2, 1]) as scene:
        assert scene.info.bands == (3, 2, 1)
    with detector.open_scene(array.astype(np.uint16)) as scene:
        assert scene.read_bounds((0, 0, 32, 32), (32, 32)).valid.all()


def test_an_array_stays_while_somebody_holds_it() -> None:
    array = np.arange(1024).astype(np.uint8).reshape(32, 32)
    path = array_file(array).path  # nobody holds it
    with pytest.raises(SceneError, match="not a raster"):
        detector.open_scene(path)
    scene = detector.open_scene(array)
    assert scene.info.path == path
    other = scene.reopen()
    scene.close()
    del scene
    with other.reopen() as third:
        assert (third.read_bounds((0, 0, 32, 32), (32, 32)).rgb == array[..., None]).all()


GOOD = np.zeros((8, 8, 3), np.uint8)
PLACE = (0.5, 0.0, 5e5, 0.0, -0.5, 4.6e6)
BAD_ARRAYS: list[tuple[Any, dict[str, Any], str]] = [
    (np.zeros((3, 8, 9), np.uint8), {}, r"shape \(3, 8, 9\).*np\.moveaxis\(array, 0, -1\)$"),
    (np.zeros((2, 8, 8, 3), np.uint8), {}, r"several scenes are a list of arrays$"),
    (
        np.zeros((8, 8, 2), np.uint8),
        {},
        r"needs \(height, width\) or \(height, width, 1, 3 or 4\)$",
    ),
    (np.zeros(8, np.uint8), {}, r"shape \(8,\) is no scene"),
    (np.zeros((0, 8), np.uint8), {}, "holds no pixels$"),
    (np.zeros((8, 8)), {}, r"float64 is no scene: .*array\.astype\(np\.float32\)$"),
    (np.zeros((8, 8), bool), {}, "bool is no scene"),
    (np.zeros((8, 8), np.int64), {}, "int64 is no scene"),
    (np.full((8, 8), np.nan, np.float32), {}, "no valid pixels"),
    ([5], {}, "a scene is a path or a numpy array, not a int"),
    (GOOD, {"crs": "EPSG:32652"}, "crs and transform go together, and there is no transform$"),
    (GOOD, {"transform": PLACE}, "crs and transform go together, and there is no crs$"),
    (GOOD, {"crs": "nowhere", "transform": PLACE}, "crs='nowhere': not a CRS"),
    (GOOD, {"crs": 32652, "transform": (1, 2)}, r"transform=\(1, 2\): needs an Affine or its six"),
    (GOOD, {"crs": 32652, "transform": (0,) * 6}, "has pixels without area$"),
    (GOOD, {"name": "a/b"}, "name='a/b': an array needs a name"),
]


@pytest.mark.parametrize(("array", "said", "sentence"), BAD_ARRAYS)
def test_an_array_that_is_no_scene_gets_one_sentence(
    array: Any, said: dict[str, Any], sentence: str, network: Detector
) -> None:
    with pytest.raises(SceneError, match=sentence) as caught:
        detector.predict(array, detector=network, **said)
    assert "\n" not in str(caught.value)


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"gsdd": 1}, r"^unknown option 'gsdd'; did you mean 'gsd'\?$"),
    ({"zonse": "x"}, r"^unknown option 'zonse'; did you mean 'zones'\?$"),
    ({"scene.gsdd": 1}, r"^unknown option 'scene.gsdd'; did you mean 'scene.gsd'\?$"),
    ({"gsd": 0}, "^scene.gsd=0: this option needs a number above 0, at most 1000 or null$"),
    ({"conf": "much"}, "^model.conf=much: this option needs a number from 0 to 1 or null$"),
    ({"clouds": "none"}, r"^scene.clouds=none: this option needs one of auto\|clear\|unknown$"),
    ({"gsd": 1, "scene.gsd": 1}, r"^predict\(\): 'scene.gsd' is said twice"),
    ({"gsd": np.ones(3)}, "^scene.gsd: this option needs a number .* not a ndarray$"),
    ({"zones_only": True}, "^zones_only=true needs zones to look in"),
    ({"scene": "mine"}, "^scene=mine: 'scene' is a group of options"),
    ({"out": "x"}, r"^predict\(\) has no option 'out': .*\.save\(folder\)"),
    ({"overwrite": True}, r"^predict\(\) has no option 'overwrite': .*overwrite=True"),
    ({"acquired": "May"}, "^scene.acquired=May: this option needs a time such as"),
]


@pytest.mark.parametrize(("said", "sentence"), BAD_OPTIONS)
def test_a_bad_option_is_told_as_on_the_command_line(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        detector.predict(GOOD, **said)


def test_words_of_the_call_that_fit_nothing(network: Detector, written: Written) -> None:
    with pytest.raises(ConfigError, match=r"'model\.conf' is settled by the detector"):
        detector.predict(GOOD, detector=network, conf=0.3)
    with pytest.raises(ConfigError, match="crs, transform and name are of arrays"):
        detector.predict(written.path, crs=32652, transform=PLACE, detector=network)
    with pytest.raises(ConfigError, match="no scenes: the list is empty"):
        detector.predict([], detector=network)
    with pytest.raises(ConfigError, match="not a dict"):
        detector.predict({}, detector=network)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"'sources' may be data\.sources or mix\.sources"):
        detector.train(**{"sources": ["xView"]})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"render\(\) has no option 'count'"):
        detector.render(count=3)  # type: ignore[call-arg]


def test_options_reach_the_network(written: Written) -> None:
    network = detector.load_detector(conf=0.9, threads=1, **{"model.iou": 0.4})  # type: ignore[arg-type]
    assert network.conf.tolist() == pytest.approx([0.9] * len(network.conf))
    assert (network.iou, network.threads, network.card.name) == (0.4, 1, "port-n4")
    every = detector.predict(written.path, threads=1)[0].detections
    middle = float(every["score"].median())
    sure = detector.predict(written.path, threads=1, **{"model.conf": middle})[0].detections  # type: ignore[arg-type]
    assert 0 < len(sure) < len(every)
    assert (sure["score"] >= middle).all()


def test_a_scene_that_fails_among_others_is_told(
    written: Written, network: Detector, tmp_path: Path
) -> None:
    missing = tmp_path / "<gone>.tif"
    with pytest.raises(SceneError, match="no such file"):
        detector.predict(missing, detector=network)
    results = detector.predict(
        [missing, written.path, written.scene.rgb[::-1].copy()], detector=network
    )
    assert [scene.record.status for scene in results] == ["failed", "done", "done"]
    assert results.failed == [results[0]]
    assert "no such file" in results[0].record.reason
    for ask in (lambda r: r.detections, lambda r: r.counts, lambda r: r.stacks, lambda r: r.plot()):
        with pytest.raises(SceneError, match="no such file"):
            ask(results[0])
    assert "&lt;gone&gt;.tif: no such file" in results._repr_html_()
    assert "<gone>.tif: no such file" in repr(results)
    table = pd.read_csv(results.save(tmp_path / "run") / "scenes.csv")
    assert table["status"].tolist() == ["failed", "done", "done"]
    assert len(results[1:]) == 2
    assert results[-1] is results[2]


def test_the_same_scene_twice_is_told_as_by_the_command(
    written: Written, network: Detector
) -> None:
    array = written.scene.rgb
    results = detector.predict([array, array.copy()], gsd=0.5, detector=network)
    assert results[1].record.status == "copy"
    assert "the same picture as" in results[1].record.reason
    assert results[1].record.copy_of == results[0].record.scene_id
    assert results.copies == [results[1]]


def test_a_file_that_has_changed_is_not_drawn(network: Detector, tmp_path: Path) -> None:
    path = detector.render(seed=3, width=256, height=256).write(tmp_path / "port.tif")
    result = detector.predict(path, detector=network)[0]
    detector.render(seed=4, width=256, height=256).write(path)
    with pytest.raises(SceneError, match="has changed since it was read; call predict again"):
        result.plot()
    assert "has changed since" in result._repr_html_()
    with pytest.raises(SceneError, match="has changed since"):
        result.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_render_is_that_of_the_command(tmp_path: Path) -> None:
    words = ["seed=9", "spec=pan_strip", "spec.width=256", "spec.height=200"]
    assert cli.main(["data", "render", f"out={tmp_path}", *words]) == 0
    scene = detector.render(spec="pan_strip", seed=9, width=256, height=200)
    (path,) = [p for p in tmp_path.glob("*.tif") if not p.stem.endswith("cloud")]
    with rasterio.open(path) as raster:
        assert (np.moveaxis(raster.read(), 0, -1) == scene.values).all()
    written = scene.write(tmp_path / "again" / path.name)
    assert written.read_bytes() == path.read_bytes()
