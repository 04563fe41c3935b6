"""The network of Faster and Mask R-CNN: trunk, proposals and heads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pixelwise.detection.regions import RegionHeads
from pixelwise.detection.rpn import ProposalNetwork
from pixelwise.detection.trunk import C4Trunk, FpnTrunk
from pixelwise.encoders import Encoder
from pixelwise.nn.tracing.trace import on_regions


class RegionNetwork(nn.Module):
    """Trunk, proposals and heads, on pictures whose sides are multiples of the period.

    Args:
        trunk: images -> feature maps.
        rpn: feature maps -> proposals.
        heads: proposals -> objects.
    """

    def __init__(self, trunk: FpnTrunk | C4Trunk, rpn: ProposalNetwork, heads: RegionHeads) -> None:
        super().__init__()
        self.trunk = trunk
        self.rpn = rpn
        self.heads = heads

    @property
    def encoder(self) -> Encoder:
        """The part that may carry ImageNet weights."""
        return self.trunk.encoder

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run every layer once, on as many regions as there may be, whatever the values of the regions.

        The network is traced on shapes, and its cost is counted, by this function, because the regions that it really
        reads depend on what it finds.

        Args:
            images: (N, C, H, W).

        Returns:
            Mask logits (detections, K + 1, M, M), or class logits (proposals, K + 1, 1, 1) where there are no masks. In
            training, all tensors that the losses use.
        """
        maps = self.trunk(images)
        looked_at = [output for outputs in self.rpn(maps) for output in outputs]
        if not self.training:
            looked_at.clear()  # memory is counted as well, and prediction keeps none of this
        heads = self.heads
        regions = heads.box_reader.at_level(maps[0], on_regions(images.new_zeros(self.rpn.after, 5)), 0)
        scores, *deltas = heads.box_head(self.trunk.finish(regions))
        last: Tensor = scores[:, :, None, None]
        if self.training:
            looked_at += [last, *deltas]
        del deltas
        if heads.mask_head is not None:
            regions = heads.mask_reader.at_level(maps[0], on_regions(images.new_zeros(heads.detections, 5)), 0)
            last = heads.mask_head(self.trunk.finish(regions))
        return (*looked_at, last) if self.training else last

    def anchors(self, maps: Sequence[Tensor], images: Tensor) -> tuple[Tensor, ...]:
        """Place anchors on the maps of images."""
        cells = [(features.shape[2], features.shape[3]) for features in maps]
        exact = torch.float64 if images.dtype == torch.float64 else torch.float32
        like = torch.empty(0, dtype=exact, device=images.device)
        return self.rpn.anchors(cells, (images.shape[2], images.shape[3]), like)
