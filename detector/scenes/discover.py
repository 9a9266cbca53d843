"""From what the user names — files, folders, lists, GDAL names — to a list of scenes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detector.files import as_on_disk, is_marked
from detector.scenes.parts import split_part
from detector.scenes.safe import find_product, is_product_name
from detector.scenes.scene_table import read_scene_table
from detector.scenes.stac import is_stac, read_stac
from detector.scenes.types import SceneOptions, naming
from detector.times import Acquired

# formats that hold imagery and that GDAL's wheels read; a file named by itself may be of any other
RASTER_SUFFIXES = frozenset(
    {".tif", ".tiff", ".jp2", ".j2k", ".png", ".jpg", ".jpeg", ".webp", ".vrt", ".img"}
    | {".ntf", ".nitf", ".bil", ".bip", ".bsq", ".kea"}
)
LIST_SUFFIXES = frozenset({".txt", ".lst"})
TABLE_SUFFIX = ".csv"
ARCHIVE_SUFFIX = ".zip"  # of a Sentinel-2 product; another one is a scene only where it is named
# cloud masks lie beside their scenes and are read with them, see `detector.scenes.clouds`
MASK_NAME = re.compile(r"_(scl|udm2?|clouds?|cloud_?mask)$", re.IGNORECASE)
# a folder with these two is a run, maybe of an earlier version, whose folders had no mark
RUN_FILES = ("run.json", "scenes.csv")
# a folder with this file holds results of a scene, its overlay among them; all folders that we
# write are marked too, but those of earlier versions were not
RECORD_FILE = "scene.json"
REMOTE = re.compile(r"^(/vsi|[a-z][a-z0-9+.-]*://)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SceneSource:
    """One scene to open, or one name that leads to none.

    Attributes:
        path: file, or GDAL name such as `/vsicurl/…`.
        problem: why there is nothing to open, one sentence; None where there is.
        named: by the user, and not by a list; only then it may lead to the network.
        said: fields of `SceneOptions` that a table of scenes has of this one.
    """

    path: str
    problem: str | None = None
    named: bool = True
    said: Mapping[str, Any] = field(default_factory=dict)

    def options(self, common: SceneOptions) -> SceneOptions:
        """What the user says of this scene: in common with others, and in a table of its own."""
        return replace(naming(common, self.path) if self.named else common, **self.said)


def discover(names: Sequence[str | Path]) -> list[SceneSource]:
    """Expand folders and lists; say of every name that leads nowhere why.

    Folders give the rasters and Sentinel-2 products in and below them, sorted by path, without
    hidden files, cloud masks and the folders that we write (`detector.files.is_marked`), finished
    or not. Lists (`.txt`, `.lst`) hold one name a line, relative to the list's own folder; lines
    that begin with `#` and empty lines are passed over. Tables (`.csv`) hold a scene a row, with
    what is known of it better than its file says, see `read_scene_table`. GDAL names (`/vsi…`,
    `https://…`) and parts of files (`FILE::PART`) are taken as they are. Catalogs (`stac:…`) give
    the scenes of their items, see `read_stac`.

    Args:
        names: as the user gave them.

    Returns:
        The scenes in the order of `names`, each file once.
    """
    found: dict[str, SceneSource] = {}
    for name in names:
        for source in _expand(str(name), lists=True):
            found.setdefault(_identity(source.path), source)
    return list(found.values())


def said_of_all(common: SceneOptions, sources: Sequence[SceneSource]) -> list[str]:
    """What is said of many scenes in one word and can hardly be true of all; a sentence each."""
    meant = [one for one in sources if one.problem is None and "acquired" not in one.said]
    if common.acquired is None or len(meant) < 2:
        return []
    when = Acquired.of(common.acquired).iso
    return [
        f"scene.acquired={when} was taken for {len(meant)} scenes; if their dates differ, give a "
        "table of scenes (.csv) with the column acquired"
    ]


def _expand(name: str, *, lists: bool) -> Iterator[SceneSource]:
    name = name if REMOTE.match(name) else as_on_disk(name)
    path = Path(name)
    if is_stac(name):
        yield from _expand_stac(name)
    elif REMOTE.match(name) or split_part(name).part:
        yield SceneSource(name)
    elif not os.path.exists(name):  # noqa: PTH110 - Path.exists raises on overlong names
        yield SceneSource(name, _missing(name))
    elif path.is_dir():
        yield from [SceneSource(name)] if find_product(name) else _expand_folder(path)
    elif not path.is_file():
        yield SceneSource(name, f"{name}: a pipe or device, not a file; save the scene to a file")
    elif path.suffix.lower() == TABLE_SUFFIX and lists:
        yield from _expand_table(path)
    elif path.suffix.lower() not in (*LIST_SUFFIXES, TABLE_SUFFIX):
        yield SceneSource(name)
    elif lists:
        yield from _expand_list(path)
    else:
        yield SceneSource(name, f"{name}: is a list inside a list; name it on the command line")


def _expand_folder(folder: Path) -> Iterator[SceneSource]:
    unread: list[OSError] = []
    files = list(_rasters_below(folder, unread.append))
    if not files and not unread:
        suffixes = ", ".join(sorted(RASTER_SUFFIXES))
        ours = (
            "; it holds results of quaywatch, whose pictures are none" if _is_ours(folder) else ""
        )
        yield SceneSource(str(folder), f"{folder}: holds no scenes ({suffixes}){ours}")
    yield from (SceneSource(str(file)) for file in files)
    for error in unread:
        yield SceneSource(str(error.filename), f"{error.filename}: {error.strerror}")


def _rasters_below(folder: Path, on_error: Callable[[OSError], None]) -> Iterable[Path]:
    for parent, folders, files in os.walk(folder, onerror=on_error):
        scenes = [] if _is_ours(Path(parent)) else [name for name in files if _is_scene(name)]
        products = [name for name in folders if find_product(os.path.join(parent, name))]  # noqa: PTH118
        folders[:] = [name for name in folders if name not in products]
        scenes += products
        # a run may lie among its scenes; its own pictures lie deeper
        if not scenes and (_is_ours(Path(parent)) or all(name in files for name in RUN_FILES)):
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(scenes))


def _is_scene(name: str) -> bool:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - only the name is there
    wanted = suffix.lower() in RASTER_SUFFIXES and not MASK_NAME.search(stem)
    wanted = wanted or (suffix.lower() == ARCHIVE_SUFFIX and is_product_name(name))
    return wanted and not name.startswith(".")


def _is_ours(folder: Path) -> bool:
    return is_marked(folder) or (folder / RECORD_FILE).is_file()


def _expand_list(file: Path) -> Iterator[SceneSource]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        yield SceneSource(str(file), f"{file}: is no list of paths in UTF-8 ({error})")
        return
    names = [line.strip() for line in lines]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        yield SceneSource(str(file), f"{file}: names no scene; it needs one path a line")
    for name in names:
        path = name if REMOTE.match(name) else str(file.parent / name)
        yield from (replace(source, named=False) for source in _expand(path, lists=False))


def _expand_table(file: Path) -> Iterator[SceneSource]:
    rows = list(read_scene_table(file))
    if not rows:
        yield SceneSource(str(file), f"{file}: names no scene; it needs one a row")
    for row in rows:
        if row.problem:
            yield SceneSource(row.path or str(file), row.problem, named=False)
            continue
        path = row.path if REMOTE.match(row.path) else str(file.parent / row.path)
        for source in _expand(path, lists=False):
            yield replace(source, named=False, said=row.said)


def _expand_stac(name: str) -> Iterator[SceneSource]:
    scenes = list(read_stac(name))
    if not scenes:
        yield SceneSource(name, f"{name}: names no item")
    for scene in scenes:
        problem = scene.problem
        if problem is None and not REMOTE.match(scene.path) and not os.path.exists(scene.path):  # noqa: PTH110
            problem = _missing(scene.path)
        yield SceneSource(scene.path, problem, named=scene.near, said=scene.said)


def _missing(name: str) -> str:
    hint = "; the shell found nothing for this pattern" if any(c in name for c in "*?") else ""
    return f"{name}: no such file{hint}"


def _identity(path: str) -> str:
    if REMOTE.match(path) or "\0" in path:  # which is no file's name, and no system takes it
        return path
    return os.path.realpath(path)  # never raises on a loop of links
