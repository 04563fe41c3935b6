from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image

from pixelwise.errors import DataError, SettingError
from pixelwise.instances import BoxMask
from pixelwise.ops import decode_box_mask, decode_rle, encode_rle, paste_masks

pytestmark = pytest.mark.usefixtures("form")

BOXES = torch.tensor(
    [
        [10.0, 5.0, 60.0, 40.0],
        [3.3, 7.7, 9.1, 70.2],
        [-20.5, -10.0, 30.0, 20.0],  # over the upper left corner
        [80.0, 60.0, 130.0, 130.0],  # over the lower right corner
        [20.0, 20.0, 20.4, 20.4],  # within one pixel
        [50.0, 40.0, 45.0, 30.0],  # turned inside out
        [200.0, 10.0, 220.0, 20.0],  # beside the picture
        [0.0, 0.0, 90.0, 80.0],  # all of it
        [-500.0, 30.0, 500.0, 34.0],
    ]
)
SIZE = (81, 91)


def make(cells=28):
    generator = torch.Generator().manual_seed(cells)
    noise = torch.rand(len(BOXES), 1, max(2, cells // 4), max(2, cells // 4), generator=generator)
    return torch.nn.functional.interpolate(noise, (cells, cells), mode="bicubic")[:, 0].clamp(0, 1)


@pytest.mark.parametrize("cells", [2, 7, 28])
def test_matches_torchvision(cells):
    masks = make(cells)
    expected = paste_masks_in_image(masks[:, None], BOXES, SIZE)[:, 0]
    pasted = paste_masks(masks, BOXES, SIZE)
    for mask, probability in zip(pasted, expected, strict=True):
        assert mask.full().shape == SIZE
        wrong = torch.from_numpy(mask.full()) != (probability > 0.5)
        assert not (wrong & ((probability - 0.5).abs() > 1e-5)).any()


def test_holds_no_more_than_its_box():
    pasted = paste_masks(make(), BOXES, SIZE)
    assert pasted[0].pixels.size < 55 * 40
    assert pasted[6].pixels.size == 0
    assert pasted[6].area == 0


def test_threshold_and_shapes():
    ones = torch.full((1, 1, 4, 4), 0.6)
    box = torch.tensor([[4.0, 4.0, 12.0, 12.0]])
    assert paste_masks(ones, box, (20, 20), threshold=0.5)[0].area > 40
    assert paste_masks(ones, box, (20, 20), threshold=0.7)[0].area == 0
    assert paste_masks(ones[:0], box[:0], (20, 20)) == []


def test_bad_arguments():
    with pytest.raises(SettingError, match="masks must be"):
        paste_masks(torch.zeros(2, 4, 4), BOXES, SIZE)
    with pytest.raises(SettingError, match=r"masks must be .* got \(1, 0, 0\)"):
        paste_masks(torch.zeros(1, 0, 0), BOXES[:1], SIZE)
    with pytest.raises(SettingError, match="finite"):
        paste_masks(torch.zeros(1, 4, 4), torch.tensor([[0.0, 0.0, float("nan"), 1.0]]), SIZE)
    with pytest.raises(SettingError, match="beyond a picture of 5x5"):
        BoxMask(np.zeros((3, 3), bool), 3, 0, (5, 5))
    with pytest.raises(SettingError, match="must be bool"):
        BoxMask(np.zeros((3, 3)), 0, 0, (5, 5))


def slow_runs(mask):
    runs, value = [0], 0
    for pixel in np.asarray(mask).T.flatten().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def masks_to_encode():
    generator = torch.Generator().manual_seed(0)
    yield torch.zeros(5, 4, dtype=torch.bool)
    yield torch.ones(5, 4, dtype=torch.bool)
    yield torch.eye(7, dtype=torch.bool)
    yield torch.ones(1, 1, dtype=torch.bool)
    yield torch.rand(40, 60, generator=generator) < 0.5
    blob = torch.zeros(300, 2000, dtype=torch.bool)
    blob[:, 700:1500] = True
    blob[100:150, 20:1900] = True
    yield blob


@pytest.mark.parametrize("mask", list(masks_to_encode()), ids=lambda mask: "x".join(map(str, mask.shape)))
def test_encoding_is_inverse_and_that_of_pycocotools(mask):
    coco = pytest.importorskip("pycocotools.mask")
    rle = encode_rle(mask)
    assert torch.equal(decode_rle(rle), mask)
    assert rle["counts"] == coco.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))["counts"].decode()
    assert torch.equal(decode_rle({"size": list(mask.shape), "counts": slow_runs(mask)}), mask)


@pytest.mark.parametrize(("top", "left", "size"), [(0, 0, (9, 8)), (2, 3, (9, 8)), (1, 0, (5, 4)), (0, 2, (4, 6))])
@pytest.mark.parametrize("fill", ["ones", "zeros", "random"])
def test_box_local_encoding_is_that_of_the_whole(top, left, size, fill):
    mask = {
        "ones": torch.ones(4, 4, dtype=torch.bool),
        "zeros": torch.zeros(4, 4, dtype=torch.bool),
        "random": torch.rand(4, 4, generator=torch.Generator().manual_seed(1)) < 0.5,
    }[fill]
    local = BoxMask(mask.numpy(), top, left, size)
    assert encode_rle(local) == encode_rle(local.full())
    decoded = decode_box_mask(encode_rle(local))
    assert np.array_equal(decode_rle(encode_rle(local)), local.full())
    assert np.array_equal(decoded.full(), local.full())
    assert decoded.pixels.shape == local.trimmed().pixels.shape


def test_pasted_masks_encode():
    for mask in paste_masks(make(), BOXES, SIZE):
        assert np.array_equal(decode_rle(encode_rle(mask)), mask.full())


def test_integer_masks_encode_and_others_are_refused():
    assert encode_rle(torch.eye(3, dtype=torch.int64)) == encode_rle(torch.eye(3, dtype=torch.bool))
    with pytest.raises(SettingError, match="0 and 1"):
        encode_rle(torch.full((3, 3), 255))


@pytest.mark.parametrize("counts", ["P", "zz", [3, 4], [-2, 11], "\x01"])
def test_damaged_encodings_are_named(counts):
    with pytest.raises(DataError, match="damaged"):
        decode_rle({"size": [3, 3], "counts": counts})
