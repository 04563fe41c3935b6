"""Shapes that make no sense are all told at once, and their pictures alone are left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.source import open_data
from pixelwise.errors import DataError

COUNT = 12
CORNERS = [[2, 2], [20, 2], [20, 20]]


def labelme(root: Path) -> None:
    for number in range(COUNT):
        shapes = [{"label": "cell", "points": CORNERS, "shape_type": "polygon"}]
        if number in (3, 7):
            shapes += [{"label": "cell", "points": [[4, 4]], "shape_type": "point"}] * 2
        (root / f"{number}.json").write_text(json.dumps({"shapes": shapes, "imagePath": f"{number}.png"}))


def coco(root: Path) -> None:
    annotations: list[dict[str, Any]] = [
        {"id": number, "image_id": number, "category_id": 1, "segmentation": [np.ravel(CORNERS).tolist()]}
        for number in range(COUNT)
    ]
    annotations[3]["segmentation"] = [[1, 2, 3]]
    annotations[7]["category_id"] = 5
    images = [{"id": number, "file_name": f"{number}.png"} for number in range(COUNT)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}
    (root / "coco.json").write_text(json.dumps(content))


def cvat(root: Path) -> None:
    points = ";".join(f"{x},{y}" for x, y in CORNERS)
    pictures = []
    for number in range(COUNT):
        shapes = f'<polygon label="cell" points="{points}"/>'
        if number in (3, 7):
            shapes += f'<polyline label="cell" points="{points}"/>'
        pictures.append(f'<image id="{number}" name="{number}.png" width="32" height="24">{shapes}</image>')
    (root / "annotations.xml").write_text(f"<annotations>{''.join(pictures)}</annotations>")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (labelme, ("3.json: shape 2 ('cell')", "3.json: shape 3", "7.json: shape 2", "7.json: shape 3")),
        (coco, ("annotation 3: segmentation", "annotation 7: category_id")),
        (cvat, ("3.png: shape 2 ('cell')", "7.png: shape 2")),
    ],
)
def test_all_are_told_and_their_pictures_left_out(
    tmp_path: Path, write: Callable[[Path], None], said: tuple[str, ...]
) -> None:
    for number in range(COUNT):
        Image.fromarray(np.full((24, 32, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    write(tmp_path)
    with pytest.raises(DataError) as caught:
        open_data(tmp_path)
    assert [words for words in said if words not in str(caught.value)] == []
    source = open_data(tmp_path, skip_bad=True)
    assert source.left_out == ("3.png", "7.png")
    assert len(source.pairs) == COUNT - 2
    assert source.label_space.names == ("cell",)
