"""The network of a model that finds objects as an ONNX graph: from a prepared picture to boxes, scores and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.onnx.operators import shape_as_tensor

from pixelwise.detection.boxes import decode_boxes
from pixelwise.detection.regions import BOX_DELTA_WEIGHTS, LEAST_DETECTION_SIDE
from pixelwise.detection.roi import CANONICAL_LEVEL, CANONICAL_SIDE, RegionReader
from pixelwise.detection.rpn import LEAST_PROPOSAL_SIDE
from pixelwise.inference.runtimes.exported.objects import LEAST_SCORE
from pixelwise.models import DetectionModel

LEFT_OUT = -1e30
"""The score of boxes that are too thin to be kept; suppression leaves out all that is below half of it."""

LEVEL_JITTER = 1e-6
"""Keeps boxes of exactly 112, 224, 448 pixels on the coarser map, as :func:`pixelwise.detection.roi.levels_of` does."""


class ObjectNetwork(nn.Module):
    """The network of a model, written so that an exporter can follow it whatever is found.

    It computes what ``DetectionModel.find`` computes for one picture. Nothing of it depends on numbers that Python
    reads from tensors: those would be frozen.

    Args:
        model: the model, prepared in the plain form.
    """

    score: Tensor

    def __init__(self, model: DetectionModel) -> None:
        super().__init__()
        self.network = model.network
        self.classes = len(model.label_space)
        self.register_buffer(LEAST_SCORE, torch.tensor([model.network.heads.score]))

    def forward(self, pixels: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        """Find the objects of a picture.

        Args:
            pixels: normalised and padded, (1, C, H', W').
            size: int64 (2,), height and width without the padding.

        Returns:
            Boxes (N, 4), labels (N,), scores (N,), and with a mask head masks (N, M, M), the best score first.
        """
        limits = size.to(torch.float32)[[1, 0, 1, 0]]  # (4,): width, height, width, height
        maps = self.network.trunk(pixels)
        boxes, labels, scores = self._detect(maps, self._propose(pixels, maps, limits), limits)
        mask_head = self.network.heads.mask_head
        if mask_head is None:
            return boxes, labels, scores
        regions = self.network.trunk.finish(_read(self.network.heads.mask_reader, maps, boxes))
        return boxes, labels, scores, mask_head.of_class(regions, labels + 1).sigmoid()

    def _propose(self, pixels: Tensor, maps: Sequence[Tensor], limits: Tensor) -> Tensor:
        """Choose proposals (P, 4), the best first."""
        rpn = self.network.rpn
        boxes, scores = [], []
        for number, (logits, deltas) in enumerate(zip(*rpn(maps), strict=True)):
            anchors = self._anchors(number, pixels, maps[number])
            best, place = _Best.apply(logits[0], rpn.before)  # (T,) each
            moved = _clipped(decode_boxes(deltas[0][place], anchors[place]), limits)  # (T, 4)
            best = torch.where(_wide(moved, LEAST_PROPOSAL_SIDE), best, LEFT_OUT)
            kept = _Suppress.apply(moved[None], best[None], torch.tensor([LEFT_OUT / 2]), rpn.overlap, rpn.after)
            boxes.append(moved[kept[:, 1]])
            scores.append(best[kept[:, 1]])
        _, order = _Best.apply(torch.cat(scores), rpn.after)
        return torch.cat(boxes)[order]

    def _anchors(self, level: int, pixels: Tensor, features: Tensor) -> Tensor:
        """Place the anchors of a map (1, C, h, w), cell by cell: (h * w * A, 4)."""
        grid = self.network.rpn.anchors
        cells, sides = _sides(features), _sides(pixels)
        stride = torch.full((2,), grid.strides[level])
        steps = torch.div(sides, cells, rounding_mode="floor") if grid.rule == "torchvision" else stride
        down, along = (torch.arange(cells[axis]) * steps[axis] for axis in (0, 1))  # (h,), (w,)
        shift = down[:, None, None] * torch.tensor([0, 1, 0, 1]) + along[:, None] * torch.tensor([1, 0, 1, 0])
        anchors: Tensor = shift[:, :, None] + grid.base[level]  # (h, w, A, 4)
        return anchors.reshape(-1, 4)

    def _detect(self, maps: Sequence[Tensor], proposals: Tensor, limits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose boxes (N, 4), labels (N,) and scores (N,) from proposals (P, 4)."""
        heads, classes = self.network.heads, self.classes
        logits, deltas = heads.box_head(self.network.trunk.finish(_read(heads.box_reader, maps, proposals)))
        scores = logits.softmax(1)[:, 1:].t()  # (K, P)
        origins = proposals.repeat(1, classes).reshape(-1, 4)  # (P * K, 4)
        boxes = decode_boxes(deltas[:, 4:].reshape(-1, 4), origins, BOX_DELTA_WEIGHTS)
        boxes = _clipped(boxes, limits).reshape(-1, classes, 4).permute(1, 0, 2)  # (K, P, 4)
        scores = torch.where(_wide(boxes, LEAST_DETECTION_SIDE), scores, LEFT_OUT)
        # A class is an entry of the batch, so that boxes of different classes do not meet. No class keeps more boxes
        # than the picture may have.
        kept = _Suppress.apply(boxes, scores, self.score, heads.overlap, heads.detections)
        place = kept[:, 0] * _count(proposals) + kept[:, 1]
        best, order = _Best.apply(scores.reshape(-1)[place], heads.detections)
        return boxes.reshape(-1, 4)[place[order]], kept[:, 0][order], best


def _read(reader: RegionReader, maps: Sequence[Tensor], boxes: Tensor) -> Tensor:
    """Read boxes (P, 4) from the map that fits each: (P, C, cells, cells)."""
    rois = torch.cat([torch.zeros_like(boxes[:, :1]), boxes], 1)
    if len(reader.strides) == 1:
        return reader.at_level(maps[0], rois, 0)
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    # The first side that is read from each map but the finest: the exporter knows no way to sort boxes into these.
    first = CANONICAL_SIDE * (torch.tensor(reader.strides[1:]).log2() - CANONICAL_LEVEL - LEVEL_JITTER).exp2()
    levels = (side[:, None] >= first).sum(1)
    parts, places = [], []
    for number in range(len(reader.strides)):
        place = torch.nonzero(levels == number)[:, 0]
        parts.append(reader.at_level(maps[number], rois[place], number))
        places.append(place)
    order = torch.cat(places)
    back = torch.zeros_like(order).scatter(0, order, torch.arange(_count(order)))
    return torch.cat(parts)[back]


def _count(tensor: Tensor) -> Any:
    """The length of the first axis, as a tensor that the exporter follows."""
    return shape_as_tensor(tensor)[0]


def _sides(images: Tensor) -> Any:
    """The height and the width of images (N, C, H, W), as a tensor (2,)."""
    return shape_as_tensor(images)[2:]


def _clipped(boxes: Tensor, limits: Tensor) -> Tensor:
    """Cut boxes (.., 4) to a picture with these limits (4,)."""
    return torch.minimum(boxes.clamp(min=0), limits)


def _wide(boxes: Tensor, least: float) -> Tensor:
    """Whether both sides of boxes (.., 4) have at least so many pixels."""
    return (boxes[..., 2:] - boxes[..., :2] >= least).all(-1)


class _Best(torch.autograd.Function):
    """The best values, as many as there are up to a number, and their places; the first of equal ones first."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, most: int) -> tuple[Tensor, Tensor]:
        place = values.argsort(descending=True, stable=True)[:most]
        return values[place], place

    @staticmethod
    def symbolic(graph: Any, values: Any, most: int) -> Any:
        count = graph.op("Min", graph.op("Shape", values), _constant(graph, torch.tensor([most])))
        return graph.op("TopK", values, count, axis_i=0, largest_i=1, sorted_i=1, outputs=2)


class _Suppress(torch.autograd.Function):
    """Non-maximum suppression within each entry of a batch: int64 (n, 2), the entry and the box of each kept one."""

    @staticmethod
    def forward(ctx: Any, boxes: Tensor, scores: Tensor, least: Tensor, overlap: float, most: int) -> Tensor:
        from torchvision.ops import nms

        kept = []
        for entry, (its_boxes, its_scores) in enumerate(zip(boxes, scores, strict=True)):
            place = torch.nonzero(its_scores > least)[:, 0]
            place = place[nms(its_boxes[place], its_scores[place], overlap)[:most]]
            kept.append(torch.stack([torch.full_like(place, entry), place], 1))
        return torch.cat(kept)

    @staticmethod
    def symbolic(graph: Any, boxes: Any, scores: Any, least: Any, overlap: float, most: int) -> Any:
        axis = _constant(graph, torch.tensor([1]))
        kept = graph.op(
            "NonMaxSuppression",
            boxes,
            graph.op("Unsqueeze", scores, axis),
            _constant(graph, torch.tensor([most])),
            _constant(graph, torch.tensor([overlap], dtype=torch.float32)),
            least,
        )  # (n, 3): the entry, the class within it, which is 0, and the box
        return graph.op("Gather", kept, _constant(graph, torch.tensor([0, 2])), axis_i=1)


def _constant(graph: Any, value: Tensor) -> Any:
    return graph.op("Constant", value_t=value)
