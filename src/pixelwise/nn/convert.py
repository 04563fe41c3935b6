"""A fully connected layer as the convolution that computes the same, so that a classifier slides over a picture."""

from __future__ import annotations

from torch import Tensor, nn

from pixelwise.errors import SettingError


def linear_to_conv(linear: nn.Linear, size: int | tuple[int, int] = 1) -> nn.Conv2d:
    """Turn a fully connected layer on flattened (C, height, width) maps into a convolution without padding.

    The layer reads its input as ``map.flatten()``, channel by channel; the convolution has a kernel of the size of that
    map. On a map of exactly this size both give the same numbers; on a larger map the convolution gives the result of
    the layer at every position (Long, Shelhamer and Darrell 2015, section 3.1). VGG16's fc6, a linear layer from
    512*7*7 = 25,088 to 4,096 values, becomes a 7x7 convolution from 512 to 4,096 channels.

    Shapes: (N, C*height*width) -> (N, D) becomes (N, C, H, W) -> (N, D, H - height + 1, W - width + 1).
    Geometry: stride 1; an output reads height x width cells and the map shrinks by one less than that.
    Parameters: unchanged, C*height*width*D and D biases. Multiply-adds: C*height*width*D per output.

    Args:
        linear: the layer; it is copied, not shared.
        size: height and width of the maps it was made for, or one side of square maps.

    Raises:
        SettingError: the inputs of the layer are no multiple of the size.
    """
    height, width = (size, size) if isinstance(size, int) else size
    weight = linear_to_conv_weight(linear.weight.detach(), (height, width))
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], (height, width), bias=linear.bias is not None)
    conv.to(weight)
    conv.weight.data.copy_(weight)
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.detach())
    return conv


def linear_to_conv_weight(weight: Tensor, size: tuple[int, int]) -> Tensor:
    """View the weight (D, C*height*width) of a linear layer as that of a convolution, (D, C, height, width).

    Raises:
        SettingError: the inputs of the layer are no multiple of the size.
    """
    height, width = size
    if min(size) < 1 or weight.ndim != 2 or weight.shape[1] % (height * width):
        raise SettingError(
            f"a weight of shape {tuple(weight.shape)} is no linear layer on maps of {height}x{width}; "
            "give the height and width of the map that was flattened into its inputs"
        )
    return weight.view(weight.shape[0], -1, height, width)
