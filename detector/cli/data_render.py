"""`detector data render`: port scenes with exact truth, rendered."""

from __future__ import annotations

from pathlib import Path

from detector.cli.command import EXIT_DONE, Command
from detector.files import held_folder
from detector.rendering.options import RenderConfig

DESCRIPTION = """
Renders port scenes whose truth is exact: where every ship and every block of containers is, how
long, how high, and how much of it is seen. Each scene is a GeoTIFF with a sidecar (time, sun,
view), its truth and its zones as GeoJSON, and its cloud mask where there are clouds. The same
options and seed give the same scene on any machine.
"""


def run(config: RenderConfig) -> int:
    """Render what `config` asks for, and say where it is."""
    out = Path(config.out)
    with held_folder(out, mark=False):
        for path in _render(config, out):
            print(path)
    return EXIT_DONE


def _render(config: RenderConfig, out: Path) -> list[Path]:
    from detector.rendering import chain_story, demo_story, render, write_scene
    from detector.rendering.stream import render_to_file
    from detector.rendering.validation import validation_specs

    if config.what == "story":
        return list(demo_story(config.seed).write(out))
    if config.what == "chain":
        return list(chain_story(config.seed).write(out))
    if config.what == "validation":
        return [write_scene(render(spec, seed), out) for spec, seed in validation_specs()]
    seeds = range(config.seed, config.seed + config.count)
    names = [f"{config.spec.name}_{seed}.tif" for seed in seeds]
    if config.strip_m is not None:
        return [
            render_to_file(config.spec, seed, out / name, coast_strip_m=config.strip_m).path
            for seed, name in zip(seeds, names, strict=True)
        ]
    cog = config.format == "cog"
    return [
        write_scene(render(config.spec, seed), out / name, cog=cog)
        for seed, name in zip(seeds, names, strict=True)
    ]


COMMAND = Command(
    name="data render",
    summary="render port scenes with exact truth",
    description=DESCRIPTION,
    config="render",
    schema=RenderConfig,
    run=run,
    examples=(
        ("detector data render out=scenes count=4", "four ports of 1024 x 1024 pixels"),
        (
            "detector data render spec=pan_strip spec.sky.cloud_fraction=0.3 out=scenes",
            "a ready-made spec, with clouds",
        ),
        ("detector data render what=story out=demo", "two sites over eight dates"),
        ("detector data render what=chain out=chain", "two ports and a railhead: a lot travels"),
    ),
)
