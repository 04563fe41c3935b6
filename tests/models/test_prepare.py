"""A prepared model finds what the model finds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pixelwise.errors import SettingError
from pixelwise.models import DetectionModel, build_model
from pixelwise.models.prepare import prepare


def lively(**options: Any) -> DetectionModel:
    torch.manual_seed(0)
    model = build_model("mask_rcnn", classes=3, proposals=50, detections=20, nms=0.9, score=0.0, **options)
    assert isinstance(model, DetectionModel)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    for layer, deviation in ((model.network.heads.box_head.cls_score, 1.0), (model.network.rpn.head.cls_logits, 0.5)):
        nn.init.normal_(layer.weight, std=deviation)
    return model.eval()


@pytest.mark.parametrize(
    "options",
    [
        {"encoder": "test_resnet"},
        {"encoder": "test_resnet", "norm": "frozen", "form": "torchvision"},
        {"encoder": "mobilenetv3_small_050"},
        {"encoder": "resnet18", "neck": "c4"},
    ],
    ids=["fpn", "frozen", "norms with activations", "c4"],
)
def test_a_prepared_model_finds_the_same(options: dict[str, Any]) -> None:
    model = lively(**options)
    images = torch.randn(1, 3, 100, 130, dtype=torch.float64)
    (expected,) = model.double()(images)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prepared = prepare(model, dtype=torch.float64)
    (found,) = prepared(images)
    assert len(expected.boxes) > 5
    torch.testing.assert_close(tuple(found), tuple(expected), rtol=1e-6, atol=1e-6)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    norms = [part for part in prepared.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(norms) < len([part for part in model.modules() if isinstance(part, nn.BatchNorm2d)])
    # In float32 the native kernels read the regions; the order of close scores may then change.
    (single,) = prepare(model, dtype=torch.float32)(images.float())
    overlap = [
        bool(((single.boxes - box).abs().amax(1) < 0.1)[single.labels == label].any())
        for box, label in zip(expected.boxes.float(), expected.labels, strict=True)
    ]
    assert sum(overlap) >= 0.9 * len(overlap)


def test_bfloat16_gives_boxes_in_float32() -> None:
    (found,) = prepare(lively(encoder="test_resnet"), dtype=torch.bfloat16)(torch.randn(1, 3, 64, 64))
    assert found.masks is not None
    assert (found.boxes.dtype, found.scores.dtype, found.masks.dtype) == (torch.float32,) * 3
    assert found.boxes.isfinite().all()


@pytest.mark.parametrize("name", ["unet", "deeplabv3plus", "fcn", "unet2015", "segnet_basic", "deeplabv3"])
def test_the_plain_form_holds_operators_of_torch_alone(name: str) -> None:
    torch.manual_seed(0)
    options = {"width": 0.125} if name == "unet2015" else {}
    model = build_model(name, classes=3, **options).eval()
    images = torch.randn(1, 3, model.geometry.input_size(64), model.geometry.input_size(96))
    plain = prepare(model, form="plain")
    exported = torch.export.export(plain.network, (images,), strict=False)
    called = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert {target for target in called if "aten." not in target and "getitem" not in target} == set()
    assert not any("batch_norm" in target for target in called)
    with torch.no_grad():
        torch.testing.assert_close(plain.network(images), model.network(images), rtol=1e-3, atol=1e-4)
        fast = prepare(model)
        torch.testing.assert_close(fast.network(images), model.network(images), rtol=1e-3, atol=1e-4)


def test_the_plain_form_reads_regions_with_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    model = lively(encoder="test_resnet")
    images = torch.randn(1, 3, 100, 130)
    (expected,) = prepare(model)(images)

    def never(*_: Any) -> None:
        raise AssertionError("a kernel of our own was asked for")

    monkeypatch.setattr("pixelwise.detection.roi.native_for", never)
    plain = prepare(model, form="plain")
    (found,) = plain(images)
    overlap = [
        bool(((found.boxes - box).abs().amax(1) < 0.1)[found.labels == label].any())
        for box, label in zip(expected.boxes, expected.labels, strict=True)
    ]
    assert sum(overlap) >= 0.9 * len(overlap) > 4
    assert not any("Winograd" in type(part).__name__ for part in plain.modules())


def test_there_is_no_other_form() -> None:
    with pytest.raises(SettingError, match="form"):
        prepare(lively(encoder="test_resnet"), form="folded")  # type: ignore[type-var]
