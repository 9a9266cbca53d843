"""Links of the documents lead somewhere: files that are there, headings that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)


def text_of(path: Path) -> str:
    """A document without its blocks of code."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub and GitLab make of headings."""
    plain = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in HEADING.findall(text_of(path)))
    return {re.sub(r"\s", "-", heading.strip()) for heading in plain}


def dead_links(path: Path) -> list[str]:
    """Relative links of a document that lead nowhere."""
    dead = []
    for link in LINK.findall(text_of(path)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        outside = bool(name) and not target.is_relative_to(ROOT)
        headless = bool(anchor) and target.is_file() and anchor not in anchors(target)
        if outside or not target.exists() or headless:
            dead.append(link)
    return dead


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_link_is_dead(path: Path) -> None:
    assert dead_links(path) == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("# One, *two*\n[a](none.md) [b](#one-two) [c](#three) [d](https://x.invalid)\n")
    assert anchors(path) == {"one-two"}
    assert dead_links(path) == ["none.md", "#three"]


def test_every_document_is_linked_from_the_readme_or_another() -> None:
    linked = set()
    for path in DOCUMENTS:
        for link in LINK.findall(text_of(path)):
            if not re.match(r"[a-z]+:", link):
                linked.add((path.parent / link.partition("#")[0]).resolve())
    lonely = [path.name for path in (ROOT / "docs").rglob("*.md") if path.resolve() not in linked]
    assert lonely == []


def test_the_glossary_says_each_word_in_one_sentence() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^- (\*\*.*?)(?=\n- |\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    words = [word for entry in entries for word in re.findall(r"\*\*([^*]+)\*\*", entry)]
    asked = "scene look zone site tile core seam fragment luck lot chain share say gsd TEU"
    assert {*asked.split(), "deck cargo", "ship", "container stack", "oriented box"} <= set(words)
    assert len(words) == len(set(words))
    assert [entry for entry in entries if not re.fullmatch(r"[^.]*\.", entry.strip())] == []


def test_the_first_screen_leads_everywhere_in_one_click() -> None:
    first, _, _ = text_of(ROOT / "README.md").partition("\n## ")
    assert len(first.splitlines()) < 25
    asked = "quickstart concepts index ethics model-card command-line report performance review"
    asked += " glossary accuracy reliability inputs outputs python scale research/README"
    asked += " howto/geotiff howto/sentinel2 howto/qgis howto/publish"
    pages = {f"docs/{name}.md" for name in asked.split()} | {"notebooks"}
    people = {"CONTRIBUTING.md", "SECURITY.md", "CITATION.cff", "Dockerfile", "CHANGELOG.md"}
    people |= {".github/ISSUE_TEMPLATE", ".github/workflows/ci.yml"}
    assert pages | people <= set(LINK.findall(first))
