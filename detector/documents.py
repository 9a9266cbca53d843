"""YAML, JSON and XML that others wrote: read within bounds, and every fault is one sentence.

These formats can carry more than they seem to. A few lines of YAML with aliases stand for 10^9
values, a deep nest ends Python's stack, a number of 400 digits or a date of the 45th is an error of
the library's inside. Here each of them is a `DocumentError`.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import yaml

from detector.errors import QuaywatchError

UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
CYRILLIC: Final = ("cp1251", "koi8-r", "cp866")
LEAST_COMMON: Final = 0.8  # of the letters; below it an encoding is not believed
MAX_YAML_BYTES: Final = 4_000_000  # the largest card that ships has 50,000
MAX_YAML_VALUES: Final = 1_000_000  # with every alias written out
MAX_JSON_BYTES: Final = 1_000_000_000  # labels of 100,000 images

# libyaml takes a tenth of the time, a card 0.03 s instead of 0.3 s
SafeLoader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(QuaywatchError):
    """A file that is not YAML, JSON or XML, or holds more than anybody would write by hand.

    Attributes:
        line: of the fault, counted from 1; 0 where it is unknown.
    """

    line: int = 0


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
    loader = None
    try:
        yaml.reader.Reader(text)  # refuses control characters, as it does without C
        loader = SafeLoader(text)
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
        if loader is not None:
            loader.dispose()


def read_json(path: Path, *, any_encoding: bool = False) -> Any:
    """The values of a JSON file.

    Args:
        path: of it.
        any_encoding: guess the encoding where it is not UTF-8, as tools of labels write it.

    Raises:
        OSError: the file cannot be read.
        DocumentError: it is not JSON in UTF-8, too large, or too deep.
    """
    return parse_json(_text(path, MAX_JSON_BYTES, any_encoding=any_encoding))


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


def read_rows(path: Path) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """The rows of a CSV with a head, in UTF-8, and the names of its columns.

    A cell that a row lacks is empty text.

    Raises:
        OSError: it is gone.
        DocumentError: it is too large, of another encoding, or no table.
    """
    text = _text(path, MAX_JSON_BYTES)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
        return list(reader), tuple(reader.fieldnames or ())
    except csv.Error as error:
        raise DocumentError(f"not a table ({_reason(error)})") from error


def parse_xml(content: bytes | str) -> ET.Element:
    """The root of an XML document without a DOCTYPE, which could name files or grow for ever.

    Raises:
        DocumentError: it is no XML, or has a DOCTYPE.
    """
    try:
        if isinstance(content, bytes) and content.startswith(UTF_16_MARKS):
            content = content.decode("utf-16")
        plain = content if isinstance(content, bytes) else content.encode(errors="replace")
        if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
            raise DocumentError("XML with a DOCTYPE, which is not read")
        return ET.fromstring(content)  # noqa: S314 - see above
    except ET.ParseError as error:
        told = DocumentError(_reason(error))
        told.line = error.position[0]
        raise told from error
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        raise DocumentError(_reason(error)) from error


def decode_text(content: bytes) -> str:
    """Text in UTF-8, in UTF-16 with its mark, or in the encoding that `guess_encoding` finds.

    A byte order mark is left out.
    """
    return content.decode(guess_encoding(content), errors="replace")


def guess_encoding(content: bytes) -> str:
    """What text is in that does not say it: UTF-8 and UTF-16, CP949, GB 18030, Cyrillic, Latin-1.

    In the order in which a mistake is least likely. Korean syllables of EUC-KR, and so of CP949,
    begin with the bytes B0 to C8; of the characters of GB 2312 the common ones begin with B0 to D7.
    Cyrillic text has its capitals in front, which tells its three encodings apart.

    Examples:
        >>> guess_encoding("나진항".encode("cp949")), guess_encoding("码头泊位".encode("gb2312"))
        ('cp949', 'gb18030')
        >>> guess_encoding("Причал Восточный".encode("cp1251"))
        'cp1251'
    """
    if content.startswith(UTF_16_MARKS):
        return "utf-16"
    if _decodes(content, "utf-8") is not None:
        return "utf-8-sig"
    korean = _decodes(content, "cp949")
    if korean and all("\uac00" <= letter <= "\ud7a3" for letter in korean if ord(letter) > 127):
        return "cp949"
    chinese = _decodes(content, "gb18030")
    if chinese:
        leads = [one.encode("gb18030")[0] for one in chinese if ord(one) > 127]
        if sum(0xA1 <= lead <= 0xD7 for lead in leads) >= LEAST_COMMON * len(leads):
            return "gb18030"
    likely = max(CYRILLIC, key=lambda name: _cyrillic(content, name))
    return likely if _cyrillic(content, likely) > LEAST_COMMON else "latin-1"


def _decodes(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _cyrillic(content: bytes, encoding: str) -> float:
    """Share of the letters beyond ASCII that are Cyrillic, and small where one stands before."""
    text = content.decode(encoding, errors="replace")
    found = [(before, one) for before, one in zip(" " + text, text, strict=False) if ord(one) > 127]
    good = sum(
        "\u0400" <= one <= "\u045f" and not (before.islower() and one.isupper())
        for before, one in found
    )
    return good / max(len(found), 1)


def _text(path: Path, most: int, *, any_encoding: bool = False) -> str:
    size = path.stat().st_size
    if size > most:
        raise DocumentError(f"{size:,} bytes, at most {most:,} are read")
    if not path.is_file() and path.exists():
        raise DocumentError("not a file")
    try:
        content = path.read_bytes()
        marked = content.startswith(UTF_16_MARKS)
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        if any_encoding:
            return decode_text(content)
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


def computed_tables(path: Path, content: bytes | None = None) -> set[str]:
    """The tables of an SQLite file whose cells are computed while they are read.

    A view, or a column that is generated, is a program of whoever made the file: a few bytes of it
    fill the memory, or never end.

    Args:
        path: of the file.
        content: of it, where it lies in an archive.

    Returns:
        Their names; none where the file cannot be read, which its reader will say.
    """
    try:
        source = f"{path.resolve().as_uri()}?mode=ro" if content is None else ":memory:"
        with closing(sqlite3.connect(source, uri=True)) as file:
            if content is not None:
                file.deserialize(content)
            file.text_factory = lambda text: text.decode("utf-8", "replace")
            found = file.execute("SELECT name, type FROM sqlite_master").fetchall()
            views = {name for name, kind in found if kind == "view"}
            generated = file.execute(
                "SELECT m.name FROM sqlite_master m, pragma_table_xinfo(m.name) c "
                "WHERE m.type = 'table' AND c.hidden IN (2, 3)"
            )
            return views | {name for (name,) in generated}
    except sqlite3.Error:
        return set()
