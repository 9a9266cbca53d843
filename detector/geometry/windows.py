"""Windows: rectangles of pixels, in the frame of a scene."""

from __future__ import annotations

from dataclasses import dataclass

from detector.errors import GeometryError


@dataclass(frozen=True, slots=True)
class PixelWindow:
    """A half-open rectangle of whole pixels, full resolution; it may reach beyond its scene.

    Attributes:
        col: first column.
        row: first row.
        width: columns, at least 1.
        height: rows, at least 1.

    Raises:
        GeometryError: width or height is below 1.
    """

    col: int
    row: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise GeometryError(f"a window of {self.width} x {self.height} pixels holds nothing")

    @property
    def col_end(self) -> int:
        """First column behind the window."""
        return self.col + self.width

    @property
    def row_end(self) -> int:
        """First row below the window."""
        return self.row + self.height

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """`(x_min, y_min, x_max, y_max)`, as shapely orders them."""
        return self.col, self.row, self.col_end, self.row_end

    def size_within(self, side: int) -> tuple[int, int]:
        """`(width, height)` reduced in proportion so that neither is above `side`, each at least 1.

        Examples:
            >>> PixelWindow(0, 0, 4000, 1000).size_within(1024)
            (1024, 256)
        """
        shrink = max(1.0, max(self.width, self.height) / side)
        return max(1, round(self.width / shrink)), max(1, round(self.height / shrink))

    def intersection(self, other: PixelWindow) -> PixelWindow | None:
        """The shared pixels, or None.

        Examples:
            >>> PixelWindow(0, 0, 10, 10).intersection(PixelWindow(8, -2, 5, 5))
            PixelWindow(col=8, row=0, width=2, height=3)
        """
        col, row = max(self.col, other.col), max(self.row, other.row)
        width = min(self.col_end, other.col_end) - col
        height = min(self.row_end, other.row_end) - row
        return PixelWindow(col, row, width, height) if width > 0 and height > 0 else None
