"""`docs/performance.md` and its picture, of the figures alone: nothing there is typed by hand."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables import markdown, put
from benchmarks.throughput_alone import slowdown

DOCS = Path("docs/performance.md")
PICTURE = Path("docs/images/performance.svg")
OURS = "Quaywatch, as it comes, files written"
STAGES = ("forward", "write", "read", "rest", "stacks", "merge", "load")
Row = dict[str, Any]


def write_page(figures: dict[str, Any]) -> None:
    """All places of the page that speak of speed, and the picture."""
    put(DOCS, "throughput", _machine(figures) + table(figures["scenes"]))
    put(DOCS, "targets", markdown(["what", "aim", "measured", "met"], list(_targets(figures))))
    put(DOCS, "stages", stages(figures["scenes"]))
    if figures["scenes"]:
        draw(figures["scenes"], PICTURE)


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Figures with those of a later run in place of older ones of the same scene and arm."""
    again = {(one["scene"], one["arm"]) for one in new.get("scenes", [])}
    kept = [one for one in old.get("scenes", []) if (one["scene"], one["arm"]) not in again]
    scenes = sorted(
        [*kept, *new.get("scenes", [])], key=lambda one: (one["megapixels"], one["scene"])
    )
    return {**old, **new, "scenes": scenes}


def table(scenes: list[Row]) -> str:
    """Medians with the range of the rounds, one row a scene and arm."""
    rows = []
    for one in scenes:
        cpu = statistics.median(one["cpu_s"])
        spread = f"{cpu:.2f} ({min(one['cpu_s']):.2f} to {max(one['cpu_s']):.2f})"
        said = " / ".join(f"{value:.2f}" for value in one["recall"].values())
        rows.append(
            [
                one["scene"],
                one["arm"],
                str(len(one["cpu_s"])),
                str(one["tiles"]),
                spread,
                f"{statistics.median(one['wall_s']):.1f}",
                f"{one['megapixels'] / cpu:.2f}" if one["recall"] else "-",
                f"{max(one['peak_mb']):.0f}" if one["peak_mb"] else "-",
                said or "-",
            ]
        )
    head = ["scene", "what", "rounds", "tiles", "CPU s (range)", "wall s", "MP a CPU s"]
    return markdown([*head, "peak MB added", "recall ship / stack"], rows)


def stages(scenes: list[Row]) -> str:
    """Where the processor seconds of our runs go, by share."""
    rows = []
    for one in scenes:
        spent = one.get("stages") or {}
        total = sum(spent.values())
        if total:
            shares = [f"{spent.get(name, 0.0) / total:.1%}" for name in STAGES]
            rows.append([one["scene"], one["arm"], f"{total:.1f}", *shares])
    return markdown(["scene", "what", "CPU s", *STAGES], rows)


def _machine(figures: dict[str, Any]) -> str:
    said = figures["machine"]
    return (
        f"{said['processor']}, {said['cores']} cores, {said['threads']} thread, shared: load "
        f"{said['load'][0]}; OpenVINO {said['openvino']}, torch {said['torch']}; weights "
        f"`{said['weights']}`, `skip={said['skip']}`{figures.get('note', '')}\n\n"
    )


def _targets(figures: dict[str, Any]) -> Iterator[list[str]]:
    """What was aimed at, what holds, and whether that is enough; what nobody measured is left out.

    Those of one scene are said of the largest on which both sides were measured.
    """
    scenes = figures["scenes"]
    ours = [one for one in scenes if one["arm"] == OURS]
    ports = [one for one in ours if one["scene"].startswith("port")]
    for one in ports[-1:]:
        share = one["stages"]["forward"] / sum(one["stages"].values())
        yield _aim("forward pass by the whole run", one, 0.95, share, atleast=True)
    for one in [one for one in ports if _best_peer(scenes, one)][-1:]:
        ratio = _best_peer(scenes, one) / _cpu(one)
        yield _aim("speed by the best peer's, both on the CPU", one, 3.0, ratio, atleast=True)
    pairs = [(sea, port) for sea in ours for port in ports if _sea_of(sea, port)]
    for sea, port in pairs[-1:]:
        yield _aim("cost of 80 % open sea by a port's", sea, 0.3, _by_mp(sea) / _by_mp(port))
    yield from _by_size(ours)
    if "whole" in figures:
        whole = figures["whole"]
        yield _aim("peak memory of a run alone, MB", whole, 1200, whole["peak_mb"])
    for one in ports[-1:]:
        for name, aim in (("stacks", 0.05), ("merge", 0.02)):
            share = one["stages"].get(name, 0.0) / sum(one["stages"].values())
            yield _aim(f"{name} by the whole run", one, aim, share)
    if "start" in figures:
        cpu = statistics.median(figures["start"]["cpu_s"])
        yield ["start to first tile, CPU s", "≤ 1.5", f"{cpu:.2f}", _met(cpu <= 1.5)]
    if "busy" in figures:
        ratio = slowdown(figures["busy"])
        name = f"wall time beside {figures['busy']['cores']} busy processes by alone"
        yield [name, "≤ 2", f"{ratio:.2f}", _met(ratio <= 2)]


def _by_size(ours: list[dict[str, Any]]) -> Iterator[list[str]]:
    """What a megapixel of the largest scene costs by that of the smallest of its kind."""
    for content in ("port", "sea"):
        alike = [one for one in ours if re.fullmatch(f"{content}-.*-uint8-deflate", one["scene"])]
        if len(alike) > 1:
            ratio = _by_mp(alike[-1]) / _by_mp(alike[0])
            told = f"cost of a megapixel by that of {alike[0]['scene']}"
            yield _aim(told, alike[-1], 1.05, ratio)


def _aim(what: str, one: Row, aim: float, value: float, *, atleast: bool = False) -> list[str]:
    sign, met = ("≥", value >= aim) if atleast else ("≤", value <= aim)
    said = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return [f"{what}, {one['scene']}", f"{sign} {aim:g}", said, _met(met)]


def _met(met: bool) -> str:
    return "yes" if met else "no"


def _cpu(one: Row) -> float:
    return float(statistics.median(one["cpu_s"]))


def _by_mp(one: Row) -> float:
    return _cpu(one) / float(one["megapixels"])


def _best_peer(scenes: list[Row], ours: Row) -> float:
    """Processor seconds of the fastest peer on the same scene; 0.0 where none was measured."""
    peers = [
        _cpu(one)
        for one in scenes
        if one["scene"] == ours["scene"]
        and one["recall"]
        and not one["arm"].startswith("Quaywatch")
    ]
    return min(peers, default=0.0)


def _sea_of(sea: Row, port: Row) -> bool:
    """Whether these are a sea and a port of one size and kind."""
    return bool(sea["scene"] == port["scene"].replace("port-", "sea-", 1))


def draw(scenes: list[Row], path: Path) -> None:
    """Megapixels a processor second of every arm that reads whole scenes."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "performance"
    whole = [one for one in scenes if one["recall"]]
    names = list(dict.fromkeys(one["scene"] for one in whole))
    arms = list(dict.fromkeys(one["arm"] for one in whole))
    figure, axes = plt.subplots(figsize=(8, 0.7 + 0.32 * len(whole)))
    height = 0.8 / len(arms)
    for k, arm in enumerate(arms):
        mine = {one["scene"]: one for one in whole if one["arm"] == arm}
        at = [names.index(scene) + k * height for scene in mine]
        axes.barh(at, [1 / _by_mp(one) for one in mine.values()], height, label=arm)
    axes.set_yticks(np.arange(len(names)) + 0.4 - height / 2, names)
    axes.invert_yaxis()
    axes.set_xlabel("megapixels a processor second; longer is faster")
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
