"""The region proposal network (Ren, He, Girshick and Sun 2015), which finds where objects may be."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.detection.anchors import AnchorGrid
from pixelwise.detection.boxes import clip_boxes, decode_boxes, encode_boxes, match_boxes, sample

SMOOTH_L1_BETA = 1 / 9
"""Where the smooth L1 loss turns from a parabola into a line."""

LEAST_PROPOSAL_SIDE = 1e-3
"""Least side of a proposal in pixels."""


class ProposalNetwork(nn.Module):
    """Scores the anchors of every cell and moves the best of them onto objects.

    Args:
        channels: the number of channels of the feature maps.
        anchors: the anchors on the maps.
        before: most anchors per map and picture that enter non-maximum suppression; in training, twice as many.
        after: most proposals per picture that are kept after it; in training, twice as many.
        overlap: IoU above which the worse of two proposals of a map is dropped.
        batch: anchors per picture that the losses use.
    """

    def __init__(
        self,
        channels: int,
        anchors: AnchorGrid,
        *,
        before: int = 1000,
        after: int = 1000,
        overlap: float = 0.7,
        batch: int = 256,
    ) -> None:
        from torchvision.models.detection.rpn import RPNHead

        super().__init__()
        self.anchors = anchors
        self.before, self.after, self.overlap, self.batch = before, after, overlap, batch
        self.head = RPNHead(channels, anchors.each[0])

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Score anchors.

        Args:
            maps: (N, C, h, w) each.

        Returns:
            Logits (N, h * w * A) and deltas (N, h * w * A, 4) of each map, in the order of the anchors.
        """
        logits, deltas = self.head(list(maps))
        count = len(maps[0])
        return (
            [score.permute(0, 2, 3, 1).reshape(count, -1) for score in logits],
            [delta.permute(0, 2, 3, 1).reshape(count, -1, 4) for delta in deltas],
        )

    @torch.no_grad()
    def propose(
        self, logits: Sequence[Tensor], deltas: Sequence[Tensor], anchors: Sequence[Tensor], size: tuple[int, int]
    ) -> list[Tensor]:
        """Choose proposals.

        Args:
            logits: as :meth:`forward` gives them; so are ``deltas``.
            deltas: the deltas of the anchors.
            anchors: the anchors of each map.
            size: height and width of the pictures; proposals are cut to it.

        Returns:
            (P, 4) for each picture, best first.
        """
        factor = 2 if self.training else 1
        chosen: list[list[tuple[Tensor, Tensor]]] = []
        for score, delta, anchor in zip(logits, deltas, anchors, strict=True):
            best, place = score.topk(min(factor * self.before, score.shape[1]), 1)  # (N, T)
            moved = torch.gather(delta, 1, place[..., None].expand(-1, -1, 4))  # (N, T, 4)
            chosen.append(
                [
                    self._suppress(clip_boxes(decode_boxes(_exactly(d), anchor[p]), size), _exactly(s))
                    for s, d, p in zip(best, moved, place, strict=True)
                ]
            )
        proposals = []
        for levels in zip(*chosen, strict=True):
            boxes, scores = (torch.cat(parts) for parts in zip(*levels, strict=True))
            order = scores.argsort(descending=True, stable=True)[: factor * self.after]
            proposals.append(boxes[order])
        return proposals

    def _suppress(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        from torchvision.ops import nms

        wide = ((boxes[:, 2:] - boxes[:, :2]) >= LEAST_PROPOSAL_SIDE).all(1)
        boxes, scores = boxes[wide], scores[wide]
        kept = nms(boxes, scores, self.overlap)
        return boxes[kept], scores[kept]

    def losses(
        self, logits: Sequence[Tensor], deltas: Sequence[Tensor], anchors: Sequence[Tensor], objects: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Compare a sample of the anchors with the objects.

        Anchors with an IoU of at least 0.7, and the best anchors of an object, are positive; those below 0.3 are
        negative. At most half of a sample is positive.

        Args:
            logits: as :meth:`forward` gives them; so are ``deltas``.
            deltas: the deltas of the anchors.
            anchors: the anchors of each map.
            objects: boxes (M, 4) of the objects of each picture; M may be 0.

        Returns:
            ``objectness`` (mean binary cross-entropy) and ``proposal_boxes`` (smooth L1 over the size of the sample).
        """
        scores, moved = _exactly(torch.cat(list(logits), 1)), _exactly(torch.cat(list(deltas), 1))
        lattice = torch.cat(list(anchors))  # (A, 4)
        drawn_scores, drawn_truths, steps, wanted = [], [], [], []
        for score, delta, boxes in zip(scores, moved, objects, strict=True):
            number, positive, negative = match_boxes(lattice, boxes, high=0.7, low=0.3, best_too=True)
            found, nothing = sample(positive, negative, count=self.batch, share=0.5)
            drawn_scores += [score[found], score[nothing]]
            drawn_truths += [torch.ones_like(score[found]), torch.zeros_like(score[nothing])]
            steps.append(delta[found])
            wanted.append(encode_boxes(boxes[number[found]], lattice[found]))
        logit, truth = torch.cat(drawn_scores), torch.cat(drawn_truths)
        regression = F.smooth_l1_loss(torch.cat(steps), torch.cat(wanted), beta=SMOOTH_L1_BETA, reduction="sum")
        return {
            "objectness": F.binary_cross_entropy_with_logits(logit, truth, reduction="sum") / max(1, len(logit)),
            "proposal_boxes": regression / max(1, len(logit)),
        }


def _exactly(values: Tensor) -> Tensor:
    """Convert to float32 unless the precision is higher: boxes and losses are computed in at least float32."""
    return values if values.dtype == torch.float64 else values.float()
