"""A folded network computes the same with fewer passes; what must not be folded is left."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from pixelwise import build_model
from pixelwise.nn.fused.folding import fold_batch_norm


def with_statistics(network: nn.Module) -> nn.Module:
    """Give normalisations running statistics and scales that matter."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.3, 3)  # type: ignore[arg-type]
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "encoder"), [("unet", "resnet18"), ("deeplabv3plus", "tf_efficientnet_lite0"), ("fcn", "convnext_atto")]
)
def test_a_folded_network_computes_the_same(name: str, encoder: str) -> None:
    torch.manual_seed(0)
    network = with_statistics(build_model(name, classes=3, encoder=encoder).network).double()
    folded = copy.deepcopy(network)
    pairs = fold_batch_norm(folded, (1, 3, 64, 64))
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(pairs) == len(norms)
    assert not [part for part in folded.modules() if isinstance(part, nn.BatchNorm2d)]
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), network(images), rtol=1e-9, atol=1e-9)


class Shared(nn.Module):
    """What must not be folded: a convolution that something else reads, and one that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.read_twice, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.run_twice, self.after = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.read_twice(images)
        maps = self.norm(maps) + maps
        once: Tensor = self.after(self.run_twice(maps))
        return once + self.run_twice(images)


def test_what_others_read_is_left() -> None:
    torch.manual_seed(0)
    network = with_statistics(Shared())
    folded = copy.deepcopy(network)
    assert fold_batch_norm(folded, (1, 3, 8, 8)) == []
    images = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(folded(images), network(images), rtol=0, atol=0)
