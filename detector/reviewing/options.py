"""What `detector review` can be told: types, ranges and one line of help for every option.

The defaults stand in `conf/review_*.yaml`. Nothing heavy is imported here, so that the help comes
at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detector.options import option

CONFLICTS: Final = ("refuse", "newest")


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
