"""Writes what the wheel is made of, as a CycloneDX list: pinned packages and vendored scripts.

    python tools/sbom.py sbom.cdx.json

The packages are those of requirements.lock, by cyclonedx-bom. It does not know the scripts that the
report's page carries; they are added from `detector/report/vendor/vendor.json`, with the hashes of
their files and their licences. The same lock and scripts give the same bytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VENDORED = ROOT / "detector" / "report" / "vendor" / "vendor.json"


def main(out: Path) -> None:
    """Write the list."""
    words = [sys.executable, "-m", "cyclonedx_py", "requirements", "requirements.lock"]
    words += ["--pyproject", "pyproject.toml", "--mc-type", "application", "--of", "JSON"]
    words += ["--output-reproducible", "--sv", "1.6"]
    done = subprocess.run(  # noqa: S603 - a fixed command line
        words, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"cyclonedx-bom failed:\n{done.stderr}")
    content = with_vendored(json.loads(done.stdout), json.loads(VENDORED.read_text("utf-8")))
    out.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(content['components'])} components in {out}\n")


def with_vendored(content: dict[str, Any], record: list[dict[str, Any]]) -> dict[str, Any]:
    """The list with the vendored scripts, and that the program depends on them."""
    added = [component_of(entry) for entry in record]
    root = content["metadata"]["component"]["bom-ref"]
    depends = [dict(item) for item in content.get("dependencies", ())]
    for item in depends:
        if item["ref"] == root:
            item["dependsOn"] = sorted({*item.get("dependsOn", ()), *(c["bom-ref"] for c in added)})
    return {
        **content,
        "components": [*content.get("components", ()), *added],
        "dependencies": [*depends, *({"ref": component["bom-ref"]} for component in added)],
    }


def component_of(entry: dict[str, Any]) -> dict[str, Any]:
    """A vendored library as a component: its package at npm, and its files with their hashes."""
    name = entry["package"]
    purl = f"pkg:npm/{name.replace('@', '%40')}@{entry['version']}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": entry["version"],
        "purl": purl,
        "description": entry["purpose"],
        "licenses": [{"license": {"id": entry["licence"]}}],
        "properties": [{"name": "npm:integrity", "value": entry["integrity"]}],
        "components": [
            {
                "type": "file",
                "bom-ref": f"{purl}#{file}",
                "name": f"detector/report/vendor/{file}",
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
            for file, digest in entry["sha256"].items()
        ],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
