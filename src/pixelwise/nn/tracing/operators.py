"""Rules that state which inputs the outputs of each operator read, for all networks.

A rule takes one run of an operator and gives the geometry of its output. It must never state fewer inputs than are
read: where it cannot know them, the output is EVERYWHERE, which means that it sees the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from pixelwise.geometry import Geometry
from pixelwise.nn.tracing.places import EVERYWHERE, Operation, Places, Where

Rule = Callable[[Operation], Where]


def rule_of(operator: Any) -> Rule | None:
    """The rule of an operator (an overload of ``torch.ops``); None where nothing is known about it."""
    known = OPERATOR_RULES.get(operator._overloadpacket)
    return _join if known is None and torch.Tag.pointwise in operator.tags else known


# Operators that work value by value, and that join branches.


def _join(run: Operation) -> Where:
    """Join branches value by value, or along channels."""
    maps = [(tensor, places) for tensor, places in run.inputs if isinstance(places, Places)]
    if not maps:
        return EVERYWHERE
    # A branch with a single place is broadcast over the others, which then see everything that it sees.
    most = max(places.shape[1] * places.shape[2] for _, places in maps)
    spread = [(tensor, places) for tensor, places in maps if places.shape[1] * places.shape[2] == most]
    spread.sort(key=lambda branch: branch[1].rows.whole)  # the stride of a stretched map has no meaning
    tensor, first = spread[0]
    branches = [places for _, places in spread]
    result = _follow(first, tensor, run.output)
    if not isinstance(result, Places):
        return EVERYWHERE
    alike = all(_aligned(tensor, first, other, places) for other, places in spread[1:])
    if len(spread) < len(run.inputs) or not alike or any(_strides(places) != _strides(first) for places in branches):
        return result.see_whole()
    rows = first.rows.join(*(places.rows for places in branches[1:]))
    columns = first.columns.join(*(places.columns for places in branches[1:]))
    return Places(rows, columns, result.shape)


def _strides(places: Places) -> tuple[int | Fraction, int | Fraction]:
    return places.rows.stride, places.columns.stride


def _aligned(one: Tensor, one_places: Places, other: Tensor, other_places: Places) -> bool:
    """Whether rows are combined with rows in two tensors: broadcasting counts dimensions from the last."""
    if one_places.shape == other_places.shape and one.shape == other.shape:
        return True
    rows, other_rows = one_places.row_dimension(one.shape), other_places.row_dimension(other.shape)
    return rows is not None and other_rows is not None and rows - one.ndim == other_rows - other.ndim


def _follow(places: Places, tensor: Tensor, output: Tensor) -> Where:
    """The places of a tensor in an output that keeps rows and columns where they are, counted from the last."""
    rows = places.row_dimension(tensor.shape)
    if rows is None:  # flattened
        return places if output.shape == tensor.shape else EVERYWHERE
    return places.moved(output.shape, rows - tensor.ndim + output.ndim)


def _keep(run: Operation) -> Where:
    """Every output reads its own place."""
    places = run.input
    return _follow(places, run.args[0], run.output) if isinstance(places, Places) else EVERYWHERE


def _batch_norm(run: Operation) -> Where:
    """With running statistics a value depends on itself only; with those of the picture, on all values."""
    places = _keep(run)
    return places.see_whole() if run.args[5] and isinstance(places, Places) else places


def _see_whole(run: Operation) -> Where:
    places = _keep(run)
    return places.see_whole() if isinstance(places, Places) else EVERYWHERE


# Windows.


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    return (value[0], value[0]) if len(value) == 1 else (value[-2], value[-1])


def _convolution(run: Operation) -> Where:
    _, weight, _, stride, padding, dilation, transposed, output_padding, *_ = run.args
    if len(run.inputs) > 1 or weight.ndim != 4:
        return EVERYWHERE

    def along(geometry: Geometry, axis: int) -> Geometry:
        kernel, step = weight.shape[2 + axis], _pair(stride)[axis]
        pad, holes = _pair(padding)[axis], _pair(dilation)[axis]
        if transposed:
            extra = _pair(output_padding)[axis]
            return geometry.transposed(kernel, stride=step, padding=pad, dilation=holes, output_padding=extra)
        return geometry.conv(kernel, stride=step, padding=pad, dilation=holes)

    return run.along(along)


def _max_pool(run: Operation) -> Where:
    kernel, stride = _pair(run.args[1]), _pair(run.argument(2, []) or run.args[1])
    padding, dilation = _pair(run.argument(3, 0)), _pair(run.argument(4, 1))
    if run.output.dtype == torch.int64 and (kernel != stride or padding != (0, 0)):
        return EVERYWHERE  # indices that point outside the block of their cell: unpooling by them may write anywhere
    ceil = run.argument(5, False)
    return run.along(
        lambda geometry, axis: geometry.pool(
            kernel[axis], stride=stride[axis], padding=padding[axis], dilation=dilation[axis], ceil=ceil
        )
    )


def _average_pool(run: Operation) -> Where:
    kernel, stride = _pair(run.args[1]), _pair(run.argument(2, []) or run.args[1])
    padding, ceil = _pair(run.argument(3, 0)), run.argument(4, False)
    return run.along(
        lambda geometry, axis: geometry.pool(kernel[axis], stride=stride[axis], padding=padding[axis], ceil=ceil)
    )


def _average_pool_of_channels(run: Operation) -> Where:
    """Local response normalisation pools over three dimensions, but not over rows and columns."""
    return _keep(run) if tuple(run.args[1][-2:]) == (1, 1) else EVERYWHERE


def _adaptive_pool(run: Operation) -> Where:
    """Bins that divide the map equal ordinary pooling only for this one size, so outputs see the whole picture."""
    places = run.input
    same = isinstance(places, Places) and tuple(run.output.shape[-2:]) == places.shape[1:3]
    return _keep(run) if same else EVERYWHERE


def _pad(run: Operation) -> Where:
    before_after = [*run.args[1], 0, 0, 0, 0]  # of the last dimension first
    return run.along(lambda geometry, axis: geometry.pad(*before_after[2 - 2 * axis : 4 - 2 * axis]))


# Upsampling.


def _unpool(run: Operation) -> Where:
    """Values go back to the positions of their indices, within the block that was pooled."""
    both = _join(replace(run, output=run.args[0]))  # values and indices
    if not isinstance(both, Places) or both.shape[3] != 1:
        return EVERYWHERE
    size = run.output.shape
    rows, columns = (-(-side // cells) for side, cells in zip(size[-2:], both.shape[1:3], strict=True))
    shape = (both.shape[0], size[-2], size[-1], 1)
    return Places(both.rows.nearest(rows), both.columns.nearest(columns), shape)


def _factors(run: Operation, scales: tuple[Any, Any]) -> tuple[int, int] | None:
    """The whole factors of an upsampling; None where it stretches the map to a size."""
    places = run.input
    if not isinstance(places, Places):
        return None
    factors = []
    for side, cells, scale in zip(run.output.shape[-2:], places.shape[1:3], scales, strict=True):
        if side % cells or scale not in (None, side // cells):
            return None
        factors.append(side // cells)
    return factors[0], factors[1]


def _nearest(run: Operation) -> Where:
    factors = _factors(run, (run.argument(2, None), run.argument(3, None)))
    if factors is None:  # a stretched map has no fixed grid; which inputs are read depends on the picture's size
        return EVERYWHERE
    return run.along(lambda geometry, axis: geometry.nearest(factors[axis]))


def _bilinear(run: Operation) -> Where:
    if run.args[2]:
        return _bilinear_corners(run)
    factors = _factors(run, (run.argument(3, None), run.argument(4, None)))
    if factors is None:
        return EVERYWHERE
    return run.along(lambda geometry, axis: geometry.bilinear(factors[axis]))


def _bilinear_corners(run: Operation) -> Where:
    """From corner to corner (``align_corners=True``): a grid where k + 1 cells become f * k + 1."""
    places = run.input
    if not isinstance(places, Places):
        return EVERYWHERE
    factors = []
    grids = zip((places.rows, places.columns), places.shape[1:3], run.output.shape[-2:], strict=True)
    for geometry, cells, side in grids:
        if cells < 2 or (side - 1) % (cells - 1):
            return EVERYWHERE
        factor = (side - 1) // (cells - 1)
        stride = Fraction(geometry.stride) / max(factor, 1)
        if stride.denominator > 1 and stride.numerator > 1:  # fits only by chance: 8 cells of stride 8 become 64
            return EVERYWHERE
        factors.append(factor)
    return run.along(lambda geometry, axis: geometry.bilinear(factors[axis], first=0))


def _shuffle(run: Operation) -> Where:
    """Channels become positions: each cell becomes a block."""
    return run.along(lambda geometry, axis: geometry.nearest(run.args[1]))


def _unshuffle(run: Operation) -> Where:
    return run.along(lambda geometry, axis: geometry.pool(run.args[1]))


# Parts of a tensor, and other views of it.


def _slice(run: Operation) -> Where:
    places, dimension = run.input, run.argument(1, 0) % run.output.ndim
    if not isinstance(places, Places):
        return EVERYWHERE
    shape = run.args[0].shape
    rows = places.row_dimension(shape)
    if rows is None:
        return EVERYWHERE
    axis, size, taken = dimension - rows, shape[dimension], run.output.shape[dimension]
    if axis not in (0, 1) or taken == size:
        return places.moved(run.output.shape, rows)
    start, end, step = run.argument(2, None) or 0, run.argument(3, None), run.argument(4, 1)
    end = size if end is None else min(size, end + size if end < 0 else end)
    start = start + size if start < 0 else start

    def along(geometry: Geometry, which: int) -> Geometry:
        if which != axis:
            return geometry
        cropped = geometry.pad(-start, end - size).conv(1, stride=step)
        return cropped.same_size() if taken * cropped.stride == run.picture[axis] else cropped

    out = run.output.shape
    lead, trail = places.shape[0], places.shape[3]
    return Places(along(places.rows, 0), along(places.columns, 1), (lead, out[rows], out[rows + 1], trail))


def _select(run: Operation) -> Where:
    places, dimension = run.input, run.args[1] % run.args[0].ndim
    rows = places.row_dimension(run.args[0].shape) if isinstance(places, Places) else None
    if not isinstance(places, Places) or rows is None or dimension in (rows, rows + 1):
        return EVERYWHERE
    return places.moved(run.output.shape, rows - (dimension < rows))


def _permute(run: Operation) -> Where:
    return _reorder(run, [dimension % run.output.ndim for dimension in run.args[1]])


def _transpose(run: Operation) -> Where:
    order = list(range(run.output.ndim))
    one, two = (dimension % run.output.ndim for dimension in run.args[1:3])
    order[one], order[two] = order[two], order[one]
    return _reorder(run, order)


def _reorder(run: Operation, order: list[int]) -> Where:
    places = run.input
    rows = places.row_dimension(run.args[0].shape) if isinstance(places, Places) else None
    if not isinstance(places, Places) or rows is None or order.index(rows + 1) != order.index(rows) + 1:
        return EVERYWHERE
    return places.moved(run.output.shape, order.index(rows))


def _view(run: Operation) -> Where:
    """A view keeps the order of values, so that rows and columns are found by products of dimensions."""
    return run.input


# Sums over channels depend on one place each; sums over places see everything.


def _reduce(run: Operation) -> Where:
    return _reduce_over(run, run.argument(1, None))


def _reduce_norm(run: Operation) -> Where:
    return _reduce_over(run, run.argument(2, None))


def _reduce_over(run: Operation, dimensions: Any) -> Where:
    places = run.input
    over = [dimensions] if isinstance(dimensions, int) else list(dimensions or [])
    if not isinstance(places, Places) or not over:  # no dimensions means all of them
        return EVERYWHERE
    shape = run.args[0].shape
    rows = places.row_dimension(shape)
    reduced = {dimension % len(shape) for dimension in over}
    if rows is None or reduced & {rows, rows + 1}:
        return EVERYWHERE
    kept = run.output.ndim == len(shape)
    return places.moved(run.output.shape, rows if kept else rows - sum(dimension < rows for dimension in reduced))


def _product(run: Operation) -> Where:
    """A matrix product over the last dimension, where it holds only the channels."""
    matrix = run.args[-2]
    if len(run.inputs) != 1 or run.inputs[0][0] is not matrix:
        return EVERYWHERE
    places = run.inputs[0][1]
    if not isinstance(places, Places) or places.shape[3] != matrix.shape[-1] or places.shape[3] == 1:
        return EVERYWHERE
    lead, rows, columns, _ = places.shape
    return Places(places.rows, places.columns, (lead, rows, columns, run.output.shape[-1]))


def _layer_norm(run: Operation) -> Where:
    """Normalisation over the last dimensions: they hold only the channels where the map is channels-last."""
    places, over = run.input, 1
    for size in run.args[1]:
        over *= size
    if not isinstance(places, Places):
        return EVERYWHERE
    return _keep(run) if over == places.shape[3] else _see_whole(run)


aten = torch.ops.aten
OPERATOR_RULES: dict[Any, Rule] = {
    aten.convolution: _convolution,
    aten.max_pool2d_with_indices: _max_pool,
    aten.avg_pool2d: _average_pool,
    aten.avg_pool3d: _average_pool_of_channels,
    aten._adaptive_avg_pool2d: _adaptive_pool,
    aten.adaptive_max_pool2d: _adaptive_pool,
    aten.max_unpool2d: _unpool,
    aten.upsample_nearest2d: _nearest,
    aten.upsample_bilinear2d: _bilinear,
    aten.pixel_shuffle: _shuffle,
    aten.pixel_unshuffle: _unshuffle,
    aten.constant_pad_nd: _pad,
    aten.replication_pad2d: _pad,
    aten.reflection_pad2d: _pad,
    aten.slice: _slice,
    aten.select: _select,
    aten.split: _keep,
    aten.split_with_sizes: _keep,
    aten.expand: _keep,
    aten.cat: _join,
    aten.copy_: _join,
    aten.hardswish: _keep,
    aten.hardswish_: _keep,
    aten._prelu_kernel: _keep,
    aten.mean: _reduce,
    aten.sum: _reduce,
    aten.amax: _reduce,
    aten.var_mean: _reduce,
    aten.linalg_vector_norm: _reduce_norm,
    aten._softmax: _reduce,
    aten._log_softmax: _reduce,
    aten.permute: _permute,
    aten.transpose: _transpose,
    aten.view: _view,
    aten._unsafe_view: _view,
    aten.unsqueeze: _view,
    aten.squeeze: _view,
    aten.mm: _product,
    aten.addmm: _product,
    aten.native_layer_norm: _layer_norm,
    aten.native_group_norm: _see_whole,
    aten.native_batch_norm: _batch_norm,
    aten.clone: _keep,
    aten.detach: _keep,
    aten.alias: _keep,
    aten.lift_fresh: _keep,
    aten._to_copy: _keep,
}
"""Operator -> rule. Operators that work value by value need no entry; the outputs of others see the whole picture."""
