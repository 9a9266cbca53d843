"""What can be wrong with the input of a report."""

from __future__ import annotations

from detector.errors import QuaywatchError


class ReportError(QuaywatchError):
    """A report cannot be made of what was given."""
