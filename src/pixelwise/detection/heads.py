"""Heads, which compute a class and a box per region, and a mask per class."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.nn.blocks import initialise

MASK_CHANNELS = 256


class BoxHead(nn.Module):
    """Two fully connected layers, then scores and boxes: (P, C, cells, cells) -> (P, K + 1), (P, 4 * (K + 1)).

    Lin et al. 2017, section 4.2. If ``width`` is None, the layers are left out and regions are averaged (He et al.
    2016, for regions that a stage of the trunk has processed).

    Args:
        channels: the number of channels of the regions.
        cells: side of the regions.
        classes: K; in the outputs, class 0 is the background.
        width: values of the hidden layers.
    """

    def __init__(self, channels: int, cells: int, classes: int, *, width: int | None = 1024) -> None:
        super().__init__()
        self.fc6 = self.fc7 = None
        if width is not None:
            self.fc6, self.fc7 = nn.Linear(channels * cells * cells, width), nn.Linear(width, width)
        self.cells = cells
        self._channels_last = False
        features = channels if width is None else width
        self.cls_score = nn.Linear(features, classes + 1)
        self.bbox_pred = nn.Linear(features, 4 * (classes + 1))
        for layer, deviation in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=deviation)
            nn.init.zeros_(layer.bias)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Score regions and move their boxes."""
        if self.fc6 is None or self.fc7 is None:
            features = regions.mean((2, 3))  # (P, C)
        else:
            laid = regions.permute(0, 2, 3, 1) if self._channels_last else regions
            features = F.relu(self.fc6(laid.flatten(1)))  # (P, width)
            features = F.relu(self.fc7(features))
        return self.cls_score(features), self.bbox_pred(features)

    def read_channels_last(self) -> None:
        """Reorder the first layer so that it reads regions in their memory order, channels last; for prediction."""
        if self.fc6 is None or self._channels_last:
            return
        weight = self.fc6.weight.detach().view(
            self.fc6.out_features, -1, self.cells, self.cells
        )  # (D, C, cells, cells)
        self.fc6.weight = nn.Parameter(weight.permute(0, 2, 3, 1).flatten(1).contiguous(), requires_grad=False)
        self._channels_last = True


class MaskHead(nn.Module):
    """Convolutions, an upsampling, and a mask per class: (P, C, m, m) -> (P, K + 1, 2m, 2m).

    He et al. 2017, figure 4; the masks of classes are independent, with one sigmoid each.

    Args:
        channels: the number of channels of the regions.
        classes: K; mask 0 is that of the background and has no meaning.
        convolutions: channels of the 3x3 convolutions before the upsampling.
        width: channels after it.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        convolutions: Sequence[int] = (MASK_CHANNELS,) * 4,
        width: int = MASK_CHANNELS,
    ) -> None:
        super().__init__()
        widths = [channels, *convolutions]
        self.convolutions = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths))
        self.up = nn.ConvTranspose2d(widths[-1], width, 2, 2)
        self.logits = nn.Conv2d(width, classes + 1, 1)
        initialise(self)
        nn.init.kaiming_normal_(self.up.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.logits.weight, std=0.001)

    def forward(self, regions: Tensor) -> Tensor:
        """Score every cell of every class."""
        logits: Tensor = self.logits(F.relu(self.up(self._convolve(regions))))
        return logits

    def of_class(self, regions: Tensor, labels: Tensor) -> Tensor:
        """Score only the cells of one class per region: labels (P,) with the background as 0 -> (P, 2m, 2m)."""
        features = self._convolve(regions).permute(0, 2, 3, 1)  # (P, m, m, C)
        count, side = features.shape[:2]
        # The upsampling makes four cells of each cell, which depend on that cell only. It is therefore a matrix
        # product, and cells are reordered only after each has become a single score.
        kernel = self.up.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (2 * 2 * width, C)
        assert self.up.bias is not None
        assert self.logits.bias is not None
        stepped = F.relu(F.linear(features, kernel, self.up.bias.repeat(4)))  # (P, m, m, 2 * 2 * width)
        weight = self.logits.weight.flatten(1)[labels][..., None]  # (P, width, 1)
        scores = torch.bmm(stepped.reshape(count, 4 * side * side, weight.shape[1]), weight)  # (P, m * m * 2 * 2, 1)
        scores = scores.view(count, side, side, 2, 2).permute(0, 1, 3, 2, 4)  # (P, m, 2, m, 2)
        return scores.reshape(count, 2 * side, 2 * side) + self.logits.bias[labels][:, None, None]

    def _convolve(self, regions: Tensor) -> Tensor:
        for convolution in self.convolutions:
            regions = F.relu(convolution(regions))
        return regions
