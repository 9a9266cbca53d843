"""Matching and the numbers made from it: pycocotools and brute force as oracles."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import shapely

from detector.boxes.scored import Boxes
from detector.evaluation.matching import IOU_THRESHOLDS, match_class, match_greedily
from detector.evaluation.overlap import prob_iou, share_inside
from detector.evaluation.select import SizeRange, select
from detector.evaluation.table import MatchTable, match_images
from detector.evaluation.truth import EvalImage, EvaluationError, Measure
from detector.geometry.boxes import corners_from_xywhr, envelopes
from tests.evaluation.make import boxes, image, random_set


def coco_eval(images: list[EvalImage], predictions: list[Boxes], class_id: int, grid=None):
    """pycocotools on the same envelopes; `ignored` becomes crowd."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations, results = [], []
    for number, (truth, found) in enumerate(zip(images, predictions, strict=True), start=1):
        mine = envelopes(truth.corners[truth.class_ids == class_id])
        rows = [(box, 0) for box in mine] + [(box, 1) for box in envelopes(truth.ignored)]
        for (x0, y0, x1, y1), crowd in rows:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": crowd,
                }
            )
        keep = found.class_ids == class_id
        for (x0, y0, x1, y1), score in zip(
            envelopes(found.corners[keep]), found.scores[keep], strict=True
        ):
            results.append(
                {
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "score": float(score),
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth_set = COCO()
        truth_set.dataset = {
            "images": [{"id": i + 1} for i in range(len(images))],
            "annotations": annotations,
            "categories": [{"id": 1}],
        }
        truth_set.createIndex()
        run = COCOeval(truth_set, truth_set.loadRes(results), "bbox")
        run.params.maxDets = [10_000]
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        if grid is not None:
            run.params.recThrs = grid
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][:, :, 0, 0, 0]


@pytest.mark.parametrize("seed", range(4))
def test_upright_boxes_equal_pycocotools(seed: int) -> None:
    images, predictions = random_set(seed, upright=True)
    table = match_images(images, predictions)
    for class_id in (0, 1):
        part = select(table, class_id, Measure.ENVELOPE)
        by_101 = coco_eval(images, predictions, class_id).mean(axis=1)
        # At the recalls 1/n … n/n the mean of the envelope is the area under it.
        every = np.arange(1, part.n_truth + 1) / part.n_truth - 1e-9
        by_all = coco_eval(images, predictions, class_id, every).mean(axis=1)
        assert part.n_truth > 10
        for step in range(len(IOU_THRESHOLDS)):
            assert part.ap(step, "coco") == pytest.approx(by_101[step], abs=1e-6)
            assert part.ap(step) == pytest.approx(by_all[step], abs=1e-6)
        assert part.mean_ap() == pytest.approx(by_all.mean(), abs=1e-6)
        assert 0.1 < part.mean_ap() < 0.9


@pytest.mark.parametrize("seed", range(4))
def test_ignored_regions_equal_pycocotools_crowds(seed: int) -> None:
    images, predictions = random_set(seed, n_images=20, upright=True, ignored=True)
    # One region an image: pycocotools looks at each crowd alone, we at their union.
    images = [
        replace(i, ignored=i.ignored[:1], ignored_class_ids=i.ignored_class_ids[:1]) for i in images
    ]
    part = select(match_images(images, predictions), 0, Measure.ENVELOPE)
    assert part.ap(0, "coco") == pytest.approx(
        coco_eval(images, predictions, 0)[0].mean(), abs=1e-6
    )


def brute_force(images: list[EvalImage], predictions: list[Boxes], class_id: int, threshold: float):
    """One loop over all predictions of all images, polygons by shapely one by one."""
    ranked = sorted(
        (
            (float(found.scores[k]), number, k)
            for number, found in enumerate(predictions)
            for k in np.flatnonzero(found.class_ids == class_id)
        ),
        key=lambda row: -row[0],
    )
    taken: set[tuple[int, int]] = set()
    hits = []
    for _, number, k in ranked:
        shape = shapely.Polygon(predictions[number].corners[k])
        best, best_iou = None, threshold
        for j in np.flatnonzero(images[number].class_ids == class_id):
            true = shapely.Polygon(images[number].corners[j])
            iou = shape.intersection(true).area / shape.union(true).area
            if iou >= best_iou and (number, j) not in taken:
                best, best_iou = (number, j), iou
        if best is not None:
            taken.add(best)
        hits.append(best is not None)
    n_truth = sum(int((i.class_ids == class_id).sum()) for i in images)
    found = np.array(hits)
    precision = np.cumsum(found) / np.arange(1, len(found) + 1)
    return sum(precision[i:].max() for i in np.flatnonzero(found)) / n_truth


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_oriented_boxes_equal_brute_force(seed: int) -> None:
    images, predictions = random_set(seed)
    table = match_images(images, predictions)
    for class_id in (0, 1):
        part = select(table, class_id, Measure.POLYGON)
        for step in (0, 3, 5, 8):
            expected = brute_force(images, predictions, class_id, IOU_THRESHOLDS[step])
            assert part.ap(step) == pytest.approx(expected, abs=1e-9)
        assert 0.05 < part.ap(5) < part.ap(0) < 1


def test_the_best_object_left_is_taken() -> None:
    overlap = np.array([[0.9, 0.8], [0.7, 0.0], [0.6, 0.55]])
    assert match_greedily(overlap, 0.5).tolist() == [0, -1, 1]
    assert match_greedily(overlap, 0.7).tolist() == [0, -1, -1]


def test_iou_on_the_threshold_is_a_match() -> None:
    found = match_images(
        [image(xywhr=[[100, 100, 40, 20, 0]])], [boxes([[100, 100, 40, 10, 0]], [0.9])]
    )
    assert found.found[:, 0].tolist() == [0] + [-1] * 9


def test_envelope_truth_is_scored_by_envelopes() -> None:
    turned = [[200.0, 200, 80, 16, np.pi / 4]]
    hull = envelopes(corners_from_xywhr(np.array(turned)))[0]
    upright = [[200.0, 200, hull[2] - hull[0], hull[3] - hull[1], 0]]
    images = [image(xywhr=upright, measures=(Measure.ENVELOPE, Measure.NONE))]
    table = match_images(images, [boxes(turned, [0.9])])
    assert select(table, 0, Measure.ENVELOPE).ap(9) == 1.0
    polygon = replace(images[0], measures=(Measure.POLYGON, Measure.NONE))
    table = match_images([polygon], [boxes(turned, [0.9])])
    assert select(table, 0, Measure.POLYGON).ap(0) == 0.0


def test_small_unmatched_predictions_are_ignored_where_the_source_is_incomplete() -> None:
    truth = image(xywhr=[[100, 100, 30, 10, 0]], complete_above_px=(60.0, 0.0))
    found = boxes(
        [[100, 100, 30, 10, 0], [200, 200, 50, 10, 0], [300, 300, 70, 10, 0]], [0.5, 0.9, 0.8]
    )
    matches = match_class(truth, found, 0)
    assert matches.predicted.tolist() == [1, 2, 0]
    assert matches.neutral.tolist() == [True, False, True]
    part = select(match_images([truth], [found]), 0, Measure.POLYGON)
    assert part.hits[0].tolist() == [False, True]  # 70 px false, 30 px right although small
    assert part.counted[0].all()


def test_ignored_regions_are_for_their_class() -> None:
    region = corners_from_xywhr(np.array([[200.0, 200, 60, 60, 0]]))
    truth = image(ignored=region, ignored_class_ids=np.array([1]))
    inside = [[200.0, 200, 30, 10, 0.3]]
    for class_id, neutral in ((0, False), (1, True)):
        matches = match_class(truth, boxes(inside, [0.9], class_id), class_id)
        assert matches.neutral.tolist() == [neutral]


def test_share_inside_of_a_union() -> None:
    regions = corners_from_xywhr(np.array([[10.0, 10, 20, 20, 0], [25.0, 10, 20, 20, 0]]))
    box = corners_from_xywhr(np.array([[20.0, 10, 40, 10, 0]]))
    assert share_inside(box, regions)[0] == pytest.approx(35 / 40)
    assert share_inside(box, regions[:0])[0] == 0


def test_unlabelled_classes_do_not_enter() -> None:
    images = [
        image("a", [[100, 100, 40, 10, 0]]),
        image("b", measures=(Measure.POLYGON, Measure.NONE)),
    ]
    stacks = boxes([[50, 50, 20, 10, 0]], [0.9], 1)
    table = match_images(images, [stacks, stacks])
    assert select(table, 1, Measure.POLYGON).images.tolist() == [0]
    assert table.image.tolist() == [0]


def test_prob_iou_is_not_iou() -> None:
    square = corners_from_xywhr(np.array([[50.0, 50, 20, 20, 0]]))
    turned = corners_from_xywhr(np.array([[50.0, 50, 20, 20, np.pi / 4]]))
    assert prob_iou(square, turned)[0, 0] == pytest.approx(1.0, abs=2e-3)
    # Two equal Gaussians apart by d along an axis of variance v: 1 - sqrt(1 - exp(-d^2 / 8v)).
    apart = corners_from_xywhr(np.array([[56.0, 50, 20, 20, 0]]))
    expected = 1 - np.sqrt(1 - np.exp(-(6**2) / (8 * 20**2 / 12)))
    assert prob_iou(square, apart)[0, 0] == pytest.approx(expected, abs=1e-4)


def test_sizes_and_sources_add_up() -> None:
    images, predictions = random_set(11, n_images=16)
    table = match_images(images, predictions)
    whole = select(table, 0, Measure.POLYGON)
    for unit, limits in (("px", [0, 40, 60, np.inf]), ("m", [0, 20, 35, np.inf])):
        parts = [
            select(table, 0, Measure.POLYGON, size=SizeRange(low, high, unit))
            for low, high in pairwise(limits)
        ]
        if unit == "m":
            known = ~np.isnan(table.gsd_m)
            whole = select(table, 0, Measure.POLYGON, known)
        for step in (0, 5):
            assert sum(p.hits[step].sum() for p in parts) == whole.hits[step].sum()
            assert sum(p.counted[step].sum() for p in parts) == whole.counted[step].sum()
        assert sum(p.n_truth for p in parts) == whole.n_truth
    truth = parts[1].true_row
    length_m = table.true_length_px[truth] * table.gsd_m[table.true_image[truth]]
    assert len(truth) > 3
    assert ((length_m >= 20) & (length_m < 35)).all()


def test_the_table_survives_the_disk(tmp_path) -> None:
    images, predictions = random_set(3)
    table = match_images(images, predictions)
    table.save(tmp_path / "matches.npz")
    again = MatchTable.load(tmp_path / "matches.npz")
    for name in MatchTable.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(table, name))
    (tmp_path / "matches.npz").write_bytes(b"nothing")
    with pytest.raises(EvaluationError, match=r"matches\.npz"):
        MatchTable.load(tmp_path / "matches.npz")


def test_bad_input_is_named() -> None:
    with pytest.raises(EvaluationError, match="no images"):
        match_images([], [])
    with pytest.raises(EvaluationError, match="two images are called 'a'"):
        match_images([image("a"), image("a")], [Boxes.empty(), Boxes.empty()])
    with pytest.raises(EvaluationError, match="1 images with predictions of 2"):
        match_images([image("a")], [Boxes.empty(), Boxes.empty()])
    with pytest.raises(EvaluationError, match="a: boxes of 'ship'"):
        image("a", [[9, 9, 4, 2, 0]], measures=(Measure.NONE, Measure.POLYGON))


def test_no_predictions_at_all() -> None:
    table = match_images([image("a", [[100, 100, 40, 10, 0]])], [Boxes.empty()])
    part = select(table, 0, Measure.POLYGON)
    assert part.ap() == 0.0
    assert part.mean_ap() == 0.0
    assert np.isnan(select(table, 1, Measure.POLYGON).ap())
