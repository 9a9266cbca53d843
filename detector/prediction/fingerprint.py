"""What decides a scene's result: the key by which a run goes on, and what `run.json` says of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import shapely

from detector._version import __version__
from detector.classes import PORT
from detector.counting.zones import NO_ZONES, Zones
from detector.models.detector import Detector
from detector.prediction.constants import constants_sha256
from detector.prediction.settings import BatchSettings
from detector.scenes.scene import Scene
from detector.scenes.types import SceneOptions

HALF: Final = 16  # digits of a fingerprint that tell how a scene was read; the others tell what
PLACES: Final = ("allow_remote", "item", "footprint")  # where a scene and what names it may lie
OF_ITEMS: Final = ("item", "footprint", "cloud_cover")  # only known of one scene at a time
DECISIVE_OF_CARD: Final = (
    *("architecture", "family", "tile_px", "gsd_min_m", "gsd_max_m", "gsd_read_m", "calibration"),
    *("upsampling", "class_gsd_max_m"),
)


def settings_fingerprint(
    settings: BatchSettings, detector: Detector, zones: Zones, land: Zones = NO_ZONES
) -> str:
    """Hash of how a run reads every scene: the first half of a scene's fingerprint.

    The number of threads is left out: it changes the last digits, which nobody promises.
    """
    how = _decisive(settings, detector, zones, land) | {
        "options": _asked(settings.scene),
        "card": [getattr(detector.card, name) for name in DECISIVE_OF_CARD],
    }
    del how["threads"]
    return _half(how)


def result_fingerprint(how: str, settings: BatchSettings, scene: Scene) -> str:
    """Hash of everything that decides a scene's result.

    Args:
        how: as `settings_fingerprint` gives it.
        settings: of the run.
        scene: open.
    """
    clouds = scene.info.cloud_source
    said = _asked(scene.info.asked)  # in a table of scenes, of this one alone
    what = {
        "content": scene.content_sha256(),
        "acquired": scene.info.when.iso,
        "clouds": Path(clouds).name if clouds else None,
        "angles": asdict(scene.info.angles),
        **({} if said == _asked(settings.scene) else {"said": said}),
    }
    return how + _half(what)


def _half(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:HALF]


def _asked(options: SceneOptions) -> dict[str, Any]:
    """What the user says of the scenes; where they may lie changes nothing of them."""
    told = {key: value for key, value in asdict(options).items() if key not in PLACES}
    return told if options.cloud_cover is not None else _common(told)


def _common(options: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is only known of one scene at a time."""
    return {key: value for key, value in options.items() if key not in OF_ITEMS}


def _decisive(
    settings: BatchSettings, detector: Detector, zones: Zones, land: Zones
) -> dict[str, Any]:
    classes = detector.card.class_set
    return {
        "version": __version__,
        "constants_sha256": constants_sha256(),
        **({} if classes == PORT else {"classes": classes.to_plain()}),
        "weights": detector.card.name,
        "weights_sha256": detector.card.sha256,
        "conf": [round(float(value), 6) for value in detector.conf],
        "iou": detector.iou,
        "mirrored": detector.card.mirrored,
        "luck": detector.card.luck,
        "backend": detector.backend.name,
        "device": detector.backend.device,
        "precision": detector.precision,
        "threads": detector.threads,
        "batch": detector.batch,
        "merge": asdict(settings.pipeline.merge),
        "enlarge": settings.pipeline.enlarge,
        "estimate_gsd": settings.pipeline.estimate_gsd,
        "larger_tiles": settings.pipeline.larger_tiles,
        "skip": "auto" if settings.pipeline.skip_flat else "off",
        "calibration_sha256": _sha256_of(detector.card.calibration),
        "lengths_sha256": _sha256_of(detector.card.lengths),
        "stacks": asdict(settings.stacks),
        "zones_sha256": _sha256_of_shapes(zones),
        "zones_only": settings.zones_only,
        "land_sha256": _sha256_of_shapes(land),
        "water_index": "auto" if settings.water_index else "off",
    }


def _sha256_of_shapes(zones: Zones) -> str | None:
    digest = hashlib.sha256(repr(zones.crs).encode())  # mending a wrong CRS moves every zone
    for zone in zones.zones:
        digest.update(repr((zone.name, zone.kind)).encode())
        digest.update(shapely.to_wkb(zone.shape))
    return digest.hexdigest() if len(zones) else None


def _sha256_of(content: Mapping[str, Any]) -> str:
    """Of the calibration: with another one the same weights give other counts."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def run_provenance(
    settings: BatchSettings, detector: Detector, zones: Zones, land: Zones = NO_ZONES
) -> dict[str, Any]:
    """What `run.json` says; nothing in it depends on the clock."""
    return {
        "program": "quaywatch",
        **_decisive(settings, detector, zones, land),
        "zones": zones.source or None,
        "land": land.source or None,
        "scene_options": json.loads(json.dumps(_common(asdict(settings.scene)), default=str)),
    }
