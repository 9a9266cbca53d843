"""A network in 8 bits, by post-training quantisation on example tiles.

The layers of the head stay in float: distances, angles and scores that are rounded to 256 steps
move boxes by pixels. So do the first two, whose few channels hold all that later ones see. What a
value may be is taken from its histogram, not from its extremes (`docs/performance.md`).
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FIRST: Final = (0, 1)  # layers that stay in float
LAYER: Final = re.compile(r"\.model\.(\d+)[./]")  # the number of a layer in the name of a node


def quantized(model: Any, tiles: NDArray[np.uint8]) -> Any:
    """An OpenVINO model whose layers but the first and those of the head calculate in 8 bits.

    Args:
        model: float, of tiles `(1, height, width, 3)` or batches of them.
        tiles: `(N, height, width, 3)` uint8, RGB: what the network is to read, rendered or real.
    """
    import nncf  # noqa: PLC0415 - an extra, and slow to load
    from nncf.quantization.range_estimator import (  # noqa: PLC0415
        RangeEstimatorParametersSet,
    )

    batch = int(model.input(0).shape[0])
    usable = tiles[: len(tiles) // batch * batch].reshape(-1, batch, *tiles.shape[1:])
    nodes = [node.get_friendly_name() for node in model.get_ordered_ops()]
    layers = [int(found[1]) for name in nodes for found in LAYER.finditer(name)]
    ignored = "|".join(map(str, (*FIRST, max(layers))))
    scope = nncf.IgnoredScope(patterns=[rf".*\.model\.({ignored})[./].*"], validate=False)
    ranges = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.HISTOGRAM
    )
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # bars of progress
        return nncf.quantize(
            model,
            nncf.Dataset(list(usable)),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(usable),
            ignored_scope=scope,
            advanced_parameters=ranges,
        )
