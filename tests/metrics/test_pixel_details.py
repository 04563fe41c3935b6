"""Details of pixels: what a set adds up does not depend on who counted its pictures, or in which order."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pixelwise.metrics.pixel_details import PictureDetails, PixelDetails
from pixelwise.metrics.scores import Scores
from pixelwise.ops.counting import count_labels
from pixelwise.types import LabelSpace

SPACE = LabelSpace.of(3)
SIZE = (40, 56)


def picture(seed: int) -> tuple[np.ndarray, PictureDetails]:
    """The counts and the details of a picture whose labels are its mask with other edges."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(3, *SIZE)), (0, 4, 4))
    target = noise.argmax(0).astype(np.uint8)
    target[rng.random(SIZE) < 0.1] = SPACE.ignore_index
    labels = (noise + 0.05 * rng.normal(size=noise.shape)).argmax(0).astype(np.uint8)
    confidence = rng.uniform(1 / 3, 1, SIZE).astype(np.float32)
    return count_labels(target, labels, SPACE), PictureDetails.of(target, labels, SPACE, confidence)


def details_of(pictures: list[tuple[np.ndarray, PictureDetails]]) -> PixelDetails:
    return PixelDetails(SPACE.names, [counts for counts, _ in pictures], [details for _, details in pictures])


def test_parts_of_a_set_add_up_to_the_set_exactly() -> None:
    pictures = [picture(seed) for seed in range(7)]
    whole, parts = details_of(pictures), [details_of(pictures[number::3]) for number in range(3)]
    for name in ("errors", "part_sizes", "reliability"):
        np.testing.assert_array_equal(getattr(whole, name), sum(getattr(part, name) for part in parts))
    shuffled = details_of([pictures[number] for number in (4, 1, 6, 0, 3, 5, 2)])
    for name in ("boundary_iou", "ece"):  # of integers; others are means over pictures
        assert shuffled.figures[name] == whole.figures[name]
    assert shuffled.figures == pytest.approx(whole.figures)


def test_the_iou_by_picture_is_the_mean_of_the_pictures_alone() -> None:
    pictures = [picture(seed) for seed in range(4)]
    alone = [Scores.from_counts(counts, SPACE).miou for counts, _ in pictures]
    assert details_of(pictures).figures["picture_iou"] == pytest.approx(np.mean(alone))


def test_one_picture_without_probabilities_leaves_the_set_without_calibration() -> None:
    counts, known = picture(0)
    found = details_of([(counts, known), (counts, PictureDetails(known.boundaries, known.part_sizes))]).to_dict()
    assert "ece" not in found
    assert "reliability" not in found
    assert set(found["class_boundary_iou"]) == set(SPACE.names)
