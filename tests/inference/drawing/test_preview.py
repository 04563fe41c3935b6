"""Small pictures of large rasters show what lies where."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.inference.drawing import preview
from pixelwise.inference.drawing.overlay import paint
from pixelwise.io.rasters.opening import open_source
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

CLASSES = LabelSpace(("a", "b"), colors=((200, 0, 0), (0, 100, 0)))
INERT = Preprocessing((0.0,) * 3, (1.0,) * 3)


def test_a_small_raster_is_painted_as_it_is() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 50, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, (30, 50), dtype=np.uint8)
    found = preview.paint_preview(open_source(image), open_source(labels), CLASSES, INERT)
    np.testing.assert_array_equal(found, paint(image, labels, CLASSES))


@pytest.mark.parametrize("size", [(61, 97), (97, 61), (60, 90), (1, 97)])
def test_windows_join_to_the_reduced_whole(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "_WINDOW_SIDE", 24)
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows * 2, columns * 2, rows * 0], axis=2).astype(np.uint8)
    labels = np.full(size, 255, np.uint8)  # ignored pixels show the bare picture
    found = preview.paint_preview(open_source(image), open_source(labels), CLASSES, INERT, longest=30)
    factor = 4 if max(size) == 97 else 3
    assert found.shape == (-(-height // factor), -(-width // factor), 3)
    for i, j in np.ndindex(*found.shape[:2]):  # slow loop: the mean of each square
        square = image[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
        assert np.abs(found[i, j].astype(float) - square.mean((0, 1))).max() <= factor + 1  # cut squares are uneven


def test_labels_are_those_in_the_middle() -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[1::4, 1::4] = 1
    sampled = np.full((40, 40), 0, np.uint8)
    sampled[2::4, 2::4] = 1
    image = np.full((40, 40, 3), 100, np.uint8)
    for given, green in ((labels, False), (sampled, True)):
        found = preview.paint_preview(open_source(image), open_source(given), CLASSES, INERT, longest=10)
        assert found.shape == (10, 10, 3)
        assert (found[..., 1] > found[..., 0]).all() == green
