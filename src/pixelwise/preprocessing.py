"""How a picture is prepared for a network: it is normalised, resized and padded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pixelwise.errors import SettingError, quoted
from pixelwise.words import counted

Edge = Literal["zeros", "mirror", "none"]
"""How a picture is padded at the bottom and the right, up to the period: with zeros, which are the mean colour once
pictures are normalised and which earlier versions always used; by reflection at the last row and column; or not at all,
if the network's maps round the picture's size up."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's pictures on the 0 .. 1 scale, RGB, as most published weights expect."""

LARGEST_RESIZED_SIDE = 8192
"""The longest side in pixels that pictures are resized to, so that no model file can demand too much memory."""


@dataclass(frozen=True)
class Resize:
    """A rule to resize pictures to a common scale, as torchvision's networks that find objects do.

    A picture is enlarged or shrunk until its shorter side has ``shorter`` pixels or its longer side has ``longer``,
    whichever comes first. Its proportions are kept, and its sides are rounded down.

    Args:
        shorter: pixels of the shorter side.
        longer: the most pixels of the longer side.

    Raises:
        SettingError: they are no whole numbers from 1 to :data:`LARGEST_RESIZED_SIDE`, or the shorter is the
            longer one.
    """

    shorter: int
    longer: int

    def __post_init__(self) -> None:
        sides = (self.shorter, self.longer)
        if any(type(side) is not int or not 1 <= side <= LARGEST_RESIZED_SIDE for side in sides) or sides[0] > sides[1]:
            raise SettingError(
                f"resize is {list(sides)}; expected the pixels of the shorter and, at most, of the longer side, such "
                f"as [800, 1333], whole numbers from 1 to {LARGEST_RESIZED_SIDE}"
            )

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Give the height and width that a picture of height and width ``size`` is resized to."""
        factor = min(self.shorter / min(size), self.longer / max(size))
        return max(1, int(size[0] * factor)), max(1, int(size[1] * factor))


LARGEST_NORMALISED_VALUE = 1e30
"""The largest value of a normalised picture; float32 ends at 3e38, and networks square values."""


def _is_finite(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float | np.number):
        return False
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number that is too large for a float
        return False


ANY_TYPE = "any"
"""The value of ``dtype`` if the range of values holds for pictures of all types."""

NUMBER_TYPES = frozenset(
    {
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
        ANY_TYPE,
    }
)
"""Types of stored numbers that a network may have learned from."""


@dataclass(frozen=True)
class Preprocessing:
    """The steps that turn a stored picture into the numbers that a network was trained on.

    A picture is converted to 8 bits per channel (by ``value_range``, if there is one), scaled to 0 .. 1, then shifted
    and scaled per channel: ``(image / 255 - mean) / std``. For networks that find objects, it may also be resized; the
    objects found are given on the stored picture.

    Args:
        mean: mean of each channel on the 0 .. 1 scale; its length is the number of channels, RGB order when 3.
        std: standard deviation of each channel on the same scale.
        value_range: the stored values that become 0 and 255; None for the whole range of the type, as for 8 bits.
        resize: the scale that pictures are resized to; None leaves their size unchanged.
        dtype: the type of the stored numbers that the network learned from, one of :data:`NUMBER_TYPES`; None if that
            is not known. See :class:`pixelwise.io.pictures.depth.Learnt` for how pictures of another type are treated.

    Raises:
        SettingError: lengths differ, a number is not finite, or a standard deviation or the range is not positive, or
            is so small that pictures would not stay finite.
    """

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    value_range: tuple[float, float] | None = None
    resize: Resize | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in NUMBER_TYPES:
            raise SettingError(f"dtype is {quoted(self.dtype)}; expected one of {', '.join(sorted(NUMBER_TYPES))}")
        if not self.mean or len(self.mean) != len(self.std):
            raise SettingError(
                f"mean has {counted(len(self.mean), 'channel')} and std {len(self.std)}; give one of each a channel"
            )
        for name, numbers in (("mean", self.mean), ("std", self.std), ("value_range", self.value_range or ())):
            if not all(map(_is_finite, numbers)):
                raise SettingError(f"{name} must hold finite numbers, got {quoted(numbers)}")
        if min(self.std) <= 0:
            raise SettingError(f"std must be positive, got {quoted(self.std)}")
        if any(1 + abs(mean) > LARGEST_NORMALISED_VALUE * std for mean, std in zip(self.mean, self.std, strict=True)):
            raise SettingError(
                f"mean {quoted(self.mean)} over std {quoted(self.std)} is beyond what networks compute in"
            )
        if self.value_range is not None:
            if len(self.value_range) != 2 or not self.value_range[0] < self.value_range[1]:
                raise SettingError(f"value_range must rise, got {quoted(self.value_range)}")
            if not _is_finite(self.value_range[1] - self.value_range[0]):
                raise SettingError(f"value_range {quoted(self.value_range)} is wider than what numbers reach")

    @property
    def channels(self) -> int:
        """The number of channels of a prepared picture."""
        return len(self.mean)

    def with_range(self, value_range: tuple[float, float]) -> Preprocessing:
        """Give the same preprocessing for pictures of any type, whose values ``value_range`` become 0 and 255."""
        return replace(self, value_range=(float(value_range[0]), float(value_range[1])), dtype=ANY_TYPE)

    def to_dict(self) -> dict[str, Any]:
        """Describe the preprocessing in plain JSON types; :meth:`from_dict` reads it back."""
        value_range = list(self.value_range) if self.value_range else None
        resize = [self.resize.shorter, self.resize.longer] if self.resize else None
        return {
            "mean": list(self.mean),
            "std": list(self.std),
            "value_range": value_range,
            "resize": resize,
            "dtype": self.dtype,
        }

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Preprocessing:
        """Build a preprocessing from what :meth:`to_dict` wrote."""
        value_range = described["value_range"]
        resize = described.get("resize")  # missing in files of earlier versions
        return cls(
            tuple(described["mean"]),
            tuple(described["std"]),
            tuple(value_range) if value_range else None,
            None if resize is None else Resize(*resize),
            described.get("dtype"),  # missing in files of earlier versions
        )
