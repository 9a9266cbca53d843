"""Every option has one default: settings built in code say what the composed command says."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import detector
from detector.activity.options import ActivityConfig
from detector.activity.visits.simulation import SeriesSpec
from detector.api.activities import activity_settings
from detector.api.learning import evaluation_settings
from detector.api.settings import cluster_settings, predict_settings
from detector.cli.card import CardConfig
from detector.cli.card import to_settings as card_settings
from detector.cli.collect import CollectConfig
from detector.cli.collect import to_settings as collect_settings
from detector.cli.review_export import export_settings
from detector.cli.review_import import import_settings
from detector.config.compose import load_config
from detector.data.orient import OrientSettings
from detector.evaluation.options import EvaluateConfig
from detector.models.detector import find_card
from detector.prediction.options import PredictConfig
from detector.rendering.options import RenderConfig
from detector.report.options import ReportConfig
from detector.report.publish import report_settings
from detector.reviewing.options import ReviewExportConfig, ReviewImportConfig
from detector.tiling.plan import PlanSettings
from detector.training.options import TrainConfig
from detector.training.session import data_settings, settings_from

ENDINGS = ("Settings", "Options", "Spec")

# fields that no option sets: measured, or read from the card of the weights
MEASURED = {
    ("ActivitySettings", "blocks"): "of the card of the weights",
    ("ActivitySettings", "calibration"): "of the card of the weights",
    ("LinkSettings", "recall"): "of that calibration, where it has one",
}
# classes with defaults that no command composes
ELSEWHERE = {
    OrientSettings: "what a teacher must say; no option",
    PlanSettings: "of a scene and a card",
    SeriesSpec: "of simulated series, in benchmarks",
}


def composed() -> Iterator[Any]:
    """The settings of every command, as its config gives them without a word of the user."""
    yield predict_settings(load_config("predict", PredictConfig, []))
    yield cluster_settings(load_config("predict", PredictConfig, []).ray)
    yield activity_settings(load_config("activity", ActivityConfig, []), find_card("port-n4"))
    yield evaluation_settings(load_config("evaluate", EvaluateConfig, []), None)  # type: ignore[arg-type]
    yield report_settings(load_config("report", ReportConfig, []))
    yield load_config("render", RenderConfig, []).spec
    yield card_settings(load_config("card", CardConfig, []))
    yield collect_settings(load_config("collect", CollectConfig, []))
    yield import_settings(load_config("review_import", ReviewImportConfig, []))
    yield export_settings(load_config("review_export", ReviewExportConfig, []))
    train = load_config("train", TrainConfig, ["data.root=pool"])
    yield settings_from(train)
    yield data_settings(train)


def walk(value: Any) -> Iterator[Any]:
    """An instance of a dataclass and those inside it."""
    if dataclasses.is_dataclass(value):
        yield value
        for field in dataclasses.fields(value):
            yield from walk(getattr(value, field.name))


def defaults(kind: type) -> dict[str, Any]:
    """The defaults of a class's fields, by name."""
    found = {}
    for field in dataclasses.fields(kind):
        if field.default is not MISSING:
            found[field.name] = field.default
        elif field.default_factory is not MISSING:
            found[field.name] = field.default_factory()
    return found


def differences(said: Any, default: Any = MISSING, path: str = "") -> Iterator[str]:
    """Where settings differ from the defaults of their class, or of the class that holds them."""
    kind = type(said)
    own = defaults(kind)
    for field in dataclasses.fields(kind):
        value, name = getattr(said, field.name), f"{path or kind.__name__}.{field.name}"
        wanted = (
            own.get(field.name, MISSING) if default is MISSING else getattr(default, field.name)
        )
        if (kind.__name__, field.name) in MEASURED:
            continue
        if dataclasses.is_dataclass(value):
            yield from differences(value, wanted, name)
        elif wanted is not MISSING and (value != wanted or type(value) is not type(wanted)):
            yield f"{name}: {wanted!r} in code, {value!r} by conf/"


def test_code_and_command_line_have_one_default() -> None:
    assert [text for settings in composed() for text in differences(settings)] == []


def test_no_settings_are_forgotten() -> None:
    checked = {type(part) for settings in composed() for part in walk(settings)}
    named = set()
    for module in pkgutil.walk_packages(detector.__path__, "detector."):
        if module.name.endswith("__main__"):
            continue
        home = importlib.import_module(module.name)
        for name, kind in inspect.getmembers(home, inspect.isclass):
            ours = kind.__module__.startswith("detector.") and not name.startswith("_")
            if (
                ours
                and name.endswith(ENDINGS)
                and dataclasses.is_dataclass(kind)
                and defaults(kind)
            ):
                named.add(kind)
    assert len(named) > 20
    assert {kind.__name__ for kind in named - checked} == {kind.__name__ for kind in ELSEWHERE}
    assert {kind.__name__ for kind in checked} >= {kind for kind, _ in MEASURED}


@dataclasses.dataclass
class Inner:
    """Settings inside others, which want another default."""

    share: float = 0.5
    readers: int = 2


@dataclasses.dataclass
class Outer:
    """Settings with settings in them."""

    out: Path
    epochs: int = 10
    names: tuple[str, ...] = ()
    inner: Inner = dataclasses.field(default_factory=lambda: Inner(readers=1))


def test_a_difference_is_found() -> None:
    assert list(differences(Outer(Path("x")))) == []
    assert list(differences(Outer(Path("x"), 30, ["a"], Inner(share=0.7)))) == [  # type: ignore[arg-type]
        "Outer.epochs: 10 in code, 30 by conf/",
        "Outer.names: () in code, ['a'] by conf/",
        "Outer.inner.share: 0.5 in code, 0.7 by conf/",
        "Outer.inner.readers: 1 in code, 2 by conf/",
    ]
