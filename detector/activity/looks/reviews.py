"""What people said of the boxes of runs: what is told of it, and whether it still holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detector.reviewing.correct import Corrections, count_corrections
from detector.reviewing.errors import ReviewError
from detector.reviewing.ledger import Review, of_scene
from detector.reviewing.runs import scene_seal
from detector.wording import counted


@dataclass(frozen=True, slots=True)
class RunReview:
    """What people said of the boxes of a run, as it is used.

    Attributes:
        run: name of the run's folder.
        sha256: seal of its `review.json`.
        people: who looked, by name.
        first: when the first source was looked at; empty where none says it.
        last: when the last one was.
        scenes: that something is said of.
        looked: parts of scenes that somebody looked at as a whole.
        corrections: of all scenes together.
    """

    run: str
    sha256: str
    people: tuple[str, ...]
    first: str
    last: str
    scenes: int
    looked: int
    corrections: Corrections

    @property
    def row(self) -> dict[str, Any]:
        """The row `schema.ReviewRow`."""
        return {
            "run": self.run,
            "people": ", ".join(self.people),
            "first": self.first,
            "last": self.last,
            "scenes": self.scenes,
            "looked": self.looked,
            **asdict(self.corrections),
            "sha256": self.sha256,
        }

    @property
    def words(self) -> str:
        """One sentence without a full stop."""
        told = self.corrections
        who = f" by {', '.join(self.people)}" if self.people else ""
        return (
            f"run '{self.run}' was reviewed{who}: {counted(told.judged, 'box', 'boxes')} judged "
            f"({told.real} real, {told.false} false, {told.doubtful} doubtful), "
            f"{told.moved} moved, {told.reclassified} given another class, {told.drawn} added, "
            f"{counted(self.looked, 'part')} of scenes looked at as a whole; review.json "
            f"{self.sha256[:12]}"
        )


def bound_review(review: Review, folder: Path) -> Review:
    """A review, refused where the run has other boxes now than those that were reviewed.

    Args:
        review: as it was read.
        folder: of the run.

    Raises:
        ReviewError: a scene was predicted anew since, or is gone.
    """
    for scene_id, seal in review.scenes.items():
        if scene_seal(folder, scene_id) != seal:
            raise ReviewError(
                f"{folder}: the scene {scene_id} was predicted anew since it was reviewed, so the "
                "corrections are of other boxes; review it again (keep a copy of review.json, "
                "delete it, import anew), or leave the corrections out with review=false"
            )
    return review


def run_review(folder: Path, review: Review) -> RunReview:
    """What people said of the boxes of a run, in numbers."""
    told = [count_corrections(of_scene(review, scene_id)[0]) for scene_id in review.scenes]
    when = sorted(source.when for source in review.sources if source.when)
    return RunReview(
        run=folder.resolve().name,
        sha256=review.sha256,
        people=tuple(review.people),
        first=when[0] if when else "",
        last=when[-1] if when else "",
        scenes=len(review.scenes),
        looked=len(review.looked),
        corrections=sum(told, Corrections()),
    )
