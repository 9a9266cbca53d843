"""Shards put together: one run of all their scenes, the same as if one process had done it.

Nothing is computed. The folders of the scenes are linked, copies of a picture are found across the
shards, and the files of the run are written from the records. What a missing shard should have done
is a row with its reason.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detector.classes import PORT, ClassSet
from detector.counting.counts import GatheredCounts
from detector.errors import OutputError
from detector.export.records import SceneRecord
from detector.export.run_files import RunResult, named_scenes, run_content, write_run_files
from detector.export.scene_files import is_damaged, read_scene_files
from detector.export.seals import FILES, RUN_FILE, SEAL, record_seal
from detector.export.stac import read_model
from detector.files import LOCK_FILE, MARK_FILE, atomic_folder, held_folder, prepare_folder
from detector.prediction.cluster import OTHERS, with_others
from detector.prediction.copies import copy_of
from detector.prediction.settings import RunSummary
from detector.prediction.shard import SHARDS, Shard, shard_of
from detector.prediction.shards import read_list, read_shard, shard_folders
from detector.progress import Progress, SilentProgress
from detector.wording import counted


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """How shards are put together.

    Attributes:
        out: folder of the run that was named to the shards.
        overwrite: replace a scene's results that other settings made.
    """

    out: Path
    overwrite: bool = False


def collect_shards(settings: CollectSettings, progress: Progress | None = None) -> RunSummary:
    """Make one run of the shards of a folder.

    Args:
        settings: which folder.
        progress: where the work is shown; by default nowhere.

    Returns:
        What the run holds; scenes of shards that are missing are failed ones.

    Raises:
        OutputError: there are no finished shards, they do not belong together, the folder cannot be
            written, or it holds results of other settings.
    """
    out = settings.out
    shards, of = _finished(out)
    first = next(iter(shards.values()))
    names = read_list(out, first.scenes)
    prepare_folder(out, mark=True if _holds_nothing_else(out) else None)
    shown = progress or SilentProgress()
    with held_folder(out), shown.task("collect", len(names), "scenes") as task:
        collecting = _Collecting(settings)
        for position, path in enumerate(names):
            shard = shards.get(shard_of(position, of))
            if shard is None:
                collecting.take_missing(path, Shard(shard_of(position, of), of))
            else:
                collecting.take(shard, path, position // of)
            task.advance()
        records, counts = collecting.records, collecting.counts.tables
        others = [other for run in shards.values() for other in run.provenance.get(OTHERS, ())]
        provenance = with_others(first.provenance, others)
        write_run_files(out, RunResult(records, counts, provenance, first.model))
    content = first.provenance
    where = str(first.folder / RUN_FILE)
    classes = ClassSet.from_plain(content["classes"], where) if "classes" in content else PORT
    return RunSummary(out, tuple(records), tuple(counts), collecting.kept, classes)


def _holds_nothing_else(out: Path) -> bool:
    """Whether all that lies in a folder is the shards: then its pictures are ours."""
    return out.is_dir() and {path.name for path in out.iterdir()} <= {SHARDS, LOCK_FILE}


@dataclass(frozen=True, slots=True)
class _ShardRun:
    """The run of a finished shard.

    Attributes:
        folder: of it.
        scenes: name of the list of all scenes.
        named: its scenes, in order.
        not_done: those that are not done, by path.
        provenance: what its `run.json` says besides the scenes.
        model: its weights as a STAC item, where it wrote items.
    """

    folder: Path
    scenes: str
    named: Sequence[SceneRecord]
    not_done: Mapping[str, SceneRecord]
    provenance: dict[str, Any]
    model: dict[str, Any] | None


def _finished(out: Path) -> tuple[dict[int, _ShardRun], int]:
    """The finished shards of a folder by number, and how many there should be.

    Raises:
        OutputError: there are none, or they do not belong together.
    """
    folders = shard_folders(out)
    if not folders:
        raise OutputError(
            f"{out}: holds no shards; run detector predict with shard=1/4, 2/4, … and this out="
        )
    numbers = sorted({shard.of for shard in folders})
    if len(numbers) > 1:
        raise OutputError(
            f"{out}: holds shards of {numbers[0]} and of {numbers[1]}; remove the folders of one "
            "of these divisions"
        )
    runs = {shard.number: _read(folder) for shard, folder in folders.items()}
    finished = {number: run for number, run in runs.items() if run is not None}
    if not finished:
        raise OutputError(
            f"{out}: none of its {counted(len(folders), 'shard')} is finished; run them to their "
            "end first"
        )
    _check_alike(list(finished.values()))
    return finished, numbers[0]


def _read(folder: Path) -> _ShardRun | None:
    content = read_shard(folder)
    if content is None:
        return None
    try:
        run = run_content(folder)
        not_done = [SceneRecord.from_dict(row) for row in content["not_done"]]
        named = named_scenes(folder)
    except (OutputError, KeyError, TypeError):
        return None
    provenance = {key: value for key, value in run.items() if key not in ("scenes", FILES, SEAL)}
    rows = {record.path: record for record in not_done}
    return _ShardRun(folder, content["list"], named, rows, provenance, read_model(folder))


def _check_alike(runs: Sequence[_ShardRun]) -> None:
    """Refuse shards of other scenes, weights or settings."""
    first = runs[0]
    for run in runs[1:]:
        if run.scenes != first.scenes:
            raise OutputError(
                f"{run.folder}: was given other scenes than {first.folder}; run both again with "
                "the same ones, for example with a list in a file"
            )
        for key in {**first.provenance, **run.provenance}:
            mine, theirs = first.provenance.get(key), run.provenance.get(key)
            if mine != theirs and key not in ("threads", OTHERS):  # digits that nobody promises
                raise OutputError(
                    f"{run.folder}: made with {key}={str(theirs)[:60]}, {first.folder} with "
                    f"{str(mine)[:60]}; run one of them again as the other, with overwrite=true"
                )


@dataclass
class _Collecting:
    """The scenes so far, in the order of the list.

    Attributes:
        settings: of the collection.
        records: one a scene.
        counts: of those that are done.
        kept: scenes that an earlier collection has put there.
        firsts: the scene that shows a picture first, by `Scene.pixels_sha256`.
        paths: of the scenes that are done, by id.
    """

    settings: CollectSettings
    records: list[SceneRecord] = field(default_factory=list)
    counts: GatheredCounts = field(default_factory=GatheredCounts)
    kept: int = 0
    firsts: dict[str, SceneRecord] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)

    def take_missing(self, path: str, shard: Shard) -> None:
        """A scene whose shard is not there."""
        self._fail(
            path,
            f"shard {shard.text} is missing or not finished; run it again with shard={shard.text}, "
            "then detector collect",
        )

    def take(self, shard: _ShardRun, path: str, position: int) -> None:
        """A scene of a finished shard, at its place among the shard's own."""
        named = shard.named[position] if position < len(shard.named) else None
        if named is None or named.path != path:
            self._fail(path, f"{shard.folder}: its record does not name this scene; run it again")
        elif named.status != "done":
            record = shard.not_done[path]
            first = self.firsts.get(record.pixels_sha256) if record.status == "copy" else None
            self.records.append(record if first is None else copy_of(record, first))
        else:
            self._take_done(path, shard.folder / named.scene_id)

    def _take_done(self, path: str, folder: Path) -> None:
        found = None if is_damaged(folder) else read_scene_files(folder)
        if found is None:
            self._fail(path, f"{folder}: damaged, or changed since; run its shard again")
            return
        record, counts = found
        first = self.firsts.get(record.pixels_sha256)
        if first is not None:
            self.records.append(copy_of(record, first))
            return
        if record.scene_id in self.paths:
            self._fail(
                path,
                f"its id {record.scene_id} is that of {self.paths[record.scene_id]} in another "
                "shard; run detector predict once more without shard=, which does this one alone",
            )
            return
        self.kept += self._put(folder, record)
        self.paths[record.scene_id] = path
        if record.pixels_sha256:
            self.firsts[record.pixels_sha256] = record
        self.records.append(record)
        self.counts.add(counts)

    def _put(self, folder: Path, record: SceneRecord) -> bool:
        """Link a scene's folder into the run; whether it was there already."""
        target = self.settings.out / record.scene_id
        earlier = read_scene_files(target) if target.is_dir() else None
        if earlier is not None:
            if record_seal(target) == record_seal(folder) and not is_damaged(target):
                return True
            if earlier[0].fingerprint != record.fingerprint and not self.settings.overwrite:
                raise OutputError(
                    f"{target}: holds results of other settings, weights or content; say "
                    "overwrite=true, or remove it"
                )
        with atomic_folder(target) as temporary:
            for source in sorted(folder.rglob("*")):
                if source.is_file() and source.name != MARK_FILE:
                    _link(source, temporary / source.relative_to(folder))
        return False

    def _fail(self, path: str, reason: str) -> None:
        self.records.append(SceneRecord(path=path, status="failed", reason=reason))


def _link(source: Path, target: Path) -> None:
    """A second name of a file, or a copy where the disk has no such names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
