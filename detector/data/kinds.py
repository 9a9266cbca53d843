"""The names of the dataset readers, where options can name them without importing anything."""

from typing import Final

KINDS: Final = ("port", "dota", "hrsc", "xview", "yolo", "yolo-obb", "coco")
