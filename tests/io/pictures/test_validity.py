"""Transparent, masked and no-data pixels are told the same way of every kind of file, decoded whole or by windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.io.images import image_info, read_picture
from pixelwise.io.rasters.opening import open_source

HOLE = np.zeros((5, 7), np.bool_)
HOLE[1:3, 2:6] = True
RGB = np.random.default_rng(0).integers(1, 200, (5, 7, 3), np.uint8)
ALPHA = np.where(HOLE, 0, 255).astype(np.uint8)[..., None]


def png_rgba(path: Path) -> None:
    Image.fromarray(np.concatenate([RGB, ALPHA], 2)).save(path, "PNG")


def png_la(path: Path) -> None:
    Image.fromarray(np.concatenate([RGB[..., :1], ALPHA], 2)).save(path, "PNG")


def png_deep_rgba(path: Path) -> None:
    import cv2

    cv2.imwrite(str(path.with_suffix(".png")), np.concatenate([RGB, ALPHA], 2).astype(np.uint16) * 257)
    path.with_suffix(".png").rename(path)


def png_palette(path: Path) -> None:
    image = Image.fromarray(np.where(HOLE, 3, RGB[..., 0] % 3).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3])
    image.save(path, "PNG", transparency=bytes([255, 128, 1, 0]))


def png_color_key(path: Path) -> None:
    pixels = RGB.copy()
    pixels[HOLE] = (255, 0, 255)
    pixels[0, 0] = (255, 0, 254)
    Image.fromarray(pixels).save(path, "PNG", transparency=(255, 0, 255))


def png_grey_key(path: Path) -> None:
    Image.fromarray(np.where(HOLE, 0, RGB[..., 0])).save(path, "PNG", transparency=0)


def gif(path: Path) -> None:
    image = Image.fromarray(np.where(HOLE, 3, RGB[..., 0] % 3).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3])
    image.save(path, "GIF", transparency=3)


def webp(path: Path) -> None:
    Image.fromarray(np.concatenate([RGB, ALPHA], 2)).save(path, "WEBP", lossless=True)


def tiff_alpha(path: Path) -> None:
    tifffile.imwrite(path, np.concatenate([RGB, ALPHA], 2), photometric="rgb", extrasamples=["unassalpha"])


def tiff_last_of_two_extra_samples(path: Path) -> None:
    bands = np.concatenate([RGB, RGB[..., :1], ALPHA], 2)
    tifffile.imwrite(path, bands, photometric="rgb", extrasamples=["unspecified", "unassalpha"])


def tiff_nodata(path: Path) -> None:
    pixels = RGB.astype(np.int16)
    pixels[HOLE] = -9999
    pixels[0, 0, 0] = -9999  # one channel alone
    tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(42113, "s", 0, "-9999", True)])


def tiff_nan(path: Path) -> None:
    pixels = np.where(HOLE, np.nan, RGB[..., 0]).astype(np.float32)
    tifffile.imwrite(path, pixels, extratags=[(42113, "s", 0, "nan", True)])


def tiff_mask_band(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(RGB, photometric="rgb", compression="zlib")
        tiff.write(~HOLE, subfiletype=4, photometric="minisblack", compression="zlib")


WRITERS = (
    png_rgba,
    png_la,
    png_deep_rgba,
    png_palette,
    png_color_key,
    png_grey_key,
    gif,
    webp,
    tiff_alpha,
    tiff_last_of_two_extra_samples,
    tiff_nodata,
    tiff_nan,
    tiff_mask_band,
)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_pixels_without_data_are_told_in_every_format(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "picture"
    write(path)
    channels = 4 if write is tiff_last_of_two_extra_samples else 3
    decoded = read_picture(path, channels=channels)
    assert decoded.image.shape == (channels, 5, 7)
    assert decoded.valid is not None
    np.testing.assert_array_equal(decoded.valid, ~HOLE)
    assert image_info(path).marks_gaps
    with open_source(path) as source:
        valid = source.valid(slice(0, 5), slice(1, 7), channels=channels)
    assert valid is not None
    np.testing.assert_array_equal(valid, ~HOLE[:, 1:])


@pytest.mark.parametrize("write", [png_rgba, tiff_alpha, webp], ids=lambda write: write.__name__)
def test_transparency_that_is_asked_for_is_a_channel_and_hides_nothing(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "picture"
    write(path)
    decoded = read_picture(path, channels=4)
    assert decoded.valid is None
    np.testing.assert_array_equal(decoded.image[3], ALPHA[..., 0])
    with open_source(path) as source:
        assert source.valid(slice(0, 5), slice(0, 7), channels=4) is None


def test_a_mask_band_turns_with_its_picture(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(RGB, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
        tiff.write(~HOLE, subfiletype=4, photometric="minisblack")
    decoded = read_picture(tmp_path / "a.tif")
    assert decoded.valid is not None
    np.testing.assert_array_equal(decoded.valid, np.rot90(~HOLE, -1))
    np.testing.assert_array_equal(decoded.image, np.rot90(RGB, -1).transpose(2, 0, 1))


@pytest.mark.parametrize("save", [{"format": "PNG"}, {"format": "JPEG"}, {"format": "TIFF"}], ids=str)
def test_plain_pictures_hold_data_everywhere(tmp_path: Path, save: dict[str, Any]) -> None:
    Image.fromarray(RGB).save(tmp_path / "a", **save)
    assert read_picture(tmp_path / "a").valid is None
    assert not image_info(tmp_path / "a").marks_gaps
