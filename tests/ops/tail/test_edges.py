"""What lies at the edge of what the tail takes: a single cell, narrow types, 255 classes and more."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.ops import confusion_counts, upsample_argmax, upsample_confusion, upsample_cross_entropy

pytestmark = pytest.mark.usefixtures("form")


def make(classes, cells, pixels, dtype=torch.float32):
    generator = torch.Generator().manual_seed(classes)
    logits = (3 * torch.randn(2, classes, *cells, generator=generator)).to(dtype)
    target = torch.randint(0, classes, (2, *pixels), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits.requires_grad_(), target


def assert_best(labels: Tensor, scores: Tensor) -> None:
    """Labels are those of the greatest score, but for ties within rounding."""
    chosen = scores.gather(1, labels.long()[:, None])[:, 0]
    assert (scores.amax(1) - chosen).max() <= 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize("pixels", [(1, 1), (5, 7), (1, 40), (6, 1)])
@pytest.mark.parametrize("cells", [(1, 1), (1, 4), (3, 1), (4, 5)])
def test_aligned_corners_of_a_single_cell(cells, pixels, dtype):
    logits, target = make(3, cells, pixels, dtype)
    target[0, 0, 0] = 1
    exact = logits.detach().double().requires_grad_()
    scores = F.interpolate(exact, pixels, mode="bilinear", align_corners=True)
    scale = tuple((count - 1) / max(1, side - 1) for count, side in zip(cells, pixels, strict=True))
    assert_best(upsample_argmax(logits, pixels, scale=scale, offset=0.0), scores)
    for reduction in ("mean", "none"):
        loss = upsample_cross_entropy(logits, target, scale=scale, offset=0.0, reduction=reduction)
        expected = F.cross_entropy(scores, target, ignore_index=255, reduction=reduction)
        torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        (reference,) = torch.autograd.grad(expected.sum(), exact, retain_graph=True)
        torch.testing.assert_close(gradient, reference.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=4e-6)
    counts = upsample_confusion(logits, target, scale=scale, offset=0.0)
    assert torch.equal(counts, confusion_counts(target, scores.argmax(1), 3))


def test_a_scale_of_zero_reads_one_place_of_many_cells():
    logits, target = make(3, (5, 4), (6, 9))
    place = {"scale": 0.0, "offset": (1.25, 9.0)}  # a quarter beyond the second row; the last column
    scores = 0.75 * logits[:, :, 1:2, 3:] + 0.25 * logits[:, :, 2:3, 3:]
    scores = scores.expand(-1, -1, 6, 9)
    assert_best(upsample_argmax(logits, (6, 9), **place), scores)
    loss, expected = upsample_cross_entropy(logits, target, **place), F.cross_entropy(scores, target, ignore_index=255)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (loss, expected)))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int64])
@pytest.mark.parametrize(
    ("classes", "ignore_index"),
    [
        (classes, ignored)
        for classes in (100, 157, 255, 256, 300)
        for ignored in (-100, -1, 255, 256, 65535)
        if not 0 <= ignored < classes
    ],
)
def test_an_ignored_value_that_the_type_cannot_hold_is_no_other_one(classes, ignore_index, dtype):
    # -100 is 156 in a byte, and 256 is 0 in one: no such pixel may be left out.
    logits = 3 * torch.randn(1, classes, 2, 3, generator=torch.Generator().manual_seed(1))
    most = min(classes - 1, torch.iinfo(dtype).max)
    known = [value for value in (0, 1, 99, 127, 156, 254, 255, 299, most) if value <= most]
    target = torch.tensor(known)[torch.arange(48) % len(known)].view(1, 6, 8)
    if torch.iinfo(dtype).min <= ignore_index <= torch.iinfo(dtype).max:
        target[0, 0, :4] = ignore_index
    narrow = target.to(dtype)
    options = {"ignore_index": ignore_index, "reduction": "none"}
    losses = upsample_cross_entropy(logits, narrow, **options)
    expected = F.cross_entropy(F.interpolate(logits.double(), (6, 8), mode="bilinear"), target, **options)
    torch.testing.assert_close(losses.double(), expected, rtol=1e-5, atol=1e-5)
    total = upsample_cross_entropy(logits, narrow, ignore_index=ignore_index, reduction="sum")
    torch.testing.assert_close(total.double(), expected.sum(), rtol=1e-5, atol=1e-5)
    counts = upsample_confusion(logits, narrow, ignore_index=ignore_index)
    assert counts.sum() == (target != ignore_index).sum()
    labels = upsample_argmax(logits, (6, 8))
    assert labels.dtype == (torch.uint8 if classes <= 255 else torch.int64)
    assert torch.equal(confusion_counts(narrow, labels, classes, ignore_index=ignore_index), counts)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.int64, torch.bool])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_weights_of_any_type_and_layout(reduction, dtype):
    logits, target = make(4, (3, 5), (8, 9))
    class_weights = torch.tensor([2, 9, 1, 9, 0, 9, 3, 9]).to(dtype)[::2]
    pixel_weights = (
        torch.randint(0, 5, (9, 8, 2), generator=torch.Generator().manual_seed(0)).to(dtype).permute(2, 1, 0)
    )
    results = []
    for read in (lambda tensor: tensor, lambda tensor: tensor.float().contiguous()):
        options = {"class_weights": read(class_weights), "pixel_weights": read(pixel_weights), "reduction": reduction}
        loss = upsample_cross_entropy(logits, target.transpose(1, 2).contiguous().transpose(1, 2), **options)
        results.append((loss.detach(), *torch.autograd.grad(loss.sum(), logits)))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected)
