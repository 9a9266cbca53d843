"""Random streams that depend on a seed and a name only, not on order, thread or machine."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *keys: str | int) -> np.random.Generator:
    """A counter-based generator of its own for every seed and key.

    Args:
        seed: of the scene.
        keys: what the numbers are for, like `"tile", 3, 4`.
    """
    words = [zlib.crc32(key.encode()) if isinstance(key, str) else key + 2**31 for key in keys]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))
