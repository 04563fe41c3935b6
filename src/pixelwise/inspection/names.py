"""What stages are called: modules that only hold another one are left out, and what belongs together shares a name."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn


class Names:
    """The names of a network's modules as people read them.

    Args:
        network: whose modules are named.
        giving: names of those that gave a tensor; others that hold a single module are passed over.
    """

    def __init__(self, network: nn.Module, giving: Collection[str]) -> None:
        modules = network.named_modules(remove_duplicate=False)
        self._wrappers = {name for name, part in modules if name not in giving and len(list(part.children())) == 1}

    def short(self, name: str) -> str:
        """The name without the parts that only lead into a wrapper."""
        kept, owner = [], ""
        parts = name.split(".")
        for number, part in enumerate(parts):
            if owner not in self._wrappers or number == len(parts) - 1:
                kept.append(part)
            owner = join(owner, part)
        return ".".join(kept)

    def is_wrapper(self, name: str) -> bool:
        """Whether a module gave nothing and only holds another one."""
        return name in self._wrappers


def join(owner: str, part: str) -> str:
    """Name a part of a module."""
    return f"{owner}.{part}" if owner else part


def span(first: str, last: str) -> str:
    """Name what goes from one module to another; what both names begin with is said once."""
    if first == last:
        return first
    begin, end = first.split("."), last.split(".")
    shared = 0
    while shared < min(len(begin), len(end)) - 1 and begin[shared] == end[shared]:
        shared += 1
    return f"{first} .. {'.'.join(end[shared:])}"
