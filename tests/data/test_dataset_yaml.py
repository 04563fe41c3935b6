from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.source import DataSource, open_data
from pixelwise.errors import DataError
from pixelwise.io.masks import read_mask

STORED = [0, 1, 2, 3]


@pytest.fixture
def describe(tmp_path: Path, write: Any, image: Any) -> Any:
    """Open two pictures, whose masks hold 0 to 3 in stripes, by the text of a dataset.yaml."""
    mask = np.repeat(np.array(STORED, np.uint8), 2)[None].repeat(6, 0)
    for name in "ab":
        write(f"images/{name}.png", image)
        write(f"masks/{name}.png", mask)
        write(f"odd/photos/{name}.png", image)
        write(f"odd/drawn/{name}.png", np.stack([mask * 10, mask * 0, mask * 0], axis=2))

    def describe(text: str) -> DataSource:
        return open_data(write("dataset.yaml", text))

    return describe


def encoded(source: DataSource) -> list[int]:
    mask = source.pairs[0].mask
    assert mask is not None
    labels: list[int] = source.label_space.encode(read_mask(mask))[0, ::2].tolist()
    return labels


@pytest.mark.parametrize(
    ("text", "names", "labels"),
    [
        ("classes: [a, b, c, d]", "abcd", [0, 1, 2, 3]),
        ("classes: {0: a, 1: b, 2: a, 3: c}", "abc", [0, 1, 0, 2]),
        ("classes: {0: a, 1: b}\nignore: [2, 3]", "ab", [0, 1, 255, 255]),
        ("classes: [a, b, c, d]\nmerge: {x: [a, c], y: rest}", "xy", [0, 1, 0, 1]),
        ("classes: [a, b, c, d]\nmerge: {y: others, x: [a, 2]}", "yx", [1, 0, 1, 0]),
        ("classes: [a, b, c, d]\nmerge: {x: [a, c]}", "xbd", [0, 1, 0, 2]),
        ("classes: [a, b, c, d]\nmerge: {x: [a, c], y: rest}\nignore: b", "xy", [0, 255, 0, 1]),
        ("classes: [a, b, c]\nignore: 3", "abc", [0, 1, 2, 255]),
        ("merge: {x: [0, 3], y: [1, 2]}", "xy", [0, 1, 1, 0]),
    ],
)
def test_classes_are_named_merged_and_ignored(describe: Any, text: str, names: str, labels: list[int]) -> None:
    source = describe(text)
    assert source.label_space.names == tuple(names)
    assert encoded(source) == labels


def test_colours_as_stored_values_in_three_spellings(describe: Any) -> None:
    where = "path: odd\nimages: photos\nmasks: drawn\n"
    source = describe(where + 'classes: {"#000000": a, "10 0 0": b, [20, 0, 0]: c}\nignore: "#1e0000"')
    assert source.label_space.names == ("a", "b", "c")
    assert source.label_space.colors == ((0, 0, 0), (10, 0, 0), (20, 0, 0))
    assert encoded(source) == [0, 1, 2, 255]


def test_names_that_yaml_would_take_for_something_else(describe: Any) -> None:
    source = describe("classes: [null, no, on, 2026-01-01]\nbackground: no")
    assert source.label_space.names == ("null", "no", "on", "2026-01-01")
    assert source.label_space.background == 1


def test_colours_and_background(describe: Any) -> None:
    space = describe('classes: [a, b, c, d]\ncolors: {b: "#010203"}\nbackground: 2').label_space
    assert space.colors[1] == (1, 2, 3)
    assert space.background == 2
    listed = describe("merge: {x: [0], y: rest}\ncolors: [[1, 2, 3], [4, 5, 6]]").label_space
    assert listed.colors == ((1, 2, 3), (4, 5, 6))


def test_splits_by_list_and_by_file(describe: Any, write: Any) -> None:
    write("mine.txt", "b\n")
    source = describe("splits: {train: [a], val: mine.txt}")
    assert [pair.id for pair in source.split("train")] == ["images/a.png"]
    assert [pair.id for pair in source.split("val")] == ["images/b.png"]


def test_the_description_in_a_folder_is_read_of_itself(tmp_path: Path, describe: Any) -> None:
    describe("merge: {x: [0, 3], y: rest}")
    assert open_data(tmp_path).label_space.names == ("x", "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clases: [a]", "no key 'clases'; the nearest names are classes"),
        ("- a", "expected keys such as"),
        ("classes: [a", "not readable as YAML"),
        ("merge: {x: [0], x: [1]}", "the key x is there twice"),
        ("classes: {0: a, one: b}", "`classes`: 'one': "),
        ("classes: {70000: b}", "70000"),
        ("classes: [a, b, c, d]\nmerge: {x: [e], y: rest}", "`merge.x`: there is no class 'e'"),
        ("classes: [a, b, c, d]\nmerge: {x: [a], y: [a]}", "'a' is in 'x' and in 'y'"),
        ("classes: [a, b, c, d]\nmerge: {x: rest, y: rest}", "both 'x' and 'y' take the rest"),
        ("classes: [a, b, c, d]\nmerge: {a: [b]}", "'a' is a class of the masks too"),
        ("classes: [a, b, c, d]\nmerge: {x: [9]}", "no class stands for the stored value 9"),
        ("classes: [a, b, c, d]\nbackground: z", "`background`: there is no class 'z'"),
        ("classes: [a, b, c, d]\ncolors: {z: [0, 0, 0]}", "`colors`: there is no class 'z'"),
        ("classes: [a, b, c, d]\ncolors: [[0, 0, 0]]", "1 colour for 4 classes"),
        ('colors: ["#zzzzzz"]', "`colors"),
        ("classes: {0: a, 1: b}", r"masks/a\.png: the mask holds 2, which .*dataset\.yaml gives no class"),
        ("classes: [a, b]", r"masks/a\.png: the mask holds 2, but .*dataset\.yaml names the classes 0 \.\. 1"),
        ("path: nowhere", "`path`: there is no folder"),
        ("images: odd/photos", "`masks` is missing"),
        ("images: odd/photos\nmasks: nowhere", "`masks`: there is no folder"),
        ("splits: {train: mine.txt}", "`splits.train`: there is no file"),
        ("splits: {train: [z]}", "names 'z'"),
        ("splits: {learn: [a]}", "`splits`: 'learn': "),
    ],
)
def test_mistakes_are_told_with_file_and_key(describe: Any, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        describe(text)
    assert "dataset.yaml" in str(caught.value)
    assert "\n" not in str(caught.value) or "YAML" in str(caught.value)
