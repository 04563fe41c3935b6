"""Files of several pictures are refused where one is wanted, and read page by page where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.errors import DataError, PagesError
from pixelwise.inference.labelling.jobs import Job, by_pages
from pixelwise.io.images import image_info, read_image
from pixelwise.io.masks import read_mask
from pixelwise.io.pictures.pages import count_pages, read_page

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (3, 16, 20), np.uint8)
COLOR = RNG.integers(0, 256, (3, 16, 20, 3), np.uint8)
HYPER = RNG.integers(0, 65536, (2, 3, 2, 16, 20), np.uint16)  # time, depth, channels


def pages(*several: np.ndarray, photometric: str = "minisblack") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with tifffile.TiffWriter(path) as tiff:
            for page in several:
                tiff.write(page, photometric=photometric, metadata=None, contiguous=False)

    return write


def stack(pixels: np.ndarray, axes: str, **options: Any) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(
        path, pixels, metadata={"axes": axes}, **{"photometric": "minisblack", **options}
    )


def frames(format: str, **options: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        first, *rest = [Image.fromarray(frame).quantize(8).convert("RGB") for frame in COLOR]
        first.save(path, format, save_all=True, append_images=rest, **options)

    return write


HYPER_PLANES = [np.moveaxis(HYPER[t, z], 0, -1) for t in range(2) for z in range(3)]
SEVERAL: dict[str, tuple[Callable[[Path], None], list[np.ndarray]]] = {
    "pages": (pages(*GREY), [*GREY[..., None]]),
    "colour pages": (pages(*COLOR, photometric="rgb"), [*COLOR]),
    "sizes that differ": (pages(GREY[0, :4, :5], GREY[1]), [GREY[0, :4, :5, None], GREY[1][..., None]]),
    "depth": (stack(GREY, "ZYX"), [*GREY[..., None]]),
    "depth in tiles": (stack(GREY, "ZYX", compression="zlib", tile=(16, 16)), [*GREY[..., None]]),
    "time in ImageJ": (stack(GREY, "TYX", imagej=True), [*GREY[..., None]]),
    "hyperstack in ImageJ": (stack(HYPER, "TZCYX", imagej=True), HYPER_PLANES),
    "hyperstack in OME": (stack(HYPER, "TZCYX", ome=True), HYPER_PLANES),
    "channels and depth of colours": (stack(COLOR, "ZYXS", photometric="rgb"), [*COLOR]),
}


@pytest.mark.parametrize(("write", "expected"), SEVERAL.values(), ids=SEVERAL)
def test_pages_of_tiff_are_read_one_by_one(
    tmp_path: Path, write: Callable[[Path], None], expected: list[np.ndarray]
) -> None:
    path = tmp_path / "a.tif"
    write(path)
    with pytest.raises(PagesError):
        read_image(path)
    assert count_pages(path) == len(expected)
    for number, plane in enumerate(expected):
        np.testing.assert_array_equal(read_page(path, number).pixels, plane)
    with pytest.raises(DataError, match=rf"a\.tif: there is no page {len(expected) + 1}; the file has"):
        read_page(path, len(expected))


@pytest.mark.parametrize(
    "write",
    [frames("GIF"), frames("WEBP", lossless=True), frames("PNG")],
    ids=["GIF", "WebP", "PNG"],
)
def test_frames_are_refused_or_read_one_by_one(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "a"
    write(path)
    for read in (read_image, read_mask, image_info):
        with pytest.raises(PagesError, match=r"a: holds 3 frames of 16x20 pixels.*which one is meant"):
            read(path)
    assert count_pages(path) == 3
    for number, frame in enumerate(COLOR):
        expected = np.asarray(Image.fromarray(frame).quantize(8).convert("RGB"))
        page = read_page(path, number)
        np.testing.assert_array_equal(page.pixels[..., :3], expected)
        assert page.valid() is None
    with pytest.raises(DataError, match="there is no page 4; the file has 3"):
        read_page(path, 3)


def test_one_picture_is_one_page(tmp_path: Path) -> None:
    pages(GREY[0])(tmp_path / "a.tif")
    Image.fromarray(COLOR[0]).save(tmp_path / "a.png")
    assert (count_pages(tmp_path / "a.tif"), count_pages(tmp_path / "a.png")) == (1, 1)
    np.testing.assert_array_equal(read_page(tmp_path / "a.tif", 0).pixels[..., 0], GREY[0])


def test_a_smaller_copy_that_is_larger_is_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(GREY[0, :4, :5], photometric="minisblack", metadata=None)
        tiff.write(GREY[1], photometric="minisblack", metadata=None, subfiletype=1)
    with pytest.raises(PagesError, match="page 2 of 16x20 pixels is marked as a smaller copy, but is larger than the "):
        read_image(tmp_path / "a.tif")


def test_pages_are_jobs_of_their_own(tmp_path: Path) -> None:
    pages(*GREY)(tmp_path / "a.b.tif")
    Image.fromarray(COLOR[0]).save(tmp_path / "c.png")
    (tmp_path / "d.tif").write_bytes(b"II*\0")
    jobs = [Job(tmp_path / name, Path(name).with_suffix("")) for name in ("a.b.tif", "c.png", "d.tif")]
    found = [(job.name.as_posix(), job.page) for job in by_pages(jobs)]
    assert found == [("a.b-page001", 0), ("a.b-page002", 1), ("a.b-page003", 2), ("c", None), ("d", None)]
