"""Counting the memory of a network's feature maps and its arithmetic, on the meta device."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pixelwise.nn.tracing.costs import multiply_adds
from pixelwise.nn.tracing.meta import run_on_meta
from pixelwise.nn.watching import OperatorMode


class Demand(NamedTuple):
    """The memory and arithmetic of a run of a network without gradients."""

    peak_bytes: int
    """The most bytes of feature maps that exist at the same time."""
    multiply_adds: int


def demand(
    network: nn.Module,
    images: tuple[int, int, int, int],
    *,
    dtype: torch.dtype = torch.float32,
    more: tuple[Any, ...] = (),
) -> Demand:
    """Count the memory and arithmetic of a run of a network.

    The network runs on shapes alone, so the count depends on nothing but the network and the size: parameters and the
    working memory of single kernels are not in it.

    Args:
        network: takes images (N, C, H, W).
        images: their shape.
        dtype: type that the network computes in.
        more: further arguments of the network.
    """
    counter = _Counter()
    run_on_meta(network, images, counter, dtype=dtype, begin=counter.watch, more=more)
    return Demand(counter.peak, counter.multiply_adds)


def peak_bytes(network: nn.Module, images: tuple[int, int, int, int], *, dtype: torch.dtype = torch.float32) -> int:
    """Count the most bytes of feature maps that exist at the same time; see :func:`demand`."""
    return demand(network, images, dtype=dtype).peak_bytes


class _Counter(OperatorMode):
    """Counts storages from their first tensor to the end of their last."""

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self.multiply_adds = 0
        self.users: dict[int, int] = {}  # storage -> tensors that share it

    def watch(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self.users:
            self.live += size
            self.peak = max(self.peak, self.live)
        self.users[key] = self.users.get(key, 0) + 1
        weakref.finalize(tensor, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self.users[key] -= 1
        if not self.users[key]:
            del self.users[key]
            self.live -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        # Tensors that were never tracked are parameters or views of these, such as the transpose for a product.
        keys = {tensor.untyped_storage()._cdata for tensor in _tensors([*args, *(kwargs or {}).values()])}
        parameters = keys - self.users.keys()
        for tensor in _tensors(result):
            if tensor.untyped_storage()._cdata not in parameters:
                self.watch(tensor)
        if isinstance(result, Tensor):
            self.multiply_adds += multiply_adds(func, args, result)
        return result


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
