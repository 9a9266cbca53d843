"""`detector demo`: the main job on rendered scenes, with the truth beside the counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.command import EXIT_DONE, Command
from detector.cli.console import make_progress
from detector.config.logging import configure_logging, log_to_file
from detector.files import held_folder
from detector.options import option

if TYPE_CHECKING:
    import pandas as pd

    from detector.prediction.settings import RunSummary
    from detector.progress import Progress
    from detector.rendering import RenderedScene, Story, TruthObject

DESCRIPTION = """
Renders two sites on eight dates each, a port and a railhead, and runs `detector predict` on them as
on any scenes: ships and container stacks are found, counted for each zone, and written with
pictures. `detector activity` and `detector report` then say what happened over the dates, on one
page. Since the scenes are rendered, the true numbers are known and stand beside the counts. The
last date of the railhead is reviewed by them, as a person would (see `detector review`).
"""
NOTE = (
    "These scenes are rendered: a program drew every ship and container in them. What was found in "
    "them says nothing of real ports, nor of how well real scenes are read."
)

REVIEWER = "the rendered truth"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """Everything `detector demo` can be told."""

    out: str = option("folder of the scenes and the results", path=True)
    seed: int = option("another seed is another story", low=0)
    quiet: bool = option("no progress, only the result")


def run(config: DemoConfig) -> int:
    """Render the story, count it, print the counts beside the truth."""
    from detector.cli.summary import print_table
    from detector.rendering import demo_story

    configure_logging("text", quiet=True)
    progress = make_progress("text", quiet=config.quiet)
    story = demo_story(config.seed)
    with held_folder(Path(config.out), mark=False) as out, log_to_file(out / "demo.log"):
        looks = _write_scenes(story, out / "scenes", progress)
        summaries = {site: _count(out, site, seen, progress) for site, seen in looks.items()}
        site, seen = list(looks.items())[-1]
        _review(out, site, seen[-1], summaries[site])
        page = _report(out, list(looks), progress)
    for site, summary in summaries.items():
        print(f"\n{site}: found (true number) on each date")
        print_table(site_table(looks[site], summary))
    first = next(iter(summaries.values()))
    print(f"\nTables, maps and pictures: {out / 'results'}/<site>/")
    print(f"Look at {first.out / first.records[0].scene_id / 'overlay.png'}")
    print(f"What happened at the sites, on one page: {page}")
    print("Rendered scenes: what is counted here says nothing of real ones; see docs/accuracy.md.")
    return EXIT_DONE


@dataclass(frozen=True, slots=True)
class DemoLook:
    """One date of a site: the raster and the true numbers of what can be seen on it."""

    path: Path
    ships: int
    stacks: int
    truth: tuple[TruthObject, ...] = ()


def _write_scenes(story: Story, folder: Path, progress: Progress) -> dict[str, list[DemoLook]]:
    """Render and write the scenes of each site, in order of time."""
    from detector.classes import PORT
    from detector.rendering import count_truth

    looks: dict[str, list[DemoLook]] = {}
    total = sum(len(site.looks) for site in story.sites)
    with progress.task("rendering scenes", total, "scenes") as task:

        def keep(site: str, scene: RenderedScene, path: Path) -> None:
            numbers = [count_truth(scene.truth, class_id) for class_id in range(len(PORT))]
            looks.setdefault(site, []).append(DemoLook(path, numbers[0], numbers[1], scene.truth))
            task.advance(1)

        story.write(folder, keep)
    return looks


def _count(out: Path, site: str, looks: list[DemoLook], progress: Progress) -> RunSummary:
    from detector.models.detector import DetectorSettings
    from detector.prediction.batch import predict_paths
    from detector.prediction.settings import BatchSettings

    settings = BatchSettings(
        paths=tuple(str(look.path) for look in looks),
        out=out / "results" / site,
        detector=DetectorSettings(weights=default_weights()),
        zones=str(out / "scenes" / f"{site}.geojson"),
        overwrite=True,
    )
    return predict_paths(settings, progress)


def _review(out: Path, site: str, look: DemoLook, summary: RunSummary) -> None:
    """Review the last date of a site as somebody would who knows what was rendered."""
    import numpy as np

    from detector.classes import PORT
    from detector.rendering.truth import truth_classes, truth_corners
    from detector.reviewing.answers import Answers, review_by_truth
    from detector.reviewing.corrected import write_corrected
    from detector.reviewing.runs import ReviewedRun

    names = [PORT.names[i] for i in truth_classes(look.truth)]
    counts = np.array([item.counts for item in look.truth], np.bool_)
    answers = Answers(truth_corners(look.truth), names, counts)
    folder = out / "results" / site
    review = review_by_truth(folder, summary.records[-1].scene_id, answers, REVIEWER)
    write_corrected(review, ReviewedRun.read(folder))


def _report(out: Path, sites: list[str], progress: Progress) -> Path:
    """Find the activity of the sites and make the page of it."""
    from detector.activity.looks.runs import read_runs
    from detector.activity.looks.sites import read_site
    from detector.activity.options import ActivityConfig
    from detector.activity.pictures.stack_pictures import write_differences
    from detector.api.activities import activity_of
    from detector.config.compose import load_config
    from detector.report.publish import ReportSettings, make_report
    from detector.report.sources import record_inputs

    files = [_site_file(out / "scenes", site) for site in sites]
    runs = [str(out / "results" / site) for site in sites]
    found, read = [read_site(path) for path in files], read_runs(runs)
    activity = activity_of(found, read, load_config("activity", ActivityConfig, []))
    write_differences(activity.tables, found, read.scenes, out / "activity")
    activity.write(out / "activity")
    record_inputs(out / "activity", files, runs)
    report = ReportSettings(activity=out / "activity", out=out / "report", note=NOTE)
    return make_report(report, progress).page


def _site_file(folder: Path, site: str) -> Path:
    from detector.files import atomic_path

    path = folder / f"{site}.yaml"
    text = f"name: {site}\nzones: {site}.geojson\ntime_zone: Asia/Vladivostok\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def site_table(looks: list[DemoLook], summary: RunSummary) -> pd.DataFrame:
    """One row a date: what was found in the whole scene, what is there, how much was seen.

    Args:
        looks: of one site, in order of time.
        summary: of the run over them.
    """
    import pandas as pd

    rows = []
    for look, record in zip(looks, summary.records, strict=True):
        rows.append(
            {
                "date": record.when.day_words,
                "ships": f"{record.ships} ({look.ships})",
                "stacks": f"{record.container_stacks} ({look.stacks})",
                "observed": f"{100 * (record.observed_fraction or 0.0):.0f} %",
                "scene": record.scene_id,
            }
        )
    return pd.DataFrame(rows)


def default_weights() -> str:
    """The weights that `detector predict` uses."""
    from detector.config.compose import load_config
    from detector.prediction.options import PredictConfig

    return load_config("predict", PredictConfig, []).model.weights


COMMAND = Command(
    name="demo",
    summary="the main job on rendered port scenes, with the truth beside it",
    description=DESCRIPTION,
    config="demo",
    schema=DemoConfig,
    run=run,
    examples=(("detector demo out=demo", "render, find, count"),),
)
