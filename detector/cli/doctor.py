"""`detector doctor`: what this installation can do, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detector.cli.command import EXIT_DONE, EXIT_SOME_FAILED, Command
from detector.config.logging import configure_logging
from detector.options import option

if TYPE_CHECKING:
    from detector.prediction.health import Finding

DESCRIPTION = """
Looks at everything that a run needs: versions of the libraries, what GDAL and PROJ can do, devices,
free memory and disk, folders that must be writable, the shipped weights against their cards. Ends
with a trial: a small rendered port is read, counted and compared with its truth. Changes nothing.
"""
SIGNS = {"good": "ok", "limited": "limited", "broken": "BROKEN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorConfig:
    """Everything `detector doctor` can be told."""

    trial: bool = option("end with a rendered scene that is read and counted; about ten seconds")
    weights: str = option("weights of the trial")
    log: str = option("text for people, json for machines", choices=("text", "json"))


def run(config: DoctorConfig) -> int:
    """Look, and print what was found; code 1 where something is broken."""
    configure_logging(config.log, quiet=True)
    from detector.prediction.health import examine

    findings: list[Finding] = []
    for finding in examine(trial=config.trial, weights=config.weights):
        findings.append(finding)
        if config.log == "text":
            print(f"{SIGNS[finding.state]:<8}{finding.topic}: {finding.name}: {finding.detail}")
            if finding.remedy:
                print(f"{'':<8}-> {finding.remedy}")
    broken = sum(finding.state == "broken" for finding in findings)
    limited = sum(finding.state == "limited" for finding in findings)
    if config.log == "json":
        print(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        print(f"{len(findings)} things looked at: {broken} broken, {limited} limited")
    return EXIT_SOME_FAILED if broken else EXIT_DONE


COMMAND = Command(
    name="doctor",
    summary="what this installation can do, and what is wrong with it",
    description=DESCRIPTION,
    config="doctor",
    schema=DoctorConfig,
    run=run,
    examples=(
        ("detector doctor", "look at everything"),
        ("detector doctor trial=false log=json", "the quick part, for machines"),
    ),
)
