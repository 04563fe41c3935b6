"""The interface of encoders, and the function that builds one by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from torch import Tensor

from pixelwise.encoders.alexnet import alexnet_encoder
from pixelwise.encoders.resnet import RESNET_BLOCKS, ResNet
from pixelwise.encoders.smp_encoder import SMP_PREFIX, smp_encoder
from pixelwise.encoders.timm_encoder import TimmEncoder
from pixelwise.encoders.xception import ENTRY_FLOW, AlignedXception
from pixelwise.geometry import Geometry


class Encoder(Protocol):
    """A network that turns a picture into a pyramid of feature maps; also a ``torch.nn.Module``."""

    name: str
    channels: tuple[int, ...]
    """Channels of each map, finest first."""
    strides: tuple[int, ...]
    """Input pixels from one cell of each map to the next."""
    exact: bool
    """Whether map ``i`` is exactly 1 / strides[i] of the pictures that it computes on, see :func:`fitting`."""

    @property
    def default_normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation (0 .. 1 scale, RGB) that the published weights were trained with."""
        ...

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Encode normalised images (N, C, H, W) into maps, finest first."""
        ...

    def modules(self) -> Any:
        """All parts, as of any ``torch.nn.Module``."""
        ...

    def parameters(self) -> Any:
        """All parameters, as of any ``torch.nn.Module``."""
        ...


PAPER_TRUNKS: dict[str, Callable[..., Encoder]] = {
    "alexnet": alexnet_encoder,
    **{f"aligned_xception{depth}": partial(AlignedXception, depth) for depth in ENTRY_FLOW},
    **{f"resnet{depth}_atrous": partial(ResNet, depth, dilation_from="stage") for depth in RESNET_BLOCKS},
    **{
        f"resnet{depth}_multigrid": partial(ResNet, depth, dilation_from="stage", multi_grid=(1, 2, 4))
        for depth in RESNET_BLOCKS
    },
}
"""Trunks of the classical papers that timm does not have: name -> ``build(in_channels=..., output_stride=...)``."""


def build_encoder(name: str, *, in_channels: int = 3, output_stride: int = 32, exact: bool | None = None) -> Encoder:
    """Build an encoder by name: a trunk of the classical papers, or any convolutional timm model.

    Args:
        name: a key of :data:`PAPER_TRUNKS`, or a timm model name.
        in_channels: channels of the images.
        output_stride: largest stride wanted, where the encoder can be dilated to it.
        exact: whether a timm encoder's maps are exact fractions of pictures, where that is known; see
            :class:`.TimmEncoder`.

    Raises:
        ModelError: no such encoder, or one that gives no pyramid of maps for pictures of any size.
    """
    if name.startswith(SMP_PREFIX):
        return smp_encoder(name, in_channels=in_channels, output_stride=output_stride)
    if name in PAPER_TRUNKS:
        return PAPER_TRUNKS[name](in_channels=in_channels, output_stride=output_stride)
    return TimmEncoder(name, in_channels=in_channels, output_stride=output_stride, exact=exact)


def fitting(encoder: Encoder) -> Geometry:
    """The sizes of pictures that an encoder computes on, as the geometry of outputs that are otherwise unknown.

    Sides are multiples of the geometry's period, which is at least the largest stride, and not below its smallest side.
    """
    if isinstance(encoder, TimmEncoder):
        return Geometry(1, None, None, encoder.sizes.period, least=encoder.sizes.least)
    return Geometry(1, None, None, max(encoder.strides))  # all convolutions of the papers' trunks are padded
