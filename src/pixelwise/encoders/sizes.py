"""The sizes of pictures that an encoder computes on, found by running it on shapes alone."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

from torch import Tensor, nn

from pixelwise.errors import ModelError
from pixelwise.nn.tracing.meta import run_on_meta
from pixelwise.nn.tracing.trace import Trace, trace

TRIED_SIDE = 256
"""Side in pixels of the first picture that a new encoder is measured with; large enough for unpadded stems."""

OTHER_ENCODERS = "choose a convolutional one such as resnet18, tf_efficientnet_lite0 or convnext_tiny"


class InputSizes(NamedTuple):
    """The sizes of pictures that an encoder computes on, and whether its maps are exact."""

    period: int
    """Sides are multiples of this; it is at least the largest stride."""
    least: int
    """The least side; every map then has two cells a side, so that batch normalisation can train on one picture."""
    exact: bool
    """Whether map ``i`` is exactly 1 / strides[i] of a picture of these sizes."""


def rounds_up(encoder: Any, in_channels: int) -> bool:
    """Whether the maps of an encoder cover a picture of any size, with cells that lie where they lie on whole periods.

    Each halving then rounds up. Sides of one more than a multiple of the period are odd at every halving.

    Args:
        encoder: an :class:`.encoder.Encoder`.
        in_channels: channels of the images.
    """
    period = max(encoder.strides)
    even = trace(encoder, (1, in_channels, TRIED_SIDE, TRIED_SIDE))
    for sides in ((TRIED_SIDE + 1, TRIED_SIDE + period - 1), (TRIED_SIDE + period - 1, TRIED_SIDE + 1)):
        try:
            odd = trace(encoder, (1, in_channels, *sides))
        except Exception:  # a network refuses a size in as many ways as there are authors
            return False
        cells = [tuple(-(-side // stride) for side in sides) for stride in encoder.strides]
        if [shape[2:] for shape in odd.shapes] != cells or _reads(odd) != _reads(even):
            return False
    return True


def _reads(traced: Trace) -> list[list[tuple[int, int]]]:
    """First and last pixel that the outputs of a period read, for each map."""
    return [[(phase.first, phase.last) for phase in geometry.phases] for geometry in traced.outputs]


class Pyramid:
    """A network that gives feature maps, with their declared channels and strides.

    Args:
        network: takes images (N, C, H, W) and returns a list of maps, finest first; it is left as it is.
        name: its name, for messages.
        channels: the number of channels of each map.
        strides: the stride of each map.
        in_channels: the number of channels of the images.
    """

    def __init__(
        self, network: nn.Module, name: str, *, channels: Sequence[int], strides: Sequence[int], in_channels: int
    ) -> None:
        self.network, self.name, self.in_channels = network, name, in_channels
        self.channels, self.strides = tuple(channels), tuple(strides)
        self._seen: dict[tuple[int, int], list[tuple[int, ...]] | str] = {}

    def measure(self) -> InputSizes:
        """Compare the declaration with the network at several sizes, square and not.

        Some networks need multiples of more than their largest stride, a patch or a window of cells: twice the stride
        is tried as well. Some are built for one size only, which the next size shows.

        Raises:
            ModelError: the network gives no pyramid, or only at sizes that are too far apart; the message names it and
                says why.
        """
        self._check_form()
        stretched, reason = None, ""
        for period in (max(self.strides), 2 * max(self.strides)):
            least = next(
                (side for side in range(2 * period, TRIED_SIDE + 1, period) if self._suffices(side)), TRIED_SIDE
            )
            other = (2 * TRIED_SIDE + period, 2 * TRIED_SIDE + 2 * period)
            shapes = self._run(*other)
            if self._keeps_strides(least, least) and self._keeps_strides(*other):
                return InputSizes(period, least, exact=True)
            if self._loses_little(*other):
                stretched = stretched or InputSizes(period, least, exact=False)
            else:
                found = shapes if isinstance(shapes, str) else f"gives {', '.join(map(str, shapes))}"
                reason = reason or f"not of {other[0]}x{other[1]} ({found})"
        if stretched is None:
            raise ModelError(
                f"encoder '{self.name}' takes pictures of {TRIED_SIDE}x{TRIED_SIDE} but {reason}: it is built for one "
                f"size, or for sizes farther apart than twice its largest stride of {max(self.strides)}; "
                f"{OTHER_ENCODERS}"
            )
        return stretched

    def _check_form(self) -> None:
        """Refuse maps that are no pyramid of the declared channels and, approximately, the declared strides."""
        maps = self._run(TRIED_SIDE, TRIED_SIDE)
        if isinstance(maps, str):
            raise ModelError(
                f"encoder '{self.name}' takes no picture of {TRIED_SIDE}x{TRIED_SIDE} ({maps}); {OTHER_ENCODERS}"
            )
        shapes, strides = ", ".join(map(str, maps)), ", ".join(map(str, self.strides))
        rising = len(set(self.strides)) > 1 and list(self.strides) == sorted(self.strides)
        if not rising or [shape[1] if len(shape) == 4 else None for shape in maps] != list(self.channels):
            raise ModelError(
                f"encoder '{self.name}' gives no pyramid of (N, C, H, W) maps but {shapes}: pixelwise takes "
                f"convolutional encoders; {OTHER_ENCODERS}"
            )
        if not self._loses_little(TRIED_SIDE, TRIED_SIDE) or any(stride & (stride - 1) for stride in self.strides):
            raise ModelError(
                f"encoder '{self.name}' declares strides of {strides} and gives {shapes} of a "
                f"{TRIED_SIDE}x{TRIED_SIDE} picture: decoders take strides that are powers of two, and maps that have "
                f"them; {OTHER_ENCODERS}"
            )

    def _run(self, height: int, width: int) -> list[tuple[int, ...]] | str:
        """Give the shapes of the maps of a picture of a size, or the reason why there are none."""
        size = (height, width)
        if size not in self._seen:
            try:
                maps: Sequence[Tensor] = run_on_meta(self.network, (1, self.in_channels, *size), nullcontext())
                self._seen[size] = [tuple(features.shape) for features in maps]
            except Exception as error:  # networks refuse a size with errors of any type
                self._seen[size] = textwrap.shorten(str(error) or type(error).__name__, 160, placeholder=" ...")
        return self._seen[size]

    def _suffices(self, side: int) -> bool:
        """Whether every map of a square picture has at least two cells a side."""
        shapes = self._run(side, side)
        return not isinstance(shapes, str) and all(min(shape[2:]) > 1 for shape in shapes)

    def _keeps_strides(self, height: int, width: int) -> bool:
        """Whether the maps of a picture are exact fractions of it."""
        shapes = self._run(height, width)
        cells = [(height / stride, width / stride) for stride in self.strides]
        return not isinstance(shapes, str) and [shape[2:] for shape in shapes] == cells

    def _loses_little(self, height: int, width: int) -> bool:
        """Whether maps have the cells of their stride, except some that unpadded convolutions lose at the borders.

        These never lose half of the cells, as another stride would, and never have more cells than the stride allows.
        """
        shapes = self._run(height, width)
        return not isinstance(shapes, str) and all(
            side < 2 * stride * cells and stride * cells <= side
            for shape, stride in zip(shapes, self.strides, strict=True)
            for side, cells in zip((height, width), shape[2:], strict=True)
        )
