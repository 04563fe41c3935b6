"""Residual networks (He, Zhang, Ren and Sun 2016) in the forms that the DeepLab papers and torchvision dilate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from pixelwise.errors import ModelError, SettingError
from pixelwise.nn.blocks import BatchNorm2d, initialise
from pixelwise.preprocessing import IMAGENET_MEAN, IMAGENET_STD

RESNET_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Depth -> residual blocks in each of the four stages."""

BASE_CHANNELS = (64, 128, 256, 512)
"""Channels inside the blocks of each stage."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, C, H, W) -> (N, channels, H / stride, W / stride).

    Args:
        in_channels: channels of the input.
        channels: channels inside and after the block.
        stride: step of the first convolution and of the shortcut.
        dilations: dilation of the first and of the second convolution.
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, *, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, channels, stride, dilations[0])
        self.bn1 = BatchNorm2d(channels)
        self.conv2 = _conv3x3(channels, channels, 1, dilations[1])
        self.bn2 = BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, channels, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Add the result of the convolutions to the shortcut."""
        found = self.relu(self.bn1(self.conv1(features)))
        found = self.bn2(self.conv2(found))
        result: Tensor = self.relu(found + self.downsample(features))
        return result


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 beside a shortcut: (N, C, H, W) -> (N, 4 * channels, H / stride, W / stride).

    Args:
        in_channels: channels of the input.
        channels: channels of the 3x3 convolution, a quarter of those after the block.
        stride: step of the block.
        dilation: dilation of the 3x3 convolution.
        stride_in: whether the first 1x1 convolution takes the step, as published by the authors (MSRA) in Caffe and
            used by DeepLabv2, or the 3x3, as torchvision and timm do.
    """

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, *, stride: int, dilation: int, stride_in: Literal["1x1", "3x3"]
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, first, bias=False)
        self.bn1 = BatchNorm2d(channels)
        self.conv2 = _conv3x3(channels, channels, second, dilation)
        self.bn2 = BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn3 = BatchNorm2d(channels * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, channels * self.expansion, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Add the result of the convolutions to the shortcut."""
        found = self.relu(self.bn1(self.conv1(features)))
        found = self.relu(self.bn2(self.conv2(found)))
        found = self.bn3(self.conv3(found))
        result: Tensor = self.relu(found + self.downsample(features))
        return result


class ResNet(nn.Module):
    """A 7x7 convolution of stride 2, a 3x3 max pool of stride 2 and four stages of residual blocks; no classifier.

    ``forward`` takes normalised images (N, C, H, W) and returns five maps, finest first: after the first convolution,
    and after each stage. Tensors are named as in torchvision and timm (``conv1``, ``layer1.0.conv1``, ...).

    Geometry: strides 2, 4, 8, 16, 32, cells on pixels 0, stride, 2 * stride, ... A value of the last map reads 427
    (depth 50) or 971 (101) pixels; with the stride in the first 1x1, 483 or 1027.
    Parameters: 23,508,032 (50) and 42,500,160 (101) at three input channels and width 1.

    Args:
        depth: 18 or 34 (two 3x3 a block), 50, 101 or 152 (bottlenecks).
        in_channels: channels of the images.
        output_stride: stride of the last map, 8, 16 or 32. Stages that would go beyond are dilated instead.
        stride_in: which convolution of a bottleneck takes the step; see :class:`Bottleneck`.
        dilation_from: whether the first block of a dilated stage has the dilation of its own stage (``"stage"``:
            DeepLab in Caffe, smp) or that of the stage before (``"before"``: torchvision and timm, where it still
            samples the map as densely as with the removed stride).
        multi_grid: factors on the dilations of the last stage's blocks, as (1, 2, 4) in DeepLabv3; the last factor
            applies to further blocks.
        ceil_pool: whether the max pool rounds sizes up, as Caffe does.
        last_norm: factor that the last batch norm of each block begins with; at 0, as in timm, blocks begin as their
            shortcuts.
        width: factor on all channels, for tests and small machines; 1.0 is the paper's.

    Raises:
        ModelError: no such depth.
        SettingError: an output stride, a place of the stride, or a multi-grid that makes no sense.
    """

    default_normalisation = (IMAGENET_MEAN, IMAGENET_STD)
    return_layers = ("relu", "layer1", "layer2", "layer3", "layer4")
    """The parts after which the maps are taken; all parts run one after the other."""

    def __init__(
        self,
        depth: int,
        *,
        in_channels: int = 3,
        output_stride: int = 32,
        stride_in: Literal["1x1", "3x3"] = "3x3",
        dilation_from: Literal["stage", "before"] = "before",
        multi_grid: Sequence[int] = (1,),
        ceil_pool: bool = False,
        last_norm: float = 1.0,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        if depth not in RESNET_BLOCKS:
            raise ModelError(f"there is no ResNet of depth {depth}; known: {', '.join(map(str, RESNET_BLOCKS))}")
        if output_stride not in (8, 16, 32):
            raise SettingError(f"output_stride is {output_stride}; a ResNet has 8, 16 or 32")
        if stride_in not in ("1x1", "3x3") or dilation_from not in ("stage", "before"):
            raise SettingError(
                f"stride_in is '{stride_in}' and dilation_from '{dilation_from}'; they are 1x1 or 3x3, stage or before"
            )
        if not multi_grid or min(multi_grid) < 1:
            raise SettingError(f"multi_grid is {tuple(multi_grid)}; it holds factors of at least 1")
        self.name = f"resnet{depth}"
        base = [max(1, round(channels * width)) for channels in BASE_CHANNELS]
        self.conv1 = nn.Conv2d(in_channels, base[0], 7, 2, 3, bias=False)
        self.bn1 = BatchNorm2d(base[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=ceil_pool)

        expansion = BasicBlock.expansion if depth < 50 else Bottleneck.expansion
        channels, strides = [base[0]], [2]
        before, stride, dilation = base[0], 4, 1
        for stage, (inside, count) in enumerate(zip(base, RESNET_BLOCKS[depth], strict=True), start=1):
            step = 1 if stage == 1 else 2
            former = dilation
            if stride * step > output_stride:
                step, dilation = 1, dilation * 2
            stride *= step
            blocks: list[nn.Module] = []
            for i in range(count):
                grid = multi_grid[min(i, len(multi_grid) - 1)] if stage == 4 else 1
                first = former if i == 0 and dilation_from == "before" else dilation
                taken = step if i == 0 else 1
                if depth < 50:
                    # The second convolution already works on the map of this stage.
                    rates = (first * grid, dilation * grid)
                    blocks.append(BasicBlock(before, inside, stride=taken, dilations=rates))
                else:
                    blocks.append(Bottleneck(before, inside, stride=taken, dilation=first * grid, stride_in=stride_in))
                before = inside * expansion
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            channels.append(before)
            strides.append(stride)
        self.channels: tuple[int, ...] = tuple(channels)
        self.strides: tuple[int, ...] = tuple(strides)
        # A pool that rounds up adds a cell beyond the picture.
        self.exact = not ceil_pool
        initialise(self)
        for part in self.modules():
            if isinstance(part, BasicBlock | Bottleneck):
                last = part.bn2 if isinstance(part, BasicBlock) else part.bn3
                nn.init.constant_(last.weight, last_norm)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps, finest first."""
        maps = [self.relu(self.bn1(self.conv1(images)))]  # (N, 64, H/2, W/2)
        features = self.maxpool(maps[0])  # (N, 64, H/4, W/4)
        for stage in (1, 2, 3, 4):
            features = self.get_submodule(f"layer{stage}")(features)  # (N, C_stage, H/stride, W/stride)
            maps.append(features)
        return maps


def _conv3x3(in_channels: int, out_channels: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=dilation, dilation=dilation, bias=False)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """The input itself where its shape fits, else a strided 1x1 convolution with batch norm."""
    if stride == 1 and in_channels == out_channels:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), BatchNorm2d(out_channels))
