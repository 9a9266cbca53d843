"""What people corrected, as the page tells it; and what its review mode must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely

from detector.activity.looks.sightings import ID_SEPARATOR
from detector.activity.looks.sites import Site
from detector.report.sources import Sources
from detector.report.words import Words
from detector.reviewing.errors import ReviewError
from detector.reviewing.runs import scene_seal

DIGITS: Final = 2  # of metres
SIMPLE_M: Final = 0.05  # a zone's outline is true to it

Row = Mapping[str, Any]


def say_reviewed(site: str, activity: Row, words: Words, sources: Sources) -> dict[str, Any] | None:
    """What people said of the boxes of a site; None where nobody said anything.

    Args:
        site: name.
        activity: content of `activity.json`.
        words: of the page.
        sources: which runs show the site.

    Returns:
        `sentences`, and `rows`: looks and classes whose number is another one than the network's.
    """
    rows = [row for row in activity.get("corrections", ()) if row["site"] == site]
    runs = _runs_of(site, activity, sources)
    told: Sequence[Row] = activity.get("reviews", ())
    reviews = [row for row in told if row["run"] in runs] or told
    if not rows or not reviews:
        return None
    total = {key: sum(row[key] for row in reviews) for key in _COUNTED}
    sentences = [
        words.say(
            "review.said",
            boxes=words.say("review.boxes", n=total["judged"]),
            real=total["real"],
            wrong=total["false"],
            doubtful=total["doubtful"],
            moved=total["moved"] + total["reclassified"],
            drawn=total["drawn"],
        )
    ]
    whole = {(row["zone"], row["day"]) for row in rows if row["source"] == "human"}
    if whole:
        sentences.append(words.say("review.whole", n=len(whole)))
    other = [row for row in rows if row["removed"] or row["added"]]
    key = "review.differ" if other else "review.same"
    sentences.append(words.say(key, n=len(other)))
    shown = [
        {
            **row,
            "what": words.say("viewer.ships" if row["class"] == "ship" else "viewer.stacks"),
            "by": words.say(f"review.by_{row['source']}"),
        }
        for row in other
    ]
    return {"sentences": sentences, "rows": shown}


def _runs_of(site: str, activity: Row, sources: Sources) -> set[str]:
    """Names of the runs whose scenes show a site, where the runs are at hand."""
    looks = [row for row in activity["looks"] if row["site"] == site]
    ids = {name for row in looks for name in row["scene_ids"].split(ID_SEPARATOR)}
    scenes = [sources.scenes[name] for name in ids if name in sources.scenes]
    return {Path(scene.folder).resolve().name for scene in scenes}


_COUNTED: Final = ("judged", "real", "false", "doubtful", "moved", "reclassified", "drawn")


def say_reviews(activity: Row, words: Words) -> list[str]:
    """Each run that people reviewed, with the hash of their review."""
    return [
        words.say(
            "review.run",
            run=row["run"],
            people=row["people"] or words.say("review.nobody"),
            when=words.say("review.when", first=row["first"], last=row["last"])
            if row["first"]
            else "",
            sha=row["sha256"],
        )
        for row in activity.get("reviews", ())
    ]


def review_facts(site: Site, sources: Sources) -> dict[str, Any]:
    """What the review mode writes beside what a person says: frame, shifts, seals and zones.

    Returns:
        `name`, `lon` and `lat` of the local frame, `shifts` and `seals` by scene id, `zones`:
        `name` and `rings` in local metres.
    """
    zones = []
    for zone in site.zones:
        parts = shapely.get_parts(shapely.simplify(zone.shape, SIMPLE_M))
        rings = [shapely.get_coordinates(part.exterior) for part in parts]
        zones.append({"name": zone.name, "rings": [np.round(r, DIGITS).tolist() for r in rings]})
    return {
        "name": site.name,
        "lon": site.frame.lon_deg,
        "lat": site.frame.lat_deg,
        "shifts": {name: list(sources.shift(site.name, name)) for name in sources.scenes},
        "seals": {name: _seal(scene.folder, name) for name, scene in sources.scenes.items()},
        "zones": zones,
    }


def _seal(folder: str, scene_id: str) -> str:
    """Of the scene's boxes; empty in a run of an earlier version, which cannot be reviewed."""
    try:
        return scene_seal(Path(folder), scene_id)
    except ReviewError:
        return ""
