"""How outputs of a network lie on its input: which pixels each output reads, what borders lose, which sizes fit.

The computation uses only integers and fractions. An operator such as a convolution reads an interval of its input for
every output; the intervals of operators that follow one another are composed, and those of branches that join are
united. Strides, receptive fields, crop offsets, legal sizes and the context of a tile all follow from that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

from pixelwise.errors import SettingError


class Phase(NamedTuple):
    """The input pixels that one output of a period reads along an axis; they may lie outside the picture."""

    first: int
    """The first input read."""
    last: int
    """The last input read."""
    needs: int
    """The pixel without which the output does not exist: the picture must have more than ``needs`` pixels."""


@dataclass(frozen=True)
class Geometry:
    """Along each axis, output ``i`` reads the inputs ``stride * i + low`` to ``stride * i + high``, or fewer.

    In networks that shrink their maps and enlarge them again, the inputs that an output reads depend on its place in a
    period; ``phases`` states exactly what each output of one period reads, and ``low`` and ``high`` bound all of them.

    Args:
        stride: input pixels from one output to the next: 1 for a network that labels every pixel, 1/2 for a block that
            doubles its input.
        low: the first input read, relative to ``floor(stride * i)``; None if an output sees the whole picture or if the
            reach of a part is not known.
        high: the last input read, relative to the same; None if ``low`` is None.
        period: sizes and tile origins must be multiples of it, so that every stage of the network samples the same
            cells whatever picture surrounds them (32 for a five-level U-Net).
        phases: what the outputs of one period read; by default ``low`` to ``high`` for each.
        least: the least side that the network computes on, if that is more than two periods.

    Raises:
        SettingError: the stride or the period is not positive, the period is no multiple of the stride, or only one of
            ``low`` and ``high`` is known.
    """

    stride: int | Fraction
    low: int | None
    high: int | None
    period: int = 1
    phases: tuple[Phase, ...] = ()
    least: int = 0

    def __post_init__(self) -> None:
        if self.stride <= 0 or self.period < 1:
            raise SettingError(f"stride and period are positive, got {self.stride} and {self.period}")
        if (self.low is None) != (self.high is None) or (
            self.low is not None and self.high is not None and self.low > self.high
        ):
            raise SettingError(f"low and high are both None or rise, got {self.low} and {self.high}")
        if not self.phases:
            period = math.lcm(self.period, self.stride) if isinstance(self.stride, int) else self.period
            count = Fraction(period) / self.stride
            if count.denominator != 1:
                raise SettingError(f"period {period} is no multiple of stride {self.stride}")
            starts = [math.floor(self.stride * i) for i in range(int(count))]
            phases = tuple(Phase(at + (self.low or 0), at + (self.high or 0), at) for at in starts)
            object.__setattr__(self, "period", period)
            object.__setattr__(self, "phases", phases)

    # Composing geometries: operators that follow one another, and branches that join.

    @classmethod
    def identity(cls) -> Geometry:
        """Give the geometry of the picture itself."""
        return cls(1, 0, 0)

    @classmethod
    def _of(cls, stride: Fraction, phases: list[Phase], *, whole: bool = False) -> Geometry:
        """Make a geometry from what each output of a period reads."""
        low = min(phase.first - math.floor(stride * i) for i, phase in enumerate(phases))
        high = max(phase.last - math.floor(stride * i) for i, phase in enumerate(phases))
        return cls(
            int(stride) if stride.denominator == 1 else stride,
            None if whole else low,
            None if whole else high,
            int(len(phases) * stride),
            tuple(phases),
        )

    def to_dict(self) -> dict[str, Any]:
        """Describe the geometry of full-size outputs in plain JSON types; :meth:`from_dict` reads it back."""
        phases = None if self.whole else [list(phase) for phase in self.phases]
        return {"period": self.period, "least": self.least, "phases": phases}

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Geometry:
        """Build the geometry of full-size outputs from what :meth:`to_dict` wrote.

        Raises:
            SettingError: the phases are not those of one period, or an output reads less far than the one before it.
        """
        period, least = described["period"], described["least"]
        if described["phases"] is None:
            return cls(1, None, None, period, least=least)
        phases = [Phase(*values) for values in described["phases"]]
        if len(phases) != period:
            raise SettingError(f"the geometry has {len(phases)} phases for a period of {period}")
        after = [*phases[1:], Phase(*(value + period for value in phases[0]))]
        if any(p.first > p.last for p in phases) or any(
            now > then for pair in zip(phases, after, strict=True) for now, then in zip(*pair, strict=True)
        ):
            raise SettingError("the geometry has phases that do not rise")
        return replace(cls._of(Fraction(1), phases), least=least)

    @property
    def whole(self) -> bool:
        """Whether outputs see the whole picture, or an unknown part of it."""
        return self.low is None

    def see_whole(self) -> Geometry:
        """Give the same outputs, each of which sees the whole picture."""
        return Geometry(self.stride, None, None, self.period, self.phases, self.least)

    def _at(self, output: int) -> Phase:
        turns, index = divmod(output, len(self.phases))
        return Phase(*(value + turns * self.period for value in self.phases[index]))

    def reads(self, first: int, last: int | None = None) -> tuple[int, int]:
        """Give the interval of inputs that outputs ``first`` .. ``last`` (by default one output) read.

        Raises:
            SettingError: outputs see the whole picture.
        """
        if self.whole:
            raise SettingError("an output of this network sees the whole picture")
        return self._at(first).first, self._at(first if last is None else last).last

    def then(self, outer: Geometry) -> Geometry:
        """Let ``outer`` read the outputs of this geometry as its inputs."""
        inner_count, outer_count = len(self.phases), len(outer.phases)
        # The joint period holds whole periods of both: of `outer` in its outputs, of this geometry in its inputs.
        turns = math.lcm(outer.period, inner_count) // outer.period
        phases = []
        for output in range(outer_count * turns):
            middle = outer._at(output)
            phases.append(Phase(self._at(middle.first).first, self._at(middle.last).last, self._at(middle.needs).needs))
        return Geometry._of(Fraction(self.stride) * outer.stride, phases, whole=self.whole or outer.whole)

    def join(self, *others: Geometry) -> Geometry:
        """Join branches (addition, concatenation): an output reads what the output ``i`` of each branch reads.

        Raises:
            SettingError: the branches have different strides.
        """
        branches = (self, *others)
        if len({branch.stride for branch in branches}) > 1:
            strides = ", ".join(str(branch.stride) for branch in branches)
            raise SettingError(f"branches that join have one stride, got {strides}")
        count = math.lcm(*(len(branch.phases) for branch in branches))
        rows = [[branch._at(output) for branch in branches] for output in range(count)]
        phases = [Phase(min(p.first for p in row), max(p.last for p in row), max(p.needs for p in row)) for row in rows]
        return Geometry._of(Fraction(self.stride), phases, whole=any(branch.whole for branch in branches))

    def conv(self, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> Geometry:
        """Append a convolution with ``padding`` on both sides."""
        span = dilation * (kernel - 1)
        return self.then(_rational(stride, 1, -padding, span - padding, span - 2 * padding))

    def pool(
        self, kernel: int, *, stride: int | None = None, padding: int = 0, dilation: int = 1, ceil: bool = False
    ) -> Geometry:
        """Append pooling; ``ceil`` keeps a last window that lies only partly inside, as Caffe does."""
        stride = kernel if stride is None else stride
        span = dilation * (kernel - 1)
        needs = span - 2 * padding
        if ceil:  # one more window if at least one pixel is left over and the window starts inside
            needs = max(needs - stride + 1, -padding)
        return self.then(_rational(stride, 1, -padding, span - padding, needs))

    def transposed(
        self, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, output_padding: int = 0
    ) -> Geometry:
        """Append a transposed convolution, whose input ``i`` reaches outputs ``stride * i - padding + tap``."""
        span = dilation * (kernel - 1)
        needs = 2 * padding - span - output_padding + stride - 1
        return self.then(_rational(1, stride, padding - span + stride - 1, padding, needs))

    def nearest(self, factor: int) -> Geometry:
        """Append nearest-neighbour upsampling, or unpooling, by a whole factor."""
        return self.then(_rational(1, factor, 0, 0, 0))

    def bilinear(self, factor: int, *, first: float | Fraction | None = None) -> Geometry:
        """Append bilinear upsampling by a whole factor.

        Args:
            factor: the number of outputs from one cell to the next.
            first: the output on which cell 0 lies; ``(factor - 1) / 2`` by default, so that the middle of a cell is the
                middle of its outputs (half-pixel rule).
        """
        twice = factor - 1 if first is None else int(2 * first)
        return self.then(_rational(2, 2 * factor, -twice, 2 * factor - 1 - twice, 0))

    def pad(self, before: int, after: int) -> Geometry:
        """Append padding, or a crop if the numbers are negative."""
        return self.then(_rational(1, 1, -before, -before, -before - after))

    def same_size(self) -> Geometry:
        """Give the same geometry with outputs for all pixels of the picture, as after a crop to its size."""
        phases = [Phase(p.first, p.last, math.ceil(self.stride * i)) for i, p in enumerate(self.phases)]
        return Geometry._of(Fraction(self.stride), phases, whole=self.whole)

    # Properties that follow from the geometry.

    @property
    def receptive_field(self) -> int | None:
        """The most pixels that one output reads along an axis; None for the whole picture."""
        return None if self.whole else max(phase.last - phase.first + 1 for phase in self.phases)

    @property
    def center(self) -> Fraction:
        """The middle of the pixels that output 0 reads, averaged over a period.

        Two maps of equal stride are aligned by shifting one of them by the difference of their centers over the stride;
        FCN's crop offsets are such differences.
        """
        total = sum(
            (Fraction(p.first + p.last, 2) - Fraction(self.stride) * i for i, p in enumerate(self.phases)), Fraction(0)
        )
        return total / len(self.phases)

    @property
    def margin(self) -> int:
        """The pixels that unpadded convolutions lose on each side of a picture of legal size (92 for U-Net), else 0."""
        lost = min(p.needs + 1 - math.ceil(self.stride * (i + 1)) for i, p in enumerate(self.phases))
        return max(0, lost // 2)

    @property
    def context(self) -> int | None:
        """The pixels read beyond a block of whole periods, on the side with more; None for the whole picture."""
        if self.whole:
            return None
        margin = self.margin
        before = margin - self.phases[0].first
        after = self.phases[-1].last - margin - (self.period - 1)
        return max(0, before, after)

    @property
    def halo(self) -> int | None:
        """The context in whole periods: the pixels that a tile adds on each side to equal the whole picture."""
        return None if self.context is None else -(-self.context // self.period) * self.period

    def output_size(self, size: int) -> int:
        """Give the number of outputs along an axis for ``size`` inputs."""
        return sum(max(0, (size - 1 - p.needs) // self.period + 1) for p in self.phases)

    def input_size(self, outputs: int) -> int:
        """Give the least number of inputs along an axis that gives ``outputs`` outputs.

        For valid convolutions, it is a legal size.
        """
        return self._at(outputs - 1).needs + 1

    @property
    def legal_sizes(self) -> tuple[int, int]:
        """The least size that gives an output, and the step to the next size without leftover pixels.

        (188, 16) for the U-Net of 2015, whose legal sizes are 188, 204, 220, ...; (1, 1) where every size is legal.
        """
        least = self.input_size(1)
        return least, self.input_size(self.output_size(least) + 1) - least

    @property
    def smallest(self) -> int:
        """The least side that a network computes on: a multiple of the period, and at least two periods.

        Two periods leave more than one value per channel on the coarsest map, which batch normalisation needs when it
        trains on a single small picture. If two periods leave fewer values, because convolutions are unpadded, networks
        state a larger side.
        """
        return max(2, -(-self.least // self.period)) * self.period

    def padded_size(self, size: int) -> int:
        """Give the next size that a network computes on: a multiple of the period, and no less than the smallest."""
        if size < 1:
            raise SettingError(f"a picture is at least 1 pixel high and wide, got {size}")
        return max(self.smallest, -(-size // self.period) * self.period)


def _rational(down: int, up: int, first: int, last: int, needs: int) -> Geometry:
    """Output ``o`` reads the inputs ``floor((down * o + first) / up)`` to ``floor((down * o + last) / up)``."""
    stride = Fraction(down, up)
    phases = [
        Phase((down * o + first) // up, (down * o + last) // up, (down * o + needs) // up)
        for o in range(stride.denominator)
    ]
    return Geometry._of(stride, phases)
