"""The second stage of Faster and Mask R-CNN: proposals become objects, or are compared with objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.detection.boxes import clip_boxes, decode_boxes, encode_boxes, match_boxes, sample
from pixelwise.detection.heads import BoxHead, MaskHead
from pixelwise.detection.result import Detections
from pixelwise.detection.roi import RegionReader
from pixelwise.detection.rpn import SMOOTH_L1_BETA
from pixelwise.ops.object_targets import ObjectTarget, sample_targets

BOX_DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Factors on the shifts and stretches of boxes, which are small numbers without them."""

LEAST_DETECTION_SIDE = 1e-2
"""Least side of a detection in pixels."""

FinishLogits = Callable[[Tensor], Tensor]


class RegionHeads(nn.Module):
    """Scores proposals, moves them onto objects and predicts a mask for each.

    Args:
        box_head: regions -> class logits and box deltas.
        mask_head: regions -> masks; None for boxes only.
        box_reader: reads the regions of boxes from the maps.
        mask_reader: reads the regions of masks from the maps.
        finish: the function that is applied to regions before either head.
        score: least confidence of a detection.
        overlap: IoU above which the worse of two detections of a class is dropped.
        detections: most detections of a picture.
        batch: proposals per picture that the losses use, of which a quarter may be positive.
    """

    def __init__(
        self,
        box_head: BoxHead,
        mask_head: MaskHead | None,
        *,
        box_reader: RegionReader,
        mask_reader: RegionReader,
        finish: FinishLogits,
        score: float = 0.05,
        overlap: float = 0.5,
        detections: int = 100,
        batch: int = 512,
    ) -> None:
        super().__init__()
        self.box_head = box_head
        self.mask_head = mask_head
        self.box_reader, self.mask_reader = box_reader, mask_reader
        self._finish = finish
        self.score, self.overlap, self.detections, self.batch = score, overlap, detections, batch

    def forward(self, maps: Sequence[Tensor], proposals: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Score proposals.

        Args:
            maps: (N, C, h, w) each.
            proposals: (P, 4) for each of the N pictures.

        Returns:
            Class logits (sum of P, K + 1), background first, and deltas (sum of P, K + 1, 4).
        """
        logits, deltas = self.box_head(self._finish(self.box_reader(maps, proposals)))
        return logits, deltas.view(*logits.shape, 4)

    @torch.no_grad()
    def detect(self, maps: Sequence[Tensor], proposals: Sequence[Tensor], size: tuple[int, int]) -> list[Detections]:
        """Find the objects of each picture.

        Args:
            maps: (N, C, h, w) each.
            proposals: (P, 4) for each of the N pictures.
            size: height and width of the pictures; boxes are cut to it.
        """
        logits, deltas = self(maps, proposals)
        counts = [len(boxes) for boxes in proposals]
        found = [
            self._choose(_exactly(logit), delta, boxes, size)
            for logit, delta, boxes in zip(logits.split(counts), deltas.split(counts), proposals, strict=True)
        ]
        if self.mask_head is None:
            return found
        labels = torch.cat([detections.labels for detections in found])
        regions = self._finish(self.mask_reader(maps, [detections.boxes for detections in found]))
        masks = _exactly(self.mask_head.of_class(regions, labels + 1)).sigmoid()  # (sum of D, M, M)
        parts = torch.split(masks, [len(detections.labels) for detections in found])
        return [detections._replace(masks=part) for detections, part in zip(found, parts, strict=True)]

    def _choose(self, logits: Tensor, deltas: Tensor, proposals: Tensor, size: tuple[int, int]) -> Detections:
        """Choose the detections of one picture from logits (P, K + 1), deltas (P, K + 1, 4), proposals (P, 4)."""
        from torchvision.ops import batched_nms

        scores = logits.softmax(1)[:, 1:]  # (P, K)
        row, label = torch.where(scores > self.score)
        scores = scores[row, label]
        boxes = clip_boxes(decode_boxes(_exactly(deltas[row, label + 1]), proposals[row], BOX_DELTA_WEIGHTS), size)
        wide = ((boxes[:, 2:] - boxes[:, :2]) >= LEAST_DETECTION_SIDE).all(1)
        boxes, scores, label = boxes[wide], scores[wide], label[wide]
        kept = batched_nms(boxes, scores, label, self.overlap)[: self.detections]
        return Detections(boxes[kept], label[kept], scores[kept], None)

    def losses(
        self, maps: Sequence[Tensor], proposals: Sequence[Tensor], targets: Sequence[ObjectTarget]
    ) -> dict[str, Tensor]:
        """Compare a sample of the proposals, and the objects' own boxes, with the objects.

        Args:
            maps: (N, C, h, w) each.
            proposals: (P, 4) for each of the N pictures.
            targets: the objects of each; their boxes have sides above 0.

        Returns:
            ``classes`` (mean cross-entropy), ``boxes`` (smooth L1 over the size of the sample), and with a mask head
            ``masks`` (mean binary cross-entropy over the cells of the true class).
        """
        drawn, labels, wanted, positives = [], [], [], []
        for proposed, target in zip(proposals, targets, strict=True):
            boxes = torch.cat([proposed, target.boxes.to(proposed)])
            number, positive, negative = match_boxes(boxes, target.boxes.to(boxes), high=0.5, low=0.5, best_too=False)
            found, nothing = sample(positive, negative, count=self.batch, share=0.25)
            drawn.append(torch.cat([boxes[found], boxes[nothing]]))
            number = number[found]
            labels += [target.labels[number] + 1, torch.zeros_like(nothing)]
            wanted.append(encode_boxes(target.boxes[number].to(boxes), boxes[found], BOX_DELTA_WEIGHTS))
            positives.append((boxes[found], number))
        logits, deltas = self(maps, drawn)
        logits, deltas, label = _exactly(logits), _exactly(deltas), torch.cat(labels)
        inside = torch.where(label > 0)[0]
        moved = F.smooth_l1_loss(deltas[inside, label[inside]], torch.cat(wanted), beta=SMOOTH_L1_BETA, reduction="sum")
        losses = {
            "classes": F.cross_entropy(logits, label, reduction="sum") / max(1, len(label)),
            "boxes": moved / max(1, len(label)),
        }
        if self.mask_head is not None:
            losses["masks"] = self._mask_loss(maps, positives, targets, label[inside])
        return losses

    def _mask_loss(
        self,
        maps: Sequence[Tensor],
        positives: Sequence[tuple[Tensor, Tensor]],
        targets: Sequence[ObjectTarget],
        labels: Tensor,
    ) -> Tensor:
        assert self.mask_head is not None
        regions = self._finish(self.mask_reader(maps, [boxes for boxes, _ in positives]))
        logits = _exactly(self.mask_head(regions))  # (P, K + 1, M, M)
        logits = logits[torch.arange(len(labels), device=labels.device), labels]  # (P, M, M)
        truth = torch.cat(
            [
                sample_targets(target, boxes, number, logits.shape[-1], half_pixel=self.mask_reader.half_pixel)
                for target, (boxes, number) in zip(targets, positives, strict=True)
            ]
        )
        total = F.binary_cross_entropy_with_logits(logits, truth.to(logits), reduction="sum")
        return total / max(1, logits.numel())


def _exactly(values: Tensor) -> Tensor:
    """Convert to float32 unless the precision is higher: boxes and losses are computed in at least float32."""
    return values if values.dtype == torch.float64 else values.float()
