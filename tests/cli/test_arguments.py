"""Which words of a command line are paths and which are options."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.cli.arguments import Arguments, split_arguments
from detector.errors import ConfigError
from detector.prediction.options import PredictConfig


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def split(*words: str) -> Arguments:
    return split_arguments(words, PredictConfig)


ODD_FILES = (
    "with space.tif",
    "[brackets],{braces}.tif",
    "~tilde#hash$dollar.tif",
    'quote\'s "both".tif',
    "나진항.tif",
    "порт.tif",
    "2023-10-13.tif",
    "-",
)


@pytest.mark.parametrize("name", ODD_FILES)
def test_a_word_without_equals_sign_is_a_path(name: str) -> None:
    assert split(name).paths == [name]


def test_paths_and_options_may_be_mixed() -> None:
    found = split("a.tif", "zones=z z.geojson", "b.tif", "model.conf=0.3", "model=default")
    assert found.paths == ["a.tif", "b.tif"]
    assert found.overrides == ["zones=z z.geojson", "model.conf=0.3", "model=default"]


@pytest.mark.parametrize("name", ["date=2023.tif", "x=1", "a.b=c.png"])
def test_an_existing_file_with_an_equals_sign_is_a_path(name: str) -> None:
    Path(name).touch()
    assert split(name).paths == [name]


@pytest.mark.parametrize(
    "name", ["scenes/date=2023/a.tif", "/vsicurl/https://x.org/a?b=c.tif", "./out=x", "나진=1.tif"]
)
def test_what_cannot_be_a_key_before_the_equals_sign_is_a_path(name: str) -> None:
    assert split(name).paths == [name]


def test_a_key_is_an_option_even_where_such_a_file_exists() -> None:
    Path("out=x.tif").touch()
    assert split("out=x.tif").overrides == ["out=x.tif"]
    assert split("./out=x.tif").paths == ["./out=x.tif"]


def test_two_dashes_end_the_options() -> None:
    found = split("queue=3", "--", "out=x.tif", "--help", "-x.tif")
    assert found == Arguments(paths=["out=x.tif", "--help", "-x.tif"], overrides=["queue=3"])


def test_the_last_part_of_a_key_is_an_option_too() -> None:
    assert split("a.tif", "weights=port-n").overrides == ["weights=port-n"]


def test_only_the_first_equals_sign_counts() -> None:
    assert split("zones=a=b=c.geojson").overrides == ["zones=a=b=c.geojson"]


def test_flags() -> None:
    assert split("-h").help
    assert split("a.tif", "--help").help
    assert split("--show-config").show_config
    assert split("--config", "x.yaml").config == Path("x.yaml")
    assert split("--config=x y.yaml").config == Path("x y.yaml")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("zonse=x", "unknown option 'zonse'; did you mean 'zones'?"),
        ("stacks.conf=0.3", "unknown option 'stacks.conf'; did you mean 'model.conf'?"),
        ("xyzzy=" + "y" * 5000, "unknown option 'xyzzy'"),
        ("--out", "unknown flag '--out'; options have no dashes here: write out=value"),
        ("--zones-only=true", "write zones_only=value"),
        ("--halp", "unknown flag '--halp'; did you mean '--help'?"),
        ("-q", "unknown flag '-q'"),
        ("--config", "--config needs a YAML file"),
    ],
)
def test_what_is_neither_is_one_line(word: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        split(word)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_looks_like_a_flag_is_named_with_its_folder() -> None:
    Path("-x.tif").touch()
    with pytest.raises(ConfigError, match=r"write \./-x\.tif"):
        split("-x.tif")
