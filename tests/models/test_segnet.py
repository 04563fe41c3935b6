from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from pixelwise.errors import ModelError
from pixelwise.models.segnet import fill_from_vgg16_bn, segnet_basic_network, segnet_network


def parameters(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())


@pytest.mark.parametrize(("classes", "count"), [(11, 29_449_355), (12, 29_449_932), (21, 29_455_125), (37, 29_464_357)])
def test_segnet_has_the_published_parameters(classes: int, count: int) -> None:
    with torch.device("meta"):
        network = segnet_network(3, classes)
    assert parameters(network) == count
    assert parameters(network.down) == 14_723_136


def test_segnet_basic_has_the_parameters_of_the_released_network() -> None:
    with torch.device("meta"):
        assert parameters(segnet_basic_network(3, 11)) == 1_416_587


@pytest.mark.parametrize("build", [segnet_network, segnet_basic_network])
@pytest.mark.parametrize("size", [(360, 480), (33, 47), (32, 64)])
def test_scores_have_the_size_of_the_picture(build: type, size: tuple[int, int]) -> None:
    with torch.device("meta"):
        assert build(3, 5, width=0.1)(torch.empty(2, 3, *size)).shape == (2, 5, *size)


def test_the_published_sizes_are_passed_on_the_way() -> None:
    with torch.device("meta"):
        deepest, pools = segnet_network(3, 11, width=0.1).encode(torch.empty(1, 3, 360, 480))
    assert [size for _, size in pools] == [(360, 480), (180, 240), (90, 120), (45, 60), (23, 30)]
    assert deepest.shape[2:] == (12, 15)


@torch.no_grad()
def test_maxima_return_to_where_they_were() -> None:
    """With its convolutions taken out, what remains keeps the maximum of each 16x16 block in its place."""
    network = segnet_basic_network(1, 1, width=1 / 64)
    for stage in (*network.down, *network.up):
        for part in list(stage._modules):
            stage._modules[part] = nn.Identity()
    network.stem, network.score = nn.Identity(), nn.Identity()
    images = torch.rand(1, 1, 33, 48, dtype=torch.float64)  # 33 rows: the last is a block of its own
    kept = network(images)
    assert kept.shape == images.shape
    for top in range(0, 33, 16):
        for left in range(0, 48, 16):
            block, found = (maps[0, 0, top : top + 16, left : left + 16] for maps in (images, kept))
            assert (found != 0).sum() == 1
            assert found[block == block.max()] == block.max()


@torch.no_grad()
def test_the_way_down_is_torchvisions_vgg16_with_batch_norm() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.vgg16_bn().double().eval()
    for part in reference.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    ours = segnet_network(3, 11).double().eval()
    fill_from_vgg16_bn(ours, reference.state_dict())
    images = torch.rand(1, 3, 32, 64, dtype=torch.float64)
    torch.testing.assert_close(ours.encode(images)[0], reference.features(images), rtol=1e-10, atol=1e-10)


def test_weights_that_do_not_fit_are_named() -> None:
    tensors = torchvision.models.vgg11_bn().state_dict()
    with pytest.raises(ModelError, match=r"features\.3\.weight.*vgg16_bn"):
        fill_from_vgg16_bn(segnet_network(3, 11), tensors)
    with pytest.raises(ModelError, match=r"features\.0\.weight.*width 1"):
        fill_from_vgg16_bn(segnet_network(3, 11, width=0.5), torchvision.models.vgg16_bn().state_dict())


def test_weights_start_as_he_has_it() -> None:
    torch.manual_seed(0)
    network = segnet_network(3, 11, width=0.5)
    deep = network.up[0][1][0]
    assert deep.weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.02)


def test_the_way_up_of_segnet_basic_has_no_relu() -> None:
    network = segnet_basic_network(3, 11)
    assert [sum(isinstance(part, nn.ReLU) for part in way.modules()) for way in (network.down, network.up)] == [4, 0]


@pytest.mark.parametrize("build", [segnet_network, segnet_basic_network])
def test_every_parameter_learns_in_bfloat16_too(build: type) -> None:
    network = build(3, 5, width=0.1)
    images = torch.rand(2, 3, 45, 61).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        scores = network.to(memory_format=torch.channels_last)(images)
    scores.float().square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
