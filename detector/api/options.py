"""Options of the front door: the command's, by keyword, checked as on the command line.

An option goes by its dotted key (`**{"scene.gsd": 0.5}`), by its last part where no other option
has that (`gsd=0.5`), and groups take the name of a set (`network="m"`). Defaults, types and ranges
are those of the command: `conf/` and its schema. `python -m detector.api.options >
detector/api/typed.py` writes them down for type checkers and editors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from detector.activity.options import ActivityConfig
from detector.config.compose import load_config, unknown_key
from detector.errors import ConfigError
from detector.evaluation.options import EvaluateConfig
from detector.options import Option, keys_by_leaf, list_groups, list_options
from detector.prediction.options import PredictConfig
from detector.rendering.options import RenderConfig
from detector.training.options import TrainConfig

T = TypeVar("T")

SILENT: Final = "nothing is printed; messages go to the logger 'detector'"
SAVED: Final = "nothing is written; call .save(folder) on what predict gives"
WRITTEN: Final = "nothing is written; call .write(folder) on what comes back"
WEIGHTS_KEY: Final = "model.weights"
NETWORK_KEYS: Final = (
    *("model.conf", "model.iou", "device", "backend", "precision", "batch", "threads"),
)
SCENE_KEYS: Final = (
    *("scene.bands", "scene.gsd", "scene.acquired", "scene.clouds", "scene.nodata"),
    "scene.brighten_dark",
)


@dataclass(frozen=True, slots=True)
class Door(Generic[T]):
    """Which options of a command a function takes.

    Attributes:
        name: of the function.
        config: name of the command's file in `conf/`.
        schema: the dataclass of its options.
        left_out: key of the command that the function has not, and what to do instead.
        only: the keys that it has; empty: all that are not left out.
    """

    name: str
    config: str
    schema: type[T]
    left_out: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Option]:
        """What the function takes, by dotted key."""
        every = list_options(self.schema)
        chosen = self.only or [
            key for key in every if not {key, key.split(".", 1)[0]} & set(self.left_out)
        ]
        return {key: every[key] for key in chosen}

    @property
    def groups(self) -> list[str]:
        """The groups of which a named set can be taken."""
        every = [] if self.only else list_groups(self.schema)
        return [name for name in every if name not in self.left_out]

    @property
    def short_names(self) -> dict[str, list[str]]:
        """Dotted keys by their last part, for parts that are no key by themselves."""
        return keys_by_leaf(self.options, self.groups)


PREDICT: Final = Door(
    "predict",
    "predict",
    PredictConfig,
    {
        "paths": "the scenes are the first argument",
        "out": SAVED,
        "overwrite": "say it to .save(folder, overwrite=True)",
        "shard": "give the scenes of a part themselves",
        **dict.fromkeys(("execution", "ray"), "'detector predict' runs on a cluster"),
        "profile": "put the call into `with detector.profiling.recording(Recorder()) as recorder`",
        "log": SILENT,
        "quiet": SILENT,
    },
)
LOAD_DETECTOR: Final = Door("load_detector", "predict", PredictConfig, only=NETWORK_KEYS)
OPEN_SCENE: Final = Door("open_scene", "predict", PredictConfig, only=SCENE_KEYS)
EVALUATE: Final = Door("evaluate", "evaluate", EvaluateConfig, {"log": SILENT, "quiet": SILENT})
TRAIN: Final = Door("train", "train", TrainConfig)
FIND_ACTIVITY: Final = Door(
    "find_activity",
    "activity",
    ActivityConfig,
    {
        "paths": "the sites are the first argument",
        "runs": "the runs are the second argument",
        "out": WRITTEN,
        "plots": "call detector.activity.plots.save_plots",
        "chips": "'detector activity' writes them",
        "report": "'detector report' makes it",
        "log": SILENT,
        "quiet": SILENT,
    },
)
RENDER: Final = Door(
    "render",
    "render",
    RenderConfig,
    {
        "out": WRITTEN,
        "count": "call render once for each seed",
        "what": "'detector data render' writes stories and frozen sets",
        "format": "say it to .write(folder, cog=True)",
        "strip_m": "'detector data render' writes scenes that do not fit into memory",
    },
)
DOORS: Final[tuple[Door[Any], ...]] = (
    PREDICT,
    LOAD_DETECTOR,
    OPEN_SCENE,
    EVALUATE,
    TRAIN,
    FIND_ACTIVITY,
    RENDER,
)


def compose(
    door: Door[T],
    options: Mapping[str, Any],
    *,
    paths: Sequence[str] = (),
    settled: Mapping[str, Any] | None = None,
) -> T:
    """The command's config with the caller's options.

    Args:
        door: of the function.
        options: by dotted key, by last part, or a group's set.
        paths: values of the schema's field `paths`.
        settled: by dotted key, what the function's own arguments say.

    Raises:
        ConfigError: an unknown option (with the nearest one), one said twice, one that the
            function has not, a wrong type or a value out of range.
    """
    values = {**keys_of(door, options), **(settled or {})}
    return load_config(door.config, door.schema, [], paths=paths, values=values)


def keys_of(door: Door[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options by their dotted keys.

    Raises:
        ConfigError: as `compose`, but for the values.
    """
    found: dict[str, Any] = {}
    # a set first: single options are said on top of it
    for name, value in sorted(options.items(), key=lambda item: item[0] not in door.groups):
        key = _key_of(door, name)
        if key in found:
            raise ConfigError(f"{door.name}(): '{key}' is said twice, once as '{name}'")
        found[key] = value
    return found


def _key_of(door: Door[Any], name: str) -> str:
    if name in door.left_out:
        raise ConfigError(f"{door.name}() has no option '{name}': {door.left_out[name]}")
    if name in door.options or name in door.groups:
        return name
    short = door.short_names
    keys = short.get(name, [])
    if len(keys) > 1:
        raise ConfigError(
            f"{door.name}(): '{name}' may be {' or '.join(keys)}; write **{{'{keys[0]}': …}}"
        )
    if not keys:
        raise unknown_key(name, [*door.options, *short])
    return keys[0]


def typed_source() -> str:
    """The text of `detector/api/typed.py`."""
    blocks = [TYPED_HEAD]
    for door in DOORS:
        title = "".join(part.capitalize() for part in door.name.split("_"))
        lines = [f"class {title}Options(TypedDict, total=False):"]
        lines += [f'    """Options of `detector.{door.name}`."""', ""]
        lines += [f"    {name}: {kind}" for name, kind in _typed_names(door)]
        blocks.append("\n".join(lines) + "\n")
    return "\n\n".join(blocks)


TYPED_HEAD: Final = '''"""Types of the options, written by `python -m detector.api.options`."""

# fmt: off
# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias, TypedDict

PathText: TypeAlias = str | PathLike[str]
'''


def _typed_names(door: Door[Any]) -> Iterator[tuple[str, str]]:
    unique = {keys[0]: leaf for leaf, keys in door.short_names.items() if len(keys) == 1}
    yield from ((group, "str") for group in door.groups)
    for key, opt in door.options.items():
        name = unique.get(key, key)
        if "." not in name:
            # a table of zones is not a value of a command line, see `predicting`
            yield name, "Any" if (door.name, name) == ("predict", "zones") else _typed(opt)


def _typed(opt: Option) -> str:
    kind = "PathText" if opt.path else opt.type.__name__
    if opt.choices and not opt.open:
        words = ", ".join(json.dumps(choice) for choice in opt.choices)
        kind = f"Literal[{words}]"
    if opt.is_list:
        kind = f"Sequence[{kind}]"
    return f"{kind} | None" if opt.optional else kind


if __name__ == "__main__":
    print(typed_source(), end="")  # noqa: T201 - the program's output
