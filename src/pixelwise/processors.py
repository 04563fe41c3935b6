"""How many processors there are to compute with."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path


@functools.cache
def processors() -> int:
    """Count the processors that this process may use: by its affinity and, in a container, by its quota of time."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()[:2]
        return count if quota == "max" else max(1, min(count, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or another form of it
        return count
