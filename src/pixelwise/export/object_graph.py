"""Putting the graph of a network that finds objects together: from a picture to boxes, labels, scores and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from pixelwise.export.graph import assemble, value
from pixelwise.export.network import PIXELS, trace
from pixelwise.export.nodes import AXES, Nodes, cast, continued, normalised, whole_periods
from pixelwise.export.object_network import ObjectNetwork
from pixelwise.inference.runtimes.exported.file import IMAGE
from pixelwise.inference.runtimes.exported.object_description import ObjectDescription
from pixelwise.inference.runtimes.exported.objects import BOXES, CLASSES, MASKS, RESIZED, SCORES, SEEN_BOXES
from pixelwise.inference.runtimes.torch_objects import TorchObjectRuntime
from pixelwise.models import DetectionModel
from pixelwise.models.prepare import prepare
from pixelwise.preprocessing import Resize

if TYPE_CHECKING:
    import onnx

SIZE = "size"
"""The name of the tensor (2,) with the height and the width of the picture that is resized, but not yet padded."""

TRACED_PERIODS = (2, 3)
"""The height and width of the picture that is traced, in periods beyond the smallest picture."""


def build_object_graph(model: DetectionModel) -> tuple[onnx.ModelProto, ObjectDescription]:
    """Build the graph of a model that finds objects, and what the file says of it.

    The graph takes ``image``, uint8 (1, H, W, C) of any size, and gives ``boxes``, float32 (N, 4), in pixels of it,
    ``labels``, int64 (N,), ``scores``, float32 (N,), and with a mask head ``masks``, float32 (N, M, M).

    Raises:
        UnsupportedError: the network has no form in ONNX.
    """
    import onnx

    resize, channels = model.preprocessing.resize, model.preprocessing.channels
    network, mask_side = _trace(prepare(model, form="plain"))
    kind = onnx.TensorProto
    outputs = [
        value(BOXES, kind.FLOAT, ["N", 4]),
        value(CLASSES, kind.INT64, ["N"]),
        value(SCORES, kind.FLOAT, ["N"]),
    ]
    if mask_side is not None:
        outputs.append(value(MASKS, kind.FLOAT, ["N", mask_side, mask_side]))
    inner = []
    if resize is not None:
        shapes = {RESIZED: [1, "rows", "columns", channels], SEEN_BOXES: ["N", 4]}
        inner = [value(name, kind.FLOAT, shape) for name, shape in shapes.items()]
    made = assemble(model, (_before(model), _behind(resize)), network, outputs, inner)
    # The memory is counted as for torch, so that pictures are cut into the same tiles.
    runtime = TorchObjectRuntime(model, device="cpu", precision="float32")
    return made, ObjectDescription(model.card, runtime.bytes_per_pixel, runtime.bytes_more, runtime.largest, mask_side)


def _trace(prepared: DetectionModel) -> tuple[onnx.ModelProto, int | None]:
    """Trace the network for pictures of any size; give its graph, and the side of its masks if it has some."""
    geometry = prepared.geometry
    rows, columns = (geometry.padded_size(geometry.smallest + more * geometry.period) for more in TRACED_PERIODS)
    pixels = torch.zeros(1, prepared.preprocessing.channels, rows, columns)
    inputs = pixels, torch.tensor([rows - 1, columns - 1])
    network = ObjectNetwork(prepared).eval()
    with torch.inference_mode():
        masks = network(*inputs)[3:]
    boxes = BOXES if prepared.preprocessing.resize is None else SEEN_BOXES
    names = [boxes, CLASSES, SCORES, MASKS][: 4 if masks else 3]
    axes = {PIXELS: {2: "rows", 3: "columns"}, **{name: {0: "N"} for name in names}}
    graph = trace(network, inputs, [PIXELS, SIZE], names, axes, prepared.name)
    return graph, masks[0].shape[-1] if masks else None


def _before(model: DetectionModel) -> Nodes:
    """Write the nodes that turn the picture into what the network takes: resized, normalised and padded."""
    nodes, resize = Nodes("before"), model.preprocessing.resize
    image = IMAGE if resize is None else _resized(nodes, resize, model.preprocessing.channels)
    sides = nodes.sides(image, AXES)
    nodes.add("Identity", nodes.join(*sides), output=SIZE)
    pixels = normalised(nodes, model.preprocessing, image)  # (1, h, w, C)
    pixels = continued(nodes, pixels, sides, whole_periods(nodes, model.geometry, sides))
    nodes.add("Transpose", pixels, perm=[0, 3, 1, 2], output=PIXELS)
    return nodes


def _resized(nodes: Nodes, resize: Resize, channels: int) -> str:
    """Resize the picture as :meth:`Resize.size_of` says, bilinear with half-pixel centres: float32 (1, h, w, C)."""
    sides = [cast(nodes, side, "DOUBLE") for side in nodes.sides(IMAGE, AXES)]
    factors = [
        nodes.add("Div", nodes.constant(wanted, np.float64), nodes.add(bound, *sides))
        for wanted, bound in ((resize.shorter, "Min"), (resize.longer, "Max"))
    ]
    factor = nodes.add("Min", *factors)
    one = nodes.constant(1)
    seen = [nodes.add("Max", cast(nodes, nodes.add("Mul", side, factor), "INT64"), one) for side in sides]
    planes = nodes.add("Transpose", cast(nodes, IMAGE, "FLOAT"), perm=[0, 3, 1, 2])  # (1, C, H, W)
    sizes = nodes.join(one, nodes.constant(channels), *seen)
    planes = nodes.add(
        "Resize", planes, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel"
    )  # (1, C, h, w)
    return nodes.add("Transpose", planes, perm=[0, 2, 3, 1], output=RESIZED)


def _behind(resize: Resize | None) -> Nodes:
    """Write the nodes that lay the boxes of a resized picture on the picture."""
    nodes = Nodes("behind")
    if resize is None:
        return nodes
    size, seen = (
        cast(nodes, nodes.join(*nodes.sides(image, AXES)[::-1]), "DOUBLE") for image in (IMAGE, RESIZED)
    )  # width and height
    ratio = cast(nodes, nodes.add("Div", size, seen), "FLOAT")
    nodes.add("Mul", SEEN_BOXES, nodes.add("Concat", ratio, ratio, axis=0), output=BOXES)
    return nodes
