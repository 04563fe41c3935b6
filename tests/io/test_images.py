from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from pixelwise.errors import DataError, SettingError
from pixelwise.io.images import ImageInfo, image_info, read_image
from pixelwise.io.rasters.opening import open_source, read_uint8

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), np.uint8)
GREY = RNG.integers(0, 256, (5, 7), np.uint8)
LOSSLESS: dict[str, dict[str, Any]] = {"webp": {"lossless": True}}
DEEP = RNG.integers(0, 65536, (5, 7), np.uint16)


def save(path: Path, pixels: Any, mode: str | None = None, **options: Any) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


def chw(pixels: Any) -> Any:
    return pixels.transpose(2, 0, 1)


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tif", "webp"])
def test_rgb_is_kept_in_every_lossless_format(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", RGB, **LOSSLESS.get(suffix, {}))
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, chw(RGB))
    assert image_info(path) == ImageInfo((5, 7), 3, 8)


def test_jpeg_is_what_pillow_decodes(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", np.kron(RGB, np.ones((8, 8, 1), np.uint8)))
    np.testing.assert_array_equal(read_image(path), chw(np.asarray(Image.open(path))))
    np.testing.assert_array_equal(read_image(path), read_image(path))


def test_the_channels_of_a_pixel_lie_side_by_side(tmp_path: Path) -> None:
    assert read_image(save(tmp_path / "a.png", RGB)).transpose(1, 2, 0).flags.c_contiguous


def test_grey_is_repeated_and_colour_becomes_luminance(tmp_path: Path) -> None:
    grey, color = save(tmp_path / "grey.png", GREY), save(tmp_path / "color.png", RGB)
    np.testing.assert_array_equal(read_image(grey), np.stack([GREY] * 3))
    np.testing.assert_array_equal(read_image(grey, channels=1), GREY[None])
    luminance = read_image(color, channels=1)
    assert luminance.shape == (1, 5, 7)
    np.testing.assert_allclose(luminance[0], RGB @ [0.299, 0.587, 0.114], atol=0.51)


def test_alpha_is_dropped_unless_asked_for(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, GREY])
    path = save(tmp_path / "a.png", rgba)
    np.testing.assert_array_equal(read_image(path), chw(RGB))
    np.testing.assert_array_equal(read_image(path, channels=4), chw(rgba))
    assert image_info(path).channels == 3


def test_grey_with_alpha(tmp_path: Path) -> None:
    image = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(255 - GREY)])
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", image), channels=1), GREY[None])


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(6)
    path = save(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_image(path), chw(np.asarray(image.convert("RGB"))))
    assert image_info(path) == ImageInfo((5, 7), 3, 8)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_spans_the_range(tmp_path: Path, bits: int) -> None:
    stored = np.arange(2**bits, dtype=np.uint8)[None]
    path = tmp_path / "a.png"
    path.write_bytes(grey_png(stored, bits))
    np.testing.assert_array_equal(read_image(path, channels=1)[0], stored * (255 // (2**bits - 1)))
    assert image_info(path).bits == bits


def grey_png(stored: np.ndarray, bits: int) -> bytes:
    """Write a grey PNG of 1, 2 or 4 bits, which Pillow itself cannot write."""
    rows = np.unpackbits(stored[..., None], axis=2)[..., -bits:].reshape(len(stored), -1)  # (H, W * bits)
    data = b"".join(b"\0" + row.tobytes() for row in np.packbits(rows, axis=1))
    return png(stored.shape[1], stored.shape[0], bits, 0, data)


def png(width: int, height: int, bits: int, kind: int, data: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", DEEP)
    np.testing.assert_array_equal(read_image(path, channels=1)[0], np.rint(DEEP / 257))
    narrow = read_image(path, channels=1, value_range=(10000, 20000))[0]
    np.testing.assert_array_equal(narrow, np.clip(np.rint((DEEP.astype(float) - 10000) * 255 / 10000), 0, 255))
    assert image_info(path) == ImageInfo((5, 7), 1, 16)


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_keeps_its_depth_and_order(tmp_path: Path, channels: int) -> None:
    stored = RNG.integers(0, 65536, (5, 7, channels), np.uint16)
    swapped = stored[..., [2, 1, 0, 3][:channels]]  # OpenCV writes blue first
    cv2.imwrite(str(tmp_path / "a.png"), swapped)
    assert image_info(tmp_path / "a.png").bits == 16
    narrow = read_image(tmp_path / "a.png", value_range=(0, 1000))
    np.testing.assert_array_equal(narrow, chw(np.clip(np.rint(stored[..., :3] * 0.255), 0, 255)))


def test_float_tiff(tmp_path: Path) -> None:
    values = np.array([[0.0, 0.5, 1.0], [2.0, -1.0, np.nan]], np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", channels=1)[0], [[0, 128, 255], [255, 0, 0]])
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.tif", channels=1, value_range=(-1, 2))[0], [[85, 128, 170], [255, 0, 85]]
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("value_range", "zero"), [(None, 0), ((-1, 2), 85), ((2, 4), 0)])
def test_numbers_that_are_not_finite_count_as_0(
    tmp_path: Path, dtype: type, value_range: tuple[float, float] | None, zero: int
) -> None:
    values = np.array([[np.inf, -np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).min]], dtype)
    for options in ({}, {"compression": "zlib", "rowsperstrip": 1}):
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", **options)
        expected = [[zero, zero, zero, 255, 0]]
        read = read_image(tmp_path / "a.tif", channels=1, value_range=value_range)[0]
        np.testing.assert_array_equal(read, expected)
        with open_source(tmp_path / "a.tif") as source:
            window = read_uint8(source, slice(None), slice(None), channels=1, value_range=value_range)[0]
        np.testing.assert_array_equal(window, expected)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_many_channels_are_kept_when_asked_for(tmp_path: Path, planar: str) -> None:
    stored = RNG.integers(0, 256, (6, 5, 7), np.uint8)
    layout = stored if planar == "separate" else stored.transpose(1, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", layout, photometric="minisblack", planarconfig=planar)
    assert image_info(tmp_path / "a.tif").channels == 6
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", channels=6), stored)
    with pytest.raises(DataError, match=r"a\.tif.*has 6 channels, but 3"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_common_tiff_compressions(tmp_path: Path, compression: str) -> None:
    path = save(tmp_path / "a.tif", RGB, compression=compression)
    np.testing.assert_array_equal(read_image(path), chw(RGB))


@pytest.mark.parametrize("stored", [GREY, DEEP, np.dstack([RGB, GREY])])
def test_lzw_keeps_depth_channels_and_order(tmp_path: Path, stored: np.ndarray) -> None:
    path = save(tmp_path / "a.tif", stored, compression="tiff_lzw")
    pixels = stored if stored.ndim == 3 else stored[..., None]
    expected = pixels if stored.dtype == np.uint8 else np.rint(pixels / 257)
    np.testing.assert_array_equal(read_image(path, channels=pixels.shape[2]), chw(expected))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", RGB, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_image(path), chw(expected))
    assert image_info(path).size == expected.shape[:2]


def test_printing_colours_become_rgb(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", RGB, "CMYK")
    assert read_image(path).shape == (3, 5, 7)
    assert image_info(path).channels == 3


def test_a_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(50_000, 50_000, 8, 2, b"\0"))
    with pytest.raises(DataError, match=r"bomb\.png: declares 50000x50000 .* PIXELWISE_MAX_PIXELS"):
        read_image(path)
    with pytest.raises(DataError, match="50000x50000"):
        image_info(path)


def test_a_tiff_bomb_is_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "bomb.tif") as tiff:
        empty = iter([b"\0"] * 4)
        tiff.write(empty, shape=(50_000, 50_000), dtype=np.uint8, tile=(25_008, 25_008), compression="zlib")
    with pytest.raises(DataError, match=r"bomb\.tif: declares 50000x50000"):
        read_image(tmp_path / "bomb.tif")


def test_the_limit_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", RGB)
    monkeypatch.setenv("PIXELWISE_MAX_PIXELS", "34")
    with pytest.raises(DataError, match="limit of 34"):
        read_image(path)
    monkeypatch.setenv("PIXELWISE_MAX_PIXELS", "35")
    read_image(path)
    monkeypatch.setenv("PIXELWISE_MAX_PIXELS", "many")
    with pytest.raises(SettingError, match="PIXELWISE_MAX_PIXELS is 'many'"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "webp", "gif"])
def test_files_cut_short_are_named(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"cut.{suffix}", np.kron(RGB, np.ones((16, 16, 1), np.uint8)))
    content = path.read_bytes()
    for share in (0.05, 0.5, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match=rf"cut\.{suffix}"):
            read_image(path)


def test_16_bit_colour_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    cv2.imwrite(str(path), RNG.integers(0, 65536, (50, 70, 3), np.uint16))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(DataError, match=r"cut\.png"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"dear diary, today", "not a picture, its first bytes are b'dear dia'")],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "note.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"note.png.*{message}"):
        read_image(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.png: there is no such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(DataError, match="this is a folder"):
        image_info(tmp_path)


def test_the_suffix_does_not_decide(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    path.rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), chw(RGB))
