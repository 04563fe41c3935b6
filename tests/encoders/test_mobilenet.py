from __future__ import annotations

import torch
import torchvision
from torch import nn

from pixelwise.encoders.mobilenet import DilatedMobileNetV3, mobilenetv3_from_torchvision


def test_computes_what_torchvision_computes() -> None:
    torch.manual_seed(0)
    expected = torchvision.models.mobilenet_v3_large(weights=None, dilated=True).features.double().eval()
    for part in expected.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.0)
            nn.init.normal_(part.bias, std=0.1)
            part.running_mean.normal_(std=0.1)
    ours = DilatedMobileNetV3().double().eval()
    ours.body.load_state_dict(mobilenetv3_from_torchvision(expected.state_dict()))
    images = torch.randn(1, 3, 61, 96, dtype=torch.float64)
    with torch.no_grad():
        maps, reference = ours(images), expected(images)
    torch.testing.assert_close(maps[-1], reference, rtol=1e-10, atol=1e-12)
    assert (ours.strides, ours.channels) == ((2, 4, 8, 16, 16), (16, 24, 40, 112, 960))
