"""What is fuzzed: every reader of what others wrote, with contents that are right to begin with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import shapely

from detector import resources
from detector.activity.find import ActivitySettings, read_activity, trace_activity
from detector.activity.looks.runs import read_runs
from detector.activity.looks.sites import make_site, read_site
from detector.activity.visits.bounds import VisitSettings
from detector.cli.arguments import split_arguments
from detector.cli.main import COMMANDS, load_command
from detector.config.compose import load_config
from detector.counting.zones import Zone, Zones, read_zones, zones_in_pixels
from detector.data.datasets import read_dataset
from detector.errors import QuaywatchError
from detector.export.records import ModelUse
from detector.export.run_files import read_records
from detector.export.scene_files import is_damaged
from detector.export.stacks import no_stacks, read_stacks, write_stacks
from detector.export.vector import read_detections
from detector.geometry.windows import PixelWindow
from detector.models.card import ModelCard
from detector.report.sources import read_sources
from detector.scenes.discover import discover
from detector.scenes.scene import open_scene
from detector.times import parse_acquired
from tests.activity.written_run import write_run
from tests.counting.make import ACQUIRED, SHIP, STACK, make_detections
from tests.data import fakes
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster

QUAY = Zone("a", "berth", shapely.box(500_000, 4_676_850, 500_200, 4_677_000))
ZONES = Zones((QUAY,), UTM52, "z")


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        share: of all inputs, in parts of 100.
        seeds: right contents.
        read: reads a damaged one; may write into the folder.
    """

    share: int
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]
    used: list[int] = field(default_factory=list)


def make_targets(folder: Path) -> dict[str, Target]:
    """All of them; their files lie in `folder`."""
    made = [_headers, _sidecars, _zones, _labels, _cards, _sites, _runs, _activities]
    made += [_overrides, _lists, _times]
    targets: dict[str, Target] = {}
    for make in made:
        name = make.__name__.strip("_")
        place = folder / name
        place.mkdir()
        targets[name] = make(place)
    return targets


def _headers(folder: Path) -> Target:
    """Rasters: tags, sizes, offsets, CRS."""
    seeds = []
    for name, options in {
        "a.tif": {"crs": UTM52, "transform": utm_transform()},
        "b.tif": {"crs": "EPSG:4326", "transform": utm_transform(), "compress": "deflate"},
        "c.tif": {"tiled": True, "blockxsize": 16, "blockysize": 16, "nodata": 0},
    }.items():
        seeds.append(write_raster(folder / name, gradient(32, 24), **options).read_bytes())
    seeds.append(fakes.image(folder / "d.png", 24).read_bytes())

    def read(content: bytes) -> None:
        path = folder / "x.tif"
        path.write_bytes(content)
        with open_scene(path) as scene:
            scene.read(PixelWindow(0, 0, 16, 16))
            scene.content_sha256()

    return Target(12, tuple(seeds), read)


def _sidecars(folder: Path) -> Target:
    """Metadata beside a scene."""
    raster = write_raster(folder / "x.tif", gradient(32, 24), crs=UTM52, transform=utm_transform())
    item = {
        "type": "Feature",
        "properties": {
            "datetime": "2024-05-01T03:04:05Z",
            "view:sun_elevation": 40.5,
            "view:off_nadir": 3,
            "gsd": 0.5,
        },
        "assets": {"cloud": {"href": "x_cloud.tif"}, "image": {"href": "x.tif"}},
    }
    imd = (
        b'version = "AA";\nBEGIN_GROUP = IMAGE_1\n\tmeanSunEl = 40.1;\n'
        b"\tfirstLineTime = 2024-05-01T03:04:05Z;\nEND_GROUP = IMAGE_1\nEND;\n"
    )
    aux = (
        b"<PAMDataset><SRS>EPSG:32652</SRS><Metadata><MDI key='TIFFTAG_DATETIME'>"
        b"2024:05:01 03:04:05</MDI></Metadata></PAMDataset>"
    )
    names = {b"{": "x.json", b"v": "x.IMD", b"<": "x.tif.aux.xml"}

    def read(content: bytes) -> None:
        path = folder / names.get(content[:1], "x.json")
        path.write_bytes(content)
        try:
            with open_scene(raster) as scene:
                scene.content_sha256()
        finally:
            path.unlink()

    return Target(10, (json.dumps(item).encode(), imd, aux), read)


def _zones(folder: Path) -> Target:
    """Vector files, and their places in a scene."""
    raster = write_raster(folder / "s.tif", gradient(32, 24), crs=UTM52, transform=utm_transform())
    ring = [[130.0, 42.0], [130.002, 42.0], [130.002, 42.001], [130.0, 42.001], [130.0, 42.0]]
    parts = [
        {"name": "a", "kind": "berth", "geometry": {"type": "Polygon", "coordinates": [ring]}},
        {
            "name": "b",
            "kind": "yard",
            "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]},
        },
    ]
    features = [
        {
            "type": "Feature",
            "properties": {key: part[key] for key in ("name", "kind")},
            "geometry": part["geometry"],
        }
        for part in parts
    ]
    collection = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    kml = (
        b"<kml xmlns='http://www.opengis.net/kml/2.2'><Document><Placemark><name>a</name><Polygon>"
        b"<outerBoundaryIs><LinearRing><coordinates>130,42 130.1,42 130.1,42.1 130,42</coordinates>"
        b"</LinearRing></outerBoundaryIs></Polygon></Placemark></Document></kml>"
    )
    with open_scene(raster) as scene:
        held = scene

        def read(content: bytes) -> None:
            path = folder / ("x.kml" if content[:1] == b"<" else "x.geojson")
            path.write_bytes(content)
            zones_in_pixels(read_zones(path), held)

    return Target(14, (collection, kml), read)


def _labels(folder: Path) -> Target:
    """Labels of every public layout that is read."""
    kinds = ("dota", "hrsc")
    roots = {kind: getattr(fakes, kind)(folder / kind) for kind in kinds}
    files = {
        "dota": next((roots["dota"] / "labelTxt").glob("P0001*")),
        "hrsc": next((roots["hrsc"] / "Annotations").glob("*.xml")),
    }
    coco = folder / "coco"
    fakes.image(coco / "images" / "a.png", 64)
    files["coco"] = coco / "annotations.json"
    content = {
        "categories": [{"id": 1, "name": "ship"}],
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}],
        "annotations": [
            {"id": 5, "image_id": 1, "category_id": 1, "segmentation": [[8, 8, 40, 8, 40, 20]]},
            {"id": 6, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 8], "area": 240},
        ],
    }
    files["coco"].write_text(json.dumps(content))
    roots["coco"] = coco
    seeds = {kind: path.read_bytes() for kind, path in files.items()}

    def read(content: bytes) -> None:
        kind = {b"<": "hrsc", b"{": "coco"}.get(content[:1], "dota")
        files[kind].write_bytes(content)
        read_dataset(kind, roots[kind])

    return Target(16, tuple(seeds.values()), read)


def _cards(folder: Path) -> Target:
    """Cards of weights."""
    card = next(iter(sorted(resources.weights_dir().glob("*.yaml")))).read_text(encoding="utf-8")
    short = "\n".join(line for line in card.splitlines() if len(line) < 120)[:6000]
    by_hand = (
        b"name: a\narchitecture: yolo11n-obb.yaml\nclasses: [ship, container_stack]\nsha256: "
        + b"a" * 64
        + b"\ntile_px: 256\ngsd_min_m: 0.2\ngsd_max_m: 4.0\ngsd_read_m: 0.5\nconf: {ship: 0.5, "
        b"container_stack: 0.5}\niou: 0.5\nlicence: none\n"
    )

    def read(content: bytes) -> None:
        path = folder / "x.yaml"
        path.write_bytes(content)
        ModelCard.read(path)

    return Target(10, (by_hand, short.encode()), read)


def _sites(folder: Path) -> Target:
    """Site files."""
    ring = [[130.0, 42.0], [130.01, 42.0], [130.01, 42.01], [130.0, 42.0]]
    zone = {
        "type": "Feature",
        "properties": {"name": "a", "kind": "berth"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (folder / "z.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [zone]}))
    seed = b"name: port\nzones: z.geojson\ntime_zone: Asia/Vladivostok\nfixed: z.geojson\n"

    def read(content: bytes) -> None:
        path = folder / "x.yaml"
        path.write_bytes(content)
        read_site(path)

    return Target(8, (seed,), read)


def _runs(folder: Path) -> Target:
    """The files of a run folder that are read back."""
    run = a_run(folder)
    scene = next(path for path in run.iterdir() if path.is_dir())
    write_stacks(scene / "stacks.csv", no_stacks())
    files = [
        *(run / "run.json", run / "detections.parquet", run / "counts.parquet"),
        *(scene / "scene.json", scene / "detections.parquet", scene / "stacks.parquet"),
    ]
    right = {path: path.read_bytes() for path in files}

    def read(content: bytes) -> None:
        like = content[:8]
        fit = [path for path in files if right[path][:8] == like] or files
        path = fit[crc32(content) % len(fit)]  # the same for the same content
        path.write_bytes(content)
        try:
            is_damaged(scene)
            for reader in (read_runs, _each(read_records)):
                _typed(reader, [run])
            _typed(read_stacks, scene / "stacks.csv")
            read_detections(scene / "detections.parquet")
        finally:
            path.write_bytes(right[path])

    return Target(6, tuple(right.values()), read)


def _activities(folder: Path) -> Target:
    """`activity.json`, as the report reads it."""
    run = a_run(folder)
    zones = Zones(
        (Zone("a", "berth", shapely.box(500_000, 4_676_850, 500_200, 4_677_000)),), UTM52, "z"
    )

    found = trace_activity(
        [make_site("port", zones)],
        read_runs([run]),
        ActivitySettings(VisitSettings(draws=20), registered=False),
    )
    out = folder / "activity"
    found.write(out)
    path = out / "activity.json"
    right = path.read_bytes()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_activity(path)
        read_sources(out)

    return Target(6, (right,), read)


def _overrides(folder: Path) -> Target:
    """Words of command lines."""
    seeds = (
        b"predict\na.tif\nout=x\nmodel.conf=0.3\nscene.gsd=0.5\nscene.bands=[3,2,1]\nformats=[gpkg]",
        b"activity\nsite.yaml\nruns=[a,b]\nfirst=2024-05-01\ndraws=100\nlog=json",
        b"train\nexperiment=smoke\ntrainer.hours=0.1\ntrainer.batch=4\nnetwork=n",
        b"evaluate\ndata=rendered\ndata.ports=2\nweights=port-n",
        b"report\nactivity=a\nnote=x\ncharts=false",
        b"data render\nspec=pan_strip\nspec.sky.cloud_fraction=0.3\ncount=2",
    )

    def read(content: bytes) -> None:
        words = content.decode("utf-8", "surrogateescape").split("\n")
        name = words[0] if words[0] in COMMANDS else "predict"
        command = load_command(name)
        arguments = split_arguments(words[1:], command.schema)
        load_config(
            command.config,
            command.schema,
            [word for word in arguments.overrides if "/" not in word],
            paths=arguments.paths,
        )

    return Target(6, seeds, read)


def _lists(folder: Path) -> Target:
    """Lists and tables of scenes."""
    write_raster(folder / "a.tif", gradient(8, 8))
    seeds = (
        b"a.tif\n# no\nb.tif\n",
        b"path,gsd,acquired,clouds\na.tif,0.5,2024-05-01,clear\nb.tif,,,\n",
    )

    def read(content: bytes) -> None:
        path = folder / ("x.csv" if content[:4] == b"path" else "x.txt")
        path.write_bytes(content)
        discover([str(path)])

    return Target(6, seeds, read)


def _times(folder: Path) -> Target:
    """Times and days."""
    seeds = (
        b"2024-05-01T03:04:05Z",
        b"2024-05-01",
        b"2024-05-01T03:04:05.123+09:00",
        b"20240501T0304",
    )

    def read(content: bytes) -> None:
        with suppress(ValueError):
            parse_acquired(content.decode("utf-8", "replace"))

    return Target(6, seeds, read)


def a_run(folder: Path) -> Path:
    """Three dates of one ship, with a zone."""

    def seen() -> Iterable[Any]:
        for day in range(3):
            path = folder / f"a{day}_2026-09-0{day + 1}.tif"
            write_raster(path, gradient(400, 300) + np.uint8(day), transform=utm_transform())
            with open_scene(path) as scene:
                info = scene.info
                ships = [
                    (SHIP, 100.0, 60.0, 80.0, 12.0, 0.0),
                    (STACK, 150.0, 160.0, 24.0, 10.0, 0.0),
                ]
                yield (
                    scene,
                    make_detections(
                        ships,
                        scene_id=info.scene_id,
                        acquired=ACQUIRED.replace(day=day + 1),
                        transform=info.transform,
                    ),
                )

    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    return write_run(out, ZONES, seen(), ModelUse("a", "0" * 64, True, "f"), {"version": "1"})


def _each(read: Callable[[Path], object]) -> Callable[[list[Path]], object]:
    return lambda folders: [read(folder) for folder in folders]


def _typed(read: Callable[[Any], object], argument: object) -> None:
    """Our own error of one reader must not keep the next from its turn."""
    with suppress(QuaywatchError):
        read(argument)
