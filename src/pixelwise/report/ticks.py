"""Choosing round numbers for the axes of plots."""

from __future__ import annotations

import math


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Choose round numbers that enclose a range, in equal steps of 1, 2 or 5 times a power of ten.

    Args:
        low: the least value.
        high: the greatest value; a range of a single value is widened.
        most: about how many numbers there are at most.
    """
    if high <= low:
        low, high = low - abs(low) / 10 - 0.01, high + abs(high) / 10 + 0.01
    rough = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Choose numbers of the form 1, 2 or 5 times a power of ten that enclose a range of positive values.

    Args:
        low: the least value, above 0.
        high: the greatest value.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    first = max((number for number in numbers if number <= low), default=numbers[0])
    last = min((number for number in numbers if number >= high), default=numbers[-1])
    if first == last:
        first, last = first / 2, last * 2
    return [first, *(number for number in numbers if first < number < last), last]
