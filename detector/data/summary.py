"""What a labelled dataset holds, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.data.labelled import Fault, LabelledImage, Labelling
from detector.geometry.boxes import edge_lengths

QUANTILES = (0.05, 0.5, 0.95)
FAULTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """One class of one source.

    Attributes:
        source: name of the dataset.
        name: of the class; `ship (axis-aligned)` for envelopes.
        images: that hold at least one.
        boxes: number of them.
        places: that hold at least one.
        length_px: its 5 %, 50 % and 95 % quantiles in pixels; NaN without boxes.
        length_m: the same in metres, of images of known gsd.
    """

    source: str
    name: str
    images: int
    boxes: int
    places: int
    length_px: tuple[float, ...]
    length_m: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DataSummary:
    """A dataset in numbers.

    Attributes:
        images: number of images, by source.
        places: number of places, by source.
        gsd_known: images whose gsd is known.
        gsd_m: smallest, median and largest known gsd; NaN without any.
        labelling: images by source, class and what the labels say of it.
        classes: one row for each class of each source.
        faults: annotations and files that could not be used, and notes.
    """

    images: dict[str, int]
    places: dict[str, int]
    gsd_known: int
    gsd_m: tuple[float, float, float]
    labelling: dict[tuple[str, str, str], int]
    classes: tuple[ClassSummary, ...]
    faults: tuple[Fault, ...]


def summarise(images: Sequence[LabelledImage], faults: Sequence[Fault]) -> DataSummary:
    """Count a dataset.

    Args:
        images: of it.
        faults: all that could not be used, and notes.
    """
    sources = sorted({image.source for image in images})
    gsds = np.array([image.gsd_m for image in images if image.gsd_m is not None])
    labelling: Counter[tuple[str, str, str]] = Counter()
    for image in images:
        for name, state in zip(image.classes.names, image.labelling, strict=True):
            labelling[image.source, name, state.value] += 1
    spread = (float(gsds.min()), float(np.median(gsds)), float(gsds.max())) if len(gsds) else None
    return DataSummary(
        images=dict(Counter(image.source for image in images)),
        places={s: len({i.place for i in images if i.source == s}) for s in sources},
        gsd_known=len(gsds),
        gsd_m=spread or (np.nan, np.nan, np.nan),
        labelling=dict(labelling),
        classes=tuple(
            row for s in sources for row in _classes([i for i in images if i.source == s], s)
        ),
        faults=tuple(faults),
    )


def to_text(summary: DataSummary) -> str:
    """The summary as tables for people."""
    low, middle, high = summary.gsd_m
    lines = [
        f"{sum(summary.images.values())} images of {sum(summary.places.values())} places; gsd "
        + (
            f"known for {summary.gsd_known}: {low:g} to {high:g} m, median {middle:g} m"
            if summary.gsd_known
            else "unknown"
        ),
        "",
        f"{'source':<22}{'class':<22}{'images':>7}{'places':>7}{'boxes':>7}"
        f"{'length px 5/50/95 %':>22}{'length m 5/50/95 %':>22}",
    ]
    for row in summary.classes:
        lines.append(
            f"{row.source:<22}{row.name:<22}{row.images:>7}{row.places:>7}{row.boxes:>7}"
            f"{_quantiles(row.length_px):>22}{_quantiles(row.length_m):>22}"
        )
    lines += ["", f"{'source':<22}{'class':<22}{'labels say':<14}{'images':>7}"]
    for (source, name, state), count in sorted(summary.labelling.items()):
        lines.append(f"{source:<22}{name:<22}{state:<14}{count:>7}")
    lost = [fault for fault in summary.faults if not fault.note]
    lines += ["", f"{len(lost)} annotations or files could not be used"]
    lines += [f"  {line}" for line in listed(lost)]
    return "\n".join([*lines, *(str(fault) for fault in summary.faults if fault.note)])


def listed(items: Sequence[object]) -> list[str]:
    """The first items as lines, and a line that says how many more there are."""
    lines = [str(item) for item in items[:FAULTS_SHOWN]]
    more = len(items) - FAULTS_SHOWN
    return [*lines, f"and {more} more"] if more > 0 else lines


def _classes(images: Sequence[LabelledImage], source: str) -> list[ClassSummary]:
    rows = []
    classes = images[0].classes
    for class_id, name in enumerate(classes.names):
        boxes = [image.corners[image.class_ids == class_id] for image in images]
        rows.append(_row(source, name, images, boxes))
    boxed = classes.boxable
    if boxed is not None and any(Labelling.ENVELOPE in image.labelling for image in images):
        boxes = [image.envelopes for image in images]
        rows.append(_row(source, f"{classes.names[boxed]} (axis-aligned)", images, boxes))
    return [row for row in rows if row.boxes]


def _row(
    source: str,
    name: str,
    images: Sequence[LabelledImage],
    boxes: Sequence[NDArray[np.float64]],
) -> ClassSummary:
    holders = [image for image, found in zip(images, boxes, strict=True) if len(found)]
    lengths = [edge_lengths(found)[0] for found in boxes]
    metres = [
        length * image.gsd_m
        for image, length in zip(images, lengths, strict=True)
        if image.gsd_m is not None
    ]
    return ClassSummary(
        source=source,
        name=name,
        images=len(holders),
        boxes=sum(len(found) for found in boxes),
        places=len({image.place for image in holders}),
        length_px=_spread(lengths),
        length_m=_spread(metres),
    )


def _spread(parts: Sequence[NDArray[np.float64]]) -> tuple[float, ...]:
    values = np.concatenate(parts) if parts else np.zeros(0)
    if not len(values):
        return (np.nan,) * len(QUANTILES)
    return tuple(float(value) for value in np.quantile(values, QUANTILES))


def _quantiles(values: tuple[float, ...]) -> str:
    return "-" if np.isnan(values).any() else " / ".join(f"{value:.0f}" for value in values)
