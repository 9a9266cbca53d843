"""What an installation can do: versions, formats, devices, room, and a trial of the whole road.

Libraries are imported where they are looked at: one that does not load is a finding, not the end.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from detector._version import __version__
from detector.errors import QuaywatchError
from detector.resources import weights_dir

State = Literal["good", "limited", "broken"]

LIBRARIES: Final = (
    "torch",
    "torchvision",
    "ultralytics",
    "openvino",
    "rasterio",
    "pyogrio",
    "geopandas",
    "shapely",
    "pyproj",
    "opencv-python",
    "hydra-core",
)
RASTERS: Final = {
    "GTiff": "GeoTIFF",
    "COG": "cloud-optimised GeoTIFF",
    "JP2OpenJPEG": "JPEG 2000 (Sentinel-2)",
    "PNG": "PNG",
    "JPEG": "JPEG",
    "VRT": "VRT",
}
VECTORS: Final = {"GPKG": "GeoPackage", "GeoJSON": "GeoJSON", "ESRI Shapefile": "shapefile"}
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
GIB: Final = 2**30
LEAST_MEMORY_GIB: Final = 2.0  # the pipeline takes about 1.2 GB with the shipped network
LEAST_DISK_GIB: Final = 1.0
TRIAL_SEED: Final = 3
TRIAL_SIDE_PX: Final = 900
TRIAL_ERROR: Final = 0.5  # of the true number of ships; a sound installation is far below


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: under which it is listed.
        name: of the thing.
        state: `good`; `limited`: something cannot be done; `broken`: nothing can.
        detail: what was found.
        remedy: what to do; empty where nothing is to be done.
    """

    topic: str
    name: str
    state: State
    detail: str
    remedy: str = ""


def examine(*, trial: bool = True, weights: str) -> Iterator[Finding]:
    """Everything that a run needs, one finding after the other.

    Args:
        trial: end with a rendered scene that is read, counted and compared with its truth.
        weights: name of the weights of the trial.

    Yields:
        Findings, in the order of a run. Nothing is raised: what goes wrong is a finding.
    """
    yield Finding("program", "quaywatch", "good", f"{__version__}, Python {sys.version.split()[0]}")
    parts: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("libraries", _libraries),
        ("formats", _formats),
        ("devices", _devices),
        ("room", _room),
        ("weights", _weights),
        ("extras", _extras),
    ]
    if trial:
        parts.append(("trial", lambda: _trial(weights)))
    for topic, part in parts:
        try:
            yield from part()
        except Exception as error:  # a doctor reports what it meets
            reason = " ".join(str(error).split()) or type(error).__name__
            yield Finding(topic, topic, "broken", reason, "install quaywatch anew: make setup")


def _libraries() -> Iterator[Finding]:
    for name in LIBRARIES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            remedy = f"pip install {name}, at the version of requirements.lock"
            yield Finding("libraries", name, "broken", "not installed", remedy)
        else:
            yield Finding("libraries", name, "good", version)


def _formats() -> Iterator[Finding]:
    import pyogrio
    import pyproj
    import rasterio
    from rasterio.drivers import raster_driver_extensions

    gdal = f"GDAL {rasterio.__gdal_version__}"
    with rasterio.Env() as env:
        rasters = set(env.drivers()) | set(raster_driver_extensions().values())
    lacking = [words for name, words in RASTERS.items() if name not in rasters]
    lacking += [words for name, words in VECTORS.items() if name not in pyogrio.list_drivers()]
    if lacking:
        remedy = "install rasterio and pyogrio from wheels, which bring them"
        yield Finding("formats", gdal, "limited", f"cannot read {', '.join(lacking)}", remedy)
    else:
        yield Finding("formats", gdal, "good", f"{len(rasters)} raster drivers")
    to_map = pyproj.Transformer.from_crs(4326, 32652, always_xy=True)
    easting, _ = to_map.transform(129.0, 42.0)  # on the zone's central meridian
    sound = abs(easting - 500_000.0) < 1.0
    yield Finding(
        "formats",
        f"PROJ {pyproj.proj_version_str}",
        "good" if sound else "broken",
        "transforms coordinates" if sound else f"puts the central meridian at {easting}",
        "" if sound else "unset PROJ_LIB and PROJ_DATA: they point to another PROJ",
    )


def _devices() -> Iterator[Finding]:
    from detector.models.devices import cuda_devices, usable_cores

    yield Finding("devices", "cpu", "good", f"{usable_cores()} cores that this process may use")
    count = cuda_devices()
    if not count:
        yield Finding("devices", "cuda", "good", "none; the CPU is used")
        return
    import torch

    for index in range(count):
        yield Finding("devices", f"cuda:{index}", "good", torch.cuda.get_device_name(index))


def _room() -> Iterator[Finding]:
    import psutil  # type: ignore[import-untyped]

    from detector.models.backends import cache_folder

    memory = psutil.virtual_memory().available / GIB
    scarce = memory < LEAST_MEMORY_GIB
    yield Finding(
        "room",
        "memory",
        "limited" if scarce else "good",
        f"{memory:.1f} GiB free",
        f"{LEAST_MEMORY_GIB:.0f} GiB are wanted; else say batch=1 queue=1" if scarce else "",
    )
    places = {"here": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    for name, folder in places.items():
        yield _folder(name, folder)
    cache = cache_folder()
    nearest = next(place for place in (cache, *cache.parents) if place.exists())
    if os.access(nearest, os.W_OK):
        yield Finding("room", "cache", "good", str(cache))
    else:
        remedy = "set QUAYWATCH_CACHE to a folder of yours; without one each start takes longer"
        yield Finding("room", "cache", "limited", f"{cache} cannot be written", remedy)


def _folder(name: str, folder: Path) -> Finding:
    if not os.access(folder, os.W_OK):
        remedy = "results need a folder that can be written: out=FOLDER"
        return Finding("room", name, "limited", f"{folder} cannot be written", remedy)
    free = shutil.disk_usage(folder).free / GIB
    scarce = free < LEAST_DISK_GIB
    remedy = f"{LEAST_DISK_GIB:.0f} GiB are wanted" if scarce else ""
    return Finding(
        "room", name, "limited" if scarce else "good", f"{folder}, {free:.0f} GiB free", remedy
    )


def _weights() -> Iterator[Finding]:
    from detector.models.card import ModelCard, sha256_of

    for path in sorted(weights_dir().glob("*.yaml")):
        try:
            card = ModelCard.read(path)
            sound = sha256_of(card.weights_beside(path)) == card.sha256
        except (QuaywatchError, OSError) as error:
            yield Finding("weights", path.stem, "broken", str(error), "install quaywatch anew")
            continue
        detail = f"{card.gsd_min_m:g} to {card.gsd_max_m:g} m a pixel, {', '.join(card.classes)}"
        if sound:
            yield Finding("weights", card.name, "good", detail)
        else:
            remedy = "install quaywatch anew"
            yield Finding("weights", card.name, "broken", "not the file of its card", remedy)


def _extras() -> Iterator[Finding]:
    browser = next((name for name in BROWSERS if shutil.which(name)), None)
    detail = browser or "none found; the report opens in any, its PDF is printed by one"
    yield Finding("extras", "browser", "good", detail)


def _trial(weights: str) -> Iterator[Finding]:
    from detector.classes import PORT
    from detector.models.detector import DetectorSettings
    from detector.prediction.batch import predict_paths
    from detector.prediction.settings import BatchSettings
    from detector.rendering import LayoutSpec, PortSpec, TrafficSpec, count_truth, render

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        spec = PortSpec(
            width=TRIAL_SIDE_PX,
            height=TRIAL_SIDE_PX,
            gsd_m=0.5,
            layout=LayoutSpec(["general"], 300.0, 0.0, 0.4),
            traffic=TrafficSpec(anchored_per_km2=12.0),
        )
        scene = render(spec, TRIAL_SEED)
        path = scene.write(Path(folder) / "port.tif")
        settings = BatchSettings((str(path),), Path(folder) / "out", DetectorSettings(weights))
        [record] = predict_paths(settings).records
        true = count_truth(scene.truth, PORT.names.index("ship"))
    seconds = time.monotonic() - started
    found = record.ships or 0
    sound = abs(found - true) <= TRIAL_ERROR * true
    yield Finding(
        "trial",
        "a rendered port",
        "good" if sound else "broken",
        f"{found} ships found of {true}, {record.tiles} tiles, {seconds:.1f} s in all",
        "" if sound else "the network does not see what it should: name another backend=",
    )
