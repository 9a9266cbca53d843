"""A network in bfloat16 whose last layers stay in float32.

What moved boxes most is the mean over the bins of a side: bfloat16 keeps 8 bits of each of its 16
shares, and up to 15 strides of 32 px hang on one. Before it stand the last convolutions, which give
those bins, scores and angles. Both stay in float32 and cost next to nothing; the figures stand in
`docs/performance.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from openvino import Model
from openvino import opset13 as ops

STAYS_FLOAT: Final = "precise_0"
"""OpenVINO's mark of a node that keeps float32; heeded once the model was written and read."""


def with_float_ends(model: Any) -> Any:
    """The model, marked so that its last layers calculate in float32 at any precision.

    Args:
        model: OpenVINO's, float; it is changed.
    """
    for mean in [node for node in _last_convolutions(model) if _is_mean_of_bins(node)]:
        _as_sum(mean)
    model = Model(model.get_results(), model.get_parameters())
    for node in _last_convolutions(model):
        node.get_rt_info()[STAYS_FLOAT] = ""
    return model


def _last_convolutions(model: Any) -> Iterator[Any]:
    """Those after which no other comes before an output."""
    seen: set[str] = set()
    waiting = [result.input_value(0).get_node() for result in model.get_results()]
    while waiting:
        node = waiting.pop()
        if node.get_name() in seen:
            continue
        seen.add(node.get_name())
        if node.get_type_name() == "Convolution":
            yield node
        else:
            waiting += [value.get_node() for value in node.input_values()]


def _is_mean_of_bins(node: Any) -> bool:
    """Whether a convolution is the mean of a distribution: 1 x 1, one output, after a softmax."""
    shape = tuple(node.input_value(1).get_shape())
    before = node.input_value(0).get_node()
    return (shape[0], *shape[2:]) == (1, 1, 1) and before.get_type_name() == "Softmax"


def _as_sum(mean: Any) -> None:
    """Products and a sum for a convolution: after the last one OpenVINO keeps float32 unasked."""
    weighted = ops.multiply(mean.input_value(0), mean.input_value(1))
    total = ops.reduce_sum(weighted, ops.constant(np.array([1])), keep_dims=True)
    for taker in list(mean.output(0).get_target_inputs()):
        taker.replace_source_output(total.output(0))
