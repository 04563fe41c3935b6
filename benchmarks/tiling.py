"""A picture of 4096 x 4096 in tiles, beside MONAI's sliding window: time, memory and seams on the CPU.

    pip install monai
    python benchmarks/tiling.py [--side 4096] [--rounds 2] [--threads 2] [--minutes 4]

U-Net on ResNet-18, 12 classes, bfloat16 and channels_last for everyone. The network first learns patches of twelve
colours under noise, by ``pixelwise train``, on pictures that are not measured with. Each contender runs in a process of
its own, so that memory is what its run adds to the resident size; rounds alternate and the best counts. MONAI runs with
Gaussian blending at several windows and overlaps, and stands with its fastest. Seams are pixels whose label differs
from that of the whole picture at once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pixelwise import load_model
from pixelwise.cli.machine import use_huge_pages
from pixelwise.inference import Predictor
from pixelwise.models import SegmentationModel

CLASSES = 12
PATCH = 64
"""Pixels over which classes change."""

LESSON, PIECE = 2048, 512
"""Side of the picture that is learnt from, and of the pieces that it is cut into."""

MONAI = {
    f"MONAI, window {window}, overlap {overlap}": (window, overlap)
    for window in (512, 1024)
    for overlap in (0.25, 0.125)
}
FAST = {"pixelwise fast, 140 MiB": 140.0, "pixelwise fast, 256 MiB": 256.0}
EXACT = {"pixelwise exact, 256 MiB": 256.0, "pixelwise exact, 1,024 MiB": 1024.0}
WHOLE = "pixelwise, the whole picture at once"
ROUNDING = "the same in float32"
"""Shows how many labels bfloat16 decides by rounding."""


def train(folder: Path, minutes: float) -> Path:
    """Train the network on pictures that are not measured with, by the command that people use; gives the run."""
    picture, mask = make_scene(LESSON, seed=1)
    for kind, values in (("images", picture), ("masks", mask)):
        (folder / kind).mkdir()
        for y in range(0, LESSON, PIECE):
            for x in range(0, LESSON, PIECE):
                Image.fromarray(values[y : y + PIECE, x : x + PIECE]).save(folder / kind / f"{y}_{x}.png")
    (folder / "classes.txt").write_text("".join(f"colour {number}\n" for number in range(CLASSES)))
    command = [sys.executable, "-m", "pixelwise", "train", str(folder), "--out", str(folder / "run")]
    command += ["--model", "unet", "--encoder", "resnet18", "--weights", "none", "--minutes", f"{minutes:g}"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return folder / "run"


def make_scene(side: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Patches of twelve classes, each with a colour of its own under noise and relief: picture (H, W, 3), mask."""
    rng = np.random.default_rng(seed)
    highest = np.full((side, side), -np.inf, np.float32)
    mask = np.zeros((side, side), np.uint8)
    for label in range(CLASSES):
        height = _smooth(rng, side, PATCH)
        mask[height > highest] = label
        np.maximum(highest, height, out=highest)
    steps = np.stack(np.meshgrid(*[(60, 128, 196)] * 3), -1).reshape(-1, 3).astype(np.float32)  # (27, 3)
    colours = np.random.default_rng(CLASSES).permutation(steps)
    picture = colours[mask]
    for cell in (256, 32, 4):
        for channel in range(3):
            picture[..., channel] += 12 * _smooth(rng, side, cell)
    picture += 30 * rng.standard_normal(picture.shape, np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8), mask


def _smooth(rng: np.random.Generator, side: int, cell: int) -> NDArray[np.float32]:
    """Noise that changes over about ``cell`` pixels: (side, side)."""
    coarse = rng.standard_normal((side // cell + 2,) * 2, np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def monai(model: SegmentationModel, picture: NDArray[np.uint8], window: int, overlap: float) -> NDArray[np.uint8]:
    from monai.inferers import sliding_window_inference

    model = model.to(memory_format=torch.channels_last)
    mean, std = (
        255 * torch.tensor(values).view(3, 1, 1) for values in (model.preprocessing.mean, model.preprocessing.std)
    )
    image = ((torch.from_numpy(picture).permute(2, 0, 1) - mean) / std)[None].to(torch.bfloat16)

    def network(part: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(part.contiguous(memory_format=torch.channels_last))

    with torch.inference_mode():
        logits = sliding_window_inference(image, window, 1, network, overlap=overlap, mode="gaussian")
        return logits.argmax(1)[0].to(torch.uint8).numpy()


def contender(name: str, model: SegmentationModel) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    if name in MONAI:
        return lambda picture: monai(model, picture, *MONAI[name])
    if name in (WHOLE, ROUNDING):
        predictor = Predictor(model, memory=1e6, precision="auto" if name == WHOLE else "float32")
    else:
        mode = "fast" if name in FAST else "exact"
        predictor = Predictor(model, mode=mode, memory=(FAST | EXACT)[name])

    def predict(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        prediction = predictor(picture)
        print(
            f"{name}: {predictor.plan(picture.shape[:2]).reason}; seam error {prediction.seam_error}", file=sys.stderr
        )
        return np.asarray(prediction.labels, np.uint8)

    return predict


def resident(field: str) -> float:
    """MiB of this process: VmRSS now, or VmHWM at its peak since the last reset."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def work(name: str, side: int, threads: int, run: Path, labels: Path) -> None:
    """Run one contender in this process and print what it took."""
    torch.set_num_threads(threads)
    model, picture = load_model(run), make_scene(side, seed=0)[0]
    assert isinstance(model, SegmentationModel)
    run = contender(name, model)
    run(picture[:512, :512])  # first use of kernels
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    started = time.perf_counter()
    found = run(picture)
    seconds = time.perf_counter() - started
    np.save(labels, found)
    print(json.dumps({"seconds": seconds, "mib": resident("VmHWM") - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--minutes", type=float, default=4.0, help="for training the network")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--labels", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.side, options.threads, options.model, options.labels)
        return
    names = [WHOLE, ROUNDING, *FAST, *EXACT, *MONAI]
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = train(Path(folder), options.minutes)
        plain = dict(os.environ)
        use_huge_pages()  # here, because torch asks for it as soon as it is imported
        for _ in range(options.rounds):
            for number, name in enumerate(names):
                environment = plain if name in MONAI else os.environ  # larger pages make MONAI slower
                command = [sys.executable, __file__, "--worker", name, "--model", str(model)]
                command += ["--labels", f"{folder}/{number}.npy", "--side", str(options.side)]
                command += ["--threads", str(options.threads)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
                result = json.loads(done.stdout.splitlines()[-1])
                print(f"{name}: {result['seconds']:.1f} s, {result['mib']:.0f} MiB", file=sys.stderr)
                if name not in results or result["seconds"] < results[name]["seconds"]:
                    results[name] = result
        whole = np.load(f"{folder}/0.npy")
        for number, name in enumerate(names):
            results[name]["seams"] = float((np.load(f"{folder}/{number}.npy") != whole).mean())
    best = min(MONAI, key=lambda name: results[name]["seconds"])
    machine = f"{options.threads} threads, {platform.machine()}, torch {torch.__version__}"
    print(f"{date.today()}, {options.side}x{options.side}, {machine}")
    print("\n| contender | seconds | speed over MONAI's best | extra MiB | labels unlike the whole |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in names:
        row = results[name]
        print(
            f"| {name} | {row['seconds']:.1f} | {results[best]['seconds'] / row['seconds']:.2f}x | {row['mib']:.0f} "
            f"| {100 * row['seams']:.3f}% |"
        )


if __name__ == "__main__":
    main()
