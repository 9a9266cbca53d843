"""Where the time of a run goes: spans of every thread, as a table and as a Chrome trace.

Nothing is measured unless a recorder is on; then a span costs two readings of each clock.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detector.files import atomic_path

MICROSECONDS = 1e6
REST = "rest"


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work. Spans don't lie in each other: their times add up.

    Attributes:
        stage: what was done.
        thread: its name.
        start_s: since the recorder began.
        wall_s: how long it took.
        cpu_s: processor time of its own thread; what other threads do for it is not in it.
    """

    stage: str
    thread: str
    start_s: float
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class StageTime:
    """All spans of one stage.

    Attributes:
        stage: what was done.
        count: how often.
        wall_s: in all, waiting included; spans of several threads add up.
        cpu_s: processor time in all.
    """

    stage: str
    count: int
    wall_s: float
    cpu_s: float


@dataclass(slots=True)
class Recorder:
    """The spans of a run; filled from any thread."""

    spans: list[Span] = field(default_factory=list)
    began_s: float = field(default_factory=time.perf_counter)
    cpu_began_s: float = field(default_factory=time.process_time)

    def stages(self) -> list[StageTime]:
        """The stages, most processor time first; what no span covers is `REST`, counted 0 times."""
        sums: dict[str, list[Span]] = defaultdict(list)
        for one in self.spans:
            sums[one.stage].append(one)
        table = [
            StageTime(stage, len(found), sum(s.wall_s for s in found), sum(s.cpu_s for s in found))
            for stage, found in sums.items()
        ]
        rest = time.process_time() - self.cpu_began_s - sum(stage.cpu_s for stage in table)
        table.append(StageTime(REST, 0, 0.0, max(rest, 0.0)))
        return sorted(table, key=lambda stage: (-stage.cpu_s, stage.stage))

    def table(self) -> str:
        """The stages as lines of text."""
        stages = self.stages()
        total = sum(stage.cpu_s for stage in stages) or 1.0
        lines = [f"{'stage':<10} {'times':>7} {'wall s':>9} {'CPU s':>9} {'share':>6}"]
        lines += [
            f"{s.stage:<10} {s.count:>7} {s.wall_s:>9.2f} {s.cpu_s:>9.2f} {s.cpu_s / total:>6.1%}"
            for s in stages
        ]
        return "\n".join(lines)

    def trace(self) -> dict[str, Any]:
        """The spans as chrome://tracing and ui.perfetto.dev read them."""
        threads = {name: k for k, name in enumerate(dict.fromkeys(s.thread for s in self.spans))}
        names = [
            {"name": "thread_name", "ph": "M", "pid": 1, "tid": k, "args": {"name": name}}
            for name, k in threads.items()
        ]
        events = [
            {
                "name": one.stage,
                "ph": "X",
                "pid": 1,
                "tid": threads[one.thread],
                "ts": round(one.start_s * MICROSECONDS, 1),
                "dur": round(one.wall_s * MICROSECONDS, 1),
                "args": {"cpu_ms": round(one.cpu_s * 1e3, 3)},
            }
            for one in self.spans
        ]
        return {"traceEvents": [*names, *events], "displayTimeUnit": "ms"}

    def write(self, path: Path) -> None:
        """Write the trace.

        Raises:
            OutputError: it cannot be written.
        """
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(self.trace()), encoding="utf-8")


_recorders: list[Recorder] = []
_lock = threading.Lock()


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Record the spans of all threads inside the block."""
    with _lock:
        _recorders.append(recorder)
    try:
        yield recorder
    finally:
        with _lock:
            _recorders.remove(recorder)


@contextmanager
def span(stage: str) -> Iterator[None]:
    """The block is work of this stage, if anybody records."""
    if not _recorders:
        yield
        return
    wall, cpu = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:
        wall_s, cpu_s = time.perf_counter() - wall, time.thread_time() - cpu
        name = threading.current_thread().name
        for recorder in tuple(_recorders):
            recorder.spans.append(Span(stage, name, wall - recorder.began_s, wall_s, cpu_s))
