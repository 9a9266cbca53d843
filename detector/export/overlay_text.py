"""Text of any script as masks of known size, whatever a file name or a zone's name holds."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

Colour = tuple[int, int, int]

MAX_CHARACTERS = 300  # more never fits on a line of 4,000 px
JOINERS: Final = "\u200c\u200d"  # format characters that shape letters; the others move text about
HIDDEN_CATEGORIES: Final = ("Cc", "Cf", "Co", "Cn", "Zl", "Zp")
ELLIPSIS: Final = "…"
NO_CHARACTER: Final = "\U0010ffff"  # drawn as the font's sign for "no such glyph"
WIDE_FONT: Final = "uni"  # OpenCV 5 carries WenQuanYi Micro Hei: Hangul, Kana, Han, Cyrillic, Greek
WIDE_SIZE = 0.92  # of the size of DejaVu, for letters of equal height
WIDE_BOLD = 1 / 16  # of the size: how much thicker a bold stroke is; the font has no bold face


@dataclass(frozen=True, slots=True)
class Style:
    """A font.

    Attributes:
        size_px: of the em.
        bold: or regular.
    """

    size_px: int
    bold: bool = False

    @property
    def height_px(self) -> int:
        """Height of a line's mask: ascent and descent of the font."""
        ascent, descent = _font(self).getmetrics()
        return ascent + descent


def clean_text(text: str) -> str:
    r"""One line of text that can be laid out.

    Line breaks and other spaces become one space; control characters and marks that turn the
    direction of their surroundings go; half surrogates (file names that are not UTF-8) become `�`.

    Examples:
        >>> clean_text("berth\n\t1\u202e")
        'berth 1'
    """
    cut = text if len(text) <= 2 * MAX_CHARACTERS else _middle_out(text, 2 * MAX_CHARACTERS)
    whole = "".join("�" if unicodedata.category(c) == "Cs" else c for c in cut)
    spaced = "".join(" " if c.isspace() else c for c in whole)
    kept = (c for c in spaced if c in JOINERS or unicodedata.category(c) not in HIDDEN_CATEGORIES)
    return _middle_out(unicodedata.normalize("NFC", " ".join("".join(kept).split())))


def text_width(text: str, style: Style) -> int:
    """Width in pixels of `text_mask`."""
    return int(text_mask(text, style).shape[1])


def elide(text: str, style: Style, max_width_px: int) -> str:
    """The text, its middle left out as far as needed to be at most `max_width_px` wide.

    Empty where not even the ellipsis fits.
    """
    text = clean_text(text)
    if text_width(text, style) <= max_width_px:
        return text
    low, high = 0, len(text)  # low fits (or is nothing), high does not
    while high - low > 1:
        middle = (low + high) // 2
        fits = text_width(_middle_out(text, middle), style) <= max_width_px
        low, high = (middle, high) if fits else (low, middle)
    return _middle_out(text, low) if low else ""


@lru_cache(maxsize=4096)
def text_mask(text: str, style: Style) -> NDArray[np.uint8]:
    """Coverage of a line of text.

    Args:
        text: of `clean_text`.
        style: the font. What DejaVu lacks is written in OpenCV's own wide font; without that
            (OpenCV 4) the missing glyphs are boxes.

    Returns:
        `(style.height_px, width)`, 0 to 255, read-only; what reaches beyond the line is cut.
    """
    runs = _runs(text, style) if hasattr(cv2, "FontFace") else [(True, text)]
    masks = [_dejavu_mask(run, style) if known else _wide_mask(run, style) for known, run in runs]
    mask = np.concatenate(masks, axis=1) if masks else np.zeros((style.height_px, 0), np.uint8)
    mask.flags.writeable = False
    return mask


def draw_text(
    image: NDArray[np.uint8],
    text: str,
    origin: tuple[int, int],
    style: Style,
    colour: Colour,
    halo: Colour | None = None,
) -> None:
    """Draw a line of text into an RGB image.

    Args:
        image: `(h, w, 3)`, changed.
        text: of `clean_text`.
        origin: left and top of the text's mask; what lies outside of the image is cut.
        style: the font.
        colour: of the letters.
        halo: colour of a rim that sets them off from any ground, or none.
    """
    mask = text_mask(text, style)
    if halo is not None:
        rim = halo_px(style)
        padded = cv2.copyMakeBorder(mask, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=0)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
        grown = np.asarray(cv2.dilate(padded, disc), np.uint8)
        blend(image, grown, (origin[0] - rim, origin[1] - rim), halo, 0.8)
    blend(image, mask, origin, colour)


def halo_px(style: Style) -> int:
    """Width of the rim that `draw_text` draws."""
    return max(1, round(style.size_px / 10))


def blend(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    origin: tuple[int, int],
    colour: Colour,
    opacity: float = 1.0,
) -> None:
    """Lay a colour over an RGB image where a mask says so; `origin` is the mask's left and top."""
    left, top = origin
    x0, y0 = max(left, 0), max(top, 0)
    x1 = min(left + mask.shape[1], image.shape[1])
    y1 = min(top + mask.shape[0], image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    alpha = mask[y0 - top : y1 - top, x0 - left : x1 - left, None] * np.float32(opacity / 255.0)
    part = image[y0:y1, x0:x1]
    part[:] = np.rint(part + (np.array(colour, np.float32) - part) * alpha).astype(np.uint8)


def _middle_out(text: str, length: int = MAX_CHARACTERS) -> str:
    """At most `length` characters: both ends, since names differ at either."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return text[: length - 1 - tail] + ELLIPSIS + text[len(text) - tail :]


def _dejavu_mask(text: str, style: Style) -> NDArray[np.uint8]:
    font = _font(style)
    # Left to right as a whole, whatever stands first: "(berth)" stays behind an Arabic name.
    direction = "ltr" if features.check("raqm") else None
    width = max(1, int(np.ceil(font.getlength(text, direction=direction))))
    image = Image.new("L", (width, style.height_px))
    ImageDraw.Draw(image).text(
        (0, font.getmetrics()[0]), text, fill=255, font=font, anchor="ls", direction=direction
    )
    return np.array(image, np.uint8)


def _wide_mask(text: str, style: Style) -> NDArray[np.uint8]:
    face = cv2.FontFace(WIDE_FONT)
    size = max(1, round(style.size_px * WIDE_SIZE))
    room = style.size_px * (len(text) + 2)  # to either side: right-to-left text goes to the left
    canvas = np.zeros((style.height_px, 2 * room, 3), np.uint8)
    baseline = (room, _font(style).getmetrics()[0])
    cv2.putText(canvas, text, baseline, (255, 255, 255), face, size)
    inked = np.flatnonzero(canvas[..., 0].any(axis=0))
    first, last = (inked[0], inked[-1]) if len(inked) else (room, room)
    mask = np.asarray(canvas[:, first : last + 1, 0])
    if style.bold:
        extra = max(1, round(style.size_px * WIDE_BOLD))
        padded = cv2.copyMakeBorder(mask, 0, 0, extra, 0, cv2.BORDER_CONSTANT, value=0)
        mask = np.asarray(cv2.dilate(padded, np.ones((1, extra + 1), np.uint8), anchor=(extra, 0)))
    return np.ascontiguousarray(mask, np.uint8)


def _runs(text: str, style: Style) -> list[tuple[bool, str]]:
    """The text in parts: `(whether DejaVu has all its glyphs, part)`."""
    parts = groupby(text, key=lambda c: c in JOINERS or _has_glyph(c, style))
    return [(known, "".join(part)) for known, part in parts]


@lru_cache(maxsize=65536)
def _has_glyph(character: str, style: Style) -> bool:
    font = ImageFont.truetype(_font_path(style), 16, layout_engine=ImageFont.Layout.BASIC)
    return character.isspace() or bytes(font.getmask(character)) != bytes(
        font.getmask(NO_CHARACTER)
    )


@lru_cache(maxsize=32)
def _font(style: Style) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_font_path(style), style.size_px)


def _font_path(style: Style) -> Path:
    """DejaVu Sans, which Matplotlib carries; found without importing it (0.3 s)."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("matplotlib is not installed: its fonts are needed")
    name = "DejaVuSans-Bold.ttf" if style.bold else "DejaVuSans.ttf"
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name
