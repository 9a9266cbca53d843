"""YAML and JSON that others wrote: read within bounds, and every fault is one sentence.

Both formats can carry more than they seem to. A few lines of YAML with aliases stand for 10^9
values, a deep nest ends Python's stack, a number of 400 digits or a date of the 45th is an error of
the library's inside. Here each of them is a `DocumentError`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from detector.errors import QuaywatchError

MAX_YAML_BYTES: Final = 4_000_000  # the largest card that ships has 50,000
MAX_YAML_VALUES: Final = 1_000_000  # with every alias written out
MAX_JSON_BYTES: Final = 1_000_000_000  # labels of 100,000 images


class DocumentError(QuaywatchError):
    """A file that is not YAML or JSON, or holds more than anybody would write by hand."""


def read_yaml(path: Path) -> Any:
    """The plain values of a YAML file; tags that make anything else are refused.

    Raises:
        OSError: the file cannot be read.
        DocumentError: it is not YAML in UTF-8, too large, too deep, or a bomb of aliases.
    """
    return parse_yaml(_text(path, MAX_YAML_BYTES))


def parse_yaml(text: str) -> Any:
    """As `read_yaml`, of text.

    Raises:
        DocumentError: as there.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _written_out(node, {}, set())
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, AttributeError) as error:
        # the constructors of dates, numbers and sets raise what Python raises
        raise DocumentError(_reason(error)) from error
    except RecursionError as error:
        raise DocumentError("nested too deeply") from error
    finally:
        loader.dispose()


def read_json(path: Path) -> Any:
    """The values of a JSON file.

    Raises:
        OSError: the file cannot be read.
        DocumentError: it is not JSON in UTF-8, too large, or too deep.
    """
    return parse_json(_text(path, MAX_JSON_BYTES))


def parse_json(text: str) -> Any:
    """As `read_json`, of text.

    Raises:
        DocumentError: as there.
    """
    try:
        return json.loads(text)
    except ValueError as error:  # also of numbers with more digits than Python reads
        raise DocumentError(_reason(error)) from error
    except RecursionError as error:
        raise DocumentError("nested too deeply") from error


def _text(path: Path, most: int) -> str:
    size = path.stat().st_size
    if size > most:
        raise DocumentError(f"{size:,} bytes, at most {most:,} are read")
    if not path.is_file() and path.exists():
        raise DocumentError("not a file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"not UTF-8 ({_reason(error)})") from error


def _written_out(node: yaml.Node, known: dict[int, int], open_nodes: set[int]) -> int:
    """How many values a node stands for, every alias written out.

    Raises:
        DocumentError: more than `MAX_YAML_VALUES`, or a node that holds itself.
    """
    if id(node) in known:
        return known[id(node)]
    if id(node) in open_nodes:
        raise DocumentError("an alias that holds itself")
    open_nodes.add(id(node))
    total = 1
    for child in _children(node):
        total += _written_out(child, known, open_nodes)
        if total > MAX_YAML_VALUES:
            raise DocumentError(f"its aliases stand for more than {MAX_YAML_VALUES:,} values")
    open_nodes.discard(id(node))
    known[id(node)] = total
    return total


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
