"""Fetches the libraries that the report's page carries, as npm publishes them, with their licences.

    python tools/vendor.py          # fetch anew, write detector/report/vendor/
    python tools/vendor.py --check  # are the files those of vendor.json?

Needs npm to fetch. The files are taken as they are; `vendor.json` records versions, npm's own
integrity hashes of the packages and the SHA-256 of every file. To renew: change a version below,
run, look at the page.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "detector" / "report" / "vendor"
RECORD = FOLDER / "vendor.json"


@dataclass(frozen=True)
class Library:
    """A package of npm and what is taken from it.

    Attributes:
        package: name at npm.
        version: exact.
        licence: SPDX.
        purpose: what the page does with it.
        files: path in the package, name here.
    """

    package: str
    version: str
    licence: str
    purpose: str
    files: dict[str, str]


LIBRARIES = (
    Library(
        "leaflet",
        "1.9.4",
        "BSD-2-Clause",
        "the viewer of pictures",
        {
            "dist/leaflet.js": "leaflet.js",
            "dist/leaflet.css": "leaflet.css",
            "LICENSE": "leaflet.LICENSE",
        },
    ),
    Library(
        "d3",
        "7.9.2",
        "ISC",
        "what Observable Plot stands on",
        {"dist/d3.min.js": "d3.min.js", "LICENSE": "d3.LICENSE"},
    ),
    Library(
        "@observablehq/plot",
        "0.6.17",
        "ISC",
        "the charts",
        {"dist/plot.umd.min.js": "plot.umd.min.js", "LICENSE": "plot.LICENSE"},
    ),
    Library(
        "world-atlas",
        "2.0.2",
        "ISC",
        "the land of the locator map: Natural Earth 1:110 million, public domain",
        {"land-110m.json": "land-110m.json", "LICENSE": "world-atlas.LICENSE"},
    ),
)


def main() -> None:
    """Fetch or check."""
    if sys.argv[1:] == ["--check"]:
        sys.exit("\n".join(check()) or 0)
    FOLDER.mkdir(exist_ok=True)
    record = [fetch(library) for library in LIBRARIES]
    RECORD.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def fetch(library: Library) -> dict[str, object]:
    """Write the files of a library; its entry in the record."""
    name = f"{library.package}@{library.version}"
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(  # noqa: S603 - a fixed command line
            ["npm", "pack", name, "--json", "--pack-destination", folder],  # noqa: S607
            check=True,
            capture_output=True,
            text=True,
        )
        about = json.loads(packed.stdout)[0]
        hashes = {}
        with tarfile.open(Path(folder) / _file_name(about["filename"])) as tar:
            for inside, here in library.files.items():
                member = tar.extractfile(f"package/{inside}")
                if member is None:
                    raise SystemExit(f"{name}: no file {inside}")
                data = member.read()
                (FOLDER / here).write_bytes(data)
                hashes[here] = hashlib.sha256(data).hexdigest()
    return {
        "package": library.package,
        "version": library.version,
        "licence": library.licence,
        "purpose": library.purpose,
        "integrity": about["integrity"],
        "sha256": hashes,
    }


def _file_name(name: str) -> str:
    """As npm writes the file of a package with a scope."""
    return name.replace("@", "").replace("/", "-")


def check() -> list[str]:
    """One sentence for each file that is missing, unknown, or not the recorded one."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    known = {name: value for entry in record for name, value in entry["sha256"].items()}
    there = {path.name for path in FOLDER.iterdir()} - {RECORD.name}
    wrong = [f"{name}: not in {RECORD.name}" for name in sorted(there - set(known))]
    for name, expected in known.items():
        path = FOLDER / name
        if not path.is_file():
            wrong.append(f"{name}: missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            wrong.append(f"{name}: changed since it was fetched")
    return wrong


if __name__ == "__main__":
    main()
