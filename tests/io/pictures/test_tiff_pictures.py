"""A TIFF file that holds one picture is read; one that holds several says which, and is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.errors import DataError
from pixelwise.io.images import image_info, read_image
from pixelwise.io.masks import read_mask
from pixelwise.io.pictures.tiff_pictures import pictures_of
from pixelwise.io.rasters.opening import open_source

ALL = slice(None)
PLANES = np.random.default_rng(0).integers(0, 256, (5, 32, 40), np.uint8)
GREY = PLANES[0]


def write_pages(path: Path, *pages: tuple[np.ndarray, dict[str, Any]], **options: Any) -> None:
    with tifffile.TiffWriter(path, **options) as tiff:
        for pixels, options in pages:
            tiff.write(pixels, **{"photometric": "minisblack", "metadata": None, "contiguous": False, **options})


def stack(axes: str, shape: tuple[int, ...] = (5,), **options: Any) -> Callable[[Path], None]:
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 32, 40), np.uint8)
    metadata: dict[str, Any] = {"metadata": {"axes": axes}} if axes else {}
    return lambda path: tifffile.imwrite(path, pixels, photometric="minisblack", **metadata, **options)


def write_volume(path: Path) -> None:
    cube = np.zeros((16, 32, 48), np.uint8)
    tifffile.imwrite(path, cube, volumetric=True, tile=(16, 16, 16), photometric="minisblack")


def write_two_of_ome(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(GREY, photometric="minisblack")
        tiff.write(PLANES[1, :20], photometric="minisblack")


SMALL = GREY[::4, ::4]
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "depth": (stack("ZYX"), r"axes are ZYX with Z=5 \(depth\), Y=32, X=40"),
    "three planes": (stack("ZYX", (3,)), r"Z=3 \(depth\)"),
    "time": (stack("TYX", (3,)), r"T=3 \(time\)"),
    "depth in ImageJ": (stack("ZYX", imagej=True), r"ZYX with Z=5"),
    "time in ImageJ": (stack("TYX", (4,), imagej=True), r"TYX with T=4"),
    "hyperstack": (stack("TZCYX", (2, 3, 2), imagej=True), r"TZCYX with T=2 \(time\), Z=3 \(depth\), C=2, Y=32"),
    "depth in OME": (stack("ZYX", ome=True), r"ZYX with Z=5"),
    "time in OME": (stack("TCYX", (2, 3), ome=True), r"TCYX with T=2"),
    "packed": (stack("ZYX", compression="zlib", tile=(16, 16)), r"ZYX with Z=5"),
    "one directory": (stack("ZYX", truncate=True), r"ZYX with Z=5"),
    "not named": (stack(""), r"QYX with Q=5 \(not named\)"),
    "another axis": (stack("RYX"), r"RYX with R=5"),
    "volume": (write_volume, r"Z=16 \(depth\), Y=32, X=48"),
    "pages": (lambda path: write_pages(path, *[(plane, {}) for plane in PLANES]), r"IYX with I=5 \(pages\), Y=32"),
    "pages of a document": (
        lambda path: write_pages(path, *[(plane, {"subfiletype": 2}) for plane in PLANES[:2]]),
        r"I=2 \(pages\)",
    ),
    "colour pages": (
        lambda path: write_pages(path, *[(np.stack([plane] * 3, -1), {"photometric": "rgb"}) for plane in PLANES[:2]]),
        r"IYXS with I=2 \(pages\), Y=32, X=40, S=3",
    ),
    "thumbnail before": (
        lambda path: write_pages(path, (SMALL, {}), (GREY, {})),
        r"holds 2 pictures.*: page 1 with Y=8, X=10; page 2 with Y=32, X=40\. Save",
    ),
    "thumbnail behind": (lambda path: write_pages(path, (GREY, {}), (SMALL, {})), "page 1 with Y=32.*page 2 with Y=8"),
    "half behind": (lambda path: write_pages(path, (GREY, {}), (GREY[::2, ::2], {})), "page 2 with Y=16, X=20"),
    "depths differ": (lambda path: write_pages(path, (GREY, {}), (GREY.astype(np.uint16), {})), "holds 2 pictures"),
    "described apart": (
        lambda path: write_pages(path, (GREY, {"metadata": {}}), (PLANES[1, :20], {"metadata": {}})),
        "holds 2 pictures",
    ),
    "two of OME": (write_two_of_ome, r"holds 2 pictures.*Y=32, X=40; page 2 with Y=20, X=40"),
    "reduced ones alone": (
        lambda path: write_pages(path, (GREY, {"subfiletype": 1}), (SMALL, {"subfiletype": 1})),
        "holds no picture of its own",
    ),
}


@pytest.mark.parametrize(("write", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_single_picture_is_refused_by_every_reader(
    tmp_path: Path, write: Callable[[Path], None], message: str
) -> None:
    write(tmp_path / "a.tif")
    readers: tuple[Callable[[Path], object], ...] = (image_info, read_image, read_mask, open_source)
    for read in readers:
        with pytest.raises(DataError, match=rf"a\.tif: .*{message}"):
            read(tmp_path / "a.tif")


def write_with_sub_directories(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(GREY, subifds=2, tile=(16, 16), photometric="minisblack")
        tiff.write(GREY[::2, ::2], subfiletype=1, photometric="minisblack")
        tiff.write(GREY[::4, ::4], subfiletype=0, photometric="minisblack")


def write_slide(path: Path) -> None:
    """As Aperio's scanners do: tiles, a thumbnail, smaller tiles, and the label of the slide."""
    aperio = {"description": "Aperio Image Library v1.0\n40x32", "software": False}
    write_pages(
        path,
        (GREY, {"tile": (16, 16), **aperio}),
        (SMALL, {"description": "Aperio thumbnail"}),
        (GREY[::2, ::2], {"tile": (16, 16), "description": "Aperio"}),
        (PLANES[1, :9, :9], {"subfiletype": 1, "description": "Aperio label 9x9"}),
    )


ONE: dict[str, Callable[[Path], None]] = {
    "alone": lambda path: write_pages(path, (GREY, {})),
    "smaller copies": lambda path: write_pages(
        path, (GREY, {}), (GREY[::2, ::2], {"subfiletype": 1}), (SMALL, {"subfiletype": 1})
    ),
    "a copy of the same size": lambda path: write_pages(path, (GREY, {}), (PLANES[1], {"subfiletype": 1})),
    "old mark of copies": lambda path: write_pages(path, (GREY, {}), (SMALL, {"extratags": [(255, "H", 1, 2, True)]})),
    "marked thumbnail before": lambda path: write_pages(path, (SMALL, {"subfiletype": 1}), (GREY, {})),
    "sub-directories": write_with_sub_directories,
    "a mask": lambda path: write_pages(path, (GREY, {}), (GREY > 9, {"photometric": "mask", "subfiletype": 4})),
    "a copy of nothing": lambda path: write_pages(path, (GREY, {"subfiletype": 1})),
    "a page of a document": lambda path: write_pages(path, (GREY, {"subfiletype": 2})),
    "axes of length one": lambda path: tifffile.imwrite(
        path, GREY[None, None], photometric="minisblack", metadata={"axes": "TZYX"}
    ),
    "one plane of ImageJ": lambda path: tifffile.imwrite(path, GREY, imagej=True, photometric="minisblack"),
    "one plane of OME": lambda path: tifffile.imwrite(path, GREY, ome=True, photometric="minisblack"),
    "a slide": write_slide,
}


@pytest.mark.parametrize("write", ONE.values(), ids=ONE)
def test_one_picture_among_what_belongs_to_it(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "a.tif")
    assert image_info(tmp_path / "a.tif").size == (32, 40)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", channels=1)[0], GREY)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), GREY)
    with open_source(tmp_path / "a.tif") as source:
        assert (source.size, source.channels) == ((32, 40), 1)
        np.testing.assert_array_equal(source.read(ALL, ALL)[0], GREY)


@pytest.mark.parametrize(
    "write",
    [
        stack("CYX"),
        stack("CYX", imagej=True),
        stack("CYX", ome=True),
        stack("ZCYX", (1, 5)),
        stack("CYX", tile=(16, 16)),
    ],
)
def test_planes_that_are_called_channels_are_channels(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "a.tif")
    planes = np.random.default_rng(1).integers(0, 256, (5, 32, 40), np.uint8)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", channels=5), planes)
    with open_source(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read(ALL, ALL), planes)


def test_a_marked_thumbnail_before_leaves_place_and_mask_to_the_picture(tmp_path: Path) -> None:
    scale, place = (33550, "d", 3, (2.0, 2.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 10.0, 50.0, 0.0), True)
    options = {"tile": (16, 16), "compression": "zlib", "extratags": [scale, place, (42113, "s", 2, "9", True)]}
    mask = GREY > 40
    write_pages(
        tmp_path / "a.tif",
        (SMALL, {"subfiletype": 1}),
        (GREY, options),
        (mask, {"photometric": "mask", "subfiletype": 4}),
    )
    with open_source(tmp_path / "a.tif") as source:
        assert source.georeference is not None
        assert source.georeference.transform == (2, 0, 10, 0, -2, 50)
        np.testing.assert_array_equal(source.valid(ALL, ALL), mask & (GREY != 9))


def test_decoders_that_see_the_first_page_alone_are_not_asked_for_another(tmp_path: Path) -> None:
    small, large = Image.fromarray(SMALL), Image.fromarray(GREY)
    marks = {"tiffinfo": {254: 1}, "compression": "tiff_lzw"}
    small.save(tmp_path / "a.tif", save_all=True, append_images=[large], **marks)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        for number, page in enumerate(tiff.pages):
            if 254 in page.tags:
                page.tags[254].overwrite(1 - number)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert [one.size for one in pictures_of(tiff)] == [(32, 40)]
    for read in (read_image, open_source):
        with pytest.raises(DataError, match=r"a\.tif: .*imagecodecs"):
            read(tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_pages_that_lead_back_are_refused_at_once(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((2, 5, 6), np.uint8), photometric="minisblack", metadata=None, **options)
    with tifffile.TiffFile(path) as tiff:
        first, last = tiff.pages[0].offset, tiff.pages[1]
        form = tiff.tiff
        place = last.offset + form.tagnosize + len(last.tags) * form.tagsize
        order = "little" if form.byteorder == "<" else "big"
        content = bytearray(path.read_bytes())
        assert content[place : place + form.offsetsize] == bytes(form.offsetsize)
        content[place : place + form.offsetsize] = first.to_bytes(form.offsetsize, order)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tif: .*lead back to one before"):
        image_info(path)


def test_channels_of_different_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((5, 6, 3), np.uint8), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags["BitsPerSample"].valueoffset
    content = bytearray(path.read_bytes())
    content[place : place + 2] = (16).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tif: its channels have 16, 8, 8 bits each"):
        image_info(path)
