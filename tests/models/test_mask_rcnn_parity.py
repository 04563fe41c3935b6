"""Faster and Mask R-CNN compute what torchvision's compute with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet50
from torchvision.models.detection import FasterRCNN, MaskRCNN, fasterrcnn_resnet50_fpn, maskrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops import FrozenBatchNorm2d

from pixelwise.detection.result import to_instances
from pixelwise.detection.rpn import ProposalNetwork
from pixelwise.errors import ModelError, SettingError
from pixelwise.inference import Predictor
from pixelwise.models import DetectionModel, build_model
from pixelwise.models.importing.importer import import_checkpoint, import_tensors
from pixelwise.ops.object_targets import ObjectTarget
from pixelwise.preprocessing import Resize

SIZE = (192, 288)
NAMES = {
    "objectness": "loss_objectness",
    "proposal_boxes": "loss_rpn_box_reg",
    "classes": "loss_classifier",
    "boxes": "loss_box_reg",
    "masks": "loss_mask",
}
"""Losses here -> those of torchvision."""

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
def reference() -> Any:
    torch.manual_seed(0)
    return spread(maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, **PLAIN)).double().eval()


@pytest.fixture(scope="module")
def ours(reference: Any) -> DetectionModel:
    imported = import_tensors(reference.state_dict(), "maskrcnn_resnet50_fpn", resize="none")
    assert imported.model.preprocessing.resize is None
    assert isinstance(imported.model, DetectionModel)
    return imported.model.double()


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def test_detections_equal_torchvisions(reference: Any, ours: DetectionModel) -> None:
    torch.manual_seed(1)
    images = torch.rand(1, 3, *SIZE, dtype=torch.float64)
    masks: list[Tensor] = []
    handle = reference.roi_heads.mask_predictor.register_forward_hook(lambda _, __, logits: masks.append(logits))
    with torch.no_grad():
        (expected,) = reference(list(images))
    handle.remove()
    (found,) = ours(images)
    assert len(found.boxes) == len(expected["boxes"]) > 50
    assert torch.equal(found.labels, expected["labels"] - 1)
    assert relative(found.boxes, expected["boxes"]) < 1e-5
    assert relative(found.scores, expected["scores"]) < 1e-5
    chosen = masks[0][torch.arange(len(found.labels)), expected["labels"]].sigmoid()
    assert found.masks is not None
    assert relative(found.masks, chosen) < 1e-5


def smooth_picture(height: int, width: int) -> Tensor:
    """Draw a picture with forms of many sizes, uint8 (3, H, W)."""
    generator = torch.Generator().manual_seed(height)
    layers = [
        F.interpolate(torch.rand(1, 3, *cells, generator=generator), (height, width), mode="bicubic")
        for cells in ((5, 7), (14, 20), (40, 50))
    ]
    return (255 * (sum(layers) / len(layers))[0].clamp(0, 1)).to(torch.uint8)


def networks_that_resize(**sizes: int) -> tuple[Any, DetectionModel]:
    """Build torchvision's network with its own defaults, but for the sizes, and import it."""
    torch.manual_seed(6)
    reference = spread(maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=4, **sizes)).eval()
    nn.init.normal_(reference.roi_heads.box_predictor.cls_score.weight, 0, 0.05)  # scores that are not all 1
    options = {"resize": [sizes["min_size"], sizes["max_size"]]} if sizes else {}
    model = import_tensors(reference.state_dict(), "maskrcnn_resnet50_fpn", **options).model
    assert isinstance(model, DetectionModel)
    return reference, model


def check_detections_on_the_picture(reference: Any, ours: DetectionModel, size: tuple[int, int]) -> None:
    """Hold boxes, scores and masks on the picture as it was given against torchvision's, in float32."""
    picture = smooth_picture(*size)
    mean, std = (torch.tensor(values)[:, None, None] for values in (ours.preprocessing.mean, ours.preprocessing.std))
    with torch.inference_mode():
        (expected,) = reference([picture / 255])
        (found,) = ours(((picture / 255 - mean) / std)[None])
    assert len(found.boxes) == len(expected["boxes"]) > 20
    assert expected["scores"].std() > 0.003
    assert torch.equal(found.labels, expected["labels"] - 1)
    torch.testing.assert_close(found.boxes, expected["boxes"], rtol=1e-5, atol=2e-3)
    torch.testing.assert_close(found.scores, expected["scores"], rtol=1e-4, atol=1e-5)
    whole = Predictor(ours, precision="float32", score=0.0)(picture.permute(1, 2, 0).numpy()).objects()
    for objects in (to_instances(found, size), whole):
        assert objects.masks is not None
        assert objects.size == size
        agreeing = 0
        for mask, box, label in zip(objects.masks, objects.boxes, objects.labels, strict=True):
            away = (expected["boxes"] - torch.from_numpy(box)).abs().amax(1) + 1e6 * (expected["labels"] != label + 1)
            number = int(away.argmin())
            filled, wanted = mask.full(), (expected["masks"][number, 0] > 0.5).numpy()
            assert (filled != wanted).sum() <= 0.01 * wanted.sum() + 2
            agreeing += float(away[number]) < 0.01
        assert agreeing == len(objects) == len(expected["boxes"])


@pytest.mark.slow
def test_pictures_are_resized_as_in_torchvision_by_default() -> None:
    reference, ours = networks_that_resize()
    assert ours.preprocessing.resize == Resize(800, 1333)
    for size in ((160, 256), (600, 400), (1100, 1400)):
        check_detections_on_the_picture(reference, ours, size)


def test_pictures_are_resized_as_in_torchvision() -> None:
    reference, ours = networks_that_resize(min_size=160, max_size=266)
    for size in ((32, 51), (120, 80), (220, 280)):
        check_detections_on_the_picture(reference, ours, size)


def test_raw_heads_equal_torchvisions(reference: Any, ours: DetectionModel) -> None:
    torch.manual_seed(2)
    images = torch.rand(2, 3, *SIZE, dtype=torch.float64)
    boxes = [torch.tensor([[5.0, 7, 100, 90], [0, 0, 288, 192], [40, 40, 44, 45]], dtype=torch.float64)] * 2
    with torch.no_grad():
        features = reference.backbone(images)
        maps = ours.network.trunk(images)
        for a, b in zip(maps, features.values(), strict=True):
            assert relative(a, b) < 1e-5
        pooled = reference.roi_heads.box_roi_pool(features, boxes, [SIZE] * 2)
        logits, deltas = reference.roi_heads.box_predictor(reference.roi_heads.box_head(pooled))
        found = ours.network.heads(maps, boxes)
        assert relative(found[0], logits) < 1e-5
        assert relative(found[1].flatten(1), deltas) < 1e-5
        objectness, steps = reference.rpn.head(list(features.values()))
        scores, moved = ours.network.rpn(maps)
        assert relative(scores[2], objectness[2].permute(0, 2, 3, 1).flatten(1)) < 1e-5
        assert relative(moved[2], steps[2].permute(0, 2, 3, 1).reshape(2, -1, 4)) < 1e-5


def test_losses_equal_torchvisions(reference: Any, ours: DetectionModel, monkeypatch: pytest.MonkeyPatch) -> None:
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
    for part in (*reference.modules(), *ours.modules()):
        part.training = not isinstance(part, nn.BatchNorm2d)  # as frozen
    monkeypatch.setattr(reference.transform, "training", False)
    # In training the network here keeps 2000 proposals as the reference does, in the same order.
    assert isinstance(ours.network.rpn, ProposalNetwork)
    try:
        torch.manual_seed(4)
        expected = reference(list(images), wanted)
        torch.manual_seed(4)
        found = ours.losses(images, [target, empty])
    finally:
        reference.eval()
        ours.eval()
    for name, loss in found.items():
        assert loss.item() == pytest.approx(expected[NAMES[name]].item(), rel=1e-5), name


def test_losses_of_resized_pictures_equal_torchvisions() -> None:
    reference, ours = networks_that_resize(min_size=160, max_size=266)
    reference, ours = reference.double(), ours.double()
    size = (70, 100)
    picture = smooth_picture(*size).double() / 255
    layers = torch.zeros(1, *size, dtype=torch.int32)
    layers[0, 10:40, 20:60], layers[0, 45:66, 50:97] = 1, 2
    boxes = torch.tensor([[20.0, 10, 60, 40], [50, 45, 97, 66]], dtype=torch.float64)
    target = ObjectTarget(boxes, torch.tensor([0, 2]), layers, torch.zeros(2).long(), torch.tensor([1, 2]).int())
    masks = torch.stack([layers[0] == 1, layers[0] == 2]).to(torch.uint8)
    mean, std = (
        torch.tensor(values, dtype=torch.float64)[:, None, None]
        for values in (ours.preprocessing.mean, ours.preprocessing.std)
    )
    for part in (*reference.modules(), *ours.modules()):
        part.training = not isinstance(part, nn.BatchNorm2d)  # as frozen
    reference.transform.training = False  # it would draw one of its single size from the generator
    torch.manual_seed(4)
    expected = reference([picture], [{"boxes": boxes, "labels": target.labels + 1, "masks": masks}])
    torch.manual_seed(4)
    found = ours.losses(((picture - mean) / std)[None], [target])
    for name, loss in found.items():
        assert loss.item() == pytest.approx(expected[NAMES[name]].item(), rel=1e-5), name


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
    assert imported.model.preprocessing.resize == Resize(800, 1333)
    assert "resize=[800, 1333]" in imported.notes[0]
    for nonsense in ("small", 800, [800], [1333, 800], {"min": 800}):
        with pytest.raises(SettingError, match="resize is"):
            import_tensors(network.state_dict(), "fasterrcnn_resnet50_fpn", resize=nonsense)
    with pytest.raises(SettingError, match="2"):
        import_tensors(network.state_dict(), "fasterrcnn_resnet50_fpn", label_space=imported.model.label_space.of(5))
