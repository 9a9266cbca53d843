"""Results as STAC: an item a scene, the run as their collection, the weights as a model (MLM).

Plain JSON of STAC 1.1, without a clock, so that the same run gives the same bytes. Items are
`derived_from` what was read and from the weights that read it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry import mapping

from detector._version import __version__
from detector.documents import DocumentError, read_json
from detector.export.records import SceneRecord
from detector.export.tables import write_json
from detector.export.vector import cut_at_antimeridian
from detector.geometry.geodesy import lonlat
from detector.models.card import ModelCard
from detector.scenes.guard import is_gdal_name
from detector.scenes.scene import Scene
from detector.times import TIME_FORMAT, WIDEST_OFFSET

STAC_VERSION: Final = "1.1.0"
ITEM_FILE: Final = "item.json"
COLLECTION_FILE: Final = "collection.json"
MODEL_FILE: Final = "model.json"
STAC_FILES: Final = (COLLECTION_FILE, MODEL_FILE)
_SCHEMAS: Final = "https://stac-extensions.github.io"
VIEW: Final = f"{_SCHEMAS}/view/v1.0.0/schema.json"
PROJECTION: Final = f"{_SCHEMAS}/projection/v2.0.0/schema.json"
FILE: Final = f"{_SCHEMAS}/file/v2.1.0/schema.json"
MLM: Final = f"{_SCHEMAS}/mlm/v1.4.0/schema.json"
PARQUET: Final = "application/vnd.apache.parquet"
GEOJSON: Final = "application/geo+json"
SHA256_MULTIHASH: Final = "1220"  # what stands before the digest
ALL_TIME: Final = ("1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z")  # where nothing is known
EDGE_POINTS: Final = 8  # of a footprint, a side: map edges are curved in degrees
ANGLES: Final = {
    "view:sun_elevation": "sun_elevation_deg",
    "view:sun_azimuth": "sun_azimuth_deg",
    "view:off_nadir": "off_nadir_deg",
    "view:azimuth": "view_azimuth_deg",
}
OWN: Final = (
    *("ships", "container_stacks", "deck_cargo", "unseen_boxes", "observed_fraction"),
    *("acquired_precision", "weights", "weights_sha256", "fingerprint"),
)
FRAMEWORKS: Final = {  # of our backends: name in MLM, and distribution
    "torch": ("PyTorch", "torch"),
    "openvino": ("OpenVINO", "openvino"),
    "onnx": ("ONNX", "onnxruntime"),
    "tensorrt": ("TensorRT", "tensorrt"),
}
UNFIT_OF_MODEL: Final = re.compile(r"[^a-zA-Z0-9_.-]+")


def write_item(folder: Path, scene: Scene, record: SceneRecord) -> None:
    """Write `item.json` of a scene.

    Args:
        folder: of the scene.
        scene: open; tells which item or file it was read from.
        record: of it.

    Raises:
        OutputError: it cannot be written.
    """
    write_json(folder / ITEM_FILE, scene_item(scene, record))


def scene_item(scene: Scene, record: SceneRecord) -> dict[str, Any]:
    """The STAC item of a scene's results."""
    place = _footprint(record)
    properties: dict[str, Any] = {**_time(record), "gsd": record.gsd_m}
    properties |= {key: _degrees(key, getattr(record, name)) for key, name in ANGLES.items()}
    if record.crs is not None:
        properties |= {
            "proj:code": record.crs if record.crs.startswith("EPSG:") else None,
            "proj:shape": [record.height, record.width],
            "proj:transform": list(record.transform),
        }
    told = {key: value for key, value in properties.items() if value is not None}
    if "proj:shape" in told:
        told.setdefault("proj:code", None)  # a CRS without a code
    told.setdefault("datetime", None)
    told |= {f"quaywatch:{name}": getattr(record, name) for name in OWN}
    told |= {f"quaywatch:{name}": number for name, number in record.others.items()}
    told["quaywatch:status"] = record.areas[0].status if record.areas else None
    told["quaywatch:version"] = __version__
    used = {VIEW: "view:", PROJECTION: "proj:"}
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [
            schema for schema, start in used.items() if any(key.startswith(start) for key in told)
        ],
        "id": record.scene_id,
        "collection": "quaywatch",
        "geometry": mapping(place) if place is not None else None,
        **({"bbox": _bbox(place)} if place is not None else {}),
        "properties": told,
        "links": [
            _link("collection", f"../{COLLECTION_FILE}", "application/json"),
            _link("parent", f"../{COLLECTION_FILE}", "application/json"),
            _link("root", f"../{COLLECTION_FILE}", "application/json"),
            {"rel": "derived_from", "href": _source(scene), "title": "the scene that was read"},
            _link("derived_from", f"../{MODEL_FILE}", GEOJSON) | {"title": "the weights"},
        ],
        "assets": _ASSETS,
    }


def write_collection(
    out: Path, records: Sequence[SceneRecord], model: Mapping[str, Any] | None
) -> None:
    """Write `collection.json` and `model.json` of a run some of whose scenes have items.

    Where none has, those of an earlier run are removed.

    Args:
        out: folder of the run.
        records: of its scenes.
        model: as `model_item` makes it; None keeps the file that is there.

    Raises:
        OutputError: they cannot be written.
    """
    items = [
        item
        for record in records
        if record.status == "done"
        and (item := _content(out / record.scene_id / ITEM_FILE)) is not None
    ]
    if not items:
        for name in STAC_FILES:
            (out / name).unlink(missing_ok=True)
        return
    if model is not None:
        write_json(out / MODEL_FILE, model)
    write_json(out / COLLECTION_FILE, _collection(items))


def read_model(out: Path) -> dict[str, Any] | None:
    """The weights of a run as `write_collection` left them; None where it wrote none."""
    return _content(out / MODEL_FILE)


def model_item(card: ModelCard, weights: Path, used: Mapping[str, Any]) -> dict[str, Any]:
    """The weights as a STAC item with the fields of the MLM extension.

    Args:
        card: of the weights.
        weights: the safetensors file.
        used: the provenance of a run: `conf`, `iou`, `backend`, `device`, `batch`.
    """
    side = card.tile_px
    name = UNFIT_OF_MODEL.sub("-", card.name).strip("-_.") or "weights"
    output = {
        "name": "oriented boxes",
        "tasks": ["object-detection"],
        "result": {
            "shape": [-1, -1, 5 + len(card.classes)],  # x, y, length, width, angle, scores
            "dim_order": ["batch", "box", "value"],
            "data_type": "float32",
        },
        "classification:classes": [
            {"value": number, "name": name, "description": name.replace("_", " ")}
            for number, name in enumerate(card.classes)
        ],
    }
    tiles = {
        "name": "tiles",
        "bands": ["red", "green", "blue"],
        "input": {
            "shape": [-1, 3, side, side],
            "dim_order": ["batch", "channel", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": [{"type": "scale", "value": 255}],
        "resize_type": None,
    }
    start, end = ALL_TIME
    conf = {f"conf_{name}": value for name, value in zip(card.classes, used["conf"], strict=True)}
    framework, package = FRAMEWORKS.get(used["backend"], (str(used["backend"]), ""))
    version = _version_of(package)
    is_gpu = str(used["device"]).startswith("cuda")
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [MLM, FILE],
        "id": name,
        "geometry": None,
        "properties": {
            "datetime": None,
            "start_datetime": start,
            "end_datetime": end,
            "description": card.description or f"Weights {card.name}.",
            "license": "other",
            "quaywatch:license": card.licence,
            "mlm:name": name,
            "mlm:architecture": card.architecture,
            "mlm:framework": framework,
            **({"mlm:framework_version": version} if version else {}),
            "mlm:tasks": ["object-detection"],
            "mlm:batch_size_suggestion": used["batch"],
            **({"mlm:accelerator": "cuda"} if is_gpu else {}),
            "mlm:input": [tiles],
            "mlm:output": [output],
            "mlm:hyperparameters": {**conf, "iou": used["iou"]},
        },
        "links": [],
        "assets": {
            "weights": {
                "href": weights.resolve().as_uri(),
                "title": f"weights of {card.name}",
                "type": "application/octet-stream; application=safetensors",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": "safetensors",
                "file:checksum": SHA256_MULTIHASH + card.sha256,
                "bands": [{"name": "red"}, {"name": "green"}, {"name": "blue"}],
            }
        },
    }


def _version_of(package: str) -> str:
    """Version of a distribution, or nothing."""
    try:
        return metadata.version(package) if package else ""
    except metadata.PackageNotFoundError:
        return ""


def _asset(href: str, title: str, kind: str, role: str) -> dict[str, Any]:
    return {"href": href, "title": title, "type": kind, "roles": [role]}


_ASSETS: Final = {
    "detections": _asset("./detections.parquet", "objects, in the scene's CRS", PARQUET, "data"),
    "stacks": _asset("./stacks.parquet", "container stacks with TEU", PARQUET, "data"),
    "counts": _asset(
        "../counts.parquet", "counts of the run; those of this scene by scene_id", PARQUET, "data"
    ),
    "record": _asset(
        "./scene.json", "what is known of the scene, and its counts", "application/json", "metadata"
    ),
}


def _collection(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    boxes = np.array([item["bbox"] for item in items if "bbox" in item]).reshape(-1, 4)
    spans = [_span(item["properties"]) for item in items]
    known = [span for span in spans if span != ALL_TIME]
    time = [min(start for start, _ in known), max(end for _, end in known)] if known else None
    whole = [-180.0, -90.0, 180.0, 90.0]
    place = [*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)] if len(boxes) else whole
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": "quaywatch",
        "title": "Ships and container stacks, a run of quaywatch",
        "description": "Objects and counts of overhead scenes of ports, one item a scene.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[float(value) for value in place]]},
            "temporal": {"interval": [time or [None, None]]},
        },
        "links": [
            _link("root", f"./{COLLECTION_FILE}", "application/json"),
            *(_link("item", f"./{item['id']}/{ITEM_FILE}", GEOJSON) for item in items),
            _link("derived_from", f"./{MODEL_FILE}", GEOJSON) | {"title": "the weights"},
        ],
        "assets": {
            "detections": _asset("./detections.parquet", "objects, WGS84", PARQUET, "data"),
            "counts": _asset("./counts.parquet", "counts of all scenes", PARQUET, "data"),
            "stacks": _asset("./stacks.parquet", "stacks of all scenes", PARQUET, "data"),
            "scenes": _asset("./scenes.csv", "one row a scene", "text/csv", "metadata"),
            "run": _asset("./run.json", "weights and settings", "application/json", "metadata"),
        },
    }


def _span(properties: Mapping[str, Any]) -> tuple[str, str]:
    moment = properties.get("datetime")
    if moment is not None:
        return moment, moment
    return properties["start_datetime"], properties["end_datetime"]


def _time(record: SceneRecord) -> dict[str, Any]:
    """`datetime`, or the span in which an unknown time lies: a day at a place, or all time."""
    when = record.when
    if when.moment is not None:
        return {"datetime": when.iso}
    if when.day is None:
        start, end = ALL_TIME
    else:
        first = _midnight(record.acquired_day or "")
        start = (first - WIDEST_OFFSET).strftime(TIME_FORMAT)
        end = (first + timedelta(days=1) + WIDEST_OFFSET).strftime(TIME_FORMAT)
    return {"start_datetime": start, "end_datetime": end}


def _midnight(day: str) -> Any:
    return np.datetime64(day).astype("datetime64[s]").item()


def _degrees(key: str, value: float | None) -> float | None:
    """An angle in the range of the extension, whose azimuths are 0 to 360."""
    if value is None or not math.isfinite(value):
        return None
    return value % 360.0 if key.endswith("azimuth") else abs(value) if "nadir" in key else value


def _footprint(record: SceneRecord) -> Any:
    """Outline of a scene in degrees; None without a CRS."""
    if record.crs is None or not record.width or not record.height:
        return None
    steps = np.linspace(0.0, 1.0, EDGE_POINTS + 1)[:-1]
    zero = np.zeros_like(steps)
    x = np.concatenate([steps, zero + 1, 1 - steps, zero]) * record.width
    y = np.concatenate([zero, steps, zero + 1, 1 - steps]) * record.height
    a, b, c, d, e, f = record.transform
    points = np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)
    outline = shapely.Polygon(np.round(lonlat(points, record.crs), 7))
    (cut,) = cut_at_antimeridian(np.array([outline], dtype=object))
    return shapely.orient_polygons(cut) if cut.geom_type == "Polygon" else cut


def _bbox(place: Any) -> list[float]:
    """West, south, east, north; west is the greater where the place is cut at 180 degrees."""
    parts = shapely.get_parts(place)
    if len(parts) > 1:
        west = max(part.bounds[0] for part in parts)
        east = min(part.bounds[2] for part in parts)
        return [west, place.bounds[1], east, place.bounds[3]]
    return list(place.bounds)


def _source(scene: Scene) -> str:
    """What a scene was read from: its item, else its file."""
    name = scene.info.asked.item or scene.info.path
    if is_gdal_name(name):
        return name.removeprefix("/vsicurl/")
    return Path(name).resolve().as_uri()


def _link(rel: str, href: str, kind: str) -> dict[str, Any]:
    return {"rel": rel, "href": href, "type": kind}


def _content(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = read_json(path)
    except (OSError, DocumentError):
        return None
    return content
