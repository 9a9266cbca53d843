"""Libraries of tables, loaded when first used: a scene's first tile need not wait for them.

`from detector.later import pandas as pd` is `import pandas as pd` but for the moment of loading.
Together they take 0.4 s of a processor, and what they do is done behind the last tile.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import geopandas as geopandas  # noqa: PLC0414 - so that it counts as exported
    import pandas as pandas  # noqa: PLC0414
    import pyogrio as pyogrio  # noqa: PLC0414
    import pyogrio.errors
else:

    class _Later:
        """Stands for a module until something of it is asked for."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self._name), name)

    geopandas = _Later("geopandas")
    pandas = _Later("pandas")
    pyogrio = _Later("pyogrio")
