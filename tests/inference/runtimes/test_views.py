"""Views read back on the picture, against the picture itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelwise.errors import SettingError
from pixelwise.inference.runtimes.views import View, parse_views
from pixelwise.models import Coarse
from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.tail.reference import upsample_band

SYMMETRIES = parse_views(("hflip", "rotations"))


def read(view: View, image: np.ndarray, stride: int) -> np.ndarray:
    """What stands at each pixel of a picture (C, H, W) after a view is averaged over cells and read back."""
    view_input = torch.from_numpy(view.show(image).copy()).float()[None]
    height, width = view_input.shape[2:]
    padded = torch.nn.functional.pad(view_input, (0, -width % stride, 0, -height % stride), mode="replicate")
    cells = torch.nn.functional.avg_pool2d(padded, stride)
    coarse = Coarse(cells, (height, width), 1 / stride, 0.5 / stride - 0.5)
    back = view.read_back(coarse, image.shape[1:])
    grid = resolve_grid(back.logits.shape[2:], back.size, back.scale, back.offset)
    return upsample_band(back.logits, *grid, slice(0, image.shape[1]))[0].numpy()


def test_symmetries_are_all_eight_of_a_square() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    seen = {tuple(map(tuple, view.show(image)[0].tolist())) for view in SYMMETRIES}
    turns = [np.rot90(side, k) for side in (image[0], image[0, :, ::-1]) for k in range(4)]
    assert seen == {tuple(map(tuple, turn.tolist())) for turn in turns}
    assert len(seen) == 8


@pytest.mark.parametrize("view", SYMMETRIES, ids=str)
def test_symmetries_are_undone_exactly(view: View) -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 7, 11), dtype=np.uint8)
    np.testing.assert_array_equal(read(view, image, 1), image)


@pytest.mark.parametrize("view", parse_views(("hflip", "rotations", 0.75, 1.25, 2)), ids=str)
@pytest.mark.parametrize("size", [(48, 64), (45, 59)])
def test_zoomed_views_lie_on_the_pixels_they_came_from(view: View, size: tuple[int, int]) -> None:
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows * 4, columns * 4]).astype(np.uint8)  # every pixel says where it lies
    found = read(view, image, 4) / 4
    inner = np.s_[:, 6 : height - 6, 6 : width - 6]
    # A shift by a single pixel would show; grey values are whole numbers, a quarter of a pixel apart.
    np.testing.assert_allclose(found[inner], np.stack([rows, columns])[inner], atol=0.3)
    assert abs((found[inner] - np.stack([rows, columns])[inner]).mean()) < 0.06


@pytest.mark.parametrize(
    ("wanted", "count"),
    [((), 1), (("hflip",), 2), (("hflip", "vflip"), 4), (("rotations",), 4), (("vflip", "rotations"), 8)],
)
def test_views_are_counted_once_and_the_plain_one_comes_first(wanted: tuple[str, ...], count: int) -> None:
    views = parse_views(wanted)
    assert len(set(views)) == len(views) == count
    assert views[0].plain
    assert len(parse_views((*wanted, "0.75", 1.25, 1))) == 3 * count


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [(("hflop",), "'hflop'.*hflip"), ((0.0,), "between 0.1 and 10"), (("nan",), "between"), (("-1",), "between")],
)
def test_what_is_no_view_is_named(wanted: tuple[str | float, ...], complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        parse_views(wanted)


def test_a_single_pixel_can_be_zoomed_away_from_nothing() -> None:
    image = np.full((3, 1, 1), 7, np.uint8)
    for view in parse_views(("rotations", 0.5, 3)):
        np.testing.assert_array_equal(read(view, image, 4), image)
