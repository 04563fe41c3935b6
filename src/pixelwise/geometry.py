"""How outputs of a network lie on its input: stride, what each output reads, and which sizes fit. Numbers only."""

from __future__ import annotations

from dataclasses import dataclass

from pixelwise.errors import SettingError


@dataclass(frozen=True)
class Geometry:
    """Along each axis, output ``i`` reads the inputs ``stride * i + low`` to ``stride * i + high``.

    Args:
        stride: input pixels from one output to the next; 1 for a network that labels every pixel.
        low: first input read, relative to ``stride * i``; None where an output sees the whole picture or where the
            reach of a part is not known.
        high: last input read, likewise.
        period: sizes and tile origins must be multiples of it, so that every stage of the network samples the same
            cells whatever the picture around them (32 for a five-level U-Net).

    Raises:
        SettingError: a stride or period below 1, or only one of ``low`` and ``high`` known.
    """

    stride: int
    low: int | None
    high: int | None
    period: int = 1

    def __post_init__(self) -> None:
        if self.stride < 1 or self.period < 1:
            raise SettingError(f"stride and period are at least 1, got {self.stride} and {self.period}")
        if (self.low is None) != (self.high is None) or (
            self.low is not None and self.high is not None and self.low > self.high
        ):
            raise SettingError(f"low and high are both None or rise, got {self.low} and {self.high}")

    @property
    def receptive_field(self) -> int | None:
        """Pixels that one output reads along an axis; None for the whole picture."""
        return None if self.low is None or self.high is None else self.high - self.low + 1

    def padded_size(self, size: int) -> int:
        """The next size a network computes on: a multiple of the period, and at least two periods.

        Two periods leave more than one value a channel on the coarsest map, which batch normalisation needs when it
        trains on a single small picture.
        """
        if size < 1:
            raise SettingError(f"a picture is at least 1 pixel high and wide, got {size}")
        return max(2, -(-size // self.period)) * self.period
