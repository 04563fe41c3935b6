"""Reading ONNX files that may come from anywhere, and cutting out the part of a graph that is needed.

Files are read field by field, by the numbers that ``onnx.proto`` gives the fields, so that running them takes no other
package than the one that runs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pixelwise.errors import DataError, ModelError, quoted
from pixelwise.io.protobuf import Field, read_fields, write_field

METADATA_KEY = "pixelwise"
"""The key of the file's metadata that holds the description, as JSON."""

STANDARD_DOMAINS = ("", "ai.onnx")
"""The names of the set of operators of the ONNX standard; none of them opens files or runs code."""

MOST_NESTED_GRAPHS = 16
"""Graphs within graphs, such as the branches of conditions, that are read; exported ones have one or two."""

EXTERNAL = 1
"""The value of a tensor's ``data_location`` where its data lie in another file."""


class _Model:
    """Numbers of the fields of ``ModelProto``."""

    IR_VERSION, GRAPH, OPSETS, METADATA, TRAINING, FUNCTIONS = 1, 7, 8, 14, 20, 25


class _Graph:
    """Numbers of the fields of ``GraphProto``."""

    NODE, NAME, TENSOR, INPUT, OUTPUT, VALUE, SPARSE_TENSOR = 1, 2, 5, 11, 12, 13, 15


class _Node:
    """Numbers of the fields of ``NodeProto``."""

    INPUT, OUTPUT, OPERATOR, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7


class _Attribute:
    """Numbers of the fields of ``AttributeProto`` that hold tensors and graphs, one or several."""

    TENSORS, GRAPHS, SPARSE_TENSORS = (5, 10), (6, 11), (22, 23)


class _Tensor:
    """Numbers of the fields of ``TensorProto``; a sparse one holds two of them as fields 1 and 2."""

    NAME, EXTERNAL_DATA, LOCATION = 8, 13, 14
    OF_SPARSE = (1, 2)


@dataclass
class Node:
    """One operator of a graph.

    Args:
        raw: the node as it stands in the file.
        inputs: the names that it reads; an input that is left out has an empty name.
        outputs: the names that it makes.
        inner: the graphs that it holds, such as the branches of a condition.
    """

    raw: memoryview
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    inner: list[Graph] = field(default_factory=list)


@dataclass
class Graph:
    """A graph of operators; parts stand under their names, as they stand in the file."""

    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, memoryview] = field(default_factory=dict)
    inputs: dict[str, memoryview] = field(default_factory=dict)
    outputs: dict[str, memoryview] = field(default_factory=dict)
    values: dict[str, memoryview] = field(default_factory=dict)


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file that was read; nothing of it was run.

    Args:
        content: the whole file.
        graph: its graph.
        metadata: the texts that it holds.
        head: the fields that say which version of the standard it follows, as they stand in the file.
    """

    content: bytes
    graph: Graph
    metadata: dict[str, str]
    head: bytes

    @property
    def description(self) -> str:
        """What pixelwise wrote into it; empty if nothing."""
        return self.metadata.get(METADATA_KEY, "")

    @property
    def digest(self) -> str:
        """The digest of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs, in their order."""
        return tuple(self.graph.outputs)

    def cut(self, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
        """Cut out what computes some tensors from others, as :func:`cut` does."""
        return cut(self, inputs, outputs)


def read_graph(file: Path) -> OnnxFile:
    """Read an ONNX file without running anything or opening any other file.

    Raises:
        ModelError: it cannot be read, is no ONNX file, keeps data in other files, or has operators beyond the standard.
    """
    try:
        return _read_model(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{file}: the file cannot be read ({error.strerror})") from None
    except (DataError, UnicodeDecodeError) as error:
        reason = "a name in it is no text" if isinstance(error, UnicodeDecodeError) else error
        raise ModelError(f"{file}: this is no ONNX file ({reason})") from None
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from None


def _read_model(content: bytes) -> OnnxFile:
    graphs, metadata, head = [], {}, b""
    for part in read_fields(memoryview(content)):
        if part.number == _Model.GRAPH:
            graphs.append(_read_graph(part.content, 0))
        elif part.number == _Model.METADATA:
            texts = {entry.number: _text(entry) for entry in read_fields(part.content)}
            metadata[texts.get(1, "")] = texts.get(2, "")
        elif part.number in (_Model.IR_VERSION, _Model.OPSETS):
            head += bytes(part.raw)
        elif part.number in (_Model.TRAINING, _Model.FUNCTIONS):
            raise ModelError(
                "the file holds functions or training graphs, which exported models do not have; export the model again"
            )
    if len(graphs) != 1 or not head:
        raise DataError(f"it holds {len(graphs)} graphs" if head else "it names no version of the standard")
    return OnnxFile(content, graphs[0], metadata, head)


def _read_graph(message: memoryview, depth: int) -> Graph:
    if depth > MOST_NESTED_GRAPHS:
        raise DataError("its graphs lie too deep within each other")
    graph = Graph()
    for part in read_fields(message):
        if part.number == _Graph.NODE:
            graph.nodes.append(_read_node(part.content, depth))
        elif part.number == _Graph.TENSOR:
            graph.tensors[_check_tensor(part.content)] = part.content
        elif part.number == _Graph.SPARSE_TENSOR:
            raise ModelError("the file holds sparse tensors, which exported models do not have; export the model again")
        elif part.number in (_Graph.INPUT, _Graph.OUTPUT, _Graph.VALUE):
            kept = {_Graph.INPUT: graph.inputs, _Graph.OUTPUT: graph.outputs, _Graph.VALUE: graph.values}[part.number]
            kept[next((_text(entry) for entry in read_fields(part.content) if entry.number == 1), "")] = part.content
    return graph


def _read_node(message: memoryview, depth: int) -> Node:
    node, operator, domains = Node(message), "", []
    for part in read_fields(message):
        if part.number == _Node.INPUT:
            node.inputs.append(_text(part))
        elif part.number == _Node.OUTPUT:
            node.outputs.append(_text(part))
        elif part.number == _Node.OPERATOR:
            operator = _text(part)
        elif part.number == _Node.DOMAIN:
            domains.append(_text(part))
        elif part.number == _Node.ATTRIBUTE:
            for held in read_fields(part.content):
                if held.number in _Attribute.TENSORS:
                    _check_tensor(held.content)
                elif held.number in _Attribute.GRAPHS:
                    node.inner.append(_read_graph(held.content, depth + 1))
                elif held.number in _Attribute.SPARSE_TENSORS:
                    for tensor in read_fields(held.content):
                        if tensor.number in _Tensor.OF_SPARSE:
                            _check_tensor(tensor.content)
    for domain in domains:
        if domain not in STANDARD_DOMAINS:
            raise ModelError(
                f"operator {quoted(operator)} is of the set {quoted(domain)}; only operators of the ONNX standard are "
                "run"
            )
    return node


def _check_tensor(message: memoryview) -> str:
    """Give the name of a tensor, whose data must lie in it.

    Raises:
        ModelError: they lie in another file.
    """
    name, outside = "", False
    for part in read_fields(message):
        if part.number == _Tensor.NAME:
            name = _text(part)
        outside |= part.number == _Tensor.EXTERNAL_DATA or (part.number, part.value) == (_Tensor.LOCATION, EXTERNAL)
    if outside:
        raise ModelError(
            f"tensor {quoted(name)} lies in another file (external data), which is not opened: the file could name any "
            "path; write the model into one file"
        )
    return name


def _text(part: Field) -> str:
    return str(part.content, "utf-8")


def cut(file: OnnxFile, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Cut out of a graph what computes some of its tensors from others, and write it as a file of its own.

    A runtime that is asked for one output of a graph computes the rest nevertheless; nodes must be gone.

    Args:
        file: the whole file. Tensors within its graph that become inputs or outputs have their types in its values.
        inputs: the names of the inputs of the result.
        outputs: the names of its outputs.

    Raises:
        ModelError: a tensor is missing, or cannot be computed from the inputs.
    """
    graph = file.graph
    known = graph.inputs | graph.values | graph.outputs
    missing = [name for name in (*inputs, *outputs) if name not in known]
    if missing:
        raise ModelError(f"its graph lacks the tensor {quoted(missing[0])}; export the model again")
    wanted, kept = set(outputs), []
    for node in reversed(graph.nodes):  # nodes stand behind those that they read
        if wanted.intersection(node.outputs):
            wanted -= set(node.outputs)
            wanted |= _reads(node) - {*inputs, ""}
            kept.append(node)
    tensors = [name for name in graph.tensors if name in wanted]
    within = {name for node in kept for inner in node.inner for part in _graphs(inner) for name in _made(part)}
    unmade = wanted - set(tensors) - set(inputs) - within
    if unmade:
        raise ModelError(f"its graph does not compute {quoted(min(unmade))}; export the model again")
    parts = [
        *(write_field(_Graph.NODE, node.raw) for node in reversed(kept)),
        write_field(_Graph.NAME, b"pixelwise"),
        *(write_field(_Graph.TENSOR, graph.tensors[name]) for name in tensors),
        *(write_field(_Graph.INPUT, known[name]) for name in inputs),
        *(write_field(_Graph.OUTPUT, known[name]) for name in outputs),
    ]
    return file.head + write_field(_Model.GRAPH, b"".join(parts))


def _reads(node: Node) -> set[str]:
    """The names that a node reads, those read within its branches included."""
    names = set(node.inputs)
    for graph in (found for inner in node.inner for found in _graphs(inner)):
        names |= {name for part in graph.nodes for name in part.inputs}
        names |= set(graph.outputs)
    return names


def _graphs(graph: Graph) -> Iterator[Graph]:
    """The graph and all graphs within its nodes."""
    yield graph
    for node in graph.nodes:
        for inner in node.inner:
            yield from _graphs(inner)


def _made(graph: Graph) -> set[str]:
    """The names that a graph makes itself."""
    return {name for node in graph.nodes for name in node.outputs} | set(graph.inputs) | set(graph.tensors)
