"""The features of every pixel of a picture: Gaussian ones, and maps of an encoder reduced to a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Size
from pixelwise.labelling.scribbles.encoder import Maps, encode
from pixelwise.labelling.scribbles.gaussian import gaussian_features

LARGEST = 2**20
"""Pixels that a picture is reduced to before its features are computed."""

ENCODED = 2**21
"""Pixels that an enlarged picture has at most when it is encoded."""

ZOOM = 2.0
"""How much pictures are enlarged before they are encoded, beside their own size."""

LEAST_SPREAD = 1e-5
"""The share of the largest variance below which a component is left out."""

REDUCED = 5
"""Numbers that each map of the encoder is reduced to: its principal components."""


@dataclass(frozen=True, eq=False)
class PictureFeatures:
    """What is known of the pixels of a picture.

    Args:
        size: height and width of the picture.
        gaussian: float32 (h, w, F), of the picture or of a reduced one.
        maps: of the encoder at each size that the picture was encoded at; empty without one.
    """

    size: Size
    gaussian: NDArray[np.float32]
    maps: tuple[Maps, ...]

    @property
    def levels(self) -> list[tuple[NDArray[np.float32], float]]:
        """All maps (h, w, C), with pixels from one cell to the next."""
        return [pair for maps in self.maps for pair in zip(maps.maps, maps.strides, strict=True)]

    def at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> list[NDArray[np.float32]]:
        """Give the features of pixels: first the Gaussian ones, then those of each map, float32 (pixels, C) each."""
        height, width = self.gaussian.shape[:2]
        y = np.minimum((2 * rows + 1) * height // (2 * self.size[0]), height - 1)
        x = np.minimum((2 * columns + 1) * width // (2 * self.size[1]), width - 1)
        return [self.gaussian[y, x], *(one for maps in self.maps for one in maps.at(y, x))]


def compute_features(image: NDArray[np.uint8], *, encoded: bool) -> PictureFeatures:
    """Compute the features of a picture.

    Args:
        image: uint8 (H, W, 3), RGB.
        encoded: whether the encoder is used.
    """
    height, width = image.shape[:2]
    shrink = min(1.0, (LARGEST / (height * width)) ** 0.5)
    if shrink < 1:
        small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
    zoom = min(ZOOM, (ENCODED / (image.shape[0] * image.shape[1])) ** 0.5)
    maps: tuple[Maps, ...] = ()
    if encoded:
        fine = encode(image, zoom)
        maps = encode(image, 1.0), Maps(fine.maps[:-1], fine.strides[:-1])  # the last is like one of the other
    return PictureFeatures((height, width), gaussian_features(image), maps)


@dataclass(frozen=True, eq=False)
class Reduction:
    """The principal components of maps, as samples of them have them.

    Args:
        means: of each map, (C,).
        components: of each map, (C, R), scaled so that the reduced samples have a variance of 1, or are 0
            where samples hardly vary.
    """

    means: tuple[NDArray[np.float32], ...]
    components: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, samples: Sequence[NDArray[np.float32]]) -> Reduction:
        """Find the components of samples (N, C), one for each map."""
        means, components = [], []
        for values in samples:
            mean = values.mean(0, dtype=np.float64)
            spread, axes = np.linalg.eigh(np.cov(values - mean, rowvar=False, bias=True).reshape(values.shape[1], -1))
            kept = np.argsort(spread)[::-1][:REDUCED]
            strong = spread[kept] > LEAST_SPREAD * spread.max(initial=1e-12)  # the others would be noise
            scale = strong / np.sqrt(np.maximum(spread[kept], 1e-12))
            means.append(mean.astype(np.float32))
            components.append((axes[:, kept] * scale).astype(np.float32))
        return cls(tuple(means), tuple(components))

    def apply(self, samples: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Reduce samples (..., C) of each map to (..., R)."""
        return [
            np.asarray((values - mean) @ axes, np.float32)
            for values, mean, axes in zip(samples, self.means, self.components, strict=True)
        ]

    def everywhere(self, features: PictureFeatures) -> NDArray[np.float32]:
        """Give all features of every pixel, float32 (h, w, F), reduced and interpolated linearly."""
        height, width = features.gaussian.shape[:2]
        found = [features.gaussian]
        levels = features.levels
        for values, (_, stride) in zip(self.apply([values for values, _ in levels]), levels, strict=True):
            rows, columns = (round(side * stride) for side in values.shape[:2])
            resized = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_LINEAR)
            found.append(np.asarray(resized[:height, :width], np.float32))
        return np.concatenate(found, axis=2)
