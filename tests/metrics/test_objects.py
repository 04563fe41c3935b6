"""Scores of objects: against pycocotools, against loops over whole pictures, and where nothing is defined."""

from __future__ import annotations

import contextlib
import io
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pixelwise.data.source import open_data
from pixelwise.errors import SettingError
from pixelwise.instances import BoxMask, Instances, ObjectRule
from pixelwise.metrics.matching import match_objects
from pixelwise.metrics.objects import score_objects
from pixelwise.metrics.overlaps import boundary, boundary_width
from pixelwise.ops.rle import encode_rle
from pixelwise.types import LabelSpace

SPACE = LabelSpace(("a", "b", "c"))
KEYS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar")


def reference(truths: list[Instances], predictions: list[Instances], classes: int, kind: str, most: int) -> list[float]:
    """COCO's first nine figures, by pycocotools."""
    header = {
        "images": [
            {"id": number, "height": truth.size[0], "width": truth.size[1]}
            for number, truth in enumerate(truths, start=1)
        ],
        "categories": [{"id": index, "name": str(index)} for index in range(1, classes + 1)],
    }
    sides: list[list[dict[str, Any]]] = []
    for pictures in (truths, predictions):
        annotations: list[dict[str, Any]] = []
        for number, objects in enumerate(pictures, start=1):
            for index in range(len(objects)):
                stated = None if objects.stated_areas is None else float(objects.stated_areas[index])
                left, top, right, bottom = objects.boxes[index].astype(float).tolist()
                mask = objects.masks[index]
                area = (right - left) * (bottom - top) if kind == "bbox" and pictures is predictions else mask.area
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": int(objects.labels[index]) + 1,
                        "bbox": [left, top, right - left, bottom - top],
                        "segmentation": encode_rle(mask),
                        "area": float(area) if stated is None else stated,
                        "iscrowd": int(objects.is_crowd[index]),
                        "score": 1.0 if objects.scores is None else float(objects.scores[index]),
                    }
                )
        sides.append(annotations)
    with contextlib.redirect_stdout(io.StringIO()):
        data = []
        for annotations in sides:
            coco = COCO()
            coco.dataset = {**header, "annotations": annotations}
            coco.createIndex()
            data.append(coco)
        evaluation = COCOeval(*data, kind)
        evaluation.params.maxDets = [1, min(10, most), most]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    chosen = [precision[..., 0, 2], precision[0, ..., 0, 2], precision[5, ..., 0, 2]]
    chosen += [precision[..., area, 2] for area in (1, 2, 3)] + [recall[..., 0, place] for place in range(3)]
    return [part[part > -1].mean() if (part > -1).any() else math.nan for part in chosen]


def outlines(pictures: list[Instances]) -> list[Instances]:
    """The same objects, with outlines for masks; crowds are left out, since they keep their masks."""
    return [
        Instances(
            objects.size,
            objects.labels,
            objects.boxes,
            tuple(boundary(mask, boundary_width(objects.size)) for mask in objects.masks),
            objects.scores,
        )
        for objects in pictures
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [3, 100])
def test_ap_equals_pycocotools(scenes, seed: int, most: int) -> None:
    truths, predictions = scenes(seed)
    scores = score_objects(truths, predictions, SPACE, max_detections=most).to_dict()
    expected = reference(truths, predictions, 3, "segm", most)
    assert [math.nan if scores[key] is None else scores[key] for key in KEYS] == pytest.approx(
        expected, abs=1e-9, nan_ok=True
    )
    boxes = reference(truths, predictions, 3, "bbox", most)[:6]
    own = [scores["box_" + key] for key in KEYS[:6]]
    assert [math.nan if value is None else value for value in own] == pytest.approx(boxes, abs=1e-9, nan_ok=True)


@pytest.mark.data
def test_ap_of_disturbed_coco_annotations_equals_pycocotools(pictures: Path) -> None:
    truths, predictions, names = disturbed_coco(pictures / "coco_mini" / "instances_train2017.json")
    assert sum(int(truth.is_crowd.sum()) for truth in truths) > 0
    space = LabelSpace(names)
    for most in (5, 100):
        scores = score_objects(truths, predictions, space, max_detections=most).to_dict()
        expected = reference(truths, predictions, len(names), "segm", most)
        assert [scores[key] for key in KEYS] == pytest.approx(expected, abs=1e-6)
        boxes = reference(truths, predictions, len(names), "bbox", most)[:6]
        assert [scores["box_" + key] for key in KEYS[:6]] == pytest.approx(boxes, abs=1e-6)
        assert 0.2 < scores["ap"] < 0.9


@pytest.mark.data
def test_data_that_is_opened_scores_as_the_file_does(pictures: Path) -> None:
    """Classes, boxes, crowds and stated areas reach the scores as COCO's file has them."""
    truths, predictions, names = disturbed_coco(pictures / "coco_mini" / "instances_train2017.json")
    source = open_data(pictures / "coco_mini")
    assert source.label_space.names == names
    content = json.loads((pictures / "coco_mini" / "instances_train2017.json").read_text())
    place = {image["file_name"]: number for number, image in enumerate(content["images"])}
    opened = {place[pair.image.name]: pair.objects.read() for pair in source.pairs}
    assert sorted(opened) == list(range(len(truths)))
    scores = score_objects([opened[number] for number in range(len(truths))], predictions, source.label_space)
    expected = score_objects(truths, predictions, source.label_space).to_dict()
    for key, value in scores.to_dict().items():
        assert value == (pytest.approx(expected[key], abs=1e-6) if isinstance(value, float) else expected[key]), key


def disturbed_coco(path: Path) -> tuple[list[Instances], list[Instances], tuple[str, ...]]:
    """Annotations of COCO, and the same shifted by a twentieth of their boxes, some lost, some doubled."""
    from pycocotools import mask as coco_masks

    from pixelwise.ops.rle import decode_box_mask

    rng = np.random.default_rng(7)
    content = json.loads(path.read_text())
    index = {category["id"]: place for place, category in enumerate(content["categories"])}
    by_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    truths, predictions = [], []
    for image in content["images"]:
        size = (image["height"], image["width"])
        annotations = by_image.get(image["id"], [])
        masks = []
        for annotation in annotations:
            shape = annotation["segmentation"]
            if isinstance(shape, list):
                rle = coco_masks.merge(coco_masks.frPyObjects(shape, *size))
                masks.append(decode_box_mask({"size": list(size), "counts": rle["counts"]}))
            else:
                masks.append(decode_box_mask(shape))
        labels = np.array([index[annotation["category_id"]] for annotation in annotations], np.int64)
        crowd = np.array([bool(annotation["iscrowd"]) for annotation in annotations], np.bool_)
        boxes = np.array([annotation["bbox"] for annotation in annotations], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        areas = np.array([annotation["area"] for annotation in annotations], np.float64)
        truths.append(Instances(size, labels, boxes, tuple(masks), crowd=crowd, stated_areas=areas))
        chosen = np.repeat(np.arange(len(masks)), rng.choice([0, 1, 1, 1, 1, 2], len(masks)))
        shifted = []
        for number in chosen:
            height, width = masks[number].pixels.shape
            down, right = rng.normal(0, 0.05, 2) * (height, width)
            shifted.append(masks[number].moved(round(down), round(right), size).trimmed())
        keep = [place for place, mask in enumerate(shifted) if mask.area]
        guessed = np.where(rng.random(len(chosen)) < 0.9, labels[chosen], rng.integers(0, len(index), len(chosen)))
        scores = rng.random(len(keep)).astype(np.float32)
        predictions.append(Instances.of_masks(size, [shifted[k] for k in keep], guessed[keep], scores=scores))
    return truths, predictions, tuple(category["name"] for category in content["categories"])


def test_boundary_ap_is_ap_on_the_lesser_iou(scenes) -> None:
    """Where the outline's IoU is the lesser everywhere, pycocotools on outlines gives the same."""
    truths, predictions = scenes(11, crowds=False)
    scores = score_objects(truths, predictions, SPACE)
    assert scores.boundary is not None
    thin = score_objects(outlines(truths), outlines(predictions), SPACE)
    assert scores.boundary.ap <= min(scores.ap, thin.ap) + 1e-12
    # Rings that lie in each other: the outlines agree less than the masks.
    size = (40, 40)
    rings = []
    for margin in (4, 5):
        mask = np.zeros(size, bool)
        mask[margin:-margin, margin:-margin] = True
        rings.append(Instances.of_masks(size, [BoxMask.of(mask)], [0], scores=np.ones(1, np.float32)))
    both = score_objects([rings[0]], [rings[1]], SPACE)
    lines = reference(outlines([rings[0]]), outlines([rings[1]]), 3, "segm", 100)
    assert both.boundary is not None
    assert (both.boundary.ap, both.boundary.ap50) == pytest.approx((lines[0], lines[1]))
    assert both.boundary.ap < both.ap


def slow_panoptic(truths: list[Instances], predictions: list[Instances]) -> tuple[float, float, float]:
    """Panoptic quality on maps of ids, for objects that do not overlap."""
    figures = []
    for label in range(len(SPACE)):
        found, wrong, missed, total = 0, 0, 0, 0.0
        for truth, prediction in zip(truths, predictions, strict=True):
            ids, guessed = truth.id_map(), prediction.id_map()
            matched_truth, matched = set(), set()
            for t in np.flatnonzero((truth.labels == label) & ~truth.is_crowd):
                for m in np.flatnonzero(prediction.labels == label):
                    shared = ((ids == t + 1) & (guessed == m + 1)).sum()
                    iou = shared / ((ids == t + 1) | (guessed == m + 1)).sum()
                    if iou > 0.5:
                        total += iou
                        matched_truth.add(t)
                        matched.add(m)
            found += len(matched)
            missed += sum(
                1 for t in np.flatnonzero((truth.labels == label) & ~truth.is_crowd) if t not in matched_truth
            )
            crowd = np.isin(ids, np.flatnonzero((truth.labels == label) & truth.is_crowd) + 1)
            for m in np.flatnonzero(prediction.labels == label):
                if m not in matched and (crowd & (guessed == m + 1)).sum() <= 0.5 * (guessed == m + 1).sum():
                    wrong += 1
        if found + wrong + missed:
            sq = total / found if found else 0
            rq = found / (found + wrong / 2 + missed / 2)
            figures.append((sq * rq, sq, rq))
    return tuple(np.mean(figures, 0).tolist())


@pytest.mark.parametrize("seed", range(3))
def test_panoptic_quality_equals_a_loop_over_maps_of_ids(scenes, seed: int) -> None:
    def flat(objects: Instances) -> Instances:
        ids = objects.id_map()
        left = [number - 1 for number in np.unique(ids) if number]
        masks = [BoxMask.of(ids == number + 1) for number in left]
        crowd = objects.is_crowd[left] if objects.scores is None else None
        scores = None if objects.scores is None else np.ones(len(left), np.float32)
        return Instances.of_masks(objects.size, masks, objects.labels[left], scores=scores, crowd=crowd)

    truths, predictions = ([flat(objects) for objects in side] for side in scenes(seed))
    scores = score_objects(truths, predictions, SPACE)
    assert (scores.pq, scores.sq, scores.rq) == pytest.approx(slow_panoptic(truths, predictions))
    assert 0 < scores.pq < 1


@pytest.mark.parametrize("seed", range(2))
def test_counts_are_added_up_over_pictures_and_averaged_apart(scenes, seed: int) -> None:
    truths, predictions = scenes(seed)
    scores = score_objects(truths, predictions, SPACE, rule=ObjectRule(0.3))
    matches = [
        [match_objects(truth, prediction, iou, threshold=0.3) for iou in np.linspace(0.5, 0.95, 10)]
        for truth, prediction in zip(truths, predictions, strict=True)
    ]
    found, wrong, missed = (
        np.array([[len(getattr(match, name)) for match in row] for row in matches]).sum(0)
        for name in ("found", "wrong", "missed")
    )
    summed = found / (found + wrong + missed)
    written = scores.to_dict()
    assert written["ap50_tp_fp_fn"] == pytest.approx(summed[0])
    assert written["ap_tp_fp_fn"] == pytest.approx(summed.mean())
    assert (written["tp"], written["fp"], written["fn"]) == (found[0], wrong[0], missed[0])
    alone = np.array([[match.score for match in row] for row in matches])
    assert written["ap50_tp_fp_fn_by_picture"] == pytest.approx(np.nanmean(alone[:, 0]))
    assert written["ap_tp_fp_fn_by_picture"] == pytest.approx(np.nanmean(alone, 0).mean())


def test_a_perfect_prediction_scores_one(scenes) -> None:
    truths, _ = scenes(2, crowds=False)
    scores = score_objects(truths, truths, SPACE).to_dict()
    for key in ("ap", "ap50", "ap75", "ap50_tp_fp_fn", "ap_tp_fp_fn", "ap50_tp_fp_fn_by_picture", "box_ap"):
        assert scores[key] == pytest.approx(1), key
    assert [scores[key] for key in ("boundary_ap", "pq", "sq", "rq")] == pytest.approx([1] * 4)
    assert (scores["fp"], scores["fn"]) == (0, 0)


def test_crowds_found_or_not_change_no_figure(scenes) -> None:
    truths, _ = scenes(3)
    assert any(truth.is_crowd.any() for truth in truths)
    perfect = [truth[~truth.is_crowd] for truth in truths]
    scores = score_objects(truths, perfect, SPACE)
    assert (scores.ap50_tp_fp_fn, scores.pq, scores.ap) == pytest.approx((1, 1, 1))
    with_crowds = [Instances(t.size, t.labels, t.boxes, t.masks, np.ones(len(t), np.float32)) for t in truths]
    scores = score_objects(truths, with_crowds, SPACE)
    assert (scores.fp, scores.fn) == (0, 0)


def test_nothing_to_find_is_not_defined_and_nothing_found_is_zero() -> None:
    one = Instances.of_masks((8, 8), [BoxMask.of(np.eye(8, dtype=bool))], [1])
    none = Instances.none((8, 8))
    nothing = score_objects([none], [none], SPACE).to_dict()
    assert all(nothing[key] is None for key in ("ap", "ap50_tp_fp_fn", "pq", "boundary_ap", "box_ap"))
    json.dumps(nothing, allow_nan=False)
    for truth, prediction in ((one, none), (none, one)):
        scores = score_objects([truth], [prediction], SPACE).to_dict()
        assert (scores["ap50_tp_fp_fn"], scores["pq"], scores["tp"]) == (0, 0, 0)
    missed = score_objects([one], [none], SPACE).to_dict()
    assert (missed["ap"], missed["ap_small"], missed["ap_large"]) == (0, 0, None)
    assert missed["class_ap"] == {"a": None, "b": 0, "c": None}


def test_objects_of_one_pixel_can_be_found() -> None:
    dot = np.zeros((9, 9), bool)
    dot[4, 4] = True
    dots = Instances.of_masks((9, 9), [BoxMask.of(dot)], [2])
    scores = score_objects([dots], [dots], SPACE).to_dict()
    assert (scores["ap"], scores["ap_small"], scores["boundary_ap"], scores["pq"]) == pytest.approx((1, 1, 1, 1))


def test_stated_areas_tell_small_objects_from_large_and_pixels_where_none_is_stated() -> None:
    masks = [BoxMask(np.ones((8, 8), bool), 0, left, (16, 32)) for left in (0, 16)]
    guess = Instances.of_masks((16, 32), masks[:1], [0], scores=np.ones(1, np.float32))
    areas = np.array([2000, np.nan])
    truth = Instances((16, 32), [0, 0], [mask.box for mask in masks], tuple(masks), stated_areas=areas)
    scores = score_objects([truth], [guess], SPACE).to_dict()
    assert (scores["ap_small"], scores["ap_medium"], scores["ap_large"]) == (0, 1, None)
    assert truth[[1]].stated_areas.tolist() == pytest.approx([np.nan], nan_ok=True)


def test_boxes_alone_are_scored_as_boxes(scenes) -> None:
    truths, predictions = scenes(5)
    boxes = [Instances(p.size, p.labels, p.boxes, None, p.scores) for p in predictions]
    scores = score_objects(truths, boxes, SPACE).to_dict()
    full = score_objects(truths, predictions, SPACE).to_dict()
    assert scores["compared"] == "box"
    assert scores["ap"] == scores["box_ap"] == pytest.approx(full["box_ap"])
    assert scores["boundary_ap"] is None


def test_more_detections_than_cocos_hundred_count_where_the_data_has_more() -> None:
    size = (200, 200)
    masks = [BoxMask(np.ones((4, 4), bool), 10 * row, 10 * column, size) for row in range(20) for column in range(20)]
    crowded = Instances.of_masks(size, masks, np.zeros(400, np.int64), scores=np.ones(400, np.float32))
    assert score_objects([crowded], [crowded], SPACE, max_detections=400).ap == pytest.approx(1)
    assert score_objects([crowded], [crowded], SPACE).ap < 0.3


def test_unusable_arguments_are_refused() -> None:
    one = Instances.of_masks((8, 8), [BoxMask.of(np.eye(8, dtype=bool))], [3])
    with pytest.raises(SettingError, match=r"0 \.\. 2, got 3 \.\. 3"):
        score_objects([one], [one], SPACE)
    with pytest.raises(SettingError, match="1 picture with objects but 0 predictions"):
        score_objects([one], [], SPACE)
    with pytest.raises(SettingError, match="no pictures"):
        score_objects([], [], SPACE)


@pytest.mark.slow
def test_two_hundred_pictures_of_thirty_objects_take_seconds() -> None:
    rng = np.random.default_rng(0)
    size = (480, 640)
    truths, predictions = [], []
    for _ in range(200):
        masks = []
        for _ in range(30):
            height, width = rng.integers(10, 150, 2)
            rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
            top, left = rng.integers(0, size[0] - height), rng.integers(0, size[1] - width)
            masks.append(BoxMask(rows**2 + columns**2 <= 1, int(top), int(left), size))
        labels = rng.integers(0, 5, 30)
        truths.append(Instances.of_masks(size, masks, labels))
        moved = [mask.moved(*rng.integers(-4, 5, 2).tolist(), size) for mask in masks * 3]
        scores = rng.random(90).astype(np.float32)
        predictions.append(Instances.of_masks(size, moved, np.tile(labels, 3), scores=scores))
    started = time.perf_counter()
    score_objects(truths, predictions, LabelSpace.of(5))
    assert time.perf_counter() - started < 20
