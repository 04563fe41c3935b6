"""What surrounds a network in an exported graph: preparing the picture before it, and the labels behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pixelwise.errors import UnsupportedError
from pixelwise.export.network import PIXELS, SHARES
from pixelwise.inference.runtimes.onnx_pixels import COARSE, EXTENDED, IMAGE, LABELS
from pixelwise.models import SegmentationModel
from pixelwise.placement import Placement

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


def before_network(model: SegmentationModel, *, shared: bool) -> Nodes:
    """Write the nodes that turn the picture into what the network takes: its border, and normalised pixels.

    Args:
        model: the model.
        shared: whether the network takes the shares of rows and columns that show the picture.
    """
    nodes = Nodes("before")
    sides = nodes.sides(IMAGE, AXES)
    computed = _computed_sides(nodes, model, sides)
    image = IMAGE
    mirrored = model.placement.around == "margin" or (model.placement.around == "period" and model.edge == "mirror")
    if mirrored:
        margin = model.geometry.margin if model.placement.around == "margin" else 0
        for axis, side, length in zip(AXES, sides, computed, strict=True):
            output = EXTENDED if axis == AXES[-1] else ""
            image = nodes.add("Gather", image, _mirrored(nodes, side, length, margin), axis=axis, output=output)
    pixels = _normalised(nodes, model, image)  # (1, H', W', C)
    if model.placement.around == "period" and not mirrored:  # zeros are the mean colour once pictures are normalised
        below, right = (nodes.add("Sub", length, side) for side, length in zip(sides, computed, strict=True))
        zero = nodes.constant(0)
        pixels = nodes.add("Pad", pixels, nodes.join(*[zero] * 5, below, right, zero))
    nodes.add("Transpose", pixels, perm=[0, 3, 1, 2], output=PIXELS)  # (1, C, H', W')
    if shared:
        shown, whole = (_float(nodes, nodes.join(*both)) for both in (sides, computed))
        nodes.add("Div", shown, whole, output=SHARES)
    return nodes


def behind_network(model: SegmentationModel) -> Nodes:
    """Write the nodes that turn coarse logits into the labels of the picture.

    Raises:
        UnsupportedError: cells lie on pictures in a way that ONNX does not resize by.
    """
    nodes = Nodes("behind")
    sides = nodes.sides(IMAGE, AXES)
    placement = model.placement
    full = COARSE
    if placement.stretch is not None:
        computed = nodes.join(
            nodes.constant(1), nodes.constant(len(model.label_space)), *_computed_sides(nodes, model, sides)
        )
        rule = "align_corners" if placement.stretch == "corners" else "half_pixel"
        full = _resized(nodes, rule, sizes=computed)
        start = 0
    else:
        rule, start = exact_rule(placement)
        if placement.stride > 1:
            scales = nodes.constant([1, 1, placement.stride, placement.stride], np.float32)
            full = _resized(nodes, rule, scales=scales)
    begin = nodes.constant([start, start])
    end = nodes.add("Add", nodes.join(*sides), begin)
    scores = nodes.add("Slice", full, begin, end, nodes.constant([2, 3]))  # (1, K, H, W)
    narrow = len(model.label_space) <= 255
    labels = nodes.add("ArgMax", scores, axis=1, keepdims=0, output="" if narrow else LABELS)  # (1, H, W)
    if narrow:
        nodes.add("Cast", labels, to=_type("UINT8"), output=LABELS)
    return nodes


def exact_rule(placement: Placement) -> tuple[str, int]:
    """Find the rule by which ONNX resizes cells of an exact grid, and the first resized pixel that shows the picture.

    Raises:
        UnsupportedError: there is none.
    """
    for rule, first in (("half_pixel", (placement.stride - 1) / 2), ("asymmetric", 0.0)):
        start = first - placement.first
        if start >= 0 and start.is_integer():
            return rule, int(start)
    raise UnsupportedError(
        f"cells of {placement.stride} pixels, the first of which lies on pixel {placement.first:g}, cannot be resized "
        "by ONNX; such a model cannot be exported"
    )


def _computed_sides(nodes: Nodes, model: SegmentationModel, sides: tuple[str, str]) -> tuple[str, ...]:
    """Compute the height and the width that the network computes on, as :meth:`Placement.computed` does."""
    geometry, around = model.geometry, model.placement.around
    if around == "nothing":
        return sides
    if around == "period":
        period = nodes.constant(geometry.period)
        least = nodes.constant(geometry.smallest)
        more = nodes.constant(geometry.period - 1)
        whole = (nodes.add("Mul", nodes.add("Div", nodes.add("Add", side, more), period), period) for side in sides)
        return tuple(nodes.add("Max", side, least) for side in whole)
    count, period = nodes.constant(len(geometry.phases)), nodes.constant(geometry.period)
    one = nodes.constant(1)
    needs = nodes.constant([phase.needs + 1 for phase in geometry.phases])
    computed = []
    for side in sides:
        last = nodes.add("Sub", side, one)
        turns = nodes.add("Mul", nodes.add("Div", last, count), period)
        computed.append(nodes.add("Add", nodes.add("Gather", needs, nodes.add("Mod", last, count), axis=0), turns))
    return tuple(computed)


def _mirrored(nodes: Nodes, side: str, length: str, margin: int) -> str:
    """Compute the pixel at each of ``length`` places from ``-margin`` on, mirrored at the border pixels."""
    one = nodes.constant(1)
    last = nodes.add("Sub", side, one)
    turn = nodes.add("Max", nodes.add("Mul", last, nodes.constant(2)), one)
    places = nodes.add("Range", nodes.constant(-margin), nodes.add("Sub", length, nodes.constant(margin)), one)
    place = nodes.add("Mod", places, turn)  # never negative
    return nodes.add("Min", place, nodes.add("Sub", turn, place), last)


def _normalised(nodes: Nodes, model: SegmentationModel, image: str) -> str:
    """Normalise a picture (1, H, W, C) as its preprocessing says."""
    preprocessing = model.preprocessing
    mean, std = (
        nodes.constant(np.float32(255) * np.asarray(values, np.float32), np.float32)
        for values in (preprocessing.mean, preprocessing.std)
    )
    return nodes.add("Div", nodes.add("Sub", _float(nodes, image), mean), std)


def _float(nodes: Nodes, tensor: str) -> str:
    return nodes.add("Cast", tensor, to=_type("FLOAT"))


def _resized(nodes: Nodes, rule: str, *, scales: str = "", sizes: str = "") -> str:
    """Resize coarse logits (1, K, h, w), linearly between cells."""
    inputs = (COARSE, "", scales, sizes) if sizes else (COARSE, "", scales)
    return nodes.add("Resize", *inputs, mode="linear", coordinate_transformation_mode=rule)


def _type(name: str) -> int:
    import onnx

    number: int = onnx.TensorProto.DataType.Value(name)
    return number
