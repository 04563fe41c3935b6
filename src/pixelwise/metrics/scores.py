"""Scores from confusion counts: mIoU and related ones, as defined by Long, Shelhamer and Darrell (2015)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.types import LabelSpace
from pixelwise.words import counted


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of a set of pictures, all computed from one table of counts over the whole set.

    With ``t`` pixels of a class in the target, ``p`` in the prediction and ``c`` in both: IoU is ``c / (t + p - c)``,
    Dice ``2 c / (t + p)``, accuracy ``c / t``. A class that occurs in neither has no IoU and is left out of means. A
    mean over no classes, as in a set without counted pixels, is NaN.

    Args:
        counts: int64 (K, K), pixels by ``[target, prediction]``; pixels whose target is ignored are not in it.
        names: the K class names in index order.
        images: how many pictures were counted.
        ignored_pixels: pixels that were left out because their target is the ignore value.

    Raises:
        SettingError: the counts are no square table of non-negative integers with one row per name.
    """

    counts: NDArray[np.int64]
    names: tuple[str, ...]
    images: int
    ignored_pixels: int

    def __post_init__(self) -> None:
        classes = len(self.names)
        if self.counts.shape != (classes, classes) or not np.issubdtype(self.counts.dtype, np.integer):
            raise SettingError(
                f"counts for {counted(classes, 'class')} are integers ({classes}, {classes}), "
                f"got {self.counts.dtype} {self.counts.shape}"
            )
        if self.counts.min(initial=0) < 0:
            raise SettingError(f"counts of pixels cannot be negative, got {self.counts.min()}")
        counts = self.counts.astype(np.int64)
        counts.setflags(write=False)
        object.__setattr__(self, "counts", counts)

    @classmethod
    def from_counts(
        cls, counts: NDArray[np.integer[Any]], classes: int | LabelSpace, *, images: int = 1, ignored_pixels: int = 0
    ) -> Scores:
        """Score a table of counts (K, K), ``[target, prediction]``, of the classes of a label space."""
        return cls(counts.astype(np.int64, casting="safe"), LabelSpace.of(classes).names, images, ignored_pixels)

    def __add__(self, other: Scores) -> Scores:
        """Merge with the scores of other pictures, as if all had been counted at once."""
        if not isinstance(other, Scores):
            return NotImplemented
        if self.names != other.names:
            raise SettingError("scores of different classes cannot be merged; score both with one label space")
        return Scores(
            self.counts + other.counts,
            self.names,
            self.images + other.images,
            self.ignored_pixels + other.ignored_pixels,
        )

    @property
    def target_pixels(self) -> NDArray[np.int64]:
        """Pixels of each class in the targets: int64 (K,)."""
        pixels: NDArray[np.int64] = self.counts.sum(axis=1)
        return pixels

    @property
    def predicted_pixels(self) -> NDArray[np.int64]:
        """Pixels of each class in the predictions, where the target is not ignored: int64 (K,)."""
        pixels: NDArray[np.int64] = self.counts.sum(axis=0)
        return pixels

    @property
    def class_iou(self) -> NDArray[np.float64]:
        """IoU of each class: float64 (K,), NaN where a class is in neither target nor prediction."""
        hits = self.counts.diagonal()
        return _ratio(hits, self.target_pixels + self.predicted_pixels - hits)

    @property
    def class_dice(self) -> NDArray[np.float64]:
        """Dice coefficient (F1 of pixels) of each class: float64 (K,), NaN as in :attr:`class_iou`."""
        return _ratio(2 * self.counts.diagonal(), self.target_pixels + self.predicted_pixels)

    @property
    def class_accuracy(self) -> NDArray[np.float64]:
        """Share of each class's target pixels that are found (recall): float64 (K,), NaN where there are none."""
        return _ratio(self.counts.diagonal(), self.target_pixels)

    @property
    def class_precision(self) -> NDArray[np.float64]:
        """Share of each class's predicted pixels that are right: float64 (K,), NaN where it is never predicted."""
        return _ratio(self.counts.diagonal(), self.predicted_pixels)

    @property
    def iou(self) -> dict[str, float | None]:
        """IoU by class name; None for a class in neither target nor prediction."""
        return {
            name: None if math.isnan(value) else float(value)
            for name, value in zip(self.names, self.class_iou, strict=True)
        }

    @property
    def classes_averaged(self) -> int:
        """How many classes occur in target or prediction; mIoU and Dice are means over these."""
        return int(np.isfinite(self.class_iou).sum())

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur in target or prediction of the set."""
        return _mean(self.class_iou)

    @property
    def dice(self) -> float:
        """Mean Dice coefficient over the classes that occur in target or prediction of the set."""
        return _mean(self.class_dice)

    @property
    def mean_accuracy(self) -> float:
        """Mean accuracy: the share of a class's pixels that is found, averaged over the classes in the target."""
        return _mean(self.class_accuracy)

    @property
    def pixel_accuracy(self) -> float:
        """Share of all counted pixels whose class is right."""
        return float(_ratio(self.counts.trace(), self.counts.sum()))

    @property
    def frequency_weighted_iou(self) -> float:
        """IoU of the classes weighted by their share of the target's pixels."""
        share = _ratio(self.target_pixels, self.counts.sum())
        return float(np.where(self.target_pixels > 0, share * self.class_iou, 0 * share).sum())

    @property
    def rule(self) -> str:
        """The definition of the headline figures, in a sentence to print beside them."""
        pictures = counted(self.images, "picture")
        return (
            f"pixels of {pictures} counted together, ignored ones left out; mIoU and Dice are means "
            f"over the {self.classes_averaged} of {counted(len(self.names), 'class')} present in target or prediction, "
            "mean accuracy over those present in the target"
        )

    def to_dict(self) -> dict[str, Any]:
        """Describe the scores in plain JSON types; a figure that is not defined is None.

        Keys: ``miou``, ``pixel_accuracy``, ``mean_accuracy``, ``frequency_weighted_iou``, ``dice``, ``iou`` (class
        name -> value), ``classes_averaged``, ``images``, ``ignored_pixels``, ``classes`` (names in index order) and
        ``rule``. The ratios lie in 0 .. 1.
        """
        figures = {
            "miou": self.miou,
            "pixel_accuracy": self.pixel_accuracy,
            "mean_accuracy": self.mean_accuracy,
            "frequency_weighted_iou": self.frequency_weighted_iou,
            "dice": self.dice,
        }
        return {name: None if math.isnan(value) else value for name, value in figures.items()} | {
            "iou": self.iou,
            "classes_averaged": self.classes_averaged,
            "images": self.images,
            "ignored_pixels": self.ignored_pixels,
            "classes": list(self.names),
            "rule": self.rule,
        }


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Divide counts; NaN where the whole is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    ratio: NDArray[np.float64] = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _mean(values: NDArray[np.float64]) -> float:
    """Average the defined values; NaN where there are none."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else math.nan
