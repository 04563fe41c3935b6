"""Reading a traced run of a network call by call, and finding the calls that make up one stage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from torch import nn

from pixelwise.geometry import Geometry
from pixelwise.inspection.names import Names, join, span
from pixelwise.nn.tracing.trace import Stage


class Call(NamedTuple):
    """The output of a stage in one run."""

    shape: tuple[int, ...]
    geometry: Geometry | None


@dataclass(frozen=True)
class Part:
    """One or several calls that make up one stage.

    Args:
        first: name of the first module that is not idle.
        last: name of the last such module.
        gave: the outputs of the last module, one for each time that the part ran.
        holds: identities of all parameters inside.
        multiply_adds: the multiply-adds, summed over all times.
        written: bytes written, summed over all times.
        idle: whether it neither computes nor resizes nor reads further, as norms, activations and dropout.
        regions: whether it ran on regions of the picture.
    """

    first: str
    last: str
    gave: tuple[Call, ...]
    holds: frozenset[int]
    multiply_adds: int
    written: int
    idle: bool
    regions: bool

    @property
    def name(self) -> str:
        """The name of its module, or of its first and last module."""
        return span(self.first, self.last)

    @property
    def grid(self) -> object:
        """A value that is equal for parts of one size: the stride, or the size itself if there is no stride."""
        shape, geometry = self.gave[-1]
        return shape[2:] if geometry is None else geometry.stride


class CallReader:
    """A reader of the calls of a traced network, in the order in which they were made.

    Args:
        network: the network that was traced.
        stages: its calls.
    """

    def __init__(self, network: nn.Module, stages: Sequence[Stage]) -> None:
        self.names = Names(network, {stage.name for stage in stages if stage.shape})
        self._modules = dict(network.named_modules(remove_duplicate=False))
        self._inside: dict[int | None, list[Stage]] = {}
        for stage in sorted(stages, key=lambda stage: stage.call):
            self._inside.setdefault(stage.caller, []).append(stage)

    def parts(self) -> list[Part]:
        """Give all parts that ran; one that runs several times with the same weights stands where it ran last."""
        found = [part for stage in self._inside.get(None, []) for part in self._read(stage, 0)]
        return _number(_unite(found))

    def _read(self, stage: Stage, depth: int) -> Iterator[Part]:
        """Give the parts of a call."""
        module, inside = self._modules[stage.name], self._inside.get(stage.call, [])
        if inside and self._opened(stage, inside, depth):
            merged = list(self._read_inside(stage.name, inside, depth))
            if len(merged) > 1 or not stage.shape:
                yield from merged
                return
        holds = frozenset(map(id, module.parameters()))
        if not isinstance(module, nn.Identity) and (stage.shape or holds):
            name = self.names.short(stage.name)
            yield Part(
                name,
                name,
                (Call(stage.shape, stage.geometry),),
                holds,
                stage.multiply_adds,
                stage.written,
                idle=stage.keeps and not stage.multiply_adds,
                regions=stage.regions,
            )

    def _read_inside(self, owner: str, calls: Sequence[Stage], depth: int) -> Iterator[Part]:
        """Give the parts of consecutive calls that were made inside a module or a list of modules."""
        below = depth + (not self.names.is_wrapper(owner))
        opened = []
        for name, group in groupby(calls, key=lambda call: self._step(owner, call.name)):
            same = list(group)
            if any(call.name == name for call in same):
                opened += [list(self._read(call, below)) for call in same]
            else:  # a list of modules, which is never called itself
                opened.append(list(self._read_inside(name, same, below)))
        yield from _merge(opened, sequential=isinstance(self._modules[owner], nn.Sequential))

    def _step(self, owner: str, name: str) -> str:
        """Give the part of a module that contains another module; that module itself if it comes from outside."""
        prefix = join(owner, "")
        return join(owner, name.removeprefix(prefix).partition(".")[0]) if name.startswith(prefix) else name

    def _opened(self, stage: Stage, inside: Sequence[Stage], depth: int) -> bool:
        """Whether a call is shown as the calls inside it."""
        module = self._modules[stage.name]
        if not stage.shape or depth <= 1:
            return True
        if isinstance(module, nn.Sequential):  # its steps have several strides
            return len({call.geometry.stride for call in inside if call.geometry is not None}) > 1
        return depth <= 3 and any(isinstance(child, nn.ModuleList) for child in module.children())


def _merge(opened: Iterable[list[Part]], *, sequential: bool) -> Iterator[Part]:
    """Merge the parts of one module that belong together.

    Args:
        opened: the parts of each of its calls.
        sequential: whether these are nameless steps of a sequence.
    """
    pending: list[Part] = []
    for parts in filter(None, opened):
        if len(parts) == 1 and pending and _belongs(parts[0], pending, sequential):
            pending += parts
            continue
        if pending and all(part.idle for part in pending) and not parts[0].idle:  # they begin the next part
            parts = [_together([*pending, parts[0]]), *parts[1:]]
        elif pending:
            yield _together(pending)
        yield from parts[:-1]
        pending = parts[-1:]
    if pending:
        yield _together(pending)


def _belongs(part: Part, pending: Sequence[Part], sequential: bool) -> bool:
    before = pending[-1]
    if not part.gave[-1].shape or not before.gave[-1].shape or part.grid != before.grid:
        return False
    computing = next((other for other in reversed(pending) if other.multiply_adds), before)
    stems = [re.sub(r"_\d+$", "", name) for name in (part.last, computing.last)]
    numbered = stems[0] == stems[1] and stems[0] != part.last  # conv1_1 and conv1_2
    return sequential or numbered or part.idle


def _together(parts: Sequence[Part]) -> Part:
    """Make one part of several; it has the names of those that are not idle, and the output of the last of them."""
    if len(parts) == 1:
        return parts[0]
    working = [part for part in parts if not part.idle] or parts
    return Part(
        working[0].first,
        working[-1].last,
        working[-1].gave,
        frozenset().union(*(part.holds for part in parts)),
        sum(part.multiply_adds for part in parts),
        sum(part.written for part in parts),
        idle=working is parts,
        regions=working[-1].regions,
    )


def _unite(parts: Iterable[Part]) -> list[Part]:
    """Merge parts of one name that have weights; the merged part stands where the last of them was."""
    united: dict[object, Part] = {}
    for number, part in enumerate(parts):
        key = part.name if part.holds else number
        before = united.pop(key, None)
        if before is not None:
            part = replace(
                part,
                gave=before.gave + part.gave,
                holds=before.holds | part.holds,
                multiply_adds=before.multiply_adds + part.multiply_adds,
                written=before.written + part.written,
            )
        united[key] = part
    return list(united.values())


def _number(parts: Sequence[Part]) -> list[Part]:
    """Number the parts of one name, which hold no weights and ran several times."""
    often = Counter(part.name for part in parts)
    seen: Counter[str] = Counter()
    numbered = []
    for part in parts:
        if often[part.name] > 1:
            seen[part.name] += 1
            name = f"{part.name} ({seen[part.name]} of {often[part.name]})"
            numbered.append(replace(part, first=name, last=name))
        else:
            numbered.append(part)
    return numbered
