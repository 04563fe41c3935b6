"""Painting objects over a picture, each in its own tone with its outline and its number."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.instances import Instances
from pixelwise.types import Color, LabelSpace

OBJECT_TONES = ((0.0, 1.0), (0.06, 1.35), (-0.06, 0.8), (0.11, 1.15), (-0.11, 0.9), (0.03, 0.75))
"""Shift of the hue and factor on the brightness for the first, second ... object of a class, repeated in turn."""

LEAST_NUMBER_HEIGHT = 9
"""The least height of a number in pixels; objects that it would hide have no number."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 21  # of a digit at scale 1, in pixels


def overlay_objects(
    image: NDArray[np.uint8],
    instances: Instances,
    label_space: LabelSpace,
    *,
    alpha: float = 0.5,
    numbers: bool = True,
) -> NDArray[np.uint8]:
    """Paint objects over a picture, each in a tone of the colour of its class, with an outline and its number.

    Numbers count from 1 in the order of the objects, as in the object table and the GeoJSON of objects. A number is
    placed where its object is widest. It is left out where it would hide the object, or another number.

    Args:
        image: uint8 (H, W, 3), RGB.
        instances: the objects; those of which only the box is known are drawn as their box.
        label_space: classes of the objects, without background.
        alpha: how strong the colours are, from 0 (not there) to 1 (opaque).
        numbers: whether to write the numbers.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        SettingError: alpha is outside 0 .. 1, or the objects lie on a picture of another size.
    """
    if not 0 <= alpha <= 1:
        raise SettingError(f"alpha is {alpha}; it lies between 0 (picture only) and 1 (colours only)")
    if image.shape[:2] != tuple(instances.size):
        raise SettingError(f"objects of {instances.size} do not lie on a picture of {image.shape[:2]} (height, width)")
    painted = image.copy()
    line = max(1, round(min(instances.size) / 600))
    order = np.argsort(instances.scores if instances.scores is not None else -instances.areas, kind="stable")
    for number in order.tolist():
        _paint_one(painted, instances, number, _tone(label_space, instances, number), alpha, line)
    if numbers and alpha:
        _write_numbers(painted, instances)
    return painted


def _tone(label_space: LabelSpace, instances: Instances, number: int) -> Color:
    """The colour of the class, with hue and brightness changed a little by the number of the object."""
    turn, factor = OBJECT_TONES[number % len(OBJECT_TONES)]
    red, green, blue = label_space.colors[int(instances.labels[number])]
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    toned = colorsys.hsv_to_rgb((hue + turn) % 1, max(saturation, 0.35), min(1.0, max(value, 0.35) * factor))
    return round(toned[0] * 255), round(toned[1] * 255), round(toned[2] * 255)


def _paint_one(
    painted: NDArray[np.uint8], instances: Instances, number: int, tone: Color, alpha: float, line: int
) -> None:
    """Blend an object into its window of the picture; the outline is stronger than the inside."""
    outline = min(1.0, 1.6 * alpha)
    if instances.masks is None:
        left, top, right, bottom = (round(float(edge)) for edge in instances.boxes[number])
        window = painted[max(0, top) : bottom, max(0, left) : right]
        edge = np.ones(window.shape[:2], np.bool_)
        edge[line:-line, line:-line] = False
        window[edge] = _mixed(window[edge], tone, outline)
        return
    mask = instances.masks[number]
    if not mask.pixels.size:
        return
    window = painted[mask.window]
    inside = cv2.erode(np.pad(mask.pixels, line).view(np.uint8), np.ones((2 * line + 1,) * 2, np.uint8))
    edge = mask.pixels & ~inside[line:-line, line:-line].view(np.bool_)
    for pixels, strength in ((mask.pixels & ~edge, alpha), (edge, outline)):
        window[pixels] = _mixed(window[pixels], tone, strength)


def _mixed(pixels: NDArray[np.uint8], tone: Color, strength: float) -> NDArray[np.uint8]:
    """Mix (n, 3) colours with one."""
    return np.rint(pixels * (1 - strength) + np.array(tone) * strength).astype(np.uint8)


def _write_numbers(painted: NDArray[np.uint8], instances: Instances) -> None:
    """Write the numbers, those of large objects first, so that none covers another or is larger than its object."""
    taken = np.zeros(instances.size, np.bool_)
    height = max(LEAST_NUMBER_HEIGHT, round(min(instances.size) / 60))
    areas = instances.areas
    for number in np.argsort(-areas, kind="stable").tolist():
        text = str(number + 1)
        scale = height / _FONT_HEIGHT
        (width, up), down = cv2.getTextSize(text, _FONT, scale, 1)
        place = _widest(instances, number)
        if place is None or areas[number] < 1.2 * width * up:
            continue
        left = int(np.clip(place[0] - width // 2, 0, max(0, instances.size[1] - width)))
        base = int(np.clip(place[1] + up // 2, up, instances.size[0] - 1))
        room = taken[max(0, base - up - 1) : base + down // 2 + 1, max(0, left - 1) : left + width + 1]
        if room.any():
            continue
        room[:] = True
        cv2.putText(painted, text, (left, base), _FONT, scale, (0, 0, 0), 3 if height > 12 else 2, cv2.LINE_AA)
        cv2.putText(painted, text, (left, base), _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def _widest(instances: Instances, number: int) -> tuple[int, int] | None:
    """Column and row of the pixel of an object that is farthest from its outline; None if it has no pixels."""
    if instances.masks is None:
        left, top, right, bottom = instances.boxes[number].tolist()
        return round((left + right) / 2), round((top + bottom) / 2)
    mask = instances.masks[number]
    if not mask.pixels.any():
        return None
    far = cv2.distanceTransform(np.pad(mask.pixels, 1).view(np.uint8), cv2.DIST_L2, 3)
    row, column = np.unravel_index(int(far.argmax()), far.shape)
    return mask.left + int(column) - 1, mask.top + int(row) - 1
