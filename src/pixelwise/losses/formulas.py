"""The formula of each loss; ``docs/losses.md`` lists them with their papers.

``p`` are the softmax probabilities of the upsampled logits, ``t`` is 1 at the class of the target and 0 elsewhere, and
all sums are over the counted pixels of a batch, each times its pixel weight. Losses of single pixels are averaged with
the class weights as weights of pixels; losses of whole classes are averaged over the classes that the target holds,
with the class weights as weights of classes. A batch in which no pixel counts has the loss 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pixelwise.errors import SettingError
from pixelwise.ops import upsample_cross_entropy, upsample_lovasz, upsample_overlaps
from pixelwise.ops.confusion import is_ignored
from pixelwise.ops.grid import PerAxis

LEAST_DENOMINATOR = 1e-7


@dataclass(frozen=True)
class Scored:
    """Coarse logits and the target that they are compared with.

    Args:
        logits: coarse scores (N, K, h, w).
        target: classes 0 .. K-1 or ``ignore_index`` (N, H, W).
        scale: coarse cells from one pixel to the next; None stretches the logits over the target.
        offset: where pixel 0 lies, in coarse cells.
        class_weights: weight of each class (K,), or None for 1.
        pixel_weights: weight of each pixel (N, H, W), or None for 1.
        ignore_index: target value of pixels that do not count.
        label_smoothing: share of the target spread evenly over the classes; only cross-entropies know it.
    """

    logits: Tensor
    target: Tensor
    scale: PerAxis | None = None
    offset: PerAxis | None = None
    class_weights: Tensor | None = None
    pixel_weights: Tensor | None = None
    ignore_index: int = 255
    label_smoothing: float = 0.0

    def placed(self) -> dict[str, Any]:
        """Arguments of every operator: what is compared, on which grid, without which pixels."""
        return {
            "logits": self.logits,
            "target": self.target,
            "scale": self.scale,
            "offset": self.offset,
            "ignore_index": self.ignore_index,
        }


def cross_entropy(scored: Scored) -> Tensor:
    """``-log p[target]``, averaged over pixels."""
    return upsample_cross_entropy(
        **scored.placed(),
        class_weights=scored.class_weights,
        pixel_weights=scored.pixel_weights,
        label_smoothing=scored.label_smoothing,
    )


def focal(scored: Scored, *, gamma: float = 2.0) -> Tensor:
    """``-(1 - p[target]) ** gamma * log p[target]``, averaged over pixels (Lin et al. 2017).

    Args:
        scored: logits and target.
        gamma: how much less a pixel counts the better it is predicted, at least 0; 0 is cross-entropy.
    """
    _check("gamma", gamma, gamma >= 0, "at least 0")
    losses = _cross_entropies(scored)  # (N, H, W)
    # A power below 1 has an infinite slope at 0, which pixels that do not count would turn into NaN.
    wrong = (-torch.expm1(-losses)).clamp(min=torch.finfo(losses.dtype).tiny)
    weights = _weights_of_pixels(scored).to(losses.dtype)
    total = weights.sum()
    return (wrong**gamma * losses * weights).sum() / total.where(total > 0, 1)


def online_hard_examples(scored: Scored, *, threshold: float = 0.7, least: float = 1 / 16) -> Tensor:
    """Cross-entropy of the hardest pixels alone (OHEM; Shrivastava et al. 2016, Wu et al. 2016 for pixels).

    Pixels count whose probability of the target is below ``threshold``, and at least the hardest share ``least``.

    Args:
        scored: logits and target.
        threshold: probability of the target from which a pixel is easy, 0 .. 1.
        least: the least share of the counted pixels that is kept, above 0 and at most 1.
    """
    _check("threshold", threshold, 0 < threshold <= 1, "above 0 and at most 1")
    _check("least", least, 0 < least <= 1, "above 0 and at most 1")
    with torch.no_grad():
        losses = _cross_entropies(scored)
        counted = ~is_ignored(scored.target, scored.ignore_index)
        hard = losses > -math.log(threshold)
        pixels = int(counted.sum())
        if pixels:
            hardest = losses[counted]
            bound = hardest.kthvalue(pixels - math.ceil(least * pixels) + 1).values
            hard |= losses >= bound
        kept = (hard & counted).to(losses.dtype)
        if scored.pixel_weights is not None:
            kept = (kept * scored.pixel_weights).where(counted, 0)
    return cross_entropy(replace(scored, pixel_weights=kept))


def dice(scored: Scored, *, smooth: float = 0.0) -> Tensor:
    """``1 - 2 sum(p t) / (sum(p) + sum(t))`` of each class (Milletari et al. 2016, without squares).

    Args:
        scored: logits and target.
        smooth: what is added to numerator and denominator, at least 0.
    """
    return tversky(scored, alpha=0.5, beta=0.5, smooth=smooth / 2)


def jaccard(scored: Scored, *, smooth: float = 0.0) -> Tensor:
    """``1 - sum(p t) / (sum(p) + sum(t) - sum(p t))`` of each class (Rahman and Wang 2016).

    Args:
        scored: logits and target.
        smooth: what is added to numerator and denominator, at least 0.
    """
    return tversky(scored, alpha=1.0, beta=1.0, smooth=smooth)


def tversky(scored: Scored, *, alpha: float = 0.3, beta: float = 0.7, smooth: float = 0.0) -> Tensor:
    """``1 - TP / (TP + alpha FP + beta FN)`` of each class (Salehi et al. 2017).

    ``TP`` is ``sum(p t)``, ``FP`` is ``sum(p (1 - t))`` and ``FN`` is ``sum((1 - p) t)``.

    Args:
        scored: logits and target.
        alpha: weight of pixels that are given the class wrongly, at least 0.
        beta: weight of pixels of the class that are missed, at least 0.
        smooth: what is added to numerator and denominator, at least 0.
    """
    losses, present = _tversky_losses(scored, alpha=alpha, beta=beta, smooth=smooth)
    return _mean_over_classes(losses, present, scored.class_weights)


def focal_tversky(
    scored: Scored, *, alpha: float = 0.3, beta: float = 0.7, gamma: float = 4 / 3, smooth: float = 0.0
) -> Tensor:
    """The Tversky loss of each class to the power of ``1 / gamma`` (Abraham and Khan 2019).

    Args:
        scored: logits and target.
        alpha: weight of pixels that are given the class wrongly, at least 0.
        beta: weight of pixels of the class that are missed, at least 0.
        gamma: above 1, classes that are already predicted well count more; above 0.
        smooth: what is added to numerator and denominator, at least 0.
    """
    _check("gamma", gamma, gamma > 0, "above 0")
    losses, present = _tversky_losses(scored, alpha=alpha, beta=beta, smooth=smooth)
    # The slope of a power below 1 is infinite at 0.
    return _mean_over_classes(losses.clamp(min=LEAST_DENOMINATOR) ** (1 / gamma), present, scored.class_weights)


def lovasz(scored: Scored) -> Tensor:
    """The Lovasz extension of the Jaccard loss of each class (Berman et al. 2018), over the pixels of a batch."""
    return upsample_lovasz(
        **scored.placed(),
        class_weights=scored.class_weights,
        pixel_weights=scored.pixel_weights,
    )


LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "ce": cross_entropy,
    "dice": dice,
    "jaccard": jaccard,
    "lovasz": lovasz,
    "focal": focal,
    "tversky": tversky,
    "focal_tversky": focal_tversky,
    "ohem": online_hard_examples,
}
"""Name -> formula; the keyword arguments of a formula are the options of the loss."""

OF_PIXELS = frozenset({"ce", "focal", "ohem"})
"""The losses of single pixels; in the others every class counts alike, however many pixels it has."""

SMOOTHED = frozenset({"ce", "ohem"})
"""The losses that label smoothing changes."""


def _check(name: str, value: float, valid: bool, range_: str) -> None:
    if not valid:
        raise SettingError(f"{name} is {value:g}; it must be {range_}")


def _cross_entropies(scored: Scored) -> Tensor:
    """``-log p[target]`` of each pixel without weights or smoothing, (N, H, W); 0 where ignored."""
    return upsample_cross_entropy(
        **scored.placed(),
        reduction="none",
    )


def _weights_of_pixels(scored: Scored) -> Tensor:
    """Weight of the class times weight of the pixel, (N, H, W); 0 where ignored."""
    counted = ~is_ignored(scored.target, scored.ignore_index)
    weights = torch.ones_like(counted, dtype=torch.float32) if scored.pixel_weights is None else scored.pixel_weights
    if scored.class_weights is not None:
        weights = weights * scored.class_weights[scored.target.long().where(counted, 0)]
    return weights.where(counted, 0)


def _tversky_losses(scored: Scored, *, alpha: float, beta: float, smooth: float) -> tuple[Tensor, Tensor]:
    """The loss of each class, and whether the target holds the class, (K,) both."""
    for name, value in (("alpha", alpha), ("beta", beta), ("smooth", smooth)):
        _check(name, value, value >= 0, "at least 0")
    overlaps = upsample_overlaps(
        **scored.placed(),
        pixel_weights=scored.pixel_weights,
    )
    hits, predicted, targets = (part.sum(0) for part in overlaps)  # (K,)
    denominator = hits + alpha * (predicted - hits) + beta * (targets - hits) + smooth
    return 1 - (hits + smooth) / denominator.clamp(min=LEAST_DENOMINATOR), targets > 0


def _mean_over_classes(losses: Tensor, present: Tensor, class_weights: Tensor | None) -> Tensor:
    weights = present.to(losses.dtype)  # (K,)
    if class_weights is not None:
        weights = weights * class_weights
    total = weights.sum()
    return (losses * weights).sum() / total.where(total > 0, 1)
