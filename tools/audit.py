"""Asks which of the pinned packages have known weaknesses, with pip-audit.

    python tools/audit.py [LOCK]

The data are those of PyPI and, where that cannot be reached, of OSV. Exit codes: 0 none known,
1 some are, and each is listed, 3 neither could be reached, so nothing was checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
SERVICES = ("pypi", "osv")
TIMEOUT_S = 20
CLEAN, WEAK, NOT_CHECKED = 0, 1, 3


def main(lock: Path) -> int:
    """Ask the services in turn; the first that answers is believed."""
    for service in SERVICES:
        answer, reason = ask(lock, service)
        if answer is not None:
            return tell(answer, lock, service)
        say(f"{service}: not reached ({reason})")
    say(f"NOT CHECKED: no service could be reached, so nothing is known of {lock.name}")
    return NOT_CHECKED


def ask(lock: Path, service: str) -> tuple[dict[str, Any] | None, str]:
    """What a service says of every package; None, and why, where it does not answer."""
    words = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--no-deps"]
    words += ["--disable-pip", "--progress-spinner", "off", "--format", "json"]
    words += ["--timeout", str(TIMEOUT_S), "--vulnerability-service", service]
    done = subprocess.run(  # noqa: S603 - a fixed command line
        words, capture_output=True, text=True, check=False
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return None, lines[-1][:300] if lines else f"exit code {done.returncode}"
    packages = answer["dependencies"]
    if packages and all("skip_reason" in package for package in packages):
        return None, packages[0]["skip_reason"][:300]
    return answer, ""


def tell(answer: dict[str, Any], lock: Path, service: str) -> int:
    """Print what is known. Returns the exit code."""
    packages = answer["dependencies"]
    for package in packages:
        for weakness in package.get("vulns", ()):
            fixed = ", ".join(weakness["fix_versions"]) or "no version yet"
            say(f"{package['name']} {package['version']}: {weakness['id']}, mended in {fixed}")
        if "skip_reason" in package:
            say(f"{package['name']}: not checked ({package['skip_reason']})")
    found = sum(len(package.get("vulns", ())) for package in packages)
    checked = sum("skip_reason" not in package for package in packages)
    told = f"{checked} of {len(packages)} packages of {lock.name}"
    say(f"{found} known weaknesses in {told}, by {service}")
    return WEAK if found else CLEAN


def say(line: str) -> None:
    """A line for people."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else LOCK))
