"""The geometry of any network, traced from the operators that it runs.

The network runs once on the meta device, where tensors have shapes and no values. Each feature map has a
:class:`~pixelwise.geometry.Geometry`. The rule of every operator states which inputs its outputs read
(:mod:`.operators`), and branches that are joined are united. An unknown operator, or one that reads all positions
(attention, global pooling), makes its outputs see the whole picture. The traced geometry therefore never states less
than the network reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm, prod
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.nn.tracing.costs import multiply_adds
from pixelwise.nn.tracing.meta import run_on_meta
from pixelwise.nn.tracing.operators import rule_of
from pixelwise.nn.tracing.places import EVERYWHERE, REGIONS, Operation, Places, Where
from pixelwise.nn.watching import OperatorMode


@dataclass(frozen=True)
class Stage:
    """The output and the cost of one call of a module of a traced network."""

    name: str
    """The name of the module; where it has several, the one inside of the module that called it."""
    kind: str
    shape: tuple[int, ...]
    """The shape of its output; () where that is no single tensor."""
    geometry: Geometry | None
    """None where the output has no places, as after global pooling, or lies on regions."""
    parameters: int
    multiply_adds: int
    written: int
    """Bytes of feature maps that its operators wrote, in float32; results that overwrite their input do not count."""
    call: int
    """The number of the call, in the order in which calls began."""
    caller: int | None
    """The number of the call that it ran in; None for the network itself."""
    keeps: bool = False
    """Whether its output has the shape of the first tensor that it was given and reads no more of the picture."""
    regions: bool = False
    """Whether it ran on separate regions of a picture (P, ...) and not on the picture."""


@dataclass
class Trace:
    """The result of running a network on the meta device."""

    outputs: list[Geometry] = field(default_factory=list)
    """Geometry of each output, in order; those that lie on regions of the picture are left out."""
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    """One for each call of a module, in the order in which they ended."""
    used: set[str] = field(default_factory=set)
    """Names of the parameters that an operator read."""
    multiply_adds: int = 0
    written: int = 0
    """Bytes of feature maps that all operators wrote, in float32."""
    period: int = 1
    """Sides that are multiples of this divide without remainder at every stage."""


def trace(module: nn.Module, images: tuple[int, int, int, int]) -> Trace:
    """Run a network on the meta device and report the geometry of its outputs and stages.

    Args:
        module: takes images (N, C, H, W) and returns a map (N, K, h, w), or a list or tuple of them. It is not changed;
            parameters are replaced by shapes for the run.
        images: shape (N, C, H, W); sides that the network divides without remainder give the most exact result.

    Raises:
        ModelError: an output is no map of places, or has different strides along rows and columns.
    """
    tracer = _OperatorTracer((images[2], images[3]))

    def begin(picture: Tensor) -> None:
        whole = Geometry.identity()
        tracer.place(picture, Places(whole, whole, (prod(images[:2]), *images[2:], 1)))

    with tracer.watch(module):
        result = run_on_meta(module, images, tracer, begin=begin)
    maps = list(result) if isinstance(result, list | tuple) else [result]
    for output in maps:
        if tracer.where(output) == REGIONS:
            continue
        geometry = tracer.geometry_of(output)
        if geometry is None or output.ndim != 4:
            raise ModelError(
                f"{type(module).__name__} returns {tuple(output.shape)}, which is no map of places with one stride"
            )
        tracer.trace.outputs.append(geometry)
        tracer.trace.shapes.append(tuple(output.shape))
    return tracer.trace


def on_regions(regions: Tensor) -> Tensor:
    """Mark a tensor (P, ...) as regions of a picture for tracing, and return it.

    Everything computed from it then belongs to regions as well: it is counted, but has no grid on the picture.
    """
    tracer = _get_current_dispatch_mode()
    if isinstance(tracer, _OperatorTracer):
        tracer.place(regions, REGIONS)
    return regions


class _OperatorTracer(OperatorMode):
    """Observes every operator and keeps the positions of every tensor."""

    def __init__(self, picture: tuple[int, int]) -> None:
        super().__init__()
        self.picture = picture
        self.trace = Trace()
        self.known: dict[int, tuple[Tensor, Where]] = {}  # tensors are kept alive, so that their ids stay valid
        self.mixed: set[int] = set()
        """Storages of which a part was overwritten: the positions of the rest are no longer known."""
        self.parameters: dict[int, str] = {}
        """Storages of the parameters, with their names."""

    def place(self, tensor: Tensor, places: Where) -> None:
        """Store the positions of a tensor's values."""
        self.known[id(tensor)] = (tensor, places)
        if isinstance(places, Places):
            self.trace.period = lcm(self.trace.period, places.rows.period, places.columns.period)

    def where(self, tensor: Tensor) -> Where | None:
        """Places of a tensor that depends on the picture; None for parameters and constants."""
        found = self.known.get(id(tensor))
        if found is None:
            return EVERYWHERE if _storage(tensor) in self.mixed else None
        return found[1]

    def geometry_of(self, tensor: Tensor) -> Geometry | None:
        """Geometry of a map; None where it has no places, or no common stride."""
        places = self.where(tensor)
        if isinstance(places, Places):
            return places.geometry if places.rows.stride == places.columns.stride else None
        if places == EVERYWHERE and tensor.ndim == 4:
            side, cells = self.picture[0], tensor.shape[2]
            shared = gcd(side, cells)
            stride = Fraction(side, cells)
            return Geometry(int(stride) if side % cells == 0 else stride, None, None, side // shared)
        return None

    @contextmanager
    def watch(self, network: nn.Module) -> Iterator[None]:
        """Record a stage whenever a part of the network has run."""
        names: dict[nn.Module, list[str]] = {}
        for name, part in network.named_modules(remove_duplicate=False):
            names.setdefault(part, []).append(name)
        begun = 0
        running: list[_Call] = []

        def start(part: nn.Module, given: tuple[Any, ...]) -> None:
            nonlocal begun
            if not running:  # parameters are those of the run now
                self.parameters = {_storage(value): name for name, value in network.named_parameters()}
            name = _name_within([call.name for call in running], names[part])
            first = next(((tensor.shape, self.where(tensor)) for tensor in _tensors(given)), None)
            running.append(_Call(name, begun, first, self.trace.multiply_adds, self.trace.written))
            begun += 1

        def end(part: nn.Module, _: Any, output: Any) -> None:
            call = running.pop()
            single = output if isinstance(output, Tensor) else None
            where = None if single is None else self.where(single)
            self.trace.stages.append(
                Stage(
                    call.name,
                    type(part).__name__,
                    () if single is None else tuple(single.shape),
                    None if single is None else self.geometry_of(single),
                    sum(parameter.numel() for parameter in part.parameters()),
                    self.trace.multiply_adds - call.multiply_adds,
                    self.trace.written - call.written,
                    call.number,
                    running[-1].number if running else None,
                    single is not None and call.first == (single.shape, where),
                    where == REGIONS,
                )
            )

        handles = [part.register_forward_pre_hook(start) for part in names]
        handles += [part.register_forward_hook(end) for part in names]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given = list(_tensors([*args, *kwargs.values()]))
        outputs = list(_tensors([result]))
        self._count(func, args, given, outputs)
        inputs = tuple((tensor, where) for tensor in given if (where := self.where(tensor)) is not None)
        self.trace.used.update(name for tensor in given if (name := self.parameters.get(_storage(tensor))) is not None)
        if inputs:
            rule = rule_of(func)
            regions = any(where == REGIONS for _, where in inputs)
            for output in outputs:
                run = Operation(args, inputs, output, self.picture)
                where = REGIONS if regions else EVERYWHERE if rule is None else rule(run)
                if func._schema.is_mutable:
                    self._overwrite(output, where)
                self.place(output, where)
        return result

    def _count(self, func: Any, args: Any, given: list[Tensor], outputs: list[Tensor]) -> None:
        if outputs:
            self.trace.multiply_adds += multiply_adds(func, args, outputs[0])
        shared = {_storage(tensor) for tensor in given}
        self.trace.written += sum(
            output.untyped_storage().nbytes() for output in outputs if _storage(output) not in shared
        )

    def _overwrite(self, tensor: Tensor, where: Where) -> None:
        """Drop the positions of other tensors in a storage of which one tensor was overwritten."""
        if self.where(tensor) == where:
            return
        storage = _storage(tensor)
        self.mixed.add(storage)
        for other, _ in list(self.known.values()):
            if other is not tensor and _storage(other) == storage:
                self.place(other, EVERYWHERE)


@dataclass(frozen=True)
class _Call:
    """A call of a module that has not ended, and what had been counted when it began."""

    name: str
    number: int
    first: tuple[tuple[int, ...], Where | None] | None
    """Shape and places of the first tensor that it was given."""
    multiply_adds: int
    written: int


def _name_within(callers: list[str], names: list[str]) -> str:
    """Choose among the names of a module the one inside of the innermost of its callers that holds one."""
    for caller in reversed(callers):
        for name in names:
            if name.startswith(f"{caller}." if caller else ""):
                return name
    return names[0]


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
