"""Runs over one scene that are killed at a random moment and repeated; a process of its own.

It forks once for each run: a child that has imported everything already starts at once, and nothing
has threads before. Its last line is JSON: for each kill the batches that the network
read before and after it, and whether the results are those of the unbroken run.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.inference import checkpoint
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction.batch import BatchSettings, predict_paths
from detector.prediction.constants import constants_sha256
from tests.inference.blobs import BlobDetector

FORWARD_S = 0.01


class SlowDetector(BlobDetector):
    """Takes its time, and counts its batches where a kill does not wipe them out."""

    log = Path()

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
        time.sleep(FORWARD_S)
        with self.log.open("ab") as file:
            file.write(b".")
        return super().forward(tiles)


def run(scene: Path, out: Path, log: Path) -> int:
    """Start a run in a process of its own."""
    number = os.fork()
    if number:
        return number
    detector = SlowDetector()
    SlowDetector.log = log
    run_module.load_detector = lambda settings: detector  # type: ignore[assignment,return-value]
    checkpoint.EVERY_S = 0.0  # a part after every batch
    try:
        settings = BatchSettings((str(scene),), out, DetectorSettings("blobs"), formats=("csv",))
        predict_paths(settings)
    except BaseException as error:
        sys.stderr.write(f"{error!r}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def batches(log: Path) -> int:
    """That the network has read."""
    return log.stat().st_size if log.exists() else 0


def content(out: Path) -> dict[str, str]:
    """Hash of every file."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def main(scene: Path, folder: Path, kills: int, seed: int) -> None:
    """Kill so many runs."""
    constants_sha256()  # imports what a child would import each time
    chance = random.Random(seed)
    begun = time.monotonic()
    _, status = os.waitpid(run(scene, folder / "whole", folder / "whole.log"), 0)
    assert status == 0
    whole_s = time.monotonic() - begun
    whole, told = content(folder / "whole"), []
    for number in range(kills):
        out, log = folder / f"out{number}", folder / f"{number}.log"
        process = run(scene, out, log)
        if number % 4:  # most while the tiles are read, the others at any moment
            target = chance.randrange(1, batches(folder / "whole.log"))
            while batches(log) < target:
                time.sleep(FORWARD_S / 10)
            time.sleep(chance.uniform(0, FORWARD_S))
        else:
            time.sleep(chance.uniform(0, whole_s))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        before = batches(log)
        _, status = os.waitpid(run(scene, out, log), 0)
        same = status == 0 and content(out) == whole
        told.append({"before": before, "all": batches(log), "same": same})
        shutil.rmtree(out)
    told_all = {"whole": batches(folder / "whole.log"), "kills": told}
    sys.stdout.write(f"{json.dumps(told_all)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
