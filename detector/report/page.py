"""The report's page: one HTML file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from detector.activity.changes.events import STACK_EVENTS
from detector.activity.changes.lots import LEAST_ALIKE, MOST_CHANCE
from detector.activity.looks.lengths import length_in_words
from detector.report.captions import picture_caption
from detector.report.differences import Difference
from detector.report.gallery import LookPicture
from detector.report.locator import Locator
from detector.report.words import Words

FOLDER: Final = Path(__file__).parent
TEMPLATE: Final = "page.html.jinja"
VENDOR: Final = FOLDER / "vendor"
RECORD: Final = VENDOR / "vendor.json"
OWN_SCRIPTS: Final = ("page.js", "review.js")
SCRIPTS: Final = ("d3.min.js", "plot.umd.min.js", "leaflet.js")
STYLES: Final = ("leaflet.css",)
EVENT_GROUPS: Final = {
    "stacks": tuple(STACK_EVENTS),
    "ships": ("ship",),
    "trains": ("train",),
}
MOST_BARS: Final = 60  # of visits in one chart, as in page.js
MOST_ROWS: Final = 400  # of a table in the page; the files hold all
# in a script element: nothing that ends it or begins a comment, and no line end of JavaScript's own
UNSAFE_IN_SCRIPT: Final = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
SOURCE_MAP: Final = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
OUTSIDE_URL: Final = re.compile(r"url\((?!\"?data:)[^)]*\)")


@dataclass(frozen=True, slots=True)
class SitePictures:
    """The pictures of a site.

    Attributes:
        looks: one a date, in order of time.
        events: each event's row with its chips.
        differences: two looks of a zone in one, in order of time.
        reason: why there are no looks, one sentence; empty where it is not known.
        review: what the review mode must know of the site, see `review_facts`.
    """

    looks: Sequence[LookPicture] = ()
    events: Sequence[tuple[Mapping[str, Any], Sequence[LookPicture]]] = ()
    differences: Sequence[Difference] = ()
    reason: str = ""
    review: Mapping[str, Any] = field(default_factory=dict)


def render_page(
    document: Mapping[str, Any],
    pictures: Sequence[SitePictures],
    words: Words,
    remarks: Sequence[str] = (),
    locator: Locator | None = None,
) -> str:
    """The page as HTML.

    A policy in the page forbids every request, and every script but the five that it carries, by
    their hashes: a name that looks like a script stays a name.

    Args:
        document: see `content.build_document`.
        pictures: of each of its sites, in order.
        words: of the page.
        remarks: pictures that could not be made, one sentence each.
        locator: the map of the sites, or None.
    """
    scripts = [_script(VENDOR / name) for name in SCRIPTS]
    scripts += [_script(FOLDER / name) for name in OWN_SCRIPTS]
    styles = [_style(VENDOR / name) for name in STYLES] + [_style(FOLDER / "page.css")]
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        doc=document,
        pictures=pictures,
        site_days=[{day["day"]: day for day in site["days"]} for site in document["sites"]],
        caption=partial(picture_caption, words=words),
        words=words,
        say=words.say,
        day=words.day,
        days=words.days,
        listed=words.listed,
        length=partial(length_in_words, unit=""),  # the column says metres
        remarks=remarks,
        locator=locator,
        cite=citation(document, words),
        most_rows=MOST_ROWS,
        most_bars=MOST_BARS,
        event_groups=EVENT_GROUPS,
        bar={"least": LEAST_ALIKE, "chance": f"{MOST_CHANCE:g}"},
        libraries=words.listed(
            [f"{e['package']} {e['version']} ({e['licence']})" for e in _record()]
        ),
        licences=[
            (VENDOR / f"{e['package'].rpartition('/')[2]}.LICENSE").read_text("utf-8")
            for e in _record()
        ],
        policy=_policy(scripts),
        scripts=[Markup(text) for text in scripts],  # noqa: S704 - files of this package
        styles=Markup("\n".join(styles)),  # noqa: S704 - files of this package
        data=Markup(safe_json(_page_data(document, pictures, words))),  # noqa: S704 - escaped
    )


def citation(document: Mapping[str, Any], words: Words) -> str:
    """How the report is to be cited, one line; the weights are those of its scenes."""
    rows = document["provenance"]["scenes"]
    weights = list(dict.fromkeys(row["weights"] for row in rows if row.get("weights")))
    key = "provenance.cite" if weights else "provenance.cite_bare"
    listed = words.listed([str(name) for name in weights])
    return words.say(key, title=document["title"], version=document["version"], weights=listed)


def safe_json(content: Any) -> str:
    """JSON that may stand inside a script element, whatever its texts hold."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in UNSAFE_IN_SCRIPT.items():
        text = text.replace(character, escape)
    return text


def _page_data(
    document: Mapping[str, Any], pictures: Sequence[SitePictures], words: Words
) -> dict[str, Any]:
    views = [
        [
            {
                **{"bounds": s.bounds, "width": s.width, "labels": s.labels, "boxes": s.boxes},
                **{"day": s.day, "scenes": s.scene_ids},
            }
            for s in site.looks
        ]
        for site in pictures
    ]
    units = {"count": "y_ships", "stacks": "y_stacks", "area": "y_area", "teu": "y_teu"}
    texts = {
        "script": words.group("script"),
        "review": words.group("review"),
        "chart": {"alt": words.texts["chart"]["alt"]},
        "timeline": {"alt": words.texts["timeline"]["alt"]},
        "visit": {"chart_alt": words.texts["visit"]["chart_alt"]},
        "viewer": {"north": words.texts["viewer"]["north"]},
        "unit": {name: words.say(f"chart.{key}") for name, key in units.items()},
    }
    review = [site.review for site in pictures]
    return {"doc": document, "views": views, "words": texts, "review": review}


def _policy(scripts: Sequence[str]) -> str:
    """A content security policy: no requests, and no script but these."""
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
        for text in scripts
    ]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _script(path: Path) -> str:
    """A script as it may stand in the page: without the address of its source map."""
    text = SOURCE_MAP.sub("", path.read_text(encoding="utf-8"))
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError(f"{path.name} would end its own element")
    return text


def _style(path: Path) -> str:
    """Styles without pictures of their own: what is outside the page is not asked for."""
    return OUTSIDE_URL.sub("none", path.read_text(encoding="utf-8"))


def _record() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return entries
