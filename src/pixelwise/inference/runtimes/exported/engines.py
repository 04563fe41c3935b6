"""The libraries that run the graph of an exported file on the CPU, each in a precision."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import textwrap
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np
import platformdirs
from numpy.typing import NDArray

from pixelwise.errors import ModelError, SettingError, UnsupportedError
from pixelwise.ops.native import threads

if TYPE_CHECKING:
    import openvino

EngineName = Literal["onnx", "openvino"]
PACKAGES: dict[EngineName, str] = {"onnx": "onnxruntime", "openvino": "openvino"}
"""Runtime -> the package that it needs."""

KEPT_BYTES = 2**28
"""The most that compiled graphs may take in the user's cache folder."""

Graph = Union[bytes, "openvino.Model"]
"""A graph that an engine opens: an ONNX file, or for OpenVINO one that it has read."""

Session = Callable[[Mapping[str, NDArray[Any]]], list[NDArray[Any]]]
"""Runs a graph: its inputs by name -> its outputs in their order."""


@dataclass(frozen=True)
class Engine:
    """A library and the precision that it computes in.

    Args:
        runtime: the library.
        precision: ``"float32"``, or ``"bfloat16"`` for OpenVINO on processors that compute in it.
    """

    runtime: EngineName
    precision: str = "float32"

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"

    def open(self, model: Graph) -> Session:
        """Prepare a graph for running, with as many threads as kernels may use.

        Args:
            model: the graph; ONNX Runtime takes ONNX files only.

        Raises:
            ModelError: the library refuses the graph; so does the session when it runs.
        """
        try:
            session = _open_onnxruntime(model) if self.runtime == "onnx" else _open_openvino(model, self.precision)
        except Exception as error:  # of types that the libraries do not publish
            raise _refusal(error) from None

        def run(inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
            try:
                return session(inputs)
            except Exception as error:
                raise _refusal(error) from None

        return run


def engines_for(runtime: str, precision: str) -> tuple[Engine, ...]:
    """List the engines that this machine has, the most exact first.

    Args:
        runtime: ``"auto"``, or one of :data:`PACKAGES`.
        precision: ``"auto"``, ``"float32"`` or ``"bfloat16"``.

    Raises:
        SettingError: no library computes in this precision here.
        UnsupportedError: the package of the runtime is not installed.
    """
    names = [name for name in PACKAGES if runtime in ("auto", name)]
    installed = [name for name in names if importlib.util.find_spec(PACKAGES[name]) is not None]
    if not installed:
        wanted = " or ".join(PACKAGES[name] for name in names)
        raise UnsupportedError(
            f"running an exported file needs the package {wanted}; install it with: pip install {PACKAGES[names[0]]}"
        )
    engines = [Engine(name) for name in installed if precision in ("auto", "float32")]
    if "openvino" in installed and precision in ("auto", "bfloat16") and "BF16" in _openvino_capabilities():
        engines.append(Engine("openvino", "bfloat16"))
    if not engines:
        raise SettingError(
            f"exported files are not computed in '{precision}' here; float32 always is, and bfloat16 by openvino on "
            "processors that have it; leave it out",
            argument="precision",
        )
    return tuple(engines)


def describe_machine() -> tuple[str, ...]:
    """State what the speed of engines depends on: the processor, its abilities, threads, and versions of libraries."""
    installed = [package for package in PACKAGES.values() if importlib.util.find_spec(package) is not None]
    versions = [f"{package} {importlib.metadata.version(package)}" for package in installed]
    abilities = _openvino_capabilities() if "openvino" in installed else ()
    return (_processor(), f"threads {threads()}", *sorted(abilities), *versions)


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    import platform

    return platform.processor() or platform.machine()


@functools.cache
def _openvino_capabilities() -> tuple[str, ...]:
    import openvino

    return tuple(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def _open_onnxruntime(model: Graph) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised, and need not be printed as well
    # Threads that wait busily would take the processor from the kernels that compute labels.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without the fallback, which would print an error and try the same again.
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=False)

    def run(inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        results: list[NDArray[Any]] = session.run(None, dict(inputs))
        return results

    return run


def _open_openvino(model: Graph, precision: str) -> Session:
    import openvino

    core = openvino.Core()
    kept = Path(platformdirs.user_cache_dir("pixelwise")) / "openvino"
    with suppress(OSError):  # without the folder, the graph is compiled every time
        _forget_old(kept)
        core.set_property({"CACHE_DIR": str(kept)})
    options = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    read = core.read_model(model) if isinstance(model, bytes) else model
    compiled = core.compile_model(read, "CPU", options)
    names = [output.get_any_name() for output in compiled.outputs]

    def run(inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        # A request of its own, because several threads may share the graph; its outputs are copied out of it.
        results = compiled.create_infer_request().infer(dict(inputs))
        return [np.array(results[name]) for name in names]

    return run


def _forget_old(folder: Path) -> None:
    """Remove the compiled graphs that were used longest ago, until the rest is small enough."""
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(
        ((file.stat(), file) for file in folder.iterdir() if file.is_file()), key=lambda pair: -pair[0].st_atime
    )
    total = 0
    for status, file in found:
        total += status.st_size
        if total > KEPT_BYTES:
            file.unlink(missing_ok=True)


def _refusal(error: Exception) -> ModelError:
    reason = textwrap.shorten(str(error) or type(error).__name__, 300, placeholder=" ...")
    return ModelError(f"its network cannot be run ({reason})")
