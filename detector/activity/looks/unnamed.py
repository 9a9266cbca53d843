"""What scenes saw of zones that their run did not know.

`detector predict` measures the zones that it is given. Of another zone a scene that was seen in
part says nothing: nobody knows where in it the clouds and the pixels without data lie. The scene
itself does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detector.activity.looks.runs import Observed, RunScene
from detector.activity.looks.sites import Site
from detector.counting.counts import OBSERVED_SHARE, find_status, gives_number, measure_seen
from detector.counting.zones import Zones, zones_in_pixels
from detector.errors import QuaywatchError
from detector.wording import counted


def with_unnamed_zones(site: Site, scenes: Sequence[RunScene]) -> tuple[list[RunScene], list[str]]:
    """The scenes with what they saw of all zones of a site, as far as they can be read again.

    Args:
        site: with its zones.
        scenes: of runs; only those that were seen in part are read again.

    Returns:
        The scenes in the same order, and what to know: one sentence where some cannot be read.
    """
    done, lost = [], []
    for scene in scenes:
        try:
            done.append(_measured(site, scene))
        except QuaywatchError as error:
            done.append(scene)
            lost.append(f"{scene.scene_id}: {error}")
    if not lost:
        return done, []
    number = counted(len(lost), "scene was", "scenes were")
    return done, [
        f"site '{site.name}': {number} seen in part, by a run that did not know all of its zones, "
        f"and cannot be read again ({lost[0]}): which part of a zone was seen is not known, and "
        "the least is taken; predict with the zones of the site"
    ]


def _measured(site: Site, scene: RunScene) -> RunScene:
    whole = scene.whole
    unnamed = tuple(zone for zone in site.zones if zone.name not in scene.zones)
    if not unnamed or not gives_number(whole.status) or whole.fraction >= OBSERVED_SHARE:
        return scene
    with scene.open() as opened:
        inside = zones_in_pixels(Zones(unnamed, site.frame.crs, site.name), opened)
        seen = measure_seen(opened, inside)
    told = {
        zone.name: Observed(part.fraction, find_status(part, scene.in_model_range))
        for zone, part in zip(unnamed, seen, strict=True)
    }
    return replace(scene, zones={**scene.zones, **told})
