"""`detector predict`: scenes in, counts out."""

from __future__ import annotations

from detector.cli.command import EXIT_DONE, Command
from detector.config.schema import PredictConfig

DESCRIPTION = """
Finds ships and container stacks in every scene, each once, and counts them for each scene and, if
zones are given, for each zone. PATHS are scenes in any format that GDAL reads (GeoTIFF, COG, JP2,
PNG, JPEG, VRT, /vsicurl/…), folders (all scenes below them), or .txt files with one path a line.
"""


def run(config: PredictConfig) -> int:
    """Run the pipeline on the scenes of `config`."""
    return EXIT_DONE


COMMAND = Command(
    name="predict",
    summary="find and count ships and container stacks in scenes",
    description=DESCRIPTION,
    config="predict",
    schema=PredictConfig,
    run=run,
    paths="PATHS…",
    examples=(
        (
            "detector predict najin_2023-10-13.tif zones=najin.geojson out=runs/najin",
            "one scene, counted per zone",
        ),
        (
            "detector predict scenes/*.tif more/ list.txt out=runs/x model.conf=0.3 device=cuda:0",
            "many scenes on a GPU, with a threshold of your own",
        ),
        (
            "detector predict port.jpg scene.gsd=0.5 scene.acquired=2024-05-01",
            "a picture without georeference",
        ),
    ),
)
