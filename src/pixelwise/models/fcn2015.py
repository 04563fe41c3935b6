"""The fully convolutional networks (Long, Shelhamer and Darrell 2015), as the paper and its Caffe models have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders.alexnet import AlexNet
from pixelwise.encoders.vgg import VGG16, vgg16_from_torchvision
from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.models.base import SegmentationModel
from pixelwise.models.options import PaperOptions
from pixelwise.nn.blocks import initialise
from pixelwise.nn.upsampling import BilinearTransposed
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace
from pixelwise.words import counted

LearntKernels = Literal["fixed", "inner", "all"]
"""The upsampling kernels that learn: none, as in the Caffe models; all but the last, as in the paper; or all."""

FIRST_PADDING = 100
"""Zeros around the picture, so that the classifier of the trunk fits a picture of any size."""

SKIPS = (("upscore2", "score_pool4"), ("upscore_pool4", "score_pool3"))
"""For each skip, the layer that upsamples the scores by 2 and the layer that scores the pool, as named in Caffe."""


class FCN2015(nn.Module):
    """A classifier with convolutions for fully connected layers, whose scores are upsampled and refined by skips.

    Images (N, C, H, W) may have any size. For each skip, a transposed convolution upsamples the scores by 2, and the
    scores of the pool above are cropped to them and added. Crop offsets follow from where the maps lie on the picture.

    As long as its kernels are fixed, the last upsampling is linear interpolation with zeros around the map. It is then
    left to the code that reads the logits: they have a ring of zero cells, (N, K, h + 2, w + 2), cell 0 lies on pixel
    ``first``, and the next cells are ``stride`` apart. Otherwise the network runs it, and logits are (N, K, H, W).

    Args:
        trunk: the network that gives the maps of the pools, deepest last.
        classes: K.
        classifier_size: side of the maps that fc6 was made for: 7 for VGG16, 6 for AlexNet.
        skips: how many earlier pools refine the scores: 0, 1 or 2.
        skip_scales: factors on the maps of these pools before they are scored, for training all skips at once.
        last_kernel: side of the last upsampling's kernel; twice its factor by default.
        hidden_channels: channels of fc6 and fc7.
        learnt: which upsampling kernels learn.
        full_kernels: whether learnt kernels mix classes, as in the Caffe models: there are K*K kernels, and those off
            the diagonal start at zero. Otherwise there is one kernel per class.
    """

    def __init__(
        self,
        trunk: VGG16 | AlexNet,
        classes: int,
        *,
        classifier_size: int = 7,
        skips: int = 0,
        skip_scales: Sequence[float] = (1.0, 1.0),
        last_kernel: int | None = None,
        hidden_channels: int = 4096,
        learnt: LearntKernels = "fixed",
        full_kernels: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.fc6 = nn.Conv2d(trunk.channels[-1], hidden_channels, classifier_size)
        self.fc7 = nn.Conv2d(hidden_channels, hidden_channels, 1)
        self.dropout = nn.Dropout(0.5)
        initialise(self.fc6, mode="fan_in")
        initialise(self.fc7, mode="fan_in")
        self.score_fr = nn.Conv2d(hidden_channels, classes, 1)
        _zero(self.score_fr)
        geometry = trunk.geometries[-1].conv(classifier_size)
        self.skip_scales = tuple(skip_scales[:skips])
        self.crops: list[int] = []
        """The rows above, and the columns to the left, that are cut off each skip."""
        self.skips = SKIPS[:skips]
        pools = zip(trunk.geometries[-2::-1], trunk.channels[-2::-1], strict=True)
        for (double, score), (pool, channels) in zip(self.skips, pools, strict=False):
            self.add_module(double, BilinearTransposed(classes, 4, 2, learnt=learnt != "fixed", full=full_kernels))
            self.add_module(score, nn.Conv2d(channels, classes, 1))
            _zero(self.get_submodule(score))
            geometry = geometry.transposed(4, stride=2)
            self.crops.append(crop_offset(pool, geometry))
        factor = int(geometry.stride)
        last_kernel = last_kernel or 2 * factor
        self.last_crop = crop_offset(geometry.transposed(last_kernel, stride=factor), Geometry.identity())
        """The rows and columns that are cut off the last upsampling at the top and the left."""
        self.last_name = "upscore" if skips == 0 else f"upscore{factor}"
        self.stride, self.first = factor, float(geometry.center - factor)
        if learnt == "all":
            last = BilinearTransposed(classes, last_kernel, factor, learnt=True, full=full_kernels)
            self.add_module(self.last_name, last)
            self.stride, self.first = 1, 0.0

    def forward(self, images: Tensor) -> Tensor:
        """Score images (N, C, H, W)."""
        *finer, deepest = self.trunk(images)
        hidden = self.dropout(F.relu(self.fc6(deepest), inplace=True))  # (N, 512, h, w) -> (N, 4096, h - 6, w - 6)
        hidden = self.dropout(F.relu(self.fc7(hidden), inplace=True))
        scores: Tensor = self.score_fr(hidden)  # (N, K, h - 6, w - 6)
        for (double, score), scale, crop in zip(self.skips, self.skip_scales, self.crops, strict=True):
            scores = self.get_submodule(double)(scores)  # (N, K, a, b) -> (N, K, 2a + 2, 2b + 2)
            height, width = scores.shape[2:]
            pool = finer.pop()
            refined = self.get_submodule(score)(pool if scale == 1 else pool * scale)
            scores = scores + refined[:, :, crop : crop + height, crop : crop + width]
        if self.stride > 1:
            return F.pad(scores, (1, 1, 1, 1))
        height, width = images.shape[2:]
        full: Tensor = self.get_submodule(self.last_name)(scores)
        return full[:, :, self.last_crop : self.last_crop + height, self.last_crop : self.last_crop + width]


def crop_offset(wide: Geometry, onto: Geometry) -> int:
    """Count the cells of ``wide`` before the one that lies on cell 0 of ``onto``, a map of the same stride.

    A crop that begins there aligns the two maps. On VGG16, 5 cells of pool4 and 9 cells of pool3 are cut off to align
    them with the upsampled scores; 19, 27 or 31 pixels of the enlarged scores are cut off to align them with the
    picture.

    Raises:
        ModelError: the cells of the two maps do not coincide, or the wide map does not begin first.
    """
    offset = Fraction(onto.center - wide.center) / wide.stride
    if wide.stride != onto.stride or offset.denominator != 1 or offset < 0:
        raise ModelError(
            f"a map of stride {wide.stride} whose cell 0 lies on pixel {float(wide.center)} cannot be cropped onto one "
            f"of stride {onto.stride} whose cell 0 lies on {float(onto.center)}"
        )
    return int(offset)


def start_from_coarser(finer: FCN2015, coarser: Mapping[str, Tensor]) -> list[str]:
    """Fill an FCN with the tensors of the next coarser one: 32s, then 16s, then 8s, each trained from the one before.

    The scores of the new skip start at zero, so the finer network starts from the scores of the coarser one, which the
    paper calls "unchanged": its map is exactly the coarser map, upsampled by 2 with linear interpolation.

    Args:
        finer: the network to fill.
        coarser: the state dict of the coarser network, of the same width and classes.

    Returns:
        The names of the tensors that are not filled: scores of the new skip, and learnt kernels if there are any.

    Raises:
        ModelError: the tensors belong to another kind of network, or have other classes or channels.
    """
    own = finer.state_dict()
    taken = {key: value for key, value in coarser.items() if key in own and own[key].shape == value.shape}
    fresh = [key for key in own if key not in taken]
    unfit = [key for key in fresh if not key.startswith(("score_pool", "upscore"))]
    if unfit:
        raise ModelError(
            f"the coarser network fits in {counted(len(taken), 'tensor', of=len(own))}, not in {unfit[0]}; "
            "give the tensors of an FCN of the same trunk, width and classes"
        )
    for key in fresh:
        if key.startswith("score_pool"):
            taken[key] = torch.zeros_like(own[key])
    finer.load_state_dict(taken, strict=False)
    return fresh


def start_from_vgg16(network: FCN2015, classifier: Mapping[str, Tensor]) -> None:
    """Fill trunk, fc6 and fc7 of an FCN from a VGG16 that was trained to classify, as in the paper.

    Args:
        network: an FCN on VGG16; its scores stay as they are.
        classifier: the state dict of torchvision's ``vgg16``, whose pictures are RGB with the default normalisation.

    Raises:
        ModelError: a tensor is missing, or does not fit the network.
    """
    renamed = vgg16_from_torchvision(classifier)
    tensors = {key if key.startswith("fc") else f"trunk.{key}": value for key, value in renamed.items()}
    own = network.state_dict()
    for key, value in tensors.items():
        if key not in own or own[key].shape != value.shape:
            found = tuple(own[key].shape) if key in own else "no such tensor"
            raise ModelError(f"{key} of the classifier is {tuple(value.shape)}, but the network has {found}")
    network.load_state_dict(tensors, strict=False)


def _zero(score: nn.Module) -> None:
    """Let scores start equal, as in the reference; the paper says that random ones are no better."""
    for parameter in score.parameters():
        nn.init.zeros_(parameter)


@dataclass(frozen=True, kw_only=True)
class FCN2015Options(PaperOptions):
    """Options of the fully convolutional networks, on VGG16 and on AlexNet, beside those of :class:`PaperOptions`.

    Args:
        learnt: which upsampling kernels learn: with ``"fixed"`` none, as in the Caffe models; with ``"inner"`` all but
            the last, as in the paper; with ``"all"`` all of them, which needs full-size logits.
        full_kernels: whether learnt kernels mix classes, as in the Caffe models.
    """

    learnt: LearntKernels = "fixed"
    full_kernels: bool = False


def fcn_vgg16(
    label_space: LabelSpace,
    preprocessing: Preprocessing,
    options: FCN2015Options,
    *,
    skips: int,
    skip_scales: Sequence[float] = (1.0, 1.0),
) -> SegmentationModel:
    """Build an FCN on VGG16.

    Without skips it is FCN-32s, whose scores of stride 32 are enlarged in one step; a skip from pool4 makes it
    FCN-16s, and one more from pool3 FCN-8s. At 21 classes they have 134,346,581, 134,357,354 and 134,362,751
    parameters. The paper trains FCN-32s first, then FCN-16s from it, then FCN-8s; see :func:`start_from_coarser`. On
    the command line, ``--weights`` takes the coarser network's run folder.

    Args:
        label_space: the classes.
        preprocessing: how pictures are normalised.
        options: the details.
        skips: how many pools refine the scores: 0, 1 or 2.
        skip_scales: factors on the maps of pool4 and pool3 before they are scored; 0.01 and 0.0001 for training in one
            go.
    """
    network = FCN2015(
        VGG16(in_channels=preprocessing.channels, width=options.width, first_padding=FIRST_PADDING, ceil_pools=True),
        len(label_space),
        skips=skips,
        skip_scales=skip_scales,
        hidden_channels=max(1, round(4096 * options.width)),
        learnt=options.learnt,
        full_kernels=options.full_kernels,
    )
    return _model(network, label_space, preprocessing)


def fcn_alexnet(label_space: LabelSpace, preprocessing: Preprocessing, options: FCN2015Options) -> SegmentationModel:
    """Build the FCN on AlexNet, of stride 32; it has 56,954,261 parameters at 21 classes.

    Args:
        label_space: the classes.
        preprocessing: how pictures are normalised.
        options: the details.
    """
    trunk = AlexNet(
        in_channels=preprocessing.channels,
        width=options.width,
        form="caffe",
        first_padding=FIRST_PADDING,
        pool_padding=0,
        ceil_pools=True,
    )
    network = FCN2015(
        trunk,
        len(label_space),
        classifier_size=6,
        last_kernel=63,
        hidden_channels=max(1, round(4096 * options.width)),
        learnt=options.learnt,
        full_kernels=options.full_kernels,
    )
    return _model(network, label_space, preprocessing)


def _model(network: FCN2015, label_space: LabelSpace, preprocessing: Preprocessing) -> SegmentationModel:
    return SegmentationModel(
        network, label_space=label_space, preprocessing=preprocessing, stride=network.stride, first=network.first
    )
