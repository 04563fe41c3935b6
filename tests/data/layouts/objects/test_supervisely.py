"""Supervisely: corners are pixels of the object, holes are cut out, bitmaps lie at their origin."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.source import open_data
from pixelwise.errors import DataError

META = {"classes": [{"title": "kiwi", "shape": "polygon"}, {"title": "lemon", "shape": "bitmap"}], "tags": []}


def bitmap(pixels: np.ndarray, **how: Any) -> str:
    packed = io.BytesIO()
    Image.fromarray(pixels, **how).save(packed, "PNG")
    return base64.b64encode(zlib.compress(packed.getvalue())).decode()


def polygon(exterior: Any, *holes: Any, kind: str = "polygon") -> dict[str, Any]:
    points = {"exterior": exterior, "interior": list(holes)}
    return {"classTitle": "kiwi", "geometryType": kind, "points": points}


def annotate(root: Path, *objects: Any, name: str = "ds0/ann/a.jpg.json", size: tuple[int, int] = (12, 16)) -> None:
    content = {"size": {"height": size[0], "width": size[1]}, "objects": list(objects), "tags": []}
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(json.dumps(content))


@pytest.fixture
def project(tmp_path: Path, write: Any) -> Path:
    write("meta.json", json.dumps(META))
    write("ds0/img/a.jpg", np.zeros((12, 16, 3), np.uint8))
    annotate(tmp_path, polygon([[1, 1], [4, 1], [4, 4], [1, 4]]))
    return tmp_path


def masks_of(root: Path) -> tuple[list[np.ndarray], list[int]]:
    """Every object of the first picture on the whole picture, and the classes."""
    source = open_data(root)
    assert source.layout == "supervisely"
    reader = source.pairs[0].objects
    assert reader is not None
    found = reader.read()
    assert found.masks is not None
    return [mask.full() for mask in found.masks], found.labels.tolist()


def test_corners_of_polygons_belong_to_the_object(project: Path) -> None:
    (mask,), labels = masks_of(project)
    expected = np.zeros((12, 16), bool)
    expected[1:5, 1:5] = True
    assert (mask == expected).all()
    assert labels == [0]


def test_holes_are_cut_out(project: Path) -> None:
    annotate(project, polygon([[0, 0], [8, 0], [8, 8], [0, 8]], [[3, 3], [5, 3], [5, 5], [3, 5]]))
    (mask,), _ = masks_of(project)
    expected = np.zeros((12, 16), bool)
    expected[0:9, 0:9] = True
    expected[3:6, 3:6] = False
    assert (mask == expected).all()


def test_rectangles_hold_both_corners(project: Path) -> None:
    annotate(project, polygon([[2, 3], [5, 4]], kind="rectangle"))
    (mask,), _ = masks_of(project)
    assert np.argwhere(mask).min(0).tolist() == [3, 2]
    assert mask.sum() == 2 * 4


@pytest.mark.parametrize("form", ["grey", "transparent"])
def test_bitmaps_lie_at_their_origin(project: Path, form: str) -> None:
    ring = np.ones((3, 4), np.uint8)
    ring[1, 1] = 0
    pixels = ring * 255
    if form == "transparent":
        pixels = np.stack([np.full_like(ring, 255)] * 3 + [ring * 255], 2)
    one = {"classTitle": "lemon", "geometryType": "bitmap", "bitmap": {"data": bitmap(pixels), "origin": [5, 2]}}
    annotate(project, one)
    (mask,), labels = masks_of(project)
    expected = np.zeros((12, 16), bool)
    expected[2:5, 5:9] = ring
    assert (mask == expected).all()
    assert labels == [1]


def test_data_sets_called_as_splits_are_splits(project: Path, write: Any) -> None:
    for name in ("train", "val"):
        write(f"{name}/img/b.png", np.zeros((12, 16, 3), np.uint8))
        annotate(project, polygon([[1, 1], [4, 1], [4, 4]]), name=f"{name}/ann/b.png.json")
    for path in (project / "ds0").rglob("*.*"):
        path.unlink()
    source = open_data(project)
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 1, "val": 1}


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (polygon([[1, 1], [4, 1]]), "has no area"),
        (polygon([[1, 1]], kind="line"), "a shape of type 'line' has no area"),
        (polygon([[1, 1], [4, 1], [10**7, 4]]), "far outside"),
        ({**polygon([[1, 1], [4, 1], [4, 4]]), "classTitle": "pear"}, "classTitle is 'pear'"),
        (
            {"classTitle": "lemon", "geometryType": "bitmap", "bitmap": {"data": "!", "origin": [0, 0]}},
            "no PNG in zlib",
        ),
        (
            {
                "classTitle": "lemon",
                "geometryType": "bitmap",
                "bitmap": {"data": bitmap(np.ones((40, 40), np.uint8)), "origin": [0, 0]},
            },
            "no PNG in zlib and base64 that fits",
        ),
    ],
)
def test_what_makes_no_sense_names_the_file_and_the_object(project: Path, one: Any, said: str) -> None:
    annotate(project, one)
    with pytest.raises(DataError, match=rf"a\.jpg\.json: object 1.*{said}"):
        open_data(project)


def test_another_size_is_refused(project: Path) -> None:
    annotate(project, polygon([[1, 1], [4, 1], [4, 4]]), size=(13, 16))
    with pytest.raises(DataError, match="13x16"):
        open_data(project)
