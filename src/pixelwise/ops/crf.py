"""The fully connected conditional random field with which DeepLab v1 and v2 sharpen their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pixelwise.errors import SettingError
from pixelwise.ops.lattice import PermutohedralLattice

LEAST_PROBABILITY = 1e-5
"""The least probability of a class; without it, neighbours could not change a label of probability 0."""

KERNEL_REACH_SIGMAS = 4
"""Standard deviations after which the smoothing kernel is cut."""


def dense_crf(
    image: NDArray[np.uint8],
    probabilities: NDArray[np.floating[Any]],
    *,
    steps: int = 10,
    smooth_weight: float = 3.0,
    smooth_sigma: float = 1.0,
    colour_weight: float = 4.0,
    colour_sigma: float = 3.0,
    position_sigma: float = 67.0,
) -> NDArray[np.float32]:
    """Refine class probabilities by all pairs of pixels, of which near ones and those of similar colour count most.

    Mean field of the dense random field of Krähenbühl and Koltun (2011): unary costs -log p, Potts costs between all
    pairs with weight

        colour_weight * exp(-|place|^2 / 2 position_sigma^2 - |colour|^2 / 2 colour_sigma^2)
        + smooth_weight * exp(-|place|^2 / 2 smooth_sigma^2)

    either kernel normalised from both sides by the root of its sums. The first is computed on a permutohedral lattice
    (a few percent off), the second as a convolution cut at 4 standard deviations. The defaults are those of DeepLabv2
    on PASCAL VOC as a public port has them; the authors of DeepLab v1 searched weights of 5 to 10, positions of 50 to
    100 pixels and colours of 3 to 10 on validation pictures. A picture of 480 x 360 with 12 classes takes seconds on
    one core, and time and memory grow with the number of pixels times classes.

    Args:
        image: uint8 (H, W, C).
        probabilities: float (K, H, W), those of a pixel summing to 1.
        steps: updates of all pixels at once.
        smooth_weight: weight of the kernel of places.
        smooth_sigma: its standard deviation in pixels.
        colour_weight: weight of the kernel of places and colours.
        colour_sigma: its standard deviation in colour, on the scale 0 .. 255.
        position_sigma: its standard deviation in pixels.

    Returns:
        float32 (K, H, W), the probabilities after the last step.

    Raises:
        SettingError: shapes that do not fit each other, or settings that make no sense.
    """
    if image.ndim != 3 or probabilities.ndim != 3 or image.shape[:2] != probabilities.shape[1:] or not image.size:
        raise SettingError(
            f"an image (H, W, C) and probabilities (K, H, W) of one size are needed, got {image.shape} and "
            f"{probabilities.shape}"
        )
    if image.dtype != np.uint8:
        raise SettingError(f"an image must be uint8, whose scale colour_sigma is on, got {image.dtype}")
    if min(smooth_sigma, colour_sigma, position_sigma) <= 0 or min(smooth_weight, colour_weight, steps) < 0:
        raise SettingError("sigmas are positive, weights and steps at least 0")
    height, width = image.shape[:2]
    unary = torch.from_numpy(np.log(np.maximum(probabilities, LEAST_PROBABILITY, dtype=np.float32)))
    unary = unary.flatten(1).T.contiguous()  # (H*W, K)
    lattice = PermutohedralLattice(_features(image, colour_sigma, position_sigma))
    ones = torch.ones(height * width, 1)

    def smooth(values: Tensor) -> Tensor:
        planes = values.T.reshape(-1, height, width)  # (K, H, W)
        return gaussian_blur(planes, smooth_sigma).flatten(1).T

    colour_norm = lattice.filter(ones).rsqrt()  # (H*W, 1)
    smooth_norm = smooth(ones).rsqrt()
    belief = unary.softmax(1)
    for _ in range(steps):
        support = colour_weight * colour_norm * lattice.filter(colour_norm * belief)
        support += smooth_weight * smooth_norm * smooth(smooth_norm * belief)
        belief = (unary + support).softmax(1)
    result: NDArray[np.float32] = belief.T.reshape(-1, height, width).contiguous().numpy()
    return result


def gaussian_blur(planes: Tensor, sigma: float) -> Tensor:
    """Sum (K, H, W) over places with weights exp(-distance^2 / 2 sigma^2), zeros outside: (K, H, W)."""
    reach = max(1, round(KERNEL_REACH_SIGMAS * sigma))
    taps = torch.arange(-reach, reach + 1, dtype=planes.dtype)
    kernel = (-(taps**2) / (2 * sigma**2)).exp()
    rows = F.conv2d(planes[:, None], kernel[None, None, :, None], padding=(reach, 0))  # (K, 1, H, W)
    return F.conv2d(rows, kernel[None, None, None, :], padding=(0, reach))[:, 0]


def _features(image: NDArray[np.uint8], colour_sigma: float, position_sigma: float) -> Tensor:
    """Places and colours of all pixels in standard deviations: (H*W, 2 + C)."""
    height, width = image.shape[:2]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([rows, columns], -1).flatten(0, 1) / position_sigma
    colours = torch.from_numpy(image / np.float32(colour_sigma)).flatten(0, 1)
    return torch.cat([places, colours], 1).float()
