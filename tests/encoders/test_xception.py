from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from pixelwise.encoders.xception import AlignedXception
from pixelwise.errors import ModelError, SettingError
from pixelwise.nn.tracing.trace import trace


@pytest.mark.parametrize(("depth", "count"), [(41, 24_920_560), (65, 37_867_312), (71, 40_289_736)])
def test_parameters_are_those_of_the_published_networks(depth: int, count: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in AlignedXception(depth).parameters()) == count


@pytest.mark.parametrize(("depth", "output_stride"), [(41, 32), (41, 16), (41, 8), (71, 16)])
def test_computes_what_timm_computes(depth: int, output_stride: int) -> None:
    torch.manual_seed(0)
    expected = timm.create_model(f"xception{depth}", output_stride=output_stride, features_only=True).double().eval()
    for part in expected.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.0)
            nn.init.normal_(part.bias, std=0.1)
    ours = AlignedXception(depth, output_stride=output_stride).double().eval()
    # Feature extractors of timm flatten "stem.0" to "stem_0" for some families.
    state = {key.replace("stem_", "stem.").replace("blocks_", "blocks."): v for key, v in expected.state_dict().items()}
    ours.load_state_dict(state)
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        *finer, deepest = zip(ours(images), expected(images), strict=True)
    torch.testing.assert_close(*deepest, rtol=1e-9, atol=1e-9)
    for found, reference in finer:  # timm hands out what the next convolution reads, after its ReLU
        torch.testing.assert_close(found.relu(), reference, rtol=1e-9, atol=1e-9)
        assert found.min() < 0
    assert ours.channels == tuple(expected.feature_info.channels())
    assert ours.strides == tuple(expected.feature_info.reduction())


def test_cells_lie_on_pixels_that_are_multiples_of_the_stride() -> None:
    with torch.device("meta"):
        for map_geometry, stride in zip(
            trace(AlignedXception(65, output_stride=16), (1, 3, 128, 128)).outputs, (2, 4, 8, 16, 16), strict=True
        ):
            assert map_geometry.stride == stride
            assert map_geometry.center == 0


def test_only_blocks_beyond_the_output_stride_are_dilated() -> None:
    with torch.device("meta"):
        network = AlignedXception(65, output_stride=16)
    rates = [block.stack.conv1.conv_dw.dilation[0] for block in network.blocks]
    assert rates == [1] * 20 + [2]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ModelError, match="depth 50"):
        AlignedXception(50)
    with pytest.raises(SettingError, match="output_stride is 4"):
        AlignedXception(65, output_stride=4)
