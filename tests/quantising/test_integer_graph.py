"""Which layers become integers, and which of them lose most."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.inference.runtimes.exported.file import IMAGE
from pixelwise.quantising.integer_graph import integer_layers, rank_by_loss, to_integers

openvino = pytest.importorskip("openvino")
pytest.importorskip("nncf")

OUTPUT = "scores"


def graph_with_a_sensitive_layer() -> openvino.Model:
    """A graph of three convolutions: the second reads values of 0 .. 3 beside a channel of thousands."""
    from openvino import opset13 as operators

    random = np.random.default_rng(0)
    image = operators.parameter([1, -1, -1, 3], np.uint8, name=IMAGE)
    image.output(0).get_tensor().set_names({IMAGE})
    floats = operators.divide(operators.convert(image, "f32"), np.float32(255))
    planes = operators.transpose(floats, np.array([0, 3, 1, 2]))

    def convolve(read: openvino.Node, channels: int, name: str, last: float = 1.0) -> openvino.Node:
        into = read.get_output_partial_shape(0)[1].get_length()
        weights = random.normal(size=(channels, into, 3, 3)).astype(np.float32)
        weights[:, -1] *= last
        return operators.convolution(read, weights, [1, 1], [1, 1], [1, 1], [1, 1], name=name)

    first = operators.relu(convolve(planes, 8, "first"))
    scale = np.ones((1, 8, 1, 1), np.float32)
    scale[0, -1] = 5000
    second = operators.relu(convolve(operators.multiply(first, scale), 8, "second", last=1 / 5000))
    scores = convolve(second, 3, "third")
    scores.output(0).get_tensor().set_names({OUTPUT})
    return openvino.Model([scores], [image], "test")


def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (1, 32, 48, 3), np.uint8) for _ in range(4)]


def test_layers_become_integers_and_stay_floats_where_asked() -> None:
    graph = graph_with_a_sensitive_layer()
    seen: list[tuple[int, int]] = []
    whole = to_integers(graph, pictures(), progress=lambda *done: seen.append(done))
    assert sorted(layer.name for layer in integer_layers(whole)) == ["first", "second", "third"]
    assert seen[-1] == (3, 4)
    part = to_integers(graph, pictures(), floating=["second"], progress=lambda *_: None)
    assert sorted(layer.name for layer in integer_layers(part)) == ["first", "third"]
    assert integer_layers(graph) == [], "the graph itself is unchanged"


def test_the_layer_that_loses_most_comes_first() -> None:
    graph = graph_with_a_sensitive_layer()
    whole = to_integers(graph, pictures(), progress=lambda *_: None)
    assert rank_by_loss(whole, OUTPUT, pictures(), lambda *_: None)[0] == "second"

    def error(changed: openvino.Model) -> float:
        expected, found = (
            openvino.Core().compile_model(one, "CPU")({IMAGE: pictures()[0]})[0] for one in (graph, changed)
        )
        return float(np.abs(found - expected).mean() / np.abs(expected).mean())

    part = to_integers(graph, pictures(), floating=["second"], progress=lambda *_: None)
    assert error(part) < 0.3 * error(whole)
