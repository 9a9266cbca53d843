"""A third class from data alone: an entry, labels and a config teach it, find it and count it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import yaml
from numpy.typing import NDArray

from detector.config.compose import load_config
from detector.data.labelled import LabelledImage
from detector.data.rendered import rendered_ports
from detector.geometry.boxes import polygons
from detector.models.card import ModelCard
from detector.models.detector import DetectorSettings
from detector.prediction.batch import BatchSettings, predict_paths
from detector.resources import weights_dir
from detector.training.options import TrainConfig
from detector.training.session import train

TANK = {"name": "storage_tank", "ground": "land", "longest_m": 120.0, "colour": [0, 114, 178]}
CLASSES = ["ship", "container_stack", TANK]
SIDE_PX = 256
TANKS = 8  # in a scene
RADIUS_PX = (10, 14)
CONF = 0.7  # the tanks scored 0.83 to 0.98, what else looks like one up to 0.59


@dataclass(frozen=True)
class Farm:
    """A rendered port on which round tanks were drawn."""

    image: Path
    port: LabelledImage
    tanks: NDArray[np.float64]  # (N, 3) x, y, radius, pixels


def _farm(port: LabelledImage, folder: Path, seed: int) -> Farm:
    """Bright discs with a dark rim, where nothing else stands."""
    rng = np.random.default_rng(seed)
    with rasterio.open(port.image) as file:
        profile, pixels = file.profile, np.ascontiguousarray(file.read().transpose(1, 2, 0))
    taken = list(polygons(np.concatenate([port.corners, port.ignored])))
    tanks: list[tuple[float, float, float]] = []
    for _ in range(2000):
        radius = float(rng.integers(*RADIUS_PX, endpoint=True))
        x, y = rng.integers(20, SIDE_PX - 20, 2).tolist()
        disc = shapely.Point(x, y).buffer(radius + 3)
        if len(tanks) < TANKS and not any(disc.intersects(shape) for shape in taken):
            taken.append(disc)
            tanks.append((x, y, radius))
    for x, y, radius in tanks:
        cv2.circle(pixels, (int(x), int(y)), int(radius) + 2, (30, 30, 35), -1)
        cv2.circle(pixels, (int(x), int(y)), int(radius), (240, 70, 60), -1)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{port.image.stem}_2023-10-13.tif"
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels.transpose(2, 0, 1))
    return Farm(path, port, np.array(tanks) + 0.5)


def _write_labels(farm: Farm, folder: Path) -> None:
    squares = [
        [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)] for x, y, r in farm.tanks
    ]
    boxes = [*zip(farm.port.class_ids.tolist(), farm.port.corners.tolist(), strict=True)]
    boxes += [(2, square) for square in squares]
    lines = [
        f"{number} " + " ".join(f"{v:.6f}" for v in np.ravel(box) / SIDE_PX)
        for number, box in boxes
    ]
    (folder / f"{farm.image.stem}.txt").write_text("\n".join(lines) + "\n")


def _dataset(tmp_path: Path, ports: list[LabelledImage]) -> Path:
    """A YOLO-OBB folder with three classes."""
    root = tmp_path / "farms"
    (root / "labels").mkdir(parents=True)
    for seed, port in enumerate(ports):
        _write_labels(_farm(port, root / "images", seed), root / "labels")
    names = ["ship", "container_stack", "storage_tank"]
    (root / "data.yaml").write_text(yaml.safe_dump({"names": names}))
    return root


def _halves(farm: Farm, path: Path) -> dict[str, int]:
    """Zones of the west and east half of a scene; the tanks in each."""
    with rasterio.open(farm.image) as file:
        transform, crs = file.transform, file.crs
    middle = SIDE_PX / 2
    shapes = [
        shapely.Polygon([transform @ p for p in ((a, 0), (b, 0), (b, SIDE_PX), (a, SIDE_PX))])
        for a, b in ((0, middle), (middle, SIDE_PX))
    ]
    names = {"name": ["west", "east"], "kind": ["yard", "yard"]}
    gpd.GeoDataFrame(names, geometry=shapes, crs=crs).to_file(path)
    west = int((farm.tanks[:, 0] < middle).sum())
    return {"west": west, "east": len(farm.tanks) - west}


@pytest.mark.slow
def test_a_third_class_is_taught_found_and_counted_by_zone(tmp_path: Path) -> None:
    *ports, held_out = rendered_ports(tmp_path / "ports", 5, SIDE_PX, 0)
    root = _dataset(tmp_path, ports)
    classes = tmp_path / "classes.yaml"
    classes.write_text(yaml.safe_dump(CLASSES))
    words = [
        *("experiment=smoke", f"out={tmp_path / 'run'}", f"data.cache={tmp_path / 'cache'}"),
        *("data.kind=yolo-obb", f"data.root={root}", f"data.classes={classes}"),
        f"network.start={weights_dir() / 'port-n.safetensors'}",
        *("network.freeze=10", "trainer.epochs=16", "trainer.lr=0.002", "trainer.ema_decay=0.95"),
    ]
    trained = train(load_config("train", TrainConfig, words))
    card = ModelCard.read(trained.weights.with_suffix(".yaml"))
    assert card.classes == ("ship", "container_stack", "storage_tank")
    assert card.class_entries == {"storage_tank": {"longest_m": 120.0, "colour": [0, 114, 178]}}
    assert card.class_set[2].colour == (0, 114, 178)

    farm = _farm(held_out, tmp_path / "held_out", 99)
    wanted = _halves(farm, tmp_path / "zones.gpkg")
    summary = predict_paths(
        BatchSettings(
            paths=(str(farm.image),),
            out=tmp_path / "out",
            detector=DetectorSettings(str(trained.weights), backend="torch", conf=CONF),
            zones=str(tmp_path / "zones.gpkg"),
        )
    )
    counts = pd.read_csv(summary.out / "counts.csv", keep_default_na=False)
    tanks = counts[counts["class"] == "storage_tank"]
    found = {zone: int(n) for zone, n in tanks[["zone", "count"]].to_numpy()}
    assert found == {"": TANKS, **wanted}
