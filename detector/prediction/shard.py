"""Which part of a run a process does: `shard=3/16`. Nothing heavy is imported here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

from detector.errors import ConfigError

T = TypeVar("T")

SHARDS: Final = "shards"
SHARD_TEXT: Final = re.compile(r"(\d{1,6})/(\d{1,6})")
FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the scenes of a run.

    Attributes:
        number: of this one, from 1.
        of: how many there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of `3/16`.

        Raises:
            ConfigError: the text is none.
        """
        match = SHARD_TEXT.fullmatch(text)
        number, of = map(int, match.groups()) if match else (0, 0)
        if not FIRST <= number <= of:
            raise ConfigError(
                f"shard={text}: say which of how many, from 1/16 to 16/16, as in shard=3/16"
            )
        return cls(number, of)

    @property
    def text(self) -> str:
        """As `parse` takes it."""
        return f"{self.number}/{self.of}"

    def folder(self, out: Path) -> Path:
        """Where its run lies in the folder of all."""
        return out / SHARDS / f"{self.number}-of-{self.of}"

    def own(self, scenes: Sequence[T]) -> list[T]:
        """Its scenes: every `of`-th, so that large and small ones that follow each other part."""
        return list(scenes[self.number - FIRST :: self.of])


def shard_of(position: int, of: int) -> int:
    """The number of the shard that has the scene of a position, counted from 0."""
    return position % of + FIRST
