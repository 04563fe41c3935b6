"""Weighted sums of losses, written as ``ce+dice`` or ``0.5*ce+focal(gamma=3)``."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pixelwise.errors import SettingError, quoted, unknown_name
from pixelwise.losses.formulas import LOSSES, SMOOTHED, Scored
from pixelwise.ops.grid import PerAxis
from pixelwise.ops.tail.checks import check_logits, check_target, check_weights

_PLUS = re.compile(r"(?<!\d[eE])(?<!\d\.[eE])\+(?![^(]*\))")
"""A plus between terms, which is neither part of a number nor of the options of a term."""
_TERM = re.compile(r"(?:(?P<weight>[^*()]+)\*)?(?P<name>\w+)(?:\((?P<options>[^()]*)\))?$")


@dataclass(frozen=True)
class Term:
    """One loss of a sum.

    Args:
        name: one of :data:`~pixelwise.losses.formulas.LOSSES`.
        weight: its factor in the sum, above 0.
        options: keyword arguments of its formula.
    """

    name: str
    weight: float
    options: tuple[tuple[str, float], ...] = ()


class Loss(nn.Module):
    """A weighted sum of losses on coarse logits; made by :func:`make_loss`.

    Args:
        terms: the losses.
        class_weights: weight of each class (K,), or None for 1.
        label_smoothing: share of the target spread evenly over the classes, in cross-entropies.
    """

    def __init__(
        self,
        terms: Sequence[Term],
        *,
        class_weights: Tensor | Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.terms = tuple(terms)
        self.label_smoothing = label_smoothing
        self.class_weights: Tensor | None
        weights = None if class_weights is None else torch.as_tensor(class_weights)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(
        self,
        logits: Tensor,
        target: Tensor,
        *,
        size: tuple[int, int] | None = None,
        scale: PerAxis | None = None,
        offset: PerAxis | None = None,
        pixel_weights: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Compute the loss; differentiable once, with respect to the logits.

        No full-size tensor of all classes is built, forward or backward.

        Args:
            logits: coarse scores (N, K, h, w).
            target: classes 0 .. K-1 or ``ignore_index`` (N, H, W), any integer type.
            size: height and width (H, W) of the pictures; those of the target by default.
            scale: coarse cells from one pixel to the next, such as that of :class:`pixelwise.models.Coarse`; None
                stretches the logits over the target as ``F.interpolate(mode="bilinear", align_corners=False)`` does.
            offset: where pixel 0 lies, in coarse cells.
            pixel_weights: weight of each pixel (N, H, W), not negative; a constant.
            ignore_index: target value of pixels that do not count.

        Returns:
            The loss (), float32 (float64 for float64 logits); 0, with a gradient of 0, where no pixel counts.

        Raises:
            SettingError: a shape, a type or a range is wrong; ``ignore_index`` is a class.
            DataError: the target holds a value that is neither a class nor ``ignore_index``.
        """
        if size is not None and tuple(size) != tuple(target.shape[-2:]):
            raise SettingError(f"size is {tuple(size)}, and the target is {tuple(target.shape)}; they must agree")
        check_logits(logits)
        check_target(logits, target, ignore_index)
        check_weights(logits, target, self.class_weights, pixel_weights)
        scored = Scored(
            logits, target, scale, offset, self.class_weights, pixel_weights, ignore_index, self.label_smoothing
        )
        first, *others = (term.weight * LOSSES[term.name](scored, **dict(term.options)) for term in self.terms)
        return sum(others, start=first)

    def extra_repr(self) -> str:
        """The sum as it is written."""
        return " + ".join(
            ("" if term.weight == 1 else f"{term.weight:g}*")
            + term.name
            + ("" if not term.options else f"({', '.join(f'{name}={value:g}' for name, value in term.options)})")
            for term in self.terms
        )


def make_loss(
    text: str, *, class_weights: Tensor | Sequence[float] | None = None, label_smoothing: float = 0.0
) -> Loss:
    """Make a loss from its name, or from a weighted sum of names.

    Args:
        text: such as ``ce``, ``ce+dice``, ``0.5*ce+focal`` or ``tversky(alpha=0.2, beta=0.8)``; the names are
            those of :data:`~pixelwise.losses.formulas.LOSSES`.
        class_weights: weight of each class (K,), not negative; of pixels in ``ce``, ``focal`` and ``ohem``, of
            classes in the others.
        label_smoothing: share of the target spread evenly over the classes in ``ce`` and ``ohem``, 0 .. 1.

    Raises:
        SettingError: an unknown name or option, a number out of range, or smoothing that no term knows.
    """
    terms = parse_loss(text)
    if label_smoothing and not any(term.name in SMOOTHED for term in terms):
        raise SettingError(
            f"label_smoothing is {label_smoothing:g}, and the loss {text} has no place for it; set it to 0, or add ce"
        )
    return Loss(terms, class_weights=class_weights, label_smoothing=label_smoothing)


def parse_loss(text: str) -> tuple[Term, ...]:
    """Read a weighted sum of losses.

    Raises:
        SettingError: as :func:`make_loss`.
    """
    return tuple(_parse_term(part.strip(), text) for part in _PLUS.split(text))


def _parse_term(text: str, whole: str) -> Term:
    found = _TERM.match(re.sub(r"\s", "", text))
    if not found:
        raise SettingError(f"{quoted(whole)} is no loss; write ce, ce+dice, 0.5*ce+focal or focal(gamma=3)")
    name = found["name"]
    if name not in LOSSES:
        raise SettingError(unknown_name("loss", name, LOSSES))
    weight = 1.0 if found["weight"] is None else _number(found["weight"], f"the weight of {name}", whole)
    if not 0 < weight < math.inf:
        raise SettingError(f"the weight of {name} in {quoted(whole)} is {weight:g}; it must be above 0")
    known = {key: value for key, value in inspect.signature(LOSSES[name]).parameters.items() if key != "scored"}
    options = []
    for assignment in filter(None, (found["options"] or "").split(",")):
        key, _, value = assignment.partition("=")
        if key not in known:
            raise SettingError(unknown_name(f"option of the loss {name}", key, known))
        options.append((key, _number(value, key, whole)))
    pixel = Scored(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.uint8))
    LOSSES[name](pixel, **dict(options))  # the formulas check their options themselves
    return Term(name, weight, tuple(options))


def _number(text: str, name: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"{name} in the loss {quoted(whole)} is {quoted(text)}, no number") from None
