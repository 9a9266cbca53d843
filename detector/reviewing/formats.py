"""Sheets as Label Studio, CVAT and COCO write them.

Label Studio: tasks with predictions or annotations of `rectanglelabels`, in percent of the picture,
turned clockwise around their first corner (https://labelstud.io/tags/rectanglelabels), with
choices and texts of each region (https://labelstud.io/tags/choices, `perRegion`). CVAT: XML
for images 1.1, boxes turned clockwise around their centres, tags of a picture
(https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat). COCO: polygons with `attributes`
(https://cocodataset.org/#format-data). All three keep ids, verdicts and comments, and whether
somebody looked at all of the picture. What a person drew as a polygon counts as the smallest
rectangle around it; shapes that have no such meaning are refused.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote, unquote
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.documents import parse_json, parse_xml
from detector.errors import QuaywatchError
from detector.reviewing.errors import ReviewError
from detector.reviewing.sheet import (
    VERDICTS,
    Sheet,
    SheetRow,
    Told,
    rotated,
    sheet_of,
    sides_and_degrees,
    squared,
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


LOCAL_FILES: Final = "/data/local-files/?d=images/"  # where Label Studio serves a folder's files
LABEL_STUDIO_OTHERS: Final = (  # regions that are no boxes
    *("brush", "brushlabels", "ellipse", "ellipselabels", "keypoint", "keypointlabels"),
    *("bitmask", "bitmasklabels", "magicwand", "rectangle", "polygon", "vectorlabels"),
)
CVAT_OTHERS: Final = ("polyline", "points", "ellipse", "mask", "cuboid", "skeleton")
VERDICT_TAG, COMMENT_TAG, LOOKED_TAG = "verdict", "comment", "looked"
LOOKED_CHOICE: Final = "all of it"
LOOKED_LABEL: Final = "looked-at"  # tag of a picture in CVAT


def _label_studio(sheets: Sequence[Sheet]) -> str:
    tasks = []
    for sheet in sheets:
        told = [part for i in range(len(sheet.ids)) for part in _regions(sheet, i)]
        if sheet.reviewed:
            told.append(_choice(LOOKED_TAG, LOOKED_CHOICE))
        data: dict[str, Any] = {"image": LOCAL_FILES + quote(sheet.image), "name": sheet.image}
        data |= {"width": sheet.width, "height": sheet.height}
        tasks.append({"data": data, "predictions": [{"result": told}]})
    return json.dumps(tasks, ensure_ascii=False)


def _regions(sheet: Sheet, index: int) -> list[dict[str, Any]]:
    """The rectangle of a box, and what was said of it: results of one `id` are of one region."""
    (length, across), turn = sides_and_degrees(sheet.corners[index])
    x, y = sheet.corners[index, 0].tolist()
    place = {
        "x": PERCENT * x / sheet.width,
        "y": PERCENT * y / sheet.height,
        "width": PERCENT * length / sheet.width,
        "height": PERCENT * across / sheet.height,
        "rotation": turn,
    }
    name = sheet.ids[index] or f"drawn-{index}"
    frame: dict[str, Any] = {"id": name, "to_name": "image"}
    frame |= {"original_width": sheet.width, "original_height": sheet.height}
    label = {"rectanglelabels": [sheet.classes.names[sheet.class_ids[index]]]}
    rectangle = {"type": "rectanglelabels", "from_name": "label", "value": {**place, **label}}
    told = [{**frame, **rectangle, "meta": {"box": sheet.ids[index]}}]
    if sheet.verdicts[index]:
        told.append(_choice(VERDICT_TAG, sheet.verdicts[index], place) | frame)
    if sheet.comments[index]:
        value = {**place, "text": [sheet.comments[index]]}
        told.append({**frame, "type": "textarea", "from_name": COMMENT_TAG, "value": value})
    return told


def _choice(tag: str, word: str, place: Mapping[str, float] | None = None) -> dict[str, Any]:
    value = {**(place or {}), "choices": [word]}
    return {"type": "choices", "from_name": tag, "to_name": "image", "value": value}


def labelling_config(classes: ClassSet) -> str:
    """The labelling interface of Label Studio for its setting "Labeling Interface, Code"."""
    # `category` is the number of the class in what Label Studio itself exports as YOLO or COCO
    labels = "".join(
        f"<Label value={quoteattr(classes[i].name)} background={quoteattr(_hex(classes[i].colour))}"
        f' category="{i}"/>'
        for i in classes.in_order
    )
    verdicts = "".join(f'<Choice value="{verdict}"/>' for verdict in VERDICTS if verdict)
    return (
        '<View><Image name="image" value="$image" zoom="true"/>'
        f'<RectangleLabels name="label" toName="image" canRotate="true">{labels}</RectangleLabels>'
        f'<Choices name="{VERDICT_TAG}" toName="image" perRegion="true" choice="single">'
        f"{verdicts}</Choices>"
        f'<TextArea name="{COMMENT_TAG}" toName="image" perRegion="true" maxSubmissions="1"/>'
        f'<Header value="Looked at"/><Choices name="{LOOKED_TAG}" toName="image">'
        f'<Choice value="{LOOKED_CHOICE}"/></Choices></View>\n'
    )


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


def _read_label_studio(text: str, classes: ClassSet) -> list[Sheet]:
    sheets = []
    for task in parse_json(text):
        if "data" not in task:
            raise ReviewError("a task without 'data', as JSON-MIN has them; export it as JSON")
        # what people saved goes before what was drawn for them; what was skipped says nothing
        saved = [one for one in task.get("annotations") or () if not one.get("was_cancelled")]
        drawn = (task.get("predictions") or [{"result": []}])[-1]
        people = {_annotator(one.get("completed_by")): one for one in saved} or {"": drawn}
        for who, said in people.items():
            sheets.append(_label_studio_sheet(task["data"], said, classes, who, bool(saved)))
    return sheets


def _label_studio_sheet(
    data: Mapping[str, Any], said: Mapping[str, Any], classes: ClassSet, who: str, answered: bool
) -> Sheet:
    """What one person left of a task."""
    boxes = [one for one in said["result"] if one["type"] in ("rectanglelabels", "polygonlabels")]
    other = next((one for one in said["result"] if one["type"] in LABEL_STUDIO_OTHERS), None)
    name = data.get("name") or PurePath(unquote(data["image"])).name
    if other is not None:
        raise _no_box(name, other["type"])
    size = _task_size(data, boxes)
    words = _words_of_regions(said["result"])
    rows = [_label_studio_row(one, size, words.get(one.get("id", ""), {})) for one in boxes]
    told = Told(
        reviewed=any(one.get("from_name") == LOOKED_TAG for one in said["result"]),
        answered=answered,
        who=who,
        when=str(said.get("updated_at") or said.get("created_at") or ""),
    )
    return sheet_of(name, size, rows, classes, told)


def _no_box(image: str, shape: str) -> ReviewError:
    return ReviewError(
        f"{image}: holds a shape of the kind {shape}, which is no box; draw a rectangle or a "
        "polygon instead, or delete it"
    )


def _task_size(data: Mapping[str, Any], boxes: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    if "width" in data:
        return int(data["width"]), int(data["height"])
    return int(boxes[0]["original_width"]), int(boxes[0]["original_height"])


def _words_of_regions(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Verdict and comment of each region, by its id."""
    words: dict[str, dict[str, str]] = {}
    for one in results:
        value = one.get("value", {})
        if one["type"] == "choices" and one.get("from_name") == VERDICT_TAG:
            words.setdefault(one.get("id", ""), {})["verdict"] = value["choices"][0]
        elif one["type"] == "textarea" and one.get("from_name") == COMMENT_TAG:
            words.setdefault(one.get("id", ""), {})["comment"] = " ".join(value["text"])
    return words


def _annotator(told: Any) -> str:
    """Label Studio names a person by number, or by a mapping with an address."""
    if isinstance(told, Mapping):
        return str(told.get("email") or told.get("username") or told.get("id") or "")
    return "" if told is None else str(told)


def _label_studio_row(
    one: Mapping[str, Any], size: tuple[int, int], words: Mapping[str, str]
) -> SheetRow:
    value, (width, height) = one["value"], size
    if one["type"] == "polygonlabels":
        outline = squared(np.array(value["points"], np.float64) * size / PERCENT)
    else:
        sides = value["width"] * width / PERCENT, value["height"] * height / PERCENT
        x, y = value["x"] * width / PERCENT, value["y"] * height / PERCENT
        outline = rotated(x, y, sides, value.get("rotation", 0.0))
    # some versions drop what they do not know of a region, but keep its id
    kept = one.get("id", "") if "#" in str(one.get("id", "")) else ""
    box = (one.get("meta") or {}).get("box") or kept
    return _row(value[one["type"]][0], outline, {"box": box, **words})


def _cvat(sheets: Sequence[Sheet]) -> str:
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    task.append(_cvat_meta(sheets[0].classes if sheets else PORT))
    for number, sheet in enumerate(sheets):
        size = {"width": str(sheet.width), "height": str(sheet.height)}
        image = ET.SubElement(root, "image", {"id": str(number), "name": sheet.image, **size})
        if sheet.reviewed:
            ET.SubElement(image, "tag", {"label": LOOKED_LABEL})
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
    if root.find("track") is not None:
        raise ReviewError("holds tracks of a video; export it from CVAT as 'CVAT for images 1.1'")
    sheets = []
    who = root.findtext(".//assignee/username") or root.findtext(".//owner/username") or ""
    when = root.findtext(".//dumped") or ""
    for image in root.iter("image"):
        size = int(image.attrib["width"]), int(image.attrib["height"])
        other = next((shape.tag for shape in image if shape.tag in CVAT_OTHERS), None)
        if other is not None:
            raise _no_box(image.attrib["name"], other)
        rows = [_cvat_row(box) for box in image if box.tag in ("box", "polygon")]
        looked = any(tag.get("label") == LOOKED_LABEL for tag in image.iter("tag"))
        name = PurePath(image.attrib["name"]).name  # CVAT puts the folder in front
        told = Told(reviewed=looked, who=who.strip(), when=when.strip())
        sheets.append(sheet_of(name, size, rows, classes, told))
    return sheets


def cvat_labels(classes: ClassSet) -> str:
    """The labels of a task of CVAT, for its "Raw" constructor."""
    return json.dumps(_cvat_labels(classes), ensure_ascii=False, indent=2) + "\n"


def _cvat_meta(classes: ClassSet) -> ET.Element:
    """The same labels as an export of CVAT has them: other readers know classes by them."""
    labels = ET.Element("labels")
    for told in _cvat_labels(classes):
        label = ET.SubElement(labels, "label")
        ET.SubElement(label, "name").text = told["name"]
        ET.SubElement(label, "type").text = told["type"]
        attributes = ET.SubElement(label, "attributes")
        for one in told["attributes"]:
            attribute = ET.SubElement(attributes, "attribute")
            ET.SubElement(attribute, "name").text = one["name"]
            ET.SubElement(attribute, "mutable").text = str(one["mutable"])
            ET.SubElement(attribute, "input_type").text = one["input_type"]
            ET.SubElement(attribute, "default_value").text = one["values"][0]
            ET.SubElement(attribute, "values").text = "\n".join(one["values"])
    return labels


def _cvat_labels(classes: ClassSet) -> list[dict[str, Any]]:
    said = [
        {"name": "verdict", "input_type": "select", "mutable": False, "values": list(VERDICTS)},
        {"name": "box", "input_type": "text", "mutable": False, "values": [""]},
        {"name": "comment", "input_type": "text", "mutable": False, "values": [""]},
    ]
    labels: list[dict[str, Any]] = [
        {"name": classes[i].name, "type": "rectangle", "attributes": said} for i in classes.in_order
    ]
    labels.append({"name": LOOKED_LABEL, "type": "tag", "attributes": []})
    return labels


def _cvat_row(box: ET.Element) -> SheetRow:
    if box.tag == "polygon":
        pairs = [pair.split(",") for pair in box.attrib["points"].split(";")]
        outline = squared(np.array(pairs, np.float64))
    else:
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
        looked = {"looked_at": sheet.reviewed}
        images.append({"id": number, "file_name": sheet.image, **size, **looked})
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
        row = _row(names[one["category_id"]], _coco_outline(one), one.get("attributes") or {})
        rows[one["image_id"]].append(row)
    return [
        sheet_of(
            PurePath(one["file_name"]).name,
            (one["width"], one["height"]),
            rows[one["id"]],
            classes,
            Told(reviewed=bool(one.get("looked_at"))),
        )
        for one in content["images"]
    ]


def _coco_outline(one: Mapping[str, Any]) -> NDArray[np.float64]:
    """The corners of an object; tools leave `segmentation` empty of an upright rectangle."""
    parts = one.get("segmentation") or []
    if not isinstance(parts, list) or len(parts) > 1:
        kind = f"{len(parts)} parts" if isinstance(parts, list) else "a mask"
        raise ReviewError(f"object {one['id']} is {kind}; a box is one polygon, or a bbox")
    if parts:
        return squared(np.array(parts[0], np.float64).reshape(-1, 2))
    x, y, width, height = one["bbox"]
    return np.asarray(rotated(x, y, (width, height), 0.0), np.float64)


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
