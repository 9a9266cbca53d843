"""The scenes of a run on many machines, by Ray: `execution=ray`.

A worker is an actor that has loaded the network once. It has one task at a time: to identify a
scene, to do it and write its folder, or to read a strip of a large one. The process that was
started hands the tasks out, see `tasks`. What comes back is small: records and counts. A worker
that is lost costs its task, which another one takes, and which goes on from the tiles that are kept
on the disk in common.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from detector.errors import QuaywatchError
from detector.prediction.settings import ClusterSettings
from detector.prediction.tasks import About, Answer, Outcome, Task, Tasks
from detector.progress import Progress
from detector.scenes.discover import SceneSource

POLL_S: Final = 1.0
KNOCK_S: Final = 1.0
REACH_S: Final = 10.0
AWAY_S: Final = 20.0  # Ray itself waits a minute, and then ends the process without a word of ours
STORE_BYTES: Final = 100_000_000  # of the machine's own Ray: only records travel
NO_PHONING: Final = {"RAY_USAGE_STATS_ENABLED": "0"}
LOCAL: Final = "local"
OTHERS: Final = "other_networks"  # key of a run's provenance

logger = logging.getLogger(__name__)


class ClusterError(QuaywatchError):
    """A cluster that is not there, or whose workers cannot work."""


class SceneWorker(Protocol):
    """What works on one machine, with the network loaded."""

    def about(self) -> About:
        """What it is."""

    def identify(self, source: SceneSource) -> Answer:
        """Which scene this is."""

    def do(self, source: SceneSource, scene_id: str, *, whole: bool) -> Answer:
        """Find, count and write; or say of which strips a large one is, unless it is `whole`."""

    def strip(self, source: SceneSource, scene_id: str, tiles: range) -> Answer:
        """Read a strip, and keep what it gave for who does the scene then."""


def do_on_cluster(
    settings: ClusterSettings,
    make: Callable[[], SceneWorker],
    sources: Sequence[SceneSource],
    progress: Progress,
    *,
    gpus: float,
) -> Outcome:
    """Do scenes on the workers of a cluster.

    Args:
        settings: which cluster, and what a worker takes of it.
        make: makes what works, in the process of a worker; goes there by pickle.
        sources: scenes.
        progress: where the work is shown.
        gpus: that a worker takes, where the settings leave it to the device.

    Raises:
        ClusterError: the cluster is not there, no worker comes up, or workers differ.
        OutputError: a worker cannot write.
    """
    with _connected(settings) as ray:
        taken = settings.gpus if settings.gpus is not None else _gpus(ray, gpus)
        tasks = Tasks(sources, settings.tries)
        pool = _Pool(ray, settings, make, len(sources), taken)
        with progress.task("on the cluster", len(sources), "scenes") as shown:
            told = 0
            while not tasks.is_done or pool.about is None:
                pool.hand_out(tasks)
                pool.take_one(tasks)
                shown.advance(len(tasks.done) - told)
                told = len(tasks.done)
        pool.close()
    done = [tasks.done[position] for position in range(len(sources))]
    others = [answer.other for answer in done if answer.other is not None]
    return Outcome(
        [answer.record for answer in done if answer.record is not None],
        [answer.counts for answer in done if answer.counts is not None],
        sum(answer.was_there for answer in done),
        replace(pool.about, provenance=with_others(pool.about.provenance, others)),
    )


def with_others(
    provenance: Mapping[str, Any], others: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """What `run.json` says of a run, some of whose scenes other weights have read.

    Args:
        provenance: of the run.
        others: of such scenes, in any order and repeated.
    """
    told = {str(other["weights"]): dict(other) for other in others}
    beside = [told[name] for name in sorted(told)]
    return {**provenance, **({OTHERS: beside} if beside else {})}


class _Actor:
    """A worker: its handle, what it is busy with, and the reference to the answer.

    Without a task it is coming up or idle; idle ones wait for no answer.
    """

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.task: Task | None = None
        self.answer: Any = handle.about.remote()


class _Pool:
    """The workers of a cluster."""

    def __init__(
        self,
        ray: Any,
        settings: ClusterSettings,
        make: Callable[[], SceneWorker],
        scenes: int,
        gpus: float,
    ) -> None:
        self._ray, self._settings, self._make = ray, settings, make
        self._kind = ray.remote(
            num_cpus=settings.cpus, num_gpus=gpus, max_restarts=0, scheduling_strategy="SPREAD"
        )(_Remote)
        self._needs = f"{settings.cpus:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")
        room = settings.workers or _fitting(ray.cluster_resources(), settings.cpus, gpus)
        self._most = max(1, room)
        self._actors = [self._start() for _ in range(max(1, min(room, scenes)))]
        self._up: set[int] = set()
        self._since = time.monotonic()  # a worker was there
        self._failed_starts = 0
        self._heard = time.monotonic()  # of the cluster
        self._address = _own_address(ray)
        self.about: About | None = None

    def hand_out(self, tasks: Tasks) -> None:
        """Give every idle worker a task, and start workers for strips that still wait."""
        for actor in self._actors:
            if actor.answer is None:
                task = tasks.take_next()
                if task is None:
                    return
                actor.task = task
                actor.answer = actor.handle.run.remote(task, tasks.sources[task.position])
        coming_up = sum(actor.task is None for actor in self._actors)
        more = min(tasks.waiting - coming_up, self._most - len(self._actors))
        self._actors += [self._start() for _ in range(more)]

    def take_one(self, tasks: Tasks) -> None:
        """Wait for an answer, at most `POLL_S`.

        Raises:
            ClusterError: no worker has been there for too long, or workers differ.
            QuaywatchError: a worker cannot be made.
        """
        waiting = {actor.answer: actor for actor in self._actors if actor.answer is not None}
        ready, _ = self._ray.wait(list(waiting), num_returns=1, timeout=POLL_S)
        self._check_there(answered=bool(ready))
        if self._up:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > self._settings.wait_s:
            raise ClusterError(
                f"no worker came up in {self._settings.wait_s:.0f} s: each needs {self._needs}, "
                f"the cluster has {_words(self._ray.cluster_resources())}; what is done is kept, "
                "the same command goes on"
            )
        for reference in ready:
            self._take(waiting[reference], tasks)

    def _check_there(self, *, answered: bool) -> None:
        """Say so when nothing listens any more where the cluster was: Ray would end the process."""
        if answered or self._address is None or _is_reached(self._address):
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > AWAY_S:
            host, port = self._address
            raise ClusterError(
                f"{host}:{port}: the cluster has gone away; what is done is kept, start a cluster "
                "again and the same command goes on"
            )

    def close(self) -> None:
        """End the workers."""
        for actor in self._actors:
            self._ray.kill(actor.handle)

    def _start(self) -> _Actor:
        return _Actor(self._kind.remote(self._make))

    def _take(self, actor: _Actor, tasks: Tasks) -> None:
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(actor.answer)
        except errors.RayTaskError as error:
            if isinstance(error.cause, Exception):
                raise error.cause from error
            raise
        except errors.RayError as error:
            self._replace(actor, tasks, _first_line(error))
            return
        task, actor.task, actor.answer = actor.task, None, None
        if task is not None:
            tasks.take(task, answer)
            return
        self._up.add(id(actor))
        self._failed_starts = 0
        self._check(answer)

    def _replace(self, actor: _Actor, tasks: Tasks, why: str) -> None:
        self._up.discard(id(actor))
        if actor.task is not None:
            tasks.give_back(actor.task, why)
        else:
            self._failed_starts += 1
            if self._failed_starts >= self._settings.tries * len(self._actors):
                raise ClusterError(
                    f"the workers of the cluster do not come up ({why}); try one by hand with "
                    "execution=local on a machine of the cluster"
                )
        self._actors[self._actors.index(actor)] = self._start()

    def _check(self, about: About) -> None:
        """Refuse workers whose results would not be of one kind."""
        if self.about is None:
            self.about = about
        for key, mine in self.about.provenance.items():
            theirs = about.provenance.get(key)
            if theirs != mine:
                raise ClusterError(
                    f"the workers of the cluster differ in {key} ({str(mine)[:60]} and "
                    f"{str(theirs)[:60]}); settle it, for example with device=cpu or threads=1"
                )


class _Remote:
    """The class of the actors: makes the worker when it is asked the first time."""

    def __init__(self, make: Callable[[], SceneWorker]) -> None:
        self._make = make
        self._worker: SceneWorker | None = None

    def about(self) -> About:
        self._worker = self._make()
        return self._worker.about()

    def run(self, task: Task, source: SceneSource) -> Answer:
        if self._worker is None:
            raise RuntimeError("asked before it was made")
        if task.stage == "identify":
            return self._worker.identify(source)
        if task.strip is not None:
            return self._worker.strip(source, task.scene_id, task.strip)
        return self._worker.do(source, task.scene_id, whole=task.stage == "merge")


@contextlib.contextmanager
def _connected(settings: ClusterSettings) -> Iterator[Any]:
    """Ray, connected; what was not connected before is disconnected at the end."""
    os.environ.update(NO_PHONING)
    try:
        ray: Any = importlib.import_module("ray")
        importlib.import_module("ray.exceptions")
    except ImportError as error:
        raise ClusterError(
            f"execution=ray needs Ray ({error}); install it with pip install 'quaywatch[ray]'"
        ) from error
    if ray.is_initialized():
        yield ray
        return
    _check_reached(settings.address)
    here = settings.address is None
    own = {"object_store_memory": STORE_BYTES, "include_dashboard": False} if here else {}
    try:
        ray.init(
            address=settings.address or LOCAL,
            configure_logging=False,
            log_to_driver=False,
            **own,
        )
    except Exception as error:
        raise ClusterError(
            f"ray.address={settings.address or LOCAL}: no cluster answers ({_first_line(error)}); "
            "start one with ray start, or say execution=local"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reached(address: str | None) -> None:
    """Refuse an address where nothing listens: Ray itself would try for minutes.

    Raises:
        ClusterError: nothing does.
    """
    try:
        place = _host_and_port(address)
        if place is not None:  # else `auto`, which Ray looks up itself
            socket.create_connection(place, timeout=REACH_S).close()
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"ray.address={address}: no cluster answers ({error}); start one with ray start, or "
            "say execution=local"
        ) from error


def _host_and_port(address: str | None) -> tuple[str, int] | None:
    """Of an address that has both.

    Raises:
        ValueError: the port is none.
    """
    parts = urlsplit(address if address and "://" in address else f"//{address or ''}")
    return (parts.hostname, parts.port) if parts.hostname and parts.port else None


def _own_address(ray: Any) -> tuple[str, int] | None:
    """Where the cluster listens; a client of `ray://` is not told."""
    try:
        return _host_and_port(ray.get_runtime_context().gcs_address)
    except (AttributeError, ValueError):
        return None


def _is_reached(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, timeout=KNOCK_S).close()
    except OSError:
        return False
    return True


def _gpus(ray: Any, wanted: float) -> float:
    """GPUs of a worker: what the device asks for, where the cluster has any."""
    return wanted if ray.cluster_resources().get("GPU", 0) >= wanted else 0.0


def _fitting(resources: dict[str, float], cpus: float, gpus: float) -> int:
    """How many workers a cluster has room for."""
    rooms = [resources.get("CPU", 0.0) / cpus] if cpus else []
    rooms += [resources.get("GPU", 0.0) / gpus] if gpus else []
    return int(min(rooms, default=1))


def _words(resources: dict[str, float]) -> str:
    told = [f"{resources[name]:g} {name}" for name in ("CPU", "GPU") if resources.get(name)]
    return " and ".join(told) or "none"


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return " ".join(text.splitlines()[0].split())[:200] if text else type(error).__name__
