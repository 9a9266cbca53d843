"""`detector info`: what was understood of scenes, and from where."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from detector.cli.command import EXIT_BAD_INPUT, EXIT_DONE, EXIT_SOME_FAILED, Command
from detector.config.logging import configure_logging
from detector.errors import ConfigError, QuaywatchError, shown
from detector.options import option
from detector.prediction.options import SceneConfig

DESCRIPTION = """
Opens every scene as 'detector predict' would, and prints what was understood and from where: size,
place and gsd, bands, stretch, time, angles of sun and view, clouds, zones, the tiles that the
network would read and about how long it takes, and what will not be possible and why. Finds
nothing, writes nothing.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoConfig:
    """Everything `detector info` can be told."""

    paths: list[str] = option("scenes, folders, lists of scenes", path=True)
    zones: str | None = option("vector file of the zones, with columns name and kind", path=True)
    weights: str = option("weights that would read the scenes")
    time: bool = option("load the network and time one tile; a few seconds")
    json: bool = option("a list for machines, instead of text")
    scene: SceneConfig


def run(config: InfoConfig) -> int:
    """Describe every scene; what cannot be opened is said.

    Raises:
        QuaywatchError: no scenes are named, or weights or zones cannot be used.
    """
    if not config.paths:
        raise ConfigError("no scenes: name files, folders or a list (see detector info --help)")
    configure_logging("text", quiet=True)
    from detector.api.settings import scene_options
    from detector.counting.zones import NO_ZONES, read_zones
    from detector.models.choice import card_named, choose_weights
    from detector.models.detector import DetectorSettings, find_card, load_detector
    from detector.prediction.describe import describe_scene, tile_seconds
    from detector.scenes.discover import discover, said_of_all
    from detector.scenes.scene import open_scene

    find_card(config.weights)  # refused before a scene is read
    zones = read_zones(config.zones) if config.zones else NO_ZONES
    tile_s = None
    if config.time:
        tile_s = tile_seconds(load_detector(DetectorSettings(config.weights)))
    options, told, failed = scene_options(config.scene), [], 0
    sources = discover(config.paths)
    _say((*said_of_all(options, sources), *zones.warnings))
    for source in sources:
        chosen = source.options(options)
        try:
            if source.problem:
                raise ConfigError(source.problem)
            with open_scene(source.path, chosen) as scene:
                name = choose_weights(config.weights, scene.info.gsd_m)
                description = describe_scene(scene, card_named(name), zones, tile_s)
        except QuaywatchError as error:
            failed += 1
            told.append({"path": source.path, "problem": str(error)})
            if not config.json:
                _say([str(error)])
            continue
        told.append(dataclasses.asdict(description))
        if not config.json:
            print(shown("\n".join(description.lines())))
    if config.json:
        print(json.dumps(told))
    if not failed:
        return EXIT_DONE
    return EXIT_SOME_FAILED if failed < len(sources) else EXIT_BAD_INPUT


def _say(remarks: Iterable[str]) -> None:
    for remark in remarks:
        print(f"detector: {shown(remark)}", file=sys.stderr)


COMMAND = Command(
    name="info",
    summary="what is understood of scenes, from where, and what will not be possible",
    description=DESCRIPTION,
    config="info",
    schema=InfoConfig,
    run=run,
    paths="PATHS…",
    examples=(
        ("detector info scenes/ zones=najin.geojson", "every scene of a folder, with zones"),
        ("detector info port.tif json=true time=false", "for machines, without the network"),
    ),
)
