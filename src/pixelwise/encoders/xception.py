"""The aligned Xception (Chen, Zhu, Papandreou, Schroff and Adam 2018), the trunk of DeepLabv3+."""

from __future__ import annotations

from torch import Tensor, nn

from pixelwise.errors import ModelError, SettingError
from pixelwise.nn.blocks import BatchNorm2d, DepthwiseConv2d, initialise

XCEPTION_EPSILON = 1e-3
"""The number that batch normalisation adds to the variance, as in the published networks."""

ENTRY_FLOW: dict[int, tuple[tuple[int, int], ...]] = {
    41: ((128, 2), (256, 2), (728, 2)),
    65: ((128, 2), (256, 2), (728, 2)),
    71: ((128, 2), (256, 1), (256, 2), (728, 1), (728, 2)),
}
"""Depth -> channels and stride of each block of the entry flow."""

MIDDLE_FLOW_BLOCKS = {41: 8, 65: 16, 71: 16}
"""Depth -> blocks of the middle flow."""


class SeparableConv(nn.Module):
    """Depthwise 3x3 and pointwise 1x1, each with batch norm: (N, Cin, H, W) -> (N, Cout, H / stride, W / stride).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        stride: step of the depthwise convolution.
        dilation: its dilation.
        activated: whether a ReLU follows each batch norm.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, dilation: int, activated: bool) -> None:
        super().__init__()
        self.conv_dw = DepthwiseConv2d(in_channels, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
        self.bn_dw = BatchNorm2d(in_channels, eps=XCEPTION_EPSILON)
        self.conv_pw = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn_pw = BatchNorm2d(out_channels, eps=XCEPTION_EPSILON)
        self.act = nn.ReLU(inplace=True) if activated else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Convolve each channel, then mix them."""
        filtered = self.act(self.bn_dw(self.conv_dw(features)))
        result: Tensor = self.act(self.bn_pw(self.conv_pw(filtered)))
        return result


class XceptionBlock(nn.Module):
    """Three separable convolutions beside a shortcut; the last one takes the stride, where the paper had a max pool.

    (N, Cin, H, W) -> (N, channels[-1], H / stride, W / stride). A ReLU comes before each convolution; the last block
    of the network has no shortcut, and its ReLUs come after each batch norm instead.

    The paper describes batch norm and ReLU after every depthwise convolution; the published networks, which this
    follows, have that ReLU only in their last block.

    Args:
        in_channels: channels of the input.
        channels: channels after each of the three convolutions.
        stride: step of the last of them.
        dilation: dilation of all of them.
        last: whether this is the last block of the network.
    """

    def __init__(
        self, in_channels: int, channels: tuple[int, int, int], *, stride: int, dilation: int, last: bool = False
    ) -> None:
        super().__init__()
        self.last = last
        self.stack = nn.Module()
        before = in_channels
        for i, width in enumerate(channels, start=1):
            step = stride if i == 3 else 1
            part = SeparableConv(before, width, stride=step, dilation=dilation, activated=last)
            self.stack.add_module(f"conv{i}", part)
            before = width
        self.relu = nn.ReLU()  # not in place: the input and the returned map are needed unchanged
        self.shortcut: nn.Module | None = None
        if not last and (stride != 1 or in_channels != before):
            self.shortcut = nn.Module()
            self.shortcut.add_module("conv", nn.Conv2d(in_channels, before, 1, stride, bias=False))
            self.shortcut.add_module("bn", BatchNorm2d(before, eps=XCEPTION_EPSILON))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result, and the map before the last convolution, still at the stride of the input."""
        found = finest = features
        for i in (1, 2, 3):
            finest = found
            found = self.stack.get_submodule(f"conv{i}")(found if self.last else self.relu(found))
        if self.last:
            return found, finest
        skipped = features
        if self.shortcut is not None:
            skipped = self.shortcut.get_submodule("bn")(self.shortcut.get_submodule("conv")(features))
        return found + skipped, finest


class AlignedXception(nn.Module):
    """Xception made deeper, its pools replaced by strided separable convolutions that can be dilated.

    ``forward`` takes normalised images (N, C, H, W) and returns five maps, finest first: those before each of the four
    strided convolutions of the blocks, before their ReLU (the second one is what the decoder of DeepLabv3+ takes), and
    the last one. Tensors are named as in timm (``stem.0.conv``, ``blocks.0.stack.conv1.conv_dw``, ...).

    Geometry: strides 2, 4, 8, 16, 32, cells on pixels 0, stride, 2 * stride, ...
    Parameters: 24,920,560 (41), 37,867,312 (65), 40,289,736 (71) at three input channels.

    Args:
        depth: 41, 65 or 71.
        in_channels: channels of the images.
        output_stride: stride of the last map, 8, 16 or 32. Blocks beyond it are dilated; the block whose stride is
            removed has the dilation of the blocks before it.

    Raises:
        ModelError: no such depth.
        SettingError: an output stride that the network does not have.
    """

    default_normalisation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    exact = True

    def __init__(self, depth: int = 65, *, in_channels: int = 3, output_stride: int = 32) -> None:
        super().__init__()
        if depth not in ENTRY_FLOW:
            raise ModelError(f"there is no aligned Xception of depth {depth}; known: {', '.join(map(str, ENTRY_FLOW))}")
        if output_stride not in (8, 16, 32):
            raise SettingError(f"output_stride is {output_stride}; the aligned Xception has 8, 16 or 32")
        self.name = f"aligned_xception{depth}"
        self.stem = nn.Sequential(_Stem(in_channels, 32, stride=2), _Stem(32, 64, stride=1))
        plan: list[tuple[tuple[int, int, int], int]] = [((c, c, c), step) for c, step in ENTRY_FLOW[depth]]
        plan += [((728, 728, 728), 1)] * MIDDLE_FLOW_BLOCKS[depth]
        plan += [((728, 1024, 1024), 2), ((1536, 1536, 2048), 1)]
        channels, strides = [], []
        before, stride, dilation = 64, 2, 1
        blocks: list[nn.Module] = []
        self.taps: list[int] = []
        for i, (widths, step) in enumerate(plan):
            taken, rate = step, dilation
            if step > 1:
                self.taps.append(i)
                channels.append(widths[1])
                strides.append(stride)
                if stride * step > output_stride:
                    taken, dilation = 1, dilation * step
            stride *= taken
            blocks.append(XceptionBlock(before, widths, stride=taken, dilation=rate, last=i == len(plan) - 1))
            before = widths[-1]
        self.blocks = nn.Sequential(*blocks)
        self.channels: tuple[int, ...] = (*channels, before)
        self.strides: tuple[int, ...] = (*strides, stride)
        initialise(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        features = self.stem(images)  # (N, 64, H/2, W/2)
        maps = []
        for i, block in enumerate(self.blocks):
            features, finest = block(features)
            if i in self.taps:
                maps.append(finest)  # (N, C, H/stride, W/stride)
        return [*maps, features]


class _Stem(nn.Module):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn = BatchNorm2d(out_channels, eps=XCEPTION_EPSILON)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.relu(self.bn(self.conv(features)))
        return result
