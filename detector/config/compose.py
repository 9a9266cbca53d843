"""From YAML files and `key=value` words to one checked dataclass, through Hydra.

Hydra's compose API is used, not `@hydra.main`: no outputs folder, no logging of its own, our exit
codes. Values of text options are taken literally, so that users need not know Hydra's grammar.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from detector import errors
from detector.documents import DocumentError, read_yaml
from detector.errors import ConfigError
from detector.options import (
    Option,
    article,
    check_ranges,
    list_groups,
    list_options,
    short_names,
    show,
)
from detector.resources import conf_dir

T = TypeVar("T")

HYDRA_VERSION_BASE = "1.3"
ELSEWHERE = "elsewhere"
"""Class variable of a group: keys of its files in `conf/` that only other commands have."""

SHORT_ALIKE = 0.75
"""How much alike a word must be to a short name to be meant for it: short words are soon alike."""

HYDRA_PREFIX = re.compile(r"^(\+\+|\+|~)")


def load_config(
    name: str,
    schema: type[T],
    overrides: Sequence[str],
    *,
    paths: Sequence[str] = (),
    file: Path | None = None,
    values: Mapping[str, Any] | None = None,
) -> T:
    """Compose `conf/<name>.yaml` with the user's values and check it against a schema.

    Args:
        name: name of the file in `conf/`, without `.yaml`.
        schema: a dataclass of `option` fields and groups (dataclasses).
        overrides: `key=value`, as typed. `key=null` unsets an option that may be unset; text is
            taken literally; lists are `[a,b]` or `a,b`. `group=name` takes `conf/group/name.yaml`.
        paths: literal values of the schema's field `paths`.
        file: a YAML file of values that come before `overrides`, as `--show-config` prints it.
        values: by key as in `overrides`, but values of Python: None unsets, text is literal.

    Returns:
        An instance of `schema`.

    Raises:
        ConfigError: an unknown key (with the nearest valid one), a wrong type or a value out of
            range.

    Examples:
        >>> from detector.prediction.options import PredictConfig
        >>> config = load_config("predict", PredictConfig, ["zones=a b,[c].geojson"])
        >>> config.zones
        'a b,[c].geojson'
    """
    words = [_to_hydra(word, schema) for word in overrides]
    if file is not None:
        words = [*_file_overrides(file, schema), *words]
    words += [_value_override(key, value, schema) for key, value in (values or {}).items()]
    if paths:
        words.append(f"paths={_literal([_as_path(path) for path in paths])}")
    composed = _compose(name, words)
    return _structure(composed, schema, name)


def split_override(word: str) -> tuple[str, str]:
    """Key and value of `key=value`."""
    key, _, value = word.partition("=")
    return key, value


def unknown_key(key: str, valid: Iterable[str], short: Iterable[str] = ()) -> ConfigError:
    """The error for a key that no option has, with the nearest valid one, or short name of one."""
    meant = nearest(key, valid) or errors.nearest(key, short, SHORT_ALIKE)
    return ConfigError(f"unknown option '{key}'{meant}")


def nearest(word: str, valid: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no valid word is near."""
    known = list(valid)
    # a leaf's last part alone is what people forget the group of: conf -> model.conf
    tails = [key for key in known if key.rpartition(".")[2] == word.rpartition(".")[2]]
    return f"; did you mean '{tails[0]}'?" if tails else errors.nearest(word, known)


def quote(text: str) -> str:
    r"""Text as a quoted value of Hydra's grammar that comes out as it went in.

    Two grammars read it: Hydra's takes `\'` for a quote and wants backslashes in front of one
    doubled; OmegaConf's takes `\${` for a `${` that is no interpolation and wants backslashes in
    front of that doubled.
    """
    text = re.sub(r"(\\*)\$\{", lambda m: m.group(1) * 2 + "\\${", text)
    text = re.sub(r"(\\+)$", lambda m: m.group(1) * 2, text)
    return "'" + re.sub(r"(\\*)'", lambda m: m.group(1) * 2 + "\\'", text) + "'"


def _to_hydra(word: str, schema: type) -> str:
    key, value = split_override(word)
    options, groups = list_options(schema), list_groups(schema)
    if HYDRA_PREFIX.match(key):
        raise ConfigError(
            f"'{word}': write {HYDRA_PREFIX.sub('', key)}=value; options are fixed, none can be "
            "added or removed"
        )
    if key in groups or (key in options and (conf_dir() / key).is_dir()):
        return f"{key}={_group_choice(key, value)}"
    key = short_names(options, groups).get(key, key)
    if key not in options:
        raise _unknown_word(key, value, options, groups)
    return _checked_grammar(f"{key}={_typed(options[key], value)}", word, options[key])


def _unknown_word(
    key: str, value: str, options: Iterable[str], groups: Iterable[str]
) -> ConfigError:
    """The error for `key=value` without such a key; `model=s` means the group that has an `s`."""
    meant = [group for group in groups if value in _choices(group)]
    if len(meant) == 1:
        return ConfigError(f"unknown option '{key}'; did you mean '{meant[0]}={value}'?")
    return unknown_key(key, options, short_names(options, groups))


def _checked_grammar(hydra_word: str, word: str, opt: Option) -> str:
    try:
        sweep = OverridesParser.create().parse_override(hydra_word).is_sweep_override()
    except HydraException:
        sweep = True
    if sweep:
        raise ConfigError(f"{word}: this option needs {article(opt.kind)}")
    return hydra_word


def _typed(opt: Option, value: str) -> str:
    if value == "null" and opt.optional:
        return "null"
    if value == "" and (opt.type is not str or opt.is_list or opt.path or opt.optional):
        hint = " (null unsets it)" if opt.optional else ""
        raise ConfigError(f"{opt.key}=: this option needs {article(opt.kind)}{hint}")
    if opt.is_list:
        return value if value.startswith("[") else f"[{value}]"
    return quote(_as_path(value) if opt.path else value) if opt.type is str else value


def _as_path(value: str) -> str:
    # shells leave the ~ of `key=~/file` alone
    if value.startswith("~/") and not os.path.exists(value):  # noqa: PTH110 - never raises
        return str(Path(value).expanduser())
    # OmegaConf's word for a missing value, quoted or not
    return "./???" if value == "???" else value


def _group_choice(group: str, value: str) -> str:
    choices = _choices(group)
    if value not in choices:
        raise ConfigError(
            f"{group}={value}: '{group}' is a group of options, for which there are the sets "
            f"{', '.join(choices)}; single options are written {group}.name=value"
        )
    return value


def _choices(group: str) -> list[str]:
    return sorted(file.stem for file in (conf_dir() / group).glob("*.yaml"))


def _file_overrides(file: Path, schema: type) -> list[str]:
    try:
        values = read_yaml(file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error})") from error
    except DocumentError as error:
        raise ConfigError(f"{file}: is not YAML that can be read ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: holds no options; it needs lines such as 'device: cpu'")
    options = list_options(schema)
    leaves = list(_flatten(values, set(list_groups(schema)), ""))
    for key, _ in leaves:
        if key not in options:
            raise ConfigError(f"{file}: {unknown_key(key, options)}")
    return [f"{key}={_literal(value)}" for key, value in leaves]


def _value_override(key: str, value: Any, schema: type) -> str:
    options = list_options(schema)
    key = short_names(options, list_groups(schema)).get(key, key)
    if key not in options or (conf_dir() / key).is_dir():
        return _to_hydra(f"{key}={value}", schema)
    opt = options[key]
    try:
        plain = _plain(value)
    except TypeError:
        raise ConfigError(
            f"{key}: this option needs {article(opt.kind)}, not a {type(value).__name__}"
        ) from None
    if opt.is_list and isinstance(plain, str | int | float):
        plain = [plain]
    return f"{key}={_literal(_as_path(plain) if opt.path and isinstance(plain, str) else plain)}"


def _plain(value: Any) -> Any:
    """A value of Python as one that YAML has.

    Raises:
        TypeError: no option is of such a type.
    """
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PathLike):
        return os.fspath(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(type(value))


def _flatten(values: Mapping[Any, Any], groups: set[str], prefix: str) -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, groups, f"{name}.")
        elif not (name in groups and value is None):
            yield name, value


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ",".join(_literal(member) for member in value) + "]"
    return repr(value) if isinstance(value, int | float) else quote(str(value))


def _compose(name: str, words: list[str]) -> DictConfig:
    # Hydra keeps one global instance; the caller's, if there is one, must survive ours
    saved = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base=HYDRA_VERSION_BASE):
            return compose(config_name=name, overrides=words)
    except HydraException as error:
        raise ConfigError(f"conf/{name}.yaml: {' '.join(str(error).split())}") from error
    finally:
        GlobalHydra.instance().hydra = saved


def _structure(composed: DictConfig, schema: type[T], name: str) -> T:
    OmegaConf.set_struct(composed, False)
    for group, part in list_groups(schema).items():
        for key in getattr(part, ELSEWHERE, ()):
            composed[group].pop(key, None)
    try:
        merged = OmegaConf.merge(_open(schema), composed)
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ConfigError(f"the option '{missing[0]}' must be given: {missing[0]}=value")
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(_value_message(error, composed, schema, name)) from error
    if not isinstance(config, schema):
        raise TypeError(f"conf/{name}.yaml gave a {type(config)}, not a {schema}")
    check_ranges(config)
    return config


def _open(schema: type) -> DictConfig:
    """The schema as a config that can be merged into.

    OmegaConf makes frozen dataclasses read-only and then cannot fill their lists.
    """
    node: DictConfig = OmegaConf.structured(schema)
    OmegaConf.set_readonly(node, False)
    for name, group in list_groups(schema).items():
        node[name] = _open(group)
    return node


def _value_message(
    error: OmegaConfBaseException, composed: DictConfig, schema: type, name: str
) -> str:
    key = str(error.full_key or "").partition("[")[0]
    options = list_options(schema)
    if key in options:
        value: Any = OmegaConf.to_container(composed)
        for part in key.split("."):
            value = value[part]
        return f"{key}={show(value)}: this option needs {article(options[key].kind)}"
    if key:
        return f"conf/{name}.yaml: {unknown_key(key, options)}"
    return f"conf/{name}.yaml: {' '.join(str(error).split())}"


def to_yaml(config: Any) -> str:
    """A config as YAML that `load_config(file=…)` reads back."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)
