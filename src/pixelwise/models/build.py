"""The table of models, and the one function that builds from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from pixelwise.encoders import Encoder, build_encoder, load_encoder_weights
from pixelwise.encoders.timm_encoder import IMAGENET_MEAN, IMAGENET_STD
from pixelwise.errors import ModelError, SettingError, unknown_name
from pixelwise.models.base import SegmentationModel
from pixelwise.models.deeplab_v1_v2 import deeplabv1, deeplabv2
from pixelwise.models.deeplab_v3 import deeplabv3, fcn_dilated
from pixelwise.models.deeplab_v3plus import deeplabv3plus
from pixelwise.models.fcn import fcn
from pixelwise.models.fcn2015 import fcn8s, fcn8s_at_once, fcn16s, fcn32s, fcn_alexnet
from pixelwise.models.mask_rcnn import DetectionModel, faster_rcnn, mask_rcnn
from pixelwise.models.segnet import segnet, segnet_basic
from pixelwise.models.unet import unet
from pixelwise.models.unet2015 import unet2015
from pixelwise.types import LabelSpace, Preprocessing
from pixelwise.words import counted

DEFAULT_ENCODER = "tf_efficientnet_lite0"

Model = SegmentationModel | DetectionModel
"""Either kind: what labels pixels, and what finds objects."""


@dataclass(frozen=True)
class ModelEntry:
    """What the table knows about a model before it is built."""

    build: Callable[..., Any]
    """Called with encoder (if it takes one), label space, preprocessing, and options of the model by keyword."""
    summary: str
    paper: str
    """Who wrote it."""
    year: int
    encoder: str | None = DEFAULT_ENCODER
    """The encoder it is built on unless another is asked for; None for networks with a trunk of their own."""
    output_stride: int = 32
    """Stride of the encoder's deepest map, where the encoder can be dilated to it."""
    recipe: Mapping[str, float] = field(default_factory=dict)
    """What training proposes for it: ``elastic`` and ``border_weight`` of its paper, a ``learning_rate`` that was seen
    to suit it."""
    objects: bool = False
    """Whether it finds objects (:class:`.mask_rcnn.DetectionModel`) instead of labelling pixels."""


MODELS: dict[str, ModelEntry] = {
    "unet": ModelEntry(
        unet, "U-Net on a pretrained encoder: fine outlines, small objects", paper="Ronneberger et al.", year=2015
    ),
    "deeplabv3plus": ModelEntry(
        deeplabv3plus,
        "DeepLabv3+ on a pretrained encoder: context at several rates, fast",
        paper="Chen et al.",
        year=2018,
        output_stride=16,
    ),
    "fcn": ModelEntry(
        fcn, "FCN-8s on a pretrained encoder: the plain baseline, fastest", paper="Long et al.", year=2015
    ),
    "fcn32s": ModelEntry(
        fcn32s, "FCN-32s on VGG16 as published: one step of upsampling", paper="Long et al.", year=2015, encoder=None
    ),
    "fcn16s": ModelEntry(
        fcn16s, "FCN-16s on VGG16 as published: refined by pool4", paper="Long et al.", year=2015, encoder=None
    ),
    "fcn8s": ModelEntry(
        fcn8s, "FCN-8s on VGG16 as published: refined by pool4 and pool3", paper="Long et al.", year=2015, encoder=None
    ),
    "fcn8s_at_once": ModelEntry(
        fcn8s_at_once, "FCN-8s with scaled skips, to train in one go", paper="Long et al.", year=2015, encoder=None
    ),
    "fcn_alexnet": ModelEntry(fcn_alexnet, "FCN on AlexNet as published", paper="Long et al.", year=2015, encoder=None),
    "fcn_dilated": ModelEntry(
        fcn_dilated, "FCN on a dilated ResNet, as in torchvision", paper="Long et al.", year=2015, encoder=None
    ),
    "deeplabv1": ModelEntry(
        deeplabv1, "DeepLab-LargeFOV as published: atrous VGG16", paper="Chen et al.", year=2015, encoder=None
    ),
    "deeplabv2": ModelEntry(
        deeplabv2,
        "DeepLabv2 as published: summed atrous branches on ResNet-101 or VGG16",
        paper="Chen et al.",
        year=2018,
        encoder=None,
    ),
    "deeplabv3": ModelEntry(
        deeplabv3,
        "DeepLabv3 as published, or in torchvision's form: atrous pyramid with image pooling",
        paper="Chen et al.",
        year=2017,
        encoder=None,
    ),
    "unet2015": ModelEntry(
        unet2015,
        "U-Net as published: valid convolutions, mirrored borders",
        paper="Ronneberger et al.",
        year=2015,
        encoder=None,
        recipe={"elastic": 10.0, "border_weight": 10.0, "learning_rate": 1e-3},
    ),
    "segnet": ModelEntry(
        segnet,
        "SegNet as published: VGG16 and its mirror image, unpooling by indices",
        paper="Badrinarayanan et al.",
        year=2017,
        encoder=None,
    ),
    "segnet_basic": ModelEntry(
        segnet_basic,
        "SegNet-Basic as published: four 7x7 convolutions down and up",
        paper="Badrinarayanan et al.",
        year=2017,
        encoder=None,
    ),
    "faster_rcnn": ModelEntry(
        faster_rcnn,
        "Faster R-CNN on a pretrained encoder with a feature pyramid: a box for every object",
        paper="Ren et al.",
        year=2015,
        objects=True,
    ),
    "mask_rcnn": ModelEntry(
        mask_rcnn,
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
        classes: the number of classes, or a label space, which then travels with the model; for networks that find
            objects, those of the objects, without background.
        encoder: a convolutional timm model or a trunk of a classical paper, for networks that take one; by default the
            entry's own. Networks of a paper that come on several trunks take its name for their option ``trunk``.
        pretrained: whether to fill the encoder with ImageNet weights; see
            :func:`pixelwise.encoders.load_encoder_weights`. Networks that find objects then keep the encoder's batch
            norms as they are, unless an option ``norm`` says otherwise.
        in_channels: channels of the pictures.
        preprocessing: how pictures are normalised; by default as the encoder's published weights expect.
        **options: options of the model, such as ``decoder_channels``.

    Raises:
        ModelError: no such model or encoder, or weights that cannot be had.
        SettingError: an option the model does not have, or fewer than one class or channel.
    """
    if name not in MODELS:
        raise ModelError(unknown_name("model", name, MODELS))
    entry = MODELS[name]
    known = option_types(name)
    for option in options:
        if option not in known:
            raise SettingError(unknown_name(f"option of model '{name}'", option, known))
    if not options.get("width", 1) > 0:
        raise SettingError(f"width is {options['width']}; a factor on the channels of '{name}' is above 0")
    if in_channels < 1:
        raise SettingError(f"in_channels is {in_channels}; a picture has at least 1 channel")
    label_space = LabelSpace.of(classes)
    model: Model
    if preprocessing is not None and preprocessing.channels != in_channels:
        raise SettingError(
            f"preprocessing is for {counted(preprocessing.channels, 'channel')}, but in_channels is {in_channels}"
        )
    if preprocessing is not None and preprocessing.resize is not None and not entry.objects:
        raise SettingError(f"model '{name}' labels pixels and sees pictures as they are; leave resize out")
    if entry.encoder is None:
        if encoder is not None:
            if "trunk" not in known:
                raise SettingError(f"model '{name}' has a trunk of its own and takes no encoder, got '{encoder}'")
            options.setdefault("trunk", encoder)
        if pretrained:
            raise ModelError(f"no ImageNet weights are known for model '{name}'; it trains from scratch")
        model = entry.build(label_space, preprocessing or default_preprocessing(None, in_channels), **options)
        model.options = {"in_channels": in_channels, **options}
    else:
        encoder = encoder or entry.encoder
        if entry.objects and pretrained:
            options.setdefault("norm", "frozen")
        trunk = build_encoder(encoder, in_channels=in_channels, output_stride=entry.output_stride)
        if pretrained:
            load_encoder_weights(trunk)
        preprocessing = preprocessing or default_preprocessing(trunk, in_channels)
        model = entry.build(trunk, label_space, preprocessing, **options)
        model.options = {"encoder": encoder, "in_channels": in_channels, **options}
    model.name = name
    return model


def option_types(name: str) -> dict[str, Any]:
    """The options of a model of the table, each with the type that it expects."""
    build = MODELS[name].build
    types = get_type_hints(build)
    return {p.name: types[p.name] for p in inspect.signature(build).parameters.values() if p.kind is p.KEYWORD_ONLY}


def default_preprocessing(encoder: Encoder | None, channels: int) -> Preprocessing:
    """Normalise as the encoder's published weights expect; other channel counts get the mean over RGB."""
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if encoder is None else encoder.default_normalisation
    if channels != len(mean):
        mean, std = (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels
    return Preprocessing(mean, std)
