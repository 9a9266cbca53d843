"""What a scene's record says beside its numbers: one sentence each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from detector.classes import ClassSet
from detector.counting.counts import unreadable_words
from detector.counting.zones import Zones, placeable
from detector.export.records import ModelUse
from detector.inference.pipeline import Found
from detector.scenes.scene import Scene
from detector.wording import counted


def scene_remarks(
    scene: Scene, model: ModelUse, zone_fractions: Sequence[float], zones_placed: bool
) -> list[str]:
    """What a reader of a scene's counts must know of the scene: one sentence each."""
    info = scene.info
    found = []
    if info.gsd_m is None:
        found.append(
            "scale unknown, so nothing is counted, and boxes have no lengths; say how many metres "
            "a pixel is with scene.gsd="
        )
    elif info.gsd_range_m is not None:
        found.append(
            f"about {info.gsd_m:.2f} m a pixel ({info.gsd_range_m[0]:.2f} to "
            f"{info.gsd_range_m[1]:.2f}, 90 %), estimated from container rows; lengths and areas "
            "carry this error; if you know it better, say it with scene.gsd= in metres"
        )
    if model.in_range is False:
        found.append(
            f"{unreadable_words(info.gsd_m)}, so nothing is counted: it is outside the range of "
            f"the weights '{model.name}'"
        )
    found += info.remarks
    found += info.acquired_remarks
    if info.when.precision == "time_unknown":
        found.append(
            f"time of day unknown, only the date {info.acquired_day} is ({info.acquired_source}); "
            "if you know it, say it with scene.acquired="
        )
    elif info.acquired is None:
        found.append("time of acquisition unknown; say it with scene.acquired=")
    if not zones_placed:
        found.append(
            "no CRS, so the zones were not used and the scene is counted as a whole; georeference "
            "it, or draw zones in its pixels and save them without CRS"
        )
    elif zone_fractions and not any(zone_fractions):
        found.append("none of the zones was seen in this scene")
    return found


def unreadable_remarks(scene: Scene, classes: ClassSet, names: Sequence[str]) -> list[str]:
    """One sentence for each class that the network cannot tell at the scene's gsd."""
    words = unreadable_words(scene.info.gsd_m)
    return [f"{classes[classes.id(n)].many}: {words}, so their number is unknown" for n in names]


def land_remarks(scene: Scene, land: Zones) -> list[str]:
    """That the file of land cannot be used in a scene, where it cannot."""
    if not len(land) or placeable(land, scene):
        return []
    return [f"no CRS, so the land of {land.source} was not used"]


def left_out_remarks(result: Found) -> list[str]:
    """What had to be left out, so that nothing is dropped in silence."""
    found = []
    stats = result.stats
    if result.implausible:
        found.append(
            f"{counted(result.implausible, 'box was', 'boxes were')} left out: longer than any "
            + " or ".join(
                f"{entry.words} ({entry.impossible_m:.0f} m)"
                for entry in result.detections.classes
                if math.isfinite(entry.impossible_m)
            )
        )
    if result.yards:
        found.append(
            f"{counted(result.yards, 'box of a ship was', 'boxes of ships were')} left out: "
            "container stacks with better scores fill them"
        )
    if result.on_land:
        found.append(
            f"{counted(result.on_land, 'box of a ship was', 'boxes of ships were')} left out: on "
            "land, by the land= that was given or the scene's near infrared"
        )
    unseen = int(result.detections.unseen.sum())
    if unseen:
        found.append(
            f"{unseen} {'box lies' if unseen == 1 else 'boxes lie'} by half or more on pixels that "
            "were not seen (clouds, no data; `unseen`): no observation, so not counted"
        )
    if result.beyond:
        found.append(
            f"{counted(result.beyond, 'object reaches', 'objects reach')} beyond what was read "
            "for the zones (`cut`): they are cut there, and a part of one may be counted; say "
            "zones_only=false to see them whole"
        )
    if stats.crowded:
        found.append(
            f"{counted(len(stats.crowded), 'tile holds', 'tiles hold')} more boxes than can be "
            "told apart; only their best were used, so objects are missing from the count"
        )
    if stats.unusable:
        told = counted(
            stats.unusable,
            "box without area or with crossing sides was",
            "boxes without area or with crossing sides were",
        )
        found.append(f"{told} left out")
    return found
