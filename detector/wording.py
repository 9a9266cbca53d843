"""Numbers with their nouns: the one place that knows singular and plural."""

from __future__ import annotations

from typing import Literal


def form_of(number: int) -> Literal["one", "other"]:
    """Which form of a text belongs to a number."""
    return "one" if number == 1 else "other"


def counted(number: int, one: str, other: str | None = None) -> str:
    """A number with its noun, and what must agree with it.

    Args:
        number: how many.
        one: singular, such as `box was`.
        other: plural, such as `boxes were`; without it the singular and an s.

    Examples:
        >>> counted(1, "ship"), counted(0, "ship"), counted(1200, "box was", "boxes were")
        ('1 ship', '0 ships', '1,200 boxes were')
    """
    word = one if form_of(number) == "one" else other if other is not None else f"{one}s"
    return f"{number:,} {word}"
