"""Gradients of the loss: exact to one rounding in every type, whatever weighs or scales them, and taken once only."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional as F

from pixelwise.errors import UnsupportedError
from pixelwise.ops import upsample_cross_entropy

pytestmark = pytest.mark.usefixtures("form")

DTYPES = [torch.float16, torch.bfloat16, torch.float32]


def make(
    cells: tuple[int, int], stride: int, *, classes: int = 3, class_weight: float, border_weight: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits whose values every type holds, a target with ignored pixels, and weights of classes and pixels.

    A third of the classes, and a tenth of the pixels, weigh what is asked for; the others 1.
    """
    generator = torch.Generator().manual_seed(stride)
    pixels = (cells[0] * stride, cells[1] * stride)
    logits = torch.randint(-24, 24, (2, classes, *cells), generator=generator) / 8
    target = torch.randint(0, classes, (2, *cells), generator=generator)
    target = target.repeat_interleave(stride, 1).repeat_interleave(stride, 2)  # (2, H, W)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    class_weights = torch.where(torch.arange(classes) % 3 == 0, class_weight, 1.0)
    borders = torch.rand((2, *pixels), generator=generator) < 0.1
    return logits, target, class_weights, torch.where(borders, border_weight, 1.0)


def exact_gradient(
    logits: Tensor, target: Tensor, class_weights: Tensor, pixel_weights: Tensor, reduction: str, upstream: float
) -> Tensor:
    """The gradient in float64, by torch's own operators at full size."""
    values = logits.double().requires_grad_()
    scores = F.interpolate(values, target.shape[1:], mode="bilinear")
    losses = F.cross_entropy(scores, target, class_weights.double(), ignore_index=255, reduction="none")
    loss = (losses * pixel_weights).sum()
    if reduction == "mean":
        counted = target != 255
        loss = loss / (class_weights.double()[target.where(counted, 0)] * pixel_weights * counted).sum()
    return torch.autograd.grad(loss * upstream, values)[0]


def assert_rounded_once(found: Tensor, exact: Tensor) -> None:
    """Every number is the nearest that the type has, up to the rounding of sums in float32; infinite where none is."""
    info = torch.finfo(found.dtype)
    step = info.eps * exact.abs().clamp(min=info.smallest_normal)
    room = 0.502 * step + 4e-6 * exact.abs().max()
    fits = exact.abs() <= info.max
    assert (found.double() - exact)[fits].abs().le(room[fits]).all()
    assert found[~fits].isinf().all()
    assert torch.equal(found[~fits].sign().double(), exact[~fits].sign())


# cells, stride; weight of a class; weight of pixels between objects; the factor that a loss scale brings
CASES = [
    *itertools.product([((8, 8), 32)], [1.0, 10.0], [1.0, 11.0], [1.0, 65536.0]),
    *itertools.product([((9, 7), 4)], [1e-3, 1e3], [11.0], [1.0, 1024.0, 65536.0]),
    (((5, 6), 1), 10.0, 11.0, 65536.0),
    (((1, 1), 48), 10.0, 11.0, 1.0),
    (((6, 5), 8), 1e-6, 1e-3, 1.0),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("size", "class_weight", "border_weight", "upstream"), CASES)
def test_gradients_are_those_of_float64_rounded_once(size, class_weight, border_weight, upstream, dtype, reduction):
    logits, target, class_weights, pixel_weights = make(*size, class_weight=class_weight, border_weight=border_weight)
    values = logits.to(dtype).requires_grad_()
    loss = upsample_cross_entropy(
        values, target, class_weights=class_weights, pixel_weights=pixel_weights, reduction=reduction
    )
    (gradient,) = torch.autograd.grad(loss.sum() * upstream, values)
    exact = exact_gradient(logits, target, class_weights, pixel_weights, reduction, upstream)
    assert gradient.dtype == dtype
    assert_rounded_once(gradient, exact)
    if reduction == "mean" and dtype == torch.float16 and upstream == 1:
        assert gradient.isfinite().all()  # a mean's gradient is at most 1 a pixel, whatever the sum's


def test_the_sum_does_overflow_where_the_mean_does_not():
    # The premise of the cases above: their largest sums lie beyond float16.
    logits, target, class_weights, pixel_weights = make((8, 8), 32, class_weight=100.0, border_weight=11.0)
    exact = [exact_gradient(logits, target, class_weights, pixel_weights, kind, 1.0) for kind in ("sum", "mean")]
    assert exact[0].abs().max() > torch.finfo(torch.float16).max
    values = logits.half().requires_grad_()
    loss = upsample_cross_entropy(values, target, class_weights=class_weights, pixel_weights=pixel_weights)
    assert_rounded_once(torch.autograd.grad(loss, values)[0], exact[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_loss_scale_brings_back_what_would_vanish(dtype):
    # Of 2 x 128 x 128 pixels each has a gradient near 3e-5 / K, below float16's smallest steps without the scale.
    logits, target, class_weights, pixel_weights = make((32, 32), 4, classes=40, class_weight=1.0, border_weight=1.0)
    values = (3 * logits).to(dtype).requires_grad_()
    loss = upsample_cross_entropy(values, target)
    (scaled,) = torch.autograd.grad(loss * 65536, values)
    exact = exact_gradient(3 * logits, target, class_weights, pixel_weights, "mean", 65536.0)
    assert_rounded_once(scaled, exact)
    assert (scaled != 0).float().mean() > 0.99


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_second_derivatives_are_refused(reduction, dtype):
    logits, target, *_ = make((3, 4), 4, class_weight=1.0, border_weight=1.0)
    values = logits.to(dtype).requires_grad_()

    def gradient_of(power: int) -> Tensor:
        loss = upsample_cross_entropy(values, target, reduction=reduction).sum() ** power
        return torch.autograd.grad(loss, values, create_graph=True)[0]

    plain = torch.autograd.grad(upsample_cross_entropy(values, target, reduction=reduction).sum(), values)[0]
    assert torch.equal(gradient_of(1), plain)  # asking for a graph alone changes nothing
    for power in (1, 2):
        with pytest.raises(UnsupportedError, match="differentiated once"):
            torch.autograd.grad(gradient_of(power).sum(), values)
    # Beside another term the missing part would be a wrong number in silence.
    with pytest.raises(NotImplementedError, match=r"F\.cross_entropy"):
        (gradient_of(1).square().sum() + values.sum()).backward()


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # of torch itself, which prepares forward mode
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_forward_mode_is_refused(reduction):
    logits, target, *_ = make((3, 4), 4, class_weight=1.0, border_weight=1.0)
    with forward_ad.dual_level(), pytest.raises(UnsupportedError, match="forward mode"):
        upsample_cross_entropy(forward_ad.make_dual(logits, logits), target, reduction=reduction)
    with pytest.raises(UnsupportedError, match="forward mode"):
        torch.func.jvp(lambda x: upsample_cross_entropy(x, target, reduction=reduction), (logits,), (logits,))


@pytest.mark.parametrize("dtype", DTYPES)
def test_another_backward_pass_gives_the_same(dtype):
    logits, target, class_weights, _ = make((5, 5), 3, class_weight=2.0, border_weight=1.0)
    values = logits.to(dtype).requires_grad_()
    loss = upsample_cross_entropy(values, target, class_weights=class_weights)
    first, second = (torch.autograd.grad(loss, values, retain_graph=True)[0] for _ in range(2))
    torch.testing.assert_close(first, second, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_weights_of_ignored_pixels_do_not_count(dtype, reduction):
    logits, target, _, pixel_weights = make((3, 4), 4, class_weight=1.0, border_weight=1.0)
    results = []
    for filler in (1.0, float("nan"), float("inf")):
        values = logits.to(dtype).requires_grad_()
        weights = pixel_weights.where(target != 255, filler)
        loss = upsample_cross_entropy(values, target, pixel_weights=weights, reduction=reduction)
        results.append((loss.detach(), *torch.autograd.grad(loss.sum(), values)))
    for result in results[1:]:
        for ours, expected in zip(result, results[0], strict=True):
            assert torch.equal(ours, expected)
