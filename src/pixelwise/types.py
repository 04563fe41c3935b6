"""The types that all rooms use: frozen, checked when made, and based on numpy only."""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError, SettingError, quoted
from pixelwise.words import counted

Color = tuple[int, int, int]
StoredValue = int | Color
"""What a mask file holds at a pixel: a number (index, grey value) or an RGB colour."""

LabelArray = NDArray[np.unsignedinteger[Any]]
"""(H, W) class indices and the ignore value."""


def default_colors(count: int) -> tuple[Color, ...]:
    """Give ``count`` colours that are easy to tell apart and not too bright over a picture, always the same."""
    colors = []
    for index in range(count):
        hue = (index * 0.618033988749895 + 0.58) % 1.0  # steps by the golden ratio keep far from all earlier hues
        saturation, value = (0.55, 0.70, 0.42)[index % 3], (0.86, 0.68, 0.95)[index // 2 % 3]
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
        colors.append((round(red * 255), round(green * 255), round(blue * 255)))
    return tuple(colors)


LARGEST_STORED_VALUE = 65535
"""The greatest number that a mask holds."""


def _whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise SettingError(f"{what} is {quoted(value)}; expected a whole number")
    return int(value)


def _is_text(name: str) -> bool:
    """Whether a word can be written in UTF-8; halves of characters, as undecoded file names have them, cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _color(color: Sequence[int]) -> Color:
    channels = tuple(_whole(channel, "a channel of a colour") for channel in color)
    if len(channels) != 3 or not all(0 <= channel <= 255 for channel in channels):
        raise SettingError(f"colours are RGB with channels 0 to 255; one is {quoted(color)}")
    return channels[0], channels[1], channels[2]


def _stored(value: StoredValue) -> StoredValue:
    if isinstance(value, tuple):
        return _color(value)
    number = _whole(value, "a stored value of the mapping")
    if not 0 <= number <= LARGEST_STORED_VALUE:
        raise SettingError(f"a mapping has the stored value {quoted(number)}; masks hold 0 .. {LARGEST_STORED_VALUE}")
    return number


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a data set and how its mask files encode them.

    Args:
        names: class names in index order; class ``k`` of a network is ``names[k]``.
        colors: one RGB colour (0 to 255) per class; a default palette when left empty.
        ignore_index: the value of pixels that no class is known for; outside 0 .. K-1.
        background: index of the class that means "nothing", if the data has one.
        mapping: stored mask value (a number, or an RGB colour) -> class index or ``ignore_index``. Empty means that
            files hold class indices, with ``ignore_index`` as void.

    Raises:
        SettingError: names are missing, repeat or are no text, colours do not match, or an index is out of range or no
            whole number.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...] = ()
    ignore_index: int = 255
    background: int | None = None
    mapping: Mapping[StoredValue, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.names)
        if not names:
            raise SettingError("a label space needs at least one class name")
        unwritable = [name for name in names if not _is_text(name)]
        if unwritable:
            raise SettingError(f"the class name {quoted(unwritable[0])} is no text that a file could hold")
        repeated = sorted(name for name, times in Counter(names).items() if times > 1)
        if repeated:
            listed = ", ".join(repeated[:5]) + (", ..." if len(repeated) > 5 else "")
            raise SettingError(f"class names must differ; given more than once: {listed}")
        colors = tuple(map(_color, self.colors)) or default_colors(len(names))
        if len(colors) != len(names):
            raise SettingError(
                f"{counted(len(colors), 'colour')} for {counted(len(names), 'class')}; give one a class, or none"
            )
        ignore_index = _whole(self.ignore_index, "ignore_index")
        if 0 <= ignore_index < len(names) or not 0 <= ignore_index <= LARGEST_STORED_VALUE:
            raise SettingError(
                f"ignore_index {quoted(ignore_index)} must lie outside the class indices 0 .. {len(names) - 1} "
                f"and within 0 .. {LARGEST_STORED_VALUE}"
            )
        background = None if self.background is None else _whole(self.background, "background")
        if background is not None and not 0 <= background < len(names):
            raise SettingError(f"background {quoted(background)} is not a class index 0 .. {len(names) - 1}")
        mapping: dict[StoredValue, int] = {}
        for value, to in self.mapping.items():
            index = _whole(to, "a class index of the mapping")
            if index != ignore_index and not 0 <= index < len(names):
                raise SettingError(
                    f"mapping sends {value} to {quoted(index)}, which is no class index 0 .. {len(names) - 1}"
                )
            mapping[_stored(value)] = index
        if len({isinstance(value, tuple) for value in mapping}) > 1:
            raise SettingError("a mapping is keyed by numbers or by RGB colours, not by both")
        for name, checked in (
            ("names", names),
            ("colors", colors),
            ("ignore_index", ignore_index),
            ("background", background),
            ("mapping", mapping),
        ):
            object.__setattr__(self, name, checked)

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, classes: int | LabelSpace) -> LabelSpace:
        """Return ``classes`` itself, or a label space of that many unnamed classes."""
        if isinstance(classes, LabelSpace):
            return classes
        if classes < 1:
            raise SettingError(f"classes is {classes}; a network needs at least 1")
        ignore_index = 255 if classes <= 255 else 65535
        return cls(tuple(f"class {index}" for index in range(classes)), ignore_index=ignore_index)

    def with_void(self, value: int) -> LabelSpace:
        """Give the same label space with one stored number, whatever its meaning so far, standing for no class."""
        if self.by_color:
            return self
        known = self.mapping or {number: number for number in (*range(len(self)), self.ignore_index)}
        return replace(self, mapping={**known, value: self.ignore_index})

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        """The integer type of encoded masks: uint8 where every index and ``ignore_index`` fit, else uint16."""
        return np.uint8 if max(len(self) - 1, self.ignore_index) <= 255 else np.uint16

    @property
    def by_color(self) -> bool:
        """Whether mask files hold RGB colours rather than numbers."""
        return any(isinstance(value, tuple) for value in self.mapping)

    @cached_property
    def _table(self) -> NDArray[np.int32]:
        """Stored number -> class index, -1 where a number has no meaning; 65,536 entries."""
        table = np.full(LARGEST_STORED_VALUE + 1, -1, np.int32)
        if self.mapping:
            for value, index in self.mapping.items():
                assert isinstance(value, int)
                table[value] = index
        else:
            table[: len(self)] = np.arange(len(self))
            table[self.ignore_index] = self.ignore_index
        return table

    def encode(self, stored: NDArray[Any], *, source: str = "mask") -> NDArray[np.unsignedinteger[Any]]:
        """Turn what a mask file holds into class indices.

        Args:
            stored: (H, W) integers 0 .. 65535, or (H, W, 3) uint8 colours where the mapping is keyed by colour.
            source: what to call the mask in an error, normally its file.

        Returns:
            (H, W) class indices and ``ignore_index``, of type :attr:`dtype`.

        Raises:
            DataError: the mask holds a value that no class stands for.
        """
        if self.by_color:
            return self._encode_colors(stored, source)
        if stored.ndim != 2:
            raise DataError(f"{source}: the mask has colours, but this label space expects one number per pixel")
        encoded = self._table[stored]
        if encoded.min(initial=0) < 0:
            unknown = np.unique(stored[encoded < 0]).tolist()
            raise DataError(self._unknown(source, unknown))
        as_stored: NDArray[np.unsignedinteger[Any]] = encoded.astype(self.dtype)
        return as_stored

    def _encode_colors(self, stored: NDArray[Any], source: str) -> NDArray[np.unsignedinteger[Any]]:
        if stored.ndim != 3:
            raise DataError(f"{source}: the mask has one number per pixel, but this label space expects RGB colours")
        packed = pack_colors(stored)
        keys = np.array([pack_colors(np.array(color)) for color in self.mapping], np.int64)
        order = np.argsort(keys)
        place = np.searchsorted(keys[order], packed).clip(max=len(keys) - 1)
        found = keys[order][place] == packed
        if not found.all():
            unknown = [(int(v) >> 16, int(v) >> 8 & 255, int(v) & 255) for v in np.unique(packed[~found])]
            raise DataError(self._unknown(source, unknown))
        classes: NDArray[np.unsignedinteger[Any]] = np.array(list(self.mapping.values()), self.dtype)
        encoded: NDArray[np.unsignedinteger[Any]] = classes[order][place]
        return encoded

    def _unknown(self, source: str, unknown: list[Any]) -> str:
        found = ", ".join(str(value) for value in unknown[:8]) + (", ..." if len(unknown) > 8 else "")
        expected = list(self.mapping) if self.mapping else [f"0 .. {len(self) - 1}", f"{self.ignore_index} (ignored)"]
        known = ", ".join(str(value) for value in expected[:12]) + (", ..." if len(expected) > 12 else "")
        return (
            f"{source}: the mask holds {found}, which no class stands for (known: {known}); "
            "correct the mask, or map these values in dataset.yaml (ignored values under `ignore:`)"
        )

    def colorize(self, labels: NDArray[Any]) -> NDArray[np.uint8]:
        """Paint (H, W) class indices as an (H, W, 3) uint8 picture; ignored pixels are black."""
        palette = np.zeros((max(len(self), self.ignore_index) + 1, 3), np.uint8)
        palette[: len(self)] = self.colors
        painted: NDArray[np.uint8] = palette[labels]
        return painted

    def to_dict(self) -> dict[str, Any]:
        """Describe the label space in plain JSON types; :meth:`from_dict` reads it back."""
        return {
            "names": list(self.names),
            "colors": [list(color) for color in self.colors],
            "ignore_index": self.ignore_index,
            "background": self.background,
            "mapping": [[list(v) if isinstance(v, tuple) else v, index] for v, index in self.mapping.items()],
        }

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> LabelSpace:
        """Build a label space from what :meth:`to_dict` wrote."""
        return cls(
            names=tuple(described["names"]),
            colors=tuple(tuple(color) for color in described["colors"]),
            ignore_index=described["ignore_index"],
            background=described["background"],
            mapping={tuple(v) if isinstance(v, list) else v: index for v, index in described["mapping"]},
        )


BACKGROUND_NAME = "background"
"""The name of the class of everything that is no object, in the label space that objects are painted in."""


def semantic_space(objects: LabelSpace) -> LabelSpace:
    """Give the classes of objects a background before them, so that every pixel has a class.

    Raises:
        DataError: a class of objects is called background already.
    """
    if BACKGROUND_NAME in objects.names:
        raise DataError(f"a class of objects is called '{BACKGROUND_NAME}'; give it another name in the annotation")
    ignore_index = 255 if len(objects) < 255 else 65535
    return LabelSpace(
        (BACKGROUND_NAME, *objects.names), ((0, 0, 0), *objects.colors), ignore_index=ignore_index, background=0
    )


def object_space(label_space: LabelSpace) -> LabelSpace:
    """Give the classes that objects of a label space may have: all but its background.

    Raises:
        SettingError: there are none.
    """
    kept = [index for index in range(len(label_space)) if index != label_space.background]
    if not kept:
        raise SettingError(f"the only class, {label_space.names[0]}, is the background, so there are no objects")
    return LabelSpace(
        tuple(label_space.names[index] for index in kept),
        tuple(label_space.colors[index] for index in kept),
        ignore_index=label_space.ignore_index,
    )


def pack_colors(colors: NDArray[Any]) -> NDArray[np.int64]:
    """Pack (..., 3) RGB colours into one integer each, ``red << 16 | green << 8 | blue``."""
    wide = colors.astype(np.int64)
    packed: NDArray[np.int64] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed


@dataclass(frozen=True)
class Sample:
    """One picture with its annotation, as it is stored, before any augmentation.

    Args:
        image: uint8 (C, H, W); RGB order when C is 3.
        mask: (H, W) class indices and the ignore value of the label space it was encoded by, or None.
        id: the file the picture came from; errors and reports call the sample by it.

    Raises:
        DataError: the image is not uint8 (C, H, W) with pixels in it, or the mask has another size.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.unsignedinteger[Any]] | None
    id: str

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or 0 in self.image.shape:
            raise DataError(f"{self.id}: expected a uint8 image (C, H, W), got {self.image.dtype} {self.image.shape}")
        if self.mask is not None and self.mask.shape != self.image.shape[1:]:
            mask_size, image_size = self.mask.shape, self.image.shape[1:]
            raise DataError(
                f"{self.id}: the mask is {mask_size[0]}x{mask_size[1]} but the image {image_size[0]}x{image_size[1]} "
                "(height x width); export both at the same size"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[1], self.image.shape[2]

    @property
    def nbytes(self) -> int:
        """Memory that image and mask take, in bytes."""
        return self.image.nbytes + (0 if self.mask is None else self.mask.nbytes)
