"""Faster and Mask R-CNN compute what torchvision's compute with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.detection import FasterRCNN, MaskRCNN, fasterrcnn_resnet50_fpn, maskrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops import FrozenBatchNorm2d

from pixelwise.detection.rpn import ProposalNetwork
from pixelwise.errors import ModelError, SettingError
from pixelwise.models import DetectionModel, build_model
from pixelwise.models.importing.importer import import_checkpoint, import_tensors
from pixelwise.ops.object_targets import ObjectTarget

SIZE = (192, 288)
PLAIN: dict[str, Any] = {"image_mean": [0, 0, 0], "image_std": [1, 1, 1], "min_size": 192, "max_size": 288}


def spread(network: nn.Module) -> nn.Module:
    """Give a fresh network norms that do something, and scores that differ."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d | FrozenBatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.1)
            nn.init.normal_(part.bias, 0, 0.1)
    for name, deviation in (("cls_score", 0.3), ("bbox_pred", 0.03), ("cls_logits", 0.05), ("mask_fcn_logits", 0.1)):
        for path, part in network.named_modules():
            if path.endswith(name):
                nn.init.normal_(part.weight, 0, deviation)
    return network


@pytest.fixture(scope="module")
def theirs() -> Any:
    torch.manual_seed(0)
    return spread(maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, **PLAIN)).double().eval()


@pytest.fixture(scope="module")
def ours(theirs: Any) -> DetectionModel:
    imported = import_tensors(theirs.state_dict(), "maskrcnn_resnet50_fpn")
    assert isinstance(imported.model, DetectionModel)
    return imported.model.double()


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def test_detections_equal_torchvisions(theirs: Any, ours: DetectionModel) -> None:
    torch.manual_seed(1)
    images = torch.rand(1, 3, *SIZE, dtype=torch.float64)
    masks: list[Tensor] = []
    handle = theirs.roi_heads.mask_predictor.register_forward_hook(lambda _, __, logits: masks.append(logits))
    with torch.no_grad():
        (expected,) = theirs(list(images))
    handle.remove()
    (found,) = ours(images)
    assert len(found.boxes) == len(expected["boxes"]) > 50
    assert torch.equal(found.labels, expected["labels"] - 1)
    assert relative(found.boxes, expected["boxes"]) < 1e-5
    assert relative(found.scores, expected["scores"]) < 1e-5
    chosen = masks[0][torch.arange(len(found.labels)), expected["labels"]].sigmoid()
    assert found.masks is not None
    assert relative(found.masks, chosen) < 1e-5


def test_raw_heads_equal_torchvisions(theirs: Any, ours: DetectionModel) -> None:
    torch.manual_seed(2)
    images = torch.rand(2, 3, *SIZE, dtype=torch.float64)
    boxes = [torch.tensor([[5.0, 7, 100, 90], [0, 0, 288, 192], [40, 40, 44, 45]], dtype=torch.float64)] * 2
    with torch.no_grad():
        features = theirs.backbone(images)
        maps = ours.network.trunk(images)
        for a, b in zip(maps, features.values(), strict=True):
            assert relative(a, b) < 1e-5
        pooled = theirs.roi_heads.box_roi_pool(features, boxes, [SIZE] * 2)
        logits, deltas = theirs.roi_heads.box_predictor(theirs.roi_heads.box_head(pooled))
        found = ours.network.heads(maps, boxes)
        assert relative(found[0], logits) < 1e-5
        assert relative(found[1].flatten(1), deltas) < 1e-5
        objectness, steps = theirs.rpn.head(list(features.values()))
        scores, moved = ours.network.rpn(maps)
        assert relative(scores[2], objectness[2].permute(0, 2, 3, 1).flatten(1)) < 1e-5
        assert relative(moved[2], steps[2].permute(0, 2, 3, 1).reshape(2, -1, 4)) < 1e-5


def test_losses_equal_torchvisions(theirs: Any, ours: DetectionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both draw their samples in the same order from the same generator."""
    torch.manual_seed(3)
    images = torch.rand(2, 3, *SIZE, dtype=torch.float64)
    layers = torch.zeros(1, *SIZE, dtype=torch.int32)
    layers[0, 20:80, 30:100], layers[0, 100:180, 150:280] = 1, 2
    boxes = torch.tensor([[30.0, 20, 100, 80], [150, 100, 280, 180]], dtype=torch.float64)
    target = ObjectTarget(boxes, torch.tensor([3, 50]), layers, torch.zeros(2).long(), torch.tensor([1, 2]).int())
    empty = ObjectTarget(boxes[:0], target.labels[:0], layers[:0], target.layer[:0], target.ids[:0])
    masks = torch.stack([layers[0] == 1, layers[0] == 2]).to(torch.uint8)
    wanted = [
        {"boxes": boxes, "labels": target.labels + 1, "masks": masks},
        {"boxes": boxes[:0], "labels": target.labels[:0], "masks": masks[:0]},
    ]
    for part in (*theirs.modules(), *ours.modules()):
        part.training = not isinstance(part, nn.BatchNorm2d)  # as frozen
    monkeypatch.setattr(theirs.transform, "training", False)
    # In training the network here keeps 2000 proposals as theirs does, in the same order.
    assert isinstance(ours.network.rpn, ProposalNetwork)
    try:
        torch.manual_seed(4)
        expected = theirs(list(images), wanted)
        torch.manual_seed(4)
        found = ours.losses(images, [target, empty])
    finally:
        theirs.eval()
        ours.eval()
    names = {
        "objectness": "loss_objectness",
        "proposal_boxes": "loss_rpn_box_reg",
        "classes": "loss_classifier",
        "boxes": "loss_box_reg",
        "masks": "loss_mask",
    }
    for name, loss in found.items():
        assert loss.item() == pytest.approx(expected[names[name]].item(), rel=1e-5), name


def test_as_many_parameters_learn_as_in_torchvision() -> None:
    frozen = {"classes": 90, "encoder": "resnet50", "norm": "frozen"}
    with torch.device("meta"):
        counts = {
            name: sum(p.numel() for p in build_model(name, **frozen).parameters())
            for name in ("mask_rcnn", "faster_rcnn")
        }
        backbone = _resnet_fpn_extractor(resnet50(norm_layer=FrozenBatchNorm2d), 5)
        for network, name in ((MaskRCNN, "mask_rcnn"), (FasterRCNN, "faster_rcnn")):
            assert sum(p.numel() for p in network(backbone, 91).parameters()) == counts[name]
    assert counts == {"mask_rcnn": 44_401_393, "faster_rcnn": 41_755_286}


def test_a_checkpoint_becomes_a_model_file(tmp_path: Path) -> None:
    torch.manual_seed(5)
    network = spread(fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3, **PLAIN)).eval()
    torch.save(network.state_dict(), tmp_path / "a.pth")
    imported = import_checkpoint(tmp_path / "a.pth", "fasterrcnn_resnet50_fpn")
    assert (imported.model.name, len(imported.model.label_space)) == ("faster_rcnn", 2)
    assert "norm_eps=1e-05" in imported.notes[0]
    with pytest.raises(ModelError, match=r"mask_head.*no tensor of the checkpoint fits"):
        import_checkpoint(tmp_path / "a.pth", "maskrcnn_resnet50_fpn")
    with pytest.raises(SettingError, match="2"):
        import_tensors(network.state_dict(), "fasterrcnn_resnet50_fpn", label_space=imported.model.label_space.of(5))
