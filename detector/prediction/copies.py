"""One picture under several names or dates is counted once; its copies are named."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from detector.errors import SceneError
from detector.export.records import RecordStatus, SceneRecord
from detector.scenes.identity import HASH_DIGITS
from detector.scenes.scene import Scene


@dataclass
class Copies:
    """The pictures that a run has had so far.

    Attributes:
        firsts: of each picture the scene that showed it first, by `Scene.pixels_sha256`.
        contents: path and content of each scene, by its id.
    """

    firsts: dict[str, SceneRecord] = field(default_factory=dict)
    contents: dict[str, tuple[str, str]] = field(default_factory=dict)

    def check(self, scene: Scene) -> SceneRecord | None:
        """Enter a scene, or give the record of a copy where it shows a picture that was there.

        A file that was saved anew, with another compression or other metadata, is a copy all the
        same. A scene that has only the id of another one gets a longer one.

        Raises:
            SceneError: the scene is damaged, or, of one value all over, a file that was there.
        """
        digest = scene.pixels_sha256()
        first = self.firsts.get(digest)
        if first is not None:
            reason = _reason(scene, first)
            record = _record(scene, digest, "copy")
            return replace(record, reason=reason, copy_of=first.scene_id)
        self._tell_apart(scene)
        if digest:
            self.firsts[digest] = _record(scene, digest, "done")
        return None

    def _tell_apart(self, scene: Scene) -> None:
        content = scene.content_sha256()
        path, other = self.contents.get(scene.info.scene_id, ("", ""))
        if other and other != content:
            longer = f"{scene.info.scene_id}-{content[:HASH_DIGITS]}"
            scene.info = replace(scene.info, scene_id=longer)
            path, other = self.contents.get(longer, ("", ""))
        if other == content:
            raise SceneError(f"{scene.info.path}: the same scene as {path}")
        self.contents[scene.info.scene_id] = scene.info.path, content


def _record(scene: Scene, digest: str, status: RecordStatus) -> SceneRecord:
    info = scene.info
    return SceneRecord(
        path=info.path,
        status=status,
        scene_id=info.scene_id,
        name=info.name,
        **info.when.record(),
        acquired_source=info.acquired_source,
        content_hash=info.content_hash,
        pixels_sha256=digest,
    )


def _reason(scene: Scene, first: SceneRecord) -> str:
    text = f"{scene.info.path}: the same picture as {first.path}, counted once"
    mine, theirs = scene.info.when, first.when
    if mine == theirs:
        return text
    return (
        f"{text}, under the date of that one ({theirs.words}); this one says {mine.words}, and "
        "pixels do not tell which is right"
    )
