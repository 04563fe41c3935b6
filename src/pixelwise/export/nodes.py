"""Writing nodes of a graph one by one, and the nodes that every exported graph begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pixelwise.geometry import Geometry
from pixelwise.preprocessing import Preprocessing

if TYPE_CHECKING:
    import onnx

AXES = (1, 2)
"""The axes of rows and columns of a picture (1, H, W, C)."""


class Nodes:
    """Nodes of a graph and their constants, which are written one after the other.

    Args:
        prefix: what the names of all their tensors begin with.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node with one output, and give the name of that."""
        import onnx

        name = output or f"{self.prefix}/{operator}.{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [name], name=f"{self.prefix}:{name}", **attributes))
        return name

    def constant(self, value: Any, dtype: type[np.generic] = np.int64) -> str:
        """Add a constant, and give its name."""
        import onnx

        name = f"{self.prefix}/constant.{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def sides(self, tensor: str, axes: Sequence[int]) -> tuple[str, str]:
        """Give the height and the width of a tensor, () each."""
        shape = self.add("Shape", tensor)
        rows, columns = (self.add("Gather", shape, self.constant(axis), axis=0) for axis in axes)
        return rows, columns

    def join(self, *numbers: str) -> str:
        """Join numbers () to a list of them."""
        axis = self.constant([0])
        return self.add("Concat", *(self.add("Unsqueeze", number, axis) for number in numbers), axis=0)


def whole_periods(nodes: Nodes, geometry: Geometry, sides: tuple[str, str]) -> tuple[str, ...]:
    """Compute the height and the width in whole periods, as :meth:`Geometry.padded_size` does."""
    period, least = nodes.constant(geometry.period), nodes.constant(geometry.smallest)
    more = nodes.constant(geometry.period - 1)
    whole = (nodes.add("Mul", nodes.add("Div", nodes.add("Add", side, more), period), period) for side in sides)
    return tuple(nodes.add("Max", side, least) for side in whole)


def normalised(nodes: Nodes, preprocessing: Preprocessing, image: str) -> str:
    """Normalise a picture (1, H, W, C), and give its name."""
    mean, std = (
        nodes.constant(np.float32(255) * np.asarray(values, np.float32), np.float32)
        for values in (preprocessing.mean, preprocessing.std)
    )
    return nodes.add("Div", nodes.add("Sub", cast(nodes, image, "FLOAT"), mean), std)


def continued(nodes: Nodes, pixels: str, sides: Sequence[str], computed: Sequence[str]) -> str:
    """Continue a normalised picture (1, H, W, C) below and on the right with zeros, which are the mean colour."""
    below, right = (nodes.add("Sub", length, side) for side, length in zip(sides, computed, strict=True))
    zero = nodes.constant(0)
    return nodes.add("Pad", pixels, nodes.join(*[zero] * 5, below, right, zero))


def cast(nodes: Nodes, tensor: str, kind: str, output: str = "") -> str:
    """Convert a tensor to a type by its name in ONNX, and give the name of the result."""
    return nodes.add("Cast", tensor, to=number_of(kind), output=output)


def number_of(kind: str) -> int:
    """Give the number of a type by its name in ONNX."""
    import onnx

    number: int = onnx.TensorProto.DataType.Value(kind)
    return number
