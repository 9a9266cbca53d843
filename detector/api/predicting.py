"""`detector.predict`, `detector.open_scene`, `detector.load_detector`: from scenes to counts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from typing import Any, TypeAlias, Unpack

import geopandas as gpd
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from detector.api.options import (
    LOAD_DETECTOR,
    NETWORK_KEYS,
    OPEN_SCENE,
    PREDICT,
    WEIGHTS_KEY,
    compose,
    keys_of,
)
from detector.api.results import Result, Results
from detector.api.settings import predict_settings
from detector.api.typed import LoadDetectorOptions, OpenSceneOptions, PredictOptions
from detector.counting.zones import NO_ZONES, Zones, read_zones, zones_of
from detector.errors import ConfigError, SceneError
from detector.models.detector import Detector
from detector.prediction.copies import Copies, identify
from detector.prediction.options import PredictConfig
from detector.prediction.work import SceneWork, failed_record
from detector.rendering.examples import load_detector as load
from detector.scenes.arrays import DEFAULT_NAME, array_file
from detector.scenes.discover import discover
from detector.scenes.scene import Scene
from detector.scenes.scene import open_scene as open_path
from detector.scenes.types import naming

SceneLike: TypeAlias = str | PathLike[str] | NDArray[Any]
TransformLike: TypeAlias = Affine | Sequence[float]

ZONES_TABLE = "zones"  # what messages call zones that are given as a table

logger = logging.getLogger(__name__)


def predict(
    scenes: SceneLike | Sequence[SceneLike],
    *,
    crs: Any = None,
    transform: TransformLike | None = None,
    name: str = DEFAULT_NAME,
    detector: Detector | None = None,
    **options: Unpack[PredictOptions],
) -> Results:
    """Find ships and container stacks in scenes, each once, and count them.

    The same as `detector predict`, but nothing is written until `.save(folder)` is called.

    Args:
        scenes: paths, as the command takes them (files, folders, `.txt` lists, GDAL names), or
            arrays `(height, width)` or `(height, width, 1 | 3 | 4)`, uint8, uint16 or float32, as
            `detector.scenes.arrays` explains; one, or a list of them.
        crs: of arrays, anything that pyproj reads; together with `transform`. Without them say the
            ground sample distance with `gsd=`, in metres.
        transform: of arrays, pixel to map: an `Affine` or its six numbers `a b c d e f`.
        name: of arrays, in tables and files; a date in it is the time of acquisition.
        detector: as `load_detector` gives it, so that many calls load the network once.
        **options: those of `detector predict`, by default as there: `weights`, `conf`, `gsd`,
            `acquired`, `device`, …; `zones` is a file, or a GeoDataFrame.

    Returns:
        One `Result` a scene: `detections`, `counts`, `stacks`, `record`, `plot()`. A scene that
        cannot be read is in `failed`, with its reason.

    Raises:
        ConfigError: an option is none, or has a value that it cannot have.
        SceneError: the only scene cannot be read, or an array is none.
        QuaywatchError: weights, device or zones cannot be used.

    Examples:
        >>> import detector
        >>> scene = detector.render(seed=7, width=256, height=256)
        >>> results = detector.predict(scene.values, gsd=0.5)
        >>> results[0].counts.columns[:3].tolist()
        ['scene_id', 'acquired', 'zone']
        >>> len(results[0].detections) > 0
        True
    """
    config, zones = _read_options(dict(options), _names(scenes), own_network=detector is None)
    settings = predict_settings(config)
    sources = list(_sources(scenes, crs, transform, name))
    if detector is not None:  # the caller's network reads every scene, whatever its gsd
        own = replace(settings.detector, weights=detector.card.name)
        settings = replace(settings, detector=own)
    work = SceneWork(settings, detector or load(settings.detector), zones, load)
    return Results(tuple(_results(sources, work)), work)


def load_detector(
    weights: str | PathLike[str] | None = None, **options: Unpack[LoadDetectorOptions]
) -> Detector:
    """Load weights onto a device.

    Args:
        weights: shipped ones by name, or a safetensors file with its card; None: the default.
        **options: `device`, `backend`, `batch`, `threads`, `conf`, `iou`, as `detector predict`.

    Raises:
        ConfigError: an option is none, or has a value that it cannot have.
        WeightsError: weights or card are missing, damaged or of another kind.
        DeviceError: the device or backend is not there.

    Examples:
        >>> import detector
        >>> network = detector.load_detector("port-n", device="cpu", threads=1)
        >>> network.card.name, network.card.tile_px
        ('port-n', 640)
    """
    settled = {WEIGHTS_KEY: weights} if weights is not None else {}
    return load(predict_settings(compose(LOAD_DETECTOR, options, settled=settled)).detector)


def open_scene(
    scene: SceneLike,
    *,
    crs: Any = None,
    transform: TransformLike | None = None,
    name: str = DEFAULT_NAME,
    **options: Unpack[OpenSceneOptions],
) -> Scene:
    """Open a raster or an array as a scene: windows of 8-bit RGB at any scale.

    Args:
        scene: any file or name that GDAL reads, or an array as `predict` takes it.
        crs: of an array, as in `predict`.
        transform: of an array, as in `predict`.
        name: of an array, as in `predict`.
        **options: `bands`, `gsd`, `acquired`, `clouds`, `nodata`, `brighten_dark`, as
                `detector predict`.

    Returns:
        The scene, to be closed or used as a context manager; `info` says what is known of it.

    Raises:
        ConfigError: an option is none, or has a value that it cannot have.
        SceneError: there is no such file, it is no raster, or the array is none.

    Examples:
        >>> import detector
        >>> pixels = detector.render(seed=7, width=256, height=192).values
        >>> with detector.open_scene(pixels, gsd=0.5) as scene:
        ...     print(scene.info.width, scene.info.height, scene.info.gsd_m)
        256 192 0.5
    """
    settings = predict_settings(compose(OPEN_SCENE, options)).scene
    (source,) = _sources([scene], crs, transform, name, expand=False)
    opened = open_path(source.path, naming(settings, source.path))
    opened.keep = source.keep
    return opened


@dataclass(frozen=True, slots=True)
class _Source:
    """A raster to open.

    Attributes:
        path: of it.
        keep: what it lives in, where it is an array.
        problem: why there is nothing to open, or None.
        named: by the user, and not by a list.
        said: of it alone, in a table of scenes.
    """

    path: str
    keep: object = None
    problem: str | None = None
    named: bool = True
    said: Mapping[str, Any] = field(default_factory=dict)


def _read_options(
    options: dict[str, Any], names: list[str], *, own_network: bool
) -> tuple[PredictConfig, Zones]:
    said = keys_of(PREDICT, options)
    strange = [key for key in (WEIGHTS_KEY, *NETWORK_KEYS) if key in said and not own_network]
    if strange:
        raise ConfigError(
            f"predict(): '{strange[0]}' is settled by the detector; say it to load_detector"
        )
    table = said.get("zones")
    if isinstance(table, gpd.GeoDataFrame):
        said["zones"] = ZONES_TABLE
        return compose(PREDICT, said, paths=names), zones_of(table, ZONES_TABLE)
    config = compose(PREDICT, said, paths=names)
    return config, read_zones(config.zones) if config.zones else NO_ZONES


def _names(scenes: SceneLike | Sequence[SceneLike]) -> list[str]:
    """The scenes that are paths."""
    return [fspath(scene) for scene in _listed(scenes) if isinstance(scene, str | PathLike)]


def _listed(scenes: SceneLike | Sequence[SceneLike]) -> list[SceneLike]:
    if isinstance(scenes, str | PathLike | np.ndarray):
        return [scenes]
    if not isinstance(scenes, Sequence):
        raise ConfigError(
            f"predict() takes paths, arrays, or a list of them, not a {type(scenes).__name__}"
        )
    return list(scenes)


def _sources(
    scenes: SceneLike | Sequence[SceneLike],
    crs: Any,
    transform: TransformLike | None,
    name: str,
    *,
    expand: bool = True,
) -> Iterator[_Source]:
    listed = _listed(scenes)
    if not listed:
        raise ConfigError("no scenes: the list is empty")
    arrays = [scene for scene in listed if not isinstance(scene, str | PathLike)]
    if not arrays and not (crs is None and transform is None and name == DEFAULT_NAME):
        raise ConfigError("crs, transform and name are of arrays; a file says its own")
    for scene in listed:
        if not isinstance(scene, str | PathLike):
            file = array_file(scene, name=name, crs=crs, transform=transform)
            yield _Source(file.path, file)
        elif expand:
            yield from (
                _Source(found.path, None, found.problem, found.named, found.said)
                for found in discover([fspath(scene)])
            )
        else:
            yield _Source(fspath(scene))


def _results(sources: Sequence[_Source], work: SceneWork) -> Iterator[Result]:
    """One result a source, as `batch.predict_paths` does them; the only one's error is raised."""
    seen = Copies()
    for source in sources:
        try:
            yield _result(source, work, seen)
        except Exception as error:
            if len(sources) == 1:
                raise
            yield Result(failed_record(source.path, error), None, work, None)


def _result(source: _Source, work: SceneWork, seen: Copies) -> Result:
    if source.problem:
        raise SceneError(source.problem)
    common = work.settings.scene
    options = replace(naming(common, source.path) if source.named else common, **source.said)
    with open_path(source.path, options) as scene:
        record = seen.check(identify(scene))
        if record.status == "copy":
            logger.warning("not counted again: %s", record.reason)
            return Result(record, None, work, None)
        scene.info = replace(scene.info, scene_id=record.scene_id)
        work = work.fit(scene)
        found = work.result(scene)
        return Result(found.record, scene.info, work, found, source.keep)
