"""Augmented training crops per second: pixelwise beside torchvision v2 (and albumentations, where it is installed).

    python benchmarks/input.py DATA [--pictures 64] [--crops 192] [--rounds 5]

DATA is any data set of RGB pictures that pixelwise reads. Every contender makes crops of the same size from the same
pictures in one process on one thread, as a data worker does: a window of a quarter to all of the picture's area and of
varying shape, left-right flip, brightness, contrast and saturation, without and with rotation. Rounds alternate between
the contenders, and the best round of each counts, because other work on the machine can only slow a round down.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

from pixelwise.data.crops.augmentation import Augmentation
from pixelwise.data.crops.cache import PictureCache
from pixelwise.data.crops.pixel_crops import TrainingCrops
from pixelwise.data.source import DataSource, open_data
from pixelwise.io.images import read_image
from pixelwise.io.masks import read_mask

CROP = (288, 384)  # the shape of CamVid's pictures
LEAST_AREA = 0.25
SHAPE = 4 / 3  # most by which the window is wider or narrower than the crop
COLOR = 0.3
ANGLE = 10.0
Contender = Callable[[int], object]


def ours(source: DataSource, pictures: int, *, rotation: float, cached: bool) -> Contender:
    pairs = source.split("train")[:pictures]
    cache = PictureCache(pairs, source.label_space, budget_bytes=2**40 if cached else 0)
    height, width = cache[0].size
    whole = min(CROP[0] / height, CROP[1] / width)  # the magnification at which the window is the whole picture
    scale = (whole, whole / LEAST_AREA**0.5)
    augmentation = Augmentation(CROP, scale=scale, aspect=SHAPE, rotation=rotation, color=COLOR)
    crops = TrainingCrops(cache, augmentation, length=10**9, seed=0)
    return crops.__getitem__


def torchvision_v2(source: DataSource, pictures: int, *, rotation: float, cached: bool) -> Contender:
    pairs, space = source.split("train")[:pictures], source.label_space
    turn = v2.RandomAffine(
        rotation,
        interpolation=InterpolationMode.BILINEAR,
        fill={tv_tensors.Image: 0, tv_tensors.Mask: space.ignore_index},
    )
    transform = v2.Compose(
        [
            *([turn] if rotation else []),
            v2.RandomResizedCrop(CROP, scale=(LEAST_AREA, 1.0), ratio=window_ratios()),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=COLOR, contrast=COLOR, saturation=COLOR),
        ]
    )

    def read(index: int) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        pair = pairs[index]
        image = torchvision.io.decode_image(str(pair.image), torchvision.io.ImageReadMode.RGB)
        mask = space.encode(read_mask(pair.mask))
        return tv_tensors.Image(image), tv_tensors.Mask(torch.from_numpy(mask))

    kept = [read(index) for index in range(len(pairs))] if cached else None
    return lambda index: transform(*(kept[index % len(pairs)] if kept else read(index % len(pairs))))


def albumentations(source: DataSource, pictures: int, *, rotation: float, cached: bool) -> Contender:
    import albumentations as alb

    pairs, space = source.split("train")[:pictures], source.label_space
    transform = alb.Compose(
        [
            *([alb.Affine(rotate=(-rotation, rotation), fill_mask=space.ignore_index, p=1)] if rotation else []),
            alb.RandomResizedCrop(CROP, scale=(LEAST_AREA, 1.0), ratio=window_ratios()),
            alb.HorizontalFlip(),
            alb.ColorJitter(
                brightness=(1 - COLOR, 1 + COLOR),
                contrast=(1 - COLOR, 1 + COLOR),
                saturation=(1 - COLOR, 1 + COLOR),
                hue=(0, 0),
                p=1,
            ),
        ]
    )

    def read(index: int) -> dict[str, np.ndarray]:
        pair = pairs[index]
        image = np.ascontiguousarray(read_image(pair.image).transpose(1, 2, 0))
        return {"image": image, "mask": space.encode(read_mask(pair.mask))}

    kept = [read(index) for index in range(len(pairs))] if cached else None
    return lambda index: transform(**(kept[index % len(pairs)] if kept else read(index % len(pairs))))


def window_ratios() -> tuple[float, float]:
    """Least and greatest ratio of width to height of the window."""
    return CROP[1] / CROP[0] / SHAPE, CROP[1] / CROP[0] * SHAPE


def race(contenders: dict[str, Contender], *, crops: int, rounds: int) -> dict[str, float]:
    """Give the best crops a second of each contender."""
    best = dict.fromkeys(contenders, 0.0)
    for number in range(rounds):
        for name, make in contenders.items():
            start = time.perf_counter()
            for index in range(number * crops, (number + 1) * crops):
                make(index)
            best[name] = max(best[name], crops / (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=64, help="how many training pictures to use")
    parser.add_argument("--crops", type=int, default=192, help="crops a round")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    source = open_data(given.data)
    libraries = {"pixelwise": ours, "torchvision v2": torchvision_v2}
    if importlib.util.find_spec("albumentations"):
        libraries["albumentations"] = albumentations

    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, OpenCV {cv2.__version__}"
    print(f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, {versions};")
    print(f"{given.pictures} pictures of {given.data.name}, crops {CROP[0]}x{CROP[1]}, one process, one thread\n")
    print("| pictures | rotation | " + " | ".join(libraries) + " | pixelwise / torchvision v2 |")
    print("| --- " * (len(libraries) + 3) + "|")
    for cached, rotation in itertools.product((True, False), (0.0, ANGLE)):
        contenders = {
            name: make(source, given.pictures, rotation=rotation, cached=cached) for name, make in libraries.items()
        }
        best = race(contenders, crops=given.crops, rounds=given.rounds)
        ratio = best["pixelwise"] / best["torchvision v2"]
        cells = [f"{rate:,.0f}/s" for rate in best.values()]
        where = "in memory" if cached else "decoded each time"
        print(f"| {where} | {rotation:g} | " + " | ".join(cells) + f" | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
