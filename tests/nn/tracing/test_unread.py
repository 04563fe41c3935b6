"""Parameters that no output reads are named before anything is trained."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise import build_model
from pixelwise.nn.tracing.unread import unread_parameters


class Branches(nn.Module):
    """Reads `first`; `auxiliary` in training alone; `places` for where its largest values lie; `idle` never."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.auxiliary, self.places, self.idle = (nn.Conv2d(3, 2, 1) for _ in range(4))
        self.norm = nn.BatchNorm2d(2)
        self.held = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.drop = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        self.idle(images)
        _, indices = F.max_pool2d(self.places(images), 2, return_indices=True)
        scores = F.max_unpool2d(F.max_pool2d(self.norm(self.first(images)), 2), indices, 2)
        return (scores, self.drop(self.auxiliary(images))) if self.training else scores


@pytest.mark.parametrize("training", [False, True])
def test_what_no_output_reads_is_named(training: bool) -> None:
    network = Branches().train(training)
    network.drop.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    named = unread_parameters(network, (2, 3, 8, 8))
    assert named == ["places.weight", "places.bias", "idle.weight", "idle.bias"]
    # A run with values agrees.
    outputs = network.train()(torch.randn(2, 3, 8, 8))
    sum(output.sum() for output in outputs).backward()
    assert named == [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not network.held.requires_grad
    network.load_state_dict(before)


def test_the_network_is_left_as_it_is() -> None:
    network = Branches().eval()
    network.drop.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    unread_parameters(network, (2, 3, 8, 8))
    assert [network.training, network.norm.training, network.drop.training] == [False, False, True]
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_model_of_many_parts_has_none() -> None:
    for name, options in {
        "deeplabv3": {"width": 1 / 16, "form": "torchvision"},
        "unet": {"encoder": "test_resnet", "upsampling": "unpool"},
        "mask_rcnn": {"encoder": "test_resnet", "channels": 32, "head": 64, "mask_head": 32},
        "faster_rcnn": {"encoder": "resnet10t", "neck": "c4"},
    }.items():
        network = build_model(name, classes=2, **options).network
        assert unread_parameters(network, (2, 3, 128, 128)) == []


def test_branches_of_an_encoder_that_a_decoder_does_not_look_at() -> None:
    with torch.device("meta"):
        network = build_model("deeplabv3plus", classes=2, encoder="hrnet_w18_small").network
    unread = unread_parameters(network, (2, 3, 64, 64))
    # The maps of stride 8 and 16 are made of the branches of the last stage by parts of their own.
    kinds = {re.sub(r"^encoder.body.(incre_modules.\d|stage4.0.fuse_layers.\d).*", r"\1", name) for name in unread}
    assert kinds == {f"{kind}.{number}" for kind in ("incre_modules", "stage4.0.fuse_layers") for number in (1, 2)}
