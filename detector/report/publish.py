"""`detector report` as a function: what an activity found, as a page, files and charts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from detector.export.tables import write_json
from detector.files import atomic_path, held_folder
from detector.progress import Progress, SilentProgress
from detector.report.charts import save_charts
from detector.report.content import build_document
from detector.report.differences import site_differences
from detector.report.errors import ReportError
from detector.report.events import chips_of, shown_events
from detector.report.films import FILM_FORMATS
from detector.report.findings import Day
from detector.report.gallery import open_gallery
from detector.report.locator import draw_locator
from detector.report.markdown import as_markdown
from detector.report.options import ReportConfig
from detector.report.page import SitePictures, render_page
from detector.report.reviewed import review_facts
from detector.report.share import write_shared
from detector.report.sources import Sources, read_sources
from detector.report.tables import write_tables
from detector.report.words import Words

PAGE_FILE: Final = "report.html"
DOCUMENT_FILE: Final = "report.json"
TEXT_FILE: Final = "report.md"
TABLES_FOLDER: Final = "tables"
CHARTS_FOLDER: Final = "charts"
SHARE_FOLDER: Final = "share"
LARGEST_PAGE_BYTES: Final = 15_000_000
LOOKS_BYTES: Final = 6_500_000  # of all pictures of looks; as base64 a third more
CHIPS_BYTES: Final = 2_600_000  # of all chips
DIFFERENCES_BYTES: Final = 1_000_000  # of all difference pictures
LARGEST_LOOK_BYTES: Final = 420_000
LARGEST_CHIP_BYTES: Final = 24_000
LEAST_LOOK_BYTES: Final = 25_000  # less shows nothing: fewer looks then
LEAST_CHIP_BYTES: Final = 5_000
CHIPS_AN_EVENT: Final = 4
SHARES: Final = (1.0, 0.5, 0.2, 0.0)  # of the room for pictures, where the page is too large

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What a report is made of.

    Attributes:
        activity: folder that `detector activity` wrote.
        out: folder of the report.
        sites: site files; those of the activity where none are named.
        runs: folders of `detector predict`; the same.
        note: what the reader must know first, or empty.
        charts: whether the charts are drawn as PNG and SVG files too.
        credit: of the imagery, for scenes whose files do not tell.
        share: whether pictures to share are drawn.
        formats: as what a zone over time is drawn then, of `films.FILM_FORMATS`.
        allow_remote: hosts, addresses or folders that the paths of scenes may lead to.
    """

    activity: Path
    out: Path
    sites: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    note: str = ""
    charts: bool = True
    credit: str = ""
    share: bool = False
    formats: tuple[str, ...] = FILM_FORMATS
    allow_remote: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Attributes:
        page: the HTML file.
        document: its content.
        remarks: pictures that could not be made.
        shared: pictures to share.
    """

    page: Path
    document: Mapping[str, Any]
    remarks: tuple[str, ...]
    shared: tuple[Path, ...] = ()


def report_settings(config: ReportConfig) -> ReportSettings:
    """The options of `detector report` as the report's own settings."""
    return ReportSettings(
        activity=Path(config.activity),
        out=Path(config.out),
        sites=tuple(config.paths),
        runs=tuple(config.runs),
        note=config.note,
        charts=config.charts,
        credit=config.credit,
        share=config.share,
        formats=tuple(dict.fromkeys(config.formats)),
        allow_remote=tuple(config.allow_remote),
    )


def make_report(settings: ReportSettings, progress: Progress | None = None) -> Report:
    """Write `report.html`, `report.json`, `report.md`, `tables/`, `charts/` and `share/`.

    Raises:
        ReportError: the activity holds nothing, or cannot be used.
        ActivityError: it is damaged.
        OutputError: the folder cannot be written.
    """
    sources = read_sources(settings.activity, settings.sites, settings.runs, settings.allow_remote)
    if not sources.activity["looks"]:
        raise ReportError(f"{settings.activity}: no look of any zone, so nothing to report")
    words = Words.read()
    document = build_document(sources, words, settings.note, settings.credit)
    shared: list[Path] = []
    with held_folder(settings.out) as out:
        page, remarks = _fitting_page(document, sources, words, progress or SilentProgress())
        with atomic_path(out / PAGE_FILE) as temporary:
            temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
        write_json(out / DOCUMENT_FILE, document)
        with atomic_path(out / TEXT_FILE) as temporary:
            temporary.write_text(as_markdown(document, words), encoding="utf-8")
        write_tables(out / TABLES_FOLDER, document, sources.activity)
        if settings.charts:
            save_charts(out / CHARTS_FOLDER, document, words)
        if settings.share:
            shared, missing = write_shared(
                out / SHARE_FOLDER, document, sources, words, progress, settings.formats
            )
            remarks = tuple(dict.fromkeys((*remarks, *missing)))
    return Report(out / PAGE_FILE, document, remarks, tuple(shared))


def _fitting_page(
    document: Mapping[str, Any], sources: Sources, words: Words, progress: Progress
) -> tuple[str, tuple[str, ...]]:
    """The page with pictures as good as the largest size allows, and remarks."""
    locator = draw_locator(list(sources.sites.values()))
    for share in SHARES:
        remarks: list[str] = []
        pictures = [
            _site_pictures(site, sources, share, len(document["sites"]), remarks, progress)
            for site in document["sites"]
        ]
        page = render_page(document, pictures, words, remarks, locator)
        if len(page.encode("utf-8", "backslashreplace")) <= LARGEST_PAGE_BYTES:
            return page, tuple(remarks)
    raise ReportError(
        "the tables alone are larger than a page may be; report fewer zones or a shorter time"
    )


def _site_pictures(
    site: Mapping[str, Any],
    sources: Sources,
    share: float,
    sites: int,
    remarks: list[str],
    progress: Progress,
) -> SitePictures:
    """Pictures of the looks and events of a site, within its share of the room."""
    name = site["name"]
    differences, missing = site_differences(site, sources.folder, share * DIFFERENCES_BYTES / sites)
    remarks += missing
    if name not in sources.sites or not sources.scenes:
        return SitePictures(differences=differences)
    days = [Day.of(row) for row in site["days"]]
    looks_bytes, chips_bytes = share * LOOKS_BYTES / sites, share * CHIPS_BYTES / sites
    shown = _spread(days, int(looks_bytes // LEAST_LOOK_BYTES))
    events = shown_events(site["events"], int(chips_bytes // (LEAST_CHIP_BYTES * CHIPS_AN_EVENT)))
    rows = [row for row in sources.activity["looks"] if row["site"] == name]
    total = len(shown) + len(events)
    with (
        open_gallery(sources.sites[name], sources, days) as gallery,
        progress.task(f"pictures of {name}", total, "pictures") as task,
    ):
        look_bytes = min(int(looks_bytes / max(len(shown), 1)), LARGEST_LOOK_BYTES)
        looks = []
        for day in shown:
            looks.append(gallery.look(day, look_bytes))
            task.advance(1)
        chips = max(len(events) * CHIPS_AN_EVENT, 1)
        chip_bytes = min(int(chips_bytes / chips), LARGEST_CHIP_BYTES)
        told = []
        for row in events:
            told.append((row, chips_of(row, gallery, rows, chip_bytes)))
            task.advance(1)
        remarks += gallery.remarks
        reason = gallery.remarks[0] if gallery.remarks else ""
    return SitePictures(
        [look for look in looks if look is not None],
        [(row, chips) for row, chips in told if chips],
        differences,
        reason,
        review_facts(sources.sites[name], sources),
    )


def _spread(days: Sequence[Day], most: int) -> list[Day]:
    """At most so many days, evenly over the time, the first and the last among them."""
    if len(days) <= most:
        return list(days)
    if most < 2:
        return list(days[:most])
    return [days[round(i * (len(days) - 1) / (most - 1))] for i in range(most)]
