"""A network in 8 bits, by post-training quantisation on example tiles.

The layers of the head stay in float: distances, angles and scores that are rounded to 256 steps
move boxes by pixels (`docs/performance.md`).
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LAYER: Final = re.compile(r"\.model\.(\d+)[./]")  # the number of a layer in the name of a node


def quantized(model: Any, tiles: NDArray[np.uint8]) -> Any:
    """An OpenVINO model whose layers but those of the head calculate in 8 bits.

    Args:
        model: float, of tiles `(1, height, width, 3)` or batches of them.
        tiles: `(N, height, width, 3)` uint8, RGB: what the network is to read, rendered or real.
    """
    import nncf  # noqa: PLC0415 - an extra, and slow to load

    batch = int(model.input(0).shape[0])
    usable = tiles[: len(tiles) // batch * batch].reshape(-1, batch, *tiles.shape[1:])
    nodes = [node.get_friendly_name() for node in model.get_ordered_ops()]
    layers = [int(found[1]) for name in nodes for found in LAYER.finditer(name)]
    head = nncf.IgnoredScope(patterns=[rf".*\.model\.{max(layers)}[./].*"], validate=False)
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # bars of progress
        return nncf.quantize(
            model,
            nncf.Dataset(list(usable)),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(usable),
            ignored_scope=head,
        )
