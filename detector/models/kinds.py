"""The names of the backends, where options can name them without importing anything."""

from typing import Final

from detector.plugins import PluginGroup

BACKENDS: Final = PluginGroup(
    group="detector.backends",
    what="backend",
    built_in=("auto", "torch", "openvino", "onnx", "tensorrt"),
    call=("request",),
)
