"""The mean over the picture, for inputs that hold more or less than the picture.

Contexts around the call state what the input holds, so that several threads may use one network on different pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

import torch
from torch import Tensor, nn

Shares = tuple[float | Tensor, float | Tensor]
"""The share of rows and the share of columns that show the picture; tensors () in a graph for pictures of any size."""


class ImageMean(nn.Module):
    """Mean over the picture: (N, C, H, W) -> (N, C, 1, 1).

    The map may extend beyond the picture at the bottom and the right; see :func:`picture_within`. The input may also be
    a piece of a larger picture, whose mean :func:`means_given` provides.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Average a map, or return the mean that a context provides."""
        given = _GIVEN_MEANS.get()
        if self in given:
            return given[self].expand(len(features), -1, -1, -1)
        mean = _mean(features, _PICTURE_SHARES.get())
        heard = _HEARD_MEANS.get()
        if heard is not None:
            heard[self] = mean
        return mean


_NO_MEANS: Mapping[ImageMean, Tensor] = MappingProxyType({})
_PICTURE_SHARES: ContextVar[Shares | None] = ContextVar("picture", default=None)
"""The share of rows and the share of columns that show the picture; None for all of them."""
_GIVEN_MEANS: ContextVar[Mapping[ImageMean, Tensor]] = ContextVar("given", default=_NO_MEANS)
_HEARD_MEANS: ContextVar[dict[ImageMean, Tensor] | None] = ContextVar("heard", default=None)


@contextmanager
def picture_within(size: tuple[int, int], computed: tuple[int, int]) -> Iterator[None]:
    """Inside the context, means over the picture leave out everything beyond the picture.

    Args:
        size: height and width of the picture in pixels.
        computed: height and width of the network's input, of which the picture is the upper left part.
    """
    with shares_given(None if size == computed else (size[0] / computed[0], size[1] / computed[1])):
        yield


@contextmanager
def shares_given(shares: Shares | None) -> Iterator[None]:
    """Inside the context, means over the picture are those of the given shares of rows and columns; None for all."""
    token = _PICTURE_SHARES.set(shares)
    try:
        yield
    finally:
        _PICTURE_SHARES.reset(token)


@contextmanager
def means_given(means: Mapping[ImageMean, Tensor]) -> Iterator[None]:
    """Inside the context, parts of networks return the given means (1, C, 1, 1), whatever their input."""
    token = _GIVEN_MEANS.set({**_GIVEN_MEANS.get(), **means})
    try:
        yield
    finally:
        _GIVEN_MEANS.reset(token)


@contextmanager
def means_heard() -> Iterator[Mapping[ImageMean, Tensor]]:
    """Inside the context, the last mean of each part is kept: part -> (N, C, 1, 1)."""
    heard: dict[ImageMean, Tensor] = {}
    token = _HEARD_MEANS.set(heard)
    try:
        yield heard
    finally:
        _HEARD_MEANS.reset(token)


def _mean(features: Tensor, picture: Shares | None) -> Tensor:
    if picture is None:
        return features.mean((2, 3), keepdim=True)
    rows, columns = (
        # A cell that the edge divides is weighted by its share of the picture.
        (count * share - torch.arange(count, device=features.device)).clamp(0, 1)
        for count, share in zip(features.shape[2:], picture, strict=True)
    )
    weights = rows[:, None] * columns  # (H, W)
    exact = torch.promote_types(features.dtype, torch.float32)
    total = (features * weights.to(features.dtype)).sum((2, 3), keepdim=True, dtype=exact)
    return (total / weights.sum()).to(features.dtype)  # (N, C, 1, 1)
