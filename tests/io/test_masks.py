from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.errors import DataError, PixelwiseError
from pixelwise.io.masks import mask_palette, read_mask, write_labels
from pixelwise.types import LabelSpace

INDICES = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_palette_masks_give_indices(tmp_path: Path) -> None:
    image = Image.fromarray(INDICES)
    image.putpalette([9, 8, 7, 200, 0, 0, 0, 200, 0] + [0] * 759)
    path = save(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_mask(path), INDICES)
    palette = mask_palette(path)
    assert palette is not None
    assert palette[:3] == ((9, 8, 7), (200, 0, 0), (0, 200, 0))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits_give_indices(tmp_path: Path, bits: int) -> None:
    indices = np.arange(2**bits, dtype=np.uint8)[None].repeat(2, 0)
    image = Image.fromarray(indices)
    image.putpalette(list(range(3 * 2**bits)))
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", image, bits=bits)), indices)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate"])
def test_palette_masks_in_tiff_give_indices(tmp_path: Path, compression: str | None) -> None:
    image = Image.fromarray(INDICES)
    image.putpalette([9, 8, 7, 200, 0, 0, 0, 200, 0] + [0] * 759)
    path = save(tmp_path / "a.tif", image, compression=compression)
    np.testing.assert_array_equal(read_mask(path), INDICES)
    palette = mask_palette(path)
    assert palette is not None
    assert palette[:3] == ((9, 8, 7), (200, 0, 0), (0, 200, 0))


def test_grey_masks_give_numbers(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(INDICES))
    np.testing.assert_array_equal(read_mask(path), INDICES)
    assert mask_palette(path) is None


def test_1_bit_masks_give_0_and_1(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(INDICES > 1))
    np.testing.assert_array_equal(read_mask(path), INDICES > 1)
    assert read_mask(path).dtype == np.uint8


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_masks(tmp_path: Path, suffix: str) -> None:
    numbers = INDICES.astype(np.uint16) * 257
    mask = read_mask(save(tmp_path / f"a.{suffix}", Image.fromarray(numbers)))
    assert mask.dtype == np.uint16
    np.testing.assert_array_equal(mask, numbers)


def test_colours_without_alpha(tmp_path: Path) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (4, 5, 4), np.uint8)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", Image.fromarray(rgba))), rgba[..., :3])


def test_exif_rotation_is_applied_as_to_pictures(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    mask = read_mask(save(tmp_path / "a.png", Image.fromarray(INDICES), exif=exif))
    np.testing.assert_array_equal(mask, np.rot90(INDICES, -1))


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.int64, np.bool_])
def test_whole_numbers_of_other_types_are_taken(tmp_path: Path, dtype: Any) -> None:
    tifffile.imwrite(tmp_path / "a.tif", INDICES.astype(dtype), photometric="minisblack")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), INDICES.astype(dtype))


@pytest.mark.parametrize("values", [[[0.5, 1.0]], [[-2.0, 0.0]], [[0.0, 70000.0]], [[0.0, np.inf]]])
def test_what_is_no_class_number_is_refused(tmp_path: Path, values: list[list[float]]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array(values, np.float32))
    with pytest.raises(DataError, match=r"a\.tif: a mask holds whole numbers"):
        read_mask(tmp_path / "a.tif")


def test_masks_of_many_channels_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 6), np.uint8), photometric="minisblack", planarconfig="contig")
    with pytest.raises(DataError, match="index PNG"):
        read_mask(tmp_path / "a.tif")


def test_written_labels_read_back_with_their_palette(tmp_path: Path) -> None:
    space = LabelSpace(("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    write_labels(tmp_path / "a.png", INDICES, space)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), INDICES)
    palette = mask_palette(tmp_path / "a.png")
    assert palette is not None
    assert palette[:3] == space.colors
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), space.colorize(INDICES))


def test_many_classes_are_written_in_16_bits(tmp_path: Path) -> None:
    labels = np.array([[0, 299], [65535, 256]], np.int64)
    write_labels(tmp_path / "a.png", labels, LabelSpace.of(300))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), labels)


def test_labels_that_cannot_be_written_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(PixelwiseError, match="absent"):
        write_labels(tmp_path / "absent" / "a.png", INDICES, LabelSpace.of(3))
    assert list(tmp_path.iterdir()) == []
