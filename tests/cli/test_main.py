"""The program's own words and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector import __version__
from detector.cli import main as cli
from detector.cli.command import Command
from detector.errors import SceneError
from detector.options import list_options
from detector.prediction.options import PredictConfig

Output = pytest.CaptureFixture[str]


def test_help_lists_every_command_with_its_summary(capsys: Output) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, (_, summary) in cli.COMMANDS.items():
        assert f"  {name} " in text
        assert summary in text
    assert "  130 stopped with Ctrl-C" in text


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_is_as_the_table_says(name: str, capsys: Output) -> None:
    command = cli.load_command(name)
    assert command.name == name
    assert command.summary == cli.COMMANDS[name][1]
    assert bool(command.paths) == ("paths" in list_options(command.schema))
    assert cli.main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: detector {name}")
    for key, opt in list_options(command.schema).items():
        assert key == "paths" or f"\n  {key}" in text
        assert key == "paths" or opt.help.split()[0] in text
    assert max(map(len, text.splitlines())) <= 110


def test_predict_help_tells_type_and_default(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    cli.main(["predict", "--help"])
    lines = " ".join(capsys.readouterr().out.split())
    assert "[whole number from 1 to 1024; default: 4]" in lines
    assert "[auto|torch|openvino|onnx|tensorrt; default: auto]" in lines
    assert "detector predict najin_2023-10-13.tif zones=najin.geojson out=runs/najin" in lines


def test_version(capsys: Output) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"quaywatch {__version__}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["predikt"], "detector: unknown command 'predikt'; did you mean 'predict'?"),
        (["--halp"], "detector: unknown command '--halp'"),
        (["data"], "detector: unknown command 'data'; there are 'data coarsen', 'data convert'"),
        (["data", "--help"], "detector: unknown command 'data'; there are 'data coarsen',"),
        (["data", "rendr"], "detector: unknown command 'data rendr'; did you mean 'data render'?"),
        (
            ["predict", "a.tif", "zonse=x"],
            "detector: unknown option 'zonse'; did you mean 'zones'? (see detector predict --help)",
        ),
        (
            ["predict", "a.tif", "queue=0"],
            "detector: queue=0: this option needs a whole number from 1 to 1024 (see detector",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    words: list[str], expected: str, capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(expected)
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_a_command_the_help_and_exit_2(capsys: Output) -> None:
    assert cli.main([]) == 2
    assert "Usage: detector COMMAND" in capsys.readouterr().out


def run_with(monkeypatch: pytest.MonkeyPatch, run: Callable[[Any], int], *words: str) -> int:
    command = Command("predict", "s", "d", "predict", PredictConfig, run, paths="PATHS…")
    monkeypatch.setattr(cli, "load_command", lambda name: command)
    return cli.main(["predict", *words])


def test_the_command_gets_its_paths_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[PredictConfig] = []

    def run(config: PredictConfig) -> int:
        seen.append(config)
        return 1

    name = "a=b [c], ~d #e $f 'g' 나진.tif"
    assert run_with(monkeypatch, run, "zones=a b,[c].geojson", "--", name) == 1
    assert seen[0].paths == [name]
    assert seen[0].zones == "a b,[c].geojson"


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (SceneError("a.tif: is no raster"), 2, "detector: a.tif: is no raster\n"),
        (KeyboardInterrupt(), 130, "detector: stopped\n"),
    ],
)
def test_errors_that_are_nobodys_surprise_are_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
    error: BaseException,
    code: int,
    expected: str,
) -> None:
    def run(config: PredictConfig) -> int:
        raise error

    assert run_with(monkeypatch, run) == code
    assert capsys.readouterr().err == expected


def test_an_error_of_the_program_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def run(config: PredictConfig) -> int:
        raise ZeroDivisionError("what we did not think of")

    assert run_with(monkeypatch, run) == 70
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "ZeroDivisionError: what we did not think of" in err
    assert err.endswith("detector: this is an error of the program; please report it\n")


def test_show_config_prints_yaml_and_runs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def run(config: PredictConfig) -> int:
        raise AssertionError("must not run")

    assert run_with(monkeypatch, run, "a.tif", "--show-config", "model.conf=0.25") == 0
    out = capsys.readouterr().out
    assert "\nmodel:\n  weights: " in out
    assert "  conf: 0.25\n" in out
    assert out.startswith("paths:\n- a.tif\n")


HEAVY = ("torch", "rasterio", "geopandas", "pandas", "cv2", "ultralytics", "openvino", "scipy")


@pytest.mark.parametrize("words", [["--help"], ["predict", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from detector.cli.main import main; code = main(sys.argv[1:]);"
        f"print('HEAVY', [m for m in {HEAVY} if m in sys.modules], code)"
    )
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.stdout.endswith("HEAVY [] 0\n"), done.stdout[-300:] + done.stderr


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "detector", "predict", "--help"]
    environment = os.environ | {"PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        command, check=False, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
