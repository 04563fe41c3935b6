"""The fused tail beside what else computes the same: time and memory on the CPU.

    python benchmarks/tail.py [--rounds 5] [--threads 2] [--no-compile]

Rounds alternate between the contenders of a case, and the best round of each counts, because other work on the machine
can only slow a round down. Memory is how far the resident size rises above what it was before the call (Linux).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.ops import confusion_counts, encode_rle, paste_masks, upsample_argmax, upsample_cross_entropy
from pixelwise.ops.native import native_module

Contender = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One piece of work and who does it; ours is the first."""

    name: str
    contenders: dict[str, Contender]


def interpolate(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)


def argmax_case(classes: int, compiled: bool) -> Case:
    logits, size = torch.randn(1, classes, 256, 256), (1024, 1024)

    def eager(values: Tensor) -> Tensor:
        return interpolate(values, size).argmax(1)

    contenders: dict[str, Contender] = {
        "pixelwise": lambda: upsample_argmax(logits, size),
        "torch eager": lambda: eager(logits),
    }
    if compiled:
        faster = torch.compile(eager, dynamic=False)
        contenders["torch.compile"] = lambda: faster(logits)
    return Case(f"argmax, {classes} classes, 256x256 -> 1024x1024", contenders)


def loss_case(classes: int, compiled: bool) -> Case:
    logits = torch.randn(8, classes, 96, 120, requires_grad=True)
    target = torch.randint(0, classes, (8, 48, 60)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    small_target = target.to(torch.uint8)

    def eager(values: Tensor) -> Tensor:
        return F.cross_entropy(interpolate(values, (384, 480)), target, ignore_index=255)

    def gradient(loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, logits)[0]

    contenders: dict[str, Contender] = {
        "pixelwise": lambda: gradient(upsample_cross_entropy(logits, small_target)),
        "torch eager": lambda: gradient(eager(logits)),
    }
    if compiled:
        faster = torch.compile(eager, dynamic=False)
        contenders["torch.compile"] = lambda: gradient(faster(logits))
    return Case(f"cross-entropy and gradient, {classes} classes, 8 x 96x120 -> 384x480", contenders)


def counts_case() -> Case:
    from torchmetrics import JaccardIndex

    # Smooth regions with ragged edges, as networks and people draw them.
    scene = torch.randn(233, 12, 9, 12)
    target = upsample_argmax(scene, (360, 480))
    prediction = upsample_argmax(scene + 0.4 * torch.randn_like(scene), (360, 480))
    target[:, :8] = 255
    metric = JaccardIndex(task="multiclass", num_classes=12, ignore_index=255)

    def torchmetrics() -> None:
        for one_prediction, one_target in zip(prediction, target, strict=True):
            metric.update(one_prediction, one_target)

    def bincount() -> object:
        true, predicted = target.numpy(), prediction.numpy()
        counted = true != 255
        return np.bincount(true[counted].astype(np.int64) * 12 + predicted[counted], minlength=144)

    return Case(
        "confusion counts, 233 masks of 360x480, 12 classes",
        {
            "pixelwise": lambda: confusion_counts(target, prediction, 12),
            "torchmetrics": torchmetrics,
            "numpy bincount": bincount,
        },
    )


def paste_case() -> Case:
    from pycocotools import mask as coco
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    size, count = (2000, 2000), 100
    masks = interpolate(torch.rand(count, 1, 7, 7), (28, 28))
    sides = torch.rand(count, 2) * 400 + 40
    corner = torch.rand(count, 2) * 1600
    boxes = torch.cat([corner, corner + sides], 1)

    def torchvision() -> object:
        pasted = paste_masks_in_image(masks, boxes, size)[:, 0] > 0.5
        return [coco.encode(np.asfortranarray(mask.numpy().astype(np.uint8))) for mask in pasted]

    return Case(
        "paste 100 masks on 2000x2000, to run lengths",
        {
            "pixelwise": lambda: [encode_rle(mask) for mask in paste_masks(masks, boxes, size)],
            "torchvision + pycocotools": torchvision,
        },
    )


def peak_memory(work: Contender) -> float | None:
    """MiB by which the resident size rises during a call; None where the system does not tell."""
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return None
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    reset.write_text("5")

    def status(key: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(key)).split()[1])

    before = status("VmRSS")
    work()
    return (status("VmHWM") - before) / 1024


def best_times(case: Case, rounds: int) -> dict[str, float]:
    """Seconds of the best round of each contender."""
    best = dict.fromkeys(case.contenders, float("inf"))
    for _ in range(rounds):
        for name, work in case.contenders.items():
            start = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def rows(case: Case, rounds: int) -> Iterator[str]:
    for work in case.contenders.values():
        work()
    best = best_times(case, rounds)
    ours = best["pixelwise"]
    for name, work in case.contenders.items():
        memory = peak_memory(work)
        shown = "-" if memory is None else f"{memory:.1f}"
        yield f"| {case.name} | {name} | {best[name] * 1e3:.2f} | {best[name] / ours:.1f}x | {shown} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which builds for minutes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore", module="torch")
    native = native_module()
    isa = native.isa() if native else "none"
    print(
        f"{date.today()}, {platform.machine()}, {options.threads} threads, torch {torch.__version__}, kernels: {isa}\n"
    )
    print("| work | who | ms | of ours | MiB |\n| --- | --- | --- | --- | --- |")
    compiled = not options.no_compile
    makers: list[Callable[[], Case]] = [
        lambda: argmax_case(150, compiled),
        lambda: argmax_case(21, compiled),
        lambda: loss_case(12, compiled),
        lambda: loss_case(150, compiled),
        counts_case,
        paste_case,
    ]
    for make in makers:
        for row in rows(make(), options.rounds):
            print(row)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
