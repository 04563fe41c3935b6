"""Convolution blocks, which keep the size of their input."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.ops.depthwise import depthwise_conv2d


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that also trains on one value per channel, as after pooling a batch of one to 1x1.

    A single value has no variance to estimate; it is then normalised by the running statistics. Shapes, parameters
    and everything else are those of ``torch.nn.BatchNorm2d``.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if self.training and input.numel() == input.shape[1]:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(input)


class DepthwiseConv2d(nn.Conv2d):
    """A convolution with one filter per channel: (N, C, H, W) -> (N, C, H', W'), k*k*C weights.

    It computes the same as ``nn.Conv2d(C, C, k, groups=C)`` and has the same parameters. On a CPU its gradients are
    computed by a native kernel, because the general one takes most of a training step.

    Args:
        channels: channels of input and output.
        kernel_size: side of the filter.
        stride: step between outputs.
        padding: zeros around the picture, or a pair (before, after): top and left, bottom and right, see
            :func:`pad_same`.
        dilation: step between the taps of the filter.
        bias: whether to add a learnt value per channel.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        symmetric = padding if isinstance(padding, int) else 0
        super().__init__(channels, channels, kernel_size, stride, symmetric, dilation, groups=channels, bias=bias)
        self.uneven_padding = padding if isinstance(padding, tuple) else None
        self._fused = False

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        assert not isinstance(self.padding, str)
        if self.uneven_padding is None:
            return self._convolve(input, self.padding)
        before, after = self.uneven_padding
        stride = self.stride[0]
        if not self._fused or before + 1 < after:
            return self._convolve(pad_same(input, self.uneven_padding, stride), self.padding)
        # Padding by one step more at the top and the left gives one additional output, but needs no padded copy of the
        # map.
        lost = self.dilation[0] * (self.kernel_size[0] - 1) - before - after
        rows, columns = ((side + -side % stride - lost - 1) // stride + 1 for side in input.shape[2:])
        return self._convolve(input, (before + stride,) * 2)[:, :, 1 : 1 + rows, 1 : 1 + columns]

    def fuse(self) -> None:
        """Pad inside the convolution from now on, which takes less memory; only for prediction."""
        self._fused = True

    def _convolve(self, input: Tensor, padding: tuple[int, ...]) -> Tensor:
        return depthwise_conv2d(
            input, self.weight, self.bias, stride=self.stride, padding=padding, dilation=self.dilation
        )


class SameConv2d(nn.Conv2d):
    """A strided convolution padded as TensorFlow's "SAME" pads pictures of whole steps, whatever their size.

    (N, C, H, W) -> (N, D, H', W'), where H' is H / stride, rounded up. It has the parameters of ``nn.Conv2d``.

    Args:
        uneven_padding: (before, after) of sides that are multiples of the stride, see :func:`pad_same`.
        arguments: as of ``nn.Conv2d``, without padding.
    """

    def __init__(self, *arguments: Any, uneven_padding: tuple[int, int], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.uneven_padding = uneven_padding

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        return super().forward(pad_same(input, self.uneven_padding, self.stride[0]))


def pad_same(input: Tensor, padding: tuple[int, int], stride: int) -> Tensor:
    """Pad a map (N, C, H, W) with zeros: so many at the top and the left, so many at the bottom and the right.

    Sides that are no multiples of the stride get what they lack of one at the end besides. TensorFlow's "SAME" would
    share it out to both ends: the outputs of a picture of 31 columns would then lie a pixel beside those of one of 32.
    """
    before, after = padding
    below, right = (after + -side % stride for side in input.shape[2:])
    return F.pad(input, (before, right, before, below))


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel_size: int = 3, *, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Convolution, batch norm, ReLU; "same" size for odd kernels: (N, Cin, H, W) -> (N, Cout, H, W).

    With a ``stride`` the size is H / stride, rounded up. Geometry: an output reads ``dilation * (k - 1) + 1`` pixels a
    side. Parameters: k*k*Cin*Cout weights and 2*Cout of the norm. Multiply-adds: k*k*Cin*Cout per output cell, whatever
    the dilation.
    """
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            bias=False,
        ),
        BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def separable_conv_norm_relu(in_channels: int, out_channels: int, *, dilation: int = 1) -> nn.Sequential:
    """Depthwise 3x3, pointwise 1x1, batch norm, ReLU: (N, Cin, H, W) -> (N, Cout, H, W).

    9*Cin + Cin*Cout weights instead of 9*Cin*Cout (Chollet 2017; atrous as in DeepLabv3+): 75 instead of 432 from 3 to
    16 channels. Multiply-adds: as many per output cell, which is 1/Cout + 1/9 of the full convolution. Geometry: an
    output reads ``2 * dilation + 1`` pixels per side.
    """
    return nn.Sequential(
        DepthwiseConv2d(in_channels, 3, padding=dilation, dilation=dilation, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def leaves(sequence: nn.Module) -> list[nn.Module]:
    """List the parts of nested ``nn.Sequential``s in the order in which they run.

    Running these parts one by one allows each input to be freed as soon as it is used; a sequence keeps its input to
    the end.
    """
    if not isinstance(sequence, nn.Sequential):
        return [sequence]
    return [leaf for part in sequence for leaf in leaves(part)]


def initialise(module: nn.Module, *, mode: Literal["fan_in", "fan_out"] = "fan_out") -> None:
    """Give every convolution He-normal weights and zero biases (He, Zhang, Ren and Sun 2015).

    Args:
        module: the module whose convolutions are filled.
        mode: what keeps its magnitude through the layers: values in the forward pass (``"fan_in"``, for deep networks
            without normalisation, whose outputs would otherwise grow) or gradients in the backward pass
            (``"fan_out"``).
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode=mode, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
