"""Spans of threads, as a table and as a trace."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from detector.profiling import REST, Recorder, recording, span


def _work(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_spans_add_up_by_stage_and_thread(tmp_path: Path) -> None:
    with recording(Recorder()) as recorder:
        with span("read"):
            _work(0.02)
        with span("read"):
            time.sleep(0.03)
        other = threading.Thread(target=_in_span, args=("forward", 0.04), name="network")
        other.start()
        other.join()
    table = {stage.stage: stage for stage in recorder.stages()}
    assert (table["read"].count, table["forward"].count, table[REST].count) == (2, 1, 0)
    assert table["read"].cpu_s == pytest.approx(0.02, abs=0.01)
    assert table["read"].wall_s >= 0.05
    assert table["forward"].cpu_s == pytest.approx(0.04, abs=0.01)
    assert [line.split()[:2] for line in recorder.table().splitlines()[:2]] == [
        ["stage", "times"],
        ["forward", "1"],
    ]
    recorder.write(tmp_path / "profile.json")
    events = json.loads((tmp_path / "profile.json").read_text())["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
    spans = [e for e in events if e["ph"] == "X"]
    assert {(e["name"], names[e["tid"]]) for e in spans} == {
        ("read", "MainThread"),
        ("forward", "network"),
    }
    assert spans[0]["ts"] + spans[0]["dur"] <= spans[1]["ts"] + 1  # microseconds, in order
    assert spans[1]["dur"] >= 30_000


def _in_span(stage: str, seconds: float) -> None:
    with span(stage):
        _work(seconds)


def test_nothing_is_kept_where_nobody_records() -> None:
    recorder = Recorder()
    with recording(recorder):
        pass
    with span("read"):
        pass
    assert recorder.spans == []


def test_a_span_that_fails_is_told_too() -> None:
    with recording(Recorder()) as recorder, pytest.raises(KeyError), span("read"):
        raise KeyError
    assert [one.stage for one in recorder.spans] == ["read"]
