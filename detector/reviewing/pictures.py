"""What people left in the files of labelling tools, as a review."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import shapely
from shapely.geometry import box

from detector.classes import ClassSet
from detector.documents import DocumentError, decode_text, parse_json
from detector.reviewing.compare import Shown, compare
from detector.reviewing.errors import ReviewError
from detector.reviewing.exporting import chip_sheet
from detector.reviewing.folders import FOLDERS, read_folder
from detector.reviewing.formats import read_sheets
from detector.reviewing.ledger import Looked, Review, SampledChip, Source
from detector.reviewing.manifest import Manifest, Picture, find_manifest
from detector.reviewing.runs import ReviewedRun
from detector.reviewing.sheet import Sheet

CVAT_MEMBER: Final = "annotations.xml"  # of the archive that CVAT gives
LARGEST_FILE_BYTES: Final = 1_000_000_000


def read_pictures(
    path: Path,
    run: ReviewedRun,
    *,
    stamp: tuple[str, str, str],
    export: Path | None = None,
    whole: bool = False,
) -> Review:
    """The review of one file or folder of a labelling tool.

    Args:
        path: of Label Studio, CVAT or COCO a file, of YOLO-OBB and DOTA a folder.
        run: that it was exported from.
        stamp: who looked and when, where the tool does not say, and the hash of the content.
        export: folder of the export; None: that of the file, or one above it.
        whole: every picture was looked at as a whole.

    Raises:
        ReviewError: the file cannot be read, is of another run, or its boxes have changed since.
    """
    manifest = find_manifest(path, export)
    _check_scenes(manifest, run, path)
    kind, sheets = read_any(path, run.classes)
    review = Review()
    seen: set[tuple[str, str]] = set()
    if not sheets:
        raise ReviewError(
            f"{path}: holds no picture, so nothing was said; save it from the tool again"
        )
    for sheet in sheets:
        picture = manifest.picture(sheet.image)
        if picture is None:
            raise ReviewError(
                f"{path}: the picture {sheet.image} is not of the export that was found; name the "
                "folder of the right one with export="
            )
        if (sheet.image, sheet.who) in seen:
            raise ReviewError(f"{path}: the picture {sheet.image} is in it twice; leave one out")
        seen.add((sheet.image, sheet.who))
        review = _with_picture(review, kind, path, sheet, picture, run, stamp, whole=whole)
    images = {image for image, _ in seen}
    chips = [sampled(one) for one in manifest.pictures if one.weight and one.image in images]
    return Review(
        {name: manifest.scenes[name] for name in review.scenes},
        review.sources,
        review.statements,
        review.looked,
        tuple(chips),
    )


def _with_picture(
    review: Review,
    kind: str,
    path: Path,
    sheet: Sheet,
    picture: Picture,
    run: ReviewedRun,
    stamp: tuple[str, str, str],
    *,
    whole: bool,
) -> Review:
    chip = picture.chip
    was = chip_sheet(chip, run.found(chip.scene_id), run.classes)
    if (sheet.width, sheet.height) != (was.width, was.height):
        raise ReviewError(
            f"{path}: the picture {sheet.image} is {sheet.width} by {sheet.height} pixels there "
            f"and was {was.width} by {was.height}; give the tool the picture of the export"
        )
    names = [was.classes.names[i] for i in was.class_ids]
    shown = Shown(chip.scene_id, was.ids, was.corners, names)
    who, when = sheet.who or stamp[0], sheet.when or stamp[1]
    key = f"{kind}:{sheet.image}:{who}"
    source = Source(key, kind, path.name, stamp[2], sheet.image, who, when)
    said = compare(sheet, shown, key, chip.to_file)
    looked = []
    if sheet.reviewed or (whole and sheet.answered):
        part = shapely.to_wkt(box(*picture.bounds), 3)
        looked = [Looked(key, chip.scene_id, "", part)]
    return Review(
        {**review.scenes, chip.scene_id: ""},
        (*review.sources, source),
        (*review.statements, *said),
        (*review.looked, *looked),
    )


def sampled(one: Picture) -> SampledChip:
    """A picture that chance chose, as a review keeps it."""
    return SampledChip(one.image, one.scene_id, one.bounds, one.stratum, one.weight)


def _check_scenes(manifest: Manifest, run: ReviewedRun, path: Path) -> None:
    for scene_id, seal in manifest.scenes.items():
        run.record(scene_id, str(path))
        if run.seal(scene_id) != seal:
            raise ReviewError(
                f"{path}: the scene {scene_id} was predicted anew since the export, so what was "
                "said is of other boxes; export and review it again"
            )


def read_any(path: Path, classes: ClassSet) -> tuple[str, list[Sheet]]:
    """The format of a file or folder, and its sheets.

    Raises:
        ReviewError: it is none that is known, or is damaged.
    """
    if path.is_dir():
        for kind, lines in FOLDERS.items():
            if (path / lines.folder).is_dir():
                return kind, read_folder(kind, path, classes)
        raise ReviewError(
            f"{path}: holds neither labels/ (YOLO-OBB) nor labelTxt/ (DOTA); name the file that "
            "your tool saved"
        )
    text = _text(path)
    kind = _kind_of(path, text)
    return kind, read_sheets(kind, text, str(path), classes)


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise ReviewError(f"{path}: larger than {LARGEST_FILE_BYTES:,} bytes; export less at once")
    if path.suffix.lower() != ".zip":
        return decode_text(path.read_bytes())
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(CVAT_MEMBER).file_size > LARGEST_FILE_BYTES:
                raise ReviewError(f"{path}: {CVAT_MEMBER} in it is too large")
            return decode_text(archive.read(CVAT_MEMBER))
    except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError) as error:
        raise ReviewError(
            f"{path}: not an archive of CVAT with {CVAT_MEMBER} ({error}); export it as 'CVAT for "
            "images 1.1'"
        ) from error


def _kind_of(path: Path, text: str) -> str:
    if text.lstrip()[:1] == "<":
        return "cvat"
    try:
        content: Any = parse_json(text)
    except DocumentError as error:
        raise ReviewError(
            f"{path}: neither JSON nor XML ({error}); save it from the tool again"
        ) from error
    if isinstance(content, list):
        return "label-studio"
    if isinstance(content, Mapping) and {"images", "annotations"} <= content.keys():
        return "coco"
    raise ReviewError(
        f"{path}: a file of none of the tools; name what Label Studio, CVAT, a COCO tool or the "
        "report's review saved"
    )
