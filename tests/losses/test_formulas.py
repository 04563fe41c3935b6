"""Each loss equals a slow loop over pixels and the libraries that have it, and stays finite on any target."""

from __future__ import annotations

import math

import pytest
import segmentation_models_pytorch as smp
import torch
from monai import losses as monai_losses
from torch import Tensor
from torch.nn import functional as F

from pixelwise.errors import DataError, SettingError, UnsupportedError
from pixelwise.losses import LOSSES, make_loss

CLASSES = 4
SIZE = (13, 18)


def make(*, ignored: float = 0.15, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, CLASSES, 5, 6, generator=generator)
    target = torch.randint(0, CLASSES, (2, *SIZE), generator=generator)
    target[torch.rand(target.shape, generator=generator) < ignored] = 255
    return logits, target


def full(logits: Tensor) -> Tensor:
    return F.interpolate(logits, SIZE, mode="bilinear")


def slow(name: str, logits: Tensor, target: Tensor, class_weights: Tensor, pixel_weights: Tensor) -> float:
    """The definitions of docs/losses.md, one pixel after another."""
    probabilities = full(logits.double()).softmax(1).movedim(1, -1)[target != 255].tolist()
    labels = target[target != 255].tolist()
    weights = pixel_weights[target != 255].tolist()
    pixels = list(zip(probabilities, labels, weights, strict=True))
    if name in ("ce", "focal", "ohem"):
        if name == "ohem":
            hardest = sorted(p[label] for p, label, _ in pixels)
            bound = hardest[math.ceil(len(pixels) / 16) - 1]
            pixels = [(p, label, w) for p, label, w in pixels if p[label] < 0.7 or p[label] <= bound]
        total, weight = 0.0, 0.0
        for p, label, w in pixels:
            w *= float(class_weights[label])
            factor = (1 - p[label]) ** 2 if name == "focal" else 1.0
            total -= w * factor * math.log(p[label])
            weight += w
        return total / weight
    total, weight = 0.0, 0.0
    for index in sorted(set(labels)):
        total += float(class_weights[index]) * slow_of_class(name, index, pixels)
        weight += float(class_weights[index])
    return total / weight


def slow_of_class(name: str, index: int, pixels: list[tuple[list[float], int, float]]) -> float:
    if name == "lovasz":
        return slow_lovasz(index, pixels)
    hits = sum(w * p[index] for p, label, w in pixels if label == index)
    false = sum(w * p[index] for p, label, w in pixels if label != index)
    missed = sum(w * (1 - p[index]) for p, label, w in pixels if label == index)
    return {
        "dice": 1 - 2 * hits / (2 * hits + false + missed),
        "jaccard": 1 - hits / (hits + false + missed),
        "tversky": 1 - hits / (hits + 0.3 * false + 0.7 * missed),
        "focal_tversky": (1 - hits / (hits + 0.3 * false + 0.7 * missed)) ** 0.75,
    }[name]


def slow_lovasz(index: int, pixels: list[tuple[list[float], int, float]]) -> float:
    """The sum over pixels, the most wrong first, of the error times what the Jaccard loss gains by that pixel."""
    errors = sorted(((1 - p[index] if label == index else p[index]), label == index, w) for p, label, w in pixels)
    own = sum(w for _, is_own, w in errors if is_own)
    loss, before, missed, extra = 0.0, 0.0, 0.0, 0.0
    for error, is_own, w in reversed(errors):
        missed, extra = (missed + w, extra) if is_own else (missed, extra + w)
        after = 1 - (own - missed) / (own + extra)
        loss += error * (after - before)
        before = after
    return loss


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_equal_a_slow_loop(name, weighted):
    logits, target = make()
    target[target == 2] = 1  # a class that the target does not hold
    class_weights, pixel_weights = torch.ones(CLASSES), torch.ones(target.shape)
    if weighted:
        class_weights = torch.tensor([0.5, 2.0, 7.0, 1.0])
        pixel_weights = torch.rand(target.shape, generator=torch.Generator().manual_seed(1)) * 3
    expected = slow(name, logits, target, class_weights, pixel_weights)
    loss = make_loss(name, class_weights=class_weights if weighted else None)
    ours = loss(logits, target, size=SIZE, pixel_weights=pixel_weights if weighted else None)
    assert float(ours) == pytest.approx(expected, rel=1e-5)


PEERS = {
    "dice": smp.losses.DiceLoss("multiclass", ignore_index=255),
    "lovasz": smp.losses.LovaszLoss("multiclass", ignore_index=255),
    "tversky": smp.losses.TverskyLoss("multiclass", ignore_index=255, alpha=0.3, beta=0.7),
}


@pytest.mark.parametrize("name", PEERS)
def test_values_and_gradients_equal_those_of_smp(name):
    logits, target = make()
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss = make_loss(name)(ours, target)
    expected = PEERS[name](full(theirs), target.clone())  # its Lovasz loss writes into the target
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(loss, ours)[0], torch.autograd.grad(expected, theirs)[0], rtol=1e-4, atol=1e-7
    )


def test_jaccard_equals_that_of_smp():
    logits, target = make(ignored=0.0)  # smp's takes no ignored value
    expected = smp.losses.JaccardLoss("multiclass")(full(logits), target)
    torch.testing.assert_close(make_loss("jaccard")(logits, target), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["dice", "jaccard", "tversky", "focal"])
def test_values_equal_those_of_monai(name):
    logits, target = make(ignored=0.0)
    kwargs = {"to_onehot_y": True, "include_background": True}
    smooth = {"smooth_nr": 0.0, "smooth_dr": 0.0, "batch": True, "softmax": True}
    peer = {
        "dice": lambda: monai_losses.DiceLoss(**kwargs, **smooth),
        "jaccard": lambda: monai_losses.DiceLoss(**kwargs, **smooth, jaccard=True),
        "tversky": lambda: monai_losses.TverskyLoss(**kwargs, **smooth, alpha=0.3, beta=0.7),
        "focal": lambda: monai_losses.FocalLoss(**kwargs, gamma=2.0, use_softmax=True),
    }[name]()
    expected = peer(full(logits), target[:, None])
    if name == "focal":
        expected = expected * CLASSES  # averaged over pixels and classes there
    torch.testing.assert_close(make_loss(name)(logits, target), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("text", [*LOSSES, "ce+dice", "0.5*ce + focal(gamma=0.5)"])
def test_gradients_are_those_of_differences(text):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 3, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 3, (2, 7, 9), generator=generator)
    target[0, :2] = 255
    pixel_weights = torch.rand(target.shape, generator=generator, dtype=torch.float64)
    loss = make_loss(text, class_weights=[1.0, 2.0, 0.5])
    assert torch.autograd.gradcheck(lambda values: loss(values, target, pixel_weights=pixel_weights), logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fill", [255, 0, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_empty_targets_and_absent_classes_are_finite(name, fill, weighted, dtype):
    logits = make()[0].to(dtype).requires_grad_()
    target = torch.full((2, *SIZE), fill, dtype=torch.uint8)
    weights = [1.0, 1.0, 1.0, 0.0] if weighted else None  # the weight of all that counts may be 0
    loss = make_loss(name, class_weights=weights)(logits, target)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    if fill == 255 or (weighted and fill == 3):
        assert loss == 0
        assert (gradient == 0).all()


@pytest.mark.parametrize("certain", [50.0, 500.0])
@pytest.mark.parametrize("name", LOSSES)
def test_certain_predictions_are_finite_right_or_wrong(name, certain):
    target = make(ignored=0.0)[1]
    right = certain * F.one_hot(target, CLASSES).movedim(-1, 1).float()
    for logits, low, high in ((right, -1e-5, 1e-4), (right.roll(1, 1), 0.5, math.inf)):
        values = logits.clone().requires_grad_()
        loss = make_loss(name)(values, target)
        (gradient,) = torch.autograd.grad(loss, values)
        assert low <= loss.item() < high
        assert gradient.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_do_not_count_whatever_they_read(name):
    logits, target = make()
    target[:, :, 9:] = 255
    results = []
    for filler in (1.0, -30.0, math.nan):
        values = full(logits)
        values[..., 10:] = filler  # pixels of the column before read the next one with the share 0
        values.requires_grad_()
        loss = make_loss(name)(values, target, pixel_weights=torch.ones(target.shape).where(target != 255, filler))
        results.append((loss.detach(), torch.autograd.grad(loss, values)[0]))
    for loss, gradient in results[1:]:
        torch.testing.assert_close(loss, results[0][0], rtol=0, atol=0)
        torch.testing.assert_close(gradient, results[0][1], rtol=0, atol=0)


@pytest.mark.parametrize("name", LOSSES)
def test_a_pixel_of_weight_2_is_worth_two_pixels(name):
    if name == "ohem":
        pytest.skip("picks pixels by their number")
    logits, target = make()
    scores = full(logits)
    double = torch.rand(target.shape, generator=torch.Generator().manual_seed(4)) < 0.5
    # The second copy of the pictures holds the pixels of weight 2 again.
    twice = make_loss(name)(scores.repeat(2, 1, 1, 1), torch.cat([target, target.where(double, 255)]))
    weighted = make_loss(name)(scores, target, pixel_weights=1.0 + double)
    torch.testing.assert_close(weighted, twice, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_the_grid_of_a_model_is_kept(name):
    logits, target = make()
    scale, offset = (0.25, 0.3), (-0.375, 0.1)
    rows, columns = (
        (torch.arange(length) * step + start).clamp(0, cells - 1)
        for length, step, start, cells in zip(SIZE, scale, offset, logits.shape[2:], strict=True)
    )
    points = torch.stack(torch.meshgrid(2 * columns / 5 - 1, 2 * rows / 4 - 1, indexing="xy"), -1)
    scores = F.grid_sample(logits, points.expand(2, -1, -1, -1), align_corners=True)
    ours = make_loss(name)(logits, target, scale=scale, offset=offset)
    torch.testing.assert_close(ours, make_loss(name)(scores, target), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_one_loss_for_half_precision(name):
    logits, target = make()
    logits = logits.bfloat16()
    values, exact = logits.clone().requires_grad_(), logits.float().requires_grad_()
    loss, expected = make_loss(name)(values, target), make_loss(name)(exact, target)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    (gradient,) = torch.autograd.grad(1024 * loss, values)
    (expected_gradient,) = torch.autograd.grad(1024 * expected, exact)
    torch.testing.assert_close(gradient.float(), expected_gradient, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", LOSSES)
def test_arguments_stay_as_they_are(name):
    logits, target = make()
    weights = torch.rand(target.shape)
    copies = [value.clone() for value in (logits, target, weights)]
    make_loss(name)(logits.requires_grad_(), target, pixel_weights=weights).backward()
    for value, copy in zip((logits, target, weights), copies, strict=True):
        assert torch.equal(value, copy)


@pytest.mark.parametrize("name", ["dice", "lovasz"])
def test_second_derivatives_are_refused(name):
    logits, target = make()
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(make_loss(name)(logits, target), logits, create_graph=True)
    with pytest.raises(UnsupportedError, match="differentiated once"):
        torch.autograd.grad(gradient.sum(), logits)


@pytest.mark.parametrize("name", LOSSES)
def test_bad_input_is_refused(name):
    logits, target = make()
    loss = make_loss(name)
    with pytest.raises(SettingError, match="size is"):
        loss(logits, target, size=(SIZE[1], SIZE[0]))
    with pytest.raises(SettingError, match="ignore_index"):
        loss(logits, target, ignore_index=1)
    with pytest.raises(SettingError, match="pixel_weights"):
        loss(logits, target, pixel_weights=torch.ones(2, 3, 3))
    with pytest.raises(SettingError, match="class_weights"):
        make_loss(name, class_weights=[1.0, 2.0])(logits, target)
    with pytest.raises(DataError, match="holds 7"):
        loss(logits, target.where(target != 0, 7))
