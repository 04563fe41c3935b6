from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.instances import Instances


def spot(*places: tuple[int, int]) -> np.ndarray:
    """A mask of 6x8 pixels that is 255 at some."""
    mask = np.zeros((6, 8), np.uint8)
    for row, column in places:
        mask[row, column] = 255
    return mask


def read(folder: Path, name: str) -> Instances:
    reader = next(pair.objects for pair in open_data(folder).pairs if pair.image.stem == name)
    assert reader is not None
    return reader.read()


@pytest.mark.parametrize(
    ("picture", "masks"),
    [
        ("{name}/images/{name}.png", "{name}/masks"),
        ("stage1_train/{name}/images/{name}.png", "stage1_train/{name}/masks"),
        ("images/{name}.png", "masks/{name}"),
        ("train/images/{name}.png", "train/masks/{name}"),
    ],
)
def test_a_file_an_object(tmp_path: Path, write: Any, image: Any, picture: str, masks: str) -> None:
    for name in ("a", "b"):
        write(picture.format(name=name), image)
        write(masks.format(name=name) + "/0f3.png", spot((1, 1), (1, 2), (4, 6)))
    write(masks.format(name="a") + "/2c9.png", np.repeat(spot((2, 2))[..., None], 3, 2))  # grey saved as colour
    write(masks.format(name="a") + "/ff0.png", spot())
    source = open_data(tmp_path)
    assert source.layout == "object files"
    assert source.label_space.names == ("object",)
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 1, "val": 1}
    objects = read(tmp_path, "a")
    assert objects.boxes.tolist() == [[1, 1, 7, 5], [2, 2, 3, 3]]
    assert objects.areas.tolist() == [3, 1]
    assert len(read(tmp_path, "b")) == 1


def test_pictures_without_a_mask_folder(tmp_path: Path, write: Any, image: Any) -> None:
    write("stage1_train/a/images/a.png", image)
    write("stage1_train/a/masks/1.png", spot((0, 0)))
    write("stage1_test/b/images/b.png", image)
    source = open_data(tmp_path)
    assert [pair.image.stem for pair in source.pairs] == ["a"]
    assert any("split test: none of its 1 picture has a mask" in note for note in source.notes)
    write("stage1_train/c/images/c.png", image)
    with pytest.raises(DataError, match=r"1 of 2 pictures of split train has no mask: stage1_train/c"):
        open_data(tmp_path)
    (tmp_path / "stage1_train/c/masks").mkdir()  # annotated, and empty
    assert len(read(tmp_path, "c")) == 0


def test_sizes_are_held(tmp_path: Path, write: Any, image: Any) -> None:
    write("a/images/a.png", image)
    write("a/masks/1.png", spot((0, 0)))
    write("a/masks/2.png", spot((0, 0))[:5])
    with pytest.raises(DataError, match=r"2\.png: the mask is 5x8, but a\.png is 6x8"):
        read(tmp_path, "a")
    write("a/masks/1.png", spot((0, 0))[:5])
    with pytest.raises(DataError, match=r"a/images/a\.png 6x8 with annotation 5x8"):
        open_data(tmp_path)
    write("classes.txt", "cell\nstone")
    with pytest.raises(DataError, match="names 2 classes"):
        open_data(tmp_path)
