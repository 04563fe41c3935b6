"""The drawing shows what the pixel reads, in figures that are those of the table."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from pixelwise.errors import SettingError
from pixelwise.inspection import Inspection, draw_field, inspect_model, sample_image
from pixelwise.inspection.picture import MOST_BOXES, FieldBox, field_boxes, seen_pixel
from pixelwise.models import MODELS, build_model


def look(name: str, size: tuple[int, int], **options: Any) -> Inspection:
    with torch.device("meta"):
        return inspect_model(build_model(name, classes=2, **options), size=size)


def side(box: FieldBox) -> int:
    assert box.sides is not None
    return max(box.sides)


def test_the_drawing_shows_what_the_pixel_reads() -> None:
    found = look("unet2015", (196, 228), in_channels=1)
    *stages, label = field_boxes(found)
    margin, pixel = found.geometry.margin, seen_pixel(found)
    rows, columns = (found.geometry.reads(at) for at in pixel)
    assert (label.first, label.last) == (
        (rows[0] - margin, columns[0] - margin),
        (rows[1] - margin, columns[1] - margin),
    )
    for box in stages:  # all around the pixel
        assert box.last is not None
        assert label.last is not None
        assert min(box.first) >= min(label.first)
        assert max(box.last) <= max(label.last)
        for first, at, last in zip(box.first, pixel, box.last, strict=True):
            assert first - 8 <= at <= last + 8
    drawn = draw_field(found)
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 100


@pytest.mark.parametrize("size", [(500, 500), (375, 500), (64, 100)])
@pytest.mark.parametrize(("name", "field"), [("fcn32s", 436), ("fcn16s", 468), ("fcn8s", 468), ("unet2015", 204)])
def test_the_pixel_is_one_that_sees_the_most(name: str, field: int, size: tuple[int, int]) -> None:
    found = look(name, size, width=1 / 32)
    assert found.receptive_field == field
    *stages, label = field_boxes(found)
    assert label.sides == (field, field)
    assert label.text == f"{field} px"
    fields = {row.name: row.geometry.receptive_field for row in found.rows if row.geometry is not None}
    assert [box.text for box in stages] == [f"{fields[box.label]} px" for box in stages], "as the table says"


def test_a_cell_that_reads_less_than_others_says_so() -> None:
    found = look("fcn8s", (1, 1), width=1 / 32)  # a single pixel, which need not be one that sees the most
    label = field_boxes(found)[-1]
    assert side(label) < 468
    assert label.text == f"{side(label)} of 468 px"
    assert draw_field(found).shape[2] == 3


@pytest.mark.parametrize(
    ("name", "encoder", "largest"), [("fcn", "aligned_xception65", 1979), ("deeplabv3plus", "aligned_xception65", 2491)]
)
def test_of_many_stages_those_from_the_least_to_the_largest_are_shown(name: str, encoder: str, largest: int) -> None:
    found = look(name, (512, 512), encoder=encoder)
    boxes = field_boxes(found)
    assert len(boxes) == MOST_BOXES
    finite = [side(box) for box in boxes[:-1] if box.last is not None]
    assert finite == sorted(finite)
    assert (finite[0], finite[-1]) == (7, largest)
    assert max(after / before for before, after in pairwise(finite)) < 2.2, "no gap is wide"
    assert min(after / before for before, after in pairwise(finite)) > 1.3, "none is narrow"
    whole = [box.label for box in boxes if box.last is None]
    assert whole == (["decoder.aspp.project", "label of the pixel"] if name == "deeplabv3plus" else [])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_field_is_drawn_whole(name: str) -> None:
    options = {"encoder": "test_resnet"} if MODELS[name].encoder else {}
    found = look(name, (64, 96), **options)
    boxes = field_boxes(found)
    assert 2 <= len(boxes) <= MOST_BOXES
    fields = [row.geometry.receptive_field or 0 for row in found.rows if row.geometry is not None]
    assert max([side(box) for box in boxes if box.last is not None], default=0) >= max(fields) * 0.9
    drawn = draw_field(found).astype(int)
    canvas = drawn[:, : drawn.shape[1] - 430]
    grey = (abs(canvas - [226, 228, 230]) < 3).all(2)
    assert grey[[0, -1]].all(), "no box is cut"
    assert grey[:, [0, -1]].all()


def test_another_size_than_was_inspected_is_refused() -> None:
    with pytest.raises(SettingError, match="inspected size 64x64"):
        draw_field(look("fcn32s", (64, 64), width=1 / 32), sample_image((64, 65)))


def test_the_sample_image_is_the_same_every_time() -> None:
    assert (sample_image((40, 60)) == sample_image((40, 60))).all()
    assert sample_image((1, 1)).shape == (1, 1, 3)
