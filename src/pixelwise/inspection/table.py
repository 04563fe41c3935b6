"""Gathering the calls of a network into stages: levels, branches and steps, not single layers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from torch import nn

from pixelwise.geometry import Geometry
from pixelwise.inspection.parts import Call, CallReader
from pixelwise.nn.tracing.trace import Trace


@dataclass(frozen=True)
class StageRow:
    """One stage.

    Args:
        name: the name of its module, or of its first and last module, in the network.
        shape: (N, C, h, w) of its output, or another shape if the output is no map.
        geometry: where the cells of its output lie and what they read; None if that is not defined.
        parameters: the number of parameters that it holds.
        multiply_adds: the multiply-adds for one picture.
        written: bytes of feature maps that it writes in float32.
        calls: the output of each time, if it runs several times with the same weights; shape and geometry are then
            those of the time that reads most. Empty if it runs once.
        regions: whether it runs on regions of the picture, whose cells lie on no grid of the picture.
        blocks: the number of repeated blocks that are grouped in the row.
    """

    name: str
    shape: tuple[int, ...]
    geometry: Geometry | None
    parameters: int
    multiply_adds: int
    written: int
    calls: tuple[Call, ...] = ()
    regions: bool = False
    blocks: int = 1

    @property
    def stride(self) -> int | Fraction | None:
        """The input pixels from one cell to the next."""
        return None if self.geometry is None else self.geometry.stride

    @property
    def every_call(self) -> tuple[Call, ...]:
        """The output of each time that it ran, also if it ran once."""
        return self.calls or (Call(self.shape, self.geometry),)


def stage_rows(network: nn.Module, traced: Trace) -> list[StageRow]:
    """Gather the traced calls into the stages of a network, in the order in which they ran.

    A module is one row if all parts in it have one stride; encoders, decoders and lists of branches or steps are split
    into their parts. Layers that neither compute nor resize (norms, activations, dropout) belong to the layer before
    them, or to the layer after them if they come first in their module. Each call belongs to the place where it was
    made: an activation that a block uses several times belongs to one layer after the other, and does not show where
    the block ends.

    A module with weights that runs several times has one row; others have one for each time. Operations of the network
    outside of its modules (concatenation, resizing) are in the last row. Parts that did not run, such as an auxiliary
    classifier, which only training uses, have rows of their own.
    """
    reader = CallReader(network, traced.stages)
    left = {id(parameter): parameter.numel() for parameter in network.parameters()}
    rows = []
    for part in reader.parts():
        shape, geometry = max(reversed(part.gave), key=_reach)
        parameters = sum(left.pop(parameter, 0) for parameter in part.holds)
        calls = part.gave if len(part.gave) > 1 else ()
        rows.append(
            StageRow(
                part.name, shape, geometry, parameters, part.multiply_adds, part.written, calls, regions=part.regions
            )
        )
    idle = {id(parameter) for name, parameter in network.named_parameters() if name not in traced.used} & left.keys()
    owners = [(name, {id(parameter) for parameter in part.parameters()}) for name, part in network.named_modules()]
    owners += [(name, {id(parameter)}) for name, parameter in network.named_parameters()]
    for name, held in owners:  # modules come before their parts
        if held and held <= idle:
            idle -= held
            parameters = sum(left.pop(parameter) for parameter in held)
            rows.append(StageRow(f"{reader.names.short(name)} (training)", (), None, parameters, 0, 0))
    between = traced.multiply_adds - sum(row.multiply_adds for row in rows)
    written = traced.written - sum(row.written for row in rows)
    if between or written or left:
        rows.append(StageRow("(between)", (), None, sum(left.values()), between, written))
    return rows


def _reach(call: Call) -> float:
    """Give the receptive field of a call, for comparison with others."""
    if call.geometry is None:
        return -1
    return float("inf") if call.geometry.receptive_field is None else call.geometry.receptive_field
