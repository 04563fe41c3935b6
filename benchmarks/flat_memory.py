"""Memory of labelling rasters from 8,000 x 8,000 to 40,000 x 40,000 pixels, from source to finished BigTIFF.

    python benchmarks/flat_memory.py [--sides 8000,40000] [--memory 64,256] [--folder DIR]

A narrow U-Net labels a raster that is made up window by window, so that only the label file takes disk. Each run has a
process of its own; its extra memory is the peak of the resident size over what it was with the model alone, so that it
also holds what kernels and writers take once.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pixelwise import build_model
from pixelwise.cli.machine import keep_large_blocks, share_the_processor, use_huge_pages
from pixelwise.inference import Predictor
from pixelwise.io.rasters.opening import Raster

PATTERN = 1024
OPTIONS = {"encoder": "mobilenetv3_small_050", "decoder_channels": (32, 16, 16, 8, 8)}


class Repeated:
    """A pattern that is laid over a raster of any size."""

    def __init__(self) -> None:
        coarse = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
        fine = torch.nn.functional.interpolate(coarse, (PATTERN, PATTERN), mode="bicubic")[0]
        self.pattern = (255 * fine.clamp(0, 1)).to(torch.uint8).numpy()  # (3, PATTERN, PATTERN)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """Read a window, (3, height, width)."""
        rows, columns = (np.arange(first, first + side) % PATTERN for first, side in ((top, height), (left, width)))
        return np.ascontiguousarray(self.pattern[:, rows[:, None], columns])

    def close(self) -> None:
        """There is nothing to let go of."""


def resident(field: str) -> float:
    """MiB of this process: VmRSS now, or VmHWM at its peak since the last reset."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def work(side: int, memory: float, folder: Path) -> None:
    """Label one raster in this process and print what it took."""
    torch.manual_seed(0)
    predictor = Predictor(build_model("unet", classes=3, **OPTIONS).eval(), memory=memory)

    def label(size: int) -> Path:
        source = Raster("pattern", (size, size), 3, np.dtype(np.uint8), Repeated())
        predictor.raster(source, folder / f"{size}.tif")
        return folder / f"{size}.tif"

    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, started = resident("VmRSS"), time.perf_counter()
    written = label(side)
    seconds = time.perf_counter() - started
    extra = resident("VmHWM") - before
    print(json.dumps({"seconds": seconds, "mib": extra, "tile": predictor.plan((side, side)).tile[0]}))
    written.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", default="8000,40000")
    parser.add_argument("--memory", default="64,256")
    parser.add_argument("--folder", type=Path, help="where the label files go; a temporary folder unless given")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        keep_large_blocks()
        share_the_processor()
        side, memory = options.worker.split(",")
        work(int(side), float(memory), options.folder)
        return
    use_huge_pages()  # here, because torch asks for it as soon as it is imported
    print(f"{date.today()}, {platform.machine()}, torch {torch.__version__}\n")
    print("| --memory | side | tile | seconds | megapixels a second | extra MiB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for memory in options.memory.split(","):
        for side in map(int, options.sides.split(",")):
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                command = [sys.executable, __file__, "--worker", f"{side},{memory}", "--folder", folder]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            row = json.loads(done.stdout.splitlines()[-1])
            rate = side**2 / 1e6 / row["seconds"]
            print(
                f"| {memory} | {side:,} | {row['tile']:,} | {row['seconds']:.0f} | {rate:.1f} | {row['mib']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
