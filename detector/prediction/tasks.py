"""What there is to do at the scenes of a run on a cluster, in which order, and what came back.

A scene is identified first, since only who has seen the scenes before knows a copy, and then done.
A large one is asked for its strips instead: each is a task, and when all are there the scene is
done from them. Scenes are identified only while nothing else is to do, so that few wait.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from detector.classes import ClassSet
from detector.errors import OutputError, SceneError
from detector.export.records import SceneRecord
from detector.later import pandas as pd
from detector.prediction.copies import Copies, Identity
from detector.scenes.discover import SceneSource
from detector.wording import counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class About:
    """What a worker is.

    Attributes:
        provenance: what `run.json` says of its work; that of all workers must be one.
        classes: that it looks for.
        model: the weights as a STAC item, where the run writes items.
    """

    provenance: dict[str, Any]
    classes: ClassSet
    model: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker says of a scene.

    Attributes:
        identity: which scene it is, of a task that asked for it.
        record: of the scene, done or failed; None after the first stage of a good one.
        counts: of a scene that is done.
        was_there: its results were.
        strips: of its tiles, to be read apart before it is done; then nothing else is said.
        other: what did it, where these were other weights than those of the run.
        stop: why the whole run must end, or nothing.
    """

    identity: Identity | None = None
    record: SceneRecord | None = None
    counts: pd.DataFrame | None = None
    was_there: bool = False
    strips: tuple[range, ...] = ()
    other: dict[str, Any] | None = None
    stop: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the scenes of a run.

    Attributes:
        records: one a scene, in order.
        counts: of those that are done, in order.
        resumed: scenes that were done already.
        about: what did them.
    """

    records: Sequence[SceneRecord]
    counts: Sequence[pd.DataFrame]
    resumed: int
    about: About


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do at one scene.

    Attributes:
        stage: `identify` it; `do` it, unless it is large; read a `strip` of it; `merge` these.
        position: of the scene in the run.
        scene_id: that it has there, once it is identified.
        strip: tiles to read.
    """

    stage: Literal["identify", "do", "strip", "merge"]
    position: int
    scene_id: str = ""
    strip: range | None = None


@dataclass
class Tasks:
    """What there is to do, has come back and waits for others.

    Attributes:
        sources: scenes.
        tries: how often a task may cost its worker.
        done: final answers by position.
        copies: the pictures so far, in the order of the scenes.
    """

    sources: Sequence[SceneSource]
    tries: int
    done: dict[int, Answer] = field(default_factory=dict)
    copies: Copies = field(default_factory=Copies)

    def __post_init__(self) -> None:
        self._ready: deque[Task] = deque()
        self._next = 0  # to identify
        self._settled = 0  # scenes before this one have their ids
        self._identified: dict[int, Answer] = {}
        self._lost: Counter[Task] = Counter()
        self._strips: dict[int, int] = {}  # of a scene, that are not read yet

    @property
    def is_done(self) -> bool:
        """Whether every scene has its answer."""
        return len(self.done) == len(self.sources)

    @property
    def waiting(self) -> int:
        """Strips that no worker reads yet; scenes are not more than their workers."""
        return sum(task.strip is not None for task in self._ready)

    def take_next(self) -> Task | None:
        """A task; scenes are identified only when nothing else is to do, so few wait."""
        if self._ready:
            return self._ready.popleft()
        if self._next < len(self.sources):
            self._next += 1
            return Task("identify", self._next - 1)
        return None

    def give_back(self, task: Task, why: str) -> None:
        """A task whose worker was lost: for another one, unless it costs every worker."""
        if task.position in self.done:
            return  # another strip of it could not be read
        self._lost[task] += 1
        lost, path = self._lost[task], self.sources[task.position].path
        logger.warning("%s: its worker was lost (%s)", path, why)
        if lost < self.tries:
            self._ready.appendleft(task)
            return
        reason = (
            f"{path}: {counted(lost, 'worker was', 'workers were')} lost at this scene ({why}); if "
            "they lack memory, give each more of its machine with ray.cpus="
        )
        self.take(task, Answer(record=SceneRecord(path=path, status="failed", reason=reason)))

    def take(self, task: Task, answer: Answer) -> None:
        """What a worker says.

        Raises:
            OutputError: it cannot write.
        """
        if answer.stop:
            raise OutputError(answer.stop)
        if task.position in self.done:
            return  # as in `give_back`
        if task.stage == "strip" and answer.record is None:
            self._strip_is_read(task)
            return
        if answer.strips:
            self._read_apart(task, answer.strips)
            return
        if task.stage != "identify":
            self._finish(task.position, answer)
            return
        self._identified[task.position] = answer
        while self._settled in self._identified:
            self._settle(self._settled, self._identified.pop(self._settled))
            self._settled += 1

    def _settle(self, position: int, answer: Answer) -> None:
        if answer.identity is None:
            self._finish(position, answer)
            return
        try:
            record = self.copies.check(answer.identity)
        except SceneError as error:
            path = self.sources[position].path
            record = SceneRecord(path=path, status="failed", reason=str(error))
        if record.status == "done":
            self._ready.append(Task("do", position, record.scene_id))
        else:
            self._finish(position, Answer(record=record))

    def _read_apart(self, task: Task, strips: Sequence[range]) -> None:
        path = self.sources[task.position].path
        logger.info("%s: large, read in %s", path, counted(len(strips), "strip"))
        self._strips[task.position] = len(strips)
        self._ready += [replace(task, stage="strip", strip=strip) for strip in strips]

    def _strip_is_read(self, task: Task) -> None:
        self._strips[task.position] -= 1
        if not self._strips[task.position]:
            self._ready.appendleft(replace(task, stage="merge", strip=None))

    def _finish(self, position: int, answer: Answer) -> None:
        record = answer.record
        if record is not None and record.status != "done":
            told = "failed" if record.status == "failed" else "not counted again"
            logger.warning("%s: %s", told, record.reason)
        self.done[position] = answer
        rest = [task for task in self._ready if task.position != position]
        if len(rest) < len(self._ready):  # strips of a scene that another strip has spoiled
            self._ready = deque(rest)
