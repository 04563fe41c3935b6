"""Evaluation over files: the whole set, each picture, and what is wrong with them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.source import Pair
from pixelwise.errors import DataError, PixelwiseError, SettingError
from pixelwise.inference import Predictor
from pixelwise.models import build_model
from pixelwise.runs.calibration import measure_halo
from pixelwise.scoring import evaluate, judge_for, judge_pictures
from pixelwise.scoring.choosing import choose_ends_and_middle
from pixelwise.scoring.keeping import Budget
from pixelwise.types import LabelSpace

SIZES = [(16, 24), (9, 31), (40, 8), (16, 24)] * 3


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    rng = np.random.default_rng(0)
    made = []
    for number, size in enumerate(SIZES):
        image, mask = tmp_path / f"{number}.png", tmp_path / f"{number}_mask.png"
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(image)
        Image.fromarray(rng.choice(np.array([0, 1, 2, 255], np.uint8), size)).save(mask)
        made.append(Pair(f"{number}.png", image, mask))
    return made


def test_the_whole_set_is_counted_at_once_and_each_picture_alone(by_brightness, pairs: list[Pair]) -> None:
    predictor = Predictor(by_brightness, device="cpu")
    calls: list[tuple[int, int]] = []
    evaluation = evaluate(predictor, pairs, predictor.label_space, progress=lambda *done: calls.append(done))
    counts = np.zeros((3, 3), np.int64)
    ignored = 0
    table = evaluation.pictures
    names = [column.name for column in table.columns]
    for pair, row, size in zip(pairs, table.rows, SIZES, strict=True):
        picture = dict(zip(names, row.cells, strict=True))
        mask = np.asarray(Image.open(pair.mask))
        labels = predictor(pair.image).labels
        kept = mask != 255
        np.add.at(counts, (mask[kept], labels[kept]), 1)
        ignored += int((~kept).sum())
        assert (picture["id"], picture["height"], picture["width"]) == (pair.id, *size)
        assert picture["pixel_accuracy"] == pytest.approx((mask == labels)[kept].mean())
        for k in range(3):
            both, either = ((mask == k) & (labels == k)).sum(), (((mask == k) | (labels == k)) & kept).sum()
            assert picture[f"iou {predictor.label_space.names[k]}"] == pytest.approx(both / either)
            assert picture[f"accuracy {predictor.label_space.names[k]}"] == pytest.approx(both / (mask == k).sum())
    np.testing.assert_array_equal(evaluation.pixels.counts, counts)
    assert evaluation.pixels.ignored_pixels == ignored
    assert evaluation.pixels.images == len(pairs)
    assert calls == [(done, len(pairs)) for done in range(1, len(pairs) + 1)]


def test_pictures_are_ranked_from_worst_to_best_and_empty_ones_have_no_place(by_brightness, pairs: list[Pair]) -> None:
    Image.fromarray(np.full(SIZES[0], 255, np.uint8)).save(pairs[0].mask)
    evaluation = evaluate(Predictor(by_brightness, device="cpu"), pairs, by_brightness.label_space)
    mious = [evaluation.pictures.column("miou")[place] for place in evaluation.ranking]
    assert evaluation.ranked() == [pairs[place].id for place in evaluation.ranking]
    assert mious == sorted(mious)
    assert len(mious) == len(pairs) - 1


def test_csv_has_a_row_a_picture_and_empty_cells_for_absent_classes(
    by_brightness, pairs: list[Pair], tmp_path: Path
) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(pairs[0].image)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(pairs[0].mask)
    evaluation = evaluate(Predictor(by_brightness, device="cpu"), pairs[:2], by_brightness.label_space)
    evaluation.write_csv(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 2
    assert rows[0]["id"] == "0.png"
    assert (rows[0]["height"], rows[0]["width"]) == ("8", "8")
    assert float(rows[0]["iou dark"]) == 1.0
    assert rows[0]["iou bright"] == rows[0]["accuracy bright"] == ""
    assert float(rows[1]["miou"]) == pytest.approx(evaluation.pictures.column("miou")[1], abs=1e-6)
    with pytest.raises(PixelwiseError, match="folder"):
        evaluation.write_csv(tmp_path / "absent" / "scores.csv")


def test_bad_pairs_are_named(by_brightness, pairs: list[Pair]) -> None:
    predictor = Predictor(by_brightness, device="cpu")
    space = predictor.label_space
    with pytest.raises(SettingError, match="no pictures"):
        evaluate(predictor, [], space)
    with pytest.raises(SettingError, match="label space of the model"):
        evaluate(predictor, pairs, LabelSpace(("a", "b")))
    with pytest.raises(DataError, match=r"0\.png: the picture has no mask"):
        evaluate(predictor, [Pair("0.png", pairs[0].image, None)], space)
    with pytest.raises(DataError, match=r"0\.png.*mask is 9x31 but the image 16x24"):
        evaluate(predictor, [Pair("0.png", pairs[0].image, pairs[1].mask)], space)
    Image.fromarray(np.full(SIZES[2], 7, np.uint8)).save(pairs[2].mask)
    with pytest.raises(DataError, match=r"2_mask\.png: the mask holds 7"):
        evaluate(predictor, pairs, space)


def test_the_halo_is_measured_on_a_few_pictures(by_brightness, pairs: list[Pair]) -> None:
    reported: list[tuple[int, int]] = []
    predictor = Predictor(by_brightness, device="cpu")
    # This network looks at single pixels, so the shortest halo will do.
    assert measure_halo(predictor, pairs, predictor.label_space, progress=lambda *done: reported.append(done)) == 32
    assert reported == [(done, 6) for done in range(1, 7)]  # every second one of twelve


def test_a_halo_needs_pictures_and_labels(by_brightness, pairs: list[Pair]) -> None:
    predictor = Predictor(by_brightness, device="cpu")
    with pytest.raises(SettingError, match="no pictures"):
        measure_halo(predictor, [], predictor.label_space)
    finding = Predictor(build_model("faster_rcnn", classes=2, encoder="test_resnet"), device="cpu")
    assert measure_halo(finding, pairs, finding.label_space) is None  # tiles overlap by what objects measure


def test_pictures_are_drawn_alike_from_kept_labels_and_from_new_ones(by_brightness, pairs: list[Pair]) -> None:
    predictor = Predictor(by_brightness, device="cpu")
    judge = judge_for(predictor, pairs, predictor.label_space)
    kept = judge_pictures(judge, pairs)
    judge._budget = Budget(0)
    anew = judge_pictures(judge, pairs)
    assert all(one.labels is not None for one in kept.compared)
    assert all(one.labels is None for one in anew.compared)
    evaluation = kept.evaluation()
    for one, other in zip(kept.examples(evaluation), anew.examples(evaluation), strict=True):
        assert (one.id, one.caption, one.group) == (other.id, other.caption, other.group)
        np.testing.assert_array_equal(one.prediction, other.prediction)
        np.testing.assert_array_equal(one.errors, other.errors)


def test_worst_median_and_best_never_show_a_picture_twice() -> None:
    ranking = list(range(20))
    assert choose_ends_and_middle(ranking, 2) == [("Worst", [0, 1]), ("Median", [9, 10]), ("Best", [19, 18])]
    assert [len(chosen) for _, chosen in choose_ends_and_middle(ranking[:6], 2)] == [6]
