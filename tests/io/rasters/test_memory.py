"""Reading and writing take no more memory for a larger picture; measured in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

TILE = 512
COPY = """
import sys
import numpy as np
from pixelwise.io.rasters.opening import open_source
from pixelwise.io.rasters.sink import open_sink
from pixelwise.types import LabelSpace

def kib(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))

def copy(source, path, side):
    space = LabelSpace(("a", "b", "c"))
    with open_source(source) as raster, open_sink(path, size=raster.size, label_space=space) as sink:
        height, width = raster.size
        for row in range(0, height, side):
            for column in range(0, width, side):
                rows, columns = slice(row, min(row + side, height)), slice(column, min(column + side, width))
                sink.write(row, column, raster.read(rows, columns)[0] % 3)

small, large, path = sys.argv[1:]
copy(small, path, 500)  # what is loaded on first use is not counted
start = kib("VmRSS")
copy(large, path, 1000)
print(kib("VmHWM") - start)
"""


def picture(path: Path, side: int) -> Path:
    """A tiled and deflated RGB picture, all of whose tiles are the same."""
    values = np.add.outer(np.arange(TILE) // 40, np.arange(TILE) // 25).astype(np.uint8)
    encoded = zlib.compress(np.repeat(values[..., None], 3, axis=2).tobytes())
    tifffile.imwrite(
        path,
        (encoded for _ in range((-(-side // TILE)) ** 2)),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(TILE, TILE),
        photometric="rgb",
        compression="zlib",
        bigtiff=True,
    )
    return path


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("suffix", ["tif", "zarr"])
def test_memory_does_not_grow_with_the_picture(tmp_path: Path, suffix: str) -> None:
    peaks = []
    for side in (8_000, 20_000):
        sources = [str(picture(tmp_path / f"{size}.tif", size)) for size in (1_000, side)]
        command = [sys.executable, "-c", COPY, *sources, str(tmp_path / f"labels.{suffix}")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.1 * peaks[0], f"KiB at 8,000 and at 20,000: {peaks}"
    assert peaks[1] < 160 * 1024
