"""What a scene's first tile does not need is not loaded before it."""

from __future__ import annotations

import subprocess
import sys

import pandas
import pytest

from detector import later

FRONT = """
import sys
import detector.api.settings, detector.prediction.batch
from detector.prediction.constants import constants_sha256
constants_sha256()
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_a_run_begins_without_tables_and_without_torch() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FRONT], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = set(ran.stdout.split())
    assert {"detector", "numpy", "openvino", "rasterio", "shapely"} <= loaded
    unwanted = {"pandas", "geopandas", "pyogrio", "scipy", "sklearn", "torch", "matplotlib"}
    assert not loaded & unwanted


def test_what_loads_later_is_the_library_itself() -> None:
    assert later.pandas.DataFrame is pandas.DataFrame
    with pytest.raises(AttributeError, match="pandas"):
        later.pandas.nothing_of_this_name  # noqa: B018
