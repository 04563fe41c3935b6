"""Using any convolutional network of timm as an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from torch import Tensor, nn

from pixelwise.encoders.efficientnet_lite import LITE_FACTORS, EfficientNetLite
from pixelwise.encoders.resnet import RESNET_BLOCKS, ResNet
from pixelwise.encoders.sizes import OTHER_ENCODERS, InputSizes, Pyramid
from pixelwise.errors import ModelError, unknown_name
from pixelwise.nn.blocks import DepthwiseConv2d, SameConv2d
from pixelwise.preprocessing import IMAGENET_MEAN, IMAGENET_STD

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel."""

OWN_FORMS: dict[str, tuple[Callable[..., nn.Module], Normalisation]] = {
    **{
        f"resnet{depth}": (partial(ResNet, depth, last_norm=0.0), (IMAGENET_MEAN, IMAGENET_STD))
        for depth in RESNET_BLOCKS
    },
    **{
        f"tf_efficientnet_lite{version}": (partial(EfficientNetLite, version), ((0.5,) * 3, (0.5,) * 3))
        for version in range(len(LITE_FACTORS))
    },
}
"""Networks of timm that pixelwise has itself, with the same tensors and results, and their normalisation.

timm takes longer to import than torch, and longer than a prediction; these do without it.
"""


class TimmEncoder(nn.Module):
    """A timm network, or pixelwise's form of it (:data:`OWN_FORMS`), cut into its feature pyramid.

    ``forward`` takes normalised images (N, C, H, W) of the heights and widths that ``sizes`` says, and returns one map
    per stride, finest first: map ``i`` is (N, channels[i], H / strides[i], W / strides[i]). The maps of networks with
    unpadded convolutions (the Inceptions) are a few cells smaller, and ``exact`` is False; decoders resize them.
    Networks that pad as TensorFlow does take pictures of any size here, and round them up.

    Args:
        name: a timm model name such as ``"resnet18"`` or ``"tf_efficientnet_lite0"``.
        in_channels: channels of the images; pretrained weights of a stem are adapted to it by timm.
        output_stride: largest stride wanted, 8, 16 or 32; deeper stages are dilated instead of strided. An encoder that
            cannot be dilated keeps its own stride of 32.
        exact: whether maps are exact fractions of pictures, where that is known already, as from a model file; by
            default the network is run on shapes to see it, and to refuse one that gives no pyramid.

    Raises:
        ModelError: no such timm model, or one that is no pyramid of maps, or only at sizes that are too far apart.
    """

    def __init__(self, name: str, *, in_channels: int = 3, output_stride: int = 32, exact: bool | None = None) -> None:
        super().__init__()
        self.name = name
        self.in_channels = in_channels
        self.body, channels, strides = _create(name, in_channels=in_channels, output_stride=output_stride)
        self.channels: tuple[int, ...] = tuple(channels)
        self.strides: tuple[int, ...] = tuple(strides)
        self.exact = self.sizes.exact if exact is None else exact
        self.shifted = any(isinstance(part, SameConv2d) or _is_uneven(part) for part in self.body.modules())
        """Whether timm's own network lays its maps elsewhere on pictures that are no multiples of its strides."""

    @cached_property
    def sizes(self) -> InputSizes:
        """The sizes of pictures that it computes on."""
        channels, strides = self.channels, self.strides
        return Pyramid(self.body, self.name, channels=channels, strides=strides, in_channels=self.in_channels).measure()

    @property
    def default_normalisation(self) -> Normalisation:
        """Mean and standard deviation (0 .. 1 scale, RGB) that the published weights were trained with."""
        return published_normalisation(self.name)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        maps: list[Tensor] = self.body(images)
        return maps


def published_normalisation(name: str) -> Normalisation:
    """Give the mean and standard deviation (0 .. 1 scale, RGB) that a network's published weights were trained with.

    They are ImageNet's where timm states none.
    """
    if name in OWN_FORMS:
        return OWN_FORMS[name][1]
    import timm

    published = timm.get_pretrained_cfg(name)
    return (IMAGENET_MEAN, IMAGENET_STD) if published is None else (tuple(published.mean), tuple(published.std))


def _create(name: str, *, in_channels: int, output_stride: int) -> tuple[Any, Sequence[int], Sequence[int]]:
    """Build a network that gives feature maps, and say their channels and strides."""
    if name in OWN_FORMS:
        body: Any = OWN_FORMS[name][0](in_channels=in_channels, output_stride=output_stride)
        return body, body.channels, body.strides
    import timm  # here, because timm takes longer to import than torch

    if not timm.is_model(name):
        raise ModelError(unknown_name("encoder", name, timm.list_models()))
    # A build with output_stride may fail with errors of any type, such as an assertion or an unknown keyword.
    attempts: list[dict[str, Any]] = [{"output_stride": output_stride}] if output_stride != 32 else []
    for options in [*attempts, {}]:
        try:
            body = timm.create_model(name, features_only=True, in_chans=in_channels, **options)
        except (AssertionError, TypeError, NotImplementedError, RuntimeError, AttributeError, ValueError) as error:
            reason = str(error) or type(error).__name__
            continue
        _exchange_convolutions(body)
        return body, body.feature_info.channels(), body.feature_info.reduction()
    raise ModelError(f"timm's '{name}' gives no feature maps ({reason}); {OTHER_ENCODERS}")


def _exchange_convolutions(network: nn.Module) -> None:
    """Exchange depthwise and TensorFlow-padded convolutions for those of pixelwise; parameters and names stay the same.

    Results do, too, but where TensorFlow's "SAME" padding depends on the size of the picture: where a side is no
    multiple of the stride, see :func:`~pixelwise.nn.blocks.pad_same`.
    """
    from timm.layers.conv2d_same import Conv2dSame

    for parent in network.modules():
        for key, part in parent.named_children():
            if type(part) not in (nn.Conv2d, Conv2dSame):
                continue  # subclasses may compute something else
            assert isinstance(part, nn.Conv2d)
            same = isinstance(part, Conv2dSame)
            if _is_depthwise(part):
                setattr(parent, key, _native_depthwise(part, same=same))
            elif same:
                setattr(parent, key, _same_conv(part))


def _native_depthwise(conv: nn.Conv2d, *, same: bool) -> DepthwiseConv2d:
    """Make pixelwise's form of a depthwise convolution, padded as TensorFlow does or not; it shares the parameters."""
    ours = DepthwiseConv2d(
        conv.in_channels,
        conv.kernel_size[0],
        stride=conv.stride[0],
        padding=_same_padding(conv) if same else int(conv.padding[0]),
        dilation=conv.dilation[0],
        bias=conv.bias is not None,
    )
    ours.weight, ours.bias = conv.weight, conv.bias
    return ours


def _same_conv(conv: nn.Conv2d) -> SameConv2d:
    """Make pixelwise's form of a TensorFlow-padded convolution; it shares the parameters."""
    ours = SameConv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        dilation=conv.dilation,
        groups=conv.groups,
        bias=conv.bias is not None,
        uneven_padding=_same_padding(conv),
    )
    ours.weight, ours.bias = conv.weight, conv.bias
    return ours


def _same_padding(conv: nn.Conv2d) -> tuple[int, int]:
    """Zeros before and after sides that are multiples of the stride; kernels, strides and dilations are square."""
    total = max(0, (conv.kernel_size[0] - 1) * conv.dilation[0] + 1 - conv.stride[0])
    return total // 2, total - total // 2


def _is_uneven(part: nn.Module) -> bool:
    return isinstance(part, DepthwiseConv2d) and part.uneven_padding is not None


def _is_depthwise(conv: nn.Conv2d) -> bool:
    square = all(pair[0] == pair[1] for pair in (conv.kernel_size, conv.stride, conv.dilation))
    padded = isinstance(conv.padding, tuple) and conv.padding[0] == conv.padding[1] and conv.padding_mode == "zeros"
    return square and padded and conv.groups == conv.in_channels == conv.out_channels > 1
