"""The files of runs in parts: what lies beside the run of a shard.

A shard is an ordinary run in `out/shards/3-of-16`, so shards need no engine between them, no lock
in common and no order. Beside their folders lies the list of all scenes, by which
`detector.prediction.collect` puts them together and knows what is missing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from detector.documents import DocumentError, read_json
from detector.errors import OutputError
from detector.export.records import SceneRecord
from detector.export.seals import SEAL, seal_of, write_sealed
from detector.export.tables import write_json
from detector.prediction.shard import SHARDS, Shard
from detector.scenes.discover import SceneSource

SHARD_FILE: Final = "shard.json"
FOLDER_TEXT: Final = re.compile(r"(\d{1,6})-of-(\d{1,6})")
LIST_DIGITS: Final = 16


def shard_folders(out: Path) -> dict[Shard, Path]:
    """The folders of shards in the folder of a run, in order."""
    found = {}
    for folder in (out / SHARDS).glob("*-of-*"):
        match = FOLDER_TEXT.fullmatch(folder.name)
        if match and folder.is_dir():
            found[Shard(*map(int, match.groups()))] = folder
    return dict(sorted(found.items(), key=lambda item: (item[0].of, item[0].number)))


def write_list(out: Path, shard: Shard, sources: Sequence[SceneSource]) -> str:
    """Write the names of all scenes beside the shards, once for all that have the same ones.

    Returns:
        Name of the file.

    Raises:
        OutputError: it cannot be written.
    """
    paths = [source.path for source in sources]
    digest = hashlib.sha256(json.dumps(paths).encode()).hexdigest()[:LIST_DIGITS]
    name = f"scenes-{digest}.json"
    target = out / SHARDS / name
    if not target.is_file():
        # Through the shard's own folder: two hosts may have processes of one number.
        own = shard.folder(out) / name
        write_json(own, {"scenes": paths})
        own.replace(target)
    return name


def read_list(out: Path, name: str) -> list[str]:
    """What `write_list` wrote.

    Raises:
        OutputError: it is gone or damaged.
    """
    path = out / SHARDS / name
    try:
        paths: list[str] = read_json(path)["scenes"]
    except (OSError, DocumentError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path}: gone or damaged; run one of the shards again, which writes it anew"
        ) from error
    return paths


def write_shard(folder: Path, shard: Shard, scenes: str, records: Sequence[SceneRecord]) -> None:
    """Write what a shard knows beside the files of its run; the last thing that it does.

    Args:
        folder: of the shard.
        shard: which.
        scenes: name of the list.
        records: of its scenes; only those that are not done have no place of their own yet.

    Raises:
        OutputError: it cannot be written.
    """
    rows = [record.to_dict() for record in records if record.status != "done"]
    content = {"number": shard.number, "of": shard.of, "list": scenes, "not_done": rows}
    write_sealed(folder / SHARD_FILE, content)


def read_shard(folder: Path) -> dict[str, Any] | None:
    """What `write_shard` wrote; None where the shard is not finished, or its record is damaged."""
    try:
        content = read_json(folder / SHARD_FILE)
    except (OSError, DocumentError):
        return None
    if not isinstance(content, dict) or content.get(SEAL) != seal_of(content):
        return None
    return content
