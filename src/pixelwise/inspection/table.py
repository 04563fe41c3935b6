"""The stages of a network as a person thinks of them: levels, branches and steps, not single layers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby

from torch import nn

from pixelwise.geometry import Geometry
from pixelwise.nn.tracing.trace import Stage, Trace

REPEATED = 4
"""More stages than this that are alike, one after the other, share a row."""


@dataclass(frozen=True)
class Row:
    """One stage.

    Args:
        name: of its module, or of its first and last; the parts of the network's own name.
        shape: (N, C, h, w) of what it gives, or another shape where that is no map.
        geometry: where the places of its output lie and what they read; None where it has none.
        parameters: that it holds.
        multiply_adds: for one picture.
        written: bytes of feature maps that it writes in float32.
        order: which of two rows ended first.
    """

    name: str
    shape: tuple[int, ...]
    geometry: Geometry | None
    parameters: int
    multiply_adds: int
    written: int
    order: int = 0

    @property
    def stride(self) -> int | Fraction | None:
        """Input pixels from one cell to the next."""
        return None if self.geometry is None else self.geometry.stride


def stage_rows(network: nn.Module, traced: Trace) -> list[Row]:
    """Gather what was traced into the stages of a network.

    A module is one row where all in it has one stride; encoders, decoders and lists of branches or steps are opened.
    Layers that neither compute nor resize (norms, activations, dropout) belong to the layer before them, and what the
    network does between its modules (concatenation, resizing) to the last row. Parts that did not run, such as an
    auxiliary classifier, which only training uses, have a row of their own.
    """
    reader = _Reader(traced.stages)
    rows = sorted(reader.rows(network, "", 0), key=lambda row: row.order)
    rows = [replace(row, name=reader.label(row.name)) for row in rows]
    rows = [row for _, same in groupby(rows, _likeness) for row in _share(list(same))]
    between = traced.multiply_adds - sum(row.multiply_adds for row in rows)
    written = traced.written - sum(row.written for row in rows)
    if between or written:
        rows.append(Row("(between)", (), None, 0, between, written))
    return rows


class _Reader:
    """Walks the modules of a network in the order in which they stand."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.calls: dict[str, list[Stage]] = {}
        self.ended: dict[str, int] = {}
        for number, stage in enumerate(stages):
            self.calls.setdefault(stage.name, []).append(stage)
            self.ended[stage.name] = number
        self.wrappers: list[tuple[str, str]] = []

    def rows(self, module: nn.Module, name: str, depth: int) -> Iterator[Row]:
        children = list(module.named_children())
        own = self._row(name, module)
        if len(children) == 1 and own is None:  # a wrapper
            key, child = children[0]
            self.wrappers.append((f"{_join(name, key)}.", f"{name}." if name else ""))
            yield from self.rows(child, _join(name, key), depth)
        elif children and (own is None or self._open(module, name, depth)):
            opened = [self.rows(child, _join(name, key), depth + 1) for key, child in children]
            merged = list(_merge([list(part) for part in opened], sequential=isinstance(module, nn.Sequential)))
            yield from [own] if own is not None and len(merged) == 1 else merged
        elif own is not None and not isinstance(module, nn.Identity):
            yield own

    def label(self, name: str) -> str:
        """The name without modules that only hold another one."""
        for long, short in reversed(self.wrappers):
            if name.startswith(long):
                name = short + name.removeprefix(long)
        return name

    def _row(self, name: str, module: nn.Module) -> Row | None:
        """The module as one row; None where it returned no tensor and has parts to look at instead."""
        calls = self.calls.get(name, [])
        parameters = sum(parameter.numel() for parameter in module.parameters())
        if not calls:
            unused = parameters > 0 and not any(called.startswith(f"{name}.") for called in self.calls)
            return Row(f"{name} (training)", (), None, parameters, 0, 0, len(self.ended)) if unused else None
        return Row(
            name,
            calls[-1].shape,
            calls[-1].geometry,
            parameters,
            sum(call.multiply_adds for call in calls),
            sum(call.written for call in calls),
            self.ended[name],
        )

    def _open(self, module: nn.Module, name: str, depth: int) -> bool:
        children = list(module.children())
        if not self.calls.get(name):
            return not self._row(name, module)
        has_list = not isinstance(module, nn.Sequential) and any(isinstance(child, nn.ModuleList) for child in children)
        return depth <= 1 or self._resizes(module, name) or (has_list and depth <= 3)

    def _resizes(self, module: nn.Module, name: str) -> bool:
        """Whether the parts of a sequence have several strides."""
        if not isinstance(module, nn.Sequential):
            return False
        geometries = [self.calls[_join(name, key)][-1].geometry for key in module._modules if self._ran(name, key)]
        return len({geometry.stride for geometry in geometries if geometry is not None}) > 1

    def _ran(self, name: str, key: str) -> bool:
        return bool(self.calls.get(_join(name, key)))


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _merge(parts: Sequence[list[Row]], *, sequential: bool) -> Iterator[Row]:
    """Let parts of one module that belong together share a row.

    Args:
        parts: rows of each part.
        sequential: whether the parts are nameless steps of a sequence.
    """
    pending: list[Row] = []
    for part in parts:
        if pending and len(part) == 1 and _belongs(part[0], pending[-1], sequential):
            pending.append(part[0])
            continue
        yield from _share(pending, together=True)
        yield from part[:-1]
        pending = part[-1:]
    yield from _share(pending, together=True)


def _belongs(row: Row, before: Row, sequential: bool) -> bool:
    if not row.shape or not before.shape or row.stride != before.stride:
        return False
    stems = [re.sub(r"_\d+$", "", name) for name in (row.name, before.name)]
    numbered = stems[0] == stems[1] and stems[0] != row.name  # conv1_1 and conv1_2
    return sequential or numbered or row.multiply_adds == 0


def _likeness(row: Row) -> object:
    """What rows that repeat have in common."""
    stem = re.sub(r"\d+$", "", row.name)
    return stem, row.shape, row.stride, row.parameters, row.multiply_adds, stem == row.name and row.name


def _share(rows: list[Row], *, together: bool = False) -> list[Row]:
    """One row for several, where they are to go together or repeat often."""
    if len(rows) < 2 or not (together or len(rows) > REPEATED):
        return rows
    first, last = rows[0].name, rows[-1].name
    mapped = [row for row in rows if row.geometry is not None]
    final = mapped[-1] if mapped else rows[-1]
    computing = [row for row in rows if row.multiply_adds] or rows
    start = first.rpartition(".")[2]
    if len(computing) == 1:  # a layer with its norm and activation keeps its name
        name = computing[0].name
    elif start.isdigit() or re.search(r"_\d+$", start):
        name = f"{first} .. {computing[-1].name.rpartition('.')[2]}"
    else:
        name = f"{first} .. {last.rpartition('.')[2]}"
    return [
        Row(
            name,
            final.shape,
            final.geometry,
            sum(row.parameters for row in rows),
            sum(row.multiply_adds for row in rows),
            sum(row.written for row in rows),
            final.order,
        )
    ]
