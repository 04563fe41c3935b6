"""Drawing what one output pixel sees: the receptive fields of all stages as boxes over a sample image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import log

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pixelwise.errors import SettingError
from pixelwise.geometry import Geometry
from pixelwise.inspection.summary import Inspection
from pixelwise.types import default_colors

DRAWN_SIDE = 720
"""The pixels of the longer side of the drawn image."""
MOST_BOXES = 12
"""The most boxes in one picture; of more stages, some are chosen from the smallest field to the largest."""
_PAPER_COLOR, _INK_COLOR, _FAINT_COLOR, _OUTSIDE_COLOR = (252, 252, 250), (30, 32, 36), (120, 124, 130), (226, 228, 230)


@dataclass(frozen=True)
class FieldBox:
    """The pixels that one cell of a stage reads.

    Args:
        label: the stage.
        first: top row and left column that it reads, in pixels of the picture; may lie outside.
        last: bottom row and right column; None for the whole picture.
        most: the most pixels along an axis that a cell of the stage reads, as in the table; None for the whole picture.
    """

    label: str
    first: tuple[int, int]
    last: tuple[int, int] | None
    most: int | None

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width in pixels; None for the whole picture."""
        return None if self.last is None else (self.last[0] - self.first[0] + 1, self.last[1] - self.first[1] + 1)

    @property
    def text(self) -> str:
        """Its size in words; if other cells of the stage read more, their size is stated too."""
        if self.sides is None:
            return "whole picture"
        rows, columns = self.sides
        side = f"{rows}" if rows == columns else f"{rows} x {columns}"
        return f"{side} px" if self.most in (None, max(self.sides)) else f"{side} of {self.most} px"


def seen_pixel(inspection: Inspection) -> tuple[int, int]:
    """Give row and column of the drawn pixel: a pixel near the middle with the largest receptive field."""
    geometry = inspection.geometry

    def along(side: int) -> int:
        middle = side // 2
        if geometry.whole:
            return middle
        near = range(max(0, middle - geometry.period), min(side, middle + geometry.period))
        return max(sorted(near, key=lambda at: abs(at - middle)), key=lambda at: _length(geometry.reads(at)))

    return along(inspection.picture[0]), along(inspection.picture[1])


def field_boxes(inspection: Inspection) -> list[FieldBox]:
    """Give the fields of each stage's cell at one pixel near the middle, smallest first, and of the pixel's label last.

    Of stages with equal fields, one is kept. If more are left than can be told apart, some are chosen whose sides grow
    by equal factors, including the smallest and the largest.
    """
    whole, margin = inspection.geometry, inspection.geometry.margin
    pixel = seen_pixel(inspection)
    boxes = []
    for row in inspection.rows:
        if row.geometry is None or len(row.shape) != 4:
            continue
        if row.geometry.whole and row.shape[2] * row.shape[3] == 1:
            continue  # image pooling, whose only cell is the whole picture
        boxes.append(_box(row.name, row.geometry, [_cell(row.geometry, whole, at) for at in pixel], margin))
    of_size = {box.sides: box for box in reversed(boxes)}  # of stages with equal fields, the first
    seeing = [of_size.pop(None)] if None in of_size else []
    label = "label of the pixel" if inspection.regions is None else "an object"
    return [*_spread(list(of_size.values()), MOST_BOXES - 1 - len(seeing)), *seeing, _box(label, whole, pixel, margin)]


def _spread(boxes: list[FieldBox], count: int) -> list[FieldBox]:
    """Choose ``count`` boxes, the smallest, the largest, and others whose sides lie evenly between on a log scale."""
    boxes = sorted(boxes, key=_size)
    if len(boxes) <= count:
        return boxes
    sizes = [log(_size(box)) for box in boxes]
    left = list(range(len(boxes)))
    chosen = []
    for number in [0, count - 1, *range(1, count - 1)]:
        wanted = sizes[0] + (sizes[-1] - sizes[0]) * number / (count - 1)
        chosen.append(min(left, key=lambda index: abs(sizes[index] - wanted)))
        left.remove(chosen[-1])
    return [boxes[index] for index in sorted(chosen)]


def _size(box: FieldBox) -> int:
    assert box.sides is not None
    return sum(box.sides)


def _length(reads: tuple[int, int]) -> int:
    return reads[1] - reads[0] + 1


def _cell(geometry: Geometry, full: Geometry, pixel: int) -> int:
    """Give the cell of a stage at a pixel: of the cells next to it that its label depends on, one that reads most."""
    # Cells are counted from the border that the network computes with; a mirrored border begins before the picture.
    nearest = round((pixel + full.margin - geometry.center) / Fraction(geometry.stride))
    if geometry.whole or full.whole:
        return nearest
    first, last = full.reads(pixel)
    beside = [(cell, geometry.reads(cell)) for cell in (nearest, nearest - 1, nearest + 1)]
    inside = [(cell, reads) for cell, reads in beside if first <= reads[0] and reads[1] <= last]
    return max(inside or beside[:1], key=lambda found: _length(found[1]))[0]


def _box(label: str, geometry: Geometry, cells: Sequence[int], margin: int) -> FieldBox:
    if geometry.whole:
        return FieldBox(label, (0, 0), None, None)
    reads = [geometry.reads(cell) for cell in cells]
    first, last = ((rows - margin, columns - margin) for rows, columns in zip(*reads, strict=True))
    return FieldBox(label, first, last, geometry.receptive_field)


def draw_field(inspection: Inspection, image: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Draw the fields of a model's stages over an image, labelled with their sides in pixels.

    Fields reach beyond the image into the padding, which is drawn grey; the image is made small enough for that.

    Args:
        inspection: the inspection of the model, at the size of the image.
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
    around = reach + 1 + max(height + 2 * reach, width + 2 * reach) // 40
    scale = DRAWN_SIDE / (max(height, width) + 2 * around)

    def to_canvas(row: float, column: float) -> tuple[float, float]:
        return (column + around) * scale, (row + around) * scale

    canvas = Image.new(
        "RGB", (round((width + 2 * around) * scale), round((height + 2 * around) * scale)), _OUTSIDE_COLOR
    )
    left, top = to_canvas(0, 0)
    resized = Image.fromarray(image).resize((max(1, round(width * scale)), max(1, round(height * scale))))
    canvas.paste(Image.blend(resized, Image.new("RGB", resized.size, _PAPER_COLOR), 0.25), (round(left), round(top)))
    draw = ImageDraw.Draw(canvas)
    colors = (*default_colors(len(boxes) - 1), _INK_COLOR)
    for number in [*range(len(boxes) - 2, -1, -1), len(boxes) - 1]:  # small boxes over large ones, the label over all
        box, color = boxes[number], colors[number]
        last = (height - 1, width - 1) if box.last is None else box.last
        corners = (*to_canvas(*box.first), *to_canvas(last[0] + 1, last[1] + 1))
        draw.rectangle(corners, outline=color, width=2 if color == _INK_COLOR else 4)
    return np.asarray(_beside(canvas, _legend(inspection, boxes, colors, canvas.height)))


def _beside(one: Image.Image, other: Image.Image) -> Image.Image:
    both = Image.new("RGB", (one.width + other.width, max(one.height, other.height)), _PAPER_COLOR)
    both.paste(one, (0, 0))
    both.paste(other, (one.width, 0))
    return both


def _legend(
    inspection: Inspection, boxes: Sequence[FieldBox], colors: Sequence[tuple[int, int, int]], height: int
) -> Image.Image:
    title, text, small = (ImageFont.load_default(size) for size in (20, 15, 13))
    line, indent = 25, 46
    rows, columns = inspection.picture
    row, column = seen_pixel(inspection)
    on = f" on {inspection.encoder}" if inspection.encoder else ""
    heads = [
        (f"{inspection.name}{on}", _INK_COLOR, title),
        (f"what the stages read at row {row}, column {column}", _FAINT_COLOR, text),
    ]
    beyond = "mirrored" if inspection.mirrored else "padding"
    notes = [f"picture {columns} wide, {rows} high; grey is {beyond}"]
    if any(" of " in box.text for box in boxes):
        notes.append("a of b px: this cell reads a, others of its stage up to b")
    needed = [20 + font.getlength(words) for words, _, font in heads]
    needed += [20 + small.getlength(note) for note in notes]
    needed += [indent + text.getlength(box.label) + 24 + text.getlength(box.text) for box in boxes]
    width = max(430, round(max(needed)) + 20)
    panel = Image.new("RGB", (width, max(height, 112 + line * len(boxes) + 20 * len(notes))), _PAPER_COLOR)
    draw = ImageDraw.Draw(panel)
    for y, (words, ink, font) in zip((16, 46), heads, strict=True):
        draw.text((20, y), words, ink, font)
    for number, (box, color) in enumerate(zip(boxes, colors, strict=True)):
        y = 80 + line * number
        draw.rectangle((20, y + 3, 36, y + 17), fill=color)
        draw.text((indent, y + 1), box.label, _INK_COLOR, text)
        draw.text((width - 20, y + 1), box.text, _INK_COLOR, text, anchor="ra")
    for number, note in enumerate(notes):
        draw.text((20, 88 + line * len(boxes) + 20 * number), note, _FAINT_COLOR, small)
    return panel


def sample_image(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Make a scene of sky, hills, a road and trees: RGB uint8 (H, W, 3), always the same for a size."""
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
