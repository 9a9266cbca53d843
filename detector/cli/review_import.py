"""`detector review import`: what people left in files becomes the review of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.command import EXIT_DONE, Command
from detector.errors import ConfigError
from detector.reviewing.options import ReviewImportConfig

if TYPE_CHECKING:
    from detector.reviewing.importing import Imported, ImportSettings

DESCRIPTION = """
Reads what people said of the boxes of a run, and makes it the run's review: review.json in its
folder, with who and when. FILES are what a tool saved: Label Studio's JSON, CVAT's XML or archive,
a COCO JSON, a folder of YOLO-OBB or DOTA labels, a GeoPackage, or what the review mode of the
report saved. Without any, the GeoPackages of the run that were edited in QGIS are read: verdicts,
comments, boxes that were deleted, moved, drawn or given another class, and the zones that somebody
looked at as a whole. `detector activity` and `detector report` then use the corrections, and say
so. A file that cannot be used leaves everything as it was.
"""


def run(config: ReviewImportConfig) -> int:
    """Read the files, write the review, say what it changes.

    Raises:
        QuaywatchError: a file cannot be used; nothing is written then.
    """
    if not config.run:
        raise ConfigError("no run: name the folder of detector predict with run=FOLDER")
    from detector.reviewing.importing import import_reviews

    settings = import_settings(config)
    done = import_reviews(settings)
    for line in (*summary(done, settings.run), *scores(done, settings.run)):
        print(line)
    print(corrected(done, settings.run))
    if config.labels:
        print(labels(done, settings.run, Path(config.labels), config.side))
    return EXIT_DONE


def import_settings(config: ReviewImportConfig) -> ImportSettings:
    """The options as the import's own settings."""
    from detector.reviewing.importing import ImportSettings

    return ImportSettings(
        run=Path(config.run),
        files=tuple(map(Path, config.paths)),
        who=" ".join(config.who.split()),
        conflicts="newest" if config.conflicts == "newest" else "refuse",
        export=Path(config.export) if config.export else None,
        whole=config.whole,
    )


def summary(done: Imported, folder: Path) -> list[str]:
    """What was read and what it changes, line by line."""
    from detector.reviewing.correct import Corrections, count_corrections
    from detector.reviewing.ledger import of_scene
    from detector.wording import counted

    lines = []
    for source in done.new.sources:
        mine = [one for one in done.new.statements if one.source == source.key]
        told = count_corrections(mine)
        who = source.who or "nobody by name"
        lines.append(
            f"{source.file}, {source.picture} ({who}, {source.when}): {told.judged} judged, "
            f"{told.moved} moved, {told.reclassified} given another class, {told.drawn} drawn"
        )
    scenes = [of_scene(done.review, scene_id)[0] for scene_id in done.review.scenes]
    total = sum(map(count_corrections, scenes), Corrections())
    lines.append(
        f"the review of {folder} holds {counted(total.judged, 'judged box', 'judged boxes')} "
        f"({total.real} real, {total.false} false, {total.doubtful} doubtful), {total.moved} "
        f"moved, {total.drawn} drawn, in {counted(len(scenes), 'scene')}; review.json "
        f"{done.review.sha256[:12]}"
    )
    return lines


def corrected(done: Imported, folder: Path) -> str:
    """Write the corrected counts; without the scenes the review holds all the same."""
    from detector.errors import QuaywatchError
    from detector.reviewing.corrected import COUNTS_FILE, write_corrected
    from detector.reviewing.runs import ReviewedRun

    try:
        gone = write_corrected(done.review, ReviewedRun.read(folder))
    except QuaywatchError as error:
        return f"no corrected counts and no containers of changed stacks: {error}"
    told = f"corrected counts in {folder / COUNTS_FILE}"
    if gone:
        told += f"; without {', '.join(gone)}: reviewed, but no longer among the scenes of the run"
    return told


def labels(done: Imported, folder: Path, out: Path, side: str) -> str:
    """Write the labels, and say how many there are."""
    from typing import cast

    from detector.reviewing.labels import Side, write_labels
    from detector.reviewing.runs import ReviewedRun
    from detector.wording import counted

    told = write_labels(done.review, ReviewedRun.read(folder), out, cast(Side, side))
    return (
        f"labels: {counted(told.images['train'], 'image')} to learn from and {told.images['dev']} "
        f"held out, in {told.folder}; detector train data=review data.reviews=[{out}]"
    )


def scores(done: Imported, folder: Path) -> list[str]:
    """Precision and recall by the chips that chance chose, one line a class."""
    from detector.reviewing.runs import ReviewedRun
    from detector.reviewing.score import say_scored, score_sample

    return [say_scored(one) for one in score_sample(done.review, ReviewedRun.read(folder))]


COMMAND = Command(
    name="review import",
    summary="read what people said of the boxes of a run; activity and report then use it",
    description=DESCRIPTION,
    config="review_import",
    schema=ReviewImportConfig,
    run=run,
    paths="FILES…",
    examples=(
        ("detector review import run=runs/najin", "what was edited in QGIS"),
        (
            "detector review import review/project-1.json run=runs/najin who=Ann",
            "what Label Studio exported",
        ),
    ),
)
