"""The halo of fast tiles is as long as the network looks, not as long as it could."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pixelwise import build_model
from pixelwise.inference.halo import busiest, choose_halo
from pixelwise.inference.runtimes.averaging import AveragingRuntime
from pixelwise.inference.runtimes.torch_pixels import TorchRuntime
from pixelwise.inference.runtimes.views import parse_views
from pixelwise.models import SegmentationModel
from pixelwise.preprocessing import Preprocessing
from pixelwise.tiling import FAST_HALO
from pixelwise.types import LabelSpace, Sample


class Far(nn.Module):
    """Tells whether pixels are brighter than others ``distance`` pixels away; it may read 400."""

    def __init__(self, distance: int) -> None:
        super().__init__()
        self.may_read = nn.Conv2d(3, 2, 3, padding=400, dilation=400)
        self.reads = nn.Conv2d(3, 2, 3, padding=distance, dilation=distance, bias=False)
        with torch.no_grad():
            for part in (self.may_read, self.reads):
                part.weight.zero_()
            self.may_read.bias.zero_()  # type: ignore[union-attr]
            self.reads.weight[0, :, 1, 1] = 1
            self.reads.weight[1, :, 1, 0] = 1

    def forward(self, images: Tensor) -> Tensor:
        reads: Tensor = self.reads(images)
        return reads + self.may_read(images)


def far(distance: int) -> SegmentationModel:
    return SegmentationModel(
        Far(distance), label_space=LabelSpace(("darker", "brighter")), preprocessing=Preprocessing(), stride=1
    ).eval()


def sample(height: int, width: int) -> Sample:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3, height, width), dtype=np.uint8)
    return Sample(image, rng.integers(0, 2, (height, width), dtype=np.uint8), "noise")


@pytest.mark.parametrize(("distance", "halo"), [(1, 32), (32, 32), (33, 64), (90, 96), (200, 256), (390, 384)])
def test_it_is_what_the_network_looks_at(distance: int, halo: int) -> None:
    runtime = TorchRuntime(far(distance), device="cpu", precision="float32")
    assert runtime.card.geometry.context == 400
    # The picture is smaller than the halo: its mirror image goes on around it.
    assert choose_halo(runtime, [sample(150, 130)]) == halo


def test_a_halo_is_a_multiple_of_the_period() -> None:
    torch.manual_seed(0)
    model = build_model("unet", classes=2, encoder="mobilenetv3_small_050").eval()
    reported: list[int] = []
    runtime = TorchRuntime(model, device="cpu", precision="float32")
    found = choose_halo(runtime, [sample(64, 70)] * 2, progress=reported.append)
    assert found % model.geometry.period == 0
    assert reported == [1, 2]


def test_networks_of_unpadded_convolutions_read_all_anyway() -> None:
    runtime = TorchRuntime(build_model("unet2015", classes=2, width=2), device="cpu", precision="float32")
    assert choose_halo(runtime, [sample(64, 64)]) == FAST_HALO
    assert choose_halo(TorchRuntime(far(1), device="cpu", precision="float32"), []) == FAST_HALO


def test_squares_are_laid_where_a_mask_changes_most() -> None:
    mask = np.zeros((100, 130), np.uint8)
    mask[70:80, 100:110] = 1  # in the square that begins at (64, 96)
    mask[5, 5] = 1
    assert busiest(mask, 32, 2) == [(64, 96), (0, 0)]
    assert busiest(mask[:20], 32, 5) == [(0, 0), (0, 32), (0, 64), (0, 96)]
    assert busiest(mask[:20, :20], 32, 1) == [(0, 0)]


def test_an_average_takes_the_longest_halo_of_its_members_on_the_picture() -> None:
    members = [TorchRuntime(far(1), device="cpu", precision="float32") for _ in range(2)]
    members[1].card = replace(members[1].card, fast_halo=128)
    assert AveragingRuntime(members, parse_views(())).card.fast_halo == 128
    assert AveragingRuntime(members, parse_views(("hflip", 2.0))).card.fast_halo == 128
    assert AveragingRuntime(members, parse_views((0.5,))).card.fast_halo == 256
