"""What can be wrong with a review."""

from detector.errors import QuaywatchError


class ReviewError(QuaywatchError):
    """A review that cannot be read: no such format, damaged, or not of these boxes."""
