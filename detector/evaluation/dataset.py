"""From labelled and rendered images to the truth that is scored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.data.labelled import LabelledImage, Labelling
from detector.data.sources import PARTLY_BOXED_SHIPS, complete_above_px
from detector.evaluation.truth import ANY_CLASS, EvalImage, EvaluationError, Measure
from detector.files import make_folder
from detector.geometry.boxes import as_corners, order_corners
from detector.geometry.geodesy import apply_transform
from detector.geometry.rectangles import clip_to_window
from detector.rendering.scene import RenderedScene, render
from detector.rendering.validation import validation_specs
from detector.rendering.write import write_scene

MEASURE_OF: Final = {
    Labelling.ORIENTED: Measure.POLYGON,
    Labelling.NONE: Measure.POLYGON,
    Labelling.ENVELOPE: Measure.ENVELOPE,
    Labelling.UNLABELLED: Measure.NONE,
}
OUTSIDE_TOLERANCE: Final = 1e-6  # of a box's area beyond the image, by rounding


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images to evaluate with their files.

    Attributes:
        images: the truth.
        paths: of the image files, in the same order.
        clipped: true objects that reached beyond their image and were clipped to it.
        outside: true objects wholly outside their image, left out.
    """

    images: list[EvalImage]
    paths: list[Path]
    clipped: int
    outside: int

    def take(self, chosen: Sequence[int]) -> Dataset:
        """Some of the images, by their positions; what was clipped is told of all."""
        images, paths = [self.images[i] for i in chosen], [self.paths[i] for i in chosen]
        return Dataset(images, paths, self.clipped, self.outside)


def labelled_dataset(labelled: Iterable[LabelledImage]) -> Dataset:
    """The truth of labelled images.

    Args:
        labelled: of any reader.

    Raises:
        EvaluationError: no images, or a label line that cannot be used.
    """
    images: list[EvalImage] = []
    paths: list[Path] = []
    clipped = outside = 0
    for item in labelled:
        if item.faults:
            more = f" and {len(item.faults) - 1} more" if len(item.faults) > 1 else ""
            raise EvaluationError(
                f"{item.faults[0]}{more}; truth with holes would make the detector look wrong, "
                "so mend the label file"
            )
        image, cut, gone = _image(item)
        images.append(image)
        paths.append(item.image)
        clipped, outside = clipped + cut, outside + gone
    if not images:
        raise EvaluationError("no images to evaluate; check data= and split=")
    return Dataset(images, paths, clipped, outside)


def rendered_dataset(folder: Path, scenes: int, classes: ClassSet = PORT) -> Dataset:
    """The rendered validation set, or its first scenes, with their zones.

    Args:
        folder: where the scenes are written.
        scenes: how many at most.
        classes: of the network that is measured.
    """
    make_folder(folder)
    images: list[EvalImage] = []
    paths: list[Path] = []
    for number, (spec, seed) in enumerate(validation_specs()[:scenes]):
        scene = render(spec, seed)
        path = folder / f"validation-{number:02d}.tif"
        write_scene(scene, path)
        images.append(rendered_image(scene, path.stem, classes))
        paths.append(path)
    return Dataset(images, paths, 0, 0)


def rendered_image(scene: RenderedScene, name: str, classes: ClassSet = PORT) -> EvalImage:
    """The truth of a rendered scene: what a perfect counter counts.

    What is in doubt or hardly visible is ignored. Deck cargo is not: to call it a stack is wrong.

    Args:
        scene: rendered, with its zones.
        name: of the image and its place.
        classes: of the network that is measured; nothing is known of those that are not rendered.
    """
    ids = PORT.ids_in(classes)
    truth = [item for item in scene.truth if ids[item.class_id] >= 0]
    counted = [item for item in truth if item.counts]
    ignored = [item for item in truth if not item.counts and not item.on_ship and item.visible > 0]
    height, width = scene.valid.shape
    corners, share = clip_to_window(
        as_corners([item.corners for item in counted]), (0, 0, width, height)
    )
    return EvalImage(
        name=name,
        source="rendered",
        place=name,
        width=width,
        height=height,
        gsd_m=scene.spec.gsd_m,
        corners=order_corners(corners[share > 0]),
        class_ids=np.array([ids[item.class_id] for item in counted], np.int64)[share > 0],
        ignored=as_corners([item.corners for item in ignored]),
        ignored_class_ids=np.array([ids[item.class_id] for item in ignored], np.int64),
        measures=tuple(
            Measure.POLYGON if name in PORT.names else Measure.NONE for name in classes.names
        ),
        complete_above_px=(0.0,) * len(classes),
        classes=classes,
        zones=tuple(_pixel_zones(scene)),
        water=scene.water,
    )


def check_scored(images: Sequence[EvalImage]) -> list[str]:
    """One sentence for each class that has no true object in any image.

    Raises:
        EvaluationError: no class has.
    """
    names = images[0].classes.names
    missing = [
        name
        for class_id, name in enumerate(names)
        if not any((image.class_ids == class_id).any() for image in images)
    ]
    if len(missing) == len(names):
        raise EvaluationError(
            f"none of the {len(images)} images holds a true object; there is nothing to score"
        )
    return [f"no image holds a true {name}: it has false alarms only" for name in missing]


def _image(item: LabelledImage) -> tuple[EvalImage, int, int]:
    measures = _measures(item)
    corners = np.concatenate([item.corners, item.envelopes])
    boxed = item.classes.boxable
    ships = np.full(len(item.envelopes), -1 if boxed is None else boxed, np.int64)
    class_ids = np.concatenate([item.class_ids, ships])
    scored = np.isin(class_ids, [i for i, m in enumerate(measures) if m is not Measure.NONE])
    corners, class_ids = corners[scored], class_ids[scored]
    cut, share = clip_to_window(corners, (0, 0, item.width, item.height))
    inside = share > 0
    ids = item.ignored_class_ids
    image = EvalImage(
        name=item.image.name,
        source=item.source,
        place=item.place,
        width=item.width,
        height=item.height,
        gsd_m=item.gsd_m,
        corners=order_corners(cut[inside]),
        class_ids=class_ids[inside],
        measures=measures,
        ignored=item.ignored,
        ignored_class_ids=np.full(len(item.ignored), ANY_CLASS) if ids is None else ids,
        complete_above_px=complete_above_px(item.source, item.classes),
        classes=item.classes,
    )
    beyond = inside & (share < 1 - OUTSIDE_TOLERANCE)
    return image, int(beyond.sum()), int((~inside).sum())


def _measures(item: LabelledImage) -> tuple[Measure, ...]:
    measures = [MEASURE_OF[state] for state in item.labelling]
    boxed = item.classes.boxable
    if (
        boxed is not None
        and measures[boxed] is Measure.ENVELOPE
        and item.source in PARTLY_BOXED_SHIPS
    ):
        measures[boxed] = Measure.NONE
    return tuple(measures)


def _pixel_zones(scene: RenderedScene) -> list[shapely.Polygon]:
    def to_pixel(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return apply_transform(~scene.transform, points)

    return [shapely.transform(zone, to_pixel) for zone in scene.zones.geometry]
