"""Random crops: scale, rotation, flips and the crop itself are one warp; colour is one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.types import Sample

Mask = NDArray[np.unsignedinteger[Any]]

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_OFF_CENTER = (0.2, 0.8)  # where in the crop a sought pixel may land, as a share of the side


@dataclass(frozen=True)
class Augmentation:
    """How crops vary; each value is drawn afresh for every crop.

    Args:
        crop: height and width of the crop in pixels.
        scale: least and greatest magnification, drawn evenly on a log scale (0.5 to 2 is the DeepLab recipe).
        aspect: greatest ratio by which height and width are magnified differently; 1 keeps shapes.
        rotation: greatest turn either way, in degrees.
        hflip: whether half the crops are mirrored left to right.
        vflip: whether half the crops are mirrored top to bottom.
        color: strength of the changes of brightness, contrast, gamma and (for RGB) saturation: factors lie within
            1 - color .. 1 + color. 0 leaves colours alone. Hue is never changed: it costs more than all the rest.

    Raises:
        SettingError: a value is out of its range.
    """

    crop: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    aspect: float = 1.0
    rotation: float = 0.0
    hflip: bool = True
    vflip: bool = False
    color: float = 0.3

    def __post_init__(self) -> None:
        if min(self.crop) < 1:
            raise SettingError(f"crop is {self.crop}; expected a height and a width of at least 1")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise SettingError(f"scale is {self.scale}; expected two rising magnifications above 0")
        if self.aspect < 1:
            raise SettingError(f"aspect is {self.aspect}; expected a ratio of at least 1")
        if not 0 <= self.rotation <= 180:
            raise SettingError(f"rotation is {self.rotation}; expected degrees from 0 to 180")
        if not 0 <= self.color < 1:
            raise SettingError(f"color is {self.color}; expected a strength from 0 to below 1")


def augment(
    sample: Sample,
    augmentation: Augmentation,
    rng: np.random.Generator,
    *,
    ignore_index: int,
    center: tuple[int, int] | None = None,
) -> tuple[NDArray[np.uint8], Mask]:
    """Take one random crop of a picture and its mask.

    The picture is sampled bilinearly, after averaging blocks of pixels where it shrinks by 1.5 or more, so that fine
    texture does not alias; the mask is sampled at the nearest pixel. Beyond its border the picture is mirrored and the
    mask ignored: a constant filling would shift the statistics of batch norm, and small pictures need much of it.
    The cost depends on the crop and the magnification, not on the size of the picture.

    Args:
        sample: the picture, of any size and number of channels, with its mask.
        augmentation: what to vary.
        rng: where the random numbers come from.
        ignore_index: value of mask pixels beyond the border.
        center: row and column of a pixel to have near the middle of the crop; anywhere when None.

    Returns:
        uint8 image (C, h, w), a view of an array with the channels of a pixel side by side, and mask (h, w).
    """
    assert sample.mask is not None
    matrix = _draw_matrix(sample.size, augmentation, rng, center)
    size = augmentation.crop
    pixels = _warp_image(sample.image.transpose(1, 2, 0), matrix, size)  # (h, w, C)
    mask = _warp_mask(sample.mask, matrix, size, ignore_index)
    if augmentation.color > 0:
        pixels = _change_color(pixels, augmentation.color, rng)
    return pixels.transpose(2, 0, 1), mask  # (C, h, w), (h, w)


def _draw_matrix(
    size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator, center: tuple[int, int] | None
) -> NDArray[np.float64]:
    """Draw the 2x3 matrix that sends (x, y, 1) of a crop pixel to x, y in the picture, both at pixel centres."""
    low, high = np.log(augmentation.scale)
    zoom = np.exp(rng.uniform(low, high))
    stretch = np.exp(rng.uniform(-0.5, 0.5) * np.log(augmentation.aspect))
    turn = np.deg2rad(rng.uniform(-augmentation.rotation, augmentation.rotation))
    mirror_x = -1 if rng.random() < 0.5 and augmentation.hflip else 1
    mirror_y = -1 if rng.random() < 0.5 and augmentation.vflip else 1
    steps = np.array([1 / (zoom * stretch), stretch / zoom])  # picture pixels a crop pixel, along x and y
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = rotation @ np.diag(steps * (mirror_x, mirror_y))  # (2, 2)
    sides = np.array(augmentation.crop[::-1]) * steps
    middle = [
        _draw_start(length, side, rng, None if center is None else center[1 - axis]) + side / 2
        for axis, (length, side) in enumerate(zip(size[::-1], sides, strict=True))
    ]
    crop_middle = (np.array(augmentation.crop[::-1]) - 1) / 2
    shift = np.array(middle) - 0.5 - linear @ crop_middle
    return np.hstack([linear, shift[:, None]])  # (2, 3)


def _draw_start(length: int, side: float, rng: np.random.Generator, pixel: int | None) -> float:
    """Draw where a window of ``side`` begins on a line of ``length`` pixels, leaving the line no more than it must."""
    low, high = min(0.0, length - side), max(0.0, length - side)
    if pixel is None:
        return float(rng.uniform(low, high))
    return float(np.clip(pixel + 0.5 - side * rng.uniform(*_OFF_CENTER), low, high))


def _window(
    matrix: NDArray[np.float64], size: tuple[int, int], shape: tuple[int, ...], margin: int = 1
) -> tuple[slice, slice]:
    """Find the rows and columns of the picture that a crop reads, and ``margin`` more on every side."""
    height, width = size
    corners = matrix @ np.array([[0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1], [1, 1, 1, 1]])  # (2, 4)
    first = np.floor(corners.min(1)).astype(int) - margin
    last = np.ceil(corners.max(1)).astype(int) + margin + 1
    (left, top), (right, bottom) = first, last
    rows = slice(min(max(top, 0), shape[0] - 1), max(min(bottom, shape[0]), 1))
    columns = slice(min(max(left, 0), shape[1] - 1), max(min(right, shape[1]), 1))
    return rows, columns


def _warp_image(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    shrink = np.linalg.norm(matrix[:, :2], axis=0).min()  # picture pixels a crop pixel, on the finer axis
    block = round(float(shrink))
    rows, columns = _window(matrix, size, pixels.shape, margin=max(1, block))
    window = pixels[rows, columns]
    matrix = matrix.copy()
    matrix[:, 2] -= (columns.start, rows.start)
    if block >= 2:
        window = _average_blocks(window, block)
        matrix = matrix / block
        matrix[:, 2] += 0.5 / block - 0.5  # the centre of a block of pixels is not the centre of its first
    height, width = size
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    parts = [  # OpenCV warps at most 4 channels at a time
        cv2.warpAffine(part, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        for part in _groups(window)
    ]
    return _joined(parts)


def _average_blocks(window: NDArray[np.uint8], block: int) -> NDArray[np.uint8]:
    """Average blocks of ``block`` x ``block`` pixels; the last row and column are repeated to fill a block."""
    height, width = window.shape[:2]
    below, right = -height % block, -width % block
    parts = []
    for part in _groups(window):
        if below or right:
            part = cv2.copyMakeBorder(part, 0, below, 0, right, cv2.BORDER_REPLICATE)
        parts.append(
            cv2.resize(part, ((width + right) // block, (height + below) // block), interpolation=cv2.INTER_AREA)
        )
    return _joined(parts)


def _groups(pixels: NDArray[np.uint8]) -> list[Any]:
    if pixels.shape[2] <= 4:
        return [pixels]
    return [np.ascontiguousarray(pixels[..., start : start + 4]) for start in range(0, pixels.shape[2], 4)]


def _joined(parts: list[Any]) -> NDArray[np.uint8]:
    """Put groups of channels together again; OpenCV leaves the axis of a single channel out."""
    shaped = [part if part.ndim == 3 else part[..., None] for part in parts]
    return shaped[0] if len(shaped) == 1 else np.concatenate(shaped, axis=2)


def _warp_mask(mask: Mask, matrix: NDArray[np.float64], size: tuple[int, int], ignore_index: int) -> Mask:
    rows, columns = _window(matrix, size, mask.shape)
    matrix = matrix.copy()
    matrix[:, 2] -= (columns.start, rows.start)
    height, width = size
    warped: Any = cv2.warpAffine(
        mask[rows, columns],
        matrix,
        (width, height),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=ignore_index,
    )
    return np.asarray(warped, mask.dtype)


def _change_color(pixels: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    gamma = np.exp(rng.uniform(-strength, strength) / 2)
    if pixels.shape[2] == 3:
        mix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * _LUMINANCE  # (3, 3)
        pixels = np.asarray(cv2.transform(pixels, mix), np.uint8)
    values = brightness * np.linspace(0, 1, 256) ** gamma  # (256,)
    mean = values[int(cv2.mean(pixels.reshape(len(pixels), -1))[0])]
    values = (values - mean) * contrast + mean  # about the mean, or dark pictures with contrast turn black
    table = np.clip(np.rint(255 * values), 0, 255).astype(np.uint8)  # (256,)
    return _joined([cv2.LUT(pixels, table)])
