"""DeepLabv3+ (Chen, Zhu, Papandreou, Schroff and Adam 2018), on any encoder with a map of stride 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders import Encoder
from pixelwise.errors import ModelError
from pixelwise.models.base import EncoderDecoder, SegmentationModel
from pixelwise.models.options import Count, ModelOptions, Several
from pixelwise.nn.aspp import ASPP, atrous_conv
from pixelwise.nn.blocks import conv_norm_relu, initialise, leaves, separable_conv_norm_relu
from pixelwise.nn.fused.windows import crop, everything, widen
from pixelwise.nn.upsampling import upsample_aligned
from pixelwise.preprocessing import Preprocessing
from pixelwise.tiling import Window
from pixelwise.types import LabelSpace

LOW_LEVEL_STRIDE = 4


class DeepLabV3PlusVariant(NamedTuple):
    """The differences between DeepLabv3+ networks."""

    atrous_rates: tuple[int, ...]
    dropout: float
    inner_norm: bool
    """Whether there are batch norm and ReLU between the parts of separable convolutions."""
    after: bool
    """Whether a separable convolution follows the pyramid before its map is enlarged."""
    refinements: int
    """The number of convolutions after the maps are joined."""
    resize: Literal["half_pixel", "aligned", "corners"]
    """How the map of the pyramid is enlarged, and how the logits lie on the picture: their cells lie in the middle of
    their pixels, on every fourth pixel from 0 on, or are stretched from corner to corner."""


DeepLabV3PlusForm = Literal["practical", "paper", "smp"]
"""Names of the forms."""

DEEPLABV3PLUS_VARIANTS: dict[DeepLabV3PlusForm, DeepLabV3PlusVariant] = {
    "practical": DeepLabV3PlusVariant((6, 12, 18), 0.1, False, False, 2, "half_pixel"),
    "paper": DeepLabV3PlusVariant((6, 12, 18), 0.1, True, False, 2, "aligned"),
    "smp": DeepLabV3PlusVariant((12, 24, 36), 0.5, False, True, 1, "corners"),
}
"""The forms by name. The logits of ``smp`` lie on no exact grid, so that its tiles do not equal the whole picture."""


class DeepLabV3PlusDecoder(nn.Module):
    """An atrous pyramid on the deepest map, joined with a reduced map of stride 4, and two separable convolutions.

    It takes the maps of the encoder, finest first, and returns (N, out_channels, H / 4, W / 4).

    Args:
        encoder_channels: channels of the encoder's maps, finest first.
        encoder_strides: strides of these maps; one of them is 4.
        form: the details.
        out_channels: channels of the pyramid and of the result.
        low_level_channels: channels that the map of stride 4 is reduced to.
        atrous_rates: dilations of the pyramid.
        separable: whether the 3x3 convolutions are depthwise separable.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        *,
        form: DeepLabV3PlusVariant = DEEPLABV3PLUS_VARIANTS["practical"],
        out_channels: int = 256,
        low_level_channels: int = 48,
        atrous_rates: Sequence[int] | None = None,
        separable: bool = True,
    ) -> None:
        super().__init__()
        self.low_level = list(encoder_strides).index(LOW_LEVEL_STRIDE)
        self.factor = encoder_strides[-1] // LOW_LEVEL_STRIDE
        self.resize = form.resize
        self.aspp = ASPP(
            encoder_channels[-1],
            out_channels,
            atrous_rates=form.atrous_rates if atrous_rates is None else atrous_rates,
            separable=separable,
            inner_norm=form.inner_norm,
            dropout=form.dropout,
        )
        self.after = separable_conv_norm_relu(out_channels, out_channels) if form.after else nn.Identity()
        self.reduce = conv_norm_relu(encoder_channels[self.low_level], low_level_channels, 1)
        convolution = atrous_conv(separable=separable, inner_norm=form.inner_norm)
        joined = [out_channels + low_level_channels] + [out_channels] * (form.refinements - 1)
        self.refine = nn.Sequential(*(convolution(channels, out_channels) for channels in joined))
        self.out_channels = out_channels
        initialise(self)

    def forward(self, maps: list[Tensor], window: Window | None = None) -> Tensor:
        """Decode the encoder's maps, finest first; the list is emptied.

        Args:
            maps: (N, C, H / stride, W / stride) each.
            window: rows and columns of the picture that are wanted; by default all.

        Returns:
            (N, out_channels, H / 4, W / 4), or the part of it that :meth:`covered` states.
        """
        low, deep = maps[self.low_level], maps[-1]
        # Maps are freed as soon as they are used, because they are most of the memory in prediction.
        maps.clear()
        size = (low.shape[2] * LOW_LEVEL_STRIDE, low.shape[3] * LOW_LEVEL_STRIDE)
        whole = fine = coarse = everything(size)
        if window is not None:
            # Interpolation between deep cells reads one more of them.
            fine, coarse_stride = self.covered(window, size), LOW_LEVEL_STRIDE * self.factor
            coarse = widen(fine, coarse_stride, coarse_stride, size)
        low = self.reduce(crop(low, fine, whole, LOW_LEVEL_STRIDE))  # (N, 48, H/4, W/4)
        deep = self.after(self.aspp(deep))  # (N, 256, H/16, W/16)
        if self.resize == "aligned":
            # Sizes 16k + 1 have 4k + 1 cells of stride 4; cells repeated after the last deep cell are cut off.
            deep = upsample_aligned(deep, self.factor)[:, :, : low.shape[2], : low.shape[3]]
        else:
            deep = crop(deep, coarse, whole, LOW_LEVEL_STRIDE * self.factor)
            cells = [(side.stop - side.start) // LOW_LEVEL_STRIDE for side in coarse]
            deep = F.interpolate(deep, cells, mode="bilinear", align_corners=self.resize == "corners")
            deep = crop(deep, fine, coarse, LOW_LEVEL_STRIDE)
        refined = torch.cat([deep, low], 1)
        del deep, low
        for part in leaves(self.refine):
            refined = part(refined)
        return refined

    def covered(self, window: Window, size: tuple[int, int]) -> Window:
        """What part of a picture of ``size`` pixels the result lies on when a window of it is wanted."""
        if self.resize != "half_pixel":
            return everything(size)
        # Each convolution reads one more cell, and so does the interpolation of the logits.
        return widen(window, (1 + len(self.refine)) * LOW_LEVEL_STRIDE, LOW_LEVEL_STRIDE, size)


@dataclass(frozen=True, kw_only=True)
class DeepLabV3PlusOptions(ModelOptions):
    """Options of :func:`deeplabv3plus`.

    Args:
        form: the details; see :func:`deeplabv3plus`.
        decoder_channels: channels of the pyramid and the decoder.
        atrous_rates: dilations of the pyramid; by default those of the form.
        separable: whether the 3x3 convolutions of pyramid and decoder are depthwise separable.
    """

    form: DeepLabV3PlusForm = "practical"
    decoder_channels: Count = 256
    atrous_rates: Several[Count] | None = None
    separable: bool = True


def deeplabv3plus(
    encoder: Encoder, label_space: LabelSpace, preprocessing: Preprocessing, options: DeepLabV3PlusOptions
) -> SegmentationModel:
    """Build a DeepLabv3+ on an encoder, normally one of output stride 16; its logits have stride 4.

    The form ``practical`` suits any encoder. The form ``paper`` is the authors' own network, on ``aligned_xception65``,
    or on ``resnet101_multigrid`` with ``separable=False``; it has batch norm and ReLU between the parts of separable
    convolutions, and its cells lie on the pixels 0, 4, 8, .... The form ``smp`` is the network of
    segmentation_models_pytorch, on ``resnet101_atrous`` and similar encoders; it has rates 12, 24, 36, one more
    convolution after the pyramid and one less after the maps are joined, and its maps are stretched from corner to
    corner. It has 45,674,853 parameters at 21 classes on ResNet-101.

    Args:
        encoder: gives the feature maps, one of them at stride 4.
        label_space: the classes.
        preprocessing: how pictures are normalised.
        options: the details.

    Raises:
        ModelError: the encoder has no map of stride 4, or its maps do not fit the grid of the form.
    """
    if LOW_LEVEL_STRIDE not in encoder.strides:
        strides = ", ".join(map(str, encoder.strides))
        raise ModelError(f"deeplabv3plus needs an encoder with a map of stride 4; '{encoder.name}' has {strides}")
    form = DEEPLABV3PLUS_VARIANTS[options.form]
    if form.resize != "half_pixel" and not encoder.exact:
        raise ModelError(
            f"form '{options.form}' of deeplabv3plus needs maps that are exact fractions of the picture; those of "
            f"'{encoder.name}' are smaller: choose another encoder, or form 'practical'"
        )
    decoder = DeepLabV3PlusDecoder(
        encoder.channels,
        encoder.strides,
        form=form,
        out_channels=options.decoder_channels,
        atrous_rates=options.atrous_rates,
        separable=options.separable,
    )
    head = nn.Conv2d(options.decoder_channels, len(label_space), 1)
    return SegmentationModel(
        EncoderDecoder(encoder, decoder, head),
        label_space=label_space,
        preprocessing=preprocessing,
        stride=LOW_LEVEL_STRIDE,
        first=0 if form.resize == "aligned" else None,
        stretch="corners" if form.resize == "corners" else None,
    )
