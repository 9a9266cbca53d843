"""`detector review export`: pictures with boxes drawn, for a person to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.command import EXIT_DONE, Command
from detector.cli.console import make_progress
from detector.config.logging import configure_logging
from detector.errors import ConfigError
from detector.reviewing.options import ReviewExportConfig

if TYPE_CHECKING:
    from detector.reviewing.exporting import ExportSettings

DESCRIPTION = """
Writes what a person is to look at, with the run's boxes drawn: pictures of parts of scenes for
Label Studio, CVAT or a tool of COCO, YOLO-OBB or DOTA, or GeoPackages with a layer of the parts for
QGIS. What sample=random chose measures the network: `detector review import` tells its precision
and recall with intervals. sample=uncertain takes the parts whose boxes would change what is
published most (name the site with sites=), sample=changed those where something came or went, by
the tables of activity=, sample=zone:NAME all of a zone.
"""


def run(config: ReviewExportConfig) -> int:
    """Write the export, say what to do with it.

    Raises:
        QuaywatchError: the run cannot be used, or the folder cannot be written.
    """
    if not config.run:
        raise ConfigError("no run: name the folder of detector predict with run=FOLDER")
    configure_logging("text", quiet=config.quiet)
    from detector.api.reviewing import worth_of_boxes
    from detector.reviewing.exporting import export_review
    from detector.wording import counted

    settings = export_settings(config)
    worth = worth_of_boxes(config.sample, config.sites, Path(config.activity))
    manifest = export_review(settings, worth, make_progress("text", quiet=config.quiet))
    scenes = counted(len(manifest.scenes), "scene")
    print(f"{counted(len(manifest.pictures), 'part')} of {scenes} in {settings.out}")
    print(f"then: detector review import FILES run={config.run}")
    return EXIT_DONE


def export_settings(config: ReviewExportConfig) -> ExportSettings:
    """The options as the export's own settings."""
    from detector.reviewing.exporting import ExportSettings

    return ExportSettings(
        run=Path(config.run),
        out=Path(config.out),
        kind=config.format,
        sample=config.sample,
        number=config.number,
        side_px=config.side_px,
        seed=config.seed,
    )


COMMAND = Command(
    name="review export",
    summary="pictures with boxes drawn, for a person to look at",
    description=DESCRIPTION,
    config="review_export",
    schema=ReviewExportConfig,
    run=run,
    examples=(
        ("detector review export run=runs/najin format=label-studio out=review", "chance chooses"),
        (
            "detector review export run=runs/najin sample=uncertain sites=[najin.yaml] number=20",
            "what would change the sentences most, for QGIS",
        ),
    ),
)
