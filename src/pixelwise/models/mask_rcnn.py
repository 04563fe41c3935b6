"""Faster R-CNN (Ren, He, Girshick and Sun 2015) and Mask R-CNN (He, Gkioxari, Dollar and Girshick 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.card import UntracedCard
from pixelwise.detection.anchors import AnchorGrid
from pixelwise.detection.heads import BoxHead, MaskHead
from pixelwise.detection.network import RegionNetwork
from pixelwise.detection.regions import RegionHeads
from pixelwise.detection.resizing import resize_images, resize_target
from pixelwise.detection.result import Detections
from pixelwise.detection.roi import Reduce, RegionReader, RoiOperation
from pixelwise.detection.rpn import ProposalNetwork
from pixelwise.detection.trunk import C4Trunk, FpnTrunk
from pixelwise.encoders import Encoder, fitting
from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.instances import ObjectRule
from pixelwise.models.carded import CardedModel
from pixelwise.models.options import Count, ModelOptions, Several, Share
from pixelwise.nn.freezing import freeze_batch_norm, hold_frozen
from pixelwise.ops.object_targets import ObjectTarget
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace
from pixelwise.words import counted

BOX_CELLS, MASK_CELLS = 7, 14
"""The sides, in cells, of the regions that boxes and masks are computed from."""

MOST_SAMPLES = 64
"""The most points along a side of a bin; a bin reads the square of this number, and 2 is usual."""

SMALLEST_OBJECT = 0.1
"""The least side, in pixels, of objects that are learnt; cropping and scaling may leave thinner ones."""


class DetectionModel(CardedModel):
    """A network that finds objects, on pictures of any size.

    In training, evaluation and prediction, pictures are resized as the preprocessing states, if it does, and padded at
    the bottom and the right (with the mean colour, after normalising) to the next multiple of the network's period.
    Boxes and masks are given on the pictures before resizing and padding.

    Args:
        network: the network that finds objects.
        label_space: the classes of objects, without background; they are stored in the model's files.
        preprocessing: how pictures are normalised and resized; it is stored in the files, too.
    """

    border: Literal["zeros"] = "zeros"
    stretch = None
    network: RegionNetwork

    def __init__(self, network: RegionNetwork, *, label_space: LabelSpace, preprocessing: Preprocessing) -> None:
        # Crops are padded with the mean colour, too, because reflections would show objects that are not annotated.
        untraced = UntracedCard(
            kind="objects",
            label_space=label_space,
            preprocessing=preprocessing,
            object_rule=ObjectRule(),
            edge="zeros",
        )
        super().__init__(network, untraced)
        self.stride = network.trunk.strides[0]
        self.first = (self.stride - 1) / 2

    def trace_geometry(self) -> Geometry:
        """Give a geometry with the sizes that the encoder computes on, whose outputs read the whole picture.

        Outputs depend on the whole picture, because suppression compares all of its objects with each other.
        """
        return fitting(self.encoder)

    def _contradiction(self) -> str:
        if not self.geometry.whole:
            return "each of its objects depends on the whole picture"
        if self.edge != "zeros":
            return f"its pictures are continued with zeros, not '{self.edge}'"
        return super()._contradiction()

    @property
    def encoder(self) -> Encoder:
        """The part that may carry ImageNet weights."""
        return self.network.encoder

    @property
    def period(self) -> int:
        """The number of pixels that sides are padded to a multiple of."""
        return self.geometry.period

    @property
    def masks(self) -> bool:
        """Whether the model gives masks beside boxes."""
        return self.network.heads.mask_head is not None

    def train(self, mode: bool = True) -> DetectionModel:
        """Set the mode of all parts; frozen batch norms stay in evaluation mode."""
        super().train(mode)
        hold_frozen(self)
        return self

    def losses(self, images: Tensor, targets: Sequence[ObjectTarget]) -> dict[str, Tensor]:
        """Compute the losses of what the network finds; training minimises their sum.

        The anchors and proposals that are compared are drawn with torch's generator.

        Args:
            images: normalised float (N, C, H, W), of any height and width.
            targets: the objects of each picture; those thinner than a tenth of a pixel are ignored.

        Returns:
            The scalars ``objectness``, ``proposal_boxes``, ``classes``, ``boxes``, and with masks ``masks``.

        Raises:
            ModelError: the images are not (N, C, H, W) with the channels the model was built for, their number is not
                that of the targets, or masks are to be learnt and a target has none.
        """
        self._check(images)
        if len(targets) != len(images):
            raise ModelError(
                f"{counted(len(images), 'image')} but {counted(len(targets), 'target')}; give one an image"
            )
        if self.masks and any(len(target.boxes) and not len(target.layers) for target in targets):
            raise ModelError(f"model '{self.name}' learns masks, but a target has boxes only; train faster_rcnn on it")
        size = (images.shape[2], images.shape[3])
        seen = self.seen_size(size)
        targets = [resize_target(target, seen, size) for target in targets]
        images = resize_images(images, seen)
        network, padded = self.network, self._extend(images)
        learnt = [_without_slivers(target) for target in targets]
        maps = network.trunk(padded)
        logits, deltas = network.rpn(maps)
        anchors = network.anchors(maps, padded)
        objects = [target.boxes.to(anchors[0]) for target in learnt]
        proposals = network.rpn.propose(logits, deltas, anchors, (images.shape[2], images.shape[3]))
        return network.rpn.losses(logits, deltas, anchors, objects) | network.heads.losses(maps, proposals, learnt)

    @torch.no_grad()
    def detect(self, images: Tensor) -> list[Detections]:
        """Find the objects of each picture; call it in evaluation mode.

        Args:
            images: normalised float (N, C, H, W), of any height and width.

        Raises:
            ModelError: the images are not (N, C, H, W) with the channels the model was built for.
        """
        self._check(images)
        size = (images.shape[2], images.shape[3])
        seen = self.seen_size(size)
        return [found.on(size, seen) for found in self.find(resize_images(images, seen))]

    def seen_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Give the height and width that pictures of ``size`` are resized to."""
        resize = self.preprocessing.resize
        return size if resize is None else resize.size_of(size)

    @torch.no_grad()
    def find(self, images: Tensor) -> list[Detections]:
        """Find the objects of pictures that are resized already.

        Args:
            images: normalised float (N, C, H, W), resized.
        """
        network = self.network
        # A prepared network has one type throughout, and pictures are converted to it.
        padded = self._extend(images).to(next(network.parameters()).dtype)
        size = (images.shape[2], images.shape[3])
        maps = network.trunk(padded)
        logits, deltas = network.rpn(maps)
        proposals = network.rpn.propose(logits, deltas, network.anchors(maps, padded), size)
        return network.heads.detect(maps, proposals, size)

    def forward(self, images: Tensor) -> list[Detections]:
        """Find the objects of each picture, as :meth:`detect` does.

        Raises:
            ModelError: the model is in training mode, or :meth:`detect` raises it.
        """
        if self.training:
            raise ModelError("a detection model gives losses in training: call losses(), or eval() before")
        return self.detect(images)

    def _check(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != self.preprocessing.channels:
            raise ModelError(
                f"model '{self.name}' takes images (N, {self.preprocessing.channels}, H, W), got {tuple(images.shape)}"
            )

    def _extend(self, images: Tensor) -> Tensor:
        """Pad images (N, C, H, W) at the bottom and the right to the period."""
        height, width = images.shape[2:]
        return F.pad(
            images, (0, self.geometry.padded_size(width) - width, 0, self.geometry.padded_size(height) - height)
        )


@dataclass(frozen=True, kw_only=True)
class FasterRCNNOptions(ModelOptions):
    """Options of :func:`faster_rcnn`.

    Args:
        neck: ``"fpn"`` builds a pyramid of maps; ``"c4"`` reads regions from the map of stride 16 and applies the
            encoder's last stage to each region.
        form: ``"exact"`` has anchors at multiples of each stride and cells between their edges; ``"torchvision"``
            is for networks that were trained there: anchors step by quotients of sizes, and cells lie half a cell off.
        roi: how regions are read; see :mod:`pixelwise.detection.roi`.
        reduce: how the samples of a bin are reduced to one value.
        samples: points along a side of a bin, up to 64.
        anchor_sizes: for each map, square roots of the anchors' areas in pixels; by default 8 times its stride (32 to
            512 for a pyramid), and all of 32 to 512 for ``"c4"``.
        anchor_ratios: height over width.
        proposals: the most proposals of a picture, twice as many in training; by default 1000, and 300 for ``"c4"``,
            where the encoder's last stage runs on each proposal.
        detections: the most detections of a picture.
        nms: IoU above which the worse of two detections of a class is dropped.
        score: the least confidence of a detection.
        channels: the number of channels of the pyramid's maps.
        head: the number of values of the hidden layers of the box head on a pyramid.
        norm: ``"frozen"`` keeps the encoder's batch norms as they are, for batches of few pictures on pretrained
            weights; ``"batch"`` trains them.
        norm_eps: the number that is added to the variances of the encoder's batch norms; by default the encoder's own.
            torchvision's networks with its first COCO weights have 0.
    """

    neck: Literal["fpn", "c4"] = "fpn"
    form: Literal["exact", "torchvision"] = "exact"
    roi: RoiOperation = "align"
    reduce: Reduce = "avg"
    samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] = 2
    anchor_sizes: Several[Several[float]] | None = None
    anchor_ratios: Several[float] = (0.5, 1.0, 2.0)
    proposals: Count | None = None
    detections: Count = 100
    nms: Share = 0.5
    score: Share = 0.05
    channels: Count = 256
    head: Count = 1024
    norm: Literal["frozen", "batch"] = "batch"
    norm_eps: Annotated[float, Field(ge=0)] | None = None


@dataclass(frozen=True, kw_only=True)
class MaskRCNNOptions(FasterRCNNOptions):
    """Options of :func:`mask_rcnn`: those of :class:`FasterRCNNOptions`, and options of its masks.

    Args:
        masks: whether the model gives masks beside boxes.
        mask_head: channels of the mask head on a pyramid.
    """

    masks: bool = True
    mask_head: Count = 256


def mask_rcnn(
    encoder: Encoder, label_space: LabelSpace, preprocessing: Preprocessing, options: MaskRCNNOptions
) -> DetectionModel:
    """Build Mask R-CNN.

    Args:
        encoder: gives the feature maps.
        label_space: the classes of objects, without background.
        preprocessing: how pictures are normalised.
        options: the details.

    Raises:
        ModelError: the encoder does not fit the neck.
        SettingError: the anchors do not fit the maps.
    """
    mask_head = options.mask_head if options.masks else None
    return _detector(encoder, label_space, preprocessing, options, mask_head=mask_head)


def faster_rcnn(
    encoder: Encoder, label_space: LabelSpace, preprocessing: Preprocessing, options: FasterRCNNOptions
) -> DetectionModel:
    """Build Faster R-CNN: :func:`mask_rcnn` without masks."""
    return _detector(encoder, label_space, preprocessing, options, mask_head=None)


def _detector(
    encoder: Encoder,
    label_space: LabelSpace,
    preprocessing: Preprocessing,
    options: FasterRCNNOptions,
    *,
    mask_head: int | None,
) -> DetectionModel:
    """Build either network; ``mask_head`` is None for a network without masks."""
    fpn, exact, classes = options.neck == "fpn", options.form == "exact", len(label_space)
    if options.norm_eps is not None:
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eps = options.norm_eps
    if options.norm == "frozen":
        freeze_batch_norm(encoder)  # type: ignore[arg-type]
    trunk = FpnTrunk(encoder, channels=options.channels) if fpn else C4Trunk(encoder)
    sizes = options.anchor_sizes
    if sizes is None:
        sizes = tuple((8 * stride,) for stride in trunk.strides) if fpn else ((32, 64, 128, 256, 512),)
    anchors = AnchorGrid(sizes, options.anchor_ratios, trunk.strides, rule="exact" if exact else "torchvision")
    proposals = options.proposals or (1000 if fpn else 300)
    rpn = ProposalNetwork(trunk.channels, anchors, before=max(1000, proposals), after=proposals)

    def reader(cells: int) -> RegionReader:
        return RegionReader(
            cells,
            trunk.region_strides,
            operation=options.roi,
            reduce=options.reduce,
            samples=options.samples,
            half_pixel=exact,
        )

    heads = RegionHeads(
        BoxHead(trunk.region_channels, BOX_CELLS, classes, width=options.head if fpn else None),
        None if mask_head is None else _mask_head(trunk.region_channels, classes, mask_head if fpn else None),
        box_reader=reader(BOX_CELLS if fpn else MASK_CELLS),
        mask_reader=reader(MASK_CELLS),
        finish=trunk.finish,
        score=options.score,
        overlap=options.nms,
        detections=options.detections,
        batch=512 if fpn else 64,
    )
    return DetectionModel(RegionNetwork(trunk, rpn, heads), label_space=label_space, preprocessing=preprocessing)


def _mask_head(in_channels: int, classes: int, width: int | None) -> MaskHead:
    """Build the mask head: four convolutions of ``width`` channels on a pyramid, none after a stage of the encoder."""
    if width is None:
        return MaskHead(in_channels, classes, convolutions=())
    return MaskHead(in_channels, classes, convolutions=(width,) * 4, width=width)


def _without_slivers(target: ObjectTarget) -> ObjectTarget:
    """Leave out objects that are thinner than any cell could show."""
    sides = target.boxes[:, 2:] - target.boxes[:, :2]
    kept = torch.where((sides >= SMALLEST_OBJECT).all(1))[0]
    if len(kept) == len(target.boxes):
        return target
    return target._replace(
        boxes=target.boxes[kept], labels=target.labels[kept], layer=target.layer[kept], ids=target.ids[kept]
    )
