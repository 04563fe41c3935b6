"""Confusion counts as a torchmetrics metric, added up over batches and processes and scored once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from pixelwise.errors import SettingError
from pixelwise.metrics.scores import Scores
from pixelwise.ops import confusion_counts, upsample_confusion
from pixelwise.types import LabelSpace

__all__ = ["ConfusionMatrix", "Scores"]


class ConfusionMatrix(Metric):
    """Pixels counted by ``[target, prediction]`` over everything seen; integers, summed across processes.

    Pixels whose target is ``ignore_index`` are left out, whatever the prediction.

    Args:
        classes: the label space, or just the number of classes.
        ignore_index: target value to drop; by default the label space's own (255 for a number up to 255).
        **options: passed on to :class:`torchmetrics.Metric`.

    Attributes:
        counts: int64 (K, K).
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False

    counts: Tensor
    images: Tensor
    ignored_pixels: Tensor

    def __init__(self, classes: int | LabelSpace, *, ignore_index: int | None = None, **options: Any) -> None:
        # Nothing here goes stale: `compute` is a few additions, and `update_counts` bypasses the cache's bookkeeping.
        super().__init__(compute_with_cache=False, **options)
        self.label_space = LabelSpace.of(classes)
        self.ignore_index = self.label_space.ignore_index if ignore_index is None else ignore_index
        if 0 <= self.ignore_index < len(self.label_space):
            raise SettingError(
                f"ignore_index {self.ignore_index} is also a class index; choose one outside 0 .. "
                f"{len(self.label_space) - 1}"
            )
        square = (len(self.label_space), len(self.label_space))
        self.add_state("counts", torch.zeros(square, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("ignored_pixels", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self, prediction: Tensor, target: Tensor, *, scale: float | None = None, offset: float | None = None
    ) -> None:
        """Count pictures.

        Args:
            prediction: labels, integers (N, H, W) or (H, W); or logits, floats (N, K, h, w) of any h and w, which are
                upsampled on the fly without ever existing at full size.
            target: mask, integers (N, H, W), or (H, W) with labels of that shape.
            scale: for logits, cells per pixel of the picture; see :func:`pixelwise.ops.upsample_confusion`.
            offset: for logits, the cell coordinate of the first pixel; see the same.
        """
        if prediction.is_floating_point():
            counts = upsample_confusion(prediction, target, scale=scale, offset=offset, ignore_index=self.ignore_index)
        else:
            counts = confusion_counts(target, prediction, len(self.label_space), ignore_index=self.ignore_index)
        self.update_counts(
            counts,
            images=target.shape[0] if target.ndim == 3 else 1,
            ignored_pixels=target.numel() - int(counts.sum()),
        )

    def update_counts(self, counts: Tensor, *, images: int, ignored_pixels: int = 0) -> None:
        """Add counts from elsewhere: int64 (K, K), ``[target, prediction]``."""
        if counts.shape != self.counts.shape:
            raise SettingError(f"expected counts {tuple(self.counts.shape)}, got {tuple(counts.shape)}")
        self.counts += counts.to(self.counts.device)
        self.images += images
        self.ignored_pixels += ignored_pixels

    def compute(self) -> Tensor:
        """Return mIoU as a scalar, for loggers; :meth:`scores` has everything."""
        return torch.tensor(self._scores().miou)

    def scores(self) -> Scores:
        """Score everything that was counted by all processes together; each of them has to call this."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return self._scores()

    def _scores(self) -> Scores:
        return Scores.from_counts(
            self.counts.cpu().numpy(),
            self.label_space,
            images=int(self.images),
            ignored_pixels=int(self.ignored_pixels),
        )
