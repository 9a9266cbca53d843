"""Options as fields of dataclasses: their keys, types, ranges and words for the help.

A schema is a dataclass whose fields are made with `option` or are dataclasses themselves (groups).
The defaults stand in `conf/`, the types, ranges and descriptions here, so nothing is said twice.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from detector.errors import ConfigError, nearest

KIND_NAMES = {str: "text", int: "whole number", float: "number", bool: "true|false"}


def option(
    help: str,  # noqa: A002 - the word that readers of command lines expect
    *,
    choices: Sequence[str] | Callable[[], Sequence[str]] = (),
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    path: bool = False,
    default: Any = MISSING,
    default_factory: Callable[[], Any] | Any = MISSING,
) -> Any:
    """A dataclass field that is an option of the command line.

    Args:
        help: one line for `--help`.
        choices: the only values allowed; a function where plug-ins may add to them.
        low: smallest value allowed.
        high: largest value allowed.
        above: the value must be larger than this.
        path: the text names a file or folder (a leading `~/` is then the home folder).
        default: for schemas that are also built in code; `conf/` overrides it.
        default_factory: the same for lists.
    """
    fixed = choices if callable(choices) else tuple(choices)
    rules = {"help": help, "choices": fixed, "path": path}
    limits = {"low": low, "high": high, "above": above}
    metadata = rules | limits
    if default_factory is not MISSING:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Option:
    """One leaf of a schema.

    Attributes:
        key: dotted, as the user writes it.
        type: `str`, `int`, `float` or `bool`; of the members, if it is a list.
        is_list: the value is a list.
        optional: `null` is allowed and means: not set.
        help: one line.
        choices: the only values allowed, or empty.
        open: plug-ins may add to the choices.
        low: smallest value, or None.
        high: largest value, or None.
        above: the value is larger than this, or None.
        path: the text names a file or folder.
    """

    key: str
    type: type
    is_list: bool
    optional: bool
    help: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None
    path: bool = False
    open: bool = False

    @property
    def kind(self) -> str:
        """What the value must be, in words: 'number from 0 to 1', 'path or null', …."""
        return f"{self.kind_set} or null" if self.optional else self.kind_set

    @property
    def kind_set(self) -> str:
        """The same for a value that is set, so without null."""
        if self.choices:
            words = "|".join(self.choices)
            return f"list of {words}" if self.is_list else words
        words = "path" if self.path else KIND_NAMES[self.type]
        return (f"list of {words}s" if self.is_list else words) + self._range()

    def allows(self, value: Any) -> bool:
        """Whether a value of the right type lies in the range and among the choices."""
        if value is None:
            return self.optional
        if self.is_list:
            return all(self._allows_one(member) for member in value)
        return self._allows_one(value)

    def _allows_one(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if isinstance(value, float) and not math.isfinite(value):
            return False  # tables and records hold none
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )

    def _range(self) -> str:
        if self.low is not None and self.high is not None:
            return f" from {self.low:g} to {self.high:g}"
        lower = f" above {self.above:g}" if self.above is not None else ""
        if self.low is not None:
            lower = f", at least {self.low:g}"
        upper = f", at most {self.high:g}" if self.high is not None else ""
        return lower + upper


def list_options(schema: type) -> dict[str, Option]:
    """All leaves of a schema by dotted key, in the order of the fields, groups last."""
    leaves = {opt.key: opt for opt in _walk(schema, "")}
    own = {key: opt for key, opt in leaves.items() if "." not in key}
    return own | leaves


def list_groups(schema: type) -> dict[str, type]:
    """The fields of a schema that are dataclasses themselves, by name."""
    hints = get_type_hints(schema)
    return {
        field.name: hints[field.name]
        for field in dataclasses.fields(schema)
        if dataclasses.is_dataclass(hints[field.name])
    }


def short_names(keys: Iterable[str], groups: Iterable[str] = ()) -> dict[str, str]:
    """Keys by their last part, where that is nobody else's: `weights` for `model.weights`.

    Args:
        keys: dotted, of all options.
        groups: names of the groups.
    """
    found = keys_by_leaf(keys, groups)
    return {leaf: mine[0] for leaf, mine in found.items() if len(mine) == 1}


def keys_by_leaf(keys: Iterable[str], groups: Iterable[str]) -> dict[str, list[str]]:
    """Keys by their last part, for parts that are no key or group by themselves; as above."""
    every = list(keys)
    taken = {*every, *groups}
    found: dict[str, list[str]] = {}
    for key in every:
        leaf = key.rpartition(".")[2]
        if leaf not in taken:
            found.setdefault(leaf, []).append(key)
    return found


def check_ranges(config: Any) -> None:
    """Refuse values outside their ranges or choices.

    Raises:
        ConfigError: names the option, the value and what it must be.
    """
    for key, opt in list_options(type(config)).items():
        value: Any = config
        for part in key.split("."):
            value = getattr(value, part)
        if not opt.allows(value):
            raise ConfigError(
                f"{key}={show(value)}: this option needs {article(opt.kind)}{_meant(opt, value)}"
            )


def show(value: Any) -> str:
    """A value as the user would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ",".join(show(member) for member in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def article(kind: str) -> str:
    """`kind` with the article it needs in a sentence."""
    if "|" in kind and kind.startswith("list of "):
        return f"one of {kind.removeprefix('list of ')}, or a list of them"
    if "|" in kind:
        return f"one of {kind}"
    return kind if kind.startswith("text") else f"a {kind}"


def _meant(opt: Option, value: Any) -> str:
    """The nearest choice to the first wrong one, where there are too many to be looked through."""
    if not opt.open:
        return ""
    members = value if opt.is_list else [value]
    return next((nearest(str(one), opt.choices) for one in members if one not in opt.choices), "")


def _walk(schema: type, prefix: str) -> Iterator[Option]:
    hints = get_type_hints(schema)
    for field in dataclasses.fields(schema):
        key, hint = prefix + field.name, hints[field.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from _walk(hint, f"{key}.")
            continue
        base, is_list, optional = _leaf_type(key, hint)
        rules = dict(field.metadata)
        if callable(rules["choices"]):
            rules |= {"choices": tuple(rules["choices"]()), "open": True}
        yield Option(key, base, is_list, optional, **rules)


def _leaf_type(key: str, hint: Any) -> tuple[type, bool, bool]:
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    plain = [member for member in members if member is not type(None)]
    is_list = get_origin(plain[0]) is list
    base = get_args(plain[0])[0] if is_list else plain[0]
    if len(plain) != 1 or base not in KIND_NAMES:
        raise TypeError(f"option {key} has a type that no command line can carry: {hint}")
    return base, is_list, len(plain) < len(members)
