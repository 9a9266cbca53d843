"""Pictures to share: each event before and after, and each zone over time.

A picture that is passed on loses its page, so each carries its title, its dates, a scale, north and
whose imagery it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image

from detector._version import __version__
from detector.activity.looks.sightings import ID_SEPARATOR, PlacedObjects
from detector.classes import PORT
from detector.counting.zones import Zone
from detector.export.overlay_furniture import draw_north, draw_scale_bar
from detector.export.overlay_marks import Pen, draw_outlines
from detector.export.overlay_text import Style, clean_text, draw_text, elide
from detector.export.overlay_view import scale_bar
from detector.files import atomic_path, file_part, prepare_folder
from detector.progress import Progress, SilentProgress
from detector.report.events import moments, shown_events
from detector.report.films import FILM_FORMATS, NO_CODEC, mp4_codec, write_film
from detector.report.findings import Day
from detector.report.gallery import BAR_SHARE, UPSAMPLED, SiteGallery, open_gallery
from detector.report.pictures import MARGIN_M, UNSEEN
from detector.report.sources import Sources
from detector.report.words import Words
from detector.scenes.grid import Grid

MOST_EVENTS: Final = 40  # of a site, whole stacks first
MOST_FRAMES: Final = 60  # of a zone
ZONE_SIDE_PX: Final = 560
NAME_LENGTH: Final = 40  # characters of a name from outside in that of a file
PAPER: Final = (255, 255, 255)
INK: Final = (24, 24, 24)
SOFT_INK: Final = (90, 90, 90)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A size of a picture of an event.

    Attributes:
        name: ending of the file's name.
        width: pixels; the height is 9 / 16 of it.
        dpi: for print.
    """

    name: str
    width: int
    dpi: int

    @property
    def height(self) -> int:
        """Pixels."""
        return round(self.width * 9 / 16)

    def px(self, size: float) -> int:
        """A length that is `size` in a picture 1,200 pixels wide."""
        return round(size * self.width / 1200)


POST: Final = Sheet("post", 1200, 96)
PRINT: Final = Sheet("print", 2480, 300)  # as wide as A4 at 300 dpi


@dataclass(frozen=True, slots=True)
class Told:
    """What is said in a picture.

    Attributes:
        title: what happened.
        dates: when, and where.
        credit: whose imagery it is, and who counted.
    """

    title: str
    dates: str
    credit: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A date in a picture of an event.

    Attributes:
        caption: which date it is.
        day: of the site.
        evidence: ids of the event's own boxes.
    """

    caption: str
    day: Day
    evidence: Sequence[str]


def write_shared(
    folder: Path,
    document: Mapping[str, Any],
    sources: Sources,
    words: Words,
    progress: Progress | None = None,
    films: Sequence[str] = FILM_FORMATS,
) -> tuple[list[Path], list[str]]:
    """Write `<event>_post.png`, `<event>_print.png` of events, `<site>_<zone>.gif|mp4` of zones.

    Args:
        folder: is made.
        document: of the report.
        sources: of it.
        words: of the page.
        progress: where the work is shown.
        films: of `FILM_FORMATS`, as what a zone over time is written; MP4 is left out, and that is
            told, where OpenCV has no codec for it.

    Returns:
        The files, and one sentence for each that could not be drawn.

    Raises:
        OutputError: the folder cannot be written.
    """
    prepare_folder(folder, mark=True)
    written: list[Path] = []
    remarks: list[str] = []
    if "mp4" in films and mp4_codec(folder) is None:
        films = [film for film in films if film != "mp4"]
        remarks.append(NO_CODEC)
    for site in document["sites"]:
        if site["name"] not in sources.sites or not sources.scenes:
            remarks.append(f"{site['name']}: {words.say('viewer.no_scenes')}")
            continue
        days = [Day.of(row) for row in site["days"]]
        with open_gallery(sources.sites[site["name"]], sources, days) as gallery:
            artist = _Artist(folder, document, site, gallery, words)
            zones = gallery.site.zones
            events = shown_events(site["events"], MOST_EVENTS)
            if len(events) < len(site["events"]):
                remarks.append(
                    f"{site['name']}: pictures of {len(events)} of {len(site['events'])} events"
                )
            total = len(events) + (len(zones) if films else 0)
            title = f"pictures to share of {site['name']}"
            with (progress or SilentProgress()).task(title, total, "pictures") as task:
                looks = [r for r in sources.activity["looks"] if r["site"] == site["name"]]
                for row in events:
                    _keep(artist.event(row, looks), row["event_id"], written, remarks)
                    task.advance(1)
                for zone in zones if films else ():
                    _keep(artist.zone(zone, films), zone.name, written, remarks)
                    task.advance(1)
            remarks += gallery.remarks
    return written, remarks


def _keep(drawn: Sequence[Path], name: str, written: list[Path], remarks: list[str]) -> None:
    written += drawn
    if not drawn:
        remarks.append(f"{name}: no date of it has a picture to share")


@dataclass(frozen=True, slots=True)
class _Artist:
    """Draws the pictures of one site."""

    folder: Path
    document: Mapping[str, Any]
    site: Mapping[str, Any]
    gallery: SiteGallery
    words: Words

    def event(self, row: Mapping[str, Any], looks: Sequence[Mapping[str, Any]]) -> list[Path]:
        """Both sizes of an event; none where its boxes or scenes are gone."""
        evidence = row["evidence"].split(ID_SEPARATOR)
        found = [self.gallery.box(name) for name in evidence]
        boxes = [box for box in found if box is not None]
        panels = self._panels(row, looks, evidence)
        if not boxes or not panels:
            return []
        bounds = self.gallery.chip_frame(np.stack(boxes), panels[-1].day).bounds
        told = Told(
            f"{self.site['name']}: {row['text']}",
            self.words.days(row["first_day"], row["last_day"]),
            self._credit([panel.day for panel in panels]),
        )
        paths = []
        for sheet in (POST, PRINT):
            image = self._sheet(sheet, told, panels, bounds)
            if image is None:
                return []
            paths.append(
                self.folder / f"{file_part(row['event_id'], NAME_LENGTH)}_{sheet.name}.png"
            )
            with atomic_path(paths[-1]) as temporary:
                Image.fromarray(image).save(temporary, "PNG", dpi=(sheet.dpi, sheet.dpi))
        return paths

    def _panels(
        self, row: Mapping[str, Any], looks: Sequence[Mapping[str, Any]], evidence: Sequence[str]
    ) -> list[Panel]:
        """The date before and the first that shows it; one where there is no other."""
        days = {day.day: day for day in self.gallery.days}
        told = [(kind, days[day]) for kind, day in moments(row, looks) if day in days]
        return [
            Panel(f"{self.words.say(f'event.{kind}')}, {self._when(day)}", day, evidence)
            for kind, day in told[:2]
        ]

    def _when(self, day: Day) -> str:
        local = next(row["local"] for row in self.site["days"] if row["day"] == day.day)
        return ", ".join(filter(None, (self.words.day(day.day), local)))

    def _credit(self, days: Sequence[Day]) -> str:
        """Whose imagery the scenes of dates are, each owner once, and who counted."""
        ids = {scene_id for day in days for scene_id in day.scene_ids}
        rows = self.document["provenance"]["scenes"]
        owners = [row["credit"] for row in rows if row["scene_id"] in ids]
        known = list(dict.fromkeys(filter(None, owners)))
        if not known or len(known) < len(set(owners)):
            known.append(self.words.say("share.no_credit"))
        credit = ", ".join(known)
        return self.words.say("share.credit", credit=credit, version=__version__)

    def _sheet(
        self,
        sheet: Sheet,
        told: Told,
        panels: Sequence[Panel],
        bounds: tuple[float, float, float, float],
    ) -> NDArray[np.uint8] | None:
        """A picture of an event, `(height, width, 3)`; None where a date cannot be read."""
        pad, number = sheet.px(24), len(panels)
        width = (sheet.width - (number + 1) * pad) // number
        top, bottom = sheet.px(112), sheet.px(88)
        height = sheet.height - top - bottom
        width = min(width, round(height * 4 / 3))
        canvas = np.full((sheet.height, sheet.width, 3), PAPER, np.uint8)
        left = (sheet.width - number * width - (number - 1) * pad) // 2
        cell_m = 1.0
        for panel in panels:
            shown = self._panel(panel, bounds, (width, height), Pen.of(sheet.px(15)))
            if shown is None:
                return None
            picture, cell_m = shown
            canvas[top : top + height, left : left + width] = picture
            style = Style(sheet.px(19), bold=True)
            caption = elide(panel.caption, style, width)
            draw_text(canvas, caption, (left, top + height + sheet.px(6)), style, INK)
            left += width + pad
        _letter(canvas, sheet, told, cell_m)
        return canvas

    def _panel(
        self,
        panel: Panel,
        bounds: tuple[float, float, float, float],
        size: tuple[int, int],
        pen: Pen,
    ) -> tuple[NDArray[np.uint8], float] | None:
        """A date with its boxes, `size` pixels, and the metres of a pixel."""
        placed = self.gallery.placed(panel.day)
        grid = _grid_of(bounds, size, self.gallery.site.frame.crs)
        finest = self.gallery.pictures.finest_m(placed) / UPSAMPLED
        coarse = Grid.around(grid.bounds, max(size), finest, grid.crs or "")
        image = self.gallery.pictures.read(placed, coarse)
        if image is None:
            return None
        picture = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        objects = self.gallery.objects(panel.day)
        own = np.isin(objects.ids, list(panel.evidence))
        _draw_boxes(picture, objects.select(~own), grid, replace(pen, line_px=pen.fine_px))
        _draw_boxes(picture, objects.select(own), grid, pen)
        return picture, grid.cell_m

    def zone(self, zone: Zone, films: Sequence[str]) -> list[Path]:
        """A zone over all its dates; no file where fewer than two have a picture."""
        west, south, east, north = shapely.bounds(zone.shape).tolist()
        bounds = west - MARGIN_M, south - MARGIN_M, east + MARGIN_M, north + MARGIN_M
        days = list(self.gallery.days)[-MOST_FRAMES:]
        finest = min(self.gallery.pictures.finest_m(self.gallery.placed(day)) for day in days)
        grid = Grid.around(bounds, ZONE_SIDE_PX, finest, self.gallery.site.frame.crs)
        frames, seen = [], 0
        for day in days:
            image = self.gallery.pictures.read(self.gallery.placed(day), grid)
            seen += image is not None
            frames.append(self._frame(zone, day, image, grid))
        if seen < 2:
            return []
        names = [file_part(name, NAME_LENGTH) for name in (self.site["name"], zone.name)]
        paths = [self.folder / f"{'_'.join(names)}.{film}" for film in films]
        for path in paths:
            write_film(path, frames)
        return paths

    def _frame(
        self, zone: Zone, day: Day, image: NDArray[np.uint8] | None, grid: Grid
    ) -> NDArray[np.uint8]:
        """A date of a zone with its words above and below."""
        style, small = Style(17, bold=True), Style(12)
        width = max(grid.width, 360)
        top, bottom, pen = 30, 44, Pen.of(14)
        canvas = np.full((top + grid.height + bottom, width, 3), PAPER, np.uint8)
        picture = np.full((grid.height, grid.width, 3), UNSEEN, np.uint8)
        when = self._when(day)
        if image is None:
            when = f"{when}: {self.words.say('event.no_picture')}"
        else:
            picture = image
            _draw_boxes(picture, self.gallery.objects(day), grid, pen)
        left = (width - grid.width) // 2
        canvas[top : top + grid.height, left : left + grid.width] = picture
        draw_text(canvas, elide(f"{zone.name}, {when}", style, width - 16), (8, 5), style, INK)
        credit = elide(self._credit([day]), small, width - 16)
        draw_text(canvas, credit, (8, canvas.shape[0] - 18), small, SOFT_INK)
        middle = top + grid.height + 14
        draw_north(canvas, (0.0, -1.0), (width - 20, middle), 11, Style(11, bold=True))
        bar = scale_bar(grid.cell_m, max(int(grid.width * BAR_SHARE), 1))
        draw_scale_bar(canvas, bar, (8, middle), small)
        return canvas


def _grid_of(bounds: tuple[float, float, float, float], size: tuple[int, int], crs: str) -> Grid:
    """The grid of so many cells around the middle of bounds, which it holds; cells are square."""
    west, south, east, north = bounds
    cell = max((east - west) / size[0], (north - south) / size[1])
    x, y = (west + east) / 2, (south + north) / 2
    half_x, half_y = cell * size[0] / 2, cell * size[1] / 2
    grid = Grid.around((x - half_x, y - half_y, x + half_x, y + half_y), max(size), 0.0, crs)
    return replace(grid, width=size[0], height=size[1])


def _draw_boxes(picture: NDArray[np.uint8], objects: PlacedObjects, grid: Grid, pen: Pen) -> None:
    """Outline objects, the colour by class."""
    if not len(objects):
        return
    corners = grid.to_cells(objects.corners)
    for class_id in PORT.in_order:
        mine = corners[objects.class_ids == class_id]
        if len(mine):
            draw_outlines(picture, mine, PORT[class_id].colour, pen, dashed=False)


def _letter(canvas: NDArray[np.uint8], sheet: Sheet, told: Told, cell_m: float) -> None:
    """Title and dates above, scale, north and credit below."""
    pad = sheet.px(24)
    room = sheet.width - 2 * pad
    title, plain, small = Style(sheet.px(34), bold=True), Style(sheet.px(22)), Style(sheet.px(16))
    draw_text(canvas, elide(told.title, title, room), (pad, sheet.px(18)), title, INK)
    draw_text(canvas, elide(told.dates, plain, room), (pad, sheet.px(66)), plain, SOFT_INK)
    middle = sheet.height - sheet.px(30)
    right = sheet.width - pad - sheet.px(16)
    draw_north(canvas, (0.0, -1.0), (right, middle), sheet.px(20), Style(sheet.px(16), bold=True))
    bar = scale_bar(cell_m, sheet.px(200))
    draw_scale_bar(canvas, bar, (right - sheet.px(60) - bar.length_px, middle), small)
    credit = elide(clean_text(told.credit), small, room - sheet.px(120) - bar.length_px)
    draw_text(canvas, credit, (pad, middle - sheet.px(10)), small, SOFT_INK)
