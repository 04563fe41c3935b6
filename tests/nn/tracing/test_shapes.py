"""The rules for shapes give what torch gives, for every network of the table."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.inspection import inspect_model
from pixelwise.models import MODELS, build_model
from pixelwise.nn.tracing import shapes
from pixelwise.nn.tracing.shapes import ShapeRules, on_shapes

aten = torch.ops.aten


@pytest.mark.parametrize("name", MODELS)
def test_networks_are_what_torch_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> tuple[Any, ...]:
        with on_shapes():
            model = build_model(name, classes=3)
        return model.card, inspect_model(model, size=(97, 131)).to_dict()

    by_rules = look()
    monkeypatch.setattr(shapes, "_RULES", {})
    assert look() == by_rules


def empty(*shape: int, **options: Any) -> Tensor:
    return torch.empty(*shape, device="meta", **options)


WIDE = empty(2, 6, 17, 23)
CALLS: dict[str, Callable[[], Tensor | tuple[Tensor, ...]]] = {
    "convolution": lambda: F.conv2d(WIDE, empty(8, 3, 3, 5), empty(8), (2, 3), (1, 4), (2, 1), groups=2),
    "one dimension": lambda: F.conv1d(empty(2, 6, 17), empty(8, 6, 3), None, 2, 1),
    "three dimensions": lambda: F.conv3d(empty(2, 6, 7, 8, 9), empty(8, 6, 1, 2, 3), None, 1, (0, 1, 2)),
    "without batch": lambda: F.conv2d(WIDE[0], empty(8, 6, 3, 3)),
    "transposed": lambda: F.conv_transpose2d(WIDE, empty(6, 4, 3, 4), empty(8), (2, 3), (1, 2), (1, 2), 2, (1, 2)),
    "of channels last": lambda: F.conv2d(WIDE.to(memory_format=torch.channels_last), empty(8, 6, 3, 3)),
    "pairs of windows": lambda: F.max_pool2d(WIDE, (3, 2), (2, 3), (1, 0), (2, 1), return_indices=True),
    "averages": lambda: F.avg_pool2d(WIDE, 3, 2, 1, ceil_mode=True),
    "averages of channels": lambda: F.local_response_norm(WIDE, 5),
    "nearest": lambda: F.interpolate(WIDE, scale_factor=2.5, mode="nearest"),
    "bilinear": lambda: F.interpolate(WIDE, (40, 30), mode="bilinear", align_corners=True),
    "join": lambda: torch.cat([WIDE[:, :, 1:6, 2:9], empty(2, 3, 5, 7)], 1),
    "join of rows": lambda: torch.cat([WIDE, empty(2, 6, 3, 23)], -2),
    "join of channels last": lambda: torch.cat([WIDE.to(memory_format=torch.channels_last)] * 2, 1),
    "join of types": lambda: torch.cat([WIDE, WIDE.double()]),
    "mean": lambda: WIDE.mean((2, -1), keepdim=True),
    "mean of rows": lambda: WIDE.mean(2),
    "mean of all": lambda: WIDE.mean(),
    "mean in double": lambda: WIDE.mean((2, 3), dtype=torch.float64),
    "norm": lambda: aten.native_batch_norm(WIDE, empty(6), empty(6), empty(6), empty(6), False, 0.1, 1e-5),
    "norm without weights": lambda: aten.native_batch_norm(WIDE, None, None, empty(6), empty(6), False, 0.1, 1e-5),
    "norm in half": lambda: aten.native_batch_norm(
        WIDE.half(), *(empty(6, dtype=torch.half) for _ in range(4)), False, 0.1, 1e-5
    ),
    "broadcast": lambda: WIDE[:, :1] + empty(6, 1, 23),
    "with numbers": lambda: (1 - WIDE).mul(2).pow(2).add(1, alpha=2) / 3,
    "whole numbers": lambda: empty(3, dtype=torch.int64) + 0.5,
    "of two types": lambda: WIDE + WIDE.double(),
    "of two orders": lambda: WIDE + WIDE.to(memory_format=torch.channels_last),
    "cropped": lambda: WIDE[:, :, 1:6, 2:9] * 2,
    "in place": lambda: WIDE.relu_(),
}
CALLS |= {
    f"pool {side} {kernel} {stride} {padding} {ceil}": functools.partial(
        F.max_pool2d, empty(1, 1, side, side), kernel, stride, padding, ceil_mode=ceil, return_indices=True
    )
    for side, kernel, stride, padding, ceil in itertools.product((5, 6, 7), (2, 3), (1, 2, 3), (0, 1), (False, True))
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_calls_give_what_torch_gives(call: Callable[[], Tensor | tuple[Tensor, ...]]) -> None:
    expected = described(call())
    with ShapeRules():
        assert described(call()) == expected


def described(result: Tensor | tuple[Tensor, ...]) -> list[tuple[Any, ...]]:
    tensors = result if isinstance(result, tuple) else (result,)
    return [(tensor.device.type, tensor.dtype, tensor.shape, tensor.stride()) for tensor in tensors]


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.conv2d(WIDE, empty(8, 5, 3, 3)),
        lambda: F.conv2d(WIDE, empty(8, 6, 18, 3)),
        lambda: F.conv_transpose2d(WIDE, empty(6, 4, 3, 3), stride=2, output_padding=2),
        lambda: F.max_pool2d(WIDE, 18),
        lambda: F.max_pool2d(WIDE, 3, padding=2),
        lambda: torch.cat([WIDE, empty(2, 6, 17, 22)], 1),
        lambda: WIDE + empty(2, 5, 17, 23),
    ],
)
def test_what_torch_refuses_is_refused(call: Callable[[], Tensor]) -> None:
    with ShapeRules(), pytest.raises(RuntimeError):
        call()
