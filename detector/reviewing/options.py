"""What `detector review` can be told: types, ranges and one line of help for every option.

The defaults stand in `conf/review_*.yaml`. Nothing heavy is imported here, so that the help comes
at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detector.options import option

CONFLICTS: Final = ("refuse", "newest")
SIDES: Final = ("auto", "train", "dev")


KINDS: Final = ("qgis", "label-studio", "cvat", "coco", "yolo-obb", "dota")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewExportConfig:
    """Everything `detector review export` can be told."""

    run: str = option("folder that detector predict wrote", path=True)
    out: str = option("folder of the export", path=True)
    format: str = option("of the tool that people look with", choices=KINDS)
    sample: str = option(
        "random: measures precision and recall; uncertain: what changes the sentences most; "
        "changed: what came and went; zone:NAME: all of a zone"
    )
    number: int = option("pictures at most; 0: all that the sample has", low=0, high=100_000)
    side_px: int = option("longest side of a picture; 0: whole scenes", low=0, high=4096)
    seed: int = option("of chance", low=0)
    sites: list[str] = option("site files, for sample=uncertain", path=True)
    activity: str = option("folder of detector activity, for sample=changed", path=True)
    quiet: bool = option("no progress, only the result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewImportConfig:
    """Everything `detector review import` can be told."""

    paths: list[str] = option(
        "files that people left; none: the GeoPackages of the run that were edited", path=True
    )
    run: str = option("folder that detector predict wrote", path=True)
    who: str = option("who looked, where a file does not say; kept with the review")
    conflicts: str = option(
        "two people who contradict: refuse names them, newest takes who looked last",
        choices=CONFLICTS,
    )
    export: str = option("folder of the export; empty: that of each file, or one above", path=True)
    whole: bool = option("every picture of the files was looked at as a whole")
    labels: str = option(
        "folder that gets what was looked at as labels for detector train; empty: none", path=True
    )
    side: str = option("side of the split of new places; auto holds out one of five", choices=SIDES)
