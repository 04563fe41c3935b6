"""A picture of what one output pixel sees: the fields of all stages as boxes over a sample image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pixelwise.errors import SettingError
from pixelwise.geometry import Geometry
from pixelwise.inspection.summary import Inspection
from pixelwise.types import default_colors

SIDE = 720
"""Pixels of the longer side of the drawn image."""
BOXES = 12
"""Most boxes in one picture; of more stages, those that add most to the field are shown."""
_PAPER, _INK, _FAINT, _OUTSIDE = (252, 252, 250), (30, 32, 36), (120, 124, 130), (226, 228, 230)


@dataclass(frozen=True)
class Box:
    """What one cell of a stage reads.

    Args:
        label: the stage.
        first: top row and left column that it reads, in pixels of the picture; may lie outside.
        last: bottom row and right column; None for the whole picture.
    """

    label: str
    first: tuple[int, int]
    last: tuple[int, int] | None


def field_boxes(inspection: Inspection) -> list[Box]:
    """What the cell of each stage at the middle of the picture reads, smallest first, and the pixel's label last.

    Stages that read no more than the one before them are left out.
    """
    whole, margin = inspection.geometry, inspection.geometry.margin
    pixel = inspection.picture[0] // 2, inspection.picture[1] // 2
    boxes: list[tuple[int, Box]] = []
    for row in inspection.rows:
        if row.geometry is None or len(row.shape) != 4:
            continue
        if row.geometry.whole and row.shape[2] * row.shape[3] == 1:
            continue  # image pooling, whose cell is the picture and not a place of it
        cells = [_cell(row.geometry, whole, at) for at in pixel]
        boxes.append(_box(row.name, row.geometry, cells, margin))
    boxes.append(_box("label of the pixel", whole, pixel, margin))
    growing: list[Box] = []
    seen = -1
    for field, box in sorted(boxes[:-1], key=lambda entry: entry[0]):
        if field > seen:
            growing.append(box)
            seen = field
    growing = [box for box in growing if box.last is not None][: BOXES - 1] if len(growing) > BOXES else growing
    return [*growing, boxes[-1][1]]


def _cell(geometry: Geometry, full: Geometry, pixel: int) -> int:
    """The cell of a stage at a pixel: the nearest that its label is computed from."""
    # Cells are counted from the border that the network computes with; a mirrored one begins before the picture.
    nearest = round((pixel + full.margin - geometry.center) / Fraction(geometry.stride))
    if geometry.whole or full.whole:
        return nearest
    first, last = full.reads(pixel)
    for cell in (nearest, nearest - 1, nearest + 1):
        reads = geometry.reads(cell)
        if first <= reads[0] and reads[1] <= last:
            return cell
    return nearest


def _box(label: str, geometry: Geometry, cells: Sequence[int], margin: int) -> tuple[int, Box]:
    """The side of what a cell reads, to sort by, and its box."""
    if geometry.whole:
        return 10**9, Box(label, (0, 0), None)
    reads = [geometry.reads(cell) for cell in cells]
    first, last = ((rows - margin, columns - margin) for rows, columns in zip(*reads, strict=True))
    return last[0] - first[0], Box(label, first, last)


def draw_field(inspection: Inspection, image: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Draw the fields of a model's stages over an image, labelled with their sides in pixels.

    What reaches beyond the image is what the network pads; it is drawn grey. A field much larger than the image is
    cut.

    Args:
        inspection: of the model, at the size of the image.
        image: RGB uint8 (H, W, 3) of the size that was inspected; an invented scene by default.

    Returns:
        RGB uint8 (H', W', 3).

    Raises:
        SettingError: the image has another size than was inspected.
    """
    height, width = inspection.picture
    image = sample_image((height, width)) if image is None else image
    if image.shape != (height, width, 3):
        raise SettingError(f"image {image.shape} is not RGB of the inspected size {height}x{width}")
    boxes = field_boxes(inspection)
    reach = max((max(-min(box.first), 0) for box in boxes if box.last is not None), default=0)
    reach = max([reach, *(max(box.last[0] - height, box.last[1] - width) + 1 for box in boxes if box.last)])
    around = min(reach + max(height, width) // 40, max(height, width))
    scale = SIDE / (max(height, width) + 2 * around)

    def to_canvas(row: float, column: float) -> tuple[float, float]:
        inside = [min(max(at, -around), side + around) for at, side in ((row, height), (column, width))]
        return (inside[1] + around) * scale, (inside[0] + around) * scale

    canvas = Image.new("RGB", (round((width + 2 * around) * scale), round((height + 2 * around) * scale)), _OUTSIDE)
    left, top = to_canvas(0, 0)
    shown = Image.fromarray(image).resize((max(1, round(width * scale)), max(1, round(height * scale))))
    canvas.paste(Image.blend(shown, Image.new("RGB", shown.size, _PAPER), 0.25), (round(left), round(top)))
    draw = ImageDraw.Draw(canvas)
    colors = (*default_colors(len(boxes) - 1), _INK)
    for number in [*range(len(boxes) - 2, -1, -1), len(boxes) - 1]:  # small ones over large ones, the label over all
        box, color = boxes[number], colors[number]
        last = (height - 1, width - 1) if box.last is None else box.last
        corners = (*to_canvas(*box.first), *to_canvas(last[0] + 1, last[1] + 1))
        draw.rectangle(corners, outline=color, width=2 if color == _INK else 4)
    return np.asarray(_beside(canvas, _legend(inspection, boxes, colors, canvas.height)))


def _beside(one: Image.Image, other: Image.Image) -> Image.Image:
    both = Image.new("RGB", (one.width + other.width, max(one.height, other.height)), _PAPER)
    both.paste(one, (0, 0))
    both.paste(other, (one.width, 0))
    return both


def _legend(
    inspection: Inspection, boxes: Sequence[Box], colors: Sequence[tuple[int, int, int]], height: int
) -> Image.Image:
    title, text, small = (ImageFont.load_default(size) for size in (20, 15, 13))
    line = 25
    panel = Image.new("RGB", (430, max(height, 132 + line * len(boxes))), _PAPER)
    draw = ImageDraw.Draw(panel)
    on = f" on {inspection.encoder}" if inspection.encoder else ""
    draw.text((20, 16), f"{inspection.name}{on}", _INK, title)
    draw.text((20, 46), "what the pixel in the middle is computed from", _FAINT, text)
    for number, (box, color) in enumerate(zip(boxes, colors, strict=True)):
        y = 80 + line * number
        draw.rectangle((20, y + 3, 36, y + 17), fill=color)
        if box.last is None:
            side = "whole picture"
        else:
            rows, columns = (last - first + 1 for first, last in zip(box.first, box.last, strict=True))
            side = f"{rows} px" if rows == columns else f"{rows} x {columns} px"
        draw.text((46, y + 1), box.label, _INK, text)
        draw.text((410, y + 1), side, _INK, text, anchor="ra")
    below = 88 + line * len(boxes)
    rows, columns = inspection.picture
    draw.text((20, below), f"picture {columns} wide, {rows} high; grey is padding", _FAINT, small)
    return panel


def sample_image(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Invent a scene of sky, hills, a road and trees: RGB uint8 (H, W, 3), the same one for a size every time."""
    height, width = size
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / np.array([[[height]], [[width]]])  # 0 .. 1 each
    scene = np.array([132, 178, 224]) + (y[..., None] * np.array([90, 60, 20]))
    for level, waves, color in ((0.42, 3.1, (124, 148, 132)), (0.52, 5.3, (96, 132, 88)), (0.62, 1.9, (128, 152, 84))):
        ridge = level + 0.05 * np.sin(2 * np.pi * (waves * x + level)) + 0.015 * np.sin(41 * x + 7 * level)
        scene[y > ridge] = color
    road = (np.abs(x - 0.5 - 0.08 * (y - 0.6)) < 0.42 * (y - 0.58)) & (y > 0.6)
    scene[road] = (112, 112, 118)
    dashes = (
        (np.abs(x - 0.5 - 0.08 * (y - 0.6)) < 0.012 * (y - 0.4))
        & (y > 0.63)
        & (np.sin(9 / np.maximum(y - 0.5, 0.01)) > 0)
    )
    scene[dashes] = (236, 234, 220)
    for at, foot, tall in ((0.1, 0.78, 0.3), (0.24, 0.7, 0.2), (0.8, 0.72, 0.24), (0.92, 0.84, 0.36)):
        trunk = (np.abs(x - at) < 0.02 * tall) & (y > foot - 0.4 * tall) & (y < foot)
        scene[trunk] = (92, 70, 52)
        crown = ((x - at) / (0.28 * tall)) ** 2 + ((y - foot + 0.7 * tall) / (0.42 * tall)) ** 2 < 1
        scene[crown] = (58, 104 + 60 * tall, 62)
    noisy = scene + rng.normal(0, 5, (height, width, 1))
    result: NDArray[np.uint8] = noisy.clip(0, 255).astype(np.uint8)
    return result
