"""Putting the graph of an exported file together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pixelwise.errors import UnsupportedError
from pixelwise.export.around import add_labels, before_network, behind_network
from pixelwise.export.network import trace_network
from pixelwise.export.nodes import Nodes
from pixelwise.inference.runtimes.exported.description import ExportDescription, mean_name
from pixelwise.inference.runtimes.exported.ensemble_description import EnsembleDescription
from pixelwise.inference.runtimes.exported.file import IMAGE
from pixelwise.inference.runtimes.exported.object_description import ObjectDescription
from pixelwise.inference.runtimes.exported.onnx_graph import METADATA_KEY
from pixelwise.inference.runtimes.exported.pixels import COARSE, EXTENDED, FULL, LABELS
from pixelwise.models import Model, SegmentationModel
from pixelwise.models.prepare import prepare
from pixelwise.nn.tracing.memory import demand
from pixelwise.tiling import PixelCost

if TYPE_CHECKING:
    import onnx

AnyDescription = ExportDescription | ObjectDescription | EnsembleDescription
"""What any exported file says of itself."""

COSTED_SIDE = 1024
"""Side in pixels of the picture on which memory is counted; the memory per pixel does not depend on it."""

FLOAT_BYTES = 4


def build_graph(model: SegmentationModel, *, labels: bool = True) -> tuple[onnx.ModelProto, ExportDescription]:
    """Build the graph of a model, from a picture to its labels, and what the file says of it.

    The graph takes ``image``, uint8 (1, H, W, C) of any size, and gives ``coarse``, float32 (1, K, h, w), and
    ``labels``, uint8 (1, H, W); int64 with more than 255 classes.

    Args:
        model: the model.
        labels: whether the graph gives labels; if not, it gives ``full``, the logits of all pixels (1, K, H, W).

    Raises:
        UnsupportedError: the network, or the way its cells lie on pictures, has no form in ONNX.
    """
    import onnx

    prepared = prepare(model, form="plain")
    network = trace_network(prepared)
    before, behind = before_network(model, shared=network.shared), behind_network(model)
    channels, classes = model.preprocessing.channels, len(model.label_space)
    kind = onnx.TensorProto
    if labels:
        add_labels(behind, FULL, classes)
    inner = [value(mean_name(index), kind.FLOAT, [1, count, 1, 1]) for index, count in enumerate(network.means)]
    if model.placement.around == "margin":
        inner.append(value(EXTENDED, kind.UINT8, [1, "rows", "columns", channels]))
    full = value(FULL, kind.FLOAT, [1, classes, "H", "W"])
    outputs = [value(COARSE, kind.FLOAT, [1, classes, "h", "w"]), label_value(classes) if labels else full]
    made = assemble(model, (before, behind), network.graph, outputs, inner)
    return made, ExportDescription(model.card, model.placement, _pixel_bytes(prepared), network.means)


def describe_in(graph: onnx.ModelProto, description: AnyDescription) -> None:
    """Write the description into the metadata of a graph."""
    import onnx

    onnx.helper.set_model_props(graph, {METADATA_KEY: description.to_text()})


def value(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
    """State the type of a tensor and its shape, whose unknown sides are names."""
    import onnx

    return onnx.helper.make_tensor_value_info(name, kind, shape)


def label_value(classes: int) -> onnx.ValueInfoProto:
    """State the type and the shape of the labels."""
    import onnx

    return value(LABELS, onnx.TensorProto.UINT8 if classes <= 255 else onnx.TensorProto.INT64, [1, "H", "W"])


def check_graph(made: onnx.ModelProto, name: str) -> None:
    """Make sure that a graph is valid.

    Raises:
        UnsupportedError: it is not; the message calls the model ``name``.
    """
    import onnx

    try:
        onnx.checker.check_model(made)
    except Exception as error:
        raise UnsupportedError(f"model '{name}' cannot be exported: its graph is not valid ({error})") from error


def assemble(
    model: Model,
    around: tuple[Nodes, Nodes],
    network: onnx.ModelProto,
    outputs: Sequence[onnx.ValueInfoProto],
    inner: Sequence[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """Put the nodes before a traced network, the network and the nodes behind it into one graph, and check that.

    Raises:
        UnsupportedError: the graph is not valid.
    """
    import onnx

    before, behind = around
    graph = onnx.helper.make_graph(
        [*before.nodes, *network.graph.node, *behind.nodes],
        "pixelwise",
        [value(IMAGE, onnx.TensorProto.UINT8, [1, "H", "W", model.preprocessing.channels])],
        outputs,
        [*before.constants, *network.graph.initializer, *behind.constants],
        value_info=inner,
    )
    made = onnx.helper.make_model(
        graph, opset_imports=network.opset_import, ir_version=network.ir_version, producer_name="pixelwise"
    )
    check_graph(made, model.name)
    return made


def _pixel_bytes(prepared: SegmentationModel) -> float:
    """Count the memory that computing takes for each input pixel, the picture and its copies included."""
    side = max(COSTED_SIDE, prepared.geometry.input_size(COSTED_SIDE))
    channels = prepared.preprocessing.channels
    needed = demand(prepared.network, (1, channels, side, side))
    return PixelCost.even(needed.peak_bytes / side**2 + channels * (3 + FLOAT_BYTES)).bytes
