"""Colour and Gaussian features of every pixel, as interactive tools of the field use them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIGMAS = (0.7, 1.6, 3.5, 7.0, 14.0)
"""Widths in pixels of the Gaussians."""

COLOR_SIGMAS = (0.0, 1.0, 3.5, 10.0)
"""Widths of the Gaussians that colours are averaged by; 0 takes the pixel itself."""


def gaussian_features(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute colours, edges and their directions at several scales.

    For each of :data:`COLOR_SIGMAS`, lightness and two colours (CIE L*a*b*); for each of :data:`SIGMAS`, of the
    lightness: Laplacian, magnitude of the gradient, both eigenvalues of the Hessian and of the structure tensor. These
    are the features of ilastik's pixel classification (Berg et al. 2019).

    Args:
        image: uint8 (H, W, 3), RGB.

    Returns:
        float32 (H, W, F), roughly of the range -1 .. 1.
    """
    scaled = image.astype(np.float32) / 255
    lab = cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB) / np.float32(100)
    lightness = np.ascontiguousarray(lab[..., 0])
    found: list[NDArray[np.float32]] = []
    for sigma in COLOR_SIGMAS:
        found += list(np.moveaxis(_blurred(lab, sigma), 2, 0))
    for sigma in SIGMAS:
        found += _edges(lightness, sigma)
    return np.stack(found, axis=-1)


def _blurred(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    if sigma == 0:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _edges(lightness: NDArray[np.float32], sigma: float) -> list[NDArray[np.float32]]:
    smooth = _blurred(lightness, sigma)
    scale = np.float32(sigma)  # derivatives of wider Gaussians are smaller
    dx, dy = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3, scale=1 / 8) * scale for order in ((1, 0), (0, 1)))
    dxx = cv2.Sobel(smooth, cv2.CV_32F, 2, 0, ksize=3, scale=1 / 4) * scale**2
    dyy = cv2.Sobel(smooth, cv2.CV_32F, 0, 2, ksize=3, scale=1 / 4) * scale**2
    dxy = cv2.Sobel(smooth, cv2.CV_32F, 1, 1, ksize=3, scale=1 / 4) * scale**2
    inside = np.sqrt(_blurred(dx * dx, sigma)), np.sqrt(_blurred(dy * dy, sigma))
    crossed = _blurred(dx * dy, sigma)
    structure = _eigenvalues(inside[0] ** 2, inside[1] ** 2, crossed)
    hessian = _eigenvalues(dxx, dyy, dxy)
    return [dxx + dyy, np.sqrt(dx * dx + dy * dy), *hessian, *(np.sqrt(np.maximum(one, 0)) for one in structure)]


def _eigenvalues(
    xx: NDArray[np.float32], yy: NDArray[np.float32], xy: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The larger and the smaller eigenvalue of symmetric 2x2 matrices."""
    middle = np.asarray((xx + yy) / 2, np.float32)
    away = np.asarray(np.sqrt(((xx - yy) / 2) ** 2 + xy**2), np.float32)
    return middle + away, middle - away
