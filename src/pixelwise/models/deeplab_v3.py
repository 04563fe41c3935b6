"""DeepLabv3 (Chen, Papandreou, Schroff and Adam 2017), and the FCN of torchvision on the same dilated trunks."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from pixelwise.encoders import Encoder
from pixelwise.encoders.mobilenet import DilatedMobileNetV3
from pixelwise.encoders.resnet import RESNET_BLOCKS, ResNet
from pixelwise.errors import ModelError, SettingError, unknown_name
from pixelwise.models.base import SegmentationModel
from pixelwise.models.options import Count, PaperOptions, Several
from pixelwise.nn.aspp import ASPP
from pixelwise.nn.blocks import conv_norm_relu, initialise
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

MOBILENET = "mobilenetv3_large_100"
"""The trunk that torchvision offers beside its ResNets; its width cannot be chosen."""


class DeepLabV3Variant(NamedTuple):
    """The differences between published DeepLabv3 networks."""

    output_stride: int
    atrous_rates: tuple[int, ...]
    """The rates at output stride ``rates_at``; at half that stride they are doubled."""
    rates_at: int | None
    """The output stride for which the rates are stated; None if they are the same at any output stride."""
    dropout: float
    refine: bool
    """Whether a 3x3 convolution follows the pyramid."""
    dilation_from: Literal["stage", "before"]
    multi_grid: tuple[int, ...]
    first: float | None
    """The pixel on which cell 0 lies; None for the middle of a cell."""
    stretch: Literal["half_pixel", "corners"] | None


DeepLabV3Form = Literal["paper", "torchvision", "smp"]
"""Names of the forms."""

DEEPLABV3_VARIANTS: dict[DeepLabV3Form, DeepLabV3Variant] = {
    "paper": DeepLabV3Variant(16, (6, 12, 18), 16, 0.1, False, "stage", (1, 2, 4), 0, None),
    "torchvision": DeepLabV3Variant(8, (12, 24, 36), None, 0.5, True, "before", (1,), None, "half_pixel"),
    "smp": DeepLabV3Variant(8, (12, 24, 36), None, 0.5, True, "stage", (1,), None, "corners"),
}
"""The forms by name. Only the logits of ``paper`` lie on an exact grid, so that tiles equal the whole picture."""


class AtrousNetwork(nn.Module):
    """A dilated encoder, a decoder on its deepest map, a classifier, and in training a second one on an earlier map.

    (N, C, H, W) -> logits (N, K, H / output stride, W / output stride); in training with an auxiliary classifier, these
    logits and those of the auxiliary classifier (N, K, h, w).

    Args:
        encoder: gives the maps, finest first.
        decoder: (N, channels[-1], h, w) -> (N, D, h, w).
        head: (N, D, h, w) -> (N, K, h, w).
        auxiliary: the classifier of an earlier map, or None.
        auxiliary_map: the index of that map among the encoder's.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: nn.Module,
        head: nn.Module,
        auxiliary: nn.Module | None = None,
        *,
        auxiliary_map: int = -2,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.auxiliary = auxiliary
        self.auxiliary_map = auxiliary_map

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Score normalised images."""
        maps = self.encoder(images)
        logits: Tensor = self.head(self.decoder(maps[-1]))  # (N, K, h, w)
        if self.auxiliary is None or not self.training:
            return logits
        return logits, self.auxiliary(maps[self.auxiliary_map])


class FCNHead(nn.Sequential):
    """The head of an FCN: (N, Cin, h, w) -> (N, K, h, w).

    Its layers are a 3x3 convolution to a quarter of the channels, batch norm, ReLU, dropout 0.1, a 1x1 convolution.

    Args:
        in_channels: channels of the map.
        classes: K.
    """

    def __init__(self, in_channels: int, classes: int) -> None:
        hidden = max(1, in_channels // 4)
        block = conv_norm_relu(in_channels, hidden)
        super().__init__(*block, nn.Dropout(0.1), nn.Conv2d(hidden, classes, 1))
        initialise(self)


@dataclass(frozen=True, kw_only=True)
class DeepLabV3Options(PaperOptions):
    """Options of :func:`deeplabv3`, beside those of :class:`PaperOptions`.

    Args:
        trunk: ``"resnet18"`` to ``"resnet152"``, or ``"mobilenetv3_large_100"`` as in torchvision.
        form: the details; see :func:`deeplabv3`.
        output_stride: 8 or 16; by default that of the form.
        atrous_rates: dilations of the pyramid; by default those of the form.
        auxiliary: whether an FCN head on the map before the deepest stage is trained too.
    """

    trunk: str = "resnet101"
    form: DeepLabV3Form = "paper"
    output_stride: int | None = None
    atrous_rates: Several[Count] | None = None
    auxiliary: bool = False


def deeplabv3(label_space: LabelSpace, preprocessing: Preprocessing, options: DeepLabV3Options) -> SegmentationModel:
    """Build a DeepLabv3.

    The form ``paper`` has multi-grid (1, 2, 4), output stride 16 with rates 6, 12, 18, or 8 with twice these rates, and
    cells on the pixels 0, 16, 32, .... The forms ``torchvision`` and ``smp`` have rates 12, 24, 36 at output stride 8,
    a 3x3 convolution after the pyramid, and the ways of their libraries to dilate the trunk and to place the logits on
    the picture.

    Parameters at 21 classes: 58,040,661 (paper, ResNet-101); 39,638,869 and 58,630,997 (torchvision and smp, ResNet-50
    and 101); 42,004,074 and 60,996,202 with torchvision's auxiliary classifier.

    Args:
        label_space: the classes.
        preprocessing: how pictures are normalised.
        options: the details.

    Raises:
        SettingError: an output stride that the trunk does not have.
        ModelError: no such trunk.
    """
    chosen, atrous_rates = DEEPLABV3_VARIANTS[options.form], options.atrous_rates
    encoder = _dilated_trunk(
        options.trunk, chosen, options.output_stride, in_channels=preprocessing.channels, width=options.width
    )
    if atrous_rates is None:
        factor = 1 if chosen.rates_at is None else chosen.rates_at // encoder.strides[-1]
        atrous_rates = tuple(rate * factor for rate in chosen.atrous_rates)
    channels = max(1, round(256 * options.width))
    pyramid = ASPP(encoder.channels[-1], channels, atrous_rates=atrous_rates, dropout=chosen.dropout)
    refine = [conv_norm_relu(channels, channels)] if chosen.refine else []
    decoder = nn.Sequential(pyramid, *refine)
    initialise(decoder)
    head = nn.Conv2d(channels, len(label_space), 1)
    return _assemble(encoder, decoder, head, options.auxiliary, chosen, label_space, preprocessing)


@dataclass(frozen=True, kw_only=True)
class FCNDilatedOptions(PaperOptions):
    """Options of :func:`fcn_dilated`, beside those of :class:`PaperOptions`.

    Args:
        trunk: ``"resnet18"`` to ``"resnet152"``, or ``"mobilenetv3_large_100"``.
        stretch: whether pictures are not padded and the logits are stretched over them, as torchvision does, instead
            of padding to an exact grid; both give the same if the sides are multiples of 8.
        auxiliary: whether a classifier of the same form on the map before the deepest stage is trained too.
    """

    trunk: str = "resnet50"
    stretch: bool = False
    auxiliary: bool = False


def fcn_dilated(label_space: LabelSpace, preprocessing: Preprocessing, options: FCNDilatedOptions) -> SegmentationModel:
    """Build torchvision's FCN: a ResNet dilated to output stride 8 and a small convolutional classifier.

    Parameters at 21 classes: 32,957,013 and 51,949,141 on ResNet-50 and 101; 35,322,218 and 54,314,346 with the
    auxiliary classifier.

    Args:
        label_space: the classes.
        preprocessing: how pictures are normalised.
        options: the details.

    Raises:
        ModelError: no such trunk.
    """
    form = DeepLabV3Variant(8, (), None, 0.1, False, "before", (1,), None, "half_pixel" if options.stretch else None)
    encoder = _dilated_trunk(options.trunk, form, None, in_channels=preprocessing.channels, width=options.width)
    head = FCNHead(encoder.channels[-1], len(label_space))
    return _assemble(encoder, nn.Identity(), head, options.auxiliary, form, label_space, preprocessing)


def _dilated_trunk(
    name: str, form: DeepLabV3Variant, output_stride: int | None, *, in_channels: int, width: float
) -> ResNet | Encoder:
    if name == MOBILENET:
        if width != 1 or output_stride not in (None, 16) or form.dilation_from != "before":
            raise SettingError(
                f"trunk '{MOBILENET}' is that of torchvision's networks: width 1, output stride 16, form torchvision"
            )
        return DilatedMobileNetV3(in_channels=in_channels)
    known = {f"resnet{depth}": depth for depth in RESNET_BLOCKS}
    if name not in known:
        raise ModelError(unknown_name("trunk", name, [*known, MOBILENET]))
    return ResNet(
        known[name],
        in_channels=in_channels,
        output_stride=form.output_stride if output_stride is None else output_stride,
        dilation_from=form.dilation_from,
        multi_grid=form.multi_grid,
        width=width,
    )


def _assemble(
    encoder: Encoder,
    decoder: nn.Module,
    head: nn.Module,
    auxiliary: bool,
    form: DeepLabV3Variant,
    label_space: LabelSpace,
    preprocessing: Preprocessing,
) -> SegmentationModel:
    """Join the parts; the auxiliary classifier reads the last map before the deepest stage, or its substitute."""
    # torchvision reads its MobileNet at stride 8, and its ResNets at the end of the third stage.
    index = list(encoder.strides).index(8) if encoder.name == MOBILENET else -2
    second = FCNHead(encoder.channels[index], len(label_space)) if auxiliary else None
    return SegmentationModel(
        AtrousNetwork(encoder, decoder, head, second, auxiliary_map=index),
        label_space=label_space,
        preprocessing=preprocessing,
        stride=encoder.strides[-1],
        first=form.first,
        stretch=form.stretch,
    )
