"""Multiply-adds of convolutions and matrix products, the operators for which they are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def multiply_adds(operator: Any, args: tuple[Any, ...], output: Tensor) -> int:
    """Count the multiply-adds of one run of an operator (an overload of ``torch.ops``).

    Padding counts like any other value, as in published figures. Biases, norms, pooling and interpolation do not count.
    """
    cost = _OPERATOR_COSTS.get(operator._overloadpacket)
    return 0 if cost is None else cost(args, output)


def _convolution(args: tuple[Any, ...], output: Tensor) -> int:
    input, weight, transposed = args[0], args[1], args[6]
    # The whole kernel is applied at every output position; that of a transposed convolution at every input position.
    places = input.numel() // input.shape[1] if transposed else output.numel() // output.shape[1]
    return int(places * weight.numel())


def _product(args: tuple[Any, ...], output: Tensor) -> int:
    return int(output.numel() * args[-1].shape[-2])


aten = torch.ops.aten
_OPERATOR_COSTS: dict[Any, Callable[[tuple[Any, ...], Tensor], int]] = {
    aten.convolution: _convolution,
    aten.mm: _product,
    aten.addmm: _product,
    aten.bmm: _product,
    aten.baddbmm: _product,
}
