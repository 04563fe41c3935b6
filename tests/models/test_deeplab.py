"""The DeepLab family: published counts, and parity with the networks of other libraries."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise import build_model
from pixelwise.errors import ModelError, SettingError
from pixelwise.models import SegmentationModel, load_model, save_model
from pixelwise.models.importing.deeplab_names import (
    deeplabv3_from_smp,
    deeplabv3_from_torchvision,
    deeplabv3plus_from_smp,
    fcn_from_torchvision,
)
from pixelwise.nn.tracing.trace import trace


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def built_without_values(name: str, classes: int = 21, **options: Any) -> SegmentationModel:
    with torch.device("meta"):
        return build_model(name, classes=classes, **options)


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("deeplabv1", {}, 20_505_429),
        ("deeplabv1", {"classes": 11}, 20_495_179),
        ("deeplabv2", {}, 44_048_532),
        ("deeplabv2", {"trunk": "vgg16"}, 37_877_652),
        ("deeplabv3", {"form": "torchvision", "trunk": "resnet50"}, 39_638_869),
        ("deeplabv3", {"form": "torchvision", "trunk": "resnet101"}, 58_630_997),
        ("deeplabv3", {"form": "torchvision", "trunk": "resnet50", "auxiliary": True}, 42_004_074),
        ("deeplabv3", {"form": "torchvision", "trunk": "resnet101", "auxiliary": True}, 60_996_202),
        ("deeplabv3", {"form": "torchvision", "trunk": "mobilenetv3_large_100", "auxiliary": True}, 11_029_328),
        ("deeplabv3", {"form": "smp", "trunk": "resnet50"}, 39_638_869),
        ("fcn_dilated", {"trunk": "resnet50"}, 32_957_013),
        ("fcn_dilated", {"trunk": "resnet101"}, 51_949_141),
        ("fcn_dilated", {"trunk": "resnet50", "auxiliary": True}, 35_322_218),
        ("fcn_dilated", {"trunk": "resnet101", "auxiliary": True}, 54_314_346),
        ("deeplabv3plus", {"form": "smp", "encoder": "resnet101_atrous"}, 45_674_853),
    ],
)
def test_parameters_are_the_published_ones(name: str, options: dict[str, Any], count: int) -> None:
    assert parameters(built_without_values(name, **options)) == count


def multiply_adds(model: SegmentationModel, side: int) -> float:
    return trace(model.network, (1, 3, side, side)).multiply_adds / 1e9


def test_multiply_adds_are_the_published_ones() -> None:
    assert multiply_adds(built_without_values("deeplabv1"), 321) == pytest.approx(50.9, abs=0.05)
    assert multiply_adds(built_without_values("deeplabv1"), 513) == pytest.approx(128.6, abs=0.05)
    smp = built_without_values("deeplabv3plus", form="smp", encoder="resnet101_atrous")
    assert multiply_adds(smp, 512) == pytest.approx(56.0, abs=0.05)
    separable = built_without_values("deeplabv3plus", form="paper", encoder="aligned_xception65")
    assert multiply_adds(separable, 513) == pytest.approx(54.17, rel=0.005)  # table 5 of the paper
    torchvision_form = built_without_values("deeplabv3", form="torchvision", auxiliary=True)
    auxiliary_head = 9 * 1024 * 256 * 65**2 / 1e9  # runs at every call there, in training alone here
    assert multiply_adds(torchvision_form, 520) + auxiliary_head == pytest.approx(258.74, rel=0.001)


def test_the_decoder_of_deeplabv3plus_costs_what_table_5_tells() -> None:
    """89.76 - 68.00 thousand millions, between the networks with and without it."""
    model = built_without_values("deeplabv3plus", form="paper", encoder="aligned_xception65", separable=False)
    whole = multiply_adds(model, 513)
    stages = {stage.name: stage for stage in trace(model.network, (1, 3, 513, 513)).stages}
    pyramid = stages["encoder.stem"].multiply_adds + stages["decoder.aspp"].multiply_adds
    blocks = trace(model.network.encoder, (1, 3, 513, 513)).multiply_adds - stages["encoder.stem"].multiply_adds
    head_at_stride_16 = 256 * 21 * 33**2
    assert whole - (pyramid + blocks + head_at_stride_16) / 1e9 == pytest.approx(21.76, abs=0.01)


def test_receptive_field_of_largefov() -> None:
    coarse = trace(built_without_values("deeplabv1").network, (1, 3, 321, 321))
    assert coarse.outputs[0].receptive_field == 419
    assert coarse.shapes[0] == (1, 21, 41, 41)


@pytest.mark.parametrize("name", ["deeplabv1", "deeplabv2", "deeplabv3"])
def test_cells_lie_on_pixels_that_are_multiples_of_the_stride(name: str) -> None:
    """Pixel 0, stride, 2 * stride, ... of the full-size logits are those of the cells themselves."""
    torch.manual_seed(0)
    model = build_model(name, classes=3, width=1 / 32).eval()
    images = torch.randn(1, 3, 64, 80)
    with torch.no_grad():
        full, coarse = model(images), model.coarse(images).logits
    step = model.stride
    torch.testing.assert_close(full[:, :, ::step, ::step], coarse[:, :, : 64 // step, : 80 // step])


def randomised(network: nn.Module) -> nn.Module:
    """Give batch norms statistics and scales that a tensor in a wrong place would show."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.0)
            nn.init.normal_(part.bias, std=0.1)
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.8, 1.2)
    return network.double().eval()


def assert_parity(ours: SegmentationModel, reference: Tensor, images: Tensor) -> None:
    with torch.no_grad():
        found = ours.double().eval()(images)
    assert reference.abs().max() > 1e-3
    torch.testing.assert_close(found, reference, rtol=1e-5, atol=1e-9 * float(reference.abs().max()))


@pytest.mark.parametrize(
    ("trunk", "auxiliary"),
    [
        ("resnet50", False),
        ("resnet50", True),
        ("resnet101", False),
        ("mobilenet_v3_large", False),
        ("mobilenet_v3_large", True),
    ],
)
def test_deeplabv3_computes_what_torchvision_computes(trunk: str, auxiliary: bool) -> None:
    segmentation = pytest.importorskip("torchvision.models.segmentation")
    torch.manual_seed(0)
    reference = randomised(
        segmentation.__dict__[f"deeplabv3_{trunk}"](
            weights=None, weights_backbone=None, num_classes=4, aux_loss=auxiliary
        )
    )
    name = "mobilenetv3_large_100" if trunk.startswith("mobilenet") else trunk
    ours = build_model("deeplabv3", classes=4, form="torchvision", trunk=name, auxiliary=auxiliary)
    ours.network.load_state_dict(deeplabv3_from_torchvision(reference.state_dict()))
    for size in [(64, 72), (61, 75)]:
        images = torch.randn(1, 3, *size, dtype=torch.float64)
        with torch.no_grad():
            expected = reference(images)
        assert_parity(ours, expected["out"], images)
    if auxiliary:
        assert_auxiliary_parity(ours, expected["aux"], images)


def assert_auxiliary_parity(ours: SegmentationModel, reference: Tensor, images: Tensor) -> None:
    network = ours.network
    with torch.no_grad():
        second = network.auxiliary(network.encoder(images)[network.auxiliary_map])
    full = F.interpolate(second, images.shape[2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(full, reference, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(("trunk", "stretch"), [("resnet50", True), ("resnet50", False), ("resnet101", False)])
def test_fcn_computes_what_torchvision_computes(trunk: str, stretch: bool) -> None:
    segmentation = pytest.importorskip("torchvision.models.segmentation")
    torch.manual_seed(0)
    reference = randomised(
        segmentation.__dict__[f"fcn_{trunk}"](weights=None, weights_backbone=None, num_classes=3, aux_loss=True)
    )
    ours = build_model("fcn_dilated", classes=3, trunk=trunk, auxiliary=True, stretch=stretch)
    ours.network.load_state_dict(fcn_from_torchvision(reference.state_dict()))
    images = torch.randn(1, 3, *((61, 75) if stretch else (64, 72)), dtype=torch.float64)
    with torch.no_grad():
        expected = reference(images)
    assert_parity(ours, expected["out"], images)
    assert_auxiliary_parity(ours, expected["aux"], images)


@pytest.mark.parametrize(("trunk", "output_stride"), [("resnet18", 8), ("resnet50", 16)])
def test_deeplabv3_computes_what_smp_computes(trunk: str, output_stride: int) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    reference = randomised(smp.DeepLabV3(trunk, encoder_weights=None, encoder_output_stride=output_stride, classes=4))
    ours = build_model("deeplabv3", classes=4, form="smp", trunk=trunk, output_stride=output_stride)
    ours.network.load_state_dict(deeplabv3_from_smp(reference.state_dict()))
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        expected = reference(images)
    assert_parity(ours, expected, images)


@pytest.mark.parametrize("trunk", ["resnet18", "resnet50"])
def test_deeplabv3plus_computes_what_smp_computes(trunk: str) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    reference = randomised(smp.DeepLabV3Plus(trunk, encoder_weights=None, classes=4))
    ours = build_model("deeplabv3plus", classes=4, form="smp", encoder=f"{trunk}_atrous")
    ours.network.load_state_dict(deeplabv3plus_from_smp(reference.state_dict()))
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        expected = reference(images)
    assert_parity(ours, expected, images)


def test_paper_form_reads_tensorflow_positions_on_sizes_of_16k_plus_1() -> None:
    """What the authors ran: 65 pixels, 5 deep cells, 17 finer ones, all resizing with aligned corners."""
    torch.manual_seed(0)
    model = build_model("deeplabv3plus", classes=3, form="paper", encoder="resnet18_multigrid", decoder_channels=16)
    network = model.double().eval().network
    decoder = network.decoder
    images = torch.randn(1, 3, 65, 65, dtype=torch.float64)
    with torch.no_grad():
        maps = network.encoder(images)
        deep = F.interpolate(decoder.aspp(maps[-1]), (17, 17), mode="bilinear", align_corners=True)
        expected = network.head(decoder.refine(torch.cat([deep, decoder.reduce(maps[1])], 1)))
        torch.testing.assert_close(model.valid(images), expected, rtol=1e-9, atol=1e-12)
    assert maps[-1].shape[2:] == (5, 5)
    # On the picture itself, too, cell i lies on pixel 4 * i.
    assert (model.coarse(images).scale, model.coarse(images).offset) == (0.25, 0.0)


def test_scales_take_the_largest_score() -> None:
    torch.manual_seed(0)
    options = {"width": 1 / 32, "scales": (1.0, 0.75, 0.5)}
    model = build_model("deeplabv2", classes=3, **options).eval()
    single = build_model("deeplabv2", classes=3, width=1 / 32).eval()
    single.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        fused = model.valid(images)
        by_scale = []
        for side in (64, 48, 32):
            resized = F.interpolate(images, (side, side), mode="bilinear", align_corners=False)
            by_scale.append(F.interpolate(single.valid(resized), fused.shape[2:], mode="bilinear", align_corners=False))
    torch.testing.assert_close(fused, torch.stack(by_scale).amax(0))
    assert (fused != by_scale[0]).any()
    model.train()
    assert [scores.shape[2:] for scores in model.coarse(images).auxiliary] == [(9, 9), (7, 7), (5, 5)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deeplabv1", {"width": 1 / 32}),
        ("deeplabv2", {"width": 1 / 32, "atrous_rates": (2, 4, 8, 12)}),
        ("deeplabv2", {"width": 1 / 32, "trunk": "vgg16", "scales": (1, 0.5)}),
        ("deeplabv3", {"width": 1 / 32, "output_stride": 8, "auxiliary": True}),
        ("deeplabv3", {"width": 1 / 32, "form": "smp", "trunk": "resnet34"}),
        ("fcn_dilated", {"width": 1 / 32, "auxiliary": True}),
        ("deeplabv3plus", {"form": "paper", "encoder": "aligned_xception41", "decoder_channels": 8}),
        ("deeplabv3plus", {"form": "smp", "encoder": "resnet18", "decoder_channels": 8, "separable": False}),
    ],
)
def test_forms_take_any_size_train_and_are_saved(name: str, options: dict[str, Any], tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = build_model(name, classes=3, in_channels=2, **options)
    result = model.train().coarse(torch.randn(2, 2, 37, 53))
    loss = F.interpolate(result.logits, (37, 53)).square().mean()
    for extra in result.auxiliary:
        loss = loss + extra.square().mean()
    loss.backward()
    assert not [key for key, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path)
    images = torch.randn(1, 2, 50, 41)
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), model.eval()(images), rtol=0, atol=0)


def test_deeplabv3_at_output_stride_8_doubles_its_rates() -> None:
    def rates(**options: Any) -> list[int]:
        pyramid = built_without_values("deeplabv3", **options).network.decoder[0]
        return [branch[0].dilation[0] for branch in pyramid.branches]

    assert rates() == [1, 6, 12, 18]
    assert rates(output_stride=8) == [1, 12, 24, 36]
    assert rates(output_stride=16, form="smp") == [1, 12, 24, 36]
    assert rates(atrous_rates=(1, 2)) == [1, 1, 2]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(SettingError, match=r"papers.*paper"):
        build_model("deeplabv3", classes=2, form="papers")
    with pytest.raises(SettingError, match=r"practcal.*practical"):
        build_model("deeplabv3plus", classes=2, form="practcal")
    with pytest.raises(ModelError, match=r"resnet51.*resnet50"):
        build_model("fcn_dilated", classes=2, trunk="resnet51")
    with pytest.raises(SettingError, match="output stride 16"):
        build_model("deeplabv3", classes=2, trunk="mobilenetv3_large_100")
    with pytest.raises(SettingError, match="vgg19"):
        build_model("deeplabv2", classes=2, trunk="vgg19")
    with pytest.raises(SettingError, match=r"scales are \(0.5,\)"):
        build_model("deeplabv2", classes=2, scales=(0.5,))
    with pytest.raises(SettingError, match="atrous_rates"):
        build_model("deeplabv2", classes=2, atrous_rates=())
    with pytest.raises(ModelError, match=r"inception_v3.*practical"), torch.device("meta"):
        build_model("deeplabv3plus", classes=2, form="paper", encoder="inception_v3")
