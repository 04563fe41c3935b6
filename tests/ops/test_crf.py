from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.ops.crf import dense_crf, gaussian_blur
from pixelwise.ops.lattice import PermutohedralLattice

SETTINGS = {"smooth_sigma": 1.5, "colour_weight": 4.0, "colour_sigma": 12.0, "position_sigma": 8.0}


def brute_force(
    image: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    *,
    steps: int = 10,
    smooth_weight: float = 3.0,
    smooth_sigma: float = 1.0,
    colour_weight: float = 4.0,
    colour_sigma: float = 3.0,
    position_sigma: float = 67.0,
) -> NDArray[np.float64]:
    """Mean field with both kernels written out as matrices (H*W, H*W)."""
    classes, height, width = probabilities.shape
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).reshape(-1, 2)
    colours = image.reshape(height * width, -1).astype(float)
    far = ((places[:, None] - places[None]) ** 2).sum(-1)
    unlike = ((colours[:, None] - colours[None]) ** 2).sum(-1)
    support = 0
    for weight, kernel in (
        (colour_weight, np.exp(-far / (2 * position_sigma**2) - unlike / (2 * colour_sigma**2))),
        (smooth_weight, np.exp(-far / (2 * smooth_sigma**2))),
    ):
        norm = 1 / np.sqrt(kernel.sum(1))
        support = support + weight * norm[:, None] * kernel * norm[None]
    unary = np.log(np.maximum(probabilities.reshape(classes, -1).T.astype(float), 1e-5))

    def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        exponents = np.exp(scores - scores.max(1, keepdims=True))
        return exponents / exponents.sum(1, keepdims=True)

    belief = softmax(unary)
    for _ in range(steps):
        belief = softmax(unary + support @ belief)
    return belief.T.reshape(probabilities.shape)


def scene(height: int, width: int, *, noise: float = 0.6) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray]:
    """Three areas of their own colours, probabilities that often err, and the truth."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    truth = np.where(rows < height // 2, 0, np.where(columns < width // 2, 1, 2))
    colours = np.array([[60, 90, 200], [70, 160, 60], [180, 120, 90]])
    image = (colours[truth] + rng.normal(0, 4, (height, width, 3))).clip(0, 255).astype(np.uint8)
    scores = np.eye(3)[truth].transpose(2, 0, 1) + rng.normal(0, noise, (3, height, width))
    probabilities = np.exp(2 * scores) / np.exp(2 * scores).sum(0)
    return image, probabilities.astype(np.float32), truth


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_mean_field_is_that_of_the_written_out_matrices(steps: int) -> None:
    image, probabilities, _ = scene(18, 22)
    ours = dense_crf(image, probabilities, steps=steps, **SETTINGS)
    exact = brute_force(image, probabilities, steps=steps, **SETTINGS)
    np.testing.assert_allclose(ours.sum(0), 1, rtol=1e-5)
    assert (ours.argmax(0) == exact.argmax(0)).mean() >= 0.995
    assert np.abs(ours - exact).mean() < 0.005
    if steps == 0:
        np.testing.assert_allclose(ours, exact, rtol=1e-5)


def test_without_colours_the_mean_field_is_exact_but_for_the_cut() -> None:
    image, probabilities, _ = scene(15, 12)
    settings = {**SETTINGS, "colour_weight": 0.0}
    ours = dense_crf(image, probabilities, steps=4, **settings)
    np.testing.assert_allclose(ours, brute_force(image, probabilities, steps=4, **settings), atol=2e-4)


def test_labels_come_to_follow_the_colours() -> None:
    image, probabilities, truth = scene(60, 80, noise=1.0)
    before = (probabilities.argmax(0) == truth).mean()
    after = (dense_crf(image, probabilities, **SETTINGS).argmax(0) == truth).mean()
    assert before < 0.8
    assert after > 0.97


def test_a_certain_picture_of_one_class_stays_as_it_is() -> None:
    image = np.full((5, 7, 3), 90, np.uint8)
    probabilities = np.zeros((2, 5, 7), np.float32)
    probabilities[1] = 1
    assert (dense_crf(image, probabilities).argmax(0) == 1).all()


@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_channels(channels: int) -> None:
    image, probabilities, _ = scene(9, 8)
    result = dense_crf(np.repeat(image[:, :, :1], channels, 2), probabilities, steps=2)
    assert result.shape == probabilities.shape
    assert np.isfinite(result).all()


@pytest.mark.parametrize(("dimensions", "error"), [(1, 0.02), (2, 0.04), (3, 0.05)])
def test_the_lattice_is_a_gaussian_filter(dimensions: int, error: float) -> None:
    torch.manual_seed(0)
    features = torch.rand(1500, dimensions) * 4
    values = torch.stack([features[:, 0], (features.sum(1) > 2 * dimensions).float()], 1)
    kernel = (-(torch.cdist(features, features) ** 2) / 2).exp()
    expected = kernel @ values / kernel.sum(1, keepdim=True)
    lattice = PermutohedralLattice(features)
    ours = lattice.filter(values) / lattice.filter(torch.ones(1500, 1))
    assert (ours - expected).abs().mean() < error
    sums = lattice.filter(torch.ones(1500, 1))[:, 0]
    assert np.corrcoef(sums, kernel.sum(1))[0, 1] > 0.98


def test_corners_weigh_1_together_and_none_is_negative() -> None:
    torch.manual_seed(0)
    weights = PermutohedralLattice(torch.randn(300, 5) * 3).weights
    torch.testing.assert_close(weights.sum(1), torch.ones(300))
    assert weights.min() >= -1e-6


def test_blur_is_the_sum_over_places() -> None:
    planes = torch.zeros(1, 9, 9)
    planes[0, 4, 2] = 1
    rows, columns = np.mgrid[:9, :9]
    expected = np.exp(-((rows - 4) ** 2 + (columns - 2) ** 2) / (2 * 1.2**2))
    np.testing.assert_allclose(gaussian_blur(planes, 1.2)[0], expected, atol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    image, probabilities, _ = scene(6, 6)
    with pytest.raises(SettingError, match=r"\(5, 6, 3\)"):
        dense_crf(image[:5], probabilities)
    with pytest.raises(SettingError, match=r"\(0, 6, 3\)"):
        dense_crf(image[:0], probabilities[:, :0])
    with pytest.raises(SettingError, match=r"must be uint8.* got float32"):
        dense_crf(image.astype(np.float32), probabilities)
    with pytest.raises(SettingError, match="positive"):
        dense_crf(image, probabilities, colour_sigma=0)
    with pytest.raises(SettingError, match="larger sigmas"):
        dense_crf(image, probabilities, colour_sigma=1e-4, position_sigma=1e-4)
