"""What stands around the picture: name and date above; legend, notes, scale and north below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from detector.export.overlay_marks import (
    CASING,
    Pen,
    dashes,
    fill_polygon,
    hatch_box,
    hatch_nodata,
    hatch_unseen,
    polylines,
)
from detector.export.overlay_text import Colour, Style, draw_text, elide, text_width
from detector.export.overlay_view import ScaleBar
from detector.export.styles import ZONE_COLOUR

PAPER: Final[Colour] = (255, 255, 255)
INK: Final[Colour] = (24, 24, 24)
GREY_INK: Final[Colour] = (96, 96, 96)
NOTE_INK: Final[Colour] = (150, 50, 0)
BAR_INK: Final[Colour] = (17, 17, 17)
WATER: Final[Colour] = (74, 84, 82)  # ground of the legend's samples, dark as most scenes are
LINE = 1.5  # height of a row, in font sizes
MAX_NOTES = 6
BAR_SHARE = 0.22  # longest scale bar, of the canvas
Sample = Literal["box", "dashed", "hatched", "zone", "unseen_zone", "nodata", "cloud"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the legend: how it is drawn and what it is."""

    sample: Sample
    text: str
    colour: Colour = ZONE_COLOUR


@dataclass(frozen=True, slots=True)
class Furniture:
    """Everything that is said around the picture.

    Attributes:
        title: name of the scene.
        date: of the scene, in words.
        entries: of the legend.
        notes: what a reader must know.
        facts: gsd, CRS, size; what is unknown too.
        bar: the scale, or none.
        north: unit vector in the picture, or none.
    """

    title: str
    date: str
    entries: Sequence[Entry]
    notes: Sequence[str]
    facts: str
    bar: ScaleBar | None
    north: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Strips:
    """The strips above and below a picture of a given width.

    Attributes:
        width: of the canvas.
        font_px: size of the font.
    """

    width: int
    font_px: int
    text: Style = field(init=False)
    bold: Style = field(init=False)
    small: Style = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", Style(self.font_px))
        object.__setattr__(self, "bold", Style(round(self.font_px * 1.15), bold=True))
        object.__setattr__(self, "small", Style(max(11, round(self.font_px * 0.85))))

    @property
    def pad(self) -> int:
        """Margin, and gap between things."""
        return round(self.font_px * 0.7)

    @property
    def row(self) -> int:
        """Height of a row of text."""
        return round(self.font_px * LINE)

    @property
    def max_bar_px(self) -> int:
        """Longest scale bar that there is room for."""
        return max(1, round(self.width * BAR_SHARE))

    @property
    def top_height(self) -> int:
        """Height of the strip above."""
        return self.bold.height_px + 2 * (self.pad // 2)

    def bottom_height(self, furniture: Furniture) -> int:
        """Height of the strip below."""
        rows = len(self._legend_rows(furniture)) + len(_shown_notes(furniture.notes)) + 1
        return max(rows * self.row, 3 * self.row) + 2 * self.pad

    def draw_top(self, canvas: NDArray[np.uint8], furniture: Furniture) -> None:
        """Draw name and date into the strip above, `(top_height, width, 3)`."""
        canvas[:] = PAPER
        y = self.pad // 2
        date = elide(furniture.date, self.text, self.width // 2)
        date_x = self.width - self.pad - text_width(date, self.text)
        draw_text(canvas, date, (date_x, y + self._drop(self.bold, self.text)), self.text, INK)
        title = elide(furniture.title, self.bold, date_x - 3 * self.pad)
        draw_text(canvas, title, (self.pad, y), self.bold, INK)

    def draw_bottom(self, canvas: NDArray[np.uint8], furniture: Furniture) -> None:
        """Draw everything else into the strip below, `(bottom_height, width, 3)`."""
        canvas[:] = PAPER
        y = self.pad
        for row in self._legend_rows(furniture):
            x = self.pad
            for entry in row:
                self._draw_entry(canvas, entry, (x, y))
                x += self._entry_width(entry)
            y += self.row
        room = self._left_width(furniture)
        for note in _shown_notes(furniture.notes):
            draw_text(
                canvas, elide(f"⚠ {note}", self.text, room), (self.pad, y), self.text, NOTE_INK
            )
            y += self.row
        facts = elide(furniture.facts, self.small, room)
        draw_text(canvas, facts, (self.pad, y), self.small, GREY_INK)
        self._draw_scale_and_north(canvas, furniture)

    def _left_width(self, furniture: Furniture) -> int:
        right = 0
        if furniture.bar is not None:
            right += furniture.bar.length_px + 2 * self.pad + self.font_px
        if furniture.north is not None:
            right += 2 * self.row + self.pad
        return max(self.width - right - 2 * self.pad, self.font_px)

    def _legend_rows(self, furniture: Furniture) -> list[list[Entry]]:
        """The legend, broken into rows."""
        room, x = self._left_width(furniture), 0
        rows: list[list[Entry]] = [[]]
        for entry in furniture.entries:
            width = self._entry_width(entry)
            if rows[-1] and x + width > room:
                rows.append([])
                x = 0
            rows[-1].append(entry)
            x += width
        return rows

    def _entry_width(self, entry: Entry) -> int:
        return self._sample_width() + text_width(entry.text, self.text) + 3 * self.pad

    def _sample_width(self) -> int:
        return round(self.font_px * 1.9)

    def _draw_entry(self, canvas: NDArray[np.uint8], entry: Entry, origin: tuple[int, int]) -> None:
        x, y = origin
        width, height = self._sample_width(), round(self.font_px * 1.1)
        top = y + (self.text.height_px - height) // 2
        draw_sample(canvas[top : top + height, x : x + width], entry, Pen.of(self.font_px))
        draw_text(canvas, entry.text, (x + width + self.pad // 2, y), self.text, INK)

    def _draw_scale_and_north(self, canvas: NDArray[np.uint8], furniture: Furniture) -> None:
        right, middle = self.width - self.pad, canvas.shape[0] // 2
        if furniture.north is not None:
            draw_north(canvas, furniture.north, (right - self.row, middle), self.row, self.bold)
            right -= 2 * self.row + self.pad
        if furniture.bar is not None:
            left = right - self.font_px // 2 - furniture.bar.length_px
            draw_scale_bar(canvas, furniture.bar, (left, middle), self.text)

    def _drop(self, tall: Style, low: Style) -> int:
        """How much lower a smaller font starts to stand on the same line."""
        return round((tall.height_px - low.height_px) * 0.8)


def draw_sample(canvas: NDArray[np.uint8], entry: Entry, pen: Pen) -> None:
    """Fill a small canvas with what an entry of the legend stands for."""
    canvas[:] = WATER
    height, width = canvas.shape[:2]
    inset = pen.casing_px
    box = np.array(
        [
            (inset, inset),
            (width - inset, inset),
            (width - inset, height - inset),
            (inset, height - inset),
        ],
        np.float64,
    )
    whole = np.ones((height, width), np.bool_)
    if entry.sample == "nodata":
        hatch_nodata(canvas, ~whole, pen)
    elif entry.sample in ("cloud", "unseen_zone"):
        hatch_unseen(canvas, whole, pen)
    elif entry.sample == "hatched":
        hatch_box(canvas, box, entry.colour, pen)
    if entry.sample == "dashed":
        paths = dashes(box, 2.0 * pen.line_px)
    else:
        paths = [] if entry.sample in ("nodata", "cloud") else [box]
    for line_px, tint in ((pen.casing_px, CASING), (pen.line_px, entry.colour)):
        polylines(canvas, paths, tint, line_px, closed=entry.sample != "dashed")


def draw_scale_bar(
    canvas: NDArray[np.uint8], bar: ScaleBar, origin: tuple[int, int], style: Style
) -> None:
    """Draw a bar, half filled, with its length under its end.

    Args:
        canvas: changed.
        bar: its first row is dark over exactly `bar.length_px` columns.
        origin: left end and middle height.
        style: of the label.
    """
    left, middle = origin
    thick = max(4, style.size_px // 3)
    rule = max(1, style.size_px // 12)
    top = middle - (thick + style.height_px) // 2
    canvas[top : top + thick, left : left + bar.length_px] = BAR_INK
    half = left + bar.length_px // 2
    canvas[top + rule : top + thick - rule, half : left + bar.length_px - rule] = PAPER
    y = top + thick + rule
    draw_text(canvas, "0", (left, y), style, INK)
    label_x = left + bar.length_px - text_width(bar.label, style)
    draw_text(canvas, bar.label, (max(label_x, left + style.size_px), y), style, INK)


def draw_north(
    canvas: NDArray[np.uint8],
    north: tuple[float, float],
    centre: tuple[int, int],
    radius: int,
    style: Style,
) -> None:
    """Draw an arrow head with an N at its tip.

    Args:
        canvas: changed.
        north: unit vector, x right and y down.
        centre: of the arrow.
        radius: of the circle that arrow and letter stay in.
        style: of the letter.
    """
    ahead = np.array(north)
    aside = np.array([-ahead[1], ahead[0]])
    letter = text_width("N", style)
    reach = radius - style.size_px * 0.45
    origin = np.array(centre, np.float64)
    tip = origin + ahead * (reach - style.size_px * 0.55)
    tail = origin - ahead * radius * 0.85
    notch = tail + ahead * radius * 0.3
    half_width = radius * 0.42
    fill_polygon(canvas, np.array([tip, tail + aside * half_width, notch]), INK, 1.0)
    outline = np.array([tip, tail + aside * half_width, notch, tail - aside * half_width])
    polylines(canvas, [outline], INK, max(1, style.size_px // 14), closed=True)
    x, y = origin + ahead * reach
    draw_text(canvas, "N", (round(x - letter / 2), round(y - style.height_px / 2)), style, INK)


def _shown_notes(notes: Sequence[str]) -> list[str]:
    if len(notes) <= MAX_NOTES:
        return list(notes)
    return [*notes[: MAX_NOTES - 1], f"and {len(notes) - MAX_NOTES + 1} more notes"]
