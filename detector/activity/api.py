"""The activity of sites in one call: paths in, tables out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from detector.activity.find import Activity, ActivitySettings
from detector.activity.find import find_activity as find
from detector.activity.looks.runs import Runs, read_runs
from detector.activity.looks.sites import Site, read_site
from detector.classes import PORT
from detector.counting.calibration import Calibration
from detector.models.card import ModelCard
from detector.models.detector import find_card

DEFAULT_WEIGHTS = "port-n"


def find_activity(
    sites: Site | str | Path | Sequence[Site | str | Path],
    runs: Runs | str | Path | Sequence[str | Path],
    settings: ActivitySettings | None = None,
    *,
    weights: str = DEFAULT_WEIGHTS,
    appearance: bool = False,
) -> Activity:
    """Series, visits and events of sites, as tables.

    Args:
        sites: site files, or sites; one or several.
        runs: folders of `detector predict`, or what `read_runs` gives.
        settings: how to count; by default as `detector activity` does, with the calibration of the
            weights.
        weights: that made the runs; read for their calibration where no settings are given.
        appearance: compare how ships look by the network of the weights, as the command does; opens
            the scenes.

    Returns:
        `tables` holds a DataFrame for each of `schema.TABLES`, `sentences` what may be said.

    Raises:
        QuaywatchError: sites, runs or weights cannot be used.

    Examples:
        >>> import detector
        >>> found = detector.activity("port.yaml", "runs/port")  # doctest: +SKIP
        >>> found.tables["visits"]  # doctest: +SKIP
    """
    several = [sites] if isinstance(sites, Site | str | Path) else list(sites)
    read = [site if isinstance(site, Site) else read_site(site) for site in several]
    if not isinstance(runs, Runs):
        runs = read_runs([runs] if isinstance(runs, str | Path) else runs)
    if appearance:
        from detector.activity.visits.appearance import with_appearance  # noqa: PLC0415 - torch is slow

        runs = with_appearance(runs, weights)
    return find(read, runs, settings or calibrated(ActivitySettings(), weights))


def calibrated(
    settings: ActivitySettings, weights: str, recall: float | None = None
) -> ActivitySettings:
    """The settings with the calibration of the weights' card.

    Args:
        settings: how to count.
        weights: by name or path.
        recall: share of seen ships that are found; None: as calibrated, where it is.

    Raises:
        WeightsError: no such weights.
        CalibrationError: the card's calibration cannot be read.
    """
    card = ModelCard.read(find_card(weights))
    calibration = Calibration.from_card(card.calibration)
    links = settings.visits.links
    share = recall or calibration.recall(PORT.id("ship")) or links.recall
    visits = replace(settings.visits, links=replace(links, recall=share))
    return replace(settings, visits=visits, calibration=calibration)
