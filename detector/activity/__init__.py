"""From looks of sites to what can be said: series, visits, events.

The package can be called: `detector.activity(sites, runs)` is `detector.activity.find_activity`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.activity.api import find_activity

__all__ = ["find_activity"]


def __getattr__(name: str) -> Any:
    if name == "find_activity":
        from detector.activity.api import find_activity  # noqa: PLC0415 - geopandas takes a second

        return find_activity
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _CallableModule(ModuleType):
    """A module of the same name as the function that it is known for (Python data model, 3.3.2)."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """See `find_activity`."""
        return __getattr__("find_activity")(*arguments, **options)


sys.modules[__name__].__class__ = _CallableModule
