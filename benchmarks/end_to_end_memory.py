"""What the fused tail changes in memory: a training step, a validation and the tail alone; on the CPU (Linux).

    python benchmarks/end_to_end_memory.py [--threads 2]

Every figure is the peak resident size of a process that does nothing else. The peer has the same network, bfloat16 and
memory order; only the tail differs: ``F.interpolate`` to the whole picture, then ``F.cross_entropy`` or a metric of
torchmetrics. benchmarks/end_to_end.py prints the same tables after its own.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.models import Coarse, build_model
from pixelwise.ops import upsample_confusion, upsample_cross_entropy
from pixelwise.ops.device import has_native_bfloat16

IGNORED = 255
CLASSES, SIZE, BATCH = 150, (512, 512), 4
TAIL_CLASSES = (21, 150)

Loss = Callable[..., Tensor]


def autocast() -> AbstractContextManager[Any]:
    return torch.autocast("cpu", torch.bfloat16, enabled=has_native_bfloat16("cpu"))


def fused_loss(coarse: Coarse, target: Tensor, **options: Any) -> Tensor:
    return upsample_cross_entropy(coarse.logits, target, scale=coarse.scale, offset=coarse.offset, **options)


def full_size(coarse: Coarse) -> Tensor:
    """Upsample as peers do: to the padded picture, of which the padding is cut off."""
    height, width = coarse.size
    padded = [round(cells / coarse.scale) for cells in coarse.logits.shape[2:]]
    full = F.interpolate(coarse.logits.float(), padded, mode="bilinear", align_corners=False)
    return full[:, :, :height, :width]


def eager_loss(
    coarse: Coarse,
    target: Tensor,
    *,
    class_weights: Tensor | None = None,
    ignore_index: int = IGNORED,
    label_smoothing: float = 0.0,
) -> Tensor:
    return F.cross_entropy(
        full_size(coarse), target.long(), class_weights, ignore_index=ignore_index, label_smoothing=label_smoothing
    )


def probe_training(loss: Loss, batch: int) -> None:
    model = build_model("deeplabv3plus", classes=CLASSES).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(2):
        images = torch.randn(batch, 3, *SIZE).contiguous(memory_format=torch.channels_last)
        target = torch.randint(0, CLASSES, (batch, *SIZE)).to(torch.uint8)
        with autocast():
            value = loss(model.coarse(images), target)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()


def probe_validation(count: Callable[[Coarse, Tensor], object], batch: int) -> None:
    model = build_model("deeplabv3plus", classes=CLASSES).to(memory_format=torch.channels_last).eval()
    with torch.inference_mode():
        for _ in range(2):
            images = torch.randn(batch, 3, *SIZE).contiguous(memory_format=torch.channels_last)
            target = torch.randint(0, CLASSES, (batch, *SIZE)).to(torch.uint8)
            with autocast():
                coarse = model.coarse(images)
            count(coarse, target)


def fused_counts(coarse: Coarse, target: Tensor) -> object:
    return upsample_confusion(coarse.logits, target, scale=coarse.scale, offset=coarse.offset)


def eager_counts(coarse: Coarse, target: Tensor) -> object:
    from torchmetrics.classification import MulticlassConfusionMatrix

    metric = MulticlassConfusionMatrix(num_classes=CLASSES, ignore_index=IGNORED)
    metric.update(full_size(coarse), target)
    return metric.compute()


def probe_tail(loss: Loss, classes: int, dtype: torch.dtype) -> None:
    height, width = SIZE
    logits = torch.randn(BATCH, classes, height // 4, width // 4).to(dtype).requires_grad_()
    target = torch.randint(0, classes, (BATCH, height, width)).to(torch.uint8)
    coarse = Coarse(logits, SIZE, 0.25, -0.375)

    def work(part: Coarse, labels: Tensor) -> object:
        return torch.autograd.grad(loss(part, labels), part.logits)

    small = Coarse(logits[:1, :, :4, :4].detach().requires_grad_(), (16, 16), 0.25, -0.375)
    work(small, target[:1, :16, :16])  # what is loaded and cached once
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    work(coarse, target)
    print(status("VmHWM") - before, logits.numel() * logits.element_size() / 2**20)


def status(key: str) -> float:
    """MiB that the system reports of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024


MEASURED_CALLS: dict[str, Callable[[], None]] = {
    "training pixelwise": lambda: probe_training(fused_loss, BATCH),
    "training eager": lambda: probe_training(eager_loss, BATCH),
    "training-of-one pixelwise": lambda: probe_training(fused_loss, 1),
    "training-of-one eager": lambda: probe_training(eager_loss, 1),
    "validation pixelwise": lambda: probe_validation(fused_counts, BATCH),
    "validation eager": lambda: probe_validation(eager_counts, BATCH),
    "validation-of-one pixelwise": lambda: probe_validation(fused_counts, 1),
    "validation-of-one eager": lambda: probe_validation(eager_counts, 1),
    **{
        f"tail {who} {dtype} {classes}": lambda loss=loss, dtype=dtype, classes=classes: probe_tail(
            loss, classes, getattr(torch, dtype)
        )
        for (who, loss) in (("pixelwise", fused_loss), ("eager", eager_loss))
        for dtype in ("float32", "bfloat16")
        for classes in TAIL_CLASSES
    },
}


def run_probe(name: str, threads: int) -> list[float]:
    """Run a probe in a process of its own: its peak resident size, or growth and size of the logits, in MiB."""
    command = [sys.executable, str(Path(__file__).resolve()), "--probe", name, "--threads", str(threads)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"the probe '{name}' failed:\n{ran.stderr}")
    return [float(word) for word in ran.stdout.split()]


def step_rows(threads: int) -> Iterator[str]:
    yield "| peak of the process, MiB | pixelwise | interpolate |\n| --- | --- | --- |"
    for number, suffix in ((BATCH, ""), (1, "-of-one")):
        for work in ("training", "validation"):
            ours, eager = (run_probe(f"{work}{suffix} {who}", threads)[0] for who in ("pixelwise", "eager"))
            yield f"| {work}, {number} of {SIZE[0]}x{SIZE[1]} | {ours:.0f} | {eager:.0f} |"


def tail_rows(threads: int) -> Iterator[str]:
    few, many = TAIL_CLASSES
    yield (
        f"| loss and gradient | MiB, {few} classes | MiB, {many} classes | difference over that of the logits |"
        "\n| --- | --- | --- | --- |"
    )
    for who, dtype in itertools.product(("pixelwise", "eager"), ("float32", "bfloat16")):
        (small, small_logits), (large, large_logits) = (
            run_probe(f"tail {who} {dtype} {classes}", threads) for classes in TAIL_CLASSES
        )
        ratio = (large - small) / (large_logits - small_logits)
        yield f"| {who}, {dtype} | {small:.1f} | {large:.1f} | {ratio:.2f}x |"


def tables(threads: int) -> Iterator[str]:
    """The lines of both tables with what stands above them."""
    if not Path("/proc/self/clear_refs").exists():
        yield "Memory was not measured: this system does not tell."
        return
    yield f"Memory of deeplabv3plus on its default encoder, {CLASSES} classes, each figure from a process of its own:\n"
    yield from step_rows(threads)
    yield f"\nWhat the tail alone takes, {BATCH} pictures of {SIZE[0]}x{SIZE[1]} from maps of a quarter of that:\n"
    yield from tail_rows(threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--probe", choices=MEASURED_CALLS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.probe is None:
        for line in tables(options.threads):
            print(line, flush=True)
        return
    MEASURED_CALLS[options.probe]()
    if not options.probe.startswith("tail"):
        print(status("VmHWM"))


if __name__ == "__main__":
    main()
