"""What a run says of each scene, beside the detections and the counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, cast

from pydantic import TypeAdapter, ValidationError

from detector.classes import CONTAINER_STACK, SHIP
from detector.counting.counts import WHOLE_SCENE, CountedArea, gives_number
from detector.detections import Detections
from detector.scenes.scene import Scene
from detector.scenes.types import SceneInfo
from detector.times import Acquired, parse_acquired

RecordStatus = Literal["done", "failed", "copy"]


@dataclass(frozen=True, slots=True)
class AreaRecord:
    """What was seen of one zone, or of the whole scene (name empty)."""

    name: str
    kind: str
    observed_fraction: float | None
    status: str


@dataclass(frozen=True, slots=True)
class SceneRecord:
    """One row of `scenes.csv`, and the content of `scene.json`.

    Attributes:
        path: as given.
        status: `done`, `failed`, or `copy`: the same picture as another scene, not counted again.
        reason: why it failed, or what it is a copy of, one sentence; empty when done.
        scene_id: stem and hash; empty where the scene could not be opened.
        name: stem of the file's name.
        acquired: UTC, ISO 8601, or None where the time of day is unknown.
        acquired_day: the day at the place where only that is known; else None.
        acquired_precision: `time`, `time_unknown` (the day alone is known) or `date_unknown`.
        acquired_source: where the time comes from.
        crs: of the scene, or None.
        width: columns.
        height: rows.
        transform: pixel to map, six numbers as GDAL's affine `a b c d e f`.
        gsd_m: ground sample distance at the centre, metres.
        gsd_source: `geodesic`, `given`, `estimated`, `unknown`.
        gsd_low_m: lower end of the 90 % interval of an estimated gsd; None for another.
        gsd_high_m: its upper end.
        in_model_range: whether the card covers the gsd; None where it is unknown.
        bands: numbers of the bands that were read.
        stretch_source: `as_is` or `percentiles`.
        stretch_low: value that became 0.
        stretch_high: value that became 255.
        valid_source: what tells valid pixels.
        cloud_source: what tells clouds, or None.
        sun_elevation_deg: over the horizon.
        sun_azimuth_deg: from north.
        off_nadir_deg: of the line of sight.
        view_azimuth_deg: from north.
        tiles: that the plan held.
        tiles_skipped: of them, that show nothing, so that the network was not asked; seen, and 0.
        ships: found in the whole scene; None where the weights don't know the class, and where
            nothing can be counted (`counting.counts.gives_number`).
        container_stacks: found on land in the whole scene; None as above.
        deck_cargo: stacks on ships, not counted.
        others: found of each further class, by name.
        unseen_boxes: boxes that lie by half or more on unseen pixels, not counted.
        observed_fraction: of the scene; None where its scale is unknown.
        content_hash: of size, geotransform and sampled blocks.
        pixels_sha256: of what it shows, see `Scene.pixels_sha256`.
        copy_of: scene id of the scene that it is a copy of; empty for others.
        weights: name of the card.
        weights_sha256: of the weights.
        fingerprint: of everything that decides the result; equal fingerprints, equal results.
        warnings: one sentence each.
        areas: what was seen of the scene and of each zone.
    """

    path: str
    status: RecordStatus
    reason: str = ""
    scene_id: str = ""
    name: str = ""
    acquired: str | None = None
    acquired_day: str | None = None
    acquired_precision: str = "date_unknown"
    acquired_source: str = "unknown"
    crs: str | None = None
    width: int | None = None
    height: int | None = None
    transform: tuple[float, ...] = ()
    gsd_m: float | None = None
    gsd_source: str = "unknown"
    gsd_low_m: float | None = None
    gsd_high_m: float | None = None
    in_model_range: bool | None = None
    bands: tuple[int, ...] = ()
    stretch_source: str = ""
    stretch_low: float | None = None
    stretch_high: float | None = None
    valid_source: str = ""
    cloud_source: str | None = None
    sun_elevation_deg: float | None = None
    sun_azimuth_deg: float | None = None
    off_nadir_deg: float | None = None
    view_azimuth_deg: float | None = None
    tiles: int | None = None
    tiles_skipped: int | None = None
    ships: int | None = None
    container_stacks: int | None = None
    deck_cargo: int | None = None
    others: Mapping[str, int] = field(default_factory=dict)
    unseen_boxes: int | None = None
    observed_fraction: float | None = None
    content_hash: str = ""
    pixels_sha256: str = ""
    copy_of: str = ""
    weights: str = ""
    weights_sha256: str = ""
    fingerprint: str = ""
    warnings: tuple[str, ...] = ()
    areas: tuple[AreaRecord, ...] = field(default=())

    @property
    def when(self) -> Acquired:
        """Time of acquisition, or the day, or neither."""
        return parse_acquired(self.acquired or self.acquired_day)

    def to_dict(self) -> dict[str, Any]:
        """For `scene.json`."""
        values = asdict(self)
        if not self.others:
            del values["others"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read back what `to_dict` made.

        Raises:
            TypeError: the values are those of another version; names the first field.
        """
        try:
            return cast(Self, _records.validate_python(values))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field_name = ".".join(str(part)[:60] for part in first["loc"])
            raise TypeError(f"{field_name}: {first['msg']}") from error


_records = TypeAdapter(SceneRecord)


@dataclass(frozen=True, slots=True)
class ModelUse:
    """Which weights made a result.

    Attributes:
        name: of the card.
        sha256: of the weights.
        in_range: whether the card covers the scene's gsd; None where it is unknown.
        fingerprint: see `SceneRecord`.
    """

    name: str
    sha256: str
    in_range: bool | None
    fingerprint: str


def scene_record(
    info: SceneInfo,
    detections: Detections,
    areas: list[CountedArea],
    model: ModelUse,
    tiles: int,
    warnings: tuple[str, ...] = (),
    *,
    tiles_skipped: int = 0,
    pixels_sha256: str = "",
) -> SceneRecord:
    """The record of a scene that is done."""
    whole = next(area for area in areas if area.name == WHOLE_SCENE and area.kind == WHOLE_SCENE)
    told = gives_number(whole.status)
    found = found_by_class(detections) if told else {}
    return SceneRecord(
        path=info.path,
        status="done",
        scene_id=info.scene_id,
        name=info.name,
        **info.when.record(),
        acquired_source=info.acquired_source,
        crs=info.crs,
        width=info.width,
        height=info.height,
        transform=tuple(info.transform[:6]),
        gsd_m=info.gsd_m,
        gsd_source=info.gsd_source,
        gsd_low_m=info.gsd_range_m[0] if info.gsd_range_m else None,
        gsd_high_m=info.gsd_range_m[1] if info.gsd_range_m else None,
        in_model_range=model.in_range,
        bands=info.bands,
        stretch_source=info.stretch.source,
        stretch_low=info.stretch.low,
        stretch_high=info.stretch.high,
        valid_source=info.valid_source,
        cloud_source=info.cloud_source,
        sun_elevation_deg=info.sun_elevation_deg,
        sun_azimuth_deg=info.sun_azimuth_deg,
        off_nadir_deg=info.off_nadir_deg,
        view_azimuth_deg=info.view_azimuth_deg,
        tiles=tiles,
        tiles_skipped=tiles_skipped,
        ships=found.pop(SHIP.name, None),
        container_stacks=found.pop(CONTAINER_STACK.name, None),
        deck_cargo=int((detections.on_ship & ~detections.unseen).sum()) if told else None,
        unseen_boxes=int(detections.unseen.sum()),
        others=found,
        observed_fraction=whole.told_fraction,
        content_hash=info.content_hash,
        pixels_sha256=pixels_sha256,
        weights=model.name,
        weights_sha256=model.sha256,
        fingerprint=model.fingerprint,
        warnings=warnings,
        areas=tuple(AreaRecord(a.name, a.kind, a.told_fraction, a.status) for a in areas),
    )


def take_over_scale(scene: Scene, record: SceneRecord) -> None:
    """Give a scene that is opened again the scale that was estimated when it was read."""
    low, gsd, high = record.gsd_low_m, record.gsd_m, record.gsd_high_m
    unknown = scene.info.gsd_m is None
    if unknown and gsd is not None and low is not None and high is not None:
        scene.settle_gsd(gsd, (low, high))


def found_by_class(detections: Detections) -> dict[str, int]:
    """How many there are of each class, by name; deck cargo and unseen boxes are left out."""
    counted = detections.class_ids[detections.counted]
    names = detections.classes.names
    return {names[i]: int((counted == i).sum()) for i in detections.classes.in_order}
