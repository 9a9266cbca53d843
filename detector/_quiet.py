"""Switch off everything in the dependencies that calls home, before they are imported.

Ultralytics reads its variables at import; Albumentations checks its version at import; OpenVINO's
converter sends telemetry unless its consent file says no (see `detector.models.openvino_backend`).
"""

import os

OFFLINE_ENVIRONMENT = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "0",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}


def apply() -> None:
    """Set the variables; a value that the user has set is kept."""
    for name, value in OFFLINE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
