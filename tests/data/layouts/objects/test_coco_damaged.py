"""COCO files with values that make no sense, wherever they stand: read, or refused by name; nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.cli import main
from pixelwise.data.source import open_data
from pixelwise.errors import DataError

PIXELS = 48
"""Of the pictures, which are 6 x 8."""

NAN, INFINITY = float("nan"), float("inf")
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 7, 2.5, -0.5, 1e5, 1e308, -1e308, NAN, INFINITY, -INFINITY),
    *(2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 10**400),
    *("", "a", "1", "\u0000", "é", "../..", "P" * 100, [], {}, [[]], [{}], {"size": [6, 8]}, [[[[0, 1]]]]),
    *([0, 0, 1e308, 1e308], [[0, 0, 1e308, 0, 0, 1e308]], [[1, 2, 3]], [[0, 0, INFINITY, 0, 5, 5]], [1] * 7),
]
"""What may stand where something else is expected."""


def content() -> dict[str, Any]:
    square = [[1.0, 1.0, 4.0, 1.0, 4.0, 4.0, 1.0, 4.0]]
    shared = {"image_id": 10, "category_id": 2, "iscrowd": 0, "area": 9.0, "bbox": [1, 1, 3, 3]}
    return {
        "images": [{"id": 10, "file_name": "a.png", "height": 6, "width": 8}],
        "annotations": [
            {"id": 100, "segmentation": square, **shared},
            {"id": 101, "segmentation": {"size": [6, 8], "counts": [7, 3, PIXELS - 10]}, **shared},
            {"id": 102, "segmentation": {"size": [6, 8], "counts": "73V1"}, **shared},
        ],
        "categories": [{"id": 2, "name": "nut"}],
    }


def read_all(folder: Path) -> None:
    for pair in open_data(folder).pairs:
        assert pair.objects is not None
        pair.objects.read()


def write(folder: Path, described: dict[str, Any]) -> None:
    (folder / "all.json").write_text(json.dumps(described))


@pytest.fixture
def folder(tmp_path: Path, image: np.ndarray, write: Any) -> Path:
    write("a.png", image)
    return tmp_path


NESTED = '{"images": [], "categories": [], "annotations": ' + "[" * 200_000 + "]" * 200_000 + "}"
LONG = '{"images": [], "categories": [], "annotations": [{"id": ' + "9" * 5000 + "}]}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NESTED, r"all\.json: the JSON is nested too deep; export"),
        ("[" * 200_000 + "]" * 200_000, r"all\.json: the JSON is nested too deep; export"),
        (LONG, r"all\.json: the JSON holds a whole number of more than 4,300 digits; export"),
    ],
)
def test_what_no_parser_takes_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "all.json").write_text(text)
    with pytest.raises(DataError, match=message):
        open_data(folder)


WRAPPING = [10, 10, 2**63 - 1, 2**63 - 1, PIXELS - 18]
"""Adds up to 48 in 64 bits."""
WRAPPING_TEXT = "::oooooooooooo7eooooooooooo7oPPPPPPPPPPPH"
"""The same as text."""


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [6, 8], "counts": WRAPPING}, "a run of a mask is 9223372036854775807 pixels"),
        ({"size": [6, 8], "counts": WRAPPING_TEXT}, "the counts of a mask"),
        ({"size": [6, 8], "counts": [10, 10, 28.0]}, "counts: expected whole numbers of pixels, found 28.0"),
        ({"size": [6, 8], "counts": [10, -10, 48]}, "counts: expected whole numbers of pixels, found -10"),
        ({"size": [6, 8], "counts": [10**400]}, "a run of a mask is 1000"),
        ({"size": [6, 8], "counts": [NAN, 48]}, "counts: expected whole numbers of pixels, found nan"),
        ({"size": [6, 8], "counts": ["48"]}, "counts: expected whole numbers of pixels, found '48'"),
        ({"size": [6, 8], "counts": [True, 47]}, "counts: expected whole numbers of pixels, found True"),
        ({"size": [6, 8], "counts": [None, 48]}, "counts: expected whole numbers of pixels, found None"),
        ({"size": [6, 8], "counts": None}, "counts: expected a list, found None"),
        ({"size": [6, 8], "counts": "PPPPPPPP"}, "no run-length encoding"),
        ({"size": [6, 8], "counts": "é"}, "no run-length encoding"),
        ({"size": [6, 8], "counts": "\ud800"}, "no run-length encoding"),
        ({"size": [6, 8], "counts": "P" * 99 + "0"}, "a number of 100 characters"),
        ({"size": [6.5, 8], "counts": [48]}, r"size: expected height and width in pixels, found \[6.5, 8\]"),
        ({"size": [2**32, 2**32], "counts": [0]}, "for a picture of 4294967296x4294967296, but this one is 6x8"),
        ({"size": [-6, -8], "counts": [48]}, "size: expected height and width in pixels"),
        ({"size": [True, 48], "counts": [48]}, "size: expected height and width in pixels"),
        ({"size": [10**400, 8], "counts": [48]}, "for a picture of 1000"),
        ([[0, 0, 10**400, 0, 5, 5]], "segmentation: expected finite numbers, found 1000"),
        ([[0, 0, True, 0, 5, 5]], "segmentation: expected finite numbers, found True"),
        ([[0, 0, INFINITY, 0, 5, 5]], "segmentation: expected finite numbers, found inf"),
        ([[0, 0, 1e308, 0, 5, 5]], r"a point lies at 1e\+308"),
        ([[0, 0, [5], 0, 5, 5]], r"segmentation: expected finite numbers, found \[5\]"),
        ([[0, 0, 5, 0, 5, 5], {}], "segmentation: expected a list, found {}"),
        ([[-700, -700, 700, 700] * 50], "its outlines are 140000 pixels long"),
    ],
)
def test_the_annotation_is_named(folder: Path, segmentation: Any, message: str) -> None:
    described = content()
    described["annotations"][1]["segmentation"] = segmentation
    write(folder, described)
    with pytest.raises(DataError, match=rf"all\.json: annotation 101: .*{message}") as caught:
        read_all(folder)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("iscrowd", "0", "iscrowd is '0'; expected 0 or 1"),
        ("iscrowd", 2, "iscrowd is 2"),
        ("category_id", True, "category_id is True"),
        ("bbox", [1, 2, 10**400, 4], "bbox: expected finite numbers"),
        ("id", ["x"] * 1000, r"annotation \['x', .*bbox: width"),
    ],
)
def test_other_entries_are_named(folder: Path, key: str, value: Any, message: str) -> None:
    described = content()
    described["annotations"][1][key] = value
    described["annotations"][1] |= {"bbox": [1, 2, -3, 4]} if key == "id" else {}
    write(folder, described)
    with pytest.raises(DataError, match=message) as caught:
        read_all(folder)
    assert len(str(caught.value)) < 1000


def test_what_is_stated_and_not_needed_does_no_harm(folder: Path) -> None:
    described = content()
    described["annotations"][0] |= {"area": 10**400, "iscrowd": None}
    write(folder, described)
    (pair,) = {pair.id: pair for pair in open_data(folder).pairs}.values()
    assert pair.objects is not None
    objects = pair.objects.read()
    assert objects.stated_areas is not None
    assert np.isnan(objects.stated_areas).tolist() == [True, False, False]
    assert not objects.is_crowd.any()


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"images":' * 50_000, '{"images": [' + "9" * 5000 + "]}", '{"images": 1e', ""]
)
def test_json_that_breaks_parsers(folder: Path, text: str) -> None:
    (folder / "all.json").write_text(f'{text} "images" "annotations" "categories"')
    with pytest.raises(DataError, match=r"all\.json: the JSON is damaged"):
        open_data(folder)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def test_any_value_at_any_place(folder: Path) -> None:
    """A value that makes no sense is put where another one was; of all 2,000 such files, 400."""
    every = [(path, value) for path in places(content()) for value in VALUES]
    refused = longest = 0
    for number in np.random.default_rng(0).permutation(len(every))[:400].tolist():
        path, value = every[number]
        described = content()
        inner: Any = described
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = copy.deepcopy(value)
        write(folder, described)
        try:
            read_all(folder)
        except DataError as error:
            refused += 1
            longest = max(longest, len(str(error)))
        except Exception as error:
            raise AssertionError(f"{path} = {value!r}"[:300]) from error
    assert longest < 2000
    assert 200 < refused < 390  # such as another area, or another name of the class, are fine


@pytest.mark.parametrize("counts", [WRAPPING, WRAPPING_TEXT])
def test_training_on_it_ends_with_a_message(folder: Path, capsys: pytest.CaptureFixture[str], counts: Any) -> None:
    described = content()
    described["annotations"][1]["segmentation"]["counts"] = counts
    described["images"].append({"id": 11, "file_name": "b.png", "height": 6, "width": 8})
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes())
    write(folder, described)
    with pytest.raises(SystemExit) as ended:
        main(["train", str(folder), "--out", str(folder / "run"), "--weights", "none", "--model", "mask_rcnn"])
    assert ended.value.code == 2
    errors = " ".join(capsys.readouterr().err.split())
    assert "all.json: annotation 101" in errors
    assert "Traceback" not in errors
    assert not (folder / "run" / "settings.yaml").exists()
