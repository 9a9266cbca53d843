"""Types of the options, written by `python -m detector.api.options`."""

# fmt: off
# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias, TypedDict

PathText: TypeAlias = str | PathLike[str]


class PredictOptions(TypedDict, total=False):
    """Options of `detector.predict`."""

    model: str
    scene: str
    merge: str
    stacks: str
    zones: Any
    zones_only: bool
    land: PathText | None
    water_index: Literal["auto", "off"]
    formats: Sequence[str]
    device: str
    backend: str
    precision: Literal["auto", "f32", "f16", "bf16", "int8"]
    batch: int | None
    threads: int | None
    queue: int
    readers: int
    skip: Literal["auto", "off"]
    larger_tiles: bool
    enlarge: float
    weights: str
    conf: float | None
    iou: float | None
    bands: Sequence[int] | None
    gsd: float | None
    acquired: str | None
    clouds: Literal["auto", "clear", "unknown"]
    nodata: float | None
    allow_remote: Sequence[str]
    nir: int | None
    brighten_dark: bool
    estimate_gsd: bool
    match_iou: float
    longest_ship_m: float
    longest_stack_m: float
    yard_tiers: Sequence[float]
    quay_tiers: Sequence[float]
    railhead_tiers: Sequence[float]
    other_tiers: Sequence[float]
    share_40ft: Sequence[float]
    fill: Sequence[float]
    max_off_nadir_deg: float
    level_ground: bool
    draws: int


class LoadDetectorOptions(TypedDict, total=False):
    """Options of `detector.load_detector`."""

    conf: float | None
    iou: float | None
    device: str
    backend: str
    precision: Literal["auto", "f32", "f16", "bf16", "int8"]
    batch: int | None
    threads: int | None


class OpenSceneOptions(TypedDict, total=False):
    """Options of `detector.open_scene`."""

    bands: Sequence[int] | None
    gsd: float | None
    acquired: str | None
    clouds: Literal["auto", "clear", "unknown"]
    nodata: float | None
    brighten_dark: bool


class EvaluateOptions(TypedDict, total=False):
    """Options of `detector.evaluate`."""

    data: str
    split: str
    dataset: str | None
    root: PathText | None
    weights: str
    conf: float | None
    floor: float
    out: PathText
    compare: PathText | None
    predictions: PathText | None
    gallery: int
    device: str
    backend: str
    precision: Literal["auto", "f32", "f16", "bf16", "int8"]
    batch: int | None
    threads: int | None
    kind: Literal["pool", "rendered"]
    cache: PathText
    sources: Sequence[str]
    leave_out: Sequence[str]
    ports: int


class TrainOptions(TypedDict, total=False):
    """Options of `detector.train`."""

    data: str
    network: str
    chips: str
    views: str
    augment: str
    mix: str
    trainer: str
    experiment: str
    out: PathText
    kind: str
    root: PathText
    cache: PathText
    split: str
    reviews: Sequence[PathText]
    leave_out: Sequence[str]
    classes: PathText | None
    teacher: str
    ports: int
    depots: int
    port_px: int
    architecture: str
    start: PathText | None
    freeze: int
    freeze_norms: bool
    side_px: int
    overlap_px: int
    scales: Sequence[float]
    min_side_px: int
    tile_px: int
    scale_min: float
    scale_max: float
    stack_scale_min: float
    stack_gsd_min: float
    stack_gsd_max: float
    gsd_min: float
    gsd_max: float
    whole: float
    any_angle: float
    on_object: float
    collage: float
    collage_scale_min: float
    collage_scale_max: float
    paste: float
    paste_ships: float
    reclad: float
    light: float
    colour: float
    grey: float
    dark: float
    haze: float
    shadow: float
    blur: float
    noise: float
    jpeg: float
    coarse: float
    epoch_views: int
    stacks: float
    empty: float
    hours: float
    epochs: int
    batch: int
    optimizer: Literal["AdamW", "SGD", "MuSGD"]
    lr: float
    lr_end: float
    warmup_steps: int
    weight_decay: float
    momentum: float
    precision: Literal["fp32", "bf16"]
    ema_decay: float
    box: float
    cls: float
    dfl: float
    angle: float
    mirrored: float
    painted: float
    workers: int
    threads: int
    seed: int
    device: str
    tensorboard: bool
    mlflow: bool


class FindActivityOptions(TypedDict, total=False):
    """Options of `detector.find_activity`."""

    weights: str | None
    min_length_m: float
    first: str | None
    last: str | None
    register: bool
    appearance: bool
    stay_days: float
    recall: float | None
    review: bool
    draws: int
    seed: int
    allow_remote: Sequence[str]


class RenderOptions(TypedDict, total=False):
    """Options of `detector.render`."""

    spec: str
    seed: int
    name: str
    width: int
    height: int
    gsd_m: float
    crs: str
    longitude_deg: float
    latitude_deg: float
    rotation_deg: float
    sectors: Sequence[Literal["container", "general", "bulk", "tanks", "piers", "marina", "natural", "railhead", "depot", "empty"]]
    sector_m: float
    coast_deg: float | None
    land_fraction: float
    breakwater: bool
    berth_occupancy: float
    rafted: float
    anchored_per_km2: float
    under_way_per_km2: float
    boats_per_km2: float
    yard_fill: float
    tiers_max: int
    trucks: bool
    acquired: str
    sun_elevation_deg: float
    sun_azimuth_deg: float
    haze: float
    cloud_fraction: float
    wind_ms: float
    wind_from_deg: float
    glint: float
    water_rgb: Sequence[int] | None
    bands: Literal["rgb", "pan"]
    bits: int
    off_nadir_deg: float
    view_azimuth_deg: float
    blur_px: float
    noise: float
    shift_x_m: float
    shift_y_m: float
    nodata_fraction: float
    strip_seam: bool
