"""`detector.find_activity`: looks of sites over time, as `detector activity` finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Unpack

from detector.activity.find import Activity, ActivitySettings, trace_activity
from detector.activity.looks.runs import Runs, read_runs
from detector.activity.looks.sites import Site, read_site
from detector.activity.options import ActivityConfig
from detector.activity.visits.bounds import VisitSettings
from detector.activity.visits.linking import LinkSettings
from detector.api.options import FIND_ACTIVITY, compose
from detector.api.typed import FindActivityOptions
from detector.classes import PORT
from detector.counting.calibration import Calibration
from detector.errors import ConfigError
from detector.models.card import ModelCard
from detector.models.detector import find_card
from detector.resources import weights_dir
from detector.stacks.block_model import BlockModel


def find_activity(
    sites: Site | str | Path | Sequence[Site | str | Path],
    runs: Runs | str | Path | Sequence[str | Path],
    **options: Unpack[FindActivityOptions],
) -> Activity:
    r"""Series, visits and events of sites: the tables of `detector activity`.

    Args:
        sites: site files, or sites; one or several.
        runs: folders that `predict(…).save(folder)` or `detector predict` wrote.
        **options: those of `detector activity` that decide its tables; by default as there.

    Returns:
        `tables` holds a DataFrame for each of `schema.TABLES`, `sentences` what may be said;
        `write(folder)` writes both. Pictures, and the names of their files in the tables, are
        only made by the command.

    Raises:
        ConfigError: an option is none, or has a value that it cannot have.
        QuaywatchError: sites, runs or weights cannot be used.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import detector
        >>> folder = Path(tempfile.mkdtemp())
        >>> days = ["2026-05-14T02:10:00Z", "2026-05-16T02:10:00Z"]
        >>> draw = lambda seed, day: detector.render(seed=seed, width=256, height=256, acquired=day)
        >>> scenes = [draw(7, days[0]), draw(8, days[1])]
        >>> paths = [scene.write(folder / f"{number}.tif") for number, scene in enumerate(scenes)]
        >>> run = detector.predict(paths).save(folder / "run")
        >>> site = folder / "port.yaml"
        >>> _ = site.write_text("name: port\nzones: 0_zones.geojson\n", encoding="utf-8")
        >>> found = detector.find_activity(site, run)
        >>> sorted(set(found.tables["looks"]["day"].astype(str)))
        ['2026-05-14', '2026-05-16']
    """
    config = compose(FIND_ACTIVITY, options)
    several = [sites] if isinstance(sites, Site | str | Path) else list(sites)
    read = [site if isinstance(site, Site) else read_site(site) for site in several]
    if not isinstance(runs, Runs):
        folders = [runs] if isinstance(runs, str | Path) else runs
        runs = read_runs(folders, reviewed=config.review, allow_remote=config.allow_remote)
    return activity_of(read, runs, config)


def activity_of(sites: Sequence[Site], runs: Runs, config: ActivityConfig) -> Activity:
    """The activity of sites as the command's options ask for it.

    Raises:
        QuaywatchError: as `find_activity`.
    """
    path = card_of(runs, config.weights)
    if config.appearance and path is not None:
        from detector.activity.visits.appearance import with_appearance  # noqa: PLC0415 - torch is slow

        runs = with_appearance(runs, str(path))
    return trace_activity(sites, runs, activity_settings(config, path))


def card_of(runs: Runs, weights: str | None) -> Path | None:
    """The card of the weights that read most scenes of the runs.

    Args:
        runs: as read.
        weights: as the user says them; None finds them among the shipped ones, by their hash.

    Returns:
        Its path; None where no shipped weights have read a scene. Then nothing is calibrated, and
        the activity says so.

    Raises:
        WeightsError: no such weights, or the card of shipped ones cannot be read.
    """
    if weights is not None:
        return find_card(weights)
    shipped = {card: card.read_text("utf-8") for card in sorted(weights_dir().glob("*.yaml"))}
    readers = Counter(scene.weights_sha256 for scene in runs.scenes)
    for sha, _ in readers.most_common():
        for card, text in shipped.items():  # parsing a whole card takes 0.1 s
            if sha in text and ModelCard.read(card).sha256 == sha:
                return card
    return None


def activity_settings(config: ActivityConfig, path: Path | None) -> ActivitySettings:
    """The options as activity's own settings, with the calibration of a card.

    Args:
        config: of the command.
        path: of the card, see `card_of`.

    Raises:
        WeightsError: it cannot be read.
        CalibrationError: its calibration cannot be read.
        ConfigError: a day that is none.
    """
    told = ModelCard.read(path).calibration if path is not None else {}
    calibration = Calibration.from_card(told)
    recall = config.recall or calibration.recall(PORT.id("ship")) or LinkSettings().recall
    return ActivitySettings(
        visits=VisitSettings(
            min_length_m=config.min_length_m,
            links=LinkSettings(stay_days=config.stay_days, recall=recall),
            draws=config.draws,
            seed=config.seed,
        ),
        calibration=calibration,
        blocks=BlockModel.from_card(told),
        registered=config.register,
        first=_day("first", config.first),
        last=_day("last", config.last),
    )


def _day(key: str, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value is not None else None
    except ValueError as error:
        raise ConfigError(f"{key}={value}: this option needs a day such as 2026-10-01") from error
