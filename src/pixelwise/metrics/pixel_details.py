"""Scores of pixels that need more than confusion counts: boundaries, calibration, sizes, and single pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.metrics.bootstrap import Floats, Summed
from pixelwise.metrics.calibration import count_reliability, ece_sums, reliability_curve
from pixelwise.metrics.intervals import defined_mean, pixel_sums
from pixelwise.metrics.label_boundaries import (
    BoundaryCounts,
    boundary_f1_sums,
    boundary_iou_sums,
    compare_boundaries,
    mean_sums,
)
from pixelwise.metrics.part_sizes import count_part_sizes, describe_part_sizes
from pixelwise.types import LabelSpace


@dataclass(frozen=True, eq=False)
class PictureDetails:
    """What one picture adds to the scores of a set besides its confusion counts; integers.

    Args:
        boundaries: of its boundaries.
        part_sizes: int64 (3, 4), see :func:`pixelwise.metrics.part_sizes.count_part_sizes`.
        reliability: int64 (15, 3), see :func:`pixelwise.metrics.calibration.count_reliability`; None where the
            probabilities are not known.
    """

    boundaries: BoundaryCounts
    part_sizes: NDArray[np.int64]
    reliability: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls,
        target: NDArray[np.integer[Any]],
        labels: NDArray[np.integer[Any]],
        label_space: LabelSpace,
        confidence: NDArray[np.float32] | None = None,
    ) -> PictureDetails:
        """Compare the labels (H, W) of a picture with its mask (H, W), and with their probabilities (H, W)."""
        ignore = label_space.ignore_index
        return cls(
            compare_boundaries(target, labels, len(label_space), ignore_index=ignore),
            count_part_sizes(target, labels, ignore_index=ignore),
            None if confidence is None else count_reliability(target, labels, confidence, ignore_index=ignore),
        )


@dataclass(frozen=True, eq=False)
class PixelDetails:
    """Scores of pixels of a set that need more than confusion counts.

    Args:
        names: of the K classes.
        counts: int64 (K, K) of each picture, ``[target, prediction]``.
        pictures: the details of each picture.
    """

    names: tuple[str, ...]
    counts: Sequence[NDArray[np.int64]]
    pictures: Sequence[PictureDetails]

    @cached_property
    def sums(self) -> Mapping[str, Summed]:
        """Name of a figure in JSON -> the figure, as one that follows from sums over pictures; each has F = 1."""
        boundaries = [picture.boundaries for picture in self.pictures]
        iou = boundary_iou_sums(boundaries)
        found = {
            "picture_iou": picture_iou_sums(self.counts),
            "boundary_iou": Summed(iou.parts, lambda sums: iou.figures(sums)[:, :1]),
            "boundary_f1": boundary_f1_sums(boundaries),
        }
        reliability = [picture.reliability for picture in self.pictures if picture.reliability is not None]
        if len(reliability) == len(self.pictures):
            found["ece"] = ece_sums(reliability)
        return found

    @cached_property
    def figures(self) -> Mapping[str, float]:
        """Name of a figure in JSON -> its value; NaN where it is not defined."""
        return {name: float(one.values()[0]) for name, one in self.sums.items()}

    @cached_property
    def class_boundary_iou(self) -> Floats:
        """Boundary IoU of each class over the set, (K,); NaN for a class without a pixel near a boundary."""
        return boundary_iou_sums([picture.boundaries for picture in self.pictures]).values()[1:]

    @cached_property
    def class_boundary_f1(self) -> Floats:
        """Boundary F1 of each class, (K,), averaged over the pictures on which it is defined."""
        return defined_mean(np.array([picture.boundaries.class_f1 for picture in self.pictures]).T)

    @cached_property
    def errors(self) -> NDArray[np.int64]:
        """Pixels and wrong pixels, in the interior and near true boundaries: int64 (2, 2)."""
        return _added([picture.boundaries.errors for picture in self.pictures])

    @cached_property
    def part_sizes(self) -> NDArray[np.int64]:
        """Parts of the target by size: int64 (3, 4)."""
        return _added([picture.part_sizes for picture in self.pictures])

    @cached_property
    def reliability(self) -> NDArray[np.int64] | None:
        """Pixels by their probability: int64 (15, 3); None where it is not known of all pictures."""
        known = [picture.reliability for picture in self.pictures if picture.reliability is not None]
        return _added(known) if len(known) == len(self.pictures) else None

    def to_dict(self) -> dict[str, Any]:
        """Describe the scores in plain JSON types; a figure that is not defined is None."""
        (interior, wrong_interior), (near, wrong_near) = self.errors.tolist()
        curve = {} if self.reliability is None else {"reliability": reliability_curve(self.reliability)}
        return {
            **{name: _plain(value) for name, value in self.figures.items()},
            "class_boundary_iou": self._by_class(self.class_boundary_iou),
            "class_boundary_f1": self._by_class(self.class_boundary_f1),
            "errors": {
                "interior_pixels": interior,
                "interior_wrong": wrong_interior,
                "boundary_pixels": near,
                "boundary_wrong": wrong_near,
            },
            "part_sizes": describe_part_sizes(self.part_sizes),
            **curve,
        }

    def _by_class(self, values: Floats) -> dict[str, float | None]:
        return {name: _plain(float(value)) for name, value in zip(self.names, values, strict=True)}


def picture_iou_sums(counts: Sequence[NDArray[np.int64]]) -> Summed:
    """The mean over pictures of the mean IoU of each picture alone, over the classes in its target or prediction."""
    pixels = pixel_sums(counts)
    return mean_sums(pixels.figures(pixels.parts)[:, 0])


def _added(counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    total: NDArray[np.int64] = np.sum(counts, axis=0)
    return total


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
