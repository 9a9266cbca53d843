"""Batches of views for Ultralytics' trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from detector.data.chips import Chip
from detector.data.labelled import DataError
from detector.data.rendered import SOURCE
from detector.data.sources import complete_above_px
from detector.training.augment import AugmentSettings, PixelAugment
from detector.training.loss import COMPLETE_ABOVE, TAUGHT
from detector.training.mix import MixSettings, group_of, mix_weights
from detector.training.paste import LAND_SOURCES, ShipLibrary, StackLibrary
from detector.training.reclad import Cladding
from detector.training.upstream import xyxyxyxy2xywhr
from detector.training.views import ChipView, ViewSettings, draw_view, join_views

MOST_ENLARGED = 1.5  # chips with stacks that need more to reach the coarsest gsd are left out


class ChipViews(Dataset[dict[str, Any]]):
    """Item `i` is a view of chip `i`, another one at every call.

    Args:
        chips: to draw from.
        views: how views are drawn.
        augment: how pixels are changed; None leaves them.
        seed: of the chance, together with the loader's worker.
    """

    def __init__(
        self, chips: Sequence[Chip], views: ViewSettings, augment: AugmentSettings | None, seed: int
    ) -> None:
        self.chips = chips
        self._stackless = [i for i, chip in enumerate(chips) if group_of(chip) != "stacks"]
        self._library = StackLibrary(chips) if views.paste else None
        self._ships = ShipLibrary(chips) if views.paste_ships else None
        self._cladding = Cladding(chips, SOURCE) if views.reclad else None
        self._views = views
        self._augment_settings = augment
        self._seed = seed
        self._rng: np.random.Generator | None = None
        self._augment: PixelAugment | None = None

    def __len__(self) -> int:
        return len(self.chips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = self._prepare()
        chips = [self.chips[index]]
        if group_of(chips[0]) != "stacks" and rng.random() < self._views.collage:
            chips += [self.chips[i] for i in rng.choice(self._stackless, 3)]
        settings = self._views if len(chips) == 1 else self._views.cell()
        views = [
            draw_view(c.read(), c.corners, c.class_ids, settings, rng, c.gsd_m, c.classes)
            for c in chips
        ]
        limits = [complete_above(c, v.scale) for c, v in zip(chips, views, strict=True)]
        view = views[0] if len(views) == 1 else join_views(views)
        gsd_m = chips[0].gsd_m / view.scale if len(chips) == 1 and chips[0].gsd_m else None
        if self._library and self._takes_stacks(chips) and rng.random() < self._views.paste:
            view = self._library.paste(view, rng, gsd_m)
        if self._cladding and gsd_m and rng.random() < self._views.reclad:
            view = self._cladding.put_on(view, gsd_m, rng)
        if self._ships and self._takes_ships(chips) and rng.random() < self._views.paste_ships:
            view = self._ships.paste(view, rng, (self._views.scale_min, self._views.scale_max))
        pixels = self._augment(view.pixels) if self._augment is not None else view.pixels
        taught = np.all([chip.taught for chip in chips], axis=0)
        item = as_item(view, pixels, taught, str(chips[0].pixels))
        return {**item, COMPLETE_ABOVE: torch.from_numpy(np.max(limits, axis=0))}

    def _takes_stacks(self, chips: Sequence[Chip]) -> bool:
        """Whether a view shows land alone, or a yard."""
        group = group_of(chips[0])
        land = group == "empty" and chips[0].source in LAND_SOURCES
        return len(chips) == 1 and (land or group == "stacks")

    def _takes_ships(self, chips: Sequence[Chip]) -> bool:
        """Whether a view shows a place with ships, all of them boxed."""
        chip = chips[0]
        taught = all(chip.taught[class_id] for class_id in chip.classes.with_role("visits"))
        return len(chips) == 1 and group_of(chip) == "ships" and taught

    def _prepare(self) -> np.random.Generator:
        """The worker's own source of chance, made at its first item."""
        if self._rng is None:
            # One thread a worker: the cores belong to the network.
            cv2.setNumThreads(0)
            worker = torch.utils.data.get_worker_info()
            seed = self._seed if worker is None else worker.seed
            self._rng = np.random.default_rng(seed)
            if self._augment_settings is not None:
                self._augment = PixelAugment(self._augment_settings, seed % 2**32)
        return self._rng


def worth_showing(chips: Sequence[Chip], views: ViewSettings) -> list[Chip]:
    """The chips without those whose stacks could only be shown blurred.

    Args:
        chips: to draw from.
        views: how views are drawn; without a `stack_gsd_max` every chip stays.
    """
    coarsest_m = MOST_ENLARGED * views.stack_gsd_max
    return [
        chip
        for chip in chips
        if not coarsest_m
        or chip.gsd_m is None
        or chip.gsd_m <= coarsest_m
        or group_of(chip) != "stacks"
    ]


def complete_above(chip: Chip, scale: float) -> NDArray[np.float32]:
    """Of each class, the length in tile pixels from which a chip's source boxes every object.

    Args:
        chip: what is shown.
        scale: tile pixels a chip pixel.
    """
    limits = np.array(complete_above_px(chip.source, chip.classes), np.float32)
    return limits * np.float32(chip.scale * scale)


def as_item(
    view: ChipView, pixels: NDArray[np.uint8], taught: NDArray[np.bool_], name: str
) -> dict[str, Any]:
    """A view in the keys of Ultralytics' datasets.

    Args:
        view: its truth.
        pixels: `(tile, tile, 3)` to show.
        taught: `(classes,)` whether everything without a box is background.
        name: of the chip, for messages.

    Returns:
        `img` `(3, tile, tile)` uint8, `cls` `(N, 1)`, `bboxes` `(N, 5)` centre, length and width
        over the tile's side and the angle in radians, `taught` `(classes,)`, `im_file`.
    """
    boxes = np.zeros((0, 5)) if not len(view.corners) else xyxyxyxy2xywhr(view.corners)
    boxes[:, :4] /= pixels.shape[0]
    return {
        "img": torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))),
        "cls": torch.from_numpy(view.class_ids.astype(np.float32))[:, None],
        "bboxes": torch.from_numpy(boxes.astype(np.float32)),
        TAUGHT: torch.from_numpy(taught.astype(np.float32)),
        "im_file": name,
    }


def collate(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Items as one batch; `batch_idx` says which item a box belongs to."""
    counts = torch.tensor([len(item["cls"]) for item in items])
    return {
        "img": torch.stack([item["img"] for item in items]),
        "cls": torch.cat([item["cls"] for item in items]),
        "bboxes": torch.cat([item["bboxes"] for item in items]),
        "batch_idx": torch.repeat_interleave(torch.arange(len(items)), counts).float(),
        TAUGHT: torch.stack([item[TAUGHT] for item in items]),
        COMPLETE_ABOVE: torch.stack([item[COMPLETE_ABOVE] for item in items]),
        "im_file": [item["im_file"] for item in items],
    }


class MixSampler(Sampler[int]):
    """Chips drawn with the shares of a `MixSettings`, another order every epoch.

    Args:
        chips: to draw from.
        mix: shares; those of groups without a chip go to the others.
        seed: with the epoch it fixes the order.
    """

    def __init__(self, chips: Sequence[Chip], mix: MixSettings, seed: int) -> None:
        if not chips:
            raise DataError("no chips to train on")
        self._weights = mix_weights(chips, mix)
        self._count = mix.epoch_views
        self._seed = seed
        self._epoch = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Any:
        rng = np.random.default_rng([self._seed, self._epoch])
        drawn = rng.choice(len(self._weights), self._count, p=self._weights)
        return iter(drawn.tolist())

    def set_epoch(self, epoch: int) -> None:
        """Fix the order of the next epoch."""
        self._epoch = epoch
