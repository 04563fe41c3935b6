"""Graphs of OpenVINO with layers in 8-bit integers, and which layers lose most by it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import ModelError
from pixelwise.inference.runtimes.exported.engines import Engine
from pixelwise.inference.runtimes.exported.file import IMAGE
from pixelwise.inference.runtimes.exported.openvino_ir import cut_model

if TYPE_CHECKING:
    import openvino

LAYERS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul")
"""The operators that are computed in integers, as OpenVINO calls them: convolutions, plain and transposed, and dense
layers."""

BETWEEN = ("Add",)
"""Operators that may pass integers on from layer to layer."""

ROUNDING = "FakeQuantize"
"""The operator that stands for rounding to 256 levels; OpenVINO merges it into the layer that reads it."""

_FIXED = ("Parameter", "Result", "Constant")

Picture = NDArray[np.uint8]
"""A picture as the graph takes it, (1, H, W, C)."""


def to_integers(
    graph: openvino.Model,
    pictures: Sequence[Picture],
    *,
    floating: Collection[str] = (),
    progress: Callable[[int, int], object],
) -> openvino.Model:
    """Let the layers of a graph compute in 8-bit integers, with ranges that are measured on pictures.

    Only convolutions and dense layers, and additions between them, become integers: sizes, padding, means over the
    picture, resampling and the choice of labels stay as they are. One of them in integers can cost more than all layers
    together (three paddings cost EfficientNet-Lite0 46 points of mIoU on CamVid).

    Args:
        graph: a graph from ``image``; it is not changed.
        pictures: pictures like those that the network will see.
        floating: the names of layers that stay in floats.
        progress: it is told how many pictures are done, of how many.

    Raises:
        ModelError: the graph has no form in integers.
    """
    import nncf

    nncf.set_log_level(logging.ERROR)
    present = {node.get_type_name() for node in graph.get_ordered_ops()}
    ignored = nncf.IgnoredScope(
        names=sorted(floating), types=sorted(present - {*LAYERS, *BETWEEN, *_FIXED}), validate=False
    )

    def given(numbered: tuple[int, Picture]) -> dict[str, Picture]:
        progress(numbered[0], len(pictures))
        return {IMAGE: numbered[1]}

    try:
        return nncf.quantize(
            graph.clone(),
            nncf.Dataset(list(enumerate(pictures)), given),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
            ignored_scope=ignored,
        )
    except Exception as error:  # of types that nncf does not publish
        raise ModelError(f"the network has no form in 8-bit integers ({error})") from error


def integer_layers(graph: openvino.Model) -> list[Layer]:
    """List the layers of a graph that compute in integers."""
    return [
        Layer(node, roundings)
        for node in graph.get_ordered_ops()
        if node.get_type_name() in LAYERS and (roundings := _roundings(node))
    ]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer that computes in integers.

    Args:
        node: its operator.
        roundings: place among its inputs -> what is read there, rounded.
    """

    node: Any
    roundings: dict[int, Any]

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return str(self.node.get_friendly_name())

    def round(self, *, on: bool) -> None:
        """Let its inputs be rounded or not."""
        for place, rounded in self.roundings.items():
            self.node.input(place).replace_source_output(rounded if on else rounded.get_node().input_value(0))


def _roundings(node: Any) -> dict[int, Any]:
    sources = [node.input_value(place) for place in range(node.get_input_size())]
    return {place: source for place, source in enumerate(sources) if source.get_node().get_type_name() == ROUNDING}


def rank_by_loss(
    graph: openvino.Model, output: str, pictures: Sequence[Picture], progress: Callable[[int, int], object]
) -> list[str]:
    """Order the layers that compute in integers by what each alone does to an output, the worst first.

    Args:
        graph: a graph in integers; it is not changed.
        output: the name of a tensor whose size depends on the picture's only.
        pictures: the pictures that are computed for every layer.
        progress: it is told how many layers are done, of how many.

    Returns:
        The names of the layers.
    """
    cut = cut_model(graph.clone(), [IMAGE], [output])
    layers = integer_layers(cut)
    for node in cut.get_ordered_ops():  # additions as well
        Layer(node, _roundings(node)).round(on=False)
    expected = _compute(cut, pictures)
    losses = []
    for number, layer in enumerate(layers, 1):
        layer.round(on=True)
        found = _compute(cut, pictures)
        layer.round(on=False)
        losses.append(sum(float(((one - other) ** 2).sum()) for one, other in zip(found, expected, strict=True)))
        progress(number, len(layers))
    return [layers[place].name for place in np.argsort(losses)[::-1]]


def _compute(graph: openvino.Model, pictures: Sequence[Picture]) -> list[NDArray[np.float32]]:
    session = Engine("openvino").open(graph)
    return [session({IMAGE: picture})[0] for picture in pictures]
