"""The numbers that docs/roi.md states."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pixelwise.detection.roi import levels_of, read_regions

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "roi.md").read_text()
RAMP = torch.arange(16.0).repeat(16, 1)[None, None]
BOX = torch.tensor([[0, 2.3, 3.7, 9.1, 11.2]])
WAYS = [("pool", "max"), ("pool", "avg"), ("warp", "avg"), ("align", "avg"), ("align", "max")]


@pytest.mark.parametrize(("operation", "reduce"), WAYS)
def test_bins_of_a_ramp(operation: str, reduce: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{operation}`, `{reduce}` |"))
    stated = [float(value) for value in row.split("|")[2].split(",")]
    read = read_regions(RAMP, BOX, cells=4, stride=1, operation=operation, reduce=reduce)  # type: ignore[arg-type]
    assert read[0, 0, 0].tolist() == pytest.approx(stated, abs=1e-5)


def test_the_older_rule() -> None:
    read = read_regions(RAMP, BOX, cells=4, stride=1, half_pixel=False)[0, 0, 0]
    assert "then the ramp gives 3.15, 4.85, 6.55 and 8.25" in PAGE
    assert read.tolist() == pytest.approx([3.15, 4.85, 6.55, 8.25], abs=1e-5)


def test_bins_that_overlap() -> None:
    read = read_regions(RAMP, torch.tensor([[0.0, 0, 0, 6, 6]]), cells=4, stride=1, operation="pool", reduce="max")
    assert "0 to 1, 1 to 3, 3 to 5 and 5 to 6" in PAGE
    assert read[0, 0, 0].tolist() == [1, 3, 5, 6]
    least = read_regions(-RAMP, torch.tensor([[0.0, 0, 0, 6, 6]]), cells=4, stride=1, operation="pool", reduce="max")
    assert (-least[0, 0, 0]).tolist() == [0, 1, 3, 5]


def test_a_box_that_moves() -> None:
    shifts = torch.linspace(0, 1, 1001)
    rois = BOX.repeat(len(shifts), 1)
    rois[:, 1::2] += shifts[:, None]
    middles = rois[:, 1:2] + (torch.arange(4) + 0.5) * (rois[:, 3:4] - rois[:, 1:2]) / 4 - 0.5
    for operation, reduce, most in (("pool", "max", 1.85), ("warp", "avg", 1.35)):
        read = read_regions(RAMP, rois, cells=4, stride=1, operation=operation, reduce=reduce)[:, 0, 0]  # type: ignore[arg-type]
        assert len(torch.unique(read.round(decimals=3), dim=0)) == 3
        assert float((read - middles).abs().max()) == pytest.approx(most, abs=1e-3)
        assert f"{most} cells (`{operation}`" in PAGE
    read = read_regions(RAMP, rois, cells=4, stride=1)[:, 0, 0]
    assert float((read - middles).abs().max()) < 1e-5


def test_maps_by_the_size_of_boxes() -> None:
    sides = torch.tensor([111.0, 112, 223, 224, 447, 448])
    boxes = torch.stack([torch.zeros(6), torch.zeros(6), sides, sides], 1)
    assert levels_of(boxes, (4, 8, 16, 32)).tolist() == [0, 1, 1, 2, 2, 3]
    assert "below 112 pixels per side stride 4, from 112 on 8, from 224 on 16, from 448 on 32" in PAGE


def test_what_the_picture_says() -> None:
    y, x = torch.meshgrid(torch.arange(16) + 0.5, torch.arange(16) + 0.5, indexing="ij")
    edge = torch.sigmoid(3 * (x - 5.6 - 0.35 * (y - 7)))[None, None]
    pooled = read_regions(edge, BOX, cells=4, stride=1, operation="pool", reduce="max")
    assert "says 0.91 where the box holds 0.53" in PAGE
    assert float(pooled[0, 0, 0, 1]) == pytest.approx(0.91, abs=0.005)
    assert float(read_regions(edge, BOX, cells=4, stride=1)[0, 0, 0, 1]) == pytest.approx(0.53, abs=0.005)
