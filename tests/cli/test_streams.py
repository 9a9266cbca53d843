"""The program in its own process: streams that are closed or poor, and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from detector.errors import shown

# a command that says a name that few encodings have, then waits to be stopped
SAYS = """
import sys, time
from detector.cli import main as cli
def run(words):
    print("\\ub098\\uc9c4 \\udcff \\x1b[31m")
    if "wait" in words:
        try:
            print("ready", file=sys.stderr, flush=True)
            time.sleep(60)
        finally:
            print("cleared up", file=sys.stderr, flush=True)
    return 0
cli._dispatch = run
cli.entry_point()
"""


def _start(*words: str, **options: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": "", "LC_ALL": "C", "PYTHONUTF8": "0"}
    environment["PYTHONCOERCECLOCALE"] = "0"
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", SAYS, *words], env=environment, stderr=subprocess.PIPE, **options
    )


def test_a_stream_that_is_not_utf_8_gets_escapes() -> None:
    process = _start(stdout=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"\\udcff" in out


def test_closed_streams_are_no_error(tmp_path: Path) -> None:
    script = tmp_path / "says.py"
    script.write_text(SAYS)
    command = f'exec "{sys.executable}" "{script}" >&- 2>&- <&-'
    assert subprocess.run(["sh", "-c", command], check=False, timeout=60).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_stdout_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        process = _start(stdout=full)
        _, err = process.communicate(timeout=60)
    assert b"Traceback" not in err
    assert b"No space left" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_stop_in_order(number: signal.Signals) -> None:
    process = _start("wait", stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    assert process.stderr.readline() == b"ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert err == b"cleared up\ndetector: stopped\n"
    assert process.returncode == 128 + number


def test_escape_codes_do_not_reach_the_terminal() -> None:
    assert shown("a\x1b]0;title\x07b\nc\td\udc80\u202ee") == (
        "a\\x1b]0;title\\x07b\nc\td\\udc80\\u202ee"
    )
    assert shown("나진 é ~") == "나진 é ~"
