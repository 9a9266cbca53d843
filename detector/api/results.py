"""What `detector.predict` gives: scenes with their boxes, counts and pictures, in memory."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, overload

import geopandas as gpd
import pandas as pd
from PIL import Image

from detector.counting.counts import DRAWS_COLUMN, counts_table
from detector.detections import Detections
from detector.errors import SceneError
from detector.export.exporters import draw_result
from detector.export.records import SceneRecord, take_over_scale
from detector.export.result import SceneResult
from detector.export.run_files import RunResult, write_run_files
from detector.files import held_folder
from detector.prediction.headline import headline_counts
from detector.prediction.work import SceneWork
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneInfo, naming
from detector.wording import counted

PICTURE_PX: Final = 1600  # longest side of a picture that is asked for
SHOWN_PX: Final = 900  # and of one that a notebook shows by itself
SHOWN_SCENES: Final = 3
JPEG_QUALITY: Final = 85


@dataclass(frozen=True, eq=False)
class Result:
    """One scene and what was found in it.

    Attributes:
        record: all that is known of the scene: a row of `scenes.csv`, with `warnings`; its
            `status` is `failed`, with the `reason`, where the scene could not be read, and `copy`
            where it shows the same picture as one before it, which is counted once.
        info: frame, size, time and stretch of the scene; None where it failed or is a copy.
    """

    record: SceneRecord
    info: SceneInfo | None
    _work: SceneWork = field(repr=False)
    _found: SceneResult | None = field(repr=False)
    _keep: object = field(default=None, repr=False)  # the array's file, while there is a result

    @property
    def name(self) -> str:
        """Stem of the file's name, or the path of a scene that failed."""
        return self.record.name or self.record.path

    @cached_property
    def detections(self) -> gpd.GeoDataFrame:
        """One row an object, in the CRS of the scene, in pixels without one.

        Raises:
            SceneError: the scene failed or is a copy; so do the properties below.
        """
        return self.boxes.to_geodataframe()

    @property
    def boxes(self) -> Detections:
        """The same as arrays: corners in pixels and in the map, scores, metres."""
        return self._result.detections

    @property
    def counts(self) -> pd.DataFrame:
        """Counts for the scene and each zone, class and length class, as `counts.csv` has them."""
        return self._result.counts.drop(columns=DRAWS_COLUMN)

    @property
    def stacks(self) -> pd.DataFrame:
        """One row a block of containers, with its TEU, as `stacks.csv` has them."""
        return self._result.stacks

    def plot(self, *, max_side_px: int = PICTURE_PX) -> Image.Image:
        """The scene with its boxes, zones, legend, scale and date, as a picture of PIL.

        Args:
            max_side_px: longest side of the picture, at least 640.

        Raises:
            SceneError: the scene failed, or its file is gone or has changed.
            ConfigError: `max_side_px` is too small.
        """
        result = self._result
        with self._reopen() as scene:
            return Image.fromarray(draw_result(scene, result, max_side_px=max_side_px))

    def save(self, out: str | Path, *, overwrite: bool = False) -> Path:
        """Write the files of a run over this scene alone, see `Results.save`."""
        return Results([self], self._work).save(out, overwrite=overwrite)

    def _repr_html_(self) -> str:
        return Results([self], self._work)._repr_html_()

    @property
    def _result(self) -> SceneResult:
        if self._found is None:
            raise SceneError(self.record.reason)
        return self._found

    def _reopen(self) -> Scene:
        asked = self.info.asked if self.info is not None else self._work.settings.scene
        scene = open_scene(self.record.path, naming(asked, self.record.path))
        if scene.info.content_hash != self.record.content_hash:
            scene.close()
            raise SceneError(
                f"{self.record.path}: has changed since it was read; call predict again"
            )
        take_over_scale(scene, self.record)
        return scene

    def _write(self, out: Path, *, overwrite: bool) -> SceneRecord:
        """Write the scene's folder, unless it is there already."""
        with self._reopen() as scene:
            return self._work.write(out, scene, lambda: self._result, overwrite=overwrite)[0]

    def _picture_html(self) -> str:
        if self._found is None:
            return f"<p>{self.record.status}: {html.escape(self.record.reason)}</p>"
        title = html.escape(self.name, quote=True)
        try:
            picture = self.plot(max_side_px=SHOWN_PX)
        except SceneError as error:
            return f"<p>no picture: {html.escape(str(error))}</p>"
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=JPEG_QUALITY)
        content = base64.b64encode(data.getvalue()).decode("ascii")
        return f'<img alt="{title}" style="max-width:100%" src="data:image/jpeg;base64,{content}">'


class Results(Sequence[Result]):
    """The scenes of one call of `predict`, in its order."""

    def __init__(self, scenes: Sequence[Result], work: SceneWork) -> None:
        self._scenes = tuple(scenes)
        self._work = work

    @overload
    def __getitem__(self, index: int) -> Result: ...

    @overload
    def __getitem__(self, index: slice) -> Results: ...

    def __getitem__(self, index: int | slice) -> Result | Results:
        if isinstance(index, slice):
            return Results(self._scenes[index], self._work)
        return self._scenes[index]

    def __len__(self) -> int:
        return len(self._scenes)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._scenes)

    @property
    def done(self) -> list[Result]:
        """The scenes that were read."""
        return [scene for scene in self if scene.record.status == "done"]

    @property
    def failed(self) -> list[Result]:
        """The scenes that could not be read; `record.reason` says why."""
        return [scene for scene in self if scene.record.status == "failed"]

    @property
    def copies(self) -> list[Result]:
        """The scenes that show the picture of another one; `record.reason` names it."""
        return [scene for scene in self if scene.record.status == "copy"]

    @property
    def counts(self) -> pd.DataFrame:
        """The counts of all scenes that were read, as the run's `counts.csv` has them."""
        none = counts_table([]).drop(columns=DRAWS_COLUMN)
        tables = [none, *(scene.counts for scene in self.done)]
        return pd.concat(tables, ignore_index=True).astype(none.dtypes.to_dict())

    @property
    def summary(self) -> pd.DataFrame:
        """One row a scene and zone: ships, stacks, what was seen; what the command prints."""
        records = [scene.record for scene in self]
        return headline_counts(self.counts, self._work.detector.card.class_set, records)

    def save(self, out: str | Path, *, overwrite: bool = False) -> Path:
        """Write what `detector predict` writes, but for its log: `run.json`, tables, pictures.

        Args:
            out: folder; a scene's results of the same settings that it holds are kept.
            overwrite: replace a scene's results that other settings made.

        Returns:
            The folder.

        Raises:
            OutputError: the folder cannot be written, or holds results of other settings.
            SceneError: a scene's file is gone or has changed.
        """
        with held_folder(Path(out)) as folder:
            records = [
                scene._write(folder, overwrite=overwrite)
                if scene._found is not None
                else scene.record
                for scene in self
            ]
            counts = [scene._result.counts for scene in self.done]
            about = self._work.about()
            write_run_files(folder, RunResult(records, counts, about.provenance, about.model))
        return folder

    def __repr__(self) -> str:
        lines = [counted(len(self), "scene")]
        if self.done:
            lines.append(self.summary.to_string(index=False))
        left = [*self.failed, *self.copies]
        lines += [f"{scene.record.status}: {scene.record.reason}" for scene in left]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [scene._picture_html() for scene in self[:SHOWN_SCENES]]
        if len(self) > SHOWN_SCENES:
            parts.append(f"<p>… and {len(self) - SHOWN_SCENES} more scenes</p>")
        if self.done:
            parts.append(self.summary.to_html(index=False, escape=True))
        warnings = dict.fromkeys(text for scene in self for text in scene.record.warnings)
        parts += [f"<p>{html.escape(warning)}</p>" for warning in warnings]
        return "\n".join(parts)
