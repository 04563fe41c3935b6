"""The table of models, and the one function that builds from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pixelwise.card import ModelCard, UntracedCard
from pixelwise.encoders import Encoder, build_encoder, load_encoder_weights
from pixelwise.errors import ModelError, SettingError, unknown_name
from pixelwise.models.base import SegmentationModel
from pixelwise.models.deeplab_v1_v2 import DeepLabV2Options, deeplabv1, deeplabv2
from pixelwise.models.deeplab_v3 import DeepLabV3Options, FCNDilatedOptions, deeplabv3, fcn_dilated
from pixelwise.models.deeplab_v3plus import DeepLabV3PlusOptions, deeplabv3plus
from pixelwise.models.fcn import FCNOptions, fcn
from pixelwise.models.fcn2015 import FCN2015Options, fcn_alexnet, fcn_vgg16
from pixelwise.models.mask_rcnn import DetectionModel, FasterRCNNOptions, MaskRCNNOptions, faster_rcnn, mask_rcnn
from pixelwise.models.options import EncoderOptions, ModelOptions, PaperOptions, PictureOptions
from pixelwise.models.segnet import segnet, segnet_basic
from pixelwise.models.unet import UNetOptions, unet
from pixelwise.models.unet2015 import UNet2015Options, unet2015
from pixelwise.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from pixelwise.types import LabelSpace
from pixelwise.words import counted

DEFAULT_ENCODER = "tf_efficientnet_lite0"

Model = SegmentationModel | DetectionModel
"""A model of either kind: one that labels pixels, or one that finds objects."""


@dataclass(frozen=True)
class ModelEntry:
    """What the table of models states of a model before it is built."""

    build: Callable[..., Model]
    """The builder; it is called with the encoder (if it takes one), label space, preprocessing and options."""
    options: type[ModelOptions]
    """The dataclass of its options. A variant with other defaults has a subclass that states only the defaults."""
    summary: str
    paper: str
    """The authors of its paper."""
    year: int
    encoder: str | None = DEFAULT_ENCODER
    """The encoder that it is built on by default; None for networks with a trunk of their own."""
    output_stride: int = 32
    """The stride of the encoder's deepest map, if the encoder can be dilated to it."""
    recipe: Mapping[str, float] = field(default_factory=dict)
    """Settings that training proposes for it: ``elastic`` and ``border_weight`` of its paper, or a ``learning_rate``
    that suited it in trials."""
    objects: bool = False
    """Whether it finds objects (:class:`.mask_rcnn.DetectionModel`) instead of labelling pixels."""


MODELS: dict[str, ModelEntry] = {
    "unet": ModelEntry(
        unet,
        UNetOptions,
        "U-Net on a pretrained encoder: fine outlines, small objects",
        paper="Ronneberger et al.",
        year=2015,
    ),
    "deeplabv3plus": ModelEntry(
        deeplabv3plus,
        DeepLabV3PlusOptions,
        "DeepLabv3+ on a pretrained encoder: context at several rates, fast",
        paper="Chen et al.",
        year=2018,
        output_stride=16,
    ),
    "fcn": ModelEntry(
        fcn, FCNOptions, "FCN-8s on a pretrained encoder: the plain baseline, fastest", paper="Long et al.", year=2015
    ),
    "fcn32s": ModelEntry(
        partial(fcn_vgg16, skips=0),
        FCN2015Options,
        "FCN-32s on VGG16 as published: one step of upsampling",
        paper="Long et al.",
        year=2015,
        encoder=None,
    ),
    "fcn16s": ModelEntry(
        partial(fcn_vgg16, skips=1),
        FCN2015Options,
        "FCN-16s on VGG16 as published: refined by pool4",
        paper="Long et al.",
        year=2015,
        encoder=None,
    ),
    "fcn8s": ModelEntry(
        partial(fcn_vgg16, skips=2),
        FCN2015Options,
        "FCN-8s on VGG16 as published: refined by pool4 and pool3",
        paper="Long et al.",
        year=2015,
        encoder=None,
    ),
    "fcn8s_at_once": ModelEntry(
        partial(fcn_vgg16, skips=2, skip_scales=(1e-2, 1e-4)),
        FCN2015Options,
        "FCN-8s with scaled skips, to train in one go",
        paper="Long et al.",
        year=2015,
        encoder=None,
    ),
    "fcn_alexnet": ModelEntry(
        fcn_alexnet, FCN2015Options, "FCN on AlexNet as published", paper="Long et al.", year=2015, encoder=None
    ),
    "fcn_dilated": ModelEntry(
        fcn_dilated,
        FCNDilatedOptions,
        "FCN on a dilated ResNet, as in torchvision",
        paper="Long et al.",
        year=2015,
        encoder=None,
    ),
    "deeplabv1": ModelEntry(
        deeplabv1,
        PaperOptions,
        "DeepLab-LargeFOV as published: atrous VGG16",
        paper="Chen et al.",
        year=2015,
        encoder=None,
    ),
    "deeplabv2": ModelEntry(
        deeplabv2,
        DeepLabV2Options,
        "DeepLabv2 as published: summed atrous branches on ResNet-101 or VGG16",
        paper="Chen et al.",
        year=2018,
        encoder=None,
    ),
    "deeplabv3": ModelEntry(
        deeplabv3,
        DeepLabV3Options,
        "DeepLabv3 as published, or in torchvision's form: atrous pyramid with image pooling",
        paper="Chen et al.",
        year=2017,
        encoder=None,
    ),
    "unet2015": ModelEntry(
        unet2015,
        UNet2015Options,
        "U-Net as published: valid convolutions, mirrored borders",
        paper="Ronneberger et al.",
        year=2015,
        encoder=None,
        recipe={"elastic": 10.0, "border_weight": 10.0, "learning_rate": 1e-3},
    ),
    "segnet": ModelEntry(
        segnet,
        PaperOptions,
        "SegNet as published: VGG16 and its mirror image, unpooling by indices",
        paper="Badrinarayanan et al.",
        year=2017,
        encoder=None,
    ),
    "segnet_basic": ModelEntry(
        segnet_basic,
        PaperOptions,
        "SegNet-Basic as published: four 7x7 convolutions down and up",
        paper="Badrinarayanan et al.",
        year=2017,
        encoder=None,
    ),
    "faster_rcnn": ModelEntry(
        faster_rcnn,
        FasterRCNNOptions,
        "Faster R-CNN on a pretrained encoder with a feature pyramid: a box for every object",
        paper="Ren et al.",
        year=2015,
        objects=True,
    ),
    "mask_rcnn": ModelEntry(
        mask_rcnn,
        MaskRCNNOptions,
        "Mask R-CNN on a pretrained encoder with a feature pyramid: a mask for every object",
        paper="He et al.",
        year=2017,
        objects=True,
    ),
}


def build_model(
    name: str,
    *,
    classes: int | LabelSpace,
    encoder: str | None = None,
    pretrained: bool = False,
    in_channels: int = 3,
    preprocessing: Preprocessing | None = None,
    **options: Any,
) -> Model:
    """Build a model by name.

    Args:
        name: a key of :data:`MODELS`.
        classes: the number of classes, or a label space, which is then stored in the model's files; for networks that
            find objects, the classes of objects, without background.
        encoder: a convolutional timm model or a trunk of a classical paper, for networks that take one; by default the
            entry's own. Networks of a paper that exist on several trunks take it as their option ``trunk``.
        pretrained: whether to fill the encoder with ImageNet weights; see
            :func:`pixelwise.encoders.load_encoder_weights`. Networks that find objects then keep the encoder's batch
            norms as they are, unless an option ``norm`` says otherwise.
        in_channels: channels of the pictures.
        preprocessing: how pictures are normalised; by default the normalisation that the encoder's published weights
            expect.
        **options: options of the model, such as ``decoder_channels``.

    Raises:
        ModelError: there is no such model or encoder, or its weights cannot be obtained.
        SettingError: an option that the model does not have or that cannot have this value, or fewer than one class or
            channel.
    """
    entry = find_entry(name)
    if entry.encoder is None:
        if encoder is not None:
            if "trunk" not in entry.options.names():
                raise SettingError(f"model '{name}' has a trunk of its own and takes no encoder, got '{encoder}'")
            options.setdefault("trunk", encoder)
        if pretrained:
            raise ModelError(f"no ImageNet weights are known for model '{name}'; it trains from scratch")
    else:
        options["encoder"] = encoder or entry.encoder
        if entry.objects and pretrained:
            options.setdefault("norm", "frozen")
    given = {"in_channels": in_channels, **options}
    model = _assemble(name, LabelSpace.of(classes), preprocessing, given, pretrained=pretrained)
    _ = model.geometry  # a network that cannot be traced is refused here, not at the first picture
    return model


def build_from_card(card: UntracedCard) -> Model:
    """Build the network that a card describes, with fresh weights, and give it the card.

    Nothing is traced where the card holds the geometry.

    Raises:
        ModelError: there is no such model or encoder, or the card contradicts the network.
        SettingError: the card has options that the model does not have, or that cannot have their values.
    """
    traced = card if isinstance(card, ModelCard) else None
    exact = None if traced is None else traced.exact_maps
    model = _assemble(card.name, card.label_space, card.preprocessing, card.options, exact_maps=exact)
    if card.kind != model.kind:
        raise ModelError(f"its card says that it gives {card.kind}, but model '{card.name}' gives {model.kind}")
    model.take_card(traced or ModelCard.of(card, geometry=model.geometry, exact_maps=model.exact_maps))
    return model


def _assemble(
    name: str,
    label_space: LabelSpace,
    preprocessing: Preprocessing | None,
    options: Mapping[str, Any],
    *,
    pretrained: bool = False,
    exact_maps: bool | None = None,
) -> Model:
    """Build a model from checked arguments.

    Args:
        name: the name of the model.
        label_space: its classes.
        preprocessing: how pictures are normalised; with None, as the encoder's published weights expect.
        options: all options that the card is to hold, including those that all models share.
        pretrained: whether to fill the encoder with ImageNet weights.
        exact_maps: whether the encoder's maps are exact fractions of pictures; None if that is not known.
    """
    entry = find_entry(name)
    shared, own = read_options(name, options)
    channels = shared.in_channels
    if preprocessing is not None:
        _check_preprocessing(name, preprocessing, channels)
    if isinstance(shared, EncoderOptions):
        encoder = build_encoder(
            shared.encoder, in_channels=channels, output_stride=entry.output_stride, exact=exact_maps
        )
        if pretrained:
            load_encoder_weights(encoder)
        model = entry.build(encoder, label_space, preprocessing or default_preprocessing(encoder, channels), own)
    else:
        model = entry.build(label_space, preprocessing or default_preprocessing(None, channels), own)
    model.change_card(name=name, options=dict(options))
    return model


def find_entry(name: str) -> ModelEntry:
    """Find the entry of a model in the table.

    Raises:
        ModelError: there is no model of that name; the message offers similar names.
    """
    if name not in MODELS:
        raise ModelError(unknown_name("model", name, MODELS))
    return MODELS[name]


def read_options(name: str, options: Mapping[str, Any]) -> tuple[PictureOptions, ModelOptions]:
    """Check the options that a card holds.

    Other arguments of :func:`build_model` are refused: ``pretrained`` would download weights.

    Args:
        name: the name of the model.
        options: name -> value: ``in_channels``, ``encoder`` where the model takes one, and its own options.

    Returns:
        The options ``in_channels`` and ``encoder``, and the model's own options.

    Raises:
        ModelError: there is no such model.
        SettingError: it has no such option, or an option cannot have its value.
    """
    entry = find_entry(name)
    if entry.encoder is not None:
        options = {"encoder": entry.encoder, **options}
    kind = PictureOptions if entry.encoder is None else EncoderOptions
    shared = {key: value for key, value in options.items() if key in kind.names()}
    own = {key: value for key, value in options.items() if key not in shared}
    return kind.read(shared, model=name), entry.options.read(own, model=name)


def _check_preprocessing(name: str, preprocessing: Preprocessing, channels: int) -> None:
    """Check that the preprocessing fits the model.

    Raises:
        SettingError: the preprocessing is for pictures with other channels, or resizes where the model does not.
    """
    if preprocessing.channels != channels:
        raise SettingError(
            f"preprocessing is for {counted(preprocessing.channels, 'channel')}, but in_channels is {channels}"
        )
    if preprocessing.resize is not None and not MODELS[name].objects:
        raise SettingError(f"model '{name}' labels pixels and sees pictures as they are; leave resize out")


def default_preprocessing(encoder: Encoder | None, channels: int) -> Preprocessing:
    """Give the normalisation that the encoder's published weights expect; without 3 channels, its mean over RGB."""
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if encoder is None else encoder.default_normalisation
    if channels != len(mean):
        mean, std = (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels
    return Preprocessing(mean, std)
