"""The pictures with which an exported file is checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.data.source import open_data
from pixelwise.errors import DataError, PixelwiseError
from pixelwise.geometry import Geometry
from pixelwise.inference.pictures import decode_picture
from pixelwise.io.listing import list_files
from pixelwise.io.pictures.suffixes import IMAGE_SUFFIXES
from pixelwise.models.model_file import find_model_file
from pixelwise.preprocessing import Preprocessing
from pixelwise.training.resuming.data_record import DataRecord
from pixelwise.training.run_folder import RunFolder
from pixelwise.words import counted

LEAST_TILE = 96
"""The least side in pixels of the tiles that a picture is cut into."""

LEAST_OBJECT_SIDE = 192
"""The least side in pixels of the pictures, beside a small one, that objects are looked for in."""

GENERATED_SEED = 0


@dataclass(frozen=True)
class CheckedSize:
    """A size at which an exported file is checked.

    Args:
        what: what is special about it, in words.
        size: height and width.
        tile: side of the tiles that the picture is cut into; None for the whole picture.
    """

    what: str
    size: tuple[int, int]
    tile: int | None = None


def checked_sizes(geometry: Geometry) -> tuple[CheckedSize, ...]:
    """Choose the sizes at which a file is checked: five, which between them meet every rule of the border."""
    period = geometry.period
    side = max(period, LEAST_TILE // period * period)
    tile = max(side, geometry.smallest)
    return (
        CheckedSize("below one period", (max(1, period // 2), max(1, period - 1))),
        CheckedSize("one period", (period, period)),
        CheckedSize("odd both ways", ((side + period) | 1, (side + 2 * period + 2) | 1)),
        CheckedSize("one to four", (side, 4 * side)),
        CheckedSize("larger than a tile", (tile + period + 1, 2 * tile + 3), tile),
    )


def checked_object_sizes(geometry: Geometry) -> tuple[CheckedSize, ...]:
    """Choose the sizes at which a file that finds objects is checked; larger ones, because objects must fit in."""
    period = geometry.period
    side = max(period, geometry.padded_size(LEAST_OBJECT_SIDE))
    return (
        CheckedSize("below one period", (max(1, period // 2), max(1, period - 1))),
        CheckedSize("odd both ways", ((side + period) | 1, (side + 2 * period + 2) | 1)),
        CheckedSize("one to four", (side // 2, 2 * side)),
        CheckedSize("larger than a tile", (side + period + 1, 2 * side + 3), side),
    )


@dataclass(frozen=True, eq=False)
class CheckPictures:
    """Pictures that a file is checked on.

    Args:
        source: where they come from, in words.
        make: gives the picture of a number and a size, uint8 (C, H, W).
    """

    source: str
    make: Callable[[int, tuple[int, int]], NDArray[np.uint8]]


def find_pictures(
    folder: Path | None, model: Path | None, preprocessing: Preprocessing, *, to_scale: bool = False
) -> CheckPictures:
    """Find pictures to check with: those of a folder, else the validation pictures of a run, else generated ones.

    Args:
        folder: a folder of pictures.
        model: the run folder or model file.
        preprocessing: how pictures are converted.
        to_scale: whether pictures are cut or continued to the sizes that are asked for, instead of resized.

    Raises:
        DataError: the folder holds no picture, or one that cannot be read.
    """
    fit = cut_to if to_scale else resize_to
    if folder is not None:
        files = _list_pictures(folder)
        if not files:
            raise DataError(f"{folder}: there are no pictures to check the exported file with; name a folder of some")
        return _of_files(f"{counted(len(files), 'picture')} of {folder}", files, preprocessing, fit)
    kept = [] if model is None else _kept_for_validation(model)
    if kept:
        return _of_files(f"{counted(len(kept), 'validation picture')} of the run", kept, preprocessing, fit)
    return CheckPictures("generated", lambda number, size: generate(preprocessing.channels, number, size))


def _list_pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [file for file in list_files(folder) if file.suffix.lower() in IMAGE_SUFFIXES]


def _kept_for_validation(model: Path) -> list[Path]:
    """The validation pictures of the run that a model file belongs to; none where they are not found any more."""
    try:
        record = DataRecord.load(RunFolder(find_model_file(model).parent).splits_file)
        pairs = open_data(record.root, label_space=record.label_space, skip_bad=True).pairs
    except PixelwiseError:  # the file stands alone, or the data have moved, which does not matter here
        return []
    kept = set(record.splits.get("val", ()))
    return [pair.image for pair in pairs if pair.id in kept]


Fit = Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.uint8]]


def _of_files(source: str, files: Sequence[Path], preprocessing: Preprocessing, fit: Fit) -> CheckPictures:
    def make(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        image = decode_picture(files[number % len(files)], preprocessing).image
        return fit(image, size)

    return CheckPictures(source, make)


def resize_to(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an image (C, H, W) to a height and a width, whatever its proportions."""
    smaller = size[0] * size[1] < image.shape[1] * image.shape[2]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    # Channel by channel: OpenCV takes no more than four together in every method.
    resized = [cv2.resize(np.ascontiguousarray(part), size[::-1], interpolation=method) for part in image]
    return np.stack(resized).astype(np.uint8, copy=False)  # (C, *size)


def cut_to(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut the middle of an image (C, H, W) to a height and a width; what is missing is mirrored on all sides."""
    for axis, wanted in enumerate(size, 1):
        start = (image.shape[axis] - wanted) // 2
        last = image.shape[axis] - 1
        place = np.arange(start, start + wanted) % max(1, 2 * last)
        image = image.take(np.minimum(place, 2 * last - place), axis)
    return image


def generate(channels: int, number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a picture (channels, *size) with gradients, edges and noise; the same for the same arguments."""
    random = np.random.default_rng((GENERATED_SEED, number))
    rows, columns = np.linspace(0, 1, size[0])[:, None], np.linspace(0, 1, size[1])[None, :]
    image = np.empty((channels, *size))
    for channel in image:
        down, along, cells, phase = random.uniform((-1, -1, 1, 0), (1, 1, 6, 1))
        gradient = down * rows + along * columns
        edges = (np.floor(cells * rows + phase) + np.floor(cells * columns)) % 2
        channel[:] = 128 + 90 * gradient + 70 * (edges - 0.5)
    noise = random.normal(0, 12, (1, *size))
    left_half = np.s_[:, :, : size[1] // 2]
    image[left_half] += noise[left_half]  # the rest stays smooth
    return image.clip(0, 255).astype(np.uint8)
