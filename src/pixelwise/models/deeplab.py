"""DeepLabv3+ (Chen, Zhu, Papandreou, Schroff and Adam 2018) in its practical form: on any pretrained encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders import Encoder
from pixelwise.errors import ModelError
from pixelwise.models.base import EncoderDecoder, SegmentationModel
from pixelwise.nn.aspp import ASPP
from pixelwise.nn.blocks import conv_norm_relu, initialise, separable_conv_norm_relu
from pixelwise.types import LabelSpace, Preprocessing

LOW_LEVEL_STRIDE = 4


class DeepLabV3PlusDecoder(nn.Module):
    """Atrous pyramid on the deepest map, joined with a reduced map of stride 4, two separable convolutions.

    It takes the maps of the encoder, finest first, and returns (N, out_channels, H / 4, W / 4).

    Args:
        encoder_channels: channels of the encoder's maps, finest first.
        encoder_strides: strides of these maps; one of them is 4.
        out_channels: channels of the pyramid and of the result.
        low_level_channels: channels that the map of stride 4 is reduced to.
        atrous_rates: dilations of the pyramid.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        *,
        out_channels: int = 256,
        low_level_channels: int = 48,
        atrous_rates: Sequence[int] = (6, 12, 18),
    ) -> None:
        super().__init__()
        self.low_level = list(encoder_strides).index(LOW_LEVEL_STRIDE)
        self.aspp = ASPP(encoder_channels[-1], out_channels, atrous_rates=atrous_rates, separable=True)
        self.reduce = conv_norm_relu(encoder_channels[self.low_level], low_level_channels, 1)
        self.refine = nn.Sequential(
            separable_conv_norm_relu(out_channels + low_level_channels, out_channels),
            separable_conv_norm_relu(out_channels, out_channels),
        )
        self.out_channels = out_channels
        initialise(self)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Decode the encoder's maps, finest first, to (N, out_channels, H / 4, W / 4)."""
        low = self.reduce(maps[self.low_level])  # (N, 48, H/4, W/4)
        deep = self.aspp(maps[-1])  # (N, 256, H/16, W/16)
        deep = F.interpolate(deep, low.shape[2:], mode="bilinear", align_corners=False)
        refined: Tensor = self.refine(torch.cat([deep, low], 1))
        return refined


def deeplabv3plus(
    encoder: Encoder,
    label_space: LabelSpace,
    preprocessing: Preprocessing,
    *,
    decoder_channels: int = 256,
    atrous_rates: Sequence[int] = (6, 12, 18),
) -> SegmentationModel:
    """Build a DeepLabv3+ on an encoder, normally one of output stride 16; its logits have stride 4.

    Args:
        encoder: gives the feature maps, one of them at stride 4.
        label_space: the classes.
        preprocessing: how pictures are normalised.
        decoder_channels: channels of the pyramid and the decoder.
        atrous_rates: dilations of the pyramid.

    Raises:
        ModelError: the encoder has no map of stride 4.
    """
    if LOW_LEVEL_STRIDE not in encoder.strides:
        strides = ", ".join(map(str, encoder.strides))
        raise ModelError(f"deeplabv3plus needs an encoder with a map of stride 4; '{encoder.name}' has {strides}")
    decoder = DeepLabV3PlusDecoder(
        encoder.channels, encoder.strides, out_channels=decoder_channels, atrous_rates=atrous_rates
    )
    head = nn.Conv2d(decoder_channels, len(label_space), 1)
    return SegmentationModel(
        EncoderDecoder(encoder, decoder, head),
        label_space=label_space,
        preprocessing=preprocessing,
        stride=LOW_LEVEL_STRIDE,
    )
