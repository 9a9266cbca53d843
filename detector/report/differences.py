"""Difference pictures of an activity, as they stand in the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from detector.files import is_file
from detector.report.pictures import encode

LARGEST_BYTES: Final = 60_000  # of one
LEAST_BYTES: Final = 8_000  # less shows nothing: fewer pictures then


@dataclass(frozen=True, slots=True)
class Difference:
    """Two looks of a zone in one picture.

    Attributes:
        zone: name.
        span: the two dates in words.
        src: `data:` URI.
        width: of the file that it was made of, pixels.
        height: the same.
    """

    zone: str
    span: str
    src: str
    width: int
    height: int


def site_differences(
    site: Mapping[str, Any], folder: Path, budget_bytes: float
) -> tuple[list[Difference], list[str]]:
    """The difference pictures of a site in order of time, and which could not be shown.

    Args:
        site: of the report's document.
        folder: of the activity; a picture is looked for in it and nowhere else.
        budget_bytes: of all pictures.
    """
    named = {row["picture"]: row for row in site["stack_changes"] if row.get("picture")}
    most = int(budget_bytes // LEAST_BYTES)
    remarks = []
    if len(named) > most:
        remarks.append(f"{most} of {len(named)} difference pictures of {site['name']} are shown")
    each = int(min(budget_bytes / max(len(named), 1), LARGEST_BYTES))
    shown = []
    for name, row in list(named.items())[:most]:
        path = (folder / name).resolve()
        inside = path.is_relative_to(folder.resolve()) and is_file(path)
        data = np.frombuffer(path.read_bytes(), np.uint8) if inside else np.zeros(0, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        src = (
            encode(np.asarray(image[..., ::-1], np.uint8), max(each, LEAST_BYTES))
            if image is not None
            else ""
        )
        if image is None or not src:
            remarks.append(f"{Path(name).name}: no difference picture that can be read")
            continue
        height, width = image.shape[:2]
        shown.append(Difference(row["zone"], row["span"], src, width, height))
    return shown, remarks
