from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.errors import DataError, SettingError
from pixelwise.io.images import read_image
from pixelwise.io.masks import read_mask
from pixelwise.io.rasters import segments
from pixelwise.io.rasters import tiff as raster_tiff
from pixelwise.io.rasters.opening import open_source, read_uint8

ALL = slice(None)
WINDOWS = ((0, 1, 0, 1), (0, 83, 0, 107), (31, 34, 15, 66), (82, 83, 106, 107), (5, 70, 33, 34))
KEYS = {"compression": "zlib", "photometric": "minisblack", "metadata": None}


def noise(height: int = 83, width: int = 107, channels: int = 3, dtype: Any = np.uint8) -> np.ndarray:
    generator = np.random.default_rng(7)
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    return (generator.random((height, width, channels)) * top).astype(dtype)


def assert_windows(path: Any, stored: np.ndarray) -> None:
    """Every window equals the slice of (H, W, C) numbers."""
    with open_source(path) as source:
        assert source.size == stored.shape[:2]
        assert source.channels == stored.shape[2]
        assert source.dtype == stored.dtype
        for top, bottom, left, right in WINDOWS:
            if bottom > stored.shape[0] or right > stored.shape[1]:
                continue
            window = source.read(slice(top, bottom), slice(left, right))
            assert window.dtype == stored.dtype
            np.testing.assert_array_equal(window, stored[top:bottom, left:right].transpose(2, 0, 1))
        np.testing.assert_array_equal(source.read(ALL, ALL), stored.transpose(2, 0, 1))


LAYOUTS = {
    "tiles": {"tile": (16, 32)},
    "strips": {"rowsperstrip": 5},
    "one_strip": {"rowsperstrip": 83},
    "big": {"tile": (32, 16), "bigtiff": True},
    "big_endian": {"tile": (16, 16), "byteorder": ">"},
    "predictor": {"tile": (16, 16), "predictor": 2},
}


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", ["zlib", None])
@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (3, np.uint8), (4, np.uint16), (7, np.float32)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_tiff_windows_equal_slices(
    tmp_path: Path, layout: str, channels: int, dtype: Any, compression: str | None, planar: str
) -> None:
    options = dict(LAYOUTS[layout])
    if "predictor" in options and (compression is None or dtype == np.float32):
        pytest.skip("predictors are for compressed whole numbers")
    stored = noise(channels=channels, dtype=dtype)
    path = tmp_path / "a.tif"
    big, order = options.pop("bigtiff", False), options.pop("byteorder", "<")
    data = stored if planar == "contig" else stored.transpose(2, 0, 1)
    with tifffile.TiffWriter(path, bigtiff=big, byteorder=order) as writer:
        writer.write(
            data if channels > 1 else stored[..., 0],
            planarconfig=planar if channels > 1 else None,
            **{**KEYS, "compression": compression, **options},
        )
    assert_windows(path, stored)


def test_channels_on_pages_of_their_own(tmp_path: Path) -> None:
    stored = noise(channels=5, dtype=np.uint16)
    options = {"photometric": "minisblack", "metadata": {"axes": "CYX"}}
    tifffile.imwrite(tmp_path / "a.tif", stored.transpose(2, 0, 1), compression="zlib", **options)
    assert_windows(tmp_path / "a.tif", stored)
    tifffile.imwrite(tmp_path / "b.tif", stored.transpose(2, 0, 1), imagej=True, metadata={"axes": "CYX"})
    assert_windows(tmp_path / "b.tif", stored)


@pytest.mark.parametrize("size", [(1, 107), (83, 1), (1, 1)])
def test_pictures_one_pixel_wide_or_high(tmp_path: Path, size: tuple[int, int]) -> None:
    stored = noise(*size)
    tifffile.imwrite(tmp_path / "a.tif", stored, tile=(16, 16), compression="zlib", photometric="rgb")
    tifffile.imwrite(tmp_path / "b.tif", stored, photometric="rgb")
    np.save(tmp_path / "c.npy", stored)
    Image.fromarray(stored).save(tmp_path / "d.png")
    for name in ("a.tif", "b.tif", "c.npy", "d.png"):
        assert_windows(tmp_path / name, stored)


@pytest.mark.parametrize("dtype", [np.uint8, ">u2", np.float64])
def test_npy_and_arrays(tmp_path: Path, dtype: Any) -> None:
    stored = noise(dtype=np.dtype(dtype).newbyteorder("=")).astype(dtype)
    np.save(tmp_path / "a.npy", stored)
    assert_windows(tmp_path / "a.npy", stored.astype(stored.dtype.newbyteorder("=")))
    assert_windows(stored, stored)
    np.save(tmp_path / "b.npy", stored[..., 0].copy())
    assert_windows(tmp_path / "b.npy", stored[..., :1].astype(stored.dtype.newbyteorder("=")))


def test_a_boolean_array_is_black_and_white() -> None:
    array = noise()[..., 0] > 100
    with open_source(array) as source:
        seen = read_uint8(source, ALL, ALL, channels=1)
    np.testing.assert_array_equal(seen[0], np.where(array, 255, 0))


def test_a_source_is_given_back_as_it_is() -> None:
    source = open_source(noise())
    assert open_source(source) is source


@pytest.mark.parametrize("array", [np.zeros(5), np.zeros((2, 2, 2, 2)), np.zeros((0, 4)), np.zeros((3, 3), complex)])
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"\(H, W\) or \(H, W, C\)"):
        open_source(array)


def test_windows_equal_the_picture_read_whole(tmp_path: Path) -> None:
    stored = noise(channels=4)
    files = {
        "rgb.jpg": Image.fromarray(stored[..., :3]),
        "rgba.png": Image.fromarray(stored),
        "palette.png": Image.fromarray(stored[..., :3]).quantize(17),
        "bits.png": Image.fromarray(stored[..., 0] > 99),
        "palette.tif": Image.fromarray(stored[..., :3]).quantize(17),
        "bits.tif": Image.fromarray(stored[..., 0] > 99),
        "turned.tif": Image.fromarray(stored[..., :3]),
    }
    for name, image in files.items():
        image.save(tmp_path / name, **({"tiffinfo": {274: 6}} if name == "turned.tif" else {}))
    tifffile.imwrite(tmp_path / "deep.tif", noise(channels=3, dtype=np.uint16), photometric="rgb", tile=(16, 16))
    for path in sorted(tmp_path.iterdir()):
        whole = read_image(path)
        with open_source(path) as source:
            assert source.size == whole.shape[1:], path.name
            part = read_uint8(source, slice(3, 60), slice(20, 77), channels=3)
        np.testing.assert_array_equal(part, whole[:, 3:60, 20:77], err_msg=path.name)


def test_deep_numbers_are_scaled_by_the_range_that_is_given(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    stored = noise(channels=4, dtype=np.uint16)
    tifffile.imwrite(path, stored, photometric="minisblack", planarconfig="contig", tile=(16, 16))
    whole = read_image(path, channels=4, value_range=(1000, 9000))
    with open_source(path) as source:
        part = read_uint8(source, slice(8, 9), ALL, channels=4, value_range=(1000, 9000))
        np.testing.assert_array_equal(part, whole[:, 8:9])
        with pytest.raises(SettingError, match="rise"):
            read_uint8(source, ALL, ALL, channels=4, value_range=(2, 2))
        with pytest.raises(DataError, match=r"a\.tif.*4 channels"):
            read_uint8(source, ALL, ALL, channels=3)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_palette_can_be_left_alone(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mask.{suffix}"
    Image.fromarray(noise()).quantize(9).save(path)
    with open_source(path, indices=True) as source:
        np.testing.assert_array_equal(source.read(ALL, ALL)[0], read_mask(path))


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(0, 84), ALL),
        (ALL, slice(100, 108)),
        (slice(-3, 5), ALL),
        (slice(4, 4), ALL),
        (slice(0, 8, 2), ALL),
        (ALL, slice(200, 210)),
    ],
)
def test_a_window_past_the_edge_names_the_file(tmp_path: Path, rows: slice, columns: slice) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(), photometric="rgb")
    with open_source(path) as source:
        with pytest.raises(DataError, match=r"a\.tif: the window of (rows|columns) .* leaves the picture of"):
            source.read(rows, columns)
        source.nodata = 0.0
        with pytest.raises(DataError, match=r"a\.tif"):
            source.valid(rows, columns)


@pytest.mark.parametrize("options", [{"tile": (16, 16), "compression": "zlib"}, {}, {"rowsperstrip": 8}])
@pytest.mark.parametrize("share", [0.95, 0.5, 0.02])
def test_a_truncated_tiff_is_found_when_it_is_opened(tmp_path: Path, options: dict[str, Any], share: float) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, noise(), photometric="rgb", **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=r"cut\.tif.*(cut short|damaged)"):
        open_source(path)


def test_damaged_pixels_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.tif"
    tifffile.imwrite(path, noise(), photometric="rgb", tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages.first.dataoffsets[20]
    content = bytearray(path.read_bytes())
    content[place : place + 40] = bytes(40)
    path.write_bytes(content)
    with open_source(path) as source, pytest.raises(DataError, match=r"bad\.tif.*damaged"):
        source.read(ALL, ALL)


@pytest.mark.parametrize("name", ["tiles.tif", "rows.tif", "a.npy"])
def test_a_file_that_changes_after_it_was_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, noise())
    else:
        options = {"tile": (16, 16), "compression": "zlib"} if name == "tiles.tif" else {}
        tifffile.imwrite(path, noise(), photometric="rgb", **options)
    with open_source(path) as source:
        source.read(slice(0, 4), ALL)
        with open(path, "ab") as file:
            file.write(b"more")
        with pytest.raises(DataError, match=rf"{name}: the file changed after it was opened"):
            source.read(slice(0, 4), ALL)


@pytest.mark.parametrize("content", [b"", b"II*\0", b"\x93NUMPY\x01\x00garbage", b"GIF8", b"not a picture at all"])
def test_damaged_files_name_themselves(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "what.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"what\.tif"):
        open_source(path)


def test_missing_files_and_plain_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_source(tmp_path / "absent.tif")
    with pytest.raises(DataError, match="no Zarr"):
        open_source(tmp_path)


def test_an_npy_that_is_no_raster(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(noise()))
    with pytest.raises(DataError, match="Fortran"):
        open_source(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros((3, 3), complex))
    with pytest.raises(DataError, match="complex"):
        open_source(tmp_path / "b.npy")
    np.save(tmp_path / "c.npy", noise())
    content = (tmp_path / "c.npy").read_bytes()
    (tmp_path / "c.npy").write_bytes(content[:-1])
    with pytest.raises(DataError, match="cut short"):
        open_source(tmp_path / "c.npy")


def test_neighbouring_windows_do_not_decode_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(64, 64, 1)[..., 0], tile=(16, 16), compression="zlib")
    decoded = []
    get = segments.SegmentCache.get
    monkeypatch.setattr(
        segments.SegmentCache, "get", lambda *a: get(a[0], a[1], lambda: decoded.append(a[1]) or a[2]())
    )
    with open_source(path) as source:
        for column in range(0, 60, 3):
            source.read(slice(0, 64), slice(column, column + 4))
    assert len(decoded) == len(set(decoded)) == 16


def test_the_cache_is_bounded() -> None:
    cache = segments.SegmentCache(limit=100)
    for number in range(9):
        piece = cache.get(number, lambda number=number: np.full(40, number, np.uint8))
        assert (piece == number).all()
        assert cache.held <= 100
    assert cache.get(8, lambda: pytest.fail("the newest is kept")).shape == (40,)
    cache.get("large", lambda: np.zeros(1000, np.uint8))
    assert cache.held == 1000
    cache.get("small", lambda: np.zeros(10, np.uint8))
    assert cache.held == 10


def test_pieces_too_large_to_decode_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(), photometric="rgb", rowsperstrip=83, compression="zlib")
    monkeypatch.setattr(raster_tiff, "MOST_PIECE_BYTES", 1000)
    with pytest.raises(DataError, match=r"a\.tif.*83x107.*save it in tiles"):
        open_source(path)


@pytest.mark.skipif(importlib.util.find_spec("imagecodecs") is not None, reason="imagecodecs decodes it")
@pytest.mark.parametrize("compression", ["tiff_lzw", "zstd", "jpeg"])
def test_compressions_that_need_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str) -> None:
    path = tmp_path / "a.tif"
    try:
        Image.fromarray(noise()).save(path, compression=compression)
    except OSError:
        pytest.skip(f"this build of Pillow does not write {compression}")
    stored = np.array(Image.open(path))
    assert_windows(path, stored)  # by rasterio where that is installed, else decoded whole
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert_windows(path, stored)
    monkeypatch.setenv("PIXELWISE_MAX_PIXELS", "100")
    with pytest.raises(DataError, match=r"a\.tif.*limit"):
        open_source(path)


@pytest.mark.skipif(importlib.util.find_spec("imagecodecs") is not None, reason="imagecodecs decodes it")
def test_a_compression_that_nothing_here_decodes_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(channels=7), photometric="minisblack", planarconfig="contig", compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages.first.tags["Compression"].overwrite(5)  # LZW
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"a\.tif: its compression needs the package imagecodecs; install it"):
        open_source(path)


def test_an_unknown_file_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("not a picture at all")
    with pytest.raises(DataError, match=r"a\.txt: not a picture, its first bytes"):
        open_source(tmp_path / "a.txt")
