"""Sheets as Label Studio, CVAT and COCO write them.

Label Studio: tasks with predictions or annotations of `rectanglelabels`, in percent of the picture,
turned clockwise around their first corner (https://labelstud.io/tags/rectanglelabels). CVAT: XML
for images 1.1, boxes turned clockwise around their centres
(https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat). COCO: polygons with `attributes`
(https://cocodataset.org/#format-data). All three keep ids, verdicts and comments.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

import numpy as np

from detector.classes import PORT, ClassSet
from detector.documents import parse_json, parse_xml
from detector.errors import QuaywatchError
from detector.reviewing.errors import ReviewError
from detector.reviewing.sheet import (
    Sheet,
    SheetRow,
    rotated,
    sheet_of,
    sides_and_degrees,
)

PERCENT: Final = 100.0


def write_sheets(kind: str, sheets: Sequence[Sheet]) -> str:
    """Sheets as the text of one file.

    Args:
        kind: key of `FORMATS`.
        sheets: each of another picture.

    Raises:
        ReviewError: no such format.
    """
    return _format(kind)[0](sheets)


def read_sheets(kind: str, text: str, where: str, classes: ClassSet = PORT) -> list[Sheet]:
    """The sheets of a file.

    Args:
        kind: key of `FORMATS`.
        text: of the file.
        where: its name, for errors.
        classes: that are known.

    Raises:
        ReviewError: no such format, or the file is damaged or of another one.
    """
    try:
        return _format(kind)[1](text, classes)
    except ReviewError as error:
        raise ReviewError(f"{where}: {error}") from error
    except (
        *(QuaywatchError, KeyError, ValueError, TypeError, IndexError),
        *(AttributeError, StopIteration),
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReviewError(
            f"{where}: cannot be read as {kind} ({type(error).__name__}: {reason}); export it "
            "again from the tool"
        ) from error


def _label_studio(sheets: Sequence[Sheet]) -> str:
    tasks = [
        {
            "data": {"image": sheet.image, "width": sheet.width, "height": sheet.height},
            "predictions": [{"result": [_rectangle(sheet, i) for i in range(len(sheet.ids))]}],
        }
        for sheet in sheets
    ]
    return json.dumps(tasks, ensure_ascii=False)


def _rectangle(sheet: Sheet, index: int) -> dict[str, Any]:
    (length, across), turn = sides_and_degrees(sheet.corners[index])
    x, y = sheet.corners[index, 0].tolist()
    return {
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": sheet.width,
        "original_height": sheet.height,
        "value": {
            "x": PERCENT * x / sheet.width,
            "y": PERCENT * y / sheet.height,
            "width": PERCENT * length / sheet.width,
            "height": PERCENT * across / sheet.height,
            "rotation": turn,
            "rectanglelabels": [sheet.classes.names[sheet.class_ids[index]]],
        },
        "meta": _said(sheet, index),
    }


def _read_label_studio(text: str, classes: ClassSet) -> list[Sheet]:
    sheets = []
    for task in parse_json(text):
        data = task["data"]
        size = int(data["width"]), int(data["height"])
        # what a person saved goes before what was drawn for them
        said = task.get("annotations") or task.get("predictions") or [{"result": []}]
        boxes = [one for one in said[-1]["result"] if one["type"] == "rectanglelabels"]
        rows = [_label_studio_row(one, size) for one in boxes]
        sheets.append(sheet_of(PurePath(data["image"]).name, size, rows, classes))
    return sheets


def _label_studio_row(one: Mapping[str, Any], size: tuple[int, int]) -> SheetRow:
    value, (width, height) = one["value"], size
    sides = value["width"] * width / PERCENT, value["height"] * height / PERCENT
    x, y = value["x"] * width / PERCENT, value["y"] * height / PERCENT
    outline = rotated(x, y, sides, value.get("rotation", 0.0))
    return _row(value["rectanglelabels"][0], outline, one.get("meta") or {})


def _cvat(sheets: Sequence[Sheet]) -> str:
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    for number, sheet in enumerate(sheets):
        size = {"width": str(sheet.width), "height": str(sheet.height)}
        image = ET.SubElement(root, "image", {"id": str(number), "name": sheet.image, **size})
        for index, corners in enumerate(sheet.corners):
            (length, across), turn = sides_and_degrees(corners)
            x, y = corners.mean(axis=0).tolist()
            ends = {
                "xtl": x - length / 2,
                "ytl": y - across / 2,
                "xbr": x + length / 2,
                "ybr": y + across / 2,
                "rotation": turn,
            }
            label = sheet.classes.names[sheet.class_ids[index]]
            named = {key: repr(float(value)) for key, value in ends.items()}
            box = ET.SubElement(image, "box", {"label": label, **named})
            for key, told in _said(sheet, index).items():
                ET.SubElement(box, "attribute", {"name": key}).text = told
    return ET.tostring(root, encoding="unicode")


def _read_cvat(text: str, classes: ClassSet) -> list[Sheet]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ReviewError("holds entities, which no export of CVAT has; it is not read")
    root = parse_xml(text)
    if root.findtext("version") != "1.1":
        raise ReviewError(
            f"of version {root.findtext('version')}; export it from CVAT as 'CVAT for images 1.1'"
        )
    sheets = []
    for image in root.iter("image"):
        size = int(image.attrib["width"]), int(image.attrib["height"])
        rows = [_cvat_row(box) for box in image.iter("box")]
        sheets.append(sheet_of(image.attrib["name"], size, rows, classes))
    return sheets


def _cvat_row(box: ET.Element) -> SheetRow:
    x0, y0, x1, y1 = (float(box.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    outline = rotated(0.0, 0.0, (x1 - x0, y1 - y0), float(box.get("rotation", "0")))
    outline += np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - outline.mean(axis=0)
    said = {one.attrib["name"]: one.text or "" for one in box.iter("attribute")}
    return _row(box.attrib["label"], outline, said)


def _coco(sheets: Sequence[Sheet]) -> str:
    classes = sheets[0].classes if sheets else PORT
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, sheet in enumerate(sheets, start=1):
        size = {"width": sheet.width, "height": sheet.height}
        images.append({"id": number, "file_name": sheet.image, **size})
        for index, box in enumerate(sheet.corners):
            low, high = box.min(axis=0), box.max(axis=0)
            (length, across), _ = sides_and_degrees(box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(sheet.class_ids[index]) + 1,
                    "segmentation": [box.ravel().tolist()],
                    "bbox": [*low.tolist(), *(high - low).tolist()],
                    "area": length * across,
                    "iscrowd": 0,
                    "attributes": _said(sheet, index),
                }
            )
    categories = [{"id": i, "name": name} for i, name in enumerate(classes.names, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    return json.dumps(content, ensure_ascii=False)


def _read_coco(text: str, classes: ClassSet) -> list[Sheet]:
    content = parse_json(text)
    names = {one["id"]: one["name"] for one in content["categories"]}
    rows: dict[Any, list[SheetRow]] = {one["id"]: [] for one in content["images"]}
    for one in content["annotations"]:
        outline = np.array(one["segmentation"][0], np.float64).reshape(-1, 2)
        if len(outline) != 4:
            raise ReviewError(f"object {one['id']} has {len(outline)} corners; a box has four")
        row = _row(names[one["category_id"]], outline, one.get("attributes") or {})
        rows[one["image_id"]].append(row)
    return [
        sheet_of(one["file_name"], (one["width"], one["height"]), rows[one["id"]], classes)
        for one in content["images"]
    ]


def _said(sheet: Sheet, index: int) -> dict[str, str]:
    return {
        "box": sheet.ids[index],
        "verdict": sheet.verdicts[index],
        "comment": sheet.comments[index],
    }


def _row(name: str, outline: Any, said: Mapping[str, Any]) -> SheetRow:
    words = [str(said.get(key) or "") for key in ("box", "verdict", "comment")]
    return SheetRow(name, outline, *words)


Writer = Callable[[Sequence[Sheet]], str]
Reader = Callable[[str, ClassSet], list[Sheet]]
FORMATS: Mapping[str, tuple[Writer, Reader]] = {
    "label-studio": (_label_studio, _read_label_studio),
    "cvat": (_cvat, _read_cvat),
    "coco": (_coco, _read_coco),
}


def _format(kind: str) -> tuple[Writer, Reader]:
    if kind not in FORMATS:
        raise ReviewError(f"'{kind}' is none of the formats {', '.join(FORMATS)}")
    return FORMATS[kind]
