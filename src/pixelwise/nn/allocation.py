"""A limit on the memory that may be allocated while a network is built from the description in a file."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from pixelwise.errors import ModelError
from pixelwise.nn.watching import OperatorMode


class TooMuchMemory(ModelError):
    """A network takes more memory than allowed."""


class AllocationLimit(OperatorMode):
    """A context that counts the bytes of all new tensors of this thread and refuses those beyond a limit.

    Operators that make a new tensor, such as ``torch.empty``, are run on shapes alone first, so that a tensor that is
    too large is refused before it is allocated. Tensors on the meta device take no memory and do not count.

    Args:
        limit: bytes; all tensors count, including those that were freed again.

    Raises:
        TooMuchMemory: a tensor would exceed the limit.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.allocated = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        from_nothing, anew = _traits(func)
        if not anew:
            return func(*args, **given)
        if from_nothing:
            # Without a device, a tensor is made where the one lies that it is to be like.
            device = given.get("device") or next((like.device for like in _tensors(args)), "cpu")
            if torch.device(device).type != "meta":
                self._count(func(*args, **{**given, "device": torch.device("meta")}))
            return func(*args, **given)
        result = func(*args, **given)
        self._count([tensor for tensor in _tensors(result) if tensor.device.type != "meta"])
        return result

    def _count(self, made: Any) -> None:
        self.allocated += sum(tensor.numel() * tensor.element_size() for tensor in _tensors(made))
        if self.allocated > self.limit:
            raise TooMuchMemory(f"the network takes more than {self.limit / 2**20:.0f} MiB")


def _tensors(value: Any) -> list[Tensor]:
    values = value if isinstance(value, list | tuple) else [value]
    return [tensor for tensor in values if isinstance(tensor, Tensor)]


@functools.cache
def _traits(func: Any) -> tuple[bool, bool]:
    """Whether an operator makes a tensor of a given size, and whether its results are new tensors."""
    schema = func._schema
    names = {argument.name for argument in schema.arguments}
    takes_tensors = any("Tensor" in str(argument.type) for argument in schema.arguments)
    from_nothing = "device" in names and ("size" in names or not takes_tensors)
    return from_nothing, all(returned.alias_info is None for returned in schema.returns)
