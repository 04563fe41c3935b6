"""Which stored numbers are black and white: what a network learned from, held against what a picture holds.

A network learned from numbers of one type, of which a range became 0 .. 255. Pictures of that type are scaled by the
same range; those of 8 bits are taken as they are where it learned from 8 bits. Nothing says how numbers of another type
correspond to these (a uint16 may hold 8, 12 or 16 bits), so they are refused until somebody gives their range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import NumbersError, SettingError
from pixelwise.preprocessing import ANY_TYPE, Preprocessing

Range = tuple[float, float]

_CHECKED_NUMBERS = 16384  # numbers of a picture that are held against a range
_MOST_OUTSIDE = 0.5
_NARROW = 1 / 12  # 12 bits take up a sixteenth of 16, and 8 of 12
_ALMOST_ALL = (1, 99)  # per cent


@dataclass(frozen=True)
class Learnt:
    """The numbers that a network learned from.

    Args:
        dtype: their type, as numpy names it; :data:`~pixelwise.preprocessing.ANY_TYPE` where ``value_range`` is given
            by hand and holds for all types; None where that is not known: 8 bits without a range, deeper with one.
        value_range: the stored numbers that became 0 and 255; None for all of the type.
    """

    dtype: str | None = ANY_TYPE
    value_range: Range | None = None

    @classmethod
    def of(cls, preprocessing: Preprocessing) -> Learnt:
        """Give the numbers that the network of a preprocessing learned from."""
        return cls(preprocessing.dtype, preprocessing.value_range)

    def range_for(self, dtype: np.dtype[Any], *, name: str) -> Range | None:
        """Give the range that numbers of a type are scaled by; None for all of the type.

        Args:
            dtype: the type of the numbers of a picture.
            name: what to call the picture in an error.

        Raises:
            NumbersError: nothing says how such numbers correspond to those that were learnt.
        """
        if self.dtype == ANY_TYPE:
            return self.value_range
        if self.dtype is None and self.value_range is not None:
            fits = family(dtype) != "uint8"
        else:
            fits = family(dtype) == family(np.dtype(self.dtype or "uint8"))
        if not fits:
            raise NumbersError(
                f"{name}: the picture holds {dtype.name} numbers, but the network learned from {self}, and nothing "
                "says how the two correspond"
            )
        return self.value_range

    def check(self, stored: NDArray[Any], *, name: str) -> bool:
        """Refuse numbers of the type that was learnt which lie in quite another range.

        Args:
            stored: numbers of a picture that hold data, (N,) or of any shape.
            name: what to call the picture in an error.

        Returns:
            Whether the numbers differ, but take up less than a twelfth of the range: a dark picture, or one of 12 bits
            where 16 were learnt.

        Raises:
            NumbersError: more than half of the numbers are farther outside of the range than the range is wide.
        """
        if self.dtype in (ANY_TYPE, "uint8") or self.value_range is None or not stored.size:
            return False
        numbers = stored.reshape(-1)[:: max(1, stored.size // _CHECKED_NUMBERS)].astype(np.float64)
        numbers = numbers[np.isfinite(numbers)]
        low, high = self.value_range
        wide = high - low
        outside = (numbers < low - wide) | (numbers > high + wide)
        if not numbers.size:
            return False
        if outside.mean() > _MOST_OUTSIDE:
            raise NumbersError(
                f"{name}: the picture holds numbers from {numbers.min():g} to {numbers.max():g}, but the network "
                f"learned from {self}, and most of them lie far outside"
            )
        darkest, brightest = np.percentile(numbers, _ALMOST_ALL)
        return bool(0 < brightest - darkest < wide * _NARROW)

    def describe_narrow(self, name: str) -> str:
        """Say of a picture that :meth:`check` returned True for it."""
        return (
            f"{name}: its numbers take up less than a twelfth of the range that the network learned from ({self}); if "
            f"they are stored otherwise, give {NumbersError.argument} LOW,HIGH"
        )

    def __str__(self) -> str:
        known = self.dtype or ("uint8" if self.value_range is None else "numbers deeper than 8 bits")
        what = "8 bits (uint8)" if known == "uint8" else known
        return what if self.value_range is None else f"{what} from {self.value_range[0]:g} to {self.value_range[1]:g}"


ANY_NUMBERS = Learnt()
"""All types, each by its whole range."""


def parse_range(text: str | None) -> tuple[float, float] | None:
    """Read ``LOW,HIGH``, such as 0,4095; None where nothing was given.

    Raises:
        SettingError: it is not two numbers of which the second is the greater.
    """
    if text is None:
        return None
    try:
        low, high = (float(word) for word in text.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not low < high or high - low == float("inf"):
        raise SettingError(
            f"{text}: expected the stored numbers that become black and white, such as 0,4095", argument="value_range"
        )
    return low, high


def family(dtype: np.dtype[Any]) -> str:
    """Name the types whose numbers correspond: up to 8 bits, each wider integer type, and floats of any width."""
    if dtype == np.bool_:
        return "uint8"
    return "float" if dtype.kind == "f" else dtype.name
