"""Where the port pool is: its imagery is no part of the project; what needs it skips aloud."""

from __future__ import annotations

import os
from pathlib import Path

from detector.data.datasets import POOL_VARIABLE
from detector.data.port_pool import INDEX

SHARED = Path(os.environ.get("QUAYWATCH_SHARED", Path(__file__).parents[2] / "shared"))
NOT_HERE = f"the port pool is not here; name its folder with {POOL_VARIABLE} (docs/datasets.md)"


def find_pool() -> Path | None:
    """The folder of the port pool, by `QUAYWATCH_POOL` or beside other real imagery, or None."""
    told = os.environ.get(POOL_VARIABLE)
    folder = Path(told) if told else SHARED / "data" / "port"
    return folder if (folder / INDEX).is_file() else None


def skip(what: str) -> None:
    """Say what is left out where there is no pool."""
    print(f"skipped: {what}: {NOT_HERE}", flush=True)
