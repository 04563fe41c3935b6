"""How right labels are at the right edge of pictures whose width is no multiple of the network's period.

    python benchmarks/edges.py MODEL DATA [--split val] [--edge zeros]

Pictures with masks are resized to 512 columns, cut to widths of 480 to 511, and labelled as they are and mirrored, so
that the first and the last columns show the same things. Each picture is cut to four widths, eight apart; neighbouring
pictures to neighbouring ones. Printed is the share of wrong pixels in the first and in the last eight columns and in
the interior, which is all that lies at least 64 columns from either; beside it that of the same pixels in the picture
before it was cut. ``--edge`` lets a model go on otherwise than it was trained to, ``--every 5`` takes every fifth
picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.cli.machine import keep_large_blocks, share_the_processor

keep_large_blocks()  # before torch starts threads

from pixelwise.data.crops.cache import PictureCache  # noqa: E402
from pixelwise.data.source import open_data  # noqa: E402
from pixelwise.inference import Predictor  # noqa: E402
from pixelwise.models import load_model  # noqa: E402

FULL, PERIOD = 512, 32
"""Columns of a picture before it is cut, and how many widths below that are looked at."""
EDGE_COLUMNS, INNER_COLUMNS = 8, 64
"""Columns that count as an edge, and columns that the interior is away from it."""
REGIONS = ("first", "last", "interior", "uncut")

Labels = NDArray[np.integer]
Predict = Callable[[NDArray[np.uint8]], Labels]
"""Labels a picture (H, W, C): (H, W)."""


def measure(predict: Predict, pictures: Iterable[tuple[NDArray[np.uint8], Labels]], ignore: int) -> NDArray[np.int64]:
    """Count pixels at the edges of pictures (H, W, C) with masks (H, W).

    Returns:
        (PERIOD + 1, parts, 2): by the columns that a width lacks of :data:`FULL`, and :data:`REGIONS`: wrong pixels and
        all that count.
    """
    counts = np.zeros((PERIOD + 1, len(REGIONS), 2), np.int64)
    for number, pair in enumerate(pictures):
        picture, mask = _resize(*pair)
        for flip in (1, -1):
            whole = predict(picture[:, ::flip])[:, ::flip]
            for lacking in (0, *(1 + (number + 8 * turn) % PERIOD for turn in range(4))):
                width = FULL - lacking
                labels = predict(picture[:, :width][:, ::flip])[:, ::flip] if lacking else whole
                left, right, inner = (
                    slice(EDGE_COLUMNS),
                    slice(width - EDGE_COLUMNS, width),
                    slice(INNER_COLUMNS, width - INNER_COLUMNS),
                )
                first, last = (left, right) if flip == 1 else (right, left)
                parts = ((labels, first), (labels, last), (labels, inner), (whole, inner))
                for part, (found, columns) in enumerate(parts):
                    truth = mask[:, columns]
                    wrong = (found[:, columns] != truth) & (truth != ignore)
                    counts[lacking, part] += int(wrong.sum()), int((truth != ignore).sum())
    return counts


def _resize(picture: NDArray[np.uint8], mask: Labels) -> tuple[NDArray[np.uint8], Labels]:
    """Resize to :data:`FULL` columns and whole periods of rows, about in proportion."""
    rows = max(2, round(picture.shape[0] * FULL / picture.shape[1] / PERIOD)) * PERIOD
    resized = cv2.resize(picture, (FULL, rows), interpolation=cv2.INTER_LINEAR)
    return resized, cv2.resize(mask, (FULL, rows), interpolation=cv2.INTER_NEAREST_EXACT)


def show(counts: NDArray[np.int64]) -> str:
    """Write a table of percentages, widths in groups of eight; that of pictures before the cut last."""
    lines = ["| columns | first 8 | last 8 | interior | interior before the cut |", "| --- | --- | --- | --- | --- |"]
    groups = [slice(start, start + 8) for start in range(PERIOD - 7, 0, -8)]
    for group in (*groups, slice(1, PERIOD + 1), slice(0, 1)):
        wrong, counted = counts[group].sum(0).T
        shares = " | ".join(f"{share:.2f}%" for share in 100 * wrong / np.maximum(counted, 1))
        least, most = FULL + 1 - group.stop, FULL - group.start
        lines.append(f"| {least if least == most else f'{least} to {most}'} | {shares} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--edge", choices=("zeros", "mirror", "none"), help="as the model was trained, unless given")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    share_the_processor()
    model = load_model(options.model)
    if options.edge:
        model.change_card(edge=options.edge)
    predictor = Predictor(model)
    source = open_data(options.data, label_space=model.label_space)
    cache = PictureCache(source.split(options.split), source.label_space, budget_bytes=0)
    looked_at = range(0, len(cache), options.every)
    pictures = ((cache[k].image.transpose(1, 2, 0), cache[k].mask) for k in looked_at)
    counts = measure(lambda image: predictor(image).labels, pictures, model.label_space.ignore_index)
    print(f"{options.model}, edge {model.edge}, {len(looked_at)} pictures")
    print(show(counts))


if __name__ == "__main__":
    main()
