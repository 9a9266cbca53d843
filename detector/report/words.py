"""The page's words, all from one file, so that it can be translated."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from detector.documents import DocumentError, read_yaml
from detector.report.errors import ReportError
from detector.times import DayWords, say_day, say_span
from detector.wording import form_of

ENGLISH = Path(__file__).with_name("text.en.yaml")


@dataclass(frozen=True, slots=True)
class Words:
    """Texts by dotted key, such as `viewer.zones`.

    A text is a format string with named places (`{zone}`), or a mapping with `one` and `other`
    (and, optional, `none`), chosen by the value `n`.

    Attributes:
        language: BCP 47 tag of the page.
        direction: `ltr` or `rtl`.
        texts: nested as in the file.
    """

    language: str
    direction: str
    texts: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path = ENGLISH) -> Words:
        """Read a file of texts.

        Raises:
            ReportError: it cannot be read.
        """
        try:
            content = read_yaml(path)
            return cls(content["language"], content["direction"], content["texts"])
        except (OSError, DocumentError, KeyError, TypeError) as error:
            raise ReportError(f"{path}: not a file of the report's texts ({error})") from error

    def say(self, key: str, **values: Any) -> str:
        """The text of a key with its values; whole numbers get thousands separators.

        Raises:
            KeyError: no such text, or a value is missing.
        """
        text = self._find(key)
        if isinstance(text, Mapping):
            number = values["n"]
            form = "none" if number == 0 and "none" in text else form_of(number)
            text = text[form]
        return string.Formatter().vformat(text, (), {k: self._plain(v) for k, v in values.items()})

    def group(self, key: str) -> dict[str, str]:
        """All plain texts below a key, for the page's script."""
        found = self._find(key)
        return {str(name): str(text) for name, text in found.items()}

    def day(self, value: date | str) -> str:
        """A day in words: `3 October 2026`."""
        return say_day(value, self._day_words)

    def days(self, first: date | str, last: date | str) -> str:
        """A span in words: `2 September to 3 October 2026`; one day where both are one."""
        return self.day(last) if first == last else self._span("span", first, last)

    def between(self, first: date | str, last: date | str) -> str:
        """`between 2 September and 3 October 2026`, `on 3 October 2026`."""
        if first == last:
            return self.say("between.same_day", last=self.day(last))
        return self._span("between", first, last)

    def _span(self, form: str, first: date | str, last: date | str) -> str:
        return say_span(first, last, self.group(form), self._day_words)

    @property
    def _day_words(self) -> DayWords:
        return DayWords(self._find("months"), self._find("day"))

    def listed(self, parts: list[str], form: str = "list") -> str:
        """`a`, `a and b`, `a, b and c`; with the form `any_of`: `a, b or c`."""
        if len(parts) < 2:
            return "".join(parts)
        return self.say(form, first=self._find("comma").join(parts[:-1]), last=parts[-1])

    def _find(self, key: str) -> Any:
        found: Any = self.texts
        for part in key.split("."):
            found = found[part]
        return found

    def _plain(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            return value
        return f"{value:,}".replace(",", self._find("thousands"))
