"""Objects as annotation files state them: polygons, run lengths or a box, converted to masks when they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.annotations.faults import refuse
from pixelwise.errors import DataError
from pixelwise.instances import Box, BoxMask, Instances, Size
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.ops.rle import Rle

Points = NDArray[np.float64]
"""The corners of a polygon, (n, 2): x and y of each corner, in pixels unless stated otherwise."""

# A stated box may differ from the extent of its mask by this many pixels plus this share of the extent's longer side:
# tools round, take centres for edges, and filling loses thin tips. All of COCO's own boxes are within these bounds.
_BOX_PIXELS, _BOX_SHARE = 2.5, 0.15
# Filling takes 80 bytes of memory for each pixel that an outline passes, on the picture or outside of it. Points that
# are farther off than this many sizes of the picture, or on large pictures this many pixels, are errors.
_FAR_SIZES, _FAR_PIXELS = 100, 2**16
_LONGEST_OUTLINE_PIXELS = 2**23  # pixels of the longest outline on a large picture


@dataclass(frozen=True, eq=False, slots=True)
class Outline:
    """One annotated object; its mask is that of the run lengths, else the union of the polygons, else the box.

    Args:
        label: its class.
        name: its name in errors, such as ``"annotation 17"``.
        polygons: outlines of its parts.
        rle: its mask as COCO's run lengths.
        box: the box that the file states.
        crowd: whether it marks a group.
        normalised: whether polygons and box are in shares of the picture's width and height.
        area: the area in pixels that the file states; NaN if it states none.
    """

    label: int
    name: str
    polygons: tuple[Points, ...] = ()
    rle: Rle | None = None
    box: Box | None = None
    crowd: bool = False
    normalised: bool = False
    area: float = float("nan")


@dataclass(frozen=True, eq=False)
class OutlinedObjects:
    """A reader of the objects of one picture, from outlines that are known already.

    Args:
        outlines: the objects.
        image: the picture.
        origin: the file that holds the annotation, for errors.
        stated: height and width of the picture, if the file states them.
        masks: whether to make masks, or to give boxes only.
        faults: why further objects cannot be read; with any, the picture is refused.
    """

    outlines: tuple[Outline, ...]
    image: Path
    origin: Path
    stated: Size | None = None
    masks: bool = True
    faults: tuple[str, ...] = ()

    def size(self) -> Size | None:
        """Height and width, if the annotation states them.

        Raises:
            DataError: an object cannot be read.
        """
        refuse(self.faults)
        return self.stated

    def files(self) -> tuple[Path, ...]:
        """The file that holds the annotation."""
        return (self.origin,)

    def outlines_in_pixels(self, size: Size) -> tuple[Outline, ...]:
        """The outlines on a picture of height and width ``size``."""
        return tuple(_in_pixels(outline, size) for outline in self.outlines)

    def read(self) -> Instances:
        """Make the masks; see :func:`draw`."""
        from pixelwise.io.images import image_info  # here, so that finding a layout imports no decoders

        refuse(self.faults)
        return draw(self.outlines, self.stated or image_info(self.image).size, self.origin, masks=self.masks)


@dataclass(frozen=True, eq=False)
class AnnotationFile:
    """A reader of the objects of one picture, from a file for this picture only.

    Args:
        path: the file.
        image: the picture.
        names: the classes in index order.
        parse: gives the outlines that a file holds, and the size of the picture if the file states it; a function of a
            module, so that it can be passed to workers.
        masks: whether to make masks, or to give boxes only.
    """

    path: Path
    image: Path
    names: tuple[str, ...]
    parse: Callable[[Path, tuple[str, ...]], tuple[tuple[Outline, ...], Size | None]]
    masks: bool = True

    def files(self) -> tuple[Path, ...]:
        """The file that holds the annotation."""
        return (self.path,)

    def outlines_in_pixels(self, size: Size) -> tuple[Outline, ...]:
        """The outlines on a picture of height and width ``size``."""
        return tuple(_in_pixels(outline, size) for outline in self.parse(self.path, self.names)[0])

    def read(self) -> Instances:
        """Read the file and make the masks; see :func:`draw`.

        Raises:
            DataError: the file is damaged, or states another size than the picture's.
        """
        from pixelwise.io.images import image_info  # here, so that finding a layout imports no decoders

        outlines, stated = self.parse(self.path, self.names)
        size = image_info(self.image).size
        if stated is not None and stated != size:
            raise DataError(
                f"{self.path}: it states a picture of {stated[0]}x{stated[1]}, but {self.image.name} is "
                f"{size[0]}x{size[1]} (height x width); annotate the picture as it is now"
            )
        return draw(outlines, size, self.path, masks=self.masks)


def draw(outlines: Sequence[Outline], size: Size, origin: Path, *, masks: bool = True) -> Instances:
    """Make the masks of outlined objects; polygons are filled exactly as pycocotools fills them.

    Masks are cut at the borders of the picture. An object outside of the picture is left out; one that lies on the
    picture but covers no pixel becomes the pixel under its middle. Its box is the stated one if that fits the mask,
    else the extent of the mask.

    Args:
        outlines: the objects.
        size: height and width of the picture.
        origin: the file that holds them, for errors.
        masks: whether to make masks, or to give boxes only.

    Raises:
        DataError: run lengths are damaged or belong to a picture of another size, or a point is far outside.
    """
    drawn: list[tuple[Outline, BoxMask, Box]] = []
    for outline in (_in_pixels(outline, size) for outline in outlines):
        try:
            mask = _mask_of(outline, size)
        except DataError as error:
            raise DataError(f"{origin}: {outline.name}: {error}") from error
        if mask is not None:
            drawn.append((outline, mask, _box_of(outline, mask, size)))
    return Instances(
        size,
        np.array([outline.label for outline, _, _ in drawn], np.int64),
        np.array([box for _, _, box in drawn], np.float32).reshape(-1, 4),
        tuple(mask for _, mask, _ in drawn) if masks else None,
        crowd=np.array([outline.crowd for outline, _, _ in drawn], np.bool_),
        stated_areas=np.array([outline.area for outline, _, _ in drawn], np.float64),
    )


def boxes_among_outlines(count: int, example: str | Path) -> str:
    """Say that objects without an outline are taken for rectangles where others have one.

    Args:
        count: how many there are.
        example: where the first is.
    """
    return (
        f"{counted(count, 'object', 'is')} given as {'a box' if count == 1 else 'boxes'} among others that have "
        f"outlines, in {example}: all pixels of such a box are taken for the object; outline it, or remove it"
    )


def fill(polygons: Sequence[Points], size: Size) -> BoxMask:
    """Fill polygons, each (n, 2) of x and y in pixels; the mask is the union of all of them.

    Raises:
        DataError: a point is not finite or is much too far outside, or outlines are longer than those of any shape on
            the picture.
    """
    # Imported here, because finding the layout of a folder needs no masks and should not wait for torch.
    from faster_coco_eval.core import mask as coco_mask

    _check_reach(polygons, size)
    flat = [polygon.ravel().tolist() for polygon in polygons if len(polygon) >= 3]  # fewer corners have no area
    if not flat:
        return BoxMask(np.zeros((0, 0), np.bool_), 0, 0, size)
    runs = coco_mask.frPyObjects(flat, *size)
    whole = runs[0] if len(runs) == 1 else coco_mask.merge(runs)
    return _decode({"size": list(size), "counts": whole["counts"]})


def _decode(rle: Rle) -> BoxMask:
    from pixelwise.ops.rle import decode_box_mask

    return decode_box_mask(rle)


def _check_reach(polygons: Sequence[Points], size: Size) -> None:
    """Refuse outlines that would take more memory or time to fill than any real annotation."""
    side = max(size)
    far = min(_FAR_SIZES * side, max(_FAR_PIXELS, 10 * side))
    # The outline of a shape passes each edge of a pixel once at most; a rectangle may enclose the whole allowed area.
    longest = min(2 * size[0] * size[1], _LONGEST_OUTLINE_PIXELS) + 8 * far
    length = 0.0
    for polygon in polygons:
        reach = np.abs(polygon).max(initial=0)
        if not reach <= far:
            raise DataError(f"a point lies at {reach:.6g}, on a picture of {size[0]}x{size[1]}; correct the outline")
        steps = np.abs(polygon - np.roll(polygon, 1, axis=0))
        length += float(steps.max(1, initial=0).sum())
    if length > longest:
        raise DataError(
            f"its outlines are {length:.0f} pixels long, on a picture of {size[0]}x{size[1]}; correct the outline"
        )


def ellipse(middle: tuple[float, float], radii: tuple[float, float], turn: float = 0.0) -> Points:
    """Give the corners of a polygon that differs from an ellipse by less than a tenth of a pixel.

    Args:
        middle: x and y of the middle.
        radii: half of the width and half of the height, before the rotation.
        turn: angle in radians, from x towards y.
    """
    corners = int(np.clip(np.ceil(np.pi * np.sqrt(5 * max(*radii, 1.0))), 16, 2048))
    angle = np.arange(corners) * (2 * np.pi / corners)
    with np.errstate(over="ignore", invalid="ignore"):  # points that are not finite are refused later by `fill`
        along, across = radii[0] * np.cos(angle), radii[1] * np.sin(angle)
        x = middle[0] + along * np.cos(turn) - across * np.sin(turn)
        y = middle[1] + along * np.sin(turn) + across * np.cos(turn)
    return np.stack([x, y], 1)


def rectangle(box: Box) -> Points:
    """Give the corners of a box as a polygon."""
    left, top, right, bottom = box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def _in_pixels(outline: Outline, size: Size) -> Outline:
    if not outline.normalised:
        return outline
    height, width = size
    polygons = tuple(polygon * (width, height) for polygon in outline.polygons)
    box = outline.box
    if box is not None:
        box = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    return replace(outline, polygons=polygons, box=box, normalised=False)


def _mask_of(outline: Outline, size: Size) -> BoxMask | None:
    """Make the mask of an object; None if it lies outside the picture."""
    if outline.rle is not None:
        if tuple(outline.rle["size"]) != size:
            raise DataError(
                f"its run lengths are for a picture of {'x'.join(map(str, outline.rle['size']))}, but this one is "
                f"{size[0]}x{size[1]} (height x width)"
            )
        mask = _decode(outline.rle)
        middle = None
    else:
        polygons = outline.polygons
        if not polygons and outline.box is not None:
            polygons = (rectangle(outline.box),)
        mask = fill(polygons, size)
        points = np.concatenate(polygons) if polygons else np.zeros((0, 2))
        middle = (points.min(0) + points.max(0)) / 2 if len(points) else None
    if mask.area:
        return mask
    if middle is None and outline.box is not None:
        middle = rectangle(outline.box).mean(0)
    if middle is None:
        return None
    column, row = np.floor(middle).astype(np.int64).tolist()
    if not (0 <= row < size[0] and 0 <= column < size[1]):
        return None
    return BoxMask(np.ones((1, 1), np.bool_), row, column, size)


def _box_of(outline: Outline, mask: BoxMask, size: Size) -> Box:
    extent: Box = mask.box
    if outline.box is None:
        return extent
    left, top, right, bottom = outline.box
    cut = max(left, 0.0), max(top, 0.0), min(right, float(size[1])), min(bottom, float(size[0]))
    tolerance = _BOX_PIXELS + _BOX_SHARE * max(extent[2] - extent[0], extent[3] - extent[1])
    fits = all(abs(stated - found) <= tolerance for stated, found in zip(cut, extent, strict=True))
    return cut if fits and cut[0] < cut[2] and cut[1] < cut[3] else extent
