"""The report's text as Markdown: what the page says, without its pictures and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from detector.report.page import citation
from detector.report.words import Words

SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~])")
NUMBERED: Final = re.compile(r"^(\s*)(\d+)([.)])(?=\s)")
BULLET: Final = re.compile(r"^(\s*)([-+])(?=\s)")


def as_markdown(document: Mapping[str, Any], words: Words) -> str:
    """All sentences of a report, each as the page has it.

    Names of the user are escaped, so that they stay text.

    Args:
        document: see `content.build_document`.
        words: of the page.
    """
    return "\n".join(_lines(document, words)) + "\n"


def _lines(document: Mapping[str, Any], words: Words) -> Iterator[str]:
    yield f"# {escaped(document['title'])}"
    if document["note"]:
        yield from ("", f"> **{words.say('note_title')}.** {escaped(document['note'])}")
    for site in document["sites"]:
        yield from ("", f"## {escaped(site['name'])}", "")
        yield from (escaped(site["lead"]), "")
        yield from (f"- {escaped(text)}" for text in site["found"])
        yield from ("", f"**{words.say('short.unseen_title')}.** {_joined(site['unseen'])}")
        if site["empty"]:
            yield from ("", _joined(site["empty"]))
    if len(document["sites"]) > 1:
        yield from ("", f"## {words.say('headings.links')}", "")
        yield words.say("links.intro" if document["links"] else "links.none")
        if document["links"]:
            yield ""
        yield from (f"- {escaped(link['sentence'])}" for link in document["links"])
    yield from ("", f"## {words.say('headings.methods')}")
    for item in words.texts["methods"]:
        yield from ("", f"**{item['title']}.** {item['text']}")
    yield from ("", f"## {words.say('headings.provenance')}", "")
    yield from _scenes(document, words)
    for text in document["provenance"]["warnings"]:
        yield f"- {escaped(text)}"
    yield from ("", escaped(citation(document, words)))


def _scenes(document: Mapping[str, Any], words: Words) -> Iterator[str]:
    """A line a scene: when, whose, and the hash of its content."""
    for row in document["provenance"]["scenes"]:
        name = escaped(row["scene_id"] or row["path"])
        when = row["acquired"] or row.get("acquired_day") or words.say("date_unknown")
        credit = escaped(row["credit"] or words.say("provenance.no_credit"))
        yield f"- {name}: {when}; {credit}; {escaped(row['reason'] or row['content_hash'] or '')}"


def _joined(texts: list[str]) -> str:
    return " ".join(escaped(text) for text in texts)


def escaped(text: str) -> str:
    """A text that Markdown takes literally, on one line."""
    line = SPECIAL.sub(r"\\\1", " ".join(str(text).split()))
    return BULLET.sub(r"\1\\\2", NUMBERED.sub(r"\1\2\\\3", line))
