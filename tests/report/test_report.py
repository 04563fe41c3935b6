"""The report says what the scores say, needs no other file, and cannot be broken by names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from pages import Checker

from pixelwise.errors import PixelwiseError
from pixelwise.metrics.scores import Scores
from pixelwise.report import write_report
from pixelwise.report.figures import draw_curves
from pixelwise.report.sections import confusion_shares, distribution, largest_confusions
from pixelwise.scoring import Evaluation
from pixelwise.scoring.example import Example
from pixelwise.scoring.pixel_comparison import PixelComparison
from pixelwise.scoring.pixel_drawing import IGNORED_COLOR, WRONG_COLOR, draw_pixels
from pixelwise.scoring.pixel_tables import pixel_evaluation
from pixelwise.scoring.tables import describe_interval
from pixelwise.types import LabelSpace

CLASSES = LabelSpace(("sea", "land", "<b>lake</b>"), colors=((10, 20, 200), (20, 150, 30), (90, 200, 250)))
COUNTS = np.array([[900, 90, 10], [50, 450, 0], [0, 0, 0]])


@pytest.fixture
def evaluation() -> Evaluation:
    alone = [np.diag([n, n, 0]) + np.array([[0, 12 - n, 0], [12 - n, 0, 0], [0, 0, 0]]) for n in range(12)]
    pictures = [PixelComparison(f"{n}.png", (4, 6), counts) for n, counts in enumerate(alone)]
    return pixel_evaluation(Scores.from_counts(COUNTS, CLASSES, images=12), pictures, CLASSES)


def example(group: str = "Worst") -> Example:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    mask = rng.integers(0, 2, (20, 30), dtype=np.uint8)
    return draw_pixels("folder/a&b.png", image, mask, mask, CLASSES, caption="mIoU 0.5", group=group)


def read(path: Path) -> tuple[str, Checker]:
    page = path.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return page, checker


def test_a_full_report_holds_everything_and_loads_nothing(evaluation: Evaluation, tmp_path: Path) -> None:
    history = [
        {"step": "10", "loss": "1.5", "learning_rate": "0.001", "miou": ""},
        {"step": "20", "loss": "1.25", "learning_rate": "0.0005", "miou": ""},
        {"step": "20", "loss": "", "learning_rate": "", "miou": "0.4321"},
    ]
    write_report(
        tmp_path / "report.html",
        title="Earth & <moon>",
        evaluation=evaluation,
        examples=[example()],
        history=history,
        settings=[("batch", "8", "fits the memory")],
        notes=["a note"],
        commands=["pixelwise evaluate 'a run' data"],
    )
    page, checker = read(tmp_path / "report.html")
    text = " ".join(" ".join(checker.text).split())
    scores = evaluation.pixels
    assert scores is not None
    assert evaluation.intervals is not None
    for expected in (
        "Earth & <moon>",
        f"{scores.miou:.3f}",
        scores.rule,
        evaluation.intervals.meaning,
        describe_interval(evaluation.headline.interval),
        describe_interval(evaluation.intervals.class_iou["sea"]),
        "<b>lake</b>",
        "best 0.432 at step 20",
        "1.250 at the end",
        "fits the memory",
        "a note",
        "pixelwise evaluate 'a run' data",
        "folder/a&b.png",
        "90 pixels, 9.0% of sea",
    ):
        assert expected in text
    assert "<b>lake</b>" not in page
    assert len(checker.loads) == 4
    assert all(load.startswith("data:image/jpeg;base64,") for load in checker.loads)
    assert not re.search(r"<script[^>]|@import|url\(", page.replace("url(#", ""))


def test_a_report_of_scores_alone_leaves_the_rest_out(tmp_path: Path) -> None:
    nothing = Scores.from_counts(np.zeros((3, 3), np.int64), CLASSES)
    write_report(tmp_path / "r.html", title="t", evaluation=pixel_evaluation(nothing, (), CLASSES))
    page, _ = read(tmp_path / "r.html")
    for heading in ("Pictures</h2>", "Training</h2>", "Settings", "From picture to picture", "What is taken"):
        assert heading not in page
    assert "nan" not in page[: page.index("<script>")].lower().replace("nance", "")


def test_many_classes_get_no_unreadable_table(tmp_path: Path) -> None:
    many = LabelSpace.of(150)
    counts = np.eye(150, dtype=np.int64)
    counts[3, 4] = 2
    evaluation = pixel_evaluation(Scores.from_counts(counts, many), (), many)
    write_report(tmp_path / "r.html", title="t", evaluation=evaluation)
    page, checker = read(tmp_path / "r.html")
    assert 'class="matrix' not in page
    assert "2 pixels, 66.7% of class 3" in " ".join(checker.text)


def test_a_report_that_cannot_be_written_leaves_nothing(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(PixelwiseError, match="folder does not exist"):
        write_report(tmp_path / "absent" / "r.html", title="t", evaluation=evaluation)
    assert list(tmp_path.iterdir()) == []


def test_confusions_are_the_largest_first_and_shares_are_of_the_true_class(evaluation: Evaluation) -> None:
    found = largest_confusions(evaluation.pixels)
    assert [(c.target, c.prediction, c.pixels) for c in found] == [
        ("sea", "land", 90),
        ("land", "sea", 50),
        ("sea", "<b>lake</b>", 10),
    ]
    assert found[0].share == pytest.approx(0.09)
    np.testing.assert_allclose(confusion_shares(evaluation.pixels), [[0.9, 0.09, 0.01], [0.1, 0.9, 0], [0, 0, 0]])


def test_distribution_counts_every_picture_once_and_few_are_none() -> None:
    counts = distribution([0.0, 1.0, 0.5, 0.5, 0.51, 0.99, 0.2, 0.3, float("nan")], bins=10)
    assert counts is not None
    assert sum(counts) == 8
    assert counts[5] == 3
    assert counts[9] == 2
    assert distribution([0.5] * 7) is None


def test_errors_are_red_where_wrong_and_blue_where_ignored() -> None:
    image = np.full((4, 6, 3), 80, np.uint8)
    mask = np.zeros((4, 6), np.uint8)
    mask[0] = 255
    labels = np.zeros((4, 6), np.uint8)
    labels[:, 3:] = 1
    errors = draw_pixels("x", image, mask, labels, CLASSES).errors
    assert (errors[1:, 3:] == WRONG_COLOR).all()
    assert np.ptp(errors[1:, :3], axis=2).max() == 0
    assert (errors[0, :, 2] > errors[0, :, 0]).all()
    assert errors[0, 0].tolist() != list(IGNORED_COLOR)


def test_large_pictures_are_reduced_and_their_labels_stay_labels() -> None:
    rng = np.random.default_rng(0)
    mask = np.kron(rng.integers(0, 2, (10, 20)), np.ones((40, 40))).astype(np.uint8)  # (400, 800)
    image = np.zeros((*mask.shape, 3), np.uint8)
    drawn = draw_pixels("x", image, mask, 1 - mask, CLASSES, longest=200)
    assert drawn.image.shape == drawn.truth.shape == drawn.errors.shape == (100, 200, 3)
    assert (drawn.errors == WRONG_COLOR).all()


def test_noise_can_be_shown(evaluation: Evaluation, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    noisy = Example("noise.png", "mIoU 0.1", "Worst", noise, noise, noise, noise)
    write_report(tmp_path / "r.html", title="t", evaluation=evaluation, examples=(noisy,))
    assert all(path.stat().st_size > 512 * 512 for path in (tmp_path / "r-pictures").iterdir())


def test_curves_follow_the_page_and_pass_over_empty_cells() -> None:
    curves = draw_curves([{"step": "5", "loss": "0.5"}, {"step": "9", "loss": "", "miou": "0.25"}])
    assert [curve.heading for curve in curves] == [
        "Training loss, 0.500 at the end",
        "Validation mIoU, best 0.250 at step 9",
    ]
    for curve in curves:
        assert curve.svg.startswith("<svg")
        assert "var(--accent)" in curve.svg
        assert "#0" not in re.sub(r'"#\w+"|url\(#\w+\)', "", curve.svg).replace("#000000", "")
    assert draw_curves([]) == ()
    (of_objects,) = draw_curves([{"step": "3", "ap": "nan"}, {"step": "6", "ap": "0.5"}])
    assert of_objects.heading == "Validation AP, best 0.500 at step 6"
