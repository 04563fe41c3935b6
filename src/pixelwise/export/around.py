"""What surrounds a network in an exported graph: preparing the picture, and the logits and labels of its pixels."""

from __future__ import annotations

import numpy as np

from pixelwise.errors import UnsupportedError
from pixelwise.export.network import PIXELS, SHARES
from pixelwise.export.nodes import AXES, Nodes, cast, continued, normalised, whole_periods
from pixelwise.inference.runtimes.exported.file import IMAGE
from pixelwise.inference.runtimes.exported.pixels import COARSE, EXTENDED, FULL, LABELS
from pixelwise.models import SegmentationModel
from pixelwise.placement import Placement


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
    pixels = normalised(nodes, model.preprocessing, image)  # (1, H', W', C)
    if model.placement.around == "period" and not mirrored:
        pixels = continued(nodes, pixels, sides, computed)
    nodes.add("Transpose", pixels, perm=[0, 3, 1, 2], output=PIXELS)  # (1, C, H', W')
    if shared:
        shown, whole = (cast(nodes, nodes.join(*both), "FLOAT") for both in (sides, computed))
        nodes.add("Div", shown, whole, output=SHARES)
    return nodes


def behind_network(model: SegmentationModel) -> Nodes:
    """Write the nodes that turn coarse logits into the logits of all pixels of the picture.

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
    nodes.add("Slice", full, begin, end, nodes.constant([2, 3]), output=FULL)  # (1, K, H, W)
    return nodes


def add_labels(nodes: Nodes, scores: str, classes: int) -> None:
    """Write the nodes that find the class of the greatest score (1, K, H, W) of each pixel."""
    narrow = classes <= 255
    labels = nodes.add("ArgMax", scores, axis=1, keepdims=0, output="" if narrow else LABELS)  # (1, H, W)
    if narrow:
        cast(nodes, labels, "UINT8", LABELS)


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
        return whole_periods(nodes, geometry, sides)
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


def _resized(nodes: Nodes, rule: str, *, scales: str = "", sizes: str = "") -> str:
    """Resize coarse logits (1, K, h, w), linearly between cells."""
    inputs = (COARSE, "", scales, sizes) if sizes else (COARSE, "", scales)
    return nodes.add("Resize", *inputs, mode="linear", coordinate_transformation_mode=rule)
