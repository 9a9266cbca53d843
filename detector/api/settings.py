"""The options of `detector predict` as the settings of a run; nothing that writes is loaded."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import cast

from detector.inference.pipeline import PipelineSettings
from detector.models.detector import DetectorSettings
from detector.prediction.options import PredictConfig, RayConfig, SceneConfig
from detector.prediction.settings import BatchSettings, ClusterSettings
from detector.prediction.shard import Shard
from detector.scenes.types import CloudOption, SceneOptions
from detector.tiling.merge import MergeSettings
from detector.times import parse_acquired


def scene_options(scene: SceneConfig) -> SceneOptions:
    """The options `scene.*` of a command as those of `open_scene`."""
    return SceneOptions(
        bands=tuple(scene.bands) if scene.bands else None,
        gsd_m=scene.gsd,
        acquired=_said_time(scene.acquired),
        clouds=cast(CloudOption, scene.clouds),  # one of its choices
        nodata=scene.nodata,
        nir=scene.nir,
        brighten_dark=scene.brighten_dark,
        allow_remote=tuple(scene.allow_remote),
    )


def predict_settings(config: PredictConfig) -> BatchSettings:
    """The options of `detector predict` as the pipeline's own settings."""
    scene, model, merge = config.scene, config.model, config.merge
    return BatchSettings(
        paths=tuple(config.paths),
        out=Path(config.out),
        detector=DetectorSettings(
            weights=model.weights,
            device=config.device,
            backend=config.backend,
            batch=config.batch,
            threads=config.threads,
            precision=config.precision,
            conf=model.conf,
            iou=model.iou,
        ),
        zones=config.zones,
        zones_only=config.zones_only,
        land=config.land,
        water_index=config.water_index == "auto",
        overwrite=config.overwrite,
        scene=scene_options(scene),
        pipeline=PipelineSettings(
            readers=config.readers,
            queue=config.queue,
            enlarge=config.enlarge,
            estimate_gsd=scene.estimate_gsd,
            larger_tiles=config.larger_tiles,
            skip_flat=config.skip == "auto",
            merge=MergeSettings(
                match_iou=merge.match_iou,
                longest_ship_m=merge.longest_ship_m,
                longest_stack_m=merge.longest_stack_m,
            ),
        ),
        stacks=config.stacks,
        formats=tuple(config.formats),
        shard=Shard.parse(config.shard) if config.shard is not None else None,
        cluster=cluster_settings(config.ray) if config.execution == "ray" else None,
    )


def cluster_settings(ray: RayConfig) -> ClusterSettings:
    """The options `ray.*` of `detector predict` as those of its workers."""
    return ClusterSettings(
        address=ray.address,
        workers=ray.workers,
        cpus=ray.cpus,
        gpus=ray.gpus,
        tries=ray.tries,
        wait_s=ray.wait_s,
        strip_tiles=ray.strip_tiles,
    )


def _said_time(text: str | None) -> date | None:
    said = parse_acquired(text)
    return said.moment or said.day
