"""One hash over the constants of the code that decides a scene's result.

A run resumes only what the same settings, weights and content made. The constants of the code
decide as much: with another least length or another width of a crossing the same weights give other
counts. They are found by a rule, not by a list that somebody forgets: every upper-case name of a
module that decides. A hash of the source files would start thousands of scenes anew for an edited
comment; a change of logic is told by the version.

Some modules load what a run may not need, torch above all, for longer than a small scene takes. Of
these the source is read instead, whatever is loaded already: every process must come to one hash.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, partial
from pathlib import Path, PurePath
from types import FunctionType, ModuleType
from typing import Any, Final

import numpy as np

DECISIVE: Final = (
    "detector.classes",
    "detector.geometry",
    "detector.scenes",
    "detector.boxes",
    "detector.detections",
    "detector.lengths",
    "detector.tiling",
    "detector.models",
    "detector.inference",
    "detector.counting",
    "detector.stacks",
    "detector.prediction",
)
"""What a scene's result goes through: the ground that measures, frame, read, count, prediction."""
READ_AS_SOURCE: Final = (
    "detector.models.gpu_runner",
    "detector.models.network",
    "detector.models.torch_runner",
    "detector.prediction.finished",
)
CONSTANT: Final = re.compile(r"_?[A-Z][A-Z0-9_]*")
IN_MEMORY: Final = " at 0x"
DIGITS: Final = 12  # of numbers: processors differ in the last ones of exponentials


class NotPlainError(TypeError):
    """A constant whose value has no text of its own."""


def constants_sha256() -> str:
    """Hash of every constant of the decisive modules, the same in every process.

    Raises:
        NotPlainError: a constant holds something that has no text of its own.
    """
    digest = hashlib.sha256()
    for module in decisive_names():
        for name, text in texts_of(module).items():
            digest.update(f"{module}.{name}={text}\n".encode())
    return digest.hexdigest()


@cache
def decisive_names() -> tuple[str, ...]:
    """The modules of `DECISIVE`, ascending."""
    names: list[str] = []
    for root in DECISIVE:
        package = importlib.import_module(root)
        names.append(root)
        if hasattr(package, "__path__"):
            names += [item.name for item in pkgutil.walk_packages(package.__path__, f"{root}.")]
    return tuple(sorted(names))


def texts_of(module: str) -> dict[str, str]:
    """Constants of a module by name, as text.

    Raises:
        NotPlainError: a constant holds something that has no text of its own.
    """
    if module in READ_AS_SOURCE:
        return constants_in(source_of(module))
    loaded = importlib.import_module(module)
    return {name: as_text(value) for name, value in constants_of(loaded).items()}


def constants_in(source: str) -> dict[str, str]:
    """Constants that a module's source assigns, by name, as the expressions that make them.

    What it imports is told by the module that it comes from.
    """
    found = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and CONSTANT.fullmatch(target.id) and statement.value:
                found[target.id] = ast.unparse(statement.value)
    return dict(sorted(found.items()))


def source_of(module: str) -> str:
    """The source of a module that is not loaded for it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    return Path(spec.origin).read_text(encoding="utf-8")


def constants_of(module: ModuleType) -> dict[str, Any]:
    """Constants of a module by name, ascending; imported ones too, since the module reads them.

    Places of files are left out: they tell where the program is installed, not what it does.
    """
    return {
        name: value
        for name, value in sorted(vars(module).items())
        if CONSTANT.fullmatch(name) and not isinstance(value, PurePath)
    }


def as_text(value: Any) -> str:
    """A value as text that is the same in every process and for every order of insertion.

    Raises:
        NotPlainError: the value, or a part of it, is told apart by its place in memory only.
    """
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}:{as_text(value.value)}"
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        return f"{array.dtype.str}{array.shape}{as_text(array.tolist())}"
    if isinstance(value, float):
        return f"float:{value:.{DIGITS}g}"
    if value is None or isinstance(value, bool | int | str | bytes):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, Mapping | AbstractSet | Sequence):
        return _parts(value)
    return _named(value)


def _parts(value: Mapping[Any, Any] | AbstractSet[Any] | Sequence[Any]) -> str:
    """What a collection holds; a sequence in its order, the others in order of their texts."""
    if isinstance(value, Mapping):
        return f"{{{','.join(sorted(f'{as_text(k)}={as_text(v)}' for k, v in value.items()))}}}"
    if isinstance(value, AbstractSet):
        return f"<{','.join(sorted(map(as_text, value)))}>"
    return f"[{','.join(map(as_text, value))}]"


def _named(value: Any) -> str:
    """What is told by its name, its fields or, as a pattern or a time zone, by its own words."""
    if isinstance(value, type | FunctionType | np.ufunc):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}"
    if isinstance(value, partial):
        return f"{as_text(value.func)}({as_text(value.args)},{as_text(value.keywords)})"
    if is_dataclass(value):
        own = {item.name: getattr(value, item.name) for item in fields(value)}
        return f"{type(value).__qualname__}{as_text(own)}"
    words = repr(value)
    if IN_MEMORY in words:
        raise NotPlainError(f"{words}: no value of a constant that another process can tell again")
    return words
