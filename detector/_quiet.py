"""Switch off what calls home in the dependencies, bound GDAL, let threads sleep, before imports.

Ultralytics reads its variables at import, Albumentations checks for updates at import, and
OpenVINO sends events at import unless its telemetry package is absent.
"""

import os
import sys

OFFLINE_ENVIRONMENT = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "0",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    # of GDAL: an XML's schema is not fetched, a VRT's Python is not run
    "GML_DOWNLOAD_SCHEMA": "NO",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
}
MEMORY_ENVIRONMENT = {
    "GDAL_CACHEMAX": "256",  # MB; by default a twentieth of the machine's memory
}
WAITING_ENVIRONMENT = {
    # Threads of OpenMP that wait sleep: spinning ones take the cores that other work needs.
    "OMP_WAIT_POLICY": "PASSIVE",  # GNU's, of torch's wheels; read once, when it is loaded
    "KMP_BLOCKTIME": "0",  # Intel's and LLVM's, milliseconds
}
TELEMETRY_PACKAGES = ("openvino_telemetry",)

_ENVIRONMENT = OFFLINE_ENVIRONMENT | MEMORY_ENVIRONMENT | WAITING_ENVIRONMENT


def apply() -> None:
    """Set the variables; a value that the user has set is kept.

    A telemetry package is made to look absent: None in `sys.modules` makes its import fail, and
    OpenVINO then falls back to its own stub that sends nothing.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for package in TELEMETRY_PACKAGES:
        sys.modules.setdefault(package, None)  # type: ignore[arg-type]
