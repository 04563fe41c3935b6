"""The Triton kernels against the torch form: in Triton's interpreter, or on the device where there is one."""

from __future__ import annotations

from importlib.metadata import version

import pytest
import torch

pytest.importorskip("triton")

from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.tail import reference as in_torch
from pixelwise.ops.tail.backend import CrossEntropy

# The interpreter of Triton 3.6 (torch 2.11) fails inside itself with numpy 2.5; 3.9 is the first one tried that works.
OLD = tuple(int(part) for part in version("triton").split(".")[:2]) < (3, 9)
DEVICES = [
    pytest.param("cpu", id="interpreter", marks=pytest.mark.skipif(OLD, reason="this Triton's interpreter is too old")),
    pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]),
]


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


@pytest.fixture
def form(device):
    """Load the kernels compiled for the device, or interpreted; which is settled when they are defined."""
    import importlib
    import os

    before = os.environ.get("TRITON_INTERPRET")
    if device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    from pixelwise.ops.tail import triton as tail_triton

    yield importlib.reload(tail_triton)
    if before is None:
        os.environ.pop("TRITON_INTERPRET", None)


def make(classes, cells, pixels, device, *, dtype=torch.float32):
    generator = torch.Generator().manual_seed(classes)
    logits = (3 * torch.randn(2, classes, *cells, generator=generator)).to(dtype)
    target = torch.randint(0, classes, (2, *pixels), generator=generator).to(torch.uint8)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits.to(device), target.to(device)


GRIDS = [
    (3, (4, 5), (9, 11), None, None),
    (2, (3, 3), (7, 8), 0.25, -0.375),
    (3, (3, 5), (9, 7), (2 / 8, 4 / 6), (0.0, -0.5)),
    (4, (6, 5), (4, 3), None, None),
    (1, (1, 1), (2, 3), None, None),
    (3, (1, 4), (5, 7), (0.0, 3 / 6), 0.0),  # aligned corners of a single row of cells
]


@pytest.mark.parametrize(("classes", "cells", "pixels", "scale", "offset"), GRIDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_labels_and_counts(form, device, classes, cells, pixels, scale, offset, dtype):
    logits, target = make(classes, cells, pixels, device, dtype=dtype)
    logits = logits.contiguous(memory_format=torch.channels_last)
    grid = resolve_grid(cells, pixels, scale, offset)
    labels = form.argmax(logits, grid, torch.uint8)
    assert torch.equal(labels, in_torch.argmax(logits, grid, torch.uint8))
    counts = form.confusion(logits, target, grid, 255)
    assert torch.equal(counts, in_torch.confusion(logits, target, grid, 255))


@pytest.mark.parametrize(("classes", "cells", "pixels", "scale", "offset"), GRIDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_gradient(form, device, classes, cells, pixels, scale, offset, weighted):
    logits, target = make(classes, cells, pixels, device)
    call = CrossEntropy(
        logits,
        target,
        resolve_grid(cells, pixels, scale, offset),
        class_weights=torch.rand(classes, device=device) if weighted else None,
        pixel_weights=torch.rand(target.shape, device=device) if weighted else None,
        label_smoothing=0.1 * weighted,
    )
    torch.testing.assert_close(form.cross_entropy_map(call), in_torch.cross_entropy_map(call))
    ours = form.cross_entropy_sums(call, True)
    expected = in_torch.cross_entropy_sums(call, True)
    for found, reference in zip(ours, expected, strict=True):
        torch.testing.assert_close(found, reference, rtol=1e-5, atol=1e-5)


def test_the_gradient_has_type_and_layout_of_the_logits(form, device):
    logits, target = make(3, (4, 5), (9, 11), device, dtype=torch.bfloat16)
    logits = logits.contiguous(memory_format=torch.channels_last)
    call = CrossEntropy(logits, target, resolve_grid((4, 5), (9, 11), None, None))
    _, _, gradient = form.cross_entropy_sums(call, True)
    _, _, reference = in_torch.cross_entropy_sums(call, True)
    assert gradient.dtype == torch.bfloat16
    assert gradient.stride() == logits.stride()
    torch.testing.assert_close(gradient, reference, rtol=2**-7, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_gradient_is_rounded_after_its_factor(form, device, dtype):
    # The sum of a cell is about 64 pixels x 1e5, beyond float16; its share of the mean is not, nor are small ones lost.
    logits, target = make(3, (2, 3), (16, 24), device, dtype=dtype)
    weights = 10 ** torch.linspace(-3, 5, 24, device=device).expand(2, 16, 24)
    grid = resolve_grid((2, 3), (16, 24), None, None)
    call = CrossEntropy(logits, target, grid, pixel_weights=weights.contiguous())
    upstream = torch.tensor(1e-4, device=device)
    _, _, gradient = form.cross_entropy_sums(call, True, upstream)
    exact = CrossEntropy(logits.double(), target, grid, pixel_weights=weights.double())
    _, _, reference = in_torch.cross_entropy_sums(exact, True, upstream.double())
    assert (reference.abs() / upstream).max() > torch.finfo(torch.float16).max
    step = torch.finfo(dtype).eps * reference.abs().clamp(min=torch.finfo(dtype).smallest_normal)
    steps = 1.002 if device == "cpu" and dtype == torch.bfloat16 else 0.502  # the interpreter cuts bfloat16 off
    assert ((gradient.double() - reference).abs() <= steps * step + 4e-6 * reference.abs().max()).all()


def test_nan_reaches_the_loss(form, device):
    logits, target = make(3, (4, 4), (8, 8), device)
    logits[:, 1, 2, 2] = float("nan")
    target[:, 4, 4] = 0
    call = CrossEntropy(logits, target, resolve_grid((4, 4), (8, 8), None, None))
    assert form.cross_entropy_sums(call, False)[0].isnan()


def test_empty_batch(form, device):
    logits, target = make(3, (4, 4), (8, 8), device)
    grid = resolve_grid((4, 4), (8, 8), None, None)
    assert form.argmax(logits[:0], grid, torch.uint8).shape == (0, 8, 8)
    assert form.confusion(logits[:0], target[:0], grid, 255).sum() == 0
    loss, weight, gradient = form.cross_entropy_sums(CrossEntropy(logits[:0], target[:0], grid), True)
    assert loss == weight == 0
    assert gradient.shape == (0, 3, 4, 4)
