"""Ultralytics' names, untyped.

Its annotations say None for attributes that its code fills later, and differ from release to
release; checked against them, our subclasses would be mostly casts.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

OBBTrainer: Any = import_module("ultralytics.models.yolo.obb").OBBTrainer
BaseTrainer: Any = import_module("ultralytics.engine.trainer").BaseTrainer
OBBModel: Any = import_module("ultralytics.nn.tasks").OBBModel
load_checkpoint: Any = import_module("ultralytics.nn.tasks").load_checkpoint
E2ELoss: Any = import_module("ultralytics.utils.loss").E2ELoss
v8OBBLoss: Any = import_module("ultralytics.utils.loss").v8OBBLoss  # noqa: N816 - its name
xyxyxyxy2xywhr: Any = import_module("ultralytics.utils.ops").xyxyxyxy2xywhr
make_anchors: Any = import_module("ultralytics.utils.tal").make_anchors
ModelEMA: Any = import_module("ultralytics.utils.torch_utils").ModelEMA
unwrap_model: Any = import_module("ultralytics.utils.torch_utils").unwrap_model
