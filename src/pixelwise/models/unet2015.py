"""U-Net as published (Ronneberger, Fischer and Brox 2015): valid convolutions, cropped skips, mirrored borders."""

from __future__ import annotations

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.models.base import SegmentationModel
from pixelwise.models.options import Count, PaperOptions, Share
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

UNET2015_CHANNELS = (64, 128, 256, 512, 1024)
"""The channels of the five levels, finest first."""


class UNet2015(nn.Module):
    """The network of the paper, which turns a picture of 572 x 572 pixels into scores of its middle 388 x 388.

    The encoder has four steps of two valid 3x3 convolutions and a 2x2 max pool; two convolutions follow at the deepest
    level. The decoder has four steps of a 2x2 up-convolution, concatenation with the skip of that level, cropped to its
    middle, and two convolutions; a 1x1 convolution gives the scores. The network loses 92 pixels on every side. Legal
    sides are 188 + 16 k (k = 0, 1, ...), for which the input of every pool has even sides; an input of 188 gives 4
    pixels, and each further pixel of input one of output. The network has 31,030,658 parameters and takes 150.4 G
    multiply-adds for one channel, two classes and 572 x 572.

    Details that the paper does not state follow the released network: a ReLU after every up-convolution, and dropout
    of 0.5 after the last ReLU of the levels of 512 and 1024 channels, on the skip of the former too. As the paper says,
    the initial weights are Gaussian with variance 2 / N, where N is the number of values that one output sums.

    Args:
        in_channels: channels of the pictures.
        classes: K.
        width: factor on all numbers of channels except these two.
        last_up_channels: channels of the finest up-convolution; 64 by the paper's figure, 128 in the released network
            (31,100,354 parameters). ``width`` scales it too.
        dropout: probability of dropping a value in training.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        width: float = 1.0,
        last_up_channels: int = UNET2015_CHANNELS[0],
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        channels = [max(1, round(width * count)) for count in UNET2015_CHANNELS]
        up_channels = [max(1, round(width * last_up_channels)), *channels[1:4]]  # finest first
        self.down = nn.ModuleList(
            _two_convolutions(before, after)
            for before, after in zip([in_channels, *channels[:-1]], channels, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(deeper, up, 2, stride=2), nn.ReLU(inplace=True))
            for deeper, up in zip(channels[:0:-1], up_channels[::-1], strict=True)
        )
        self.merge = nn.ModuleList(
            _two_convolutions(skip + up, skip) for skip, up in zip(channels[3::-1], up_channels[::-1], strict=True)
        )
        self.score = nn.Conv2d(channels[0], classes, 1)
        self._initialise()

    def forward(self, images: Tensor) -> Tensor:
        """Score images (N, C, H, W) of legal size as (N, K, H - 184, W - 184)."""
        skips: list[Tensor] = []
        maps = images
        for level, block in enumerate(self.down):
            if level:
                maps = F.max_pool2d(maps, 2)  # (N, C, h, w) -> (N, C, h / 2, w / 2)
            maps = block(maps)  # 4 pixels less
            if level >= 3:
                maps = self.dropout(maps)
            skips.append(maps)
        for skip, up, merge in zip(skips[-2::-1], self.up, self.merge, strict=True):
            maps = up(maps)  # (N, C, h, w) -> (N, C / 2, 2 h, 2 w)
            maps = merge(torch.cat([_crop(skip, maps), maps], 1))  # 4 pixels less
        scores: Tensor = self.score(maps)
        return scores

    def _initialise(self) -> None:
        for part in self.modules():
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
                # An output of the up-convolution sums one tap per channel, because its windows do not overlap.
                taps = 1 if isinstance(part, nn.ConvTranspose2d) else part.kernel_size[0] * part.kernel_size[1]
                nn.init.normal_(part.weight, std=(2 / (taps * part.in_channels)) ** 0.5)
                assert part.bias is not None
                nn.init.zeros_(part.bias)


def _two_convolutions(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3),
        nn.ReLU(inplace=True),
    )


def _crop(skip: Tensor, like: Tensor) -> Tensor:
    """Cut the middle out of a skip (N, C, H, W), with the height and width of ``like``."""
    height, width = like.shape[2:]
    top, left = (skip.shape[2] - height) // 2, (skip.shape[3] - width) // 2
    return skip[:, :, top : top + height, left : left + width]


@dataclass(frozen=True, kw_only=True)
class UNet2015Options(PaperOptions):
    """Options of :func:`unet2015`, beside those of :class:`PaperOptions`.

    Args:
        last_up_channels: channels of the finest up-convolution; 128 in the released network. ``width`` scales it too.
        dropout: probability of dropping a value in training.
    """

    last_up_channels: Count = UNET2015_CHANNELS[0]
    dropout: Share = 0.5


def unet2015(label_space: LabelSpace, preprocessing: Preprocessing, options: UNet2015Options) -> SegmentationModel:
    """Build the U-Net of 2015 for pictures of any size, which are mirrored outwards by at least 92 pixels.

    92 pixels are what the network loses on each side. ``valid(images)`` runs the network of the paper, 572 -> 388; see
    :class:`UNet2015`.

    Args:
        label_space: the classes.
        preprocessing: how pictures are normalised.
        options: the details.
    """
    network = UNet2015(
        preprocessing.channels,
        len(label_space),
        width=options.width,
        last_up_channels=options.last_up_channels,
        dropout=options.dropout,
    )
    return SegmentationModel(network, label_space=label_space, preprocessing=preprocessing, stride=1, border="mirror")
