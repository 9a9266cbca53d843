"""`review.json`: what people said of the boxes of a run, in its folder, with who and when.

It is sealed as the run's own records are (`export.seals`): a person's word is changed by a person
who imports another one, and by nothing else. Each statement is of a source: one picture or
GeoPackage that one person looked at with one tool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import shapely
from pydantic import TypeAdapter, ValidationError
from shapely.geometry.base import BaseGeometry

from detector._version import __version__
from detector.documents import DocumentError, read_json
from detector.export.seals import SEAL, seal_of, write_sealed
from detector.reviewing.errors import ReviewError
from detector.reviewing.sheet import Verdict

REVIEW_FILE: Final = "review.json"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Source:
    """One picture or GeoPackage that one person looked at.

    Attributes:
        key: tool, picture and person: the same key later takes the place of all that it said.
        kind: the tool's format, such as `qgis`.
        file: name of the file that was read, without folders.
        sha256: of its content; of a GeoPackage of its rows, as in `scene.json`.
        picture: what was looked at: an image of an export, or a scene.
        who: said it; empty where nobody wrote a name.
        when: ISO time or day; that of the file where the tool writes none.
    """

    key: str
    kind: str
    file: str
    sha256: str
    picture: str
    who: str
    when: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What was said of one box, or one box that was drawn.

    Attributes:
        source: key of it.
        scene_id: of the box.
        box: evidence id `<scene_id>#<row>`; empty of one that a person drew.
        verdict: empty where there is a comment and nothing more.
        class_name: as the person left it.
        corners: eight numbers, file pixels, clockwise, first edge = length, as the person left it.
        moved: the person moved, turned or resized it.
        reclassified: the person gave it another class.
        deleted: the person took it away; the verdict is `false`.
        comment: free text.
    """

    source: str
    scene_id: str
    box: str
    verdict: Verdict
    class_name: str
    corners: tuple[float, ...]
    moved: bool = False
    reclassified: bool = False
    deleted: bool = False
    comment: str = ""

    @property
    def drawn(self) -> bool:
        """Whether the network had no such box."""
        return not self.box


@dataclass(frozen=True, slots=True)
class Looked:
    """A part of a scene that somebody looked at as a whole.

    Attributes:
        source: key of it.
        scene_id: of the scene.
        zone: name of the zone; empty of a picture or a whole scene.
        outline: WKT in file pixels.
    """

    source: str
    scene_id: str
    zone: str
    outline: str

    @property
    def shape(self) -> BaseGeometry:
        """The outline."""
        return shapely.from_wkt(self.outline)


@dataclass(frozen=True, slots=True)
class SampledChip:
    """A chip that chance chose, see `sampling`.

    Attributes:
        image: name of its picture.
        scene_id: of the scene.
        bounds: of the part that it stands for, `(x_min, y_min, x_max, y_max)`, file pixels.
        stratum: that it was drawn from.
        weight: chips that it stands for: those of the stratum by those drawn of it.
    """

    image: str
    scene_id: str
    bounds: tuple[float, float, float, float]
    stratum: str
    weight: float


@dataclass(frozen=True, slots=True)
class Review:
    """All that people said of the boxes of a run.

    Attributes:
        scenes: SHA-256 of each reviewed scene's `detections.parquet`, by its id.
        sources: what was read.
        statements: of boxes.
        looked: what was looked at as a whole.
        sample: chips that chance chose, of the exports that were read.
        sha256: its seal; empty of one that is not written.
    """

    scenes: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    statements: tuple[Statement, ...] = ()
    looked: tuple[Looked, ...] = ()
    sample: tuple[SampledChip, ...] = ()
    sha256: str = ""

    def source(self, key: str) -> Source:
        """The source of a key.

        Raises:
            ReviewError: there is none.
        """
        found = next((source for source in self.sources if source.key == key), None)
        if found is None:
            raise ReviewError(f"{REVIEW_FILE}: a statement is of '{key}', which is no source")
        return found

    @property
    def people(self) -> list[str]:
        """Who looked, by name; those without one are left out."""
        return sorted({source.who for source in self.sources if source.who})


def write_review(folder: Path, review: Review) -> Review:
    """Write `review.json` of a run, whole or not at all.

    Returns:
        The same with its seal.

    Raises:
        OutputError: it cannot be written.
    """
    values = asdict(review)
    values.pop("sha256")
    write_sealed(folder / REVIEW_FILE, {"format": FORMAT, "version": __version__, **values})
    return read_review(folder) or review


def read_review(folder: Path) -> Review | None:
    """The review of a run; None where there is none.

    Args:
        folder: of the run.

    Raises:
        ReviewError: it is damaged, was changed by hand, or a newer version wrote it.
    """
    path = folder / REVIEW_FILE
    if not path.is_file():
        return None
    changed = "was changed by hand, so nobody knows who said it"
    return _review_of(read_sealed(path, FORMAT, changed, _WAY_OUT), path)


def read_sealed(path: Path, known: int, changed: str, way_out: str) -> Any:
    """The content of a JSON file that `write_sealed` wrote.

    Args:
        path: of the file.
        known: newest format that is read.
        changed: what is said of a file that its seal does not hold.
        way_out: what to do then, or where it cannot be read.

    Raises:
        ReviewError: it is damaged, was changed, or a newer version wrote it.
    """
    try:
        content = read_json(path)
    except (OSError, DocumentError) as error:
        raise ReviewError(f"{path}: cannot be read ({error}); {way_out}") from error
    check_version(content, known, str(path))
    if content.get(SEAL) != seal_of(content):
        raise ReviewError(f"{path}: {changed}; {way_out}")
    return content


def check_version(content: Any, known: int, where: str) -> None:
    """Refuse a document that says another format than ours.

    Args:
        content: of a JSON file.
        known: newest format that is read.
        where: named in errors.

    Raises:
        ReviewError: it says none, or a newer one.
    """
    told = content.get("format") if isinstance(content, dict) else None
    if not isinstance(told, int) or isinstance(told, bool) or told < 1:
        raise ReviewError(f"{where}: not a document of detector review")
    if told > known:
        raise ReviewError(
            f"{where}: of format {told}, which a newer version wrote "
            f"({content.get('version', 'unknown')}); update this one, which reads up to {known}"
        )


_WAY_OUT: Final = "delete it and run detector review import again with all files"
_reviews: TypeAdapter[Review] = TypeAdapter(Review)


def _review_of(content: Mapping[str, Any], path: Path) -> Review:
    names = ("scenes", "sources", "statements", "looked", "sample")
    try:
        values = {name: content[name] for name in names}
        review = _reviews.validate_python({**values, SEAL: content[SEAL]})
        for looked in review.looked:
            _ = looked.shape
    except (KeyError, ValidationError, shapely.GEOSException) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReviewError(f"{path}: cannot be read ({reason}); {_WAY_OUT}") from error
    return review


def of_scene(review: Review, scene_id: str) -> tuple[Sequence[Statement], Sequence[Looked]]:
    """What is said of one scene."""
    return (
        [one for one in review.statements if one.scene_id == scene_id],
        [one for one in review.looked if one.scene_id == scene_id],
    )
