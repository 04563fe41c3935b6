"""Pictures in which found, missed and wrong objects can be told apart, and the page that shows them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from pixelwise.instances import BoxMask, Instances
from pixelwise.metrics.objects import score_objects
from pixelwise.report import write_report
from pixelwise.scoring import Evaluation
from pixelwise.scoring.example import EXAMPLE_SIDE
from pixelwise.scoring.object_drawing import CROWD_COLOR, FOUND_COLOR, MISSED_COLOR, WRONG_COLOR, draw_objects
from pixelwise.scoring.object_tables import PictureObjects, object_evaluation
from pixelwise.types import LabelSpace

SPACE = LabelSpace(("cell <b>", "seed", "absent"))
SIZE = (60, 90)


def block(top: int, left: int, side: int = 14) -> BoxMask:
    mask = np.zeros(SIZE, bool)
    mask[top : top + side, left : left + side] = True
    return BoxMask.of(mask)


TRUTH = Instances.of_masks(
    SIZE,
    [block(2, 2), block(2, 30), block(30, 60, 26)],
    [0, 1, 0],
    crowd=np.array([False, False, True]),
)
PREDICTION = Instances.of_masks(
    SIZE,
    [block(3, 2), block(30, 2), block(34, 66, 8), block(2, 60)],
    [0, 0, 0, 1],
    scores=np.array([0.9, 0.8, 0.7, 0.2], np.float32),
)


def evaluation() -> Evaluation:
    scores = score_objects([TRUTH], [PREDICTION], SPACE)
    return object_evaluation(scores, (PictureObjects("a.png", SIZE, 2, 1, 1, 1, 0.9),) * 9, SPACE)


def test_what_became_of_each_object_is_told_by_colour() -> None:
    image = np.full((*SIZE, 3), 90, np.uint8)
    example = draw_objects("a.png", image, TRUTH, PREDICTION, SPACE)
    errors = example.errors
    assert tuple(errors[3, 2]) == FOUND_COLOR
    assert tuple(errors[30, 2]) == WRONG_COLOR
    assert tuple(errors[2, 30]) == MISSED_COLOR
    assert tuple(errors[30, 60]) == CROWD_COLOR
    assert tuple(errors[34, 66]) == CROWD_COLOR
    empty = errors[50, 40]
    assert len(set(empty.tolist())) == 1
    np.testing.assert_array_equal(errors[8, 67], empty)  # its score is too low to count
    inside = [errors[row, column].astype(int) for row, column in ((37, 9), (9, 37), (9, 9))]
    for pixel, strongest in zip(inside, (0, 2, 1), strict=True):
        assert pixel.argmax() == strongest
    np.testing.assert_array_equal(example.image, image)
    assert (example.truth[8, 8] != image[8, 8]).any()
    assert (example.truth[34, 8] == image[34, 8]).all()
    assert (example.prediction[34, 8] != image[34, 8]).any()
    assert (example.prediction[8, 67] == image[8, 67]).all()


def test_boxes_are_drawn_where_there_are_no_masks() -> None:
    boxes = Instances(SIZE, PREDICTION.labels, PREDICTION.boxes, None, PREDICTION.scores)
    errors = draw_objects("a.png", np.zeros((*SIZE, 3), np.uint8), TRUTH, boxes, SPACE).errors
    assert tuple(errors[3, 2]) == FOUND_COLOR
    assert tuple(errors[30, 2]) == WRONG_COLOR


def test_large_pictures_are_reduced() -> None:
    large = Instances.of_masks((700, 1400), [BoxMask(np.ones((300, 300), bool), 10, 10, (700, 1400))], [0])
    example = draw_objects("a.png", np.zeros((700, 1400, 3), np.uint8), large, large, SPACE)
    for view in (example.image, example.truth, example.prediction, example.errors):
        assert view.shape == (320, EXAMPLE_SIDE, 3)


def test_the_page_holds_figures_classes_and_pictures(tmp_path: Path) -> None:
    image = np.full((*SIZE, 3), 90, np.uint8)
    write_report(
        tmp_path / "report.html",
        title="Cells <1>",
        evaluation=evaluation(),
        examples=[draw_objects("a.png", image, TRUTH, PREDICTION, SPACE, group="Worst", caption="1 found")],
        settings=[("proposals", "400", "the most crowded picture has 375")],
        notes=["A note."],
    )
    page = (tmp_path / "report.html").read_text()
    scores = evaluation().objects
    assert scores is not None
    for text in (
        "Cells &lt;1&gt;",
        "cell &lt;b&gt;",
        f"{scores.ap:.3f}",
        f"{scores.ap50_tp_fp_fn:.3f}",
        "boundary AP",
        "mask AP",
        "the most crowded picture has 375",
        "A note.",
        scores.rule.split(";")[0],
        "TP / (TP + FP + FN) of a picture on its own",
    ):
        assert text in page, text
    assert page.count("data:image/jpeg") == 4
    assert "nan" not in page[: page.index("<script>")].lower()
    assert "What is taken for what" not in page
    assert '<tr class="absent">' in page


def test_a_page_where_nothing_is_defined(tmp_path: Path) -> None:
    none = Instances.none(SIZE)
    scores = score_objects([none], [none], SPACE)
    empty = object_evaluation(scores, (PictureObjects("a.png", SIZE, 0, 0, 0, 0, math.nan),), SPACE)
    write_report(tmp_path / "report.html", title="Nothing", evaluation=empty)
    page = (tmp_path / "report.html").read_text()
    assert '<p class="figure">-</p>' in page
    assert ">nan<" not in page.lower()
