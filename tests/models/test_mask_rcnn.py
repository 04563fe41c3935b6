"""Faster and Mask R-CNN: what every form of them must do. What torchvision's compute: test_mask_rcnn_parity.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pixelwise import LabelSpace, build_model, load_model, save_model
from pixelwise.errors import ModelError, SettingError
from pixelwise.models import DetectionModel
from pixelwise.ops.object_targets import ObjectTarget

SMALL: dict[str, Any] = {
    "encoder": "test_resnet",
    "channels": 16,
    "head": 32,
    "mask_head": 16,
    "proposals": 50,
    "detections": 20,
}
FORMS: dict[str, dict[str, Any]] = {
    "fpn": SMALL,
    "torchvision": {**SMALL, "form": "torchvision"},
    "warp": {**SMALL, "roi": "warp"},
    "pool": {**SMALL, "roi": "pool", "reduce": "max"},
    "c4": {"encoder": "resnet18", "neck": "c4", "proposals": 20, "detections": 10},
}


def build(name: str = "mask_rcnn", **options: Any) -> DetectionModel:
    torch.manual_seed(0)
    model = build_model(name, classes=3, **{**SMALL, **options})
    assert isinstance(model, DetectionModel)
    return model


def lively(model: DetectionModel) -> DetectionModel:
    """Let a fresh network find something: its scores are spread out."""
    for layer, deviation in ((model.network.heads.box_head.cls_score, 2.0), (model.network.rpn.head.cls_logits, 0.5)):
        nn.init.normal_(layer.weight, std=deviation)
    return model.eval()


def target_of(*boxes: tuple[float, float, float, float], size: tuple[int, int] = (90, 120)) -> ObjectTarget:
    """Rectangles, one class after the other."""
    layers = torch.zeros(1, *size, dtype=torch.int32)
    for number, (left, top, right, bottom) in enumerate(boxes):
        layers[0, int(top) : int(bottom + 0.999), int(left) : int(right + 0.999)] = number + 1
    return ObjectTarget(
        torch.tensor(boxes).reshape(-1, 4),
        torch.arange(len(boxes)) % 3,
        layers,
        torch.zeros(len(boxes), dtype=torch.int64),
        torch.arange(1, len(boxes) + 1, dtype=torch.int32),
    )


USUAL = target_of((20, 10, 60, 40), (70, 50, 110, 80))
EMPTY = target_of()


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("name", ["mask_rcnn", "faster_rcnn"])
def test_losses_reach_every_parameter(name: str, form: str) -> None:
    torch.manual_seed(0)
    options = {key: value for key, value in FORMS[form].items() if name == "mask_rcnn" or key != "mask_head"}
    model = build_model(name, classes=3, **options)
    assert isinstance(model, DetectionModel)
    losses = model.train().losses(torch.randn(2, 3, 90, 120), [USUAL, EMPTY])
    assert list(losses) == ["objectness", "proposal_boxes", "classes", "boxes", "masks"][: 5 if model.masks else 4]
    assert all(loss.shape == () and loss.isfinite() and loss >= 0 for loss in losses.values())
    sum(losses.values(), torch.zeros(())).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not without


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("size", [(64, 96), (37, 53), (1, 1), (129, 130)])
def test_any_size_gives_detections_inside_the_picture(form: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = build_model("mask_rcnn", classes=3, **FORMS[form])
    assert isinstance(model, DetectionModel)
    for found in lively(model)(torch.randn(2, 3, *size)):
        count = len(found.boxes)
        assert count <= FORMS[form]["detections"]
        side = 14 if form == "c4" else 28
        assert found.masks is not None
        assert (found.labels.shape, found.scores.shape, found.masks.shape) == ((count,), (count,), (count, side, side))
        assert found.labels.dtype == torch.int64
        assert ((found.labels >= 0) & (found.labels < 3)).all()
        assert (found.scores[:-1] >= found.scores[1:]).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
        assert (found.boxes >= 0).all()
        assert (found.boxes[:, 2:] <= torch.tensor([size[1], size[0]])).all()
        assert ((found.masks >= 0) & (found.masks <= 1)).all()


def test_a_batch_gives_what_its_pictures_give() -> None:
    model = lively(build()).double()
    images = torch.randn(2, 3, 70, 90, dtype=torch.float64)
    together = model(images)
    for found, image in zip(together, images, strict=True):
        (alone,) = model(image[None])
        assert len(found.boxes) > 0
        torch.testing.assert_close(tuple(found), tuple(alone))


@pytest.mark.parametrize(
    "target",
    [
        EMPTY,
        target_of((5, 5, 5, 5)),
        target_of((5, 5, 5, 30), (7, 7, 8, 8)),
        target_of((0, 0, 1, 1)),
        target_of((10.2, 10.4, 10.25, 40)),
        target_of((0, 0, 120, 90)),
    ],
    ids=["empty", "a point", "a line and a pixel", "the corner", "a sliver", "all of it"],
)
def test_odd_objects_give_finite_losses(target: ObjectTarget) -> None:
    model = build().train()
    losses = model.losses(torch.randn(1, 3, 90, 120), [target])
    total = sum(losses.values(), torch.zeros(()))
    total.backward()
    assert total.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_crowd_is_learnt_in_the_memory_of_one_picture() -> None:
    boxes = [(x, y, x + 5, y + 5) for x in range(0, 114, 6) for y in range(0, 84, 6)]
    losses = (
        build(anchor_sizes=((4,), (8,), (16,), (32,), (64,)))
        .train()
        .losses(torch.randn(1, 3, 90, 120), [target_of(*boxes)])
    )
    assert len(boxes) == 266
    assert all(loss.isfinite() for loss in losses.values())


def test_it_learns_one_picture() -> None:
    """Two squares, told apart by their brightness, are found after some steps."""
    torch.manual_seed(0)
    model = build(anchor_sizes=((16,), (32,), (64,), (128,), (256,))).train()
    picture = torch.zeros(1, 3, 90, 120)
    picture[:, :, 10:40, 20:60], picture[:, :, 50:80, 70:110] = 2, -2
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        sum(model.losses(picture, [USUAL]).values(), torch.zeros(())).backward()
        optimizer.step()
    (found,) = model.eval()(picture)
    assert found.masks is not None
    for label, box in enumerate(USUAL.boxes):
        best = int(torch.where(found.labels == label)[0][0])  # they come best first
        assert found.scores[best] > 0.5
        assert (found.boxes[best] - box).abs().max() < 15
        assert found.masks[best].mean() > 0.7


def test_bounds_come_from_the_options() -> None:
    model = lively(build(proposals=7, detections=3, score=0.0, nms=1.0))
    (found,) = model(torch.randn(1, 3, 90, 120))
    assert len(found.boxes) == 3
    network, images = model.network, torch.randn(1, 3, 96, 128)
    maps = network.trunk(images)
    (proposals,) = network.rpn.propose(*network.rpn(maps), network.anchors(maps, images), (96, 128))
    assert len(proposals) == 7


def test_anchors_lie_at_exact_strides() -> None:
    model = build()
    images = torch.zeros(1, 3, 800, 800)
    cells = [(800 // stride, 800 // stride) for stride in (4, 8, 16, 32)] + [(13, 13)]
    grid = model.network.rpn.anchors(cells, (800, 800), images)
    for anchors, stride in zip(grid, (4, 8, 16, 32, 64), strict=True):
        sides = anchors[:, 2:] - anchors[:, :2]
        assert sides.prod(1).sqrt()[:3].tolist() == pytest.approx([8 * stride] * 3, rel=0.02)
        assert (anchors[3] - anchors[0]).tolist() == [stride, 0, stride, 0]
    reference = build(form="torchvision").network.rpn.anchors(cells, (800, 800), images)
    assert (reference[-1][3] - reference[-1][0]).tolist() == [61, 0, 61, 0]


def test_a_file_holds_everything(tmp_path: Path) -> None:
    model = lively(
        build(anchor_sizes=((8,), (16,), (32,), (64,), (128,)), anchor_ratios=(1.0,), norm="frozen", score=0.01)
    )
    model.change_card(label_space=LabelSpace(("cell", "nucleus", "debris")))
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path)
    assert isinstance(loaded, DetectionModel)
    assert (loaded.name, loaded.label_space, loaded.masks) == ("mask_rcnn", model.label_space, True)
    assert json.dumps(loaded.options) == json.dumps(model.options)
    images = torch.randn(1, 3, 70, 50)
    (found,), (expected,) = loaded(images), model(images)
    assert len(found.boxes) > 0
    torch.testing.assert_close(tuple(found), tuple(expected), rtol=0, atol=0)


def test_frozen_norms_do_not_move() -> None:
    model = build(norm="frozen").train()
    free = build(norm="batch").train()
    assert model.state_dict().keys() == free.state_dict().keys()
    count = sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in model.parameters())
    norms = [part for part in free.modules() if isinstance(part, nn.BatchNorm2d)]
    assert count == sum(2 * norm.num_features for norm in norms) > 0
    before = {name: value.clone() for name, value in model.named_buffers()}
    model.losses(torch.randn(2, 3, 90, 120), [USUAL, EMPTY])
    assert all(torch.equal(before[name], value) for name, value in model.named_buffers())


@pytest.mark.parametrize(
    "encoder", ["resnet18", "convnext_atto", "densenet121", "vgg11", "inception_v3", "regnetx_002"]
)
def test_families_of_encoders(encoder: str) -> None:
    model = lively(build(encoder=encoder))
    (found,) = model(torch.randn(1, 3, 100, 130))
    assert found.boxes.isfinite().all()
    maps = model.network.trunk(torch.randn(1, 3, 128, 192))
    assert [tuple(m.shape[2:]) for m in maps[:-1]] == [(128 // s, 192 // s) for s in model.network.trunk.strides[:-1]]


@pytest.mark.parametrize("encoder", ["regnetx_002", "convnext_atto", "vgg11"])
def test_c4_on_stages_that_run_in_sequence(encoder: str) -> None:
    torch.manual_seed(0)
    model = build_model("mask_rcnn", classes=2, encoder=encoder, neck="c4", proposals=10, detections=5)
    assert isinstance(model, DetectionModel)
    (found,) = lively(model)(torch.randn(1, 3, 70, 90))
    assert found.boxes.isfinite().all()


@pytest.mark.parametrize("encoder", ["tf_efficientnet_lite0", "inception_v3"])
def test_c4_refuses_encoders_that_cannot_be_cut(encoder: str) -> None:
    with pytest.raises(ModelError, match=f"'{encoder}' cannot be cut.*neck='fpn'"):
        build_model("mask_rcnn", classes=2, encoder=encoder, neck="c4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"roi": "crop"}, "'pool', 'warp' or 'align'"),
        ({"reduce": "sum"}, "'avg' or 'max'"),
        ({"neck": "pan"}, "'fpn' or 'c4'"),
        ({"norm": "group"}, "'frozen' or 'batch'"),
        ({"detections": 0}, "option 'detections' of model 'mask_rcnn' cannot be 0"),
        ({"score": 2.0}, "cannot be 2.0: input should be less than or equal to 1"),
        ({"anchor_sizes": ((32,),)}, "sizes for 1 map, but the network has 5"),
        ({"anchor_sizes": ((32,), (64,), (128,), (256,), (512, 600))}, "as many sizes"),
        ({"anchor_ratios": (0.0,)}, "above 0"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        build(**options)


def test_wrong_inputs_are_named() -> None:
    model = build()
    images = torch.randn(1, 3, 64, 64)
    with pytest.raises(ModelError, match="eval"):
        model.train()(images)
    with pytest.raises(ModelError, match=r"\(N, 3, H, W\)"):
        model.eval()(torch.randn(1, 4, 64, 64))
    with pytest.raises(ModelError, match="1 image but 2 targets"):
        model.losses(images, [USUAL, USUAL])
    with pytest.raises(ModelError, match="train faster_rcnn"):
        model.losses(images, [USUAL._replace(layers=torch.zeros(0, 90, 120, dtype=torch.int32))])


def test_half_precision_gives_losses_and_detections() -> None:
    model = build().train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.losses(torch.randn(1, 3, 90, 120), [USUAL])
        (found,) = lively(model)(torch.randn(1, 3, 90, 120))
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    parts: list[Tensor | None] = [found.boxes, found.scores, found.masks]
    assert all(part is not None and part.dtype == torch.float32 for part in parts)
