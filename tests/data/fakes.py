"""Tiny fakes of public datasets, in their documented layouts, made by code."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import yaml

SIDE = 64
SQUARE = [(8, 8), (40, 8), (40, 20), (8, 20)]  # 32 long, 12 wide
TURNED = [(20, 20), (40, 40), (32, 48), (12, 28)]  # 28.3 long, 11.3 wide, at 45 degrees


def image(path: Path, side: int = SIDE, seed: int = 0) -> Path:
    """A square picture of bright noise, so that no stretch changes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(40, 240, (side, side, 3), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def dota(root: Path) -> Path:
    """P0001 with a ship, a difficult ship, a plane and a broken line; P0002 without a label."""
    image(root / "images" / "P0001__1__0___0.png")
    image(root / "images" / "P0002.png")
    (root / "labelTxt").mkdir(parents=True)
    lines = [
        "imagesource:GoogleEarth",
        "gsd:0.5",
        _numbers(SQUARE) + " ship 0",
        _numbers(TURNED) + " ship 1",
        _numbers(TURNED) + " plane 0",
        "1 2 3 ship 0",
    ]
    (root / "labelTxt" / "P0001__1__0___0.txt").write_text("\n".join(lines))
    (root / "labelTxt" / "P0009.txt").write_text("imagesource:x\ngsd:null\n")
    return root


def hrsc(root: Path) -> Path:
    """One image with a ship at 30 degrees, a difficult one, and one without width."""
    image(root / "AllImages" / "100000001.bmp")
    (root / "Annotations").mkdir(parents=True)
    objects = "".join(
        f"<HRSC_Object><difficult>{hard}</difficult><mbox_cx>30</mbox_cx><mbox_cy>32</mbox_cy>"
        f"<mbox_w>40</mbox_w><mbox_h>{width}</mbox_h><mbox_ang>0.5235987756</mbox_ang>"
        "</HRSC_Object>"
        for hard, width in ((0, 10), (1, 6), (0, 0))
    )
    (root / "Annotations" / "100000001.xml").write_text(
        "<HRSC_Image><Img_Resolution>1.07</Img_Resolution><Place_ID>100000005</Place_ID>"
        f"<HRSC_Objects>{objects}</HRSC_Objects></HRSC_Image>"
    )
    return root


def xview(root: Path) -> Path:
    """One tile with a maritime vessel, a building and a vessel without a box."""
    image(root / "train_images" / "10.tif")
    features = [
        {"properties": {"image_id": "10.tif", "type_id": kind, "bounds_imcoords": box}}
        for kind, box in ((40, "10,12,30,70"), (73, "0,0,9,9"), (51, "nothing"))
    ]
    features.append({"properties": {"image_id": "11.tif", "type_id": 40}})
    (root / "xView_train.geojson").write_text(json.dumps({"features": features}))
    return root


def yolo(root: Path, *, oriented: bool) -> Path:
    """Two images, one with a boat and a car, one empty; a label without an image."""
    image(root / "images" / "a.png")
    image(root / "images" / "b.png")
    names = {0: "car", 1: "ship", 2: "container_stack"}
    (root / "data.yaml").write_text(yaml.safe_dump({"names": names}))
    (root / "labels").mkdir(parents=True)
    if oriented:
        boxes = [(1, SQUARE), (2, TURNED), (0, TURNED)]
        lines = [
            f"{c} " + " ".join(f"{v / SIDE}" for p in points for v in p) for c, points in boxes
        ]
    else:
        lines = ["1 0.5 0.25 0.5 0.125", "0 0.5 0.5 0.1 0.1", "2 0.5 0.75 0.25 0.125"]
    lines += ["1 0.5", "1 x y z w"]
    (root / "labels" / "a.txt").write_text("\n".join(lines))
    (root / "labels" / "b.txt").write_text("")
    (root / "labels" / "z.txt").write_text("")
    return root


def coco(root: Path) -> Path:
    """One image with a polygon, a run-length mask, a box and a crowd."""
    image(root / "images" / "c.png")
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[10:20, 30:60] = 1  # 30 wide, 10 high
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    shapes = [
        {"id": 1, "category_id": 7, "segmentation": [[v for p in SQUARE for v in p]]},
        {"id": 2, "category_id": 8, "segmentation": {"size": [SIDE, SIDE], "counts": counts}},
        {"id": 3, "category_id": 7, "bbox": [2, 50, 20, 6]},
        {"id": 4, "category_id": 7, "bbox": [40, 50, 20, 6], "iscrowd": 1},
        {"id": 5, "category_id": 9, "bbox": [0, 0, 5, 5]},
        {"id": 6, "category_id": 7},
    ]
    content = {
        "images": [
            {"id": 3, "file_name": "c.png", "width": SIDE, "height": SIDE},
            {"id": 4, "file_name": "gone.png", "width": SIDE, "height": SIDE},
        ],
        "categories": [
            {"id": 7, "name": "ship"},
            {"id": 8, "name": "container_stack"},
            {"id": 9, "name": "dog"},
        ],
        "annotations": [{"image_id": 3, **shape} for shape in shapes],
    }
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def port_pool(root: Path, rows: list[dict[str, str]] | None = None) -> Path:
    """A pool of three train images (oriented, axis-aligned, unlabelled stacks) and one of dev."""
    default = {"source": "HRSC2016", "split": "train", "width": str(SIDE), "height": str(SIDE)}
    rows = rows or [
        {"image": "o.png", "place": "p1", "ship_labels": "obb", "stack_labels": "complete"},
        {"image": "h.png", "place": "p2", "ship_labels": "hbb", "stack_labels": "none_seen"},
        {"image": "u.png", "place": "p3", "ship_labels": "obb", "stack_labels": "unlabelled"},
        {
            "image": "d.png",
            "place": "p4",
            "ship_labels": "none_labelled",
            "stack_labels": "none_seen",
            "split": "dev",
        },
    ]
    columns = "image source split width height gsd_m place ship_labels stack_labels"
    for number, row in enumerate(rows):
        image(root / "images" / row["image"], seed=number)
    for folder in ("labels", "labels_hbb", "labels_ignore"):
        (root / folder).mkdir(exist_ok=True)
    with (root / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns.split())
        writer.writeheader()
        writer.writerows([{"gsd_m": "0.5", **default, **row} for row in rows])
    (root / "labels" / "o.txt").write_text(f"0 {_normalised(SQUARE)}\n1 {_normalised(TURNED)}\n")
    (root / "labels" / "u.txt").write_text(f"0 {_normalised(SQUARE)}\n")
    (root / "labels_hbb" / "h.txt").write_text("0 0.5 0.25 0.5 0.125\n")
    (root / "labels_ignore" / "o.txt").write_text(
        f"1 {_normalised([(50, 2), (60, 2), (60, 8), (50, 8)])}\n"
    )
    return root


def _numbers(points: list[tuple[int, int]]) -> str:
    return " ".join(f"{value:.1f}" for point in points for value in point)


def _normalised(points: list[tuple[int, int]]) -> str:
    return " ".join(f"{value / SIDE:.6f}" for point in points for value in point)
