"""The error of activity."""

from detector.errors import QuaywatchError


class ActivityError(QuaywatchError):
    """A site file, a run or settings that cannot be used for activity."""
