"""Networks that find objects as exported files: the check that is made when they are written passes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from pixelwise import MODELS, build_model
from pixelwise.detection.trunk import FpnTrunk
from pixelwise.errors import ModelError
from pixelwise.export import export_model, object_graph
from pixelwise.export.pictures import generate
from pixelwise.models import DetectionModel
from pixelwise.preprocessing import Resize

SMALL: dict[str, Any] = {
    "encoder": "test_resnet",
    "channels": 16,
    "head": 32,
    "mask_head": 16,
    "proposals": 50,
    "detections": 20,
}
OBJECTS = sorted(name for name, entry in MODELS.items() if entry.objects)


def calibrate(model: DetectionModel) -> None:
    """Take the statistics of pictures, without which a deep encoder with random weights gives no numbers."""
    for part in model.network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None  # statistics are averaged
    channels, side = model.preprocessing.channels, 6 * model.period
    images = np.stack([generate(channels, number, (side, side)) for number in range(4)])
    pixels = torch.from_numpy(images).float() / 64 - 2
    trunk = model.network.trunk
    with torch.no_grad():
        model.train().network.trunk(pixels)
        if not isinstance(trunk, FpnTrunk):
            return
        for (convolution, *_), features in zip(
            trunk.fpn.layer_blocks, model.eval().network.trunk(pixels), strict=False
        ):
            convolution.weight /= features.std()
            convolution.bias.copy_((convolution.bias - features.mean()) / features.std())


def lively(name: str = "mask_rcnn", *, resize: Resize | None = None, **options: Any) -> DetectionModel:
    """Build a small network that finds objects of several classes and moves its boxes, as trained ones do."""
    torch.manual_seed(0)
    given = {**SMALL, **options}
    if name == "faster_rcnn":
        del given["mask_head"]
    model = build_model(name, classes=3, **given)
    assert isinstance(model, DetectionModel)
    calibrate(model)
    heads, proposals = model.network.heads, model.network.rpn.head
    for layer, deviation in (
        (heads.box_head.cls_score, 0.5),
        (proposals.cls_logits, 0.5),
        (heads.box_head.bbox_pred, 0.2),
        (proposals.bbox_pred, 0.05),
    ):
        nn.init.normal_(layer.weight, std=deviation)
    if heads.mask_head is not None:
        nn.init.normal_(heads.mask_head.logits.weight, std=2.0)
    model.change_card(preprocessing=replace(model.preprocessing, resize=resize))
    return model.eval()


def check(model: DetectionModel, out: Path) -> onnx.ModelProto:
    parity = export_model(model, out).parity
    assert parity.verdict == "equal", parity
    many = max(row.objects for row in parity.rows)
    assert many > 5
    assert [row.objects for row in parity.rows if row.what == "none"] == [0]
    return onnx.load(out)


def run(file: Path, picture: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": picture}), strict=True))


def test_a_network_with_masks_is_exported(tmp_path: Path) -> None:
    graph = check(lively(), tmp_path / "model.onnx")
    assert {node.domain for node in graph.graph.node} == {""}
    assert not graph.functions
    picture = np.ascontiguousarray(generate(3, 0, (97, 131)).transpose(1, 2, 0))[None]
    found = run(tmp_path / "model.onnx", picture)
    count = len(found["boxes"])
    assert count > 5
    shapes = {name: (part.shape, part.dtype) for name, part in found.items()}
    assert shapes == {
        "boxes": ((count, 4), np.float32),
        "labels": ((count,), np.int64),
        "scores": ((count,), np.float32),
        "masks": ((count, 28, 28), np.float32),
    }
    written = json.loads(graph.metadata_props[0].value)
    rows = written["export"]["parity"]["rows"]
    assert len(rows) == 10
    assert [row["objects"] for row in rows if row["what"] == "the best one"] == [1]
    assert written["kind"] == "objects"
    assert written["object_rule"] == {"score": 0.5, "min_area": 0}
    assert written["export"]["parity"]["parity"] == "equal"
    assert written["export"]["mask_side"] == 28


def test_a_network_without_masks_that_resizes_pictures_is_exported(tmp_path: Path) -> None:
    graph = check(lively("faster_rcnn", resize=Resize(160, 300)), tmp_path / "model.onnx")
    assert [output.name for output in graph.graph.output] == ["boxes", "labels", "scores"]


def test_a_picture_without_objects_gives_empty_arrays(tmp_path: Path) -> None:
    model = lively()
    model.network.heads.score = 1.0
    exported = export_model(model, tmp_path / "model.onnx")
    assert exported.parity.verdict == "void"
    found = run(exported.path, np.zeros((1, 40, 50, 3), np.uint8))
    assert {name: part.shape for name, part in found.items()} == {
        "boxes": (0, 4),
        "labels": (0,),
        "scores": (0,),
        "masks": (0, 28, 28),
    }


@pytest.mark.parametrize("fault", ["anchors", "masks"])
def test_a_file_that_differs_is_not_written(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty(object_graph.ObjectNetwork):
        def _anchors(self, level: int, pixels: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
            anchors = super()._anchors(level, pixels, features)
            return anchors + 0.02 if fault == "anchors" else anchors

        def forward(self, pixels: torch.Tensor, size: torch.Tensor) -> tuple[torch.Tensor, ...]:
            *others, masks = super().forward(pixels, size)
            return (*others, masks.flip(2) if fault == "masks" else masks)

    monkeypatch.setattr(object_graph, "ObjectNetwork", Faulty)
    with pytest.raises(ModelError, match=r"model\.onnx: was not written, because it does not find the model's objects"):
        export_model(lively(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize(
    "options",
    [
        {"form": "torchvision"},
        {"roi": "warp"},
        {"roi": "pool", "reduce": "max"},
        {"roi": "align", "reduce": "max"},
        {"in_channels": 1},
        {"encoder": "mobilenetv3_small_050"},
        {"encoder": "resnet18"},
        {"encoder": "resnet18", "neck": "c4"},
        {"encoder": "regnetx_002", "neck": "c4"},
        {"encoder": "inception_v3"},
        {"encoder": "convnext_atto"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_every_form_is_exported(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    check(lively(name, **options), tmp_path / "model.onnx")
