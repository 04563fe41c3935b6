from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixelwise.data.masks.labels import recognise
from pixelwise.data.masks.survey import survey_masks
from pixelwise.errors import DataError
from pixelwise.io.masks import read_mask
from pixelwise.types import LabelSpace

RED, GREEN, BLACK = (255, 0, 0), (0, 128, 0), (0, 0, 0)


def areas(*values: Any) -> np.ndarray:
    """A mask with one broad stripe of each value."""
    return np.repeat(np.array(values, np.uint16 if np.max(values) > 255 else np.uint8), 4, axis=0)[None].repeat(6, 0)


def understood(path: Path, names: Any = None, **options: Any) -> tuple[LabelSpace, tuple[str, ...], list[int]]:
    reading = recognise(survey_masks([path]), names, **options)
    labels = reading.label_space.encode(read_mask(path))[0, ::4].tolist()
    return reading.label_space, (*reading.notes, *reading.guesses), labels


@pytest.mark.parametrize(
    ("stored", "names", "encoded"),
    [
        ([0, 255], ("background", "foreground"), [0, 1]),
        ([0, 1], ("background", "foreground"), [0, 1]),
        ([0, 1, 255], ("background", "foreground"), [0, 1, 255]),
        ([0, 1, 2, 255], ("class 0", "class 1", "class 2"), [0, 1, 2, 255]),
        ([0, 2, 3], ("class 0", "class 1", "class 2", "class 3"), [0, 2, 3]),
        ([0, 127, 255], ("value 0", "value 127", "value 255"), [0, 1, 2]),
        ([1, 2, 255], ("value 1", "value 2"), [0, 1, 255]),
        ([0, 1000, 65535], ("value 0", "value 1000", "value 65535"), [0, 1, 2]),
        ([1, 2, 3], ("value 1", "value 2", "value 3"), [0, 1, 2]),
    ],
)
def test_numbers_without_names(write: Any, stored: list[int], names: tuple[str, ...], encoded: list[int]) -> None:
    space, notes, labels = understood(write("a.png", areas(*stored)))
    assert space.names == names
    assert labels == encoded
    assert notes


@pytest.mark.parametrize(
    ("stored", "encoded"), [([0, 255], [0, 1]), ([0, 1], [0, 1]), ([0, 1, 255], [0, 1, 255]), ([0, 200], [0, 1])]
)
def test_numbers_of_two_named_classes(write: Any, stored: list[int], encoded: list[int]) -> None:
    space, _, labels = understood(write("a.png", areas(*stored)), ("nothing", "cell"))
    assert space.names == ("nothing", "cell")
    assert labels == encoded


@pytest.mark.parametrize(
    ("stored", "names", "guesses"),
    [
        ([0, 255], None, 0),
        ([0, 1, 2], None, 0),
        ([0, 1, 2], ("a", "b", "c"), 0),
        ([0, 255], ("background", "cell"), 0),
        ([0, 255], ("cell",), 0),
        ([0, 1, 2, 255], ("a", "b", "c"), 0),
        ([0, 1, 2, 254], None, 1),
        ([0, 1, 3], None, 1),
        ([0, 1, 2, 255], None, 1),
        ([1, 2, 255], None, 2),
        ([0, 255], ("leaf", "stem"), 1),
        ([0, 127, 255], ("a", "b", "c"), 1),
        ([RED, GREEN], None, 1),
    ],
)
def test_what_may_mean_something_else_is_a_guess(write: Any, stored: list[Any], names: Any, guesses: int) -> None:
    reading = recognise(survey_masks([write("a.png", areas(*stored))]), names)
    assert len(reading.guesses) == guesses


def test_three_grey_values_of_three_named_classes(write: Any) -> None:
    space, notes, labels = understood(write("a.png", areas(0, 127, 255)), ("a", "b", "c"))
    assert labels == [0, 1, 2]
    assert "0 a, 127 b, 255 c" in notes[0]
    assert space.background is None


def test_values_outside_the_names_are_told_with_file(write: Any) -> None:
    with pytest.raises(DataError, match=r"a\.png: the mask holds 3, but list\.txt names the classes 0 \.\. 1"):
        understood(write("a.png", areas(0, 1, 3)), ("x", "y"), origin="list.txt")


def test_the_name_background_is_understood(write: Any) -> None:
    assert understood(write("a.png", areas(0, 1)), ("cell", "Background"))[0].background == 1


def test_palettes_give_colours(write: Any) -> None:
    image = Image.fromarray(areas(0, 1, 2).astype(np.uint8))
    image.putpalette([*BLACK, *RED, *GREEN])
    space, _, labels = understood(write("a.png", image))
    assert space.colors == (BLACK, RED, GREEN)
    assert labels == [0, 1, 2]


def test_palettes_that_contradict_each_other_are_refused(write: Any) -> None:
    paths = []
    for name, palette in (("a", [*BLACK, *RED, *GREEN]), ("b", [*BLACK, *GREEN, *RED])):
        image = Image.fromarray(areas(0, 1, 2).astype(np.uint8))
        image.putpalette(palette)
        paths.append(write(f"{name}.png", image))
    with pytest.raises(DataError, match=r"b\.png: its palette gives index 1 another colour than .*a\.png"):
        recognise(survey_masks(paths))


def test_rgb_colours(write: Any) -> None:
    space, notes, labels = understood(write("a.png", areas(RED, BLACK, GREEN)))
    assert space.colors == (BLACK, GREEN, RED)
    assert labels == [2, 0, 1]
    assert "#ff0000" in notes[0]


def test_names_alone_cannot_say_which_colour_is_which(write: Any) -> None:
    with pytest.raises(DataError, match=r"classes\.txt names 3 classes, but .* 2 RGB colours"):
        understood(write("a.png", areas(RED, GREEN)), ("x", "y", "z"), origin="classes.txt")


def test_grey_saved_as_rgb_is_read_as_numbers(write: Any) -> None:
    path = write("a.png", areas(BLACK, (255, 255, 255)))
    space, _, labels = understood(path)
    assert space.names == ("background", "foreground")
    assert labels == [0, 1]
    assert understood(write("b.png", areas(BLACK, (1, 1, 1))), ("x", "y"))[2] == [0, 1]


def test_smoothed_masks_are_refused(write: Any) -> None:
    disk = np.hypot(*np.mgrid[-32:32, -32:32]) < 20
    smooth = Image.fromarray(np.uint8(disk) * 255).filter(ImageFilter.GaussianBlur(1))
    with pytest.raises(DataError, match=r"a\.png: the masks hold .* grey values.*nearest"):
        understood(write("a.png", smooth))


def test_jpeg_masks_are_refused(write: Any) -> None:
    disk = np.hypot(*np.mgrid[-32:32, -32:32]) < 20
    with pytest.raises(DataError, match=r"a\.jpg.*JPEG"):
        understood(write("a.jpg", np.uint8(disk) * 255))
    with pytest.raises(DataError, match=r"b\.jpg.*JPEG"):
        understood(write("b.jpg", np.where(disk[..., None], np.array([200, 30, 90], np.uint8), np.uint8(0))))


def test_many_classes_are_not_taken_for_smoothing(write: Any) -> None:
    space, _, labels = understood(write("a.png", areas(*range(200))))
    assert len(space) == 200
    assert labels == list(range(200))


def test_256_classes_and_more(write: Any) -> None:
    space, _, labels = understood(write("a.png", areas(*range(300))))
    assert (len(space), space.ignore_index) == (300, 65535)
    assert labels == list(range(300))


@pytest.mark.parametrize("stored", [[0], [255], [RED]])
def test_masks_of_one_value_hold_nothing_to_learn(write: Any, stored: list[Any]) -> None:
    with pytest.raises(DataError, match="nothing to learn"):
        understood(write("a.png", areas(*stored)))


def test_numbers_and_colours_do_not_mix(write: Any) -> None:
    with pytest.raises(DataError, match=r"b\.png: this mask holds RGB colours but .*a\.png"):
        survey_masks([write("a.png", areas(0, 1)), write("b.png", areas(RED, GREEN))])


def test_a_survey_counts_pixels_and_flat_pixels(write: Any) -> None:
    for name, mask in (("grey", areas(3, 7)), ("color", areas(RED, GREEN))):
        survey = survey_masks([write(f"{name}.png", mask), write(f"{name}2.png", mask)])
        assert list(survey.pixels.values()) == [48, 48]
        assert sorted(survey.flat.values()) == [30, 30]  # 5 rows of 3 columns, twice
        assert survey.masks == 2
