"""Peak memory is counted from what lives at the same time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pixelwise.nn.tracing.memory import peak_bytes


class Chain(nn.Module):
    """Four maps, one after the other; ``keep`` holds the first until the end."""

    def __init__(self, *, keep: bool) -> None:
        super().__init__()
        self.steps = nn.ModuleList(nn.Conv2d(1, 1, 1) for _ in range(4))
        self.keep = keep

    def forward(self, images: Tensor) -> Tensor:
        first = last = self.steps[0](images)
        if not self.keep:
            del first
        for step in list(self.steps)[1:]:
            last = step(last)
        return last + first if self.keep else last


def test_a_map_counts_while_it_lives() -> None:
    size = 4 * 10 * 10
    # The picture is held by the caller; a step needs its input and its output.
    assert peak_bytes(Chain(keep=False), (1, 1, 10, 10)) == 3 * size
    assert peak_bytes(Chain(keep=True), (1, 1, 10, 10)) == 4 * size


def test_views_share_their_memory() -> None:
    assert peak_bytes(nn.Flatten(), (1, 1, 10, 10)) == 400


def test_half_the_bytes_in_half_precision() -> None:
    network = Chain(keep=True)
    full, half = (peak_bytes(network, (1, 1, 32, 32), dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    assert full == 2 * half


def test_the_network_is_left_as_it_was() -> None:
    network = Chain(keep=False).train()
    peak_bytes(network, (1, 1, 8, 8))
    assert all(part.training for part in network.modules())
    assert all(parameter.device.type == "cpu" for parameter in network.parameters())
