"""`manifest.json` of an export: which part of which scene each picture shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from detector._version import __version__
from detector.export.seals import write_sealed
from detector.geometry.windows import PixelWindow
from detector.reviewing.chips import Bounds, Chip
from detector.reviewing.errors import ReviewError
from detector.reviewing.ledger import read_sealed

MANIFEST_FILE: Final = "manifest.json"
FORMAT: Final = 1
LEVELS: Final = 3  # of folders above a file, in which its manifest is looked for


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of an export.

    Attributes:
        image: name of its file.
        scene_id: of the scene.
        bounds: of the part that it stands for, file pixels.
        window: column, row, width and height of what it shows, file pixels.
        scale: pixels of the picture by pixels of the file.
        asked: boxes for whose sake it was chosen.
        stratum: that chance drew it from; empty otherwise.
        weight: chips that it stands for; 0 where chance did not choose it.
    """

    image: str
    scene_id: str
    bounds: Bounds
    window: tuple[int, int, int, int]
    scale: float
    asked: tuple[str, ...] = ()
    stratum: str = ""
    weight: float = 0.0

    @property
    def chip(self) -> Chip:
        """The chip that it shows."""
        return Chip(self.scene_id, self.bounds, PixelWindow(*self.window), self.scale)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds.

    Attributes:
        kind: format.
        sample: as it was asked for.
        seed: of chance.
        scenes: SHA-256 of each scene's boxes, by its id.
        pictures: in order.
    """

    kind: str
    sample: str
    seed: int
    scenes: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()

    def picture(self, image: str) -> Picture | None:
        """The picture of a name."""
        return next((one for one in self.pictures if one.image == image), None)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`.

    Raises:
        OutputError: it cannot be written.
    """
    head = {"format": FORMAT, "version": __version__}
    write_sealed(folder / MANIFEST_FILE, {**head, **asdict(manifest)})


def find_manifest(path: Path, export: Path | None = None) -> Manifest:
    """The manifest of the export that a file came from.

    Args:
        path: of the file, or of a folder of label files.
        export: folder of the export; None: the folder of the file and those above it are tried.

    Raises:
        ReviewError: there is none, it was changed, or a newer version wrote it.
    """
    start = path if path.is_dir() else path.parent
    tried = [export] if export is not None else [start, *start.resolve().parents][:LEVELS]
    for folder in tried:
        if (folder / MANIFEST_FILE).is_file():
            return read_manifest(folder / MANIFEST_FILE)
    raise ReviewError(
        f"{path}: no {MANIFEST_FILE} beside it says which scene each picture shows; name the "
        "folder of detector review export with export="
    )


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        ReviewError: it is damaged, was changed, or a newer version wrote it.
    """
    content = read_sealed(path, FORMAT, "was changed since the export", "export again")
    try:
        names = ("kind", "sample", "seed", "scenes", "pictures")
        return _manifests.validate_python({name: content[name] for name in names})
    except (KeyError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReviewError(f"{path}: cannot be read ({reason}); export again") from error


_manifests: TypeAdapter[Manifest] = TypeAdapter(Manifest)
