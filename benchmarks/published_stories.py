"""Ten rendered stories for `benchmarks.published`, and how one becomes a published page."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from numpy.typing import NDArray

from detector.activity.looks.runs import read_runs
from detector.activity.looks.sites import read_site
from detector.activity.options import ActivityConfig
from detector.activity.pictures.stack_pictures import write_differences
from detector.api.activities import activity_of
from detector.config.compose import load_config
from detector.models.backends import Reading
from detector.models.detector import Detector, DetectorSettings, find_weights
from detector.prediction.batch import BatchSettings, predict_paths
from detector.rendering import PlaceSpec, PortSpec, SensorSpec, Story, tell_chain
from detector.rendering.demo import DEMO_PORT, DEMO_RAILHEAD
from detector.rendering.spec import LayoutSpec, SkySpec, TrafficSpec
from detector.report.publish import ReportSettings, make_report
from detector.report.sources import record_inputs

FIRST_SEED = 7_100  # of the ten; no other benchmark, test or training set draws from here on
PORT = replace(DEMO_PORT, width=1300, height=1100)
RAILHEAD = replace(DEMO_RAILHEAD, width=1300, height=900)
ANCHORAGE = replace(
    DEMO_PORT,
    name="roads",
    width=1300,
    height=1100,
    layout=LayoutSpec(["natural", "general"], 470.0, 8.0, 0.25),
    traffic=TrafficSpec(anchored_per_km2=14.0, under_way_per_km2=3.0, boats_per_km2=6.0),
)
HIDDEN = ".unseen"  # ending of a cloud mask that the files' readers do not know of
DAYS = (0.0, 4.0, 9.0, 15.0)


@dataclass(frozen=True, slots=True)
class StoryPlan:
    """What decides a story.

    Attributes:
        name: of the story.
        specs: of its sites.
        days: after the start, ascending.
        clouds: cloud fraction of every date; empty: a clear sky.
        time_zone: of its sites; decides which day a look is.
        sky: fields of `SkySpec` that hold on every date.
        masked: whether files tell where clouds are.
    """

    name: str
    specs: tuple[PortSpec, ...]
    days: tuple[float, ...] = DAYS
    clouds: tuple[float, ...] = ()
    time_zone: str = "Asia/Vladivostok"
    sky: dict[str, float] = field(default_factory=dict)
    masked: bool = True

    def tell(self, seed: int) -> Story:
        """The story of a seed."""
        clouds = self.clouds or (0.0,) * len(self.days)
        story = tell_chain(self.specs, seed, self.days, clouds)
        if not self.sky:
            return story
        sites = tuple(
            replace(site, looks=tuple(replace(look, spec=self._lit(look.spec)) for look in looks))
            for site in story.sites
            for looks in [site.looks]
        )
        return replace(story, sites=sites)

    def _lit(self, spec: PortSpec) -> PortSpec:
        sky: SkySpec = replace(spec.sky, **self.sky)  # type: ignore[arg-type]
        return replace(spec, sky=sky)


def _seen_by(spec: PortSpec, **sensor: Any) -> PortSpec:
    """The place seen by another sensor."""
    return replace(spec, sensor=SensorSpec(**sensor))


STORIES = (
    StoryPlan("port", (PORT,), (0, 4, 9, 13, 18)),
    StoryPlan("port and railhead", (PORT, RAILHEAD), (0, 4, 9, 13, 18, 22)),
    StoryPlan("anchorage", (ANCHORAGE,), time_zone="America/Los_Angeles"),
    StoryPlan("clouds", (PORT,), (0, 4, 9, 13, 18), (0.35, 0.0, 0.25, 0.6, 0.1)),
    StoryPlan("clouds untold", (PORT,), DAYS, (0.0, 0.3, 0.0, 0.15), masked=False),
    StoryPlan("panchromatic", (_seen_by(replace(PORT, gsd_m=0.4), bands="pan", bits=11),)),
    StoryPlan(
        "leaning, low sun",
        (_seen_by(PORT, off_nadir_deg=22.0, view_azimuth_deg=250.0, bits=16),),
        sky={"sun_elevation_deg": 24.0, "haze": 0.15},
    ),
    StoryPlan(
        "coarse",
        (_seen_by(replace(PORT, gsd_m=0.9, width=1100, height=900), blur_px=0.8, noise=4.0),),
    ),
    StoryPlan(
        "cut",
        (
            _seen_by(
                replace(
                    PORT,
                    width=1000,
                    height=800,
                    place=PlaceSpec("EPSG:32633", 13.7, 45.6),
                    layout=LayoutSpec(["container", "bulk"], 420.0, 71.0, 0.45),
                ),
                nodata_fraction=0.18,
                strip_seam=True,
            ),
        ),
        time_zone="Europe/Rome",
    ),
    StoryPlan(
        "railhead",
        (
            replace(
                RAILHEAD, name="depot", layout=LayoutSpec(["railhead", "depot"], 560.0, 23.0, 0.5)
            ),
        ),
        clouds=(0.0, 0.0, 0.2, 0.0),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Published:
    """A story as it was published.

    Attributes:
        plan: what decided it.
        seed: of the story.
        story: with its truth.
        rasters: the first of each site; beside it and above lies the truth.
        folder: `results/<site>/`, `activity/`, `report/`.
    """

    plan: StoryPlan
    seed: int
    story: Story
    rasters: dict[str, Path]
    folder: Path


def publish(plan: StoryPlan, seed: int, cache: Path, weights: str) -> Published:
    """Render, predict, trace and report a story; what is in the cache is not done again.

    Scenes are kept by what decides them and by the renderer's code, the network's boxes by the
    pixels of each tile; everything else is made anew by the code as it is.

    Args:
        plan: of the story.
        seed: of it.
        cache: folder.
        weights: name of shipped weights, or path.
    """
    story = plan.tell(seed)
    folder = cache / f"{plan.name.replace(', ', '_').replace(' ', '_')}-{seed}"
    scenes = render_once(plan, seed, story, cache)
    with remembered_tiles(cache / "tiles", weights):
        for site, paths in scenes.items():
            settings = BatchSettings(
                paths=tuple(map(str, paths)),
                out=folder / "results" / site,
                detector=DetectorSettings(weights=weights, threads=1),
                zones=str(paths[0].parents[1] / f"{site}.geojson"),
                overwrite=True,
            )
            predict_paths(settings)
    report(folder, plan, scenes, weights)
    return Published(plan, seed, story, {site: paths[0] for site, paths in scenes.items()}, folder)


def report(
    folder: Path, plan: StoryPlan, scenes: dict[str, list[Path]], weights: str | None = None
) -> None:
    """Activity and page of the runs in `folder/results`, with the options' defaults."""
    files = []
    for site, paths in scenes.items():
        files.append(folder / f"{site}.yaml")
        zones = (paths[0].parents[1] / f"{site}.geojson").resolve()
        content = {"name": site, "zones": str(zones), "time_zone": plan.time_zone}
        files[-1].write_text(yaml.safe_dump(content), encoding="utf-8")
    runs = [str(folder / "results" / site) for site in scenes]
    found, read = [read_site(path) for path in files], read_runs(runs)
    chosen = [f"weights={weights}"] if weights else []
    activity = activity_of(found, read, load_config("activity", ActivityConfig, chosen))
    write_differences(activity.tables, found, read.scenes, folder / "activity")
    activity.write(folder / "activity")
    record_inputs(folder / "activity", files, runs)
    make_report(ReportSettings(folder / "activity", folder / "report", charts=False))


def render_once(plan: StoryPlan, seed: int, story: Story, cache: Path) -> dict[str, list[Path]]:
    """Rasters of each site in order of time, written where no earlier run has."""
    told = f"{plan} {seed} {_renderer()}"
    folder = cache / "scenes" / hashlib.sha256(told.encode()).hexdigest()[:16]
    done = folder / "scenes.json"
    if not done.is_file():
        written: dict[str, list[str]] = {}

        def keep(site: str, _: Any, path: Path) -> None:
            written.setdefault(site, []).append(path.relative_to(folder).as_posix())

        story.write(folder, keep)
        if not plan.masked:
            for path in folder.rglob("*_cloud.tif"):
                path.rename(path.with_suffix(HIDDEN))
            for path in folder.glob("*/*.json"):
                _forget_clouds(path)
        done.write_text(json.dumps(written), encoding="utf-8")
    content = json.loads(done.read_text(encoding="utf-8"))
    return {site: [folder / name for name in names] for site, names in content.items()}


def _forget_clouds(path: Path) -> None:
    """Take what is known of clouds out of a scene's STAC item."""
    item = json.loads(path.read_text(encoding="utf-8"))
    item["assets"].pop("cloud", None)
    item["properties"].pop("eo:cloud_cover", None)
    path.write_text(json.dumps(item), encoding="utf-8")


def _renderer() -> str:
    """Hash of the renderer's code."""
    import detector.rendering

    digest = hashlib.sha256()
    for path in sorted(Path(detector.rendering.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def remembered_tiles(folder: Path, weights: str) -> Iterator[None]:
    """While it lasts, detectors look up what they read in tiles that they have read before."""
    folder.mkdir(parents=True, exist_ok=True)
    network = hashlib.sha256(find_weights(weights).read_bytes()).hexdigest()
    forward = Detector.forward

    def remembered(self: Detector, tiles: NDArray[np.uint8]) -> Reading:
        found = []
        for tile in tiles:
            digest = hashlib.sha256(network.encode() + self.tile_conf.tobytes() + tile.tobytes())
            path = folder / f"{digest.hexdigest()}.pkl"
            if not path.is_file():
                boxes = forward(self, tile[None]).boxes(self.tile_conf)[0]
                path.write_bytes(pickle.dumps(boxes))
            found.append(pickle.loads(path.read_bytes()))  # noqa: S301 - written here
        return Reading.of(found)

    with patch.object(Detector, "forward", remembered):
        yield


def seeds(stories: Sequence[StoryPlan], first: int = FIRST_SEED) -> list[int]:
    """One seed a story."""
    return [first + at for at in range(len(stories))]
