"""How fast a scene behind a slow and faulty network is read, beside the same on this disk.

    python -m benchmarks.remote --side 4096 --latency-ms 50 --failures 0.01

A server of this machine waits before every answer and fails now and then. A scene is predicted from
the disk and from it, in turns, and the boxes are compared. The server is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.shutil import copy as gdal_copy
from rasterio.transform import from_origin

from benchmarks import tables
from detector.api.drawing import render
from detector.boxes.scored import Boxes
from detector.detections import Detections
from detector.inference.pipeline import find_objects
from detector.models.choice import choose_weights
from detector.models.detector import DetectorSettings, load_detector
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions, naming

GSD_M = 0.5
PORT_PX = 1024
WANTED = 0.8  # of local speed
DOCUMENT = Path("docs/scale.md")


@dataclass(frozen=True, slots=True)
class Took:
    """One reading of the scene.

    Attributes:
        open_s: to open it and to hash what it shows, as a run does.
        find_s: to find what is in it.
        cpu_s: of processors, both together: what other work on the machine changes little.
        detections: what was found.
    """

    open_s: float
    find_s: float
    cpu_s: float
    detections: Detections


def make_scene(path: Path, side: int) -> None:
    """A rendered port, side by side and noisy, as a COG."""
    port = render(seed=7, width=PORT_PX, height=PORT_PX, gsd_m=GSD_M).values
    times = -(-side // PORT_PX)
    values = np.tile(port, (times, times, 1))[:side, :side]
    noise = np.random.default_rng(1).normal(0, 3, values.shape)
    values = np.clip(values + noise, 1, 255).astype(np.uint8)
    plain = path.with_suffix(".plain.tif")
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8"}
    place = {"crs": "EPSG:32652", "transform": from_origin(500_000, 4_600_000, GSD_M, GSD_M)}
    with rasterio.open(plain, "w", **profile, **place, photometric="rgb") as dataset:
        dataset.write(np.moveaxis(values, -1, 0))
    gdal_copy(plain, path, driver="COG", compress="DEFLATE", predictor=2, blocksize=512)
    plain.unlink()


def read(path: str, detector: Any) -> Took:
    """Open, hash and read a scene, as a run does."""
    began, cpu = time.perf_counter(), time.process_time()
    with open_scene(path, naming(SceneOptions(), path)) as scene:
        scene.pixels_sha256()
        opened = time.perf_counter()
        found = find_objects(scene, detector)
        find_s, cpu_s = time.perf_counter() - opened, time.process_time() - cpu
        return Took(opened - began, find_s, cpu_s, found.detections)


class Blind:
    """A network that takes no time and sees nothing: what is left is reading."""

    def __init__(self) -> None:
        own = load_detector(DetectorSettings(choose_weights("auto", GSD_M), device="cpu"))
        self.card, self.batch, self.iou, self.conf = own.card, own.batch, own.iou, own.conf
        self.backend, self.threads, self.precision = own.backend, own.threads, own.precision
        self.larger_px = own.larger_px

    def of_tiles(self, side_px: int) -> Self:
        """The same on tiles of another side."""
        other = copy(self)
        other.card = replace(self.card, tile_px=side_px)
        return other

    def forward(self, tiles: NDArray[np.uint8]) -> int:
        """Nothing, of so many tiles."""
        return len(tiles)

    def decode(self, raw: int, conf: NDArray[np.float32] | None = None) -> list[Boxes]:
        """No boxes."""
        del conf
        return [Boxes.empty()] * raw


def same(one: Detections, two: Detections) -> bool:
    """Whether the same boxes were found."""
    return bool(
        len(one.scores) == len(two.scores)
        and np.array_equal(one.corners, two.corners)
        and np.array_equal(one.scores, two.scores)
    )


class _Slow(BaseHTTPRequestHandler):
    """Ranges of one file, late, and some of them refused."""

    protocol_version = "HTTP/1.1"
    content = b""
    latency_s = 0.0
    failures = 0.0
    luck = random.Random(1)  # noqa: S311 - the same failures every time
    lock = threading.Lock()
    asked = failed = sent = 0

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        if self.path == "/stats":
            self._send(200, f"{self.asked} {self.failed} {self.sent}".encode())
        else:
            self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        time.sleep(self.latency_s)
        kind = type(self)
        with self.lock:
            kind.asked += 1
            fails = self.luck.random() < self.failures
            kind.failed += fails
        if fails or not self.path.endswith(".tif"):
            self._send(503 if fails else 404, b"")
            return
        size = len(self.content)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(int(asked[2]), size - 1)) if asked else (0, size - 1)
        body = self.content[first : last + 1]
        with self.lock:
            kind.sent += len(body)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(file: Path, latency_ms: float, failures: float) -> None:
    """Serve a file until the process ends; the first line of output is the port."""
    _Slow.content, _Slow.latency_s, _Slow.failures = file.read_bytes(), latency_ms / 1000, failures
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def served(file: Path, latency_ms: float, failures: float) -> Iterator[str]:
    """The address of a server of a file."""
    words = [sys.executable, "-m", "benchmarks.remote", "--serve", str(file)]
    words += ["--latency-ms", str(latency_ms), "--failures", str(failures)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None  # noqa: S101 - a pipe was asked for
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.terminate()


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--side", type=int, default=4096)
    words.add_argument("--latency-ms", type=float, default=50.0)
    words.add_argument("--failures", type=float, default=0.01)
    words.add_argument("--repeat", type=int, default=2)
    words.add_argument("--weights", default="auto", help="none: nothing but reading")
    words.add_argument("--docs", action="store_true", help="put the figures into docs/scale.md")
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--serve", type=Path)
    asked = words.parse_args()
    if asked.serve is not None:
        serve(asked.serve, asked.latency_ms, asked.failures)
        return
    name = choose_weights(asked.weights, GSD_M)
    settings = DetectorSettings(name, device="cpu", threads=asked.threads)
    detector = load_detector(settings) if name != "none" else Blind()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scene.tif"
        make_scene(file, asked.side)
        print(f"scene: {asked.side} px a side, {file.stat().st_size / 1e6:.0f} MB")
        with served(file, asked.latency_ms, asked.failures) as address:
            read(str(file), detector)  # warm
            pairs = [_pair(file, address, number, detector) for number in range(asked.repeat)]
            with urlopen(f"{address}/stats") as answer:  # noqa: S310 - ours
                requests, failed, sent = map(int, answer.read().split())
    equal = all(same(near.detections, far.detections) for near, far in pairs)
    print(f"{len(pairs[0][0].detections.scores)} boxes, {'the same' if equal else 'OTHERS'}")
    print(f"{requests} requests, {failed} failed, {sent / 1e6:.0f} MB")
    shares = _shares(pairs)
    told = _words(name, asked.side, pairs, shares)
    print(told)
    print(f"at least {WANTED:g} wanted: {'reached' if shares[1] >= WANTED else 'missed'}")
    if asked.docs:
        tables.put(DOCUMENT, "reading alone" if name == "none" else "remote", told)
    sys.exit(0 if equal else 1)


def _pair(file: Path, address: str, number: int, detector: Any) -> tuple[Took, Took]:
    """The same scene from the disk and, never asked for before, from the server."""
    near = read(str(file), detector)
    far = read(f"/vsicurl/{address}/{number}.tif", detector)
    for place, took in (("local ", near), ("remote", far)):
        told = (
            f"open {took.open_s:6.2f} s, find {took.find_s:6.2f} s, processor {took.cpu_s:6.2f} s"
        )
        print(f"{place}  {told}", flush=True)
    return near, far


def _shares(pairs: list[tuple[Took, Took]]) -> tuple[float, float]:
    """Of local speed: finding, and with opening; the best of each, since load only slows."""
    near = min(one.find_s for one, _ in pairs), min(one.open_s + one.find_s for one, _ in pairs)
    far = min(two.find_s for _, two in pairs), min(two.open_s + two.find_s for _, two in pairs)
    return near[0] / far[0], near[1] / far[1]


def _words(
    name: str, side: int, pairs: list[tuple[Took, Took]], shares: tuple[float, float]
) -> str:
    """What is published."""
    what = "reading alone, a network that takes no time" if name == "none" else f"with `{name}`"
    more_s = min(two.open_s for _, two in pairs) - min(one.open_s for one, _ in pairs)
    load = os.getloadavg()[0]
    cpu = [min(took.cpu_s for took in place) for place in zip(*pairs, strict=True)]
    return (
        f"{what[0].upper()}{what[1:]}, {side * side / 1e6:.1f} megapixels: {cpu[0]:.1f} s of "
        f"processors from the disk, {cpu[1]:.1f} s from the server. By the clock, best of "
        f"{len(pairs)} at a load of {load:.0f} on {os.cpu_count()} cores: finding at "
        f"{shares[0]:.2f} of local speed, with opening and hashing {shares[1]:.2f}; opening takes "
        f"{more_s:.1f} s more than on a disk."
    )


if __name__ == "__main__":
    main()
