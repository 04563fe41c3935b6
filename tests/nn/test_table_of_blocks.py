"""The table of docs/blocks.md says what its blocks do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from pixelwise.nn import aspp, blocks, convert, inception, pooling, upsampling
from pixelwise.nn.tracing.trace import trace

PAGE = Path(__file__).parents[2] / "docs" / "blocks.md"
ROWS = re.findall(r"^\| `(.+?)` \| (\d+)x(\d+)x\d+ \| (\S+) \| (\S+) \| (\S+) \| (\S+) \|$", PAGE.read_text(), re.M)

NAMES: dict[str, Any] = {"nn": nn}
for room in (aspp, blocks, convert, inception, pooling, upsampling):
    NAMES |= vars(room)


class Function(nn.Module):
    """A block that is a function of the map ``x``."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = eval(self.call, NAMES, {"x": x})
        return result


def test_the_table_has_rows() -> None:
    assert len(ROWS) == 19


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_is_what_runs(row: tuple[str, ...]) -> None:
    call, channels, side, stride, reads, parameters, multiply_adds = row
    block = Function(call) if "(x," in call else eval(call, NAMES)
    traced = trace(block, (1, 192, 28, 28))
    (geometry,) = traced.outputs
    assert traced.shapes == [(1, int(channels), int(side), int(side))]
    assert str(geometry.stride) == stride
    assert geometry.receptive_field == (None if reads == "all" else int(reads))
    assert sum(p.numel() for p in block.parameters()) == int(parameters.replace(",", ""))
    assert traced.multiply_adds == int(multiply_adds.replace(",", ""))
