from __future__ import annotations

import concurrent.futures
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.errors import DataError, SettingError
from pixelwise.ops import (
    confusion_counts,
    upsample_argmax,
    upsample_confusion,
    upsample_cross_entropy,
)
from pixelwise.ops.tail import operators
from pixelwise.ops.tail import reference as in_torch

pytestmark = pytest.mark.usefixtures("form")

# classes, coarse size, picture size: up, down, equal, thin, a single cell, more than one tile of columns
SIZES = [
    (1, (1, 1), (5, 6)),
    (2, (3, 4), (3, 4)),
    (5, (7, 9), (20, 31)),
    (12, (20, 26), (7, 10)),
    (3, (1, 40), (4, 33)),
    (150, (6, 40), (24, 160)),
    (300, (3, 5), (10, 17)),
    (4, (6, 300), (7, 1100)),
]


def make(classes, cells, pixels, *, batch=2, dtype=torch.float32, ignore_index=255):
    generator = torch.Generator().manual_seed(classes)
    logits = (3 * torch.randn(batch, classes, *cells, generator=generator)).to(dtype)
    target = torch.randint(0, classes, (batch, *pixels), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.2] = ignore_index
    return logits.requires_grad_(), target


def full(logits: Tensor, size) -> Tensor:
    return F.interpolate(logits.double(), tuple(size), mode="bilinear", align_corners=False)


def assert_labels(labels: Tensor, scores: Tensor, tolerance: float = 1e-4) -> None:
    """Labels are those of the greatest score, but for ties within rounding."""
    chosen = scores.gather(1, labels.long()[:, None])[:, 0]
    assert (scores.amax(1) - chosen).max() <= tolerance


def slow_value(plane, y, x):
    def taps(position, cells):
        position = min(max(position, 0.0), cells - 1.0)
        lower = math.floor(position)
        return lower, min(lower + 1, cells - 1), position - lower

    top, bottom, down = taps(y, plane.shape[0])
    left, right, along = taps(x, plane.shape[1])
    upper_edge = plane[top, left] * (1 - along) + plane[top, right] * along
    lower_edge = plane[bottom, left] * (1 - along) + plane[bottom, right] * along
    return upper_edge * (1 - down) + lower_edge * down


GRIDS = [
    (0.25, -0.375),
    (0.3, 0.7),
    (1.0, 0.0),
    (2.5, 0.75),
    (0.125, -3.0),
    ((0.25, 0.5), (-0.375, 0.25)),
    ((4 / 6, 5 / 8), 0.0),
    (0.25, (0.0, 3.5)),
    ((2.0, 0.1), (1, -0.5)),
]


@pytest.mark.parametrize(("scale", "offset"), GRIDS)
def test_grid_matches_a_slow_loop(scale, offset):
    logits, target = make(3, (5, 6), (7, 9))
    labels = upsample_argmax(logits, (7, 9), scale=scale, offset=offset)
    losses = upsample_cross_entropy(logits, target, scale=scale, offset=offset, reduction="none")
    (down, along), (top, left) = (value if isinstance(value, tuple) else (value, value) for value in (scale, offset))
    values = logits.detach().double().numpy()
    scores = np.zeros((2, 3, 7, 9))
    for n, k, y, x in np.ndindex(scores.shape):
        scores[n, k, y, x] = slow_value(values[n, k], y * down + top, x * along + left)
    assert_labels(labels, torch.from_numpy(scores))
    expected = F.cross_entropy(torch.from_numpy(scores), target, ignore_index=255, reduction="none")
    torch.testing.assert_close(losses.double(), expected, rtol=1e-5, atol=1e-6)
    counts = upsample_confusion(logits, target, scale=scale, offset=offset)
    assert torch.equal(counts, confusion_counts(target, labels, 3))


@pytest.mark.parametrize(("scale", "offset"), GRIDS)
def test_gradient_on_any_grid_is_that_of_float64(scale, offset):
    # 40 columns are more than a vector, and more than a tile once there are many classes.
    for classes, cells, pixels in ((3, (5, 6), (7, 9)), (300, (9, 30), (20, 75))):
        logits, target = make(classes, cells, pixels, batch=1, ignore_index=-1)
        gradients = []
        for values in (logits.detach(), logits.detach().double()):
            values.requires_grad_()
            loss = upsample_cross_entropy(values, target, scale=scale, offset=offset, ignore_index=-1)
            gradients.append(torch.autograd.grad(loss, values)[0].double())
        torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-6 * float(gradients[1].abs().max()))


def test_aligned_corners():
    logits, target = make(4, (5, 9), (13, 33))
    scores = F.interpolate(logits, (13, 33), mode="bilinear", align_corners=True)
    scale = ((5 - 1) / (13 - 1), (9 - 1) / (33 - 1))
    loss = upsample_cross_entropy(logits, target, scale=scale, offset=0.0)
    expected = F.cross_entropy(scores, target, ignore_index=255)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (loss, expected)))
    assert_labels(upsample_argmax(logits, (13, 33), scale=scale, offset=0.0), scores)


@pytest.mark.parametrize(("classes", "cells", "pixels"), SIZES)
def test_argmax_matches_interpolate(classes, cells, pixels):
    logits, _ = make(classes, cells, pixels)
    labels = upsample_argmax(logits, pixels)
    assert labels.shape == (2, *pixels)
    assert labels.dtype == (torch.uint8 if classes <= 255 else torch.int64)
    assert_labels(labels, full(logits, pixels))


def test_argmax_gives_a_tie_to_the_lower_class():
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 1:] = 1
    assert (upsample_argmax(logits, (5, 5)) == 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed", "sliced"])
def test_types_and_layouts(dtype, layout):
    logits, target = make(5, (6, 7), (23, 25), dtype=dtype)
    arranged = {
        "contiguous": lambda t: t,
        "channels_last": lambda t: t.contiguous(memory_format=torch.channels_last),
        "transposed": lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
        "sliced": lambda t: t.repeat(1, 2, 2, 2)[:, :5, :6, :7],
    }[layout](logits.detach()).requires_grad_()
    scores = full(logits.float(), (23, 25))
    expected = F.cross_entropy(scores, target, ignore_index=255)
    loss = upsample_cross_entropy(arranged, target)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
    assert loss.dtype == torch.float32
    assert_labels(upsample_argmax(arranged, (23, 25)), scores)
    (gradient,) = torch.autograd.grad(loss, arranged)
    (reference,) = torch.autograd.grad(expected, logits)
    assert gradient.dtype == dtype
    if layout in ("contiguous", "channels_last"):
        assert gradient.stride() == arranged.stride()
    steps = {torch.float32: 2**-20, torch.bfloat16: 2**-8, torch.float16: 2**-10}
    torch.testing.assert_close(gradient.float(), reference.float(), rtol=2 * steps[dtype], atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("classes", "cells", "pixels"), SIZES)
def test_cross_entropy_matches_torch(classes, cells, pixels, weighted, reduction):
    ignore_index = 255 if classes <= 255 else -100
    logits, target = make(classes, cells, pixels, ignore_index=ignore_index)
    generator = torch.Generator().manual_seed(1)
    class_weights = torch.rand(classes, generator=generator) if weighted else None
    pixel_weights = torch.rand(target.shape, generator=generator) if weighted else None
    loss = upsample_cross_entropy(
        logits,
        target,
        class_weights=class_weights,
        pixel_weights=pixel_weights,
        label_smoothing=0.1 * weighted,
        ignore_index=ignore_index,
        reduction=reduction,
    )
    exact = logits.detach().double().requires_grad_()
    weight = class_weights.double() if weighted else None
    options = {"weight": weight, "ignore_index": ignore_index, "label_smoothing": 0.1 * weighted}
    expected = F.cross_entropy(full(exact, pixels), target, reduction="none", **options)
    if weighted:
        expected = expected * pixel_weights
    if reduction != "none":
        expected = expected.sum()
    if reduction == "mean":
        counted = (target != ignore_index).double()
        own = class_weights.double()[target.where(target != ignore_index, 0)] * pixel_weights if weighted else 1.0
        expected = expected / (counted * own).sum()
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
    upstream = torch.rand(loss.shape, generator=generator)
    (gradient,) = torch.autograd.grad(loss, logits, upstream)
    (reference,) = torch.autograd.grad(expected, exact, upstream.double())
    torch.testing.assert_close(gradient.double(), reference, rtol=1e-5, atol=1e-5 * float(reference.abs().max()) + 1e-6)


def test_mean_is_that_of_torch_with_class_weights_and_smoothing():
    logits, target = make(4, (5, 5), (12, 13))
    weights = torch.tensor([0.5, 1.0, 2.0, 0.0])
    options = {"ignore_index": 255, "label_smoothing": 0.2}
    expected = F.cross_entropy(full(logits, (12, 13)), target, weight=weights.double(), **options)
    loss = upsample_cross_entropy(logits, target, class_weights=weights, **options)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_float64_passes_gradcheck(reduction, monkeypatch):
    monkeypatch.setitem(in_torch.BAND_ELEMENTS, "cpu", 64)  # several bands, and pictures apart
    logits, target = make(3, (3, 4), (8, 9), dtype=torch.float64)
    weights = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    pixel_weights = torch.rand(target.shape, dtype=torch.float64)

    def loss(values):
        return upsample_cross_entropy(
            values,
            target,
            class_weights=weights,
            pixel_weights=pixel_weights,
            label_smoothing=0.1,
            reduction=reduction,
        )

    assert torch.autograd.gradcheck(loss, (logits,))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_target_types(dtype):
    logits, target = make(5, (4, 4), (9, 9))
    expected = upsample_cross_entropy(logits, target)
    assert upsample_cross_entropy(logits, target.to(dtype)) == expected
    assert torch.equal(upsample_confusion(logits, target.to(dtype)), upsample_confusion(logits, target))


@pytest.mark.parametrize(("classes", "cells", "pixels"), SIZES)
def test_confusion_matches_counting_labels(classes, cells, pixels):
    ignore_index = 255 if classes <= 255 else 65535
    logits, target = make(classes, cells, pixels, ignore_index=ignore_index)
    labels = upsample_argmax(logits, pixels).long()
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    for true, predicted in zip(target.flatten().tolist(), labels.flatten().tolist(), strict=True):
        if true != ignore_index:
            counts[true, predicted] += 1
    assert torch.equal(upsample_confusion(logits, target, ignore_index=ignore_index), counts)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_all_ignored_is_zero_with_zero_gradient(reduction):
    logits, target = make(4, (3, 3), (8, 8))
    loss = upsample_cross_entropy(logits, target.fill_(255), reduction=reduction)
    assert not loss.any()
    loss.sum().backward()
    assert not logits.grad.any()
    assert upsample_confusion(logits, target).sum() == 0


def test_empty_batch():
    logits, target = make(4, (3, 3), (8, 8), batch=0)
    assert upsample_argmax(logits, (8, 8)).shape == (0, 8, 8)
    assert upsample_confusion(logits, target).shape == (4, 4)
    loss = upsample_cross_entropy(logits, target)
    loss.backward()
    assert loss == 0


def test_nan_logits_give_a_nan_loss_where_they_count():
    logits, target = make(4, (4, 4), (16, 16))
    target[:, :8] = 255
    spoiled = logits.detach().clone()
    spoiled[0, 0, 0, 0] = float("nan")
    assert upsample_cross_entropy(spoiled.requires_grad_(), target).isfinite()
    (gradient,) = torch.autograd.grad(upsample_cross_entropy(spoiled, target), spoiled)
    assert gradient.isfinite().all()
    spoiled = spoiled.detach()
    spoiled[0, 0, 3, 3] = float("nan")
    assert upsample_cross_entropy(spoiled, target).isnan()


def test_half_precision_rounds_the_gradient_once():
    # Weights from 1e-8 to 1e4 reach float16's smallest steps and, where they add up, its end.
    logits, target = make(5, (40, 30), (160, 120), batch=1)
    weights = 10 ** torch.linspace(-8, 4, 120).expand(1, 160, 120)
    for dtype in (torch.bfloat16, torch.float16):
        gradients = []
        for values in (logits.detach().to(dtype), logits.detach().to(dtype).double()):
            values.requires_grad_()
            loss = upsample_cross_entropy(values, target, pixel_weights=weights, reduction="sum")
            gradients.append(torch.autograd.grad(loss, values)[0])
        half, exact = gradients
        # What lies half-way between two numbers may go either way, hence not equal but one step.
        step = torch.finfo(dtype).eps * exact.abs().clamp(min=torch.finfo(dtype).smallest_normal)
        near = (half.double() - exact).abs() <= 0.502 * step + 1e-6 * exact.abs()
        at_the_end = exact.abs() > 0.999 * torch.finfo(dtype).max
        assert (near | (at_the_end & (half.isinf() | (half.abs() == torch.finfo(dtype).max)))).all()


def test_gradients_again_from_one_forward_pass():
    logits, target = make(4, (5, 5), (12, 13))
    loss = upsample_cross_entropy(logits, target)
    first, second = (torch.autograd.grad(loss, logits, retain_graph=True)[0] for _ in range(2))
    torch.testing.assert_close(first, second, rtol=1e-6, atol=1e-9)
    (third,) = torch.autograd.grad(loss, logits, torch.tensor(3.0))
    torch.testing.assert_close(third, 3 * first)


def test_extreme_logits_stay_finite():
    logits = torch.tensor([1e4, -1e4, 0.0]).view(1, 3, 1, 1).requires_grad_()
    target = torch.ones(1, 2, 2, dtype=torch.int64)
    loss = upsample_cross_entropy(logits, target)
    loss.backward()
    torch.testing.assert_close(loss, torch.tensor(2e4))
    torch.testing.assert_close(logits.grad.flatten(), torch.tensor([1.0, -1.0, 0.0]), rtol=1e-5, atol=1e-6)


def test_same_bits_in_every_run_and_from_many_threads():
    logits, target = make(7, (10, 12), (37, 45))

    def run(_):
        values = logits.detach().clone().requires_grad_()
        loss = upsample_cross_entropy(values, target)
        return loss.detach(), torch.autograd.grad(loss, values)[0], upsample_argmax(values, (37, 45))

    expected = run(0)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for result in pool.map(run, range(8)):
            assert all(torch.equal(a, b) for a, b in zip(result, expected, strict=True))


def test_compiled_graphs_hold_the_operators():
    logits, target = make(3, (4, 4), (9, 9))

    def step(values):
        loss = upsample_cross_entropy(values * 2, target, scale=(0.4, 0.5), offset=0.0)
        return loss + upsample_argmax(values, (9, 9)).sum()

    compiled = torch.compile(step, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(logits), step(logits))
    torch.testing.assert_close(torch.autograd.grad(compiled(logits), logits), torch.autograd.grad(step(logits), logits))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # opcheck's own
def test_operators_keep_to_their_schemas():
    logits, target = make(3, (4, 4), (9, 9))
    grid = ((0.5, 0.4), (0.0, 0.25))
    checks = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
    for values in (logits, logits.detach().contiguous(memory_format=torch.channels_last).requires_grad_()):
        torch.library.opcheck(operators.argmax, (values, 9, 9, *grid), test_utils=checks)
        torch.library.opcheck(operators.confusion, (values, target, *grid, 255), test_utils=checks)
        loss = (values, target, torch.rand(3), torch.rand(target.shape), *grid, 255, 0.1)
        torch.library.opcheck(operators.cross_entropy_map, loss, test_utils=checks)


def test_bad_arguments_say_what_to_do():
    logits, target = make(4, (3, 3), (8, 8))
    with pytest.raises(SettingError, match="logits must be floats"):
        upsample_argmax(logits[0], (8, 8))
    with pytest.raises(SettingError, match=r"logits must be floats .* got torch\.float8_e4m3fn"):
        upsample_argmax(logits.to(torch.float8_e4m3fn), (8, 8))
    with pytest.raises(SettingError, match="give both"):
        upsample_argmax(logits, (8, 8), scale=0.5)
    with pytest.raises(SettingError, match="positive"):
        upsample_argmax(logits, (8, 8), scale=-0.5, offset=0.0)
    with pytest.raises(SettingError, match="positive"):
        upsample_argmax(logits, (8, 8), scale=(0.5, float("nan")), offset=0.0)
    with pytest.raises(SettingError, match=r"offset is .* finite"):
        upsample_argmax(logits, (8, 8), scale=0.5, offset=(0.0, float("inf")))
    with pytest.raises(SettingError, match=r"scale is \(0.5,\); give one number"):
        upsample_argmax(logits, (8, 8), scale=(0.5,), offset=0.0)
    with pytest.raises(SettingError, match="cannot be read"):
        upsample_argmax(logits, (0, 8))
    with pytest.raises(ValueError, match="one of the 4 classes"):
        upsample_cross_entropy(logits, target, ignore_index=3)
    with pytest.raises(SettingError, match="target must be integers"):
        upsample_cross_entropy(logits, target.float())
    with pytest.raises(SettingError, match="class_weights must be"):
        upsample_cross_entropy(logits, target, class_weights=torch.ones(3))
    with pytest.raises(SettingError, match="pixel_weights must be"):
        upsample_cross_entropy(logits, target, pixel_weights=torch.ones(8, 8))
    with pytest.raises(SettingError, match="label_smoothing"):
        upsample_cross_entropy(logits, target, label_smoothing=1.5)
    with pytest.raises(SettingError, match="reduction"):
        upsample_cross_entropy(logits, target, reduction="average")


@pytest.mark.parametrize("value", [4, -1, 254])
def test_target_that_is_no_class_is_named(value):
    logits, target = make(4, (3, 3), (8, 8))
    target[0, 2, 3] = value
    for reduction in ("mean", "none"):
        with pytest.raises(DataError, match=f"holds {value}, no class 0 .. 3 nor the ignored 255"):
            upsample_cross_entropy(logits, target, reduction=reduction)
    with pytest.raises(DataError, match=f"holds {value}"):
        upsample_confusion(logits, target)
