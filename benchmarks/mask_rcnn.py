"""Mask R-CNN on ResNet-50-FPN at 800x800 on a CPU: pixelwise against torchvision's default, same weights, same run.

    python benchmarks/mask_rcnn.py [--runs 5] [--profile]
    python benchmarks/mask_rcnn.py --trained RUN DATA

Weights are random, with final layers spread out so that both sides find 100 objects. Each way is run in turn, and the
median of its times is printed beside its ratio to torchvision's; then how far its detections agree: matched boxes (same
class, IoU above 0.5), and the mean IoU of the matched boxes' masks as they are pasted. The second form says how far
bfloat16 agrees with float32 on what a trained model shows of the pictures that its run kept back, masks compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import maskrcnn_resnet50_fpn

from pixelwise.data.source import open_data
from pixelwise.detection import to_instances
from pixelwise.inference import Predictor
from pixelwise.instances import BoxMask, Instances
from pixelwise.metrics.matching import match_objects
from pixelwise.models import DetectionModel
from pixelwise.models.importing.importer import import_tensors
from pixelwise.models.prepare import prepare

SIZE = (800, 800)


def spread(network: nn.Module) -> None:
    """Give a fresh network norms that keep features in range, and scores that differ."""
    torch.manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
            nn.init.uniform_(part.weight, 0.4, 0.8)
            nn.init.normal_(part.bias, 0, 0.1)
    for name, deviation in (("cls_score", 0.3), ("bbox_pred", 0.03), ("cls_logits", 0.05), ("mask_fcn_logits", 0.1)):
        for path, part in network.named_modules():
            if path.endswith(name):
                nn.init.normal_(part.weight, 0, deviation)


def picture() -> Tensor:
    """Smooth blobs of every size: what a network of random weights answers in many ways."""
    torch.manual_seed(1)
    layers = [
        nn.functional.interpolate(torch.randn(1, 3, side, side), SIZE, mode="bilinear") for side in (5, 13, 40, 130)
    ]
    return torch.stack(layers).sum(0).mul(0.15).add(0.5).clamp(0, 1)


def predictor(model: DetectionModel, dtype: torch.dtype) -> Callable[[Tensor], Instances]:
    fast = prepare(model, dtype=dtype)
    mean, std = (torch.tensor(values)[:, None, None] for values in (model.preprocessing.mean, model.preprocessing.std))

    def run(image: Tensor) -> Instances:
        with torch.inference_mode():
            images = ((image - mean) / std).contiguous(memory_format=torch.channels_last)
            (found,) = fast.detect(images)
            return to_instances(found, SIZE)

    return run


def of_torchvision(found: dict[str, Tensor]) -> Instances:
    masks = tuple(BoxMask.of(mask[0].numpy() > 0.5) for mask in found["masks"])
    return Instances(SIZE, found["labels"].numpy() - 1, found["boxes"].numpy(), masks, found["scores"].numpy())


def agreement(expected: Instances, found: Instances) -> str:
    """Match each object with the one of its class whose box overlaps it most."""
    matched, overlaps, differences = 0, [], []
    assert expected.masks is not None
    assert found.masks is not None
    assert expected.scores is not None
    assert found.scores is not None
    for number in range(len(expected)):
        same = np.flatnonzero(found.labels == expected.labels[number])
        ious = [box_iou(expected.boxes[number], found.boxes[other]) for other in same]
        if not ious or max(ious) <= 0.5:
            continue
        other = same[int(np.argmax(ious))]
        matched += 1
        differences.append(float(np.abs(expected.boxes[number] - found.boxes[other]).max()))
        one, other_mask = expected.masks[number], found.masks[other]
        shared = one.overlap(other_mask)
        union = one.area + other_mask.area - shared
        overlaps.append(shared / union if union else 1.0)
    return (
        f"{matched} of {len(expected)} boxes matched, farthest edge off by {max(differences):.2g} px, "
        f"mask IoU {np.mean(overlaps):.4f}"
    )


def box_iou(first: np.ndarray, second: np.ndarray) -> float:
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(sides.clip(0).prod())
    return shared / float((first[2:] - first[:2]).prod() + (second[2:] - second[:2]).prod() - shared)


def agree_trained(run: str, data: str) -> str:
    """Compare what a trained model shows in bfloat16 with what it shows in float32."""
    exact, rounded = (Predictor(run, precision=precision) for precision in ("float32", "bfloat16"))
    pairs = open_data(data).split("test")
    expected = found = 0
    ious: list[float] = []
    for pair in pairs:
        first, second = exact(pair.image).accepted, rounded(pair.image).accepted
        match = match_objects(first, second, threshold=0)
        expected, found, ious = expected + len(first), found + len(second), [*ious, *match.ious]
    return (
        f"{len(pairs)} pictures, {expected} objects in float32, {found} in bfloat16: {len(ious)} matched, "
        f"mask IoU {np.mean(ious):.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="print where pixelwise's time goes")
    parser.add_argument("--trained", nargs=2, metavar=("RUN", "DATA"))
    given = parser.parse_args()
    if given.trained:
        print(agree_trained(*given.trained))
        return
    reference = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    spread(reference)
    imported = import_tensors(reference.state_dict(), "maskrcnn_resnet50_fpn").model
    assert isinstance(imported, DetectionModel)
    image = picture()

    def default(image: Tensor) -> Instances:
        with torch.no_grad():
            return reference(list(image))[0]

    ways: dict[str, Callable[[Tensor], Instances]] = {
        "torchvision": default,
        "float32": predictor(imported, torch.float32),
        "bfloat16": predictor(imported, torch.bfloat16),
    }
    results = {name: way(image) for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.runs):
        for name, way in ways.items():
            start = time.perf_counter()
            way(image)
            times[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(values) for name, values in times.items()}
    expected = of_torchvision(results["torchvision"])
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {SIZE[0]}x{SIZE[1]}, {given.runs} runs")
    for name, seconds in middle.items():
        told = "" if name == "torchvision" else agreement(expected, results[name])
        print(f"{name:12} {1000 * seconds:6.0f} ms  {middle['torchvision'] / seconds:5.2f}x  {told}")
    if given.profile:
        for name in ("float32", "bfloat16"):
            with torch.profiler.profile() as profile:
                ways[name](image)
            print(
                name,
                profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=40),
            )


if __name__ == "__main__":
    main()
