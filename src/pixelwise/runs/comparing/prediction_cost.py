"""Measuring how long a model takes for a picture on this machine, and how much memory.

Each model is measured in a process of its own, so that memory which others have left behind does not count. Run as a
program, this module measures one model and prints the result as JSON.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pixelwise.errors import PixelwiseError
from pixelwise.processors import processors

MEASURED_PICTURES = 8
"""The most pictures that models are timed on."""
LEAST_PASSES = 3
MOST_PASSES = 20
SECONDS_PER_MODEL = 5.0
"""After this time, no further pass is begun, if there were enough."""
_STATUS = Path("/proc/self/status")
_MIB = 2**20


@dataclass(frozen=True)
class PredictionCost:
    """What predicting costs on this machine.

    Args:
        latency_ms: milliseconds for a picture, from decoded pixels to labels or objects; the median over passes.
        fastest_ms: the same in the quickest pass.
        slowest_ms: the same in the slowest pass.
        memory_mib: the most memory that predicting took beside the loaded model; that of the GPU if there is one.
        passes: how often all pictures were predicted, after a first time that does not count.
    """

    latency_ms: float
    fastest_ms: float
    slowest_ms: float
    memory_mib: float
    passes: int


def measure_prediction(model: str | os.PathLike[str], pictures: Sequence[Path]) -> PredictionCost:
    """Measure a model in a process of its own.

    Args:
        model: a run folder or model file.
        pictures: the pictures to predict, each at its own size; evenly spread ones are taken if there are many.

    Raises:
        PixelwiseError: the process failed; the message is its last line.
    """
    step = -(-len(pictures) // MEASURED_PICTURES)
    chosen = [str(Path(picture).resolve()) for picture in pictures[::step]]
    command = [sys.executable, "-m", __name__, str(Path(model).resolve()), *chosen]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise PixelwiseError(f"{model}: predicting could not be measured: {last}")
    return PredictionCost(**json.loads(done.stdout.splitlines()[-1]))


def describe_machine() -> str:
    """Name this machine: its processor or GPU, cores, memory, system, and the version of torch."""
    import psutil
    import torch

    cores = processors()
    memory = psutil.virtual_memory().total / 2**30
    parts = [f"{_processor()}, {cores} cores, {memory:.0f} GiB"]
    if torch.cuda.is_available():
        parts.insert(0, torch.cuda.get_device_name(0))
    return "; ".join([*parts, f"{platform.system()} {platform.machine()}", f"torch {torch.__version__}"])


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown processor"


def _measure(model: Path, pictures: Sequence[Path]) -> PredictionCost:
    """Measure a model in this process."""
    import torch

    from pixelwise.inference.pictures import decode_picture
    from pixelwise.inference.predictor import Predictor

    predictor = Predictor(model)
    decoded = [decode_picture(picture, predictor.preprocessing) for picture in pictures]
    cuda = torch.cuda.is_available()
    before = torch.cuda.memory_allocated() if cuda else _begin_peak()
    for picture in decoded:  # the first time, the runtime prepares itself for each size
        predictor(picture)
    memory = (torch.cuda.max_memory_allocated() if cuda else _peak()) - before
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < LEAST_PASSES or (len(times) < MOST_PASSES and time.perf_counter() - began < SECONDS_PER_MODEL):
        started = time.perf_counter()
        for picture in decoded:
            predictor(picture)
        times.append(1000 * (time.perf_counter() - started) / len(decoded))
    return PredictionCost(statistics.median(times), min(times), max(times), max(0.0, memory / _MIB), passes=len(times))


def _begin_peak() -> int:
    """Give the bytes in use, and let the system record the peak from here on, where it can."""
    import psutil

    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: sets the recorded peak to what is in use
    except OSError:
        return _peak()  # the peak so far; only what exceeds it is then seen
    return int(psutil.Process().memory_info().rss)


def _peak() -> int:
    """Give the greatest number of bytes that were in use."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM"):
                return 1024 * int(line.split()[1])
    import psutil

    most = getattr(psutil.Process().memory_info(), "peak_wset", None)  # Windows
    if most is not None:
        return int(most)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))))
