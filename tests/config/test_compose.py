"""Configuration: literal values, one clear line for what is wrong, nothing left behind."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from detector.config.compose import load_config, quote, to_yaml
from detector.errors import ConfigError
from detector.options import Option, check_ranges, list_options, option, short_names, show
from detector.prediction.options import PredictConfig
from detector.resources import conf_dir
from detector.training.options import TrainConfig


def predict(*words: str, paths: tuple[str, ...] = (), file: Path | None = None) -> PredictConfig:
    return load_config("predict", PredictConfig, words, paths=paths, file=file)


def refusal(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        predict(*words)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_option_has_its_default_in_conf_and_the_other_way_round() -> None:
    """The YAML files hold the values, the schema the types: the same keys."""
    leaves: set[str] = set()
    own = yaml.safe_load((conf_dir() / "predict.yaml").read_text())
    groups = [next(iter(entry.items())) for entry in own.pop("defaults") if entry != "_self_"]
    leaves |= set(own)
    for group, name in groups:
        values = yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text())
        leaves |= {f"{group}.{key}" for key in values}
    assert leaves == set(list_options(PredictConfig))


def test_every_option_has_words_for_the_help() -> None:
    for opt in list_options(PredictConfig).values():
        assert 10 <= len(opt.help) <= 100, opt.key
        assert not opt.help.endswith("."), opt.key


def test_values_reach_the_dataclass_with_their_types() -> None:
    config = predict(
        "model.conf=0.3", "queue=7", "quiet=true", "scene.bands=[3,2,1]", "scene.nodata=-1e3"
    )
    assert config.model.conf == 0.3
    assert config.queue == 7
    assert config.quiet is True
    assert config.scene.bands == [3, 2, 1]
    assert config.scene.nodata == -1000.0
    assert config.zones is None


def test_lists_need_no_brackets_and_null_unsets() -> None:
    assert predict("scene.bands=3,2,1").scene.bands == [3, 2, 1]
    assert predict("scene.bands=2").scene.bands == [2]
    assert predict("scene.bands=2", "scene.bands=null").scene.bands is None


def test_the_last_word_on_an_option_counts() -> None:
    assert predict("queue=2", "queue=5").queue == 5


ODD_NAMES = (
    "a b,[c].geojson",
    "~x#y$z{1}=.geojson",
    'it\'s "quoted".geojson',
    "порт 나진항.geojson",
    "C:\\ports\\",
    "\\'",
    "${oc.env:HOME}/x",
    "\\${x}\\\\${y}",
    "{a:1}",
    "[1,2]",
    "1e3",
    "true",
    "null ",
    " spaces ",
    "a\nb",
)


def test_paths_are_taken_literally() -> None:
    assert predict(paths=ODD_NAMES).paths == list(ODD_NAMES)


@pytest.mark.parametrize("name", ODD_NAMES[:8])
def test_text_is_taken_literally(name: str) -> None:
    assert predict(f"zones={name}").zones == name


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_quoted_text_comes_through_both_grammars(text: str) -> None:
    assume(text != "???")  # OmegaConf's word for a missing value
    value = OverridesParser.create().parse_override(f"key={quote(text)}").value()
    assert OmegaConf.create({"key": value}).key == text


@given(st.text(r"\'${}[]=,:a", min_size=1))
def test_quoted_text_of_the_grammars_own_signs_comes_through(text: str) -> None:
    value = OverridesParser.create().parse_override(f"key={quote(text)}").value()
    assert OmegaConf.create({"key": value}).key == text


def test_a_file_may_be_called_as_omegaconf_calls_what_is_missing() -> None:
    assert predict(paths=("???",)).paths == ["./???"]
    assert predict("zones=???").zones == "./???"


def test_home_is_expanded_since_shells_leave_it_alone_after_an_equals_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert predict("zones=~/z.geojson").zones == str(tmp_path / "z.geojson")
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "z.geojson").touch()
    assert predict("zones=~/z.geojson").zones == "~/z.geojson"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("modle.conf=1", "unknown option 'modle.conf'; did you mean 'model.conf'?"),
        ("outt=x", "unknown option 'outt'; did you mean 'out'?"),
        ("conf=2", "model.conf=2: this option needs a number from 0 to 1 or null"),
        ("model.conf=2", "model.conf=2: this option needs a number from 0 to 1 or null"),
        ("model.conf=nan", "model.conf=nan: this option needs a number from 0 to 1 or null"),
        ("model.conf=abc", "model.conf=abc: this option needs a number from 0 to 1 or null"),
        ("model.conf={a:1}", "model.conf={'a': 1}: this option needs a number from 0 to 1 or null"),
        ("queue=2.5", "queue=2.5: this option needs a whole number from 1 to 1024"),
        ("queue=null", "queue=null: this option needs a whole number from 1 to 1024"),
        ("queue=1,2", "queue=1,2: this option needs a whole number from 1 to 1024"),
        ("quiet=maybe", "quiet=maybe: this option needs one of true|false"),
        ("zones=", "zones=: this option needs a path or null (null unsets it)"),
        ("log=xml", "log=xml: this option needs one of text|json"),
        ("scene.bands=[1,2", "scene.bands=[1,2: this option needs a list of whole numbers"),
        ("scene.bands=[1,x]", "scene.bands=[1,x]: this option needs a list of whole numbers"),
        ("scene.bands=[0]", "scene.bands=[0]: this option needs a list of whole numbers"),
        ("scene.bands=[1,2]", "name three bands (red, green, blue) or one"),
        ("scene.gsd=0", "scene.gsd=0: this option needs a number above 0"),
        ("scene.acquired=yesterday", "needs a time such as 2023-10-13"),
        ("model=huge", "model=huge: 'model' is a group of options"),
        ("zones_only=true", "zones_only=true needs zones to look in: add zones=FILE"),
        ("+queue=3", "'+queue=3': write queue=value"),
        ("~zones=x", "'~zones=x': write zones=value"),
    ],
)
def test_what_is_wrong_is_one_line(word: str, expected: str) -> None:
    assert expected in refusal(word)


def test_group_sets_are_chosen_by_name() -> None:
    assert predict("model=default") == predict()


def test_no_hydra_is_left_behind_and_a_foreign_one_survives() -> None:
    GlobalHydra.instance().clear()
    predict()
    assert not GlobalHydra.instance().is_initialized()
    foreign = object()
    GlobalHydra.instance().hydra = foreign  # type: ignore[assignment]
    try:
        predict("queue=3")
        with pytest.raises(ConfigError):
            predict("queue=x")
        assert GlobalHydra.instance().hydra is foreign
    finally:
        GlobalHydra.instance().clear()


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    predict("queue=3")
    assert list(tmp_path.iterdir()) == []


def test_shown_config_reads_back(tmp_path: Path) -> None:
    config = predict(
        "zones=${x}'y.geojson", "scene.bands=1,2,3", "model.conf=0.25", paths=("a=b.tif", "~")
    )
    file = tmp_path / "settings.yaml"
    file.write_text(to_yaml(config), encoding="utf-8")
    assert predict(file=file) == config
    assert predict("model.conf=0.5", file=file) == dataclasses.replace(
        config, model=dataclasses.replace(config.model, conf=0.5)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("queu: 3\n", "unknown option 'queu'; did you mean 'queue'?"),
        ("model: {cnf: 1}\n", "unknown option 'model.cnf'; did you mean 'model.conf'?"),
        ("- 1\n", "holds no options"),
        ("a: [\n", "is not YAML"),
    ],
)
def test_a_wrong_config_file_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        predict(file=file)
    assert expected in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_config_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        predict(file=tmp_path / "none.yaml")


@dataclass(frozen=True, kw_only=True)
class Inner:
    names: list[str] = option("names", choices=("a", "b"), default_factory=lambda: ["a"])


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner
    size: int = option("a size", low=2, default=3)


def test_options_know_their_kinds() -> None:
    options = list_options(Outer)
    assert list(options) == ["size", "inner.names"]
    assert options["size"].kind == "whole number, at least 2"
    assert options["inner.names"].kind == "list of a|b"


def test_ranges_hold_for_members_of_lists_and_groups() -> None:
    check_ranges(Outer(inner=Inner(names=["a", "b"])))
    with pytest.raises(ConfigError, match=r"inner.names=\[a,c\]: this option needs one of"):
        check_ranges(Outer(inner=Inner(names=["a", "c"])))
    with pytest.raises(ConfigError, match="size=1: this option needs a whole number, at least 2"):
        check_ranges(Outer(inner=Inner(), size=1))


def test_a_type_that_no_command_line_can_carry_is_refused() -> None:
    @dataclass
    class Odd:
        table: dict[str, int] = option("a table")

    with pytest.raises(TypeError, match="option table"):
        list_options(Odd)


@given(st.floats(allow_nan=True), st.floats(0, 1), st.floats(1, 2))
def test_a_range_is_a_range(value: float, low: float, high: float) -> None:
    opt = Option("x", float, is_list=False, optional=False, low=low, high=high)
    assert opt.allows(value) == (low <= value <= high)


def test_values_are_shown_as_they_are_typed() -> None:
    assert [show(v) for v in (None, True, 0.5, 3, "x", [1, 2])] == [
        "null", "true", "0.5", "3", "x", "[1,2]",
    ]  # fmt: skip


def test_what_a_training_run_keeps_of_its_options_reads_back(tmp_path: Path) -> None:
    """With several GPUs, every process reads its options from the run's own config.yaml."""
    words = ["experiment=smoke", "network=m", "trainer.device=0,1", "mix.sources=[xView:4]"]
    config = load_config("train", TrainConfig, words)
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(config), encoding="utf-8")
    assert load_config("train", TrainConfig, [], file=file) == config


def test_options_may_be_values_of_python() -> None:
    values = {
        "zones": Path("a b,[c].geojson"),
        "scene.gsd": np.float32(0.5),
        "scene.bands": (3, 2, 1),
        "scene.acquired": date(2026, 5, 14),
        "model.conf": None,
        "zones_only": True,
        "model": "default",
    }
    config = load_config("predict", PredictConfig, [], values=values)
    assert config.zones == "a b,[c].geojson"
    assert (config.scene.gsd, config.scene.bands) == (0.5, [3, 2, 1])
    assert config.scene.acquired == "2026-05-14"
    assert config.model.conf is None
    assert config.zones_only is True
    assert load_config("predict", PredictConfig, [], values={"scene.bands": 2}).scene.bands == [2]
    assert load_config("predict", PredictConfig, [], values={"zones": "null"}).zones == "null"
    with pytest.raises(ConfigError, match=r"scene\.gsd: this option needs a number .*, not a dict"):
        load_config("predict", PredictConfig, [], values={"scene.gsd": {}})
    assert load_config("predict", PredictConfig, [], values={"gsd": 1}).scene.gsd == 1.0
    with pytest.raises(ConfigError, match=r"unknown option 'gsdd'; did you mean 'gsd'\?"):
        load_config("predict", PredictConfig, [], values={"gsdd": 1})


def test_the_last_part_of_a_key_is_enough_where_no_other_ends_like_it() -> None:
    config = predict("weights=port-n-blocks", "gsd=0.5", "conf=0.4", "scene.gsd=0.6")
    assert (config.model.weights, config.scene.gsd, config.model.conf) == (
        "port-n-blocks",
        0.6,
        0.4,
    )
    assert short_names(["a.x", "b.x", "c.y", "z", "d.z"]) == {"y": "c.y"}
    with pytest.raises(ConfigError, match="unknown option 'scale_min'"):
        predict("scale_min=1")
