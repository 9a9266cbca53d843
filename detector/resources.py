"""Where `conf/` and `weights/` lie: inside the package in a wheel, at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

from detector.errors import QuaywatchError

PACKAGE = Path(__file__).resolve().parent
WHEEL_RESOURCES = PACKAGE / "_resources"


def conf_dir() -> Path:
    """The folder of the YAML files that Hydra composes."""
    return _find("conf")


def weights_dir() -> Path:
    """The folder of the shipped weights, each `<name>.safetensors` with its `<name>.yaml` card."""
    return _find("weights")


def _find(name: str) -> Path:
    for root in (WHEEL_RESOURCES, PACKAGE.parent):
        if (root / name).is_dir():
            return root / name
    raise QuaywatchError(
        f"the installation is damaged: no folder '{name}' in {WHEEL_RESOURCES} or {PACKAGE.parent};"
        " install quaywatch anew"
    )
