"""Evaluation of objects over files: by a network of objects, by one of pixels, and what is wrong with the files."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.pairs import Pair
from pixelwise.errors import DataError, SettingError
from pixelwise.inference import Predictor
from pixelwise.inference.pictures import as_rgb
from pixelwise.inference.prediction import Prediction
from pixelwise.instances import BoxMask, Instances, ObjectRule
from pixelwise.io.images import DecodedPicture
from pixelwise.metrics.matching import match_objects
from pixelwise.metrics.objects import score_objects
from pixelwise.preprocessing import Preprocessing
from pixelwise.scoring import evaluate
from pixelwise.types import LabelSpace, semantic_space

SPACE = LabelSpace(("cell", "seed"))
SIZE = (30, 40)


@dataclass
class Known:
    """Objects in memory in place of an annotation file."""

    objects: Instances

    def read(self) -> Instances:
        return self.objects


@dataclass
class FindsObjects:
    """Stands for a predictor of a network that finds objects: what it finds is told by the top left pixel."""

    found: list[Instances]
    label_space = semantic_space(SPACE)
    preprocessing = Preprocessing()
    finds_objects = True
    rule = ObjectRule()

    def __call__(self, picture: DecodedPicture, *, probabilities: bool = False) -> Prediction:
        assert not probabilities
        found = self.found[int(picture.image[0, 0, 0])]
        return Prediction(None, self.label_space, image=as_rgb(picture.image), instances=found)


def block(top: int, left: int, side: int) -> BoxMask:
    mask = np.zeros(SIZE, bool)
    mask[top : top + side, left : left + side] = True
    return BoxMask.of(mask)


@pytest.fixture
def truths() -> list[Instances]:
    return [
        Instances.of_masks(SIZE, [block(2, 2, 8), block(2, 20, 8)], [0, 1]),
        Instances.of_masks(SIZE, [block(5, 5, 10), block(18, 24, 12)], [0, 0], crowd=np.array([False, True])),
        Instances.none(SIZE),
    ]


@pytest.fixture
def found() -> list[Instances]:
    return [
        Instances.of_masks(SIZE, [block(2, 3, 8), block(20, 2, 8)], [0, 0], scores=np.array([0.9, 0.4], np.float32)),
        Instances.of_masks(SIZE, [block(5, 5, 9), block(19, 25, 4)], [0, 0], scores=np.array([0.9, 0.8], np.float32)),
        Instances.none(SIZE),
    ]


def make_pairs(folder: Path, truths: list[Instances], images: list[np.ndarray] | None = None) -> list[Pair]:
    made = []
    for number, truth in enumerate(truths):
        image = np.full((*truth.size, 3), number, np.uint8) if images is None else images[number]
        Image.fromarray(image).save(folder / f"{number}.png")
        made.append(Pair(f"{number}.png", folder / f"{number}.png", None, Known(truth)))
    return made


def test_the_set_and_each_picture_are_scored(tmp_path: Path, truths: list[Instances], found: list[Instances]) -> None:
    calls: list[tuple[int, int]] = []
    evaluation = evaluate(
        FindsObjects(found), make_pairs(tmp_path, truths), SPACE, progress=lambda *done: calls.append(done)
    )
    described = evaluation.to_dict()
    scores = score_objects(truths, found, SPACE).to_dict()
    assert described | scores == described
    for name, (low, high) in described["intervals"].items():
        assert low <= scores[name] <= high
    assert "1,000 sets" in described["intervals_meaning"]
    assert evaluation.headline.interval == tuple(described["intervals"]["ap"])
    assert evaluation.pixels is None
    table = evaluation.pictures
    counts = list(zip(*(table.column(name) for name in ("objects", "tp", "fp", "fn")), strict=True))
    for own, score, truth, prediction in zip(counts, table.column("tp_fp_fn"), truths, found, strict=True):
        match = match_objects(truth, prediction)
        assert own[1:] == (len(match.found), len(match.wrong), len(match.missed))
        assert score == pytest.approx(match.score, nan_ok=True)
    assert counts == [(2, 1, 0, 1), (1, 1, 0, 0), (0, 0, 0, 0)]
    assert evaluation.ranked() == ["0.png", "1.png"]
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_a_lower_threshold_lets_unsure_objects_count(
    tmp_path: Path, truths: list[Instances], found: list[Instances]
) -> None:
    pairs = make_pairs(tmp_path, truths)
    assert evaluate(FindsObjects(found), pairs, SPACE).objects.fp == 0
    assert evaluate(FindsObjects(found), pairs, SPACE, rule=ObjectRule(score=0.3)).objects.fp == 1


def test_parts_too_small_are_no_objects_and_rank_nowhere(
    tmp_path: Path, truths: list[Instances], found: list[Instances]
) -> None:
    pairs = make_pairs(tmp_path, truths)
    large = [one[one.areas >= 65] for one in found]
    assert sum(map(len, large)) == 1
    dropped = evaluate(FindsObjects(found), pairs, SPACE, rule=ObjectRule(min_area=65))
    without = score_objects(truths, large, SPACE)
    assert (dropped.objects.ap, dropped.objects.pq) == (without.ap, without.pq)
    assert (dropped.objects.counts == without.counts).all()
    assert dropped.to_dict()["min_area"] == 65
    assert dropped.pictures.column("tp") == [0, 1, 0]


def test_rows_of_the_table_are_pictures(tmp_path: Path, truths: list[Instances], found: list[Instances]) -> None:
    evaluation = evaluate(FindsObjects(found), make_pairs(tmp_path, truths), SPACE)
    evaluation.write_csv(tmp_path / "s.csv")
    with (tmp_path / "s.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["id"] for row in rows] == ["0.png", "1.png", "2.png"]
    assert (rows[0]["tp"], rows[0]["fn"], rows[0]["tp_fp_fn"]) == ("1", "1", "0.500000")
    assert float(rows[0]["mean_iou"]) == pytest.approx(7 / 9)
    assert (rows[2]["tp_fp_fn"], rows[2]["mean_iou"]) == ("", "")
    assert "miou" not in rows[0]


def test_a_network_of_pixels_is_scored_by_both(tmp_path: Path, by_brightness) -> None:
    """Parts of classes are objects; pixels are scored as without objects."""
    space = semantic_space(SPACE)
    truth = Instances.of_masks(SIZE, [block(4, 4, 8), block(4, 24, 12), block(20, 4, 8)], [0, 1, 0])
    image = np.zeros((*SIZE, 3), np.uint8)
    for mask, brightness in zip(truth.masks[:2], (128, 255), strict=True):
        image[mask.window] = brightness
    image[24:28, 24:28] = 128  # not annotated
    model = by_brightness
    model.change_card(label_space=space)
    predictor = Predictor(model, device="cpu", precision="float32")
    evaluation = evaluate(predictor, make_pairs(tmp_path, [truth], [image]), SPACE)
    labels = predictor(image).labels
    assert evaluation.objects.tp == 2
    assert evaluation.objects.fn == 1
    assert evaluation.objects.fp >= 1
    assert evaluation.objects.counted == ObjectRule(0)
    assert evaluation.pixels is not None
    painted = np.zeros(SIZE, int)
    for mask, label in zip(truth.masks, truth.labels, strict=True):
        painted[mask.window] = label + 1
    assert evaluation.pixels.pixel_accuracy == pytest.approx((labels == painted).mean())
    written = evaluation.to_dict()
    assert {"miou", "pixel_accuracy", "ap", "ap50_tp_fp_fn", "iou"} <= written.keys()
    assert evaluation.pictures.column("miou")[0] == pytest.approx(evaluation.pixels.miou)


def test_ap_counts_all_that_a_crowded_picture_gives(tmp_path: Path) -> None:
    ids = np.zeros((60, 120), np.int64)
    ids[::4, ::4] = np.arange(1, 451).reshape(15, 30)
    crowded = Instances.of_ids(ids)
    sure = Instances(crowded.size, crowded.labels, crowded.boxes, crowded.masks, np.ones(450, np.float32))
    evaluation = evaluate(FindsObjects([sure]), make_pairs(tmp_path, [crowded]), SPACE)
    assert evaluation.objects.max_detections == 450
    assert evaluation.objects.ap == pytest.approx(1)


def test_what_cannot_be_scored_is_refused(tmp_path: Path, truths: list[Instances], found: list[Instances]) -> None:
    predictor = FindsObjects(found)
    pairs = make_pairs(tmp_path, truths)
    with pytest.raises(SettingError, match="no pictures"):
        evaluate(predictor, [], SPACE)
    with pytest.raises(SettingError, match="read as cell, but the model knows cell, seed"):
        evaluate(predictor, pairs, LabelSpace(("cell",)))
    with pytest.raises(DataError, match=r"0\.png: there are no objects"):
        evaluate(predictor, [pairs[1], Pair("0.png", pairs[0].image, None)], SPACE)
    with pytest.raises(DataError, match=r"30x40 but its objects lie on 5x5"):
        evaluate(predictor, [Pair("0.png", pairs[0].image, None, Known(Instances.none((5, 5))))], SPACE)


def test_nothing_at_all_is_not_defined(tmp_path: Path) -> None:
    none = Instances.none(SIZE)
    evaluation = evaluate(FindsObjects([none]), make_pairs(tmp_path, [none]), SPACE)
    assert evaluation.ranked() == []
    assert math.isnan(evaluation.objects.ap50_tp_fp_fn)
