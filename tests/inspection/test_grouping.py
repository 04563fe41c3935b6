"""Blocks that repeat share a row, and nothing else does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pixelwise.geometry import Geometry
from pixelwise.inspection import StageRow, group_rows, stage_rows
from pixelwise.models import build_model
from pixelwise.nn.tracing.trace import trace


class Steps(nn.Module):
    """Modules one after the other."""

    def __init__(self, *steps: nn.Module) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        self.unused = nn.Linear(3, 5)

    def forward(self, images: Tensor) -> Tensor:
        for step in self.steps:
            images = step(images)
        return images.clone()


def rows_of(network: nn.Module) -> list[StageRow]:
    return stage_rows(network, trace(network, (1, 4, 20, 20)))


def step(kernel: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, kernel, padding=kernel // 2), nn.ReLU())


def named(*names: str) -> list[StageRow]:
    return [StageRow(name, (1, 8, 4, 4), Geometry(4, 0, 9), 10, 100, 1000) for name in names]


def names(rows: list[StageRow]) -> list[str]:
    return [row.name for row in group_rows(rows)]


def test_steps_that_repeat_share_a_row() -> None:
    rows = rows_of(Steps(*(step() for _ in range(7))))
    assert [row.name for row in rows] == [*(f"steps.{i}" for i in range(7)), "unused (training)", "(between)"]
    grouped = group_rows(rows)
    assert [row.name for row in grouped] == ["steps.0-6 (7x)", "unused (training)", "(between)"]
    first = grouped[0]
    assert (first.blocks, first.parameters, first.multiply_adds) == (7, 7 * (4 * 36 + 4), 7 * 144 * 400)
    assert first.written == sum(row.written for row in rows[:7])
    assert first.geometry == rows[6].geometry
    assert [call.geometry and call.geometry.receptive_field for call in first.calls] == [3, 5, 7, 9, 11, 13, 15]
    assert grouped[1].parameters == 20


def test_what_differs_stands_apart() -> None:
    rows = rows_of(Steps(step(5), *(step() for _ in range(6)), step(1)))
    assert names(rows)[:3] == ["steps.0", "steps.1-6 (6x)", "steps.7"]


def test_few_rows_stay_as_they_are() -> None:
    rows = named("a.0", "a.1", "a.2", "a.3")
    assert group_rows(rows) == rows
    assert names(named("a.0", "a.1", "a.2", "a.3", "a.4")) == ["a.0-4 (5x)"]


def test_blocks_of_several_rows_repeat_as_a_whole() -> None:
    blocks = [f"net.blocks.{i}.{part}" for i in range(9, 12) for part in ("conv1", "conv2", "shortcut")]
    assert names(named("net.stem", *blocks, "net.blocks.12.conv1", "head")) == [
        "net.stem",
        "net.blocks.9-11 (3x)",
        "net.blocks.12.conv1",
        "head",
    ]


def test_only_names_that_count_up_repeat() -> None:
    for rows in (
        named("a.0", "a.2", "a.4", "a.6", "a.8"),
        named("a", "b", "c", "d", "e"),
        named("a.0.b.0", "a.1.b.1", "a.2.b.2", "a.3.b.3", "a.4.b.4"),
        named("a.4", "a.3", "a.2", "a.1", "a.0"),
        named("a.0.x", "a.1.y", "a.2.x", "a.3.y", "a.4.x"),
    ):
        assert group_rows(rows) == rows
    assert names(named("a.0.x", "a.1.x", "a.2.x", "b.0.x", "b.1.x", "b.2.x")) == [
        *("a.0.x", "a.1.x", "a.2.x", "b.0.x", "b.1.x", "b.2.x")
    ]


def test_numbers_within_names_count_too() -> None:
    assert names(named(*(f"conv{i}.weight" for i in range(5)))) == ["conv0-4.weight (5x)"]


def test_the_aligned_xception_is_read_at_a_glance() -> None:
    with torch.device("meta"):
        network = build_model("deeplabv3plus", classes=21, encoder="aligned_xception65").network
    traced = trace(network, (1, 3, 64, 64))
    rows = stage_rows(network, traced)
    grouped = group_rows(rows)
    assert len(rows) > 70
    assert len(grouped) <= 33
    middle = next(row for row in grouped if row.blocks > 1)
    assert (middle.name, middle.blocks) == ("encoder.blocks.3-18 (16x)", 16)
    assert middle.parameters == 16 * 3 * 539_448
    for count in ("parameters", "multiply_adds", "written"):
        assert sum(getattr(row, count) for row in grouped) == sum(getattr(row, count) for row in rows)
