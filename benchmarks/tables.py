"""Tables for the docs: Markdown, intervals, and putting both where they belong."""

from __future__ import annotations

import re
from pathlib import Path

from scipy.stats import chi2

from detector.evaluation.record import table as markdown

__all__ = ["interval", "markdown", "put"]


def interval(errors: int, objects: int) -> tuple[float, float]:
    """95 % interval (exact Poisson) of a rate of errors, by 1,000 objects."""
    low = chi2.ppf(0.025, 2 * errors) / 2 if errors else 0.0
    high = chi2.ppf(0.975, 2 * errors + 2) / 2
    return 1000 * low / objects, 1000 * high / objects


def put(path: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->` in a document.

    Raises:
        ValueError: the document has no such place.
    """
    document = path.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not place.search(document):
        raise ValueError(f"{path} has no place named {name}")
    changed = place.sub(lambda m: f"{m[1]}{text}\n{m[2]}", document)
    path.write_text(changed, encoding="utf-8")
