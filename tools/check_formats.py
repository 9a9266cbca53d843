"""Let the tools' own libraries read what `detector review export` writes.

They cannot be installed beside this project (they pin other pandas and OpenCV), so this script runs
in an environment of its own and imports nothing of ours:

    python -m venv peers
    peers/bin/pip install datumaro label-studio-sdk
    for kind in coco cvat dota yolo-obb label-studio; do
        detector review export run=RUN format=$kind out=check/$kind
    done
    peers/bin/python tools/check_formats.py check

All exports of one run, sample and seed hold the same boxes in the same order. Those of
`coco/annotations.json`, read as plain JSON, are what every library must find: as many in each
picture, of the same class, no corner further off than 0.05 pixels. datumaro reads COCO, CVAT and
DOTA; it has no reader of YOLO-OBB, so that file is held against what Label Studio's own converter
makes of `tasks.json`. What one of the environments lacks is told and not checked.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FAR_PX: Final = 0.05
Boxes = list[tuple[str, NDArray[np.float64]]]  # class and corners (4, 2), in their order
Pictures = dict[str, Boxes]  # by name without ending


def main(words: Sequence[str] | None = None) -> int:
    """Check a folder of exports; 1 where a library reads something else than was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="holds an export for each format, by its name")
    folder = parser.parse_args(words).folder
    truth = plain_coco(folder / "coco" / "annotations.json")
    total = sum(map(len, truth.values()))
    say(f"written: {total} boxes in {len(truth)} pictures")
    wrong = 0
    for library, kind, read in READERS:
        try:
            told = f"{library} {version(library)}, {kind}"
        except PackageNotFoundError:
            say(f"{library}, {kind}: not installed here, not checked")
            continue
        faults = differences(truth, read(folder))
        wrong += len(faults)
        say(f"{told}: " + ("; ".join(faults) or f"all {total} boxes where they were written"))
    return int(wrong > 0)


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


def differences(truth: Pictures, read: Pictures) -> list[str]:
    """In what two sets of pictures differ, in words; a picture without a box may be left out."""
    faults = [f"{name} is none of the pictures" for name in read.keys() - truth.keys()]
    for name, boxes in truth.items():
        mine = read.get(name, [])
        if len(mine) != len(boxes):
            faults.append(f"{name}: {len(mine)} boxes of {len(boxes)}")
        elif [label for label, _ in mine] != [label for label, _ in boxes]:
            faults.append(f"{name}: other classes")
        else:
            pairs = zip(boxes, mine, strict=True)
            far = max((off_px(one, two) for (_, one), (_, two) in pairs), default=0.0)
            if far > FAR_PX:
                faults.append(f"{name}: a corner is {far:.2f} pixels off")
    return faults


def off_px(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """How far the corners of two boxes `(4, 2)` are apart at most, whichever comes first."""
    turns = [np.roll(two, turn, axis=0) for turn in range(4)]
    return float(min(np.abs(one - turned).max() for turned in turns))


def plain_coco(path: Path) -> Pictures:
    """The boxes of a COCO file, without a library."""
    content = json.loads(path.read_text(encoding="utf-8"))
    names = {one["id"]: one["name"] for one in content["categories"]}
    pictures: dict[int, Boxes] = {one["id"]: [] for one in content["images"]}
    for one in content["annotations"]:
        corners = np.reshape(one["segmentation"][0], (4, 2))
        pictures[one["image_id"]].append((names[one["category_id"]], corners))
    return {Path(one["file_name"]).stem: pictures[one["id"]] for one in content["images"]}


def datumaro_coco(folder: Path) -> Pictures:
    """COCO, as datumaro reads it: polygons of an annotation file in `annotations/`."""
    with tempfile.TemporaryDirectory() as home:
        annotations = Path(home) / "annotations"
        annotations.mkdir()
        text = (folder / "coco" / "annotations.json").read_bytes()
        (annotations / "instances_train.json").write_bytes(text)
        (Path(home) / "images").symlink_to((folder / "coco" / "images").resolve())
        return _datumaro(home, "coco_instances")


def datumaro_cvat(folder: Path) -> Pictures:
    """CVAT for images 1.1."""
    return _datumaro(str(folder / "cvat"), "cvat")


def datumaro_dota(folder: Path) -> Pictures:
    """DOTA: the folder above, since datumaro takes the export's for a subset."""
    return _datumaro(str(folder), "dota")


def _datumaro(path: str, kind: str) -> Pictures:
    from datumaro.components.annotation import AnnotationType  # noqa: PLC0415 - may be lacking
    from datumaro.components.dataset import Dataset  # noqa: PLC0415

    dataset = Dataset.import_from(path, kind)
    labels = dataset.categories()[AnnotationType.label]
    pictures: Pictures = {}
    for item in dataset:
        boxes = pictures.setdefault(Path(item.id).stem, [])
        for one in sorted(item.annotations, key=lambda one: one.id):  # COCO is not read in order
            if one.type in (AnnotationType.label, AnnotationType.bbox):
                continue  # a tag of the picture; the upright bounds that COCO has beside a polygon
            boxes.append((labels[one.label].name, _corners(one)))
    return pictures


def _corners(one: Any) -> NDArray[np.float64]:
    """The corners of a polygon or a turned box of datumaro."""
    points = one.as_polygon() if hasattr(one, "as_polygon") else one.points
    return np.reshape(points, (-1, 2))[:4]


def yolo_obb(folder: Path) -> Pictures:
    """`labels/`, the classes by `data.yaml`'s order, read as its documentation says."""
    content = json.loads((folder / "coco" / "annotations.json").read_text(encoding="utf-8"))
    names = [one["name"] for one in sorted(content["categories"], key=lambda one: one["id"])]
    sizes = {
        Path(one["file_name"]).stem: (one["width"], one["height"]) for one in content["images"]
    }
    return _yolo_lines(folder / "yolo-obb" / "labels", names, sizes)


def label_studio_tasks(folder: Path) -> Pictures:
    """`tasks.json`, as Label Studio's converter writes it for YOLO-OBB."""
    from label_studio_sdk.converter import Converter  # noqa: PLC0415 - may be lacking

    source = folder / "label-studio"
    tasks = json.loads((source / "tasks.json").read_text(encoding="utf-8"))
    sizes = {}
    for number, task in enumerate(tasks, start=1):
        task["id"] = number
        for saved in task["predictions"]:  # as if a person had submitted what was drawn
            saved |= {"id": number, "completed_by": {"email": "a@b.c"}, "was_cancelled": False}
        task["annotations"] = task.pop("predictions")
        task["data"]["image"] = str((source / "images" / task["data"]["name"]).resolve())
        stem = Path(task["data"]["name"]).stem
        sizes[stem] = (task["data"]["width"], task["data"]["height"])
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "tasks.json"
        path.write_text(json.dumps(tasks), encoding="utf-8")
        config = (source / "labelling.xml").read_text(encoding="utf-8")
        converter = Converter(config, str(source), download_resources=False)
        converter.convert_to_yolo(str(path), home, is_dir=False, is_obb=True)
        names = (Path(home) / "classes.txt").read_text(encoding="utf-8").splitlines()
        return _yolo_lines(Path(home) / "labels", names, sizes)


def _yolo_lines(
    labels: Path, names: Sequence[str], sizes: Mapping[str, tuple[int, int]]
) -> Pictures:
    pictures: Pictures = {}
    for path in sorted(labels.glob("*.txt")):
        boxes = pictures.setdefault(path.stem, [])
        for line in path.read_text(encoding="utf-8").splitlines():
            number, *shares = line.split()
            corners = np.reshape([float(share) for share in shares], (4, 2)) * sizes[path.stem]
            boxes.append((names[int(number)], corners))
    return pictures


READERS: Sequence[tuple[str, str, Callable[[Path], Pictures]]] = (
    ("datumaro", "COCO", datumaro_coco),
    ("datumaro", "CVAT for images 1.1", datumaro_cvat),
    ("datumaro", "DOTA", datumaro_dota),
    ("label-studio-sdk", "tasks.json to YOLO-OBB", label_studio_tasks),
    ("numpy", "our YOLO-OBB labels, read as documented", yolo_obb),
)

if __name__ == "__main__":
    sys.exit(main())
