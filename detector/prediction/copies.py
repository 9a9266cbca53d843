"""One picture under several names or dates is counted once; its copies are named."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from detector.errors import SceneError
from detector.export.records import SceneRecord
from detector.scenes.identity import HASH_DIGITS
from detector.scenes.scene import Scene


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a scene from others before it is read.

    Attributes:
        record: of the scene, without anything that was found in it.
        content: see `Scene.content_sha256`.
    """

    record: SceneRecord
    content: str


def identify(scene: Scene) -> Identity:
    """Which scene this is.

    Raises:
        SceneError: the scene is damaged.
    """
    info = scene.info
    record = SceneRecord(
        path=info.path,
        status="done",
        scene_id=info.scene_id,
        name=info.name,
        **info.when.record(),
        acquired_source=info.acquired_source,
        content_hash=info.content_hash,
        pixels_sha256=scene.pixels_sha256(),
    )
    return Identity(record, scene.content_sha256())


@dataclass
class Copies:
    """The pictures that a run has had so far.

    Attributes:
        firsts: of each picture the scene that showed it first, by `Scene.pixels_sha256`.
        contents: path and content of each scene, by its id.
    """

    firsts: dict[str, SceneRecord] = field(default_factory=dict)
    contents: dict[str, tuple[str, str]] = field(default_factory=dict)

    def check(self, scene: Identity) -> SceneRecord:
        """Enter a scene: its record, with its id; that of a copy where its picture was there.

        A file that was saved anew, with another compression or other metadata, is a copy all the
        same. A scene that has only the id of another one gets a longer one.

        Raises:
            SceneError: the scene is, of one value all over, a file that was there.
        """
        record = scene.record
        first = self.firsts.get(record.pixels_sha256)
        if first is not None:
            return copy_of(record, first)
        record = self._tell_apart(scene)
        if record.pixels_sha256:
            self.firsts[record.pixels_sha256] = record
        return record

    def _tell_apart(self, scene: Identity) -> SceneRecord:
        record = scene.record
        path, other = self.contents.get(record.scene_id, ("", ""))
        if other and other != scene.content:
            longer = f"{record.scene_id}-{scene.content[:HASH_DIGITS]}"
            record = replace(record, scene_id=longer)
            path, other = self.contents.get(longer, ("", ""))
        if other == scene.content:
            raise SceneError(f"{record.path}: the same scene as {path}")
        self.contents[record.scene_id] = record.path, scene.content
        return record


def copy_of(record: SceneRecord, first: SceneRecord) -> SceneRecord:
    """The record of a scene that shows the picture of another one."""
    text = f"{record.path}: the same picture as {first.path}, counted once"
    mine, theirs = record.when, first.when
    if mine != theirs:
        text += (
            f", under the date of that one ({theirs.words}); this one says {mine.words}, and "
            "pixels do not tell which is right"
        )
    return SceneRecord(
        path=record.path,
        status="copy",
        reason=text,
        scene_id=record.scene_id,
        name=record.name,
        acquired=record.acquired,
        acquired_day=record.acquired_day,
        acquired_precision=record.acquired_precision,
        acquired_source=record.acquired_source,
        content_hash=record.content_hash,
        pixels_sha256=record.pixels_sha256,
        copy_of=first.scene_id,
    )
