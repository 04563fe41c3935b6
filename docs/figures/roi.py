"""Draw the pictures of docs/roi.md: python docs/figures/roi.py, which writes docs/roi.png and docs/roi-steps.png."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pixelwise.detection.roi import read_regions

BOX = (2.3, 3.7, 9.1, 11.2)
CELLS = 4
ROUNDED = (2.0, 4.0, 10.0, 12.0)
HERE = Path(__file__).resolve().parents[1]
INK, POOL, WARP, ALIGN = "#1e2024", "#c2452d", "#c98a1b", "#2a6fb0"


def slanted_edge() -> torch.Tensor:
    """A map of 16 x 16 cells: 0 on one side of a slanted line, 1 on the other, as smooth as one cell."""
    y, x = np.mgrid[:16, :16] + 0.5
    values = 1 / (1 + np.exp(-3 * (x - 5.6 - 0.35 * (y - 7))))
    return torch.tensor(values, dtype=torch.float32)[None, None]


def draw_map(axes: Axes, features: torch.Tensor, title: str, box: tuple[float, ...], color: str) -> None:
    """Show a map, the box as it is, and its bins as an operation sees them."""
    axes.imshow(features[0, 0], cmap="Greys", vmin=0, vmax=1.6, extent=(0, 16, 16, 0))
    axes.set_title(title, fontsize=10)
    axes.set_xlim(0, 13)
    axes.set_ylim(14, 1)
    axes.set_xticks(range(0, 14, 2))
    axes.set_yticks(range(2, 15, 2))
    axes.grid(color="#ffffff", linewidth=0.4)
    left, top, right, bottom = BOX
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=INK, linestyle="--"))
    left, top, right, bottom = box
    for k in range(CELLS + 1):
        x, y = left + k * (right - left) / CELLS, top + k * (bottom - top) / CELLS
        axes.plot([x, x], [top, bottom], color=color, linewidth=1.2)
        axes.plot([left, right], [y, y], color=color, linewidth=1.2)


def draw_samples(axes: Axes, box: tuple[float, ...], color: str) -> None:
    """Show where values are interpolated."""
    left, top, right, bottom = box
    steps = (np.arange(2 * CELLS) + 0.5) / (2 * CELLS)
    x, y = np.meshgrid(left + steps * (right - left), top + steps * (bottom - top))
    axes.plot(x, y, ".", color=color, markersize=4)


def regions() -> None:
    """Three ways to read one box, above what they read."""
    features = slanted_edge()
    roi = torch.tensor([[0.0, *BOX]])
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 6.6), height_ratios=(1.7, 1), layout="constrained")
    ways = (
        ("pool", "max", POOL, "RoI pooling: whole cells", ROUNDED),
        ("warp", "avg", WARP, "RoI warping: samples in the rounded box", ROUNDED),
        ("align", "avg", ALIGN, "RoIAlign: samples in the box as it is", BOX),
    )
    for column, (operation, reduce, color, title, box) in enumerate(ways):
        draw_map(axes[0, column], features, title, box, color)
        if operation != "pool":
            draw_samples(axes[0, column], box, color)
        read = read_regions(features, roi, cells=CELLS, stride=1, operation=operation, reduce=reduce)[0, 0]  # type: ignore[arg-type]
        axes[1, column].imshow(read, cmap="Greys", vmin=0, vmax=1.6)
        for row in range(CELLS):
            for cell in range(CELLS):
                value = f"{read[row, cell]:.2f}"
                axes[1, column].text(cell, row, value, ha="center", va="center", fontsize=8, color=INK)
        axes[1, column].set_xticks([])
        axes[1, column].set_yticks([])
    figure.savefig(HERE / "roi.png", dpi=110)


def steps() -> None:
    """What the first bin says of a ramp while the box moves by two cells."""
    ramp = torch.arange(16.0).repeat(16, 1)[None, None]  # cell x holds x
    shifts = torch.linspace(0, 2, 401)
    rois = torch.tensor([[0.0, *BOX]]).repeat(len(shifts), 1)
    rois[:, 1::2] += shifts[:, None]
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    for operation, reduce, color in (("pool", "max", POOL), ("warp", "avg", WARP), ("align", "avg", ALIGN)):
        read = read_regions(ramp, rois, cells=CELLS, stride=1, operation=operation, reduce=reduce)  # type: ignore[arg-type]
        axes.plot(shifts, read[:, 0, 0, 0], color=color, label=f"{operation} ({reduce})")
    axes.set_xlabel("how far the box has moved to the right, in cells")
    axes.set_ylabel("value of its first bin")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(HERE / "roi-steps.png", dpi=110)


if __name__ == "__main__":
    regions()
    steps()
