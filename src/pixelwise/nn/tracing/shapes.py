"""The shapes that common operators give, stated here because torch's own code for shapes imports its compiler.

That import takes longer than importing torch itself. Operators without a rule, and calls that a rule cannot answer
(None), go to torch, which refuses what does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelwise.nn.watching import OperatorMode


@contextmanager
def on_shapes() -> Iterator[None]:
    """Make new tensors of this thread shapes without values (device "meta"), which operators then give in turn."""
    with torch.device("meta"), ShapeRules():
        yield


class ShapeRules(OperatorMode):
    """A context in which operators on meta tensors follow the rules of this file, where there is one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        rule = _RULES.get(func)
        if rule is not None and all(tensor.is_meta for tensor in _tensors(args)):
            result = rule(*args, **given)
            if result is not None:
                return result
        return func(*args, **given)


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


# Windows. Values for all axes may be given as one.


def _at(values: Sequence[int], axis: int) -> int:
    return values[axis] if len(values) > 1 else values[0]


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor | None:
    if input.ndim != weight.ndim or input.ndim < 3 or 0 in input.shape:
        return None
    one, other = weight.shape[0], weight.shape[1] * groups
    taken, made = (one, other) if transposed else (other, one)
    if input.shape[1] != taken or (bias is not None and bias.shape != (made,)):
        return None
    sides = []
    for axis, (side, kernel) in enumerate(zip(input.shape[2:], weight.shape[2:], strict=True)):
        step, pad, holes, more = (_at(values, axis) for values in (stride, padding, dilation, output_padding))
        reach = holes * (kernel - 1)
        if transposed and more >= max(step, holes):
            return None
        sides.append(
            (side - 1) * step - 2 * pad + reach + more + 1 if transposed else _cells(side + 2 * pad, reach, step)
        )
    return None if min(sides) < 1 else input.new_empty((input.shape[0], made, *sides))


def _cells(side: int, reach: int, step: int) -> int:
    """Count the windows within a side, each from its first value to ``reach`` beyond."""
    return (side - reach - 1) // step + 1


def _pooled(
    input: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil: bool = False,
) -> tuple[int, ...] | None:
    """The shape of a pooled map."""
    dimensions = len(kernel)
    if input.ndim != 2 + dimensions or 0 in input.shape or not input.is_contiguous():
        return None
    sides = []
    for axis, (side, size) in enumerate(zip(input.shape[2:], kernel, strict=True)):
        step, pad = _at(stride or kernel, axis), _at(padding, axis)
        if 2 * pad > size:
            return None
        reach = _at(dilation, axis) * (size - 1)
        cells = _cells(side + 2 * pad + (step - 1 if ceil else 0), reach, step)
        sides.append(cells - int(ceil and (cells - 1) * step >= side + pad))  # none begins in the padding at the end
    return (*input.shape[:2], *sides) if min(sides) > 0 else None


def _max_pool(input: Tensor, *options: Any) -> tuple[Tensor, Tensor] | None:
    """The greatest values, and their places as numbers."""
    shape = _pooled(input, *options)
    return None if shape is None else (input.new_empty(shape), input.new_empty(shape, dtype=torch.int64))


def _average_pool(
    input: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil: bool = False,
    *_: Any,
) -> Tensor | None:
    shape = _pooled(input, kernel, stride, padding, ceil=ceil)
    return None if shape is None else input.new_empty(shape)


# Other sizes. Results lie in memory as (N, C, H, W), which holds where all maps do.


def _rows_last(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or (
        tensor.ndim == 4 and sorted(tensor.stride(), reverse=True) == list(tensor.stride())
    )


def _max_unpool(input: Tensor, places: Tensor, size: Sequence[int]) -> Tensor | None:
    return _resized(input, size) if input.shape == places.shape else None


def _resized(input: Tensor, size: Sequence[int], *_: Any) -> Tensor | None:
    fits = input.ndim == 4 and len(size) == 2 and min(*input.shape, *size) > 0 and input.is_contiguous()
    return input.new_empty((*input.shape[:2], *size)) if fits else None


def _joined(tensors: Sequence[Tensor], dimension: int = 0) -> Tensor | None:
    first = tensors[0]
    if not all(_rows_last(tensor) for tensor in tensors):
        return None
    axis = dimension % first.ndim
    alike = {(tensor.dtype, *tensor.shape[:axis], None, *tensor.shape[axis + 1 :]) for tensor in tensors}
    length = sum(tensor.shape[axis] for tensor in tensors)
    return first.new_empty((*first.shape[:axis], length, *first.shape[axis + 1 :])) if len(alike) == 1 else None


def _mean(input: Tensor, dimensions: Sequence[int] | None, keep: bool = False, **options: Any) -> Tensor | None:
    if not input.dtype.is_floating_point or not dimensions or any(option is not None for option in options.values()):
        return None
    over = {dimension % input.ndim for dimension in dimensions}
    sides = [1 if axis in over else side for axis, side in enumerate(input.shape) if keep or axis not in over]
    return input.new_empty(sides)


# Values.


def _batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor] | None:
    """The normalised map, and mean and scale in the precision in which they are computed."""
    channels = input.shape[1:2]
    fits = all(values is None or values.shape == channels for values in (weight, bias, mean, variance))
    if training or not fits or not input.is_contiguous() or input.dtype not in _COMPUTED_IN_FLOAT32:
        return None
    scales = [input.new_empty(channels, dtype=torch.float32) for _ in range(2)]
    return input.new_empty(input.shape), scales[0], scales[1]


def _pointwise(*values: Any, **_: Any) -> Tensor | None:
    """Real numbers of one type, computed value by value."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    dtype = tensors[0].dtype
    if not dtype.is_floating_point or any(each.dtype != dtype or not _rows_last(each) for each in tensors):
        return None
    try:
        return tensors[0].new_empty(np.broadcast_shapes(*(tuple(tensor.shape) for tensor in tensors)))
    except ValueError:
        return None


def _in_place(input: Tensor, *_: Any, **__: Any) -> Tensor:
    return input


_COMPUTED_IN_FLOAT32 = (torch.float32, torch.bfloat16, torch.float16)

aten = torch.ops.aten
_RULES: dict[Any, Callable[..., Any]] = {
    aten.convolution.default: _convolution,
    aten.max_pool2d_with_indices.default: _max_pool,
    aten.avg_pool2d.default: _average_pool,
    aten.avg_pool3d.default: _average_pool,
    aten.max_unpool2d.default: _max_unpool,
    aten.upsample_nearest2d.default: _resized,
    aten.upsample_bilinear2d.default: _resized,
    aten.cat.default: _joined,
    aten.mean.dim: _mean,
    aten.native_batch_norm.default: _batch_norm,
    aten.add.Tensor: _pointwise,
    aten.sub.Tensor: _pointwise,
    aten.rsub.Scalar: _pointwise,
    aten.mul.Tensor: _pointwise,
    aten.div.Tensor: _pointwise,
    aten.pow.Tensor_Scalar: _pointwise,
    aten.abs.default: _pointwise,
    aten.relu.default: _pointwise,
    aten.relu_.default: _in_place,
    aten.hardtanh_.default: _in_place,
    aten.normal_.default: _in_place,
}
