from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import vgg16

from pixelwise.encoders.vgg import VGG16, vgg16_from_torchvision
from pixelwise.errors import ModelError, SettingError
from pixelwise.geometry import Geometry
from pixelwise.listener import Silent
from pixelwise.models import SegmentationModel, save_model
from pixelwise.models.build import build_model
from pixelwise.models.fcn2015 import FCN2015, crop_offset, start_from_coarser, start_from_vgg16
from pixelwise.nn.tracing.trace import trace
from pixelwise.training.initial_weights import fill_weights

NARROW = 1 / 32
"""Width at which a network runs in milliseconds."""

VGG_NAMES = ("fcn32s", "fcn16s", "fcn8s", "fcn8s_at_once")
NAMES = (*VGG_NAMES, "fcn_alexnet")


def narrow(name: str, *, classes: int = 3, **options: Any) -> SegmentationModel:
    """A small network in double precision whose scores are not zero."""
    torch.manual_seed(0)
    model = build_model(name, classes=classes, width=NARROW, **options).double().eval()
    for key, part in model.named_modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.bias, std=0.1)  # type: ignore[arg-type]
        if key.rpartition(".")[2].startswith("score_"):
            nn.init.normal_(part.weight, std=1.0)  # type: ignore[arg-type]
    return model


def deconvolve(scores: Tensor, kernel: int, stride: int) -> Tensor:
    """The deconvolution of the Caffe models: all pairs of classes, kernels only on the diagonal, by its formula."""
    factor = (kernel + 1) // 2
    centre = factor - 1 if kernel % 2 else factor - 0.5
    tent = 1 - (torch.arange(kernel, dtype=scores.dtype) - centre).abs() / factor
    classes = scores.shape[1]
    weight = torch.zeros(classes, classes, kernel, kernel, dtype=scores.dtype)
    weight[range(classes), range(classes)] = tent[:, None] * tent[None, :]
    return F.conv_transpose2d(scores, weight, stride=stride)


def caffe(name: str, tensors: dict[str, Tensor], images: Tensor) -> Tensor:
    """The reference networks, written out with the numbers that their Caffe definitions hold."""

    def conv(key: str, features: Tensor, **options: Any) -> Tensor:
        return F.conv2d(features, tensors[f"{key}.weight"], tensors[f"{key}.bias"], **options)

    def crop(features: Tensor, offset: int, to: Tensor) -> Tensor:
        cropped = features[:, :, offset : offset + to.shape[2], offset : offset + to.shape[3]]
        assert cropped.shape[2:] == to.shape[2:]
        return cropped

    features, pools = images, []
    if name == "fcn_alexnet":
        features = F.max_pool2d(F.relu(conv("trunk.conv1", features, stride=4, padding=100)), 3, 2, ceil_mode=True)
        features = F.local_response_norm(features, 5, 1e-4, 0.75)
        features = F.max_pool2d(F.relu(conv("trunk.conv2", features, padding=2, groups=2)), 3, 2, ceil_mode=True)
        features = F.local_response_norm(features, 5, 1e-4, 0.75)
        features = F.relu(conv("trunk.conv3", features, padding=1))
        features = F.relu(conv("trunk.conv4", features, padding=1, groups=2))
        features = F.relu(conv("trunk.conv5", features, padding=1, groups=2))
        pools = [F.max_pool2d(features, 3, 2, ceil_mode=True)]
    else:
        for block, count in enumerate((2, 2, 3, 3, 3), start=1):
            for index in range(1, count + 1):
                padding = 100 if (block, index) == (1, 1) else 1
                features = F.relu(conv(f"trunk.conv{block}_{index}", features, padding=padding))
            features = F.max_pool2d(features, 2, 2, ceil_mode=True)
            pools.append(features)
    scores = conv("score_fr", F.relu(conv("fc7", F.relu(conv("fc6", pools[-1])))))
    if name == "fcn_alexnet":
        return crop(deconvolve(scores, 63, 32), 18, images)
    if name == "fcn32s":
        return crop(deconvolve(scores, 64, 32), 19, images)
    at_once = name == "fcn8s_at_once"
    scores = deconvolve(scores, 4, 2)
    scores = scores + crop(conv("score_pool4", pools[3] * (0.01 if at_once else 1)), 5, scores)
    if name == "fcn16s":
        return crop(deconvolve(scores, 32, 16), 27, images)
    scores = deconvolve(scores, 4, 2)
    scores = scores + crop(conv("score_pool3", pools[2] * (0.0001 if at_once else 1)), 9, scores)
    return crop(deconvolve(scores, 16, 8), 31, images)


@pytest.mark.parametrize("size", [(64, 96), (128, 64)])
@pytest.mark.parametrize("name", NAMES)
def test_the_fused_tail_equals_the_deconvolution_and_its_crop(name: str, size: tuple[int, int]) -> None:
    model = narrow(name)
    images = torch.randn(1, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        logits, expected = model(images), caffe(name, dict(model.network.state_dict()), images)
    assert logits.std() > 0.01
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("full_kernels", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_learnt_kernels_start_as_the_fixed_ones_at_any_size(name: str, full_kernels: bool) -> None:
    model = narrow(name, learnt="all", full_kernels=full_kernels)
    assert model.stride == 1
    for size in ((50, 71), (1, 33)):
        images = torch.randn(1, 3, *size, dtype=torch.float64)
        with torch.no_grad():
            logits = model.network(images)
            expected = caffe(name, dict(model.network.state_dict()), images)
        torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_every_size_up_to_two_periods_is_covered(name: str) -> None:
    with torch.device("meta"):
        network = build_model(name, classes=2, width=NARROW, learnt="all").network
        for side in range(1, 65):
            assert network(torch.empty(1, 3, side, 65 - side)).shape[2:] == (side, 65 - side)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("fcn32s", (134_346_581, 136_152_917)),
        ("fcn16s", (134_357_354, 134_815_994)),
        ("fcn8s", (134_362_751, 134_489_759)),
        ("fcn8s_at_once", (134_362_751, 134_489_759)),
        ("fcn_alexnet", (56_954_261, 58_704_590)),
    ],
)
def test_parameters_are_those_of_the_papers(name: str, counts: tuple[int, int]) -> None:
    def count(**options: Any) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in build_model(name, classes=21, **options).parameters())

    assert (count(), count(learnt="all", full_kernels=True)) == counts


def test_parameters_at_eleven_classes() -> None:
    with torch.device("meta"):
        model = build_model("fcn8s", classes=11)
    assert sum(p.numel() for p in model.parameters()) == 134_314_081


def test_offsets_follow_from_the_geometry() -> None:
    with torch.device("meta"):
        networks = [build_model(name, classes=2, width=NARROW).network for name in NAMES]
    assert [network.crops for network in networks] == [[], [5], [5, 9], [5, 9], []]
    assert [network.last_crop for network in networks] == [19, 27, 31, 31, 18]
    # Where the deepest scores lie, and what one of them reads.
    fc6 = VGG16(width=NARROW, first_padding=100, ceil_pools=True).geometries[-1].conv(7)
    assert float(fc6.center) == 12.5
    assert fc6.receptive_field == 404
    # Another trunk has other offsets: with the usual padding of 1 the scores begin inside the picture.
    unpadded = VGG16(width=NARROW).geometries[-1].conv(7).transposed(64, stride=32)
    with pytest.raises(ModelError, match="cannot be cropped"):
        crop_offset(unpadded, Geometry.identity())


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("fcn32s", {"fc6": 16, "upscore": 544}),
        ("fcn16s", {"fc6": 16, "upscore2": 34, "upscore16": 560}),
        ("fcn8s", {"fc6": 16, "upscore2": 34, "upscore_pool4": 70, "upscore8": 568}),
    ],
)
def test_sizes_of_the_reference_at_500_pixels(name: str, sizes: dict[str, int]) -> None:
    shapes = {}

    def note(part: str) -> Callable[..., None]:
        return lambda _, __, result: shapes.update({part: result.shape[2]})

    with torch.device("meta"):
        network = build_model(name, classes=21, width=NARROW, learnt="all").network
        for part in sizes:
            network.get_submodule(part).register_forward_hook(note(part))
        assert network(torch.empty(1, 3, 500, 500)).shape[2:] == (500, 500)
    assert shapes == sizes


@pytest.mark.parametrize(("classes", "size", "billions"), [(21, (500, 500), 181.5), (11, (360, 480), 139.5)])
def test_multiply_adds_of_fcn8s(classes: int, size: tuple[int, int], billions: float) -> None:
    with torch.device("meta"):
        network = build_model("fcn8s", classes=classes, learnt="all", full_kernels=True).network
    assert round(trace(network, (1, 3, *size)).multiply_adds / 1e9, 1) == billions


@pytest.mark.parametrize("coarser", ["fcn32s", "fcn16s"])
def test_a_stage_starts_from_the_scores_of_the_one_before(coarser: str, tmp_path: Path) -> None:
    before = narrow(coarser)
    after = narrow({"fcn32s": "fcn16s", "fcn16s": "fcn8s"}[coarser])
    assert isinstance(after.network, FCN2015)
    new = "score_pool4" if coarser == "fcn32s" else "score_pool3"
    assert start_from_coarser(after.network, before.network.state_dict()) == [f"{new}.weight", f"{new}.bias"]
    images = torch.randn(1, 3, 96, 128, dtype=torch.float64)
    with torch.no_grad():
        scores, doubled = before.coarse(images).logits, after.coarse(images).logits
        inside = scores[:, :, 1:-1, 1:-1]
        torch.testing.assert_close(doubled, F.pad(deconvolve(inside, 4, 2), (1, 1, 1, 1)), rtol=1e-9, atol=1e-9)
        same = (before(images).argmax(1) == after(images).argmax(1)).double().mean()
    assert same > 0.95

    # The command line takes the same tensors by their names.
    save_model(before.float(), tmp_path / "model.safetensors")
    filled = build_model(after.name, classes=3, width=NARROW)
    fill_weights(filled, str(tmp_path), Silent())
    for key, value in filled.network.state_dict().items():
        torch.testing.assert_close(value, after.network.state_dict()[key].float())


def test_stages_of_other_networks_are_refused() -> None:
    network = build_model("fcn16s", classes=3, width=NARROW).network
    assert isinstance(network, FCN2015)
    with pytest.raises(ModelError, match=r"score_fr"):
        start_from_coarser(network, build_model("fcn32s", classes=4, width=NARROW).network.state_dict())
    with pytest.raises(ModelError, match=r"trunk\.conv"):
        start_from_coarser(network, build_model("fcn_alexnet", classes=3, width=NARROW).network.state_dict())
    with pytest.raises(SettingError, match="inner"):
        build_model("fcn16s", classes=3, width=NARROW, learnt="some")


def test_torchvisions_classifier_fills_all_but_the_scores() -> None:
    with torch.device("meta"):
        published = vgg16().state_dict()
        network = build_model("fcn8s", classes=2).network
    filled = {key if key.startswith("fc") else f"trunk.{key}" for key in vgg16_from_torchvision(published)}
    scores = {f"{name}.{leaf}" for name in ("score_fr", "score_pool4", "score_pool3") for leaf in ("weight", "bias")}
    assert filled | scores == set(network.state_dict())

    # The same names at a width that runs.
    source, target = (build_model("fcn8s", classes=2, width=NARROW).network for _ in range(2))
    assert isinstance(source, FCN2015)
    assert isinstance(target, FCN2015)
    places = [key for key in published if not key.startswith("classifier.6")]
    names = [key for key in source.state_dict() if not key.startswith("score")]
    narrow_state = dict(zip(places, (source.state_dict()[name] for name in names), strict=True))
    for key in ("classifier.0.weight", "classifier.3.weight"):
        narrow_state[key] = narrow_state[key].flatten(1)
    start_from_vgg16(target, narrow_state)
    for name in names:
        assert torch.equal(target.state_dict()[name], source.state_dict()[name])

    wide = build_model("fcn8s", classes=2, width=2 * NARROW).network
    assert isinstance(wide, FCN2015)
    with pytest.raises(ModelError, match=r"trunk\.conv1_1\.weight"):
        start_from_vgg16(wide, narrow_state)


@pytest.mark.parametrize("learnt", ["fixed", "inner", "all"])
def test_what_trains(learnt: str) -> None:
    model = narrow("fcn8s", learnt=learnt).train()
    kernels = {name.split(".")[1] for name, _ in model.named_parameters() if ".upscore" in name}
    assert kernels == {"fixed": set(), "inner": {"upscore2", "upscore_pool4"}}.get(
        learnt, {"upscore2", "upscore_pool4", "upscore8"}
    )
    model(torch.randn(1, 3, 40, 40, dtype=torch.float64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_dropout_is_element_wise_and_scores_start_equal() -> None:
    torch.manual_seed(0)
    model = build_model("fcn32s", classes=4, width=NARROW)
    seen: list[Tensor] = []
    model.network.score_fr.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    assert not model(torch.randn(1, 3, 320, 320)).any()
    zero = seen[0][0] == 0  # (hidden, h, w)
    mixed = zero.any(dim=(1, 2)) & ~zero.all(dim=(1, 2))
    assert mixed.float().mean() > 0.5  # channels are neither kept nor dropped as a whole
