"""Reading ONNX files that may come from anywhere, and cutting out the part of a graph that is needed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelwise.errors import ModelError, UnsupportedError, quoted

if TYPE_CHECKING:
    import onnx

    Node = onnx.NodeProto
    Graph = onnx.GraphProto

STANDARD_DOMAINS = ("", "ai.onnx")
"""The names of the set of operators of the ONNX standard; none of them opens files or runs code."""


def require_packages(doing: str) -> None:
    """Make sure that the packages of the extra ``export`` are installed.

    Raises:
        UnsupportedError: one is missing; the message says what it is needed for and how to install it.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UnsupportedError(
            f"{doing} needs the package {error.name or 'onnx'}; install it with: pip install 'pixelwise[export]'"
        ) from None


def read_graph(file: Path) -> tuple[onnx.ModelProto, bytes]:
    """Read an ONNX file without running anything or opening any other file.

    Returns:
        The file as it is parsed, and its bytes.

    Raises:
        ModelError: it cannot be read, is no ONNX file, keeps data in other files, or has operators beyond the standard.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        content = file.read_bytes()
        model = onnx.load_model_from_string(content)
    except OSError as error:
        raise ModelError(f"{file}: the file cannot be read ({error.strerror})") from None
    except (DecodeError, ValueError, RecursionError) as error:
        reason = textwrap.shorten(str(error) or type(error).__name__, 200, placeholder=" ...")
        raise ModelError(f"{file}: this is no ONNX file ({reason})") from None
    reason = _reason_against(model)
    if reason:
        raise ModelError(f"{file}: {reason}")
    return model, content


def _reason_against(model: onnx.ModelProto) -> str:
    """Say why a file is refused; empty where it is not."""
    import onnx

    if model.functions or model.training_info:
        return "the file holds functions or training graphs, which exported models do not have; export the model again"
    for graph in _graphs(model.graph):
        if graph.sparse_initializer:
            return "the file holds sparse tensors, which exported models do not have; export the model again"
        tensors = [*graph.initializer, *(tensor for node in graph.node for tensor in _tensors(node))]
        for tensor in tensors:
            if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
                return (
                    f"tensor {quoted(tensor.name)} lies in another file (external data), which is not opened: the file "
                    "could name any path; write the model into one file"
                )
        for node in graph.node:
            if node.domain not in STANDARD_DOMAINS:
                return (
                    f"operator {quoted(node.op_type)} is of the set {quoted(node.domain)}; only operators of the ONNX "
                    "standard are run"
                )
    return ""


def _tensors(node: Node) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        alone = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
        for sparse in (*alone, *attribute.sparse_tensors):
            yield sparse.values
            yield sparse.indices


def _inner(node: Node) -> list[Graph]:
    """The graphs that a node holds, such as the branches of a condition."""
    return [
        graph
        for attribute in node.attribute
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs)
    ]


def _graphs(graph: Graph) -> Iterator[Graph]:
    """The graph and all graphs within its nodes."""
    waiting = [graph]
    while waiting:
        here = waiting.pop()
        yield here
        waiting += [inner for node in here.node for inner in _inner(node)]


def _reads(node: Node) -> set[str]:
    """The names that a node reads, those read within its branches included."""
    names = set(node.input)
    for graph in (found for inner in _inner(node) for found in _graphs(inner)):
        names |= {name for part in graph.node for name in part.input}
        names |= {output.name for output in graph.output}
    return names


def cut(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
    """Cut out of a graph what computes some of its tensors from others.

    A runtime that is asked for one output of a graph computes the rest nevertheless; nodes must be gone.

    Args:
        model: the whole graph. Tensors within it that become inputs or outputs have their types in ``value_info``.
        inputs: the names of the inputs of the result.
        outputs: the names of its outputs.

    Raises:
        ModelError: a tensor is missing, or cannot be computed from the inputs.
    """
    import onnx

    graph = model.graph
    known = {value.name: value for value in (*graph.input, *graph.value_info, *graph.output)}
    missing = [name for name in (*inputs, *outputs) if name not in known]
    if missing:
        raise ModelError(f"its graph lacks the tensor {quoted(missing[0])}; export the model again")
    wanted, kept = set(outputs), []
    for node in reversed(graph.node):  # nodes stand behind those that they read
        if wanted.intersection(node.output):
            wanted -= set(node.output)
            wanted |= _reads(node) - {*inputs, ""}  # an input that is left out has an empty name
            kept.append(node)
    tensors = [tensor for tensor in graph.initializer if tensor.name in wanted]
    result = onnx.helper.make_graph(
        kept[::-1], "pixelwise", [known[name] for name in inputs], [known[name] for name in outputs], tensors
    )
    within = {name for node in kept for inner in _inner(node) for part in _graphs(inner) for name in _made(part)}
    unmade = wanted - {tensor.name for tensor in tensors} - set(inputs) - within
    if unmade:
        raise ModelError(f"its graph does not compute {quoted(min(unmade, key=str))}; export the model again")
    return onnx.helper.make_model(result, opset_imports=model.opset_import, ir_version=model.ir_version)


def _made(graph: Graph) -> set[str]:
    """The names that a graph makes itself."""
    values = (*graph.input, *graph.initializer)
    return {name for node in graph.node for name in node.output} | {value.name for value in values}
