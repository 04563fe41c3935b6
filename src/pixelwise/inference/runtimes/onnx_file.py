"""An exported file that is opened: its graph and its description, and running parts of the graph."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import ModelError
from pixelwise.inference.runtimes.onnx_description import METADATA_KEY
from pixelwise.inference.runtimes.onnx_graph import cut, read_graph, require_packages
from pixelwise.ops.native import threads

if TYPE_CHECKING:
    import onnx

IMAGE = "image"
"""The name of the input of every exported graph: the picture as uint8 (1, H, W, C)."""

Run = Any
"""A session of ONNX Runtime, which brings no types."""


@dataclass(frozen=True, eq=False)
class ExportedFile:
    """An exported file; nothing of it has been run.

    Args:
        path: the file.
        graph: the graph in it.
        digest: the first digits of its digest.
        text: the description in it, which is not checked yet.
    """

    path: Path
    graph: onnx.ModelProto
    digest: str
    text: str

    @classmethod
    def read(cls, path: Path) -> ExportedFile:
        """Read a file.

        Raises:
            ModelError: it is no file that pixelwise exported, or it may not be opened.
            UnsupportedError: ONNX Runtime is not installed.
        """
        require_packages(f"{path}: to run an exported file, pixelwise")
        graph, content = read_graph(path)
        texts = {entry.key: entry.value for entry in graph.metadata_props}
        if METADATA_KEY not in texts:
            raise ModelError(f"{path}: holds a network without pixelwise's description; export a model with pixelwise")
        return cls(path, graph, hashlib.sha256(content).hexdigest()[:16], texts[METADATA_KEY])

    def open(self, inputs: Sequence[str], outputs: Sequence[str]) -> Run:
        """Prepare the part of the graph between some of its tensors for running.

        Raises:
            ModelError: the graph lacks one, or the library refuses it.
        """
        return open_session(cut(self.graph, inputs, outputs))

    def run(self, run: Run, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run a part of the graph.

        Raises:
            ModelError: it fails.
        """
        try:
            results: list[NDArray[Any]] = run.run(None, dict(inputs))
        except Exception as error:  # of types that the library does not publish
            raise ModelError(f"{self.path}: its network cannot be run ({_brief(error)})") from None
        return results


def open_session(model: onnx.ModelProto) -> Run:
    """Prepare a graph for running, with as many threads as kernels may use.

    Raises:
        ModelError: the library refuses the graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised, and need not be printed as well
    # Threads that wait busily would take the processor from the kernels that compute labels.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # Without the fallback, which would print an error and try the same again.
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except Exception as error:  # of types that the library does not publish
        raise ModelError(f"its network cannot be run ({_brief(error)})") from None


def batch(image: NDArray[Any]) -> NDArray[Any]:
    """Turn an image (C, H, W) into an input of the graph, (1, H, W, C)."""
    return np.ascontiguousarray(image.transpose(1, 2, 0))[None]


def _brief(error: Exception) -> str:
    return textwrap.shorten(str(error) or type(error).__name__, 300, placeholder=" ...")
