"""An exported file that is opened: its graph and its description, and running parts of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import ModelError
from pixelwise.inference.runtimes.catalogue import OPENVINO_SUFFIX
from pixelwise.inference.runtimes.exported.engines import Engine, Graph, Session
from pixelwise.inference.runtimes.exported.onnx_graph import read_graph
from pixelwise.inference.runtimes.exported.openvino_ir import read_ir

IMAGE = "image"
"""The name of the input of every exported graph: the picture as uint8 (1, H, W, C)."""


class ReadGraph(Protocol):
    """The graph in a file of any kind, which was read and not run."""

    @property
    def description(self) -> str:
        """What pixelwise wrote into it; empty if nothing."""
        ...

    @property
    def digest(self) -> str:
        """Identifies the content of the file."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs, in their order."""
        ...

    def cut(self, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
        """Cut out what computes some tensors from others.

        Raises:
            ModelError: a tensor is missing, or cannot be computed from the inputs.
        """
        ...


@dataclass(frozen=True, eq=False)
class ExportedFile:
    """An exported file; nothing of it has been run.

    Args:
        path: the file.
        graph: what was read from it.
        digest: the first digits of its digest.
        text: the description in it, which is not checked yet.
        engine: what runs its graph.
    """

    path: Path
    graph: ReadGraph
    digest: str
    text: str
    engine: Engine

    @classmethod
    def read(cls, path: Path, engine: Engine) -> ExportedFile:
        """Read a file.

        Raises:
            ModelError: it is no file that pixelwise exported, or it may not be opened.
        """
        graph: ReadGraph = read_ir(path) if path.suffix == OPENVINO_SUFFIX else read_graph(path)
        if not graph.description:
            raise ModelError(f"{path}: holds a network without pixelwise's description; export a model with pixelwise")
        return cls(path, graph, graph.digest[:16], graph.description, engine)

    def fingerprint(self, name: str) -> str:
        """Identify what is computed: the name of the model, the digest of the file, the library and its precision."""
        return f"{name or 'model'} {self.digest} {self.engine}"

    def open(self, inputs: Sequence[str], outputs: Sequence[str]) -> Session:
        """Prepare the part of the graph between some of its tensors for running.

        Raises:
            ModelError: the graph lacks one, or the library refuses it.
        """
        return self.engine.open(self.graph.cut(inputs, outputs))

    def run(self, session: Session, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run a part of the graph.

        Raises:
            ModelError: it fails.
        """
        try:
            return session(inputs)
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from None


def batch(image: NDArray[Any]) -> NDArray[Any]:
    """Turn an image (C, H, W) into an input of the graph, (1, H, W, C)."""
    return np.ascontiguousarray(image.transpose(1, 2, 0))[None]
