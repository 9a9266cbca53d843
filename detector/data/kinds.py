"""The names of the dataset readers, where options can name them without importing anything."""

from typing import Final

from detector.plugins import PluginGroup

KINDS: Final = ("port", "dota", "hrsc", "xview", "yolo", "yolo-obb", "coco", "geojson")
POOL_OR_RENDERED: Final = ("pool", "rendered")  # other images that can be learnt from
DATASETS: Final = PluginGroup(
    group="detector.datasets",
    what="dataset kind",
    built_in=KINDS,
    call=("root", "faults"),
    reserved=POOL_OR_RENDERED,
)
