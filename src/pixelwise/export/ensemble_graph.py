"""Putting several networks into one graph, which averages their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pixelwise.export.around import add_labels
from pixelwise.export.graph import build_graph, check_graph, label_value, value
from pixelwise.export.nodes import Nodes
from pixelwise.inference.runtimes.averaging import check_agreement
from pixelwise.inference.runtimes.exported.ensemble_description import EnsembleDescription, member_prefix
from pixelwise.inference.runtimes.exported.file import IMAGE
from pixelwise.inference.runtimes.exported.pixels import FULL, PROBABILITIES
from pixelwise.models import SegmentationModel

if TYPE_CHECKING:
    import onnx


def build_ensemble_graph(models: Sequence[SegmentationModel]) -> tuple[onnx.ModelProto, EnsembleDescription]:
    """Build the graph that averages the softmax of several models with equal weights, and what the file says of them.

    The graph takes ``image``, uint8 (1, H, W, C) of any size, and gives ``probabilities``, float32 (1, K, H, W), and
    ``labels``, uint8 (1, H, W); int64 with more than 255 classes. Each network prepares the picture as it needs it.

    Raises:
        ModelError: the models have other classes, or take other pictures.
        UnsupportedError: a network, or the way its cells lie on pictures, has no form in ONNX.
    """
    import onnx

    first = models[0]
    for number, model in enumerate(models[1:], 2):
        check_agreement(first.card, model.card, number)
    built = [build_graph(model, labels=False) for model in models]
    parts = [_prefixed(graph, member_prefix(index)) for index, (graph, _) in enumerate(built)]
    behind, classes = Nodes("average"), len(first.label_space)
    softmaxes = [behind.add("Softmax", f"{member_prefix(index)}{FULL}", axis=1) for index in range(len(parts))]
    share = behind.constant(1 / len(parts), np.float32)
    behind.add("Mul", behind.add("Sum", *softmaxes), share, output=PROBABILITIES)
    add_labels(behind, PROBABILITIES, classes)
    kind = onnx.TensorProto
    graph = onnx.helper.make_graph(
        [*(node for part in parts for node in part.node), *behind.nodes],
        "pixelwise",
        [value(IMAGE, kind.UINT8, [1, "H", "W", first.preprocessing.channels])],
        [value(PROBABILITIES, kind.FLOAT, [1, classes, "H", "W"]), label_value(classes)],
        [*(tensor for part in parts for tensor in part.initializer), *behind.constants],
        value_info=[known for part in parts for known in (*part.value_info, *part.output)],
    )
    made = onnx.helper.make_model(
        graph,
        opset_imports=built[0][0].opset_import,
        ir_version=built[0][0].ir_version,
        producer_name="pixelwise",
    )
    check_graph(made, first.name)
    return made, EnsembleDescription(tuple(description for _, description in built))


def _prefixed(graph: onnx.ModelProto, prefix: str) -> onnx.GraphProto:
    """Let the names in a model's graph begin with a prefix, all but that of the picture."""
    import onnx

    part: onnx.GraphProto = onnx.compose.add_prefix_graph(graph.graph, prefix)
    for node in part.node:
        node.input[:] = [IMAGE if name == f"{prefix}{IMAGE}" else name for name in node.input]
    return part
