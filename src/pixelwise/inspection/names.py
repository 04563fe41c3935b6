"""Naming stages: modules that only hold another one are left out, and modules of one stage share a name."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn


class Names:
    """Short names of a network's modules.

    Args:
        network: the network whose modules are named.
        giving: names of modules that gave a tensor; other modules that hold a single module are left out of names.
    """

    def __init__(self, network: nn.Module, giving: Collection[str]) -> None:
        modules = network.named_modules(remove_duplicate=False)
        self._wrappers = {name for name, part in modules if name not in giving and len(list(part.children())) == 1}

    def short(self, name: str) -> str:
        """Give the name without the parts that only lead into a wrapper."""
        kept, owner = [], ""
        parts = name.split(".")
        for number, part in enumerate(parts):
            if owner not in self._wrappers or number == len(parts) - 1:
                kept.append(part)
            owner = join(owner, part)
        return ".".join(kept)

    def is_wrapper(self, name: str) -> bool:
        """Whether a module gave no tensor and only holds another module."""
        return name in self._wrappers


def join(owner: str, part: str) -> str:
    """Give the full name of a part of a module."""
    return f"{owner}.{part}" if owner else part


def span(first: str, last: str) -> str:
    """Name a stage from its first module to its last; the common beginning of both names is written once."""
    if first == last:
        return first
    begin, end = first.split("."), last.split(".")
    shared = 0
    while shared < min(len(begin), len(end)) - 1 and begin[shared] == end[shared]:
        shared += 1
    return f"{first} .. {'.'.join(end[shared:])}"
