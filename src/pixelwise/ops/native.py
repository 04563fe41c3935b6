"""The native CPU kernels, if this installation has them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from pixelwise.processors import processors

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)


@functools.cache
def native_module() -> ModuleType | None:
    """Load the compiled kernels; None where the operators must run in plain torch.

    The environment variable ``PIXELWISE_NATIVE=0``, read once, switches the kernels off; ``baseline`` and ``avx2`` keep
    them to narrower instructions than the processor has. An installation without them, made where there was no C++
    compiler, says so once in the log.
    """
    if os.environ.get("PIXELWISE_NATIVE", "1") == "0":
        return None
    try:
        return importlib.import_module("pixelwise._native")
    except ImportError as error:
        logger.warning(
            "pixelwise runs without its native kernels, which is correct but slower on a CPU (%s); "
            "install it again where there is a C++ compiler to have them",
            error,
        )
        return None


def require_native() -> ModuleType:
    """Give the native kernels, after :func:`native_for` has returned them."""
    native = native_module()
    assert native is not None
    return native


def native_for(*tensors: Tensor | None) -> ModuleType | None:
    """Give the native kernels if all tensors are on the CPU, else None."""
    on_cpu = all(tensor is None or tensor.device.type == "cpu" for tensor in tensors)
    return native_module() if on_cpu else None


def threads() -> int:
    """Give the number of threads a kernel may use: what torch may use if it is loaded, else what this process may."""
    torch = sys.modules.get("torch")
    if torch is not None:
        given: int = torch.get_num_threads()
        return given
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) else processors()


def set_threads(count: int) -> None:
    """Let this process compute with a number of threads from now on: kernels, and torch if it is installed."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    if importlib.util.find_spec("torch") is not None:
        importlib.import_module("torch").set_num_threads(count)


def count_gpus() -> int:
    """Count the GPUs that torch sees; without torch, models run on the CPU."""
    if importlib.util.find_spec("torch") is None:
        return 0
    found: int = importlib.import_module("torch").cuda.device_count()
    return found
