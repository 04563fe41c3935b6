"""Random crops: scale, turn, flips, bending and the crop are one sampling; all colour changes are one matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.data.crops.sampling import Bend, CropView, ImageArray, view_image, view_mask
from pixelwise.errors import SettingError
from pixelwise.types import LabelArray, Sample

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_BEND_KNOTS = 3  # a side of the coarse grid of displacements
_SOUGHT_PIXEL_SHARES = (0.2, 0.8)  # where in the crop a sought pixel may land, as a share of the side


@dataclass(frozen=True)
class Augmentation:
    """How crops vary; each value is drawn anew for every crop.

    Args:
        crop: height and width of the crop in pixels.
        scale: least and greatest magnification, drawn evenly on a log scale (0.5 to 2 is the DeepLab recipe).
        aspect: greatest ratio by which height and width are magnified differently; 1 keeps shapes.
        rotation: greatest turn either way, in degrees.
        hflip: whether half the crops are mirrored left to right.
        vflip: whether half the crops are mirrored top to bottom.
        color: strength of the changes of brightness, contrast and (for RGB) saturation: factors lie within
            1 - color .. 1 + color. 0 does not change colours. Hue is never changed, because that costs more than
            everything else.
        elastic: standard deviation, in pixels of the crop, of the displacements that bend it (see
            :func:`draw_bend`). 0 keeps it straight.

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
    elastic: float = 0.0

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
        if self.elastic < 0:
            raise SettingError(f"elastic is {self.elastic}; expected pixels, at least 0")


class Crop(NamedTuple):
    """What :func:`augment` makes."""

    image: ImageArray
    """uint8 (C, h, w), a view of an array with the channels of a pixel side by side."""
    mask: LabelArray
    """(h, w)."""
    weights: NDArray[np.float32] | None
    """(h, w), where weights were given."""


def augment(
    sample: Sample,
    augmentation: Augmentation,
    rng: np.random.Generator,
    *,
    ignore_index: int,
    center: tuple[int, int] | None = None,
    weights: NDArray[np.float32] | None = None,
) -> Crop:
    """Take one random crop of a picture and its mask.

    The picture is sampled bilinearly, after averaging blocks of pixels where it shrinks by 1.5 or more, so that fine
    texture does not alias; the mask is sampled at the nearest pixel. Beyond its border the picture is mirrored and the
    mask ignored: a constant fill would shift the statistics of batch norm, and small pictures need much of it. The cost
    depends on the crop and the magnification, not on the size of the picture.

    Args:
        sample: the picture, of any size and number of channels, with its mask.
        augmentation: what to vary.
        rng: the generator of random numbers.
        ignore_index: value of mask pixels beyond the border.
        center: row and column of a pixel to have near the middle of the crop; anywhere when None.
        weights: one per pixel of the picture (H, W); they are sampled like the mask, and are 0 beyond the border.
    """
    assert sample.mask is not None
    view = draw_view(sample.size, augmentation, rng, center)
    size = augmentation.crop
    bend = draw_bend(size, augmentation.elastic, rng) if augmentation.elastic > 0 else None
    pixels = view_image(sample.image.transpose(1, 2, 0), view, size, bend)  # (h, w, C)
    mask = view_mask(sample.mask, view, size, ignore_index, bend)  # (h, w)
    seen_weights = None if weights is None else view_mask(weights, view, size, 0, bend)  # (h, w)
    if augmentation.color > 0:
        pixels = change_color(pixels, augmentation.color, rng)
    return Crop(pixels.transpose(2, 0, 1), mask, seen_weights)  # (C, h, w), (h, w), (h, w)


def draw_bend(size: tuple[int, int], deviation: float, rng: np.random.Generator) -> Bend:
    """Draw a smooth elastic deformation (Ronneberger et al. 2015, section 3.1).

    Random displacements on a coarse grid of 3 x 3, Gaussian with the given deviation (10 pixels in the paper, whose
    crops measure some 400), are spread over the crop by bicubic interpolation.

    Args:
        size: height and width of the crop.
        deviation: in pixels of the crop.
        rng: the generator of random numbers.

    Returns:
        (h, w, 2) displacement of each pixel, x then y.
    """
    knots = rng.normal(0, deviation, (_BEND_KNOTS, _BEND_KNOTS, 2)).astype(np.float32)
    return np.asarray(cv2.resize(knots, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def draw_view(
    size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator, center: tuple[int, int] | None = None
) -> CropView:
    """Draw the part of a picture that a crop shows, by everything in an augmentation except colour and bending.

    Args:
        size: height and width of the picture.
        augmentation: what varies.
        rng: the generator of random numbers; seven are taken.
        center: row and column of a pixel to have near the middle of the crop; anywhere when None.
    """
    zoom, stretch, turn, hflip, vflip, row, column = rng.random(7).tolist()
    low, high = augmentation.scale
    zoom = low * (high / low) ** zoom
    stretch = augmentation.aspect ** (stretch - 0.5)
    height, width = augmentation.crop[0] / (zoom / stretch), augmentation.crop[1] / (zoom * stretch)
    return CropView(
        top=_start(row, size[0], height, None if center is None else center[0]),
        left=_start(column, size[1], width, None if center is None else center[1]),
        height=height,
        width=width,
        turn=math.radians(augmentation.rotation * (2 * turn - 1)),
        hflip=augmentation.hflip and hflip < 0.5,
        vflip=augmentation.vflip and vflip < 0.5,
    )


def _start(chance: float, length: int, extent: float, pixel: int | None) -> float:
    """Place a window on a line of pixels by a number from 0 to 1, beyond the line no more than necessary."""
    low, high = min(0.0, length - extent), max(0.0, length - extent)
    if pixel is None:
        return low + chance * (high - low)
    near, far = _SOUGHT_PIXEL_SHARES
    return min(max(pixel + 0.5 - extent * (near + chance * (far - near)), low), high)


def change_color(pixels: ImageArray, strength: float, rng: np.random.Generator) -> ImageArray:
    """Change brightness, contrast and saturation of pixels (h, w, C) by factors within 1 - strength .. 1 + strength."""
    brightness, contrast, saturation = (1 + strength * (2 * rng.random(3) - 1)).tolist()
    channels = pixels.shape[2]
    mix = np.eye(channels, channels + 1, dtype=np.float32)  # (C, C + 1): the last column is added
    if channels == 3:
        mix[:, :3] = saturation * mix[:, :3] + (1 - saturation) * _LUMINANCE
    mean = cv2.mean(pixels.reshape(len(pixels), -1))[0]
    mix *= brightness * contrast
    mix[:, -1] = (
        brightness * (1 - contrast) * mean
    )  # about the mean, because dark pictures would otherwise turn black with contrast
    changed = cv2.transform(pixels, mix)
    return np.asarray(changed if changed.ndim == 3 else changed[..., None], np.uint8)
