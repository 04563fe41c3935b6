"""The geometry of any network, traced from the operators that it runs.

The network runs once on the meta device, where tensors have shapes and no values. Beside each feature map goes a
:class:`~pixelwise.geometry.Geometry`; every operator says what its outputs read of its inputs, and joining branches
unite. What an operator does to places is thus stated once, here, for every network that uses it. An operator that is
not known, or that looks at all places (attention, global pooling), makes its outputs see the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import lcm, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry


@dataclass(frozen=True)
class Places:
    """How the places of a tensor lie on the picture.

    Args:
        rows: geometry along the height.
        columns: geometry along the width.
        shape: size of the dimensions before the rows, of rows and of columns, of those after the columns. A view may
            have flattened some of them; they are found again by their products.
    """

    rows: Geometry
    columns: Geometry
    shape: tuple[int, int, int, int]

    @property
    def geometry(self) -> Geometry:
        """What holds along both axes."""
        return self.rows if self.rows == self.columns else self.rows.join(self.columns)

    def see_whole(self) -> Places:
        """The same places, each of which sees the whole picture."""
        return Places(self.rows.see_whole(), self.columns.see_whole(), self.shape)


EVERYWHERE = "everywhere"
"""Marks a tensor without places (after global pooling), every value of which sees the whole picture."""


@dataclass(frozen=True)
class Stage:
    """What one module of a traced network gave and cost."""

    name: str
    kind: str
    shape: tuple[int, ...]
    geometry: Geometry | None
    """None where the output has no places, as after global pooling."""
    parameters: int
    multiply_adds: int


@dataclass
class Trace:
    """What running a network on the meta device told."""

    outputs: list[Geometry] = field(default_factory=list)
    """Geometry of each output, in order."""
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    """One for each call of a module, in the order in which they ended."""
    multiply_adds: int = 0
    period: int = 1
    """Sides that are multiples of it divide without remainder at every stage."""


def trace(module: nn.Module, images: tuple[int, int, int, int]) -> Trace:
    """Run a network on the meta device and report the geometry of its outputs and stages.

    Args:
        module: takes images (N, C, H, W) and returns a map (N, K, h, w), or a list or tuple of them. It is left as it
            is; parameters are replaced by shapes for the run.
        images: shape (N, C, H, W); sides that the network divides without remainder give the cleanest answer.

    Raises:
        ModelError: an output is no map of places.
    """
    tracer = _Tracer((images[2], images[3]))
    state = {name: _shape_of(value) for name, value in [*module.named_parameters(), *module.named_buffers()]}
    was_training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        # Places are followed beside values, so the picture has to exist before the mode that watches operators.
        picture = torch.empty(images, device="meta")
        tracer.place(picture, Places(Geometry.identity(), Geometry.identity(), (prod(images[:2]), *images[2:], 1)))
        with torch.no_grad(), tracer.watch(module), tracer:
            result = torch.func.functional_call(module, state, (picture,))
    finally:
        for part in was_training:
            part.training = True
    maps = list(result) if isinstance(result, list | tuple) else [result]
    for output in maps:
        geometry = tracer.geometry_of(output)
        if geometry is None:
            raise ModelError(f"{type(module).__name__} returns {tuple(output.shape)}, which is no map of places")
        tracer.trace.outputs.append(geometry)
        tracer.trace.shapes.append(tuple(output.shape))
    return tracer.trace


def _shape_of(value: Tensor) -> Tensor:
    return torch.empty_like(value, device="meta")


class _Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches every operator and keeps the places of every tensor."""

    def __init__(self, picture: tuple[int, int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.picture = picture
        self.trace = Trace()
        self.known: dict[int, tuple[Tensor, Places | str]] = {}  # tensors are kept, so that ids stay theirs

    def place(self, tensor: Tensor, places: Places | str) -> None:
        """Remember where the values of a tensor lie."""
        self.known[id(tensor)] = (tensor, places)
        if isinstance(places, Places):
            self.trace.period = lcm(self.trace.period, places.rows.period, places.columns.period)

    def places_of(self, value: Any) -> Places | str | None:
        """Places of a tensor that depends on the picture; None for parameters, constants and other things."""
        found = self.known.get(id(value))
        return found[1] if found else None

    def geometry_of(self, tensor: Tensor) -> Geometry | None:
        places = self.places_of(tensor)
        if isinstance(places, Places):
            return places.geometry
        if places == EVERYWHERE and tensor.ndim == 4 and self.picture[0] % tensor.shape[2] == 0:
            stride = self.picture[0] // tensor.shape[2]
            return Geometry(stride, None, None, stride)
        return None

    @contextmanager
    def watch(self, module: nn.Module) -> Iterator[None]:
        """Write down a stage whenever a part of the network has run."""
        before: dict[str, list[int]] = {}
        handles = []

        def watch_part(name: str, part: nn.Module) -> None:
            def start(*_: Any) -> None:
                before.setdefault(name, []).append(self.trace.multiply_adds)

            def end(_: nn.Module, __: Any, output: Any) -> None:
                cost = self.trace.multiply_adds - before[name].pop()
                if isinstance(output, Tensor):
                    places = self.places_of(output)
                    geometry = places.geometry if isinstance(places, Places) else None
                    parameters = sum(p.numel() for p in part.parameters())
                    self.trace.stages.append(
                        Stage(name, type(part).__name__, tuple(output.shape), geometry, parameters, cost)
                    )

            handles.append(part.register_forward_pre_hook(start))
            handles.append(part.register_forward_hook(end))

        for name, part in module.named_modules():
            watch_part(name, part)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        reads = [places for places in map(self.places_of, _tensors(args)) if places is not None]
        outputs = list(_tensors((result,)))
        if func._overloadpacket in _COSTS:
            self.trace.multiply_adds += _COSTS[func._overloadpacket](args, outputs[0])
        if reads:
            rule = RULES.get(func._overloadpacket)
            if rule is None and torch.Tag.pointwise in func.tags:
                rule = _join
            for output in outputs:
                self.place(output, EVERYWHERE if rule is None else rule(_Call(self, args, kwargs, reads, output)))
        return result


@dataclass(frozen=True)
class _Call:
    """One run of an operator, as the rules see it."""

    tracer: _Tracer
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reads: list[Places | str]
    """Places of the inputs that depend on the picture."""
    output: Tensor

    @property
    def input(self) -> Places | str | None:
        return self.tracer.places_of(self.args[0])

    def argument(self, index: int, default: Any) -> Any:
        return self.args[index] if len(self.args) > index else default

    def along(self, change: Callable[[Geometry, int], Geometry]) -> Places | str:
        """Change the geometry of a map (.., H, W) along rows (axis 0) and columns (axis 1)."""
        places = self.input
        if not isinstance(places, Places):
            return EVERYWHERE
        shape = self.output.shape
        return Places(change(places.rows, 0), change(places.columns, 1), (prod(shape[:-2]), *shape[-2:], 1))


Rule = Callable[[_Call], "Places | str"]


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    return (value[0], value[0]) if len(value) == 1 else (value[-2], value[-1])


# Rules: what the outputs of an operator read.


def _join(call: _Call) -> Places | str:
    """Branches that meet value by value, or along channels."""
    maps = [places for places in call.reads if isinstance(places, Places)]
    spread = [places for places in maps if places.shape[1:3] == max(maps, key=lambda m: m.shape[1:3]).shape[1:3]]
    # A map that was stretched to the size of another lies on no grid, so that its stride says nothing.
    strides = {places.rows.stride for places in spread if not places.rows.whole}
    if len(strides) == 1:
        spread = [places for places in spread if places.rows.stride in strides]
    if not spread:
        return EVERYWHERE
    joined = Places(
        spread[0].rows.join(*(places.rows for places in spread[1:])),
        spread[0].columns.join(*(places.columns for places in spread[1:])),
        _shape_after(spread[0], call.output),
    )
    return joined if len(spread) == len(call.reads) else joined.see_whole()


def _shape_after(places: Places, output: Tensor) -> tuple[int, int, int, int]:
    """Dimensions around the rows and columns, after an operator that may have changed the number of channels."""
    lead, rows, columns, trail = places.shape
    total = output.numel()
    if total == lead * rows * columns * trail:
        return places.shape
    if trail == 1:  # the channels stand before the rows
        return (total // (rows * columns), rows, columns, 1)
    return (lead, rows, columns, total // (lead * rows * columns))


def _keep(call: _Call) -> Places | str:
    """Every output reads its own place."""
    places = next((p for p in call.reads if isinstance(p, Places)), None)
    if places is None:
        return EVERYWHERE
    return Places(places.rows, places.columns, _shape_after(places, call.output))


def _convolution(call: _Call) -> Places | str:
    _, weight, _, stride, padding, dilation, transposed, output_padding, *_ = call.args

    def along(geometry: Geometry, axis: int) -> Geometry:
        kernel, step = weight.shape[2 + axis], _pair(stride)[axis]
        pad, holes = _pair(padding)[axis], _pair(dilation)[axis]
        if transposed:
            extra = _pair(output_padding)[axis]
            return geometry.transposed(kernel, stride=step, padding=pad, dilation=holes, output_padding=extra)
        return geometry.conv(kernel, stride=step, padding=pad, dilation=holes)

    return call.along(along)


def _max_pool(call: _Call) -> Places | str:
    kernel, stride = _pair(call.args[1]), call.argument(2, []) or call.args[1]
    padding, dilation = _pair(call.argument(3, 0)), _pair(call.argument(4, 1))
    ceil = call.argument(5, False)
    return call.along(
        lambda geometry, axis: geometry.pool(
            kernel[axis], stride=_pair(stride)[axis], padding=padding[axis], dilation=dilation[axis], ceil=ceil
        )
    )


def _average_pool(call: _Call) -> Places | str:
    kernel, stride = _pair(call.args[1]), call.argument(2, []) or call.args[1]
    padding, ceil = _pair(call.argument(3, 0)), call.argument(4, False)
    return call.along(
        lambda geometry, axis: geometry.pool(kernel[axis], stride=_pair(stride)[axis], padding=padding[axis], ceil=ceil)
    )


def _adaptive_pool(call: _Call) -> Places | str:
    """Bins that divide the map are ordinary pooling only for this one size, so the whole picture is seen."""
    places = call.input
    same = isinstance(places, Places) and tuple(call.output.shape[-2:]) == places.shape[1:3]
    return _keep(call) if same else EVERYWHERE


def _unpool(call: _Call) -> Places | str:
    """Values go back to where their indices say, within the block that was pooled."""
    places = call.input
    if not isinstance(places, Places):
        return EVERYWHERE
    factors = [-(-size // cells) for size, cells in zip(call.output.shape[-2:], places.shape[1:3], strict=True)]
    return call.along(lambda geometry, axis: geometry.nearest(factors[axis]))


def _factor(call: _Call, axis: int) -> int | None:
    places = call.input
    assert isinstance(places, Places)
    size, cells = call.output.shape[-2 + axis], places.shape[1 + axis]
    return size // cells if size % cells == 0 else None


def _nearest(call: _Call) -> Places | str:
    if not isinstance(call.input, Places):
        return EVERYWHERE
    factors = [_factor(call, axis) for axis in (0, 1)]
    if None in factors:
        return EVERYWHERE
    return call.along(lambda geometry, axis: geometry.nearest(factors[axis] or 1))


def _bilinear(call: _Call) -> Places | str:
    places = call.input
    if not isinstance(places, Places):
        return EVERYWHERE
    align_corners = call.args[2]
    shape, cells = call.output.shape[-2:], places.shape[1:3]
    stretched = False

    def along(geometry: Geometry, axis: int) -> Geometry:
        nonlocal stretched
        if align_corners and cells[axis] > 1 and (shape[axis] - 1) % (cells[axis] - 1) == 0:
            return geometry.bilinear((shape[axis] - 1) // (cells[axis] - 1), first=0)
        factor = -(-shape[axis] // cells[axis])
        stretched = stretched or align_corners or shape[axis] % cells[axis] != 0
        return geometry.bilinear(factor)

    result = call.along(along)
    # A map that is stretched to a size lies on no fixed grid: what an output reads then depends on the picture.
    return result.see_whole() if stretched and isinstance(result, Places) else result


def _pad(call: _Call) -> Places | str:
    places = call.input
    if not isinstance(places, Places):
        return EVERYWHERE
    left, right, top, bottom, *_ = [*list(call.args[1]), 0, 0, 0, 0]
    if places.shape[3] != 1:
        return EVERYWHERE  # channels last: nothing that is known to pad does that
    return call.along(lambda geometry, axis: geometry.pad(*((top, bottom), (left, right))[axis]))


def _slice(call: _Call) -> Places | str:
    places, dim = call.input, call.argument(1, 0) % call.output.ndim
    if not isinstance(places, Places):
        return EVERYWHERE
    axis = dim - (call.output.ndim - 2)
    if axis < 0 or places.shape[3] != 1:
        return _keep(call)
    step = call.argument(4, 1)
    size = places.shape[1 + axis]
    start = call.argument(2, None) or 0
    start = start + size if start < 0 else start
    taken = call.output.shape[dim]
    rest = size - start - taken if step == 1 else 0

    def along(geometry: Geometry, which: int) -> Geometry:
        if which != axis:
            return geometry
        cropped = geometry.pad(-start, -rest).conv(1, stride=step)
        return cropped.same_size() if taken * cropped.stride == call.tracer.picture[axis] else cropped

    return call.along(along)


def _reduce(call: _Call) -> Places | str:
    """Sums and means: over channels every place keeps to itself, over places everything is seen."""
    places, dims = call.input, call.argument(1, None)
    if not isinstance(places, Places) or dims is None:
        return EVERYWHERE
    before = call.args[0].ndim
    over = {dim % before for dim in ([dims] if isinstance(dims, int) else dims)}
    rows = _row_dimension(places, call.args[0].shape)
    if rows is None or over & {rows, rows + 1}:
        return EVERYWHERE
    return Places(places.rows, places.columns, _shape_after(places, call.output))


def _row_dimension(places: Places, shape: tuple[int, ...]) -> int | None:
    """Which dimension holds the rows, the next one holding the columns; None where a view has flattened them."""
    lead, rows, columns, _ = places.shape
    for dim in range(len(shape) - 1):
        if prod(shape[:dim]) == lead and shape[dim] == rows and shape[dim + 1] == columns:
            return dim
    return None


def _permute(call: _Call) -> Places | str:
    places, order = call.input, [d % call.output.ndim for d in call.args[1]]
    if not isinstance(places, Places):
        return EVERYWHERE
    rows = _row_dimension(places, call.args[0].shape)
    if rows is None or order.index(rows + 1) != order.index(rows) + 1:
        return EVERYWHERE
    at = order.index(rows)
    shape = call.output.shape
    return Places(places.rows, places.columns, (prod(shape[:at]), *shape[at : at + 2], prod(shape[at + 2 :])))


def _transpose(call: _Call) -> Places | str:
    order = list(range(call.output.ndim))
    one, two = (dim % call.output.ndim for dim in call.args[1:3])
    order[one], order[two] = order[two], order[one]
    return _permute(_Call(call.tracer, (call.args[0], order), {}, call.reads, call.output))


def _view(call: _Call) -> Places | str:
    """A view keeps the order of values, so that the products around rows and columns find them again."""
    return call.input or EVERYWHERE


def _linear(call: _Call) -> Places | str:
    """A matrix product over the last dimension, which holds the channels alone."""
    maps = [places for places in call.reads if isinstance(places, Places)]
    if len(call.reads) != 1 or not maps:
        return EVERYWHERE
    (places,) = maps
    lead, rows, columns, trail = places.shape
    shape = call.output.shape
    if trail == 1 or prod(shape[:-1]) != lead * rows * columns:
        return EVERYWHERE
    return Places(places.rows, places.columns, (lead, rows, columns, shape[-1]))


def _normalise_last(call: _Call) -> Places | str:
    """Layer norm over the last dimensions: over channels alone where the map is channels-last."""
    places = call.input
    if not isinstance(places, Places):
        return EVERYWHERE
    return _keep(call) if prod(call.args[1]) == places.shape[3] else places.see_whole()


def _softmax(call: _Call) -> Places | str:
    return _reduce(call)


def _see_whole(call: _Call) -> Places | str:
    places = call.input
    return places.see_whole() if isinstance(places, Places) else EVERYWHERE


aten = torch.ops.aten
RULES: dict[Any, Rule] = {
    aten.convolution: _convolution,
    aten._convolution: _convolution,
    aten.max_pool2d_with_indices: _max_pool,
    aten.max_pool2d: _max_pool,
    aten.avg_pool2d: _average_pool,
    aten.avg_pool3d: _keep,  # as local response normalisation uses it, over channels
    aten.adaptive_avg_pool2d: _adaptive_pool,
    aten._adaptive_avg_pool2d: _adaptive_pool,
    aten.adaptive_max_pool2d: _adaptive_pool,
    aten.max_unpool2d: _unpool,
    aten.upsample_nearest2d: _nearest,
    aten.upsample_bilinear2d: _bilinear,
    aten.constant_pad_nd: _pad,
    aten.replication_pad2d: _pad,
    aten.reflection_pad2d: _pad,
    aten.slice: _slice,
    aten.cat: _join,
    aten.mean: _reduce,
    aten.sum: _reduce,
    aten.amax: _reduce,
    aten._softmax: _softmax,
    aten.permute: _permute,
    aten.transpose: _transpose,
    aten.view: _view,
    aten._unsafe_view: _view,
    aten.reshape: _view,
    aten.unsqueeze: _view,
    aten.squeeze: _view,
    aten.mm: _linear,
    aten.addmm: _linear,
    aten.linear: _linear,
    aten.native_layer_norm: _normalise_last,
    aten.native_group_norm: _see_whole,
    aten.native_batch_norm: _keep,
    aten._native_batch_norm_legit_no_training: _keep,
    aten.cudnn_batch_norm: _keep,
    aten.batch_norm: _keep,
    aten.clone: _keep,
    aten.detach: _keep,
    aten.alias: _keep,
    aten.lift_fresh: _keep,
    aten._to_copy: _keep,
    aten.contiguous: _keep,
    aten.split: _keep,
    aten.split_with_sizes: _keep,
    aten.select: _keep,
    aten.expand: _keep,
    aten.native_dropout: _keep,
}
"""Operator -> what its outputs read. Operators that work value by value need no entry; others see the whole."""


def _convolution_cost(args: tuple[Any, ...], output: Tensor) -> int:
    input, weight, transposed = args[0], args[1], args[6]
    places = input.numel() // input.shape[1] if transposed else output.numel() // output.shape[1]
    cost: int = places * weight.numel()
    return cost


def _product_cost(args: tuple[Any, ...], output: Tensor) -> int:
    inner: int = args[-1].shape[0]
    return output.numel() * inner


_COSTS: dict[Any, Callable[[tuple[Any, ...], Tensor], int]] = {
    aten.convolution: _convolution_cost,
    aten.mm: _product_cost,
    aten.addmm: _product_cost,
}
"""Operator -> multiply-adds of one run."""
