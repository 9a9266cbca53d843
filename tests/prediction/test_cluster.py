"""Scenes on a cluster: what Ray does in one real run, what can go wrong on a stand-in for Ray."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from detector.classes import PORT
from detector.counting.zones import NO_ZONES
from detector.errors import OutputError, QuaywatchError, WeightsError
from detector.export.records import SceneRecord
from detector.inference import checkpoint
from detector.inference.pipeline import MAX_PENDING_MERGES, prepare_scene
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction import cluster as cluster_module
from detector.prediction import workers
from detector.prediction.batch import BatchSettings, RunSummary, predict_paths
from detector.prediction.cluster import (
    ClusterError,
    SceneWorker,
    do_on_cluster,
    with_others,
)
from detector.prediction.copies import Identity
from detector.prediction.settings import ClusterSettings
from detector.prediction.tasks import About, Answer, Outcome
from detector.prediction.work import failed_record
from detector.prediction.workers import ClusterWorker
from detector.progress import SilentProgress
from detector.scenes.discover import SceneSource
from detector.scenes.scene import open_scene
from detector.tiling.strips import cut_strips
from tests.inference.blobs import BlobDetector, blob_scene
from tests.prediction.test_batch import SIZE, _ships
from tests.scenes.rasters import UTM52, utm_transform

FORWARD_S = 0.3
NOTES = "QUAYWATCH_TEST_NOTES"
STRIP_TILES, LARGE = 8, (900, 1000)
# of Ray's own processes, on a machine that is busy with other tests
PATIENCE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_gcs_server_request_timeout_seconds": "600",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}
STARTS = 3
ROOT = Path(__file__).parents[2]


class SlowDetector(BlobDetector):
    """Takes its time, so that a node can be killed while it works, and notes what it has read."""

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
        time.sleep(FORWARD_S)
        _note("." * len(tiles))
        return super().forward(tiles)


def load_slow(settings: DetectorSettings) -> SlowDetector:
    """For workers, which get it by name."""
    _note("+")
    return SlowDetector(threads=settings.threads or 1)


def _note(text: str) -> None:
    with Path(os.environ[NOTES]).open("a") as file:
        file.write(text)


def _predict(scenes: Path | str, out: Path, cluster: ClusterSettings | None = None) -> RunSummary:
    settings = BatchSettings(
        (str(scenes),), out, DetectorSettings("blobs"), formats=("csv",), cluster=cluster
    )
    return predict_paths(settings)


def _bytes(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_a_node_that_is_lost_costs_only_its_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name, value in PATIENCE.items():
        monkeypatch.setenv(name, value)
    notes = tmp_path / "notes"
    monkeypatch.setenv(NOTES, str(notes))
    utils = pytest.importorskip("ray.cluster_utils")  # reads the environment
    monkeypatch.setattr(run_module, "load_detector", load_slow)
    scenes = tmp_path / "in"
    scenes.mkdir()
    for number in range(6):
        place = (150.0 + 40 * number, 100.0)
        path = scenes / f"{number}.tif"
        blob_scene(path, SIZE, _ships(place), transform=utm_transform(), crs=UTM52)
    large = _large_scene(scenes / "00.tif")
    (scenes / "text.tif").write_text("no raster")
    with rasterio.open(scenes / "0.tif") as first:
        profile, values = first.profile | {"compress": "lzw"}, first.read()
    with rasterio.open(scenes / "copy.tif", "w", **profile) as same:
        same.write(values)
    whole, out = tmp_path / "whole", tmp_path / "out"
    _predict(scenes, whole)
    alone = notes.read_text().count(".")
    notes.unlink()
    node = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
    cluster = _started(utils, node)
    lost: list[int] = []
    try:
        second = _patiently(lambda: cluster.add_node(num_cpus=1, object_store_memory=80_000_000))

        def kill_in_mid_run() -> None:
            while not list(out.glob(".begun-*/*.part")):
                time.sleep(0.02)
            cluster.remove_node(second, allow_graceful=False)
            lost.append(len(list(out.glob("*/scene.json"))))

        killer = threading.Thread(target=kill_in_mid_run, daemon=True)
        killer.start()
        settings = ClusterSettings(cluster.address, wait_s=600, strip_tiles=STRIP_TILES)
        summary = _predict(scenes, out, settings)
        killer.join(60)
    finally:
        cluster.shutdown()
    assert len(lost) == 1
    assert lost[0] < 6  # it was in mid-run, and a strip of the large scene was read
    assert [record.status for record in summary.records] == ["done"] * 7 + ["copy", "failed"]
    assert _bytes(out) == _bytes(whole)
    assert not list(out.glob(".begun-*"))
    again = notes.read_text()
    assert 0 <= again.count(".") - alone <= _most_of_a_task(large, scenes / "0.tif")
    assert again.count("+") <= 3  # the network is loaded once a worker; one came for the lost one


def _most_of_a_task(large: Path, small: Path) -> int:
    """Tiles of the largest strip or of a small scene."""
    plans = []
    for path in (large, small):
        with open_scene(path) as scene:
            plans.append(prepare_scene(scene, BlobDetector()).plan)  # type: ignore[arg-type]
    strips = cut_strips(plans[0], STRIP_TILES)
    assert len(strips) >= 3
    assert sum(map(len, strips)) == len(plans[0])
    return max(len(plans[1]), *map(len, strips))


def _large_scene(path: Path) -> Path:
    ships = _ships((150, 100), (700, 500), (705, 515), (300, 900))
    return blob_scene(path, LARGE, ships, transform=utm_transform(), crs=UTM52)


def _patiently(start: Callable[[], Any]) -> Any:
    """Ray gives a node 30 s, which a busy machine may not have."""
    for left in reversed(range(STARTS)):
        try:
            return start()
        except Exception:
            if not left:
                raise
    return None


def _started(utils: Any, node: dict[str, Any]) -> Any:
    """A cluster with its first node."""

    def start() -> Any:
        cluster = utils.Cluster()
        try:
            cluster.add_node(**node)
        except Exception:
            cluster.shutdown()
            raise
        return cluster

    return _patiently(start)


class FakeTaskError(Exception):
    """Stands in for Ray's: what the worker raised is its cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class FakeLostError(Exception):
    """Stands in for the errors of lost workers."""


class FakeRay:
    """What is used of Ray, in this process; calls run when their answer is asked for."""

    def __init__(self, resources: dict[str, float]) -> None:
        self.exceptions = SimpleNamespace(RayTaskError=FakeTaskError, RayError=FakeLostError)
        self.resources = resources
        self.started = 0
        self.options: dict[str, Any] = {}
        self.address = ""
        self.flying: list[int] = []
        self.most = self.turn = 0

    def is_initialized(self) -> bool:
        return True

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(gcs_address=self.address)

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def remote(self, **options: Any) -> Callable[[type], Any]:
        self.options = options

        def wrap(kind: type) -> Any:
            return SimpleNamespace(remote=lambda make: self._start(kind(make), options))

        return wrap

    def _start(self, actor: Any, options: dict[str, Any]) -> Any:
        self.started += 1
        room = self.resources["CPU"] >= options["num_cpus"] * self.started
        number = self.started

        def method(name: str) -> Any:
            def call(*words: Any) -> Any:
                self.flying.append(number)
                self.most = max(self.most, self.flying.count(number))
                return _Ref(number, room, lambda: getattr(actor, name)(*words))

            return SimpleNamespace(remote=call)

        return SimpleNamespace(about=method("about"), run=method("run"))

    def wait(self, refs: Sequence[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        ready = [ref for ref in refs if ref.room]
        self.turn += 1  # answers come in another order than scenes
        return [ready[-self.turn % len(ready)]] if ready else [], []

    def get(self, ref: Any) -> Any:
        self.flying.remove(ref.number)
        try:
            return ref.call()
        except FakeLostError:
            raise
        except Exception as error:
            raise FakeTaskError(error) from error

    def kill(self, handle: Any) -> None:
        pass


class _Ref:
    """An answer that is not there yet."""

    def __init__(self, number: int, room: bool, call: Callable[[], Any]) -> None:
        self.number, self.room, self.call = number, room, call


class Worker:
    """Does what the name of a scene says."""

    made = 0

    def __init__(self, log: list[str], device: str = "cpu") -> None:
        self.log, self.device = log, device

    def about(self) -> About:
        return About({"device": self.device}, PORT)

    def identify(self, source: SceneSource) -> Answer:
        self.log.append(f"identify {source.path}")
        if source.path.startswith("bad"):
            return Answer(record=SceneRecord(source.path, "failed", "bad"))
        picture = source.path.removeprefix("copy-")
        record = SceneRecord(source.path, "done", scene_id=source.path, pixels_sha256=picture)
        return Answer(identity=Identity(record, source.path))

    def strip(self, source: SceneSource, scene_id: str, tiles: range) -> Answer:
        self.log.append(f"{source.path} {tiles.start}")
        if self.log.count(f"{source.path} 4") == 1 and tiles.start == 4:
            raise FakeLostError("node died")
        spoiled = source.path.startswith("large-bad") and tiles.start == 8
        record = SceneRecord(source.path, "failed", "torn") if spoiled else None
        return Answer(record=record)

    def do(self, source: SceneSource, scene_id: str, *, whole: bool) -> Answer:
        if source.path.startswith("large") and not whole:
            return Answer(strips=(range(4), range(4, 8), range(8, 12)))
        self.log.append(f"do {source.path}")
        if source.path.startswith("heavy"):
            raise FakeLostError("Worker ran out of memory\nmore words")
        if source.path.startswith("unlucky") and self.log.count(f"do {source.path}") == 1:
            raise FakeLostError("node died")
        stop = "out: cannot be written" if source.path.startswith("full") else ""
        return Answer(record=SceneRecord(source.path, "done", scene_id=scene_id), stop=stop)


def _do(
    monkeypatch: pytest.MonkeyPatch,
    names: str,
    make: Callable[[], SceneWorker],
    *,
    room: float = 2.0,
    gpus: float = 0.0,
    gpus_of: float | None = None,
    address: str = "",
    **changes: Any,
) -> tuple[Outcome, FakeRay]:
    fake = FakeRay({"CPU": room, "GPU": gpus})
    fake.address = address
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.exceptions", fake.exceptions)
    monkeypatch.setattr(cluster_module, "POLL_S", 0.0)
    sources = [SceneSource(name) for name in names.split()]
    settings = ClusterSettings(gpus=gpus_of, **changes)
    done = do_on_cluster(settings, make, sources, SilentProgress(), gpus=1.0)
    return done, fake


def test_every_scene_has_its_answer_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    names = "a bad b copy-a c d e f unlucky g"
    outcome, fake = _do(monkeypatch, names, lambda: Worker(log), room=100)
    assert [record.path for record in outcome.records] == names.split()
    told = {record.path: record.status for record in outcome.records}
    assert {told[name] for name in "abcdefg"} | {told["unlucky"]} == {"done"}
    assert (told["bad"], told["copy-a"]) == ("failed", "copy")
    assert log.count("do a") == 1
    assert log.count("do unlucky") == 2  # once more, and nothing else
    assert "do copy-a" not in log
    assert fake.most == 1  # one task at a time
    assert fake.started == 10 + 1


def test_a_large_scene_is_done_once_when_its_strips_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []
    outcome, fake = _do(monkeypatch, "large", lambda: Worker(log), room=8)
    assert [record.status for record in outcome.records] == ["done"]
    assert sorted(log[1:-1]) == ["large 0", "large 4", "large 4", "large 8"]  # one was lost
    assert log[-1] == "do large"
    assert fake.started == 3 + 1  # a worker a strip, and one for the lost one
    assert fake.most == 1


def test_a_strip_that_cannot_be_read_spoils_its_scene_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    outcome, _ = _do(monkeypatch, "a large-bad b", lambda: Worker(log), room=9)
    assert [record.status for record in outcome.records] == ["done", "failed", "done"]
    assert outcome.records[1].reason == "torn"
    assert "do large-bad" not in log
    assert caplog.text.count("torn") == 1


def test_strips_give_the_bytes_of_one_process_whoever_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)  # a part after every batch
    read: list[int] = []

    class Dying(BlobDetector):
        dies_at = -1

        def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
            read.append(len(tiles))
            if len(read) == self.dies_at:
                raise FakeLostError("node died")
            return super().forward(tiles)

    monkeypatch.setattr(run_module, "load_detector", lambda settings: Dying())
    monkeypatch.setattr(workers, "failed_record", _only_if_alive)
    large = _large_scene(tmp_path / "large.tif")
    _predict(large, tmp_path / "whole")
    alone = sum(read)
    read.clear()
    Dying.dies_at = 9
    outcome, fake = _predict_on_fake(monkeypatch, large, tmp_path / "out")
    assert [record.status for record in outcome.records] == ["done"]
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")
    assert sum(read) - alone <= BlobDetector.batch * (MAX_PENDING_MERGES + 3)
    assert fake.started == 3 + 1  # strips, and one for the lost one


def test_a_large_scene_that_costs_its_workers_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    out_of_memory = range(9, 12)  # batches: three workers are lost at the third strip

    class Dying(BlobDetector):
        def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
            read.append(len(tiles))
            if len(read) in out_of_memory:
                raise FakeLostError("Worker ran out of memory")
            return super().forward(tiles)

    monkeypatch.setattr(run_module, "load_detector", lambda settings: Dying())
    monkeypatch.setattr(workers, "failed_record", _only_if_alive)
    scenes, out = tmp_path / "in", tmp_path / "out"
    scenes.mkdir()
    large = _large_scene(scenes / "large.tif")
    blob_scene(scenes / "small.tif", SIZE, _ships((150, 100)), transform=utm_transform(), crs=UTM52)
    first, _ = _predict_on_fake(monkeypatch, scenes, out, workers=1)
    assert [record.status for record in first.records] == ["failed", "done"]
    assert "3 workers were lost at this scene (Worker ran out of memory)" in first.records[0].reason
    read[:] = [0] * 20
    again, _ = _predict_on_fake(monkeypatch, scenes, out, workers=1)
    assert [record.status for record in again.records] == ["done", "done"]
    with open_scene(large) as scene:
        plan = prepare_scene(scene, BlobDetector()).plan  # type: ignore[arg-type]
    assert sum(read) == len(cut_strips(plan, STRIP_TILES)[2])
    _predict(scenes, tmp_path / "whole")
    assert _bytes(out) == _bytes(tmp_path / "whole")
    assert not list(out.glob(".begun-*"))


def _only_if_alive(path: str, error: BaseException) -> SceneRecord:
    """A worker that is lost makes no record."""
    if isinstance(error, FakeLostError):
        raise error
    return failed_record(path, error)


def _predict_on_fake(
    monkeypatch: pytest.MonkeyPatch, scene: Path, out: Path, workers: int = 4
) -> tuple[RunSummary, FakeRay]:
    fake = FakeRay({"CPU": 9, "GPU": 0})
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.exceptions", fake.exceptions)
    return _predict(scene, out, ClusterSettings(workers=workers, strip_tiles=STRIP_TILES)), fake


def test_what_a_worker_takes_of_its_machine_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(room: float, gpus: float, **changes: Any) -> tuple[dict[str, Any], int]:
        _, fake = _do(monkeypatch, "a b c d", lambda: Worker([]), room=room, gpus=gpus, **changes)
        return fake.options, fake.started

    spread = {"max_restarts": 0, "scheduling_strategy": "SPREAD"}
    assert taken(4, 0) == ({"num_cpus": 1.0, "num_gpus": 0.0, **spread}, 4)
    assert taken(4, 2) == ({"num_cpus": 1.0, "num_gpus": 1.0, **spread}, 2)  # one of two each
    assert taken(4, 2, gpus_of=0.5) == ({"num_cpus": 1.0, "num_gpus": 0.5, **spread}, 4)
    assert taken(4, 0, cpus=2.0) == ({"num_cpus": 2.0, "num_gpus": 0.0, **spread}, 2)
    assert taken(4, 0, workers=3) == ({"num_cpus": 1.0, "num_gpus": 0.0, **spread}, 3)


def test_the_network_is_loaded_once_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    made: list[str] = []

    def make() -> Worker:
        made.append("")
        return Worker(log)

    _do(monkeypatch, " ".join(f"s{number}" for number in range(20)), make)
    assert (len(made), len(log)) == (2, 40)


def test_few_scenes_wait_between_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    _do(monkeypatch, " ".join(f"s{number}" for number in range(40)), lambda: Worker(log))
    waiting = most = 0
    for line in log:
        waiting += 1 if line.startswith("identify") else -1
        most = max(most, waiting)
    assert most <= 4  # of two workers


def test_a_scene_that_costs_its_workers_is_a_row(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    outcome, fake = _do(monkeypatch, "a heavy b", lambda: Worker(log), room=100, tries=2)
    assert [record.status for record in outcome.records] == ["done", "failed", "done"]
    assert outcome.records[1].reason == (
        "heavy: 2 workers were lost at this scene (Worker ran out of memory); if they lack "
        "memory, give each more of its machine with ray.cpus="
    )
    assert log.count("do heavy") == 2
    assert fake.started == 3 + 2
    assert "heavy: its worker was lost (Worker ran out of memory)" in caplog.text


def test_a_folder_that_cannot_be_written_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match="out: cannot be written"):
        _do(monkeypatch, "a full b", lambda: Worker([]))


def test_what_a_worker_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> SceneWorker:
        raise WeightsError("x: no such weights")

    with pytest.raises(WeightsError, match="no such weights"):
        _do(monkeypatch, "a b", refuse)


def test_workers_that_do_not_come_up_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies() -> SceneWorker:
        raise FakeLostError("killed")

    with pytest.raises(ClusterError, match=r"do not come up \(killed\); try one by hand"):
        _do(monkeypatch, "a b", dies, room=1000)


def test_no_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClusterError, match=r"each needs 8 CPU, the cluster has 2 CPU; what is don"):
        _do(monkeypatch, "a b", lambda: Worker([]), cpus=8, wait_s=0.0)


def test_a_cluster_that_goes_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "AWAY_S", 0.1)
    with pytest.raises(ClusterError) as told:
        _do(monkeypatch, "a", lambda: Worker([]), cpus=8, address="127.0.0.1:9")
    assert str(told.value) == (
        "127.0.0.1:9: the cluster has gone away; what is done is kept, start a cluster again and "
        "the same command goes on"
    )
    fake = FakeRay({})
    del fake.address  # as a client's
    assert cluster_module._own_address(fake) is None
    monkeypatch.setattr(cluster_module, "_is_reached", lambda place: True)
    with pytest.raises(ClusterError, match="no worker came up"):
        _do(monkeypatch, "a", lambda: Worker([]), cpus=8, address="127.0.0.1:9", wait_s=0.2)


def test_workers_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = iter(["cpu", "cuda:0", "cpu"])
    with pytest.raises(ClusterError, match=r"differ in device \(.*\); settle it, for example with"):
        _do(monkeypatch, "a b c", lambda: Worker([], next(devices)), room=3)


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay({})

    def refused(**words: Any) -> None:
        raise ConnectionError(f"could not connect to {words['address']}\nand more")

    fake.is_initialized = lambda: False  # type: ignore[method-assign]
    fake.init = refused  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.exceptions", fake.exceptions)
    with pytest.raises(ClusterError) as told:
        do_on_cluster(ClusterSettings("auto"), lambda: Worker([]), [], SilentProgress(), gpus=0)
    assert str(told.value) == (
        "ray.address=auto: no cluster answers (could not connect to auto); start one with ray "
        "start, or say execution=local"
    )
    asked: list[str] = []
    fake.init = lambda **words: asked.append(words["address"])  # type: ignore[attr-defined]
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9", "127.0.0.1:999999"):
        with pytest.raises(ClusterError, match=rf"ray\.address={address}: no cluster answers \("):
            do_on_cluster(
                ClusterSettings(address), lambda: Worker([]), [], SilentProgress(), gpus=0
            )
    assert asked == []  # Ray would try for minutes
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_ray_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"needs Ray \(.*\); install it with pip install 'quayw"):
        do_on_cluster(ClusterSettings(), lambda: Worker([]), [], SilentProgress(), gpus=0)


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    settings = BatchSettings((), tmp_path / "gone", DetectorSettings("blobs"))
    with pytest.raises(QuaywatchError, match=r"gone: not seen on .*; workers write the results"):
        ClusterWorker(settings, NO_ZONES, load_slow, tmp_path)  # type: ignore[arg-type]


def test_other_weights_of_some_scenes_are_told_once() -> None:
    others = [{"weights": "b", "iou": 1}, {"weights": "a"}, {"weights": "b", "iou": 1}]
    told = with_others({"weights": "x"}, others)
    assert told == {
        "weights": "x",
        "other_networks": [{"weights": "a"}, {"weights": "b", "iou": 1}],
    }
    assert with_others({"weights": "x"}, []) == {"weights": "x"}
