"""Reading files of OpenVINO (an .xml and its .bin) that may come from anywhere, and cutting out a part of the graph."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from pixelwise.errors import ModelError, quoted

if TYPE_CHECKING:
    import openvino

WEIGHTS_SUFFIX = ".bin"
"""Suffix of the file of weights, which lies beside the .xml and has its stem."""

DESCRIPTION, WEIGHTS_DIGEST = ("pixelwise", "description"), ("pixelwise", "weights")
"""Where the graph keeps its description, and the digest of its weights."""

STANDARD_OPERATORS = re.compile(r"opset\d+")
"""The sets of operators that OpenVINO defines; others come from libraries that would have to be loaded."""

MOST_XML_BYTES = 2**28
"""The largest .xml that is read; that of a network of 500 layers takes 2 MB."""


@dataclass(frozen=True, eq=False)
class IrFile:
    """A file of OpenVINO that was read; nothing of it was run.

    Args:
        graph: the content of the .xml.
        weights: the content of the .bin.
        description: what pixelwise wrote into it; empty if nothing.
        outputs: the names of its outputs, in their order.
    """

    graph: bytes
    weights: bytes
    description: str
    outputs: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The digest of both files."""
        return hashlib.sha256(self.graph + hashlib.sha256(self.weights).digest()).hexdigest()

    @cached_property
    def _read(self) -> openvino.Model:
        import openvino

        return openvino.Core().read_model(self.graph, self.weights)

    def cut(self, inputs: Sequence[str], outputs: Sequence[str]) -> openvino.Model:
        """Cut out what computes some tensors from others.

        Raises:
            ModelError: OpenVINO refuses the graph, or a tensor is missing.
        """
        try:
            model = self._read.clone()
        except Exception as error:  # of types that OpenVINO does not publish
            raise ModelError(f"OpenVINO refuses its graph ({error})") from None
        return cut_model(model, inputs, outputs)


def read_ir(file: Path) -> IrFile:
    """Read a file of OpenVINO without running anything or opening any other file than its weights.

    Raises:
        ModelError: a file cannot be read, the two do not belong together, it is no graph of OpenVINO, or it has
            operators beyond the standard ones.
    """
    weights_file = file.with_suffix(WEIGHTS_SUFFIX)
    try:
        size = file.stat().st_size
        graph = file.read_bytes() if size <= MOST_XML_BYTES else b""
        weights = weights_file.read_bytes()
    except FileNotFoundError as error:
        missing = Path(error.filename)
        raise ModelError(
            f"{missing}: there is no such file; a model of OpenVINO is a pair, {file.name} and {weights_file.name}"
        ) from None
    except OSError as error:
        raise ModelError(f"{error.filename}: the file cannot be read ({error.strerror})") from None
    if size > MOST_XML_BYTES:
        raise ModelError(f"{file}: has {size:,} bytes; graphs of at most {MOST_XML_BYTES:,} are read")
    try:
        root = _parse(graph)
        digest = _kept_text(root, WEIGHTS_DIGEST)
        if digest and digest != hashlib.sha256(weights).hexdigest():
            raise ModelError(
                f"{weights_file}: holds other weights than those of {file.name}; copy both files of the model"
            )
        _check_layers(root, len(weights))
        return IrFile(graph, weights, _kept_text(root, DESCRIPTION), _outputs(root))
    except ElementTree.ParseError as error:
        raise ModelError(f"{file}: this is no graph of OpenVINO ({error})") from None
    except ModelError as error:
        raise ModelError(str(error) if str(error).startswith(str(weights_file)) else f"{file}: {error}") from None


def _parse(graph: bytes) -> ElementTree.Element:
    if b"<!DOCTYPE" in graph or b"<!ENTITY" in graph:
        raise ModelError("this is no graph of OpenVINO (it defines entities)")
    root = ElementTree.fromstring(graph)
    if root.tag != "net" or root.find("layers") is None:
        raise ModelError(f"this is no graph of OpenVINO (it begins with <{root.tag}>)")
    return root


def _kept_text(root: ElementTree.Element, path: tuple[str, ...]) -> str:
    found = root.find("/".join(("rt_info", *path)))
    return "" if found is None else found.get("value", "")


def _check_layers(root: ElementTree.Element, weights: int) -> None:
    """Refuse operators beyond the standard ones, and constants beyond the weights, in the graph and within loops.

    Raises:
        ModelError: there are some.
    """
    for layer in root.iter("layer"):
        if not STANDARD_OPERATORS.fullmatch(layer.get("version", "")):
            raise ModelError(
                f"operator {quoted(layer.get('type', ''))} is of the set {quoted(layer.get('version', ''))}; only "
                "operators of OpenVINO itself are run"
            )
        data = layer.find("data")
        if layer.get("type") != "Const" or data is None:
            continue
        first, size = (data.get(name, "") for name in ("offset", "size"))
        if not (first.isdecimal() and size.isdecimal() and int(first) + int(size) <= weights):
            raise ModelError(f"constant {quoted(layer.get('name', ''))} lies beyond the {weights:,} bytes of weights")


def _outputs(root: ElementTree.Element) -> tuple[str, ...]:
    """The names of the outputs of the graph: what its results read."""
    layers = root.find("layers")
    assert layers is not None
    ports = {
        (layer.get("id"), port.get("id")): port.get("names", "")
        for layer in layers
        for port in layer.iterfind("output/port")
    }
    results = [layer.get("id") for layer in layers if layer.get("type") == "Result"]
    read = {
        edge.get("to-layer"): (edge.get("from-layer"), edge.get("from-port")) for edge in root.iterfind("edges/edge")
    }
    return tuple(ports.get(read.get(result, ("", "")), "") for result in results)


def cut_model(model: openvino.Model, inputs: Sequence[str], outputs: Sequence[str]) -> openvino.Model:
    """Cut out of a graph what computes some tensors from others; the graph is changed.

    Args:
        model: the graph.
        inputs: the names of the inputs of the result.
        outputs: the names of its outputs.

    Raises:
        ModelError: a tensor is missing, or cannot be computed from the inputs.
    """
    import openvino
    from openvino import opset13

    tensors: dict[str, Any] = {
        name: made for node in model.get_ordered_ops() for made in node.outputs() for name in made.get_names()
    }
    missing = [name for name in (*inputs, *outputs) if name not in tensors]
    if missing:
        raise ModelError(f"its graph lacks the tensor {quoted(missing[0])}; export the model again")
    sources = [tensors[name] for name in outputs]
    given = {parameter.output(0).get_any_name(): parameter for parameter in model.get_parameters()}
    for name in inputs:
        if name not in given:
            made = tensors[name]
            entry = opset13.parameter(made.get_partial_shape(), made.get_element_type())
            for reader in made.get_target_inputs():
                reader.replace_source_output(entry.output(0))
            entry.output(0).get_tensor().set_names({name})
            given[name] = entry
    try:
        result = openvino.Model(sources, [given[name] for name in inputs], "pixelwise")
    except RuntimeError as error:
        raise ModelError(f"its graph does not compute {', '.join(outputs)} from {', '.join(inputs)}") from error
    for output, name in zip(result.outputs, outputs, strict=True):
        if name not in output.get_names():
            output.get_tensor().add_names({name})
    return result
