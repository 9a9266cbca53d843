"""A story: sites over dates, with the truth of who was where and what was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd

from detector.files import atomic_path
from detector.rendering.content import Content
from detector.rendering.scene import RenderedScene, render_content
from detector.rendering.site import PortSite
from detector.rendering.spec import PortSpec
from detector.rendering.write import rendered_stem, write_scene, write_vector
from detector.rendering.zone_table import zone_truth


@dataclass(frozen=True, slots=True)
class Visit:
    """A ship's stay in a zone.

    Attributes:
        site: name.
        zone: name.
        ship_id: of the ship; the same after a shift of berth.
        kind: of the ship.
        length_m: of the ship.
        first_day: days after the start of the story, when it came; negative: before.
        last_day: when it went; it may lie after the last date.
    """

    site: str
    zone: str
    ship_id: str
    kind: str
    length_m: float
    first_day: float
    last_day: float


@dataclass(frozen=True, slots=True)
class StoryLook:
    """One date of one site.

    Attributes:
        day: days after the start.
        spec: of the scene.
        content: what is there.
        seed: of weather and noise.
        site: fixed ground.
    """

    day: float
    spec: PortSpec
    content: Content
    seed: int
    site: PortSite

    def render(self) -> RenderedScene:
        """The scene of this date."""
        return render_content(self.spec, self.site, self.content, self.seed)


@dataclass(frozen=True, slots=True)
class StorySite:
    """A site with all its dates.

    Attributes:
        name: of the site.
        zones: columns `name`, `kind`, geometry in the scenes' CRS.
        looks: in order of time.
    """

    name: str
    zones: gpd.GeoDataFrame
    looks: tuple[StoryLook, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Sites over dates, with the truth about visits.

    Attributes:
        sites: each with zones and looks.
        visits: who was where, from when to when.
    """

    sites: tuple[StorySite, ...]
    visits: tuple[Visit, ...]

    def write(
        self, folder: Path, on_scene: Callable[[str, RenderedScene, Path], None] | None = None
    ) -> tuple[Path, ...]:
        """Write the scenes, the zones and the truth.

        `<site>/<site>_<date>.tif` with its companions, `<site>.geojson` (zones), `visits.csv` and
        `looks.csv` (one row a date and zone: observed fraction, ships, stacks, area, TEU).

        Args:
            folder: is made where it is missing.
            on_scene: told site, scene and raster as soon as each is written.

        Returns:
            Paths of the rasters, site by site, in order of time.
        """
        rasters, rows = [], []
        for site in self.sites:
            for look in site.looks:
                scene = look.render()
                name = f"{rendered_stem(look.spec)}.tif"
                rasters.append(write_scene(scene, folder / site.name / name))
                if on_scene is not None:
                    on_scene(site.name, scene, rasters[-1])
                rows.append(zone_truth(scene, site.zones).assign(site=site.name, day=look.day))
            write_vector(site.zones, folder / f"{site.name}.geojson")
        for table, name in ((self.visits_table(), "visits"), (pd.concat(rows), "looks")):
            with atomic_path(folder / f"{name}.csv") as temporary:
                table.to_csv(temporary, index=False, float_format="%.4f")
        return tuple(rasters)

    def visits_table(self) -> pd.DataFrame:
        """One row a visit, columns as the fields of `Visit`."""
        names = list(Visit.__dataclass_fields__)
        rows = [[getattr(visit, name) for name in names] for visit in self.visits]
        return pd.DataFrame(rows, columns=names)
