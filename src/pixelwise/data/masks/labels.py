"""Recognising how the masks of a data set encode classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pixelwise.data.masks.faults import edge_values
from pixelwise.data.masks.survey import Survey
from pixelwise.data.pairs import BACKGROUND_NAMES
from pixelwise.errors import DataError
from pixelwise.io.masks import NOT_ANNOTATED
from pixelwise.types import Color, LabelSpace, StoredValue, default_colors
from pixelwise.words import agreeing, counted


@dataclass(frozen=True)
class Reading:
    """How masks are read.

    Args:
        label_space: their classes, and how the values of the masks encode them.
        notes: what was recognised and can hardly mean anything else, in words.
        guesses: what was decided although another reading is possible, in words; a person should confirm it.
    """

    label_space: LabelSpace
    notes: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()

    def with_void(self, note: str) -> Reading:
        """Give the same reading with :data:`~pixelwise.io.masks.NOT_ANNOTATED` as void, and say so in a note."""
        space = self.label_space
        known = space.mapping or {**{k: k for k in range(len(space))}, space.ignore_index: space.ignore_index}
        mapping = {**known, NOT_ANNOTATED: space.ignore_index}
        return replace(self, label_space=replace(space, mapping=mapping), notes=(*self.notes, note))


def recognise(
    survey: Survey, names: Sequence[str] | None = None, *, void: frozenset[int] = frozenset({255}), origin: str = ""
) -> Reading:
    """Decide how masks encode classes.

    These are tried in order: RGB colours; {0, 255} and {0, 1} for two classes; values of a class list; class indices
    with 255 as void; other numbers, each standing for one class.

    Args:
        survey: what the masks hold.
        names: class names in index order, where the data set gives them.
        void: values that are void when the class list does not reach them.
        origin: what gives the names, for errors; a file or words.

    Raises:
        DataError: a value lies outside the class list, edges are smoothed, palettes contradict each other, or nothing
            but one value is there.
    """
    if survey.gaps is None and _has_void_of_16_bits(survey, names):
        reading = recognise(survey.without(NOT_ANNOTATED), names, void=void, origin=origin)
        return reading.with_void(f"value 65535 of the masks, as in {survey.first[NOT_ANNOTATED]}, is void")
    if survey.gaps is not None and not survey.by_color:
        reading = recognise(survey.without(NOT_ANNOTATED), names, void=void, origin=origin)
        return reading.with_void(f"-1 or NaN of the masks, as in {survey.gaps}, is void")
    _refuse_smoothed(survey)
    if survey.by_color:
        return _colors(survey, names, origin)
    if survey.clash is not None:
        first, second, index = survey.clash
        raise DataError(
            f"{second}: its palette gives index {index} another colour than the palette of {first}, so indices do not "
            "mean the same in all masks; export all masks with one palette, or name the indices in dataset.yaml"
        )
    if survey.mixes_two_ranges and (names is None or len(names) <= 2):
        space = recognise(survey.without(1), names, void=void, origin=origin).label_space
        return Reading(replace(space, mapping={0: 0, 1: 1, 255: 1}))  # the caller tells of the mixture, with its files
    if names is not None:
        return _named(survey, tuple(names), void, origin)
    return _unnamed(survey)


def background_of(names: Sequence[str]) -> int | None:
    """Find the index of the class whose name means background, or None."""
    return next((index for index, name in enumerate(names) if name.lower() in BACKGROUND_NAMES), None)


def _has_void_of_16_bits(survey: Survey, names: Sequence[str] | None) -> bool:
    """Whether 65535, the highest number of 16 bits, lies beside class indices, as 255 does in masks of 8 bits."""
    others = [value for value in survey.pixels if isinstance(value, int) and value not in (255, NOT_ANNOTATED)]
    if survey.by_color or NOT_ANNOTATED not in survey.pixels or len(others) < 2:
        return False
    if names is None:
        return max(others) < 4 * len(others)
    return max(others) < len(names) <= NOT_ANNOTATED


def _refuse_smoothed(survey: Survey) -> None:
    edges = list(edge_values(survey))
    if not edges:
        return
    path = survey.first[edges[0]]
    what = "colours" if survey.by_color else "grey values"
    raise DataError(
        f"{path}: the masks hold {len(survey.pixels)} {what}, {len(edges)} of them along edges only, so they were "
        "smoothed or saved as JPEG; export them without smoothing (nearest neighbour), as PNG"
    )


def _colors(survey: Survey, names: Sequence[str] | None, origin: str) -> Reading:
    mapping: dict[StoredValue, int]
    colors = sorted(color for color in survey.pixels if isinstance(color, tuple))
    _refuse_one(survey)
    if all(red == green == blue for red, green, blue in colors):
        as_grey = Survey(
            pixels={color[0]: survey.pixels[color] for color in colors},
            flat={color[0]: survey.flat[color] for color in colors},
            first={color[0]: survey.first[color] for color in colors},
            masks=survey.masks,
        )
        reading = recognise(as_grey, names, origin=origin)
        space = reading.label_space
        values = space.mapping or {**{k: k for k in range(len(space))}, space.ignore_index: space.ignore_index}
        mapping = {(v, v, v): k for v, k in values.items() if isinstance(v, int) and v <= 255}
        return replace(reading, label_space=replace(space, mapping=mapping))
    listed = ", ".join("#{:02x}{:02x}{:02x}".format(*color) for color in colors[:12]) + (
        ", ..." if len(colors) > 12 else ""
    )
    if names is not None:
        raise DataError(
            f"{survey.first[colors[0]]}: {origin} names {counted(len(names), 'class')}, but the masks hold "
            f"{counted(len(colors), 'RGB colour')} ({listed}) and "
            'nothing says which is which; write a dataset.yaml with `classes: {"#rrggbb": name, ...}`'
        )
    mapping = {color: index for index, color in enumerate(colors)}
    found = tuple(f"class {index}" for index in range(len(colors)))
    ignore = 255 if len(colors) <= 255 else 65535
    guess = (
        f"masks hold {counted(len(colors), 'RGB colour')} ({listed}): read as one class each; name them in dataset.yaml"
    )
    return Reading(LabelSpace(found, tuple(colors), ignore, None, mapping), guesses=(guess,))


def _named(survey: Survey, names: tuple[str, ...], void: frozenset[int], origin: str) -> Reading:
    count = len(names)
    mapping: dict[StoredValue, int]
    values = _numbers(survey)
    ignore = 255 if count <= 255 else 65535
    palette = _palette(survey, range(count))
    background = background_of(names)
    if count == 1 and set(values) in ({0, 255}, {0, 1}) and background is None:
        both = ("background", names[0])
        note = f"masks hold 0 and {values[1]}, and {origin} names one class: read as background and {names[0]}"
        mapping = {0: 0, 255: 1} if 255 in values else {}
        return Reading(LabelSpace(both, (), 255, 0, mapping), (note,))
    void = frozenset(value for value in void | {ignore} if value >= count)
    if count == 2 and set(values) == {0, 255}:
        space = LabelSpace(names, palette, ignore, background, {0: 0, 255: 1})
        note = f"masks hold 0 and 255: read as {names[0]} and {names[1]}"
        if background == 0:
            return Reading(space, (note,))
        return Reading(space, guesses=(f"{note}; if they are the other way round, map them in dataset.yaml",))
    outside = [value for value in values if value >= count and value not in void]
    if not outside:
        mapping = {} if void == {ignore} else {**{k: k for k in range(count)}, **dict.fromkeys(void, ignore)}
        return Reading(LabelSpace(names, palette, ignore, background, mapping))
    if len(values) == count and max(values) > 4 * count:
        listed = ", ".join(f"{value} {name}" for value, name in zip(values, names, strict=True))
        mapping = {value: index for index, value in enumerate(values)}
        guess = (
            f"masks hold {count} values that are no indices: read in rising order as {listed}; map them in dataset.yaml"
        )
        return Reading(LabelSpace(names, _palette(survey, values), ignore, background, mapping), guesses=(guess,))
    worst = outside[0]
    listed = ", ".join(str(value) for value in outside[:8]) + (", ..." if len(outside) > 8 else "")
    raise DataError(
        f"{survey.first[worst]}: the mask holds {worst}, but {origin} names the classes 0 .. {count - 1} "
        f"(values outside in all masks: {listed}); correct the names or the masks, or map values in dataset.yaml"
    )


def _unnamed(survey: Survey) -> Reading:
    mapping: dict[StoredValue, int]
    values = _numbers(survey)
    _refuse_one(survey)
    if values in ([0, 255], [0, 1]):
        mapping = {0: 0, 255: 1} if 255 in values else {}
        note = f"masks hold 0 and {values[1]}: read as 2 classes, background and foreground"
        colors = _palette(survey, values) or ((0, 0, 0), default_colors(2)[1])
        return Reading(LabelSpace(("background", "foreground"), colors, 255, 0, mapping), (note,))
    inner = [value for value in values if value != 255]
    top = inner[-1]
    void_guess = "value 255 of the masks is read as void; if it is a class, name the classes in dataset.yaml"
    if top < 4 * len(inner) and inner[0] == 0:  # nearly every index occurs, as class indices do
        read = f"masks hold 0 .. {top}: read as {counted(top + 1, 'class')} by index"
        absent = [index for index in range(top) if index not in survey.pixels]
        guesses = (void_guess,) if top < 255 and 255 in values else ()
        if absent:
            guesses = (
                f"{read}, though {_listed(absent)} {agreeing(len(absent), 'is')} in none; name the classes",
                *guesses,
            )
        notes = () if absent else (read,)
        if top == 1:
            return Reading(LabelSpace(("background", "foreground"), background=0), notes, guesses)
        names = tuple(f"class {index}" for index in range(top + 1))
        ignore = 255 if top < 255 else 65535
        return Reading(LabelSpace(names, _palette(survey, range(top + 1)), ignore), notes, guesses)
    void = 255 in values and len(inner) > 1 and inner[0] == 1 and top < 4 * len(inner)  # as above, but 0 is not used
    held = inner if void else values
    mapping = {value: index for index, value in enumerate(held)}
    ignore = 255 if len(held) <= 255 else 65535
    if void:
        mapping[255] = ignore
    guess = f"masks hold the {len(held)} values {_listed(held)}: read as one class each; name them in dataset.yaml"
    names = tuple(f"value {value}" for value in held)
    space = LabelSpace(names, _palette(survey, held), ignore, None, mapping)
    return Reading(space, guesses=(guess, void_guess) if void else (guess,))


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:12])) + (", ..." if len(values) > 12 else "")


def _refuse_one(survey: Survey) -> None:
    if len(survey.pixels) == 1:
        (value,) = survey.pixels
        raise DataError(
            f"{survey.first[value]}: nothing but {value} is in {counted(survey.masks, 'mask')}, so there is nothing to "
            "learn; check that these are the masks"
        )


def _numbers(survey: Survey) -> list[int]:
    return sorted(value for value in survey.pixels if isinstance(value, int))


def _palette(survey: Survey, values: Sequence[int]) -> tuple[Color, ...]:
    """Take the colours of the masks' own palette; none where it is grey, repeats, or does not reach the values."""
    colors = tuple(survey.palettes[value] for value in values if value in survey.palettes)
    return colors if len(set(colors)) == len(values) else ()
