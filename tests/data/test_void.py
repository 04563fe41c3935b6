"""What is not annotated is void, however the masks say so; what may be an object or void is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.data.source import open_data
from pixelwise.data.targets import read_target
from pixelwise.errors import DataError
from pixelwise.io.masks import NOT_ANNOTATED, read_mask
from pixelwise.types import LabelSpace


def folder(root: Path, masks: list[np.ndarray], classes: str = "") -> Path:
    """A data set of grey pictures with the given masks."""
    for kind in ("images", "masks"):
        (root / kind).mkdir()
    for number, mask in enumerate(masks):
        Image.fromarray(np.full(mask.shape, number, np.uint8)).save(root / f"images/{number}.png")
        tifffile.imwrite(root / f"masks/{number}.tif", mask)
    if classes:
        (root / "dataset.yaml").write_text(classes)
    return root


def mask_of(*values: float, dtype: type = np.uint8) -> np.ndarray:
    """A mask (8, 4 * values) with one broad stripe of each value."""
    return np.repeat(np.array(values), 4)[None].repeat(8, 0).astype(dtype)


def targets(root: Path) -> list[list[int]]:
    """The class of each stripe of each mask."""
    source = open_data(root)
    pairs = sorted(source.pairs, key=lambda pair: pair.id)
    return [read_target(pair, source.label_space)[0, ::4].tolist() for pair in pairs]


@pytest.mark.parametrize(("missing", "dtype"), [(-1, np.int16), (-1, np.int32), (np.nan, np.float32), (-1, np.float32)])
def test_minus_one_and_nan_are_void(tmp_path: Path, missing: float, dtype: type) -> None:
    root = folder(tmp_path, [mask_of(missing, 0, 1, 2, dtype=dtype), mask_of(0, 1, 2, 1, dtype=dtype)])
    assert targets(root) == [[255, 0, 1, 2], [0, 1, 2, 1]]
    notes = open_data(root).notes
    assert "12.5% of the mask pixels are void" in notes
    assert any("-1 or NaN" in note for note in notes)


def test_objects_beside_what_is_not_annotated_are_no_foreground_of_255(tmp_path: Path) -> None:
    assert targets(folder(tmp_path, [mask_of(-1, 0, 1, dtype=np.int16)])) == [[255, 0, 1]]


def test_explicit_classes_need_not_name_what_is_not_annotated(tmp_path: Path) -> None:
    root = folder(tmp_path, [mask_of(-1, 3, 7, dtype=np.int16)], "classes: {3: sky, 7: road}\n")
    assert targets(root) == [[255, 0, 1]]


def test_other_negative_numbers_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", mask_of(-2, -1, 0, dtype=np.int16))
    with pytest.raises(DataError, match="values from -2 to 0"):
        read_mask(tmp_path / "m.tif")


def test_a_file_cannot_hold_both_minus_one_and_the_number_it_is_read_as(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", mask_of(-1, 0, NOT_ANNOTATED, dtype=np.int32))
    with pytest.raises(DataError, match="from 0 to 65534"):
        read_mask(tmp_path / "m.tif")


def test_masks_of_ones_among_masks_of_255_are_one_class_with_a_warning(tmp_path: Path) -> None:
    root = folder(tmp_path, [mask_of(0, 1), mask_of(0, 255)])
    assert targets(root) == [[0, 1], [0, 1]]
    (finding,) = (one for one in open_data(root).findings if one.gravity == "warning")
    assert (finding.kind, set(finding.files)) == ("mixed_encodings", {"masks/0.tif", "masks/1.tif"})


def test_255_stays_void_where_a_mask_has_it_beside_ones_or_the_owner_says_so(tmp_path: Path) -> None:
    beside, stated = tmp_path / "beside", tmp_path / "stated"
    beside.mkdir()
    stated.mkdir()
    assert targets(folder(beside, [mask_of(0, 1), mask_of(0, 255), mask_of(0, 1, 255)]))[1] == [0, 255]
    assert targets(folder(stated, [mask_of(0, 1), mask_of(0, 255)], "ignore: 255\n"))[1] == [0, 255]


def test_no_void_is_said_too(tmp_path: Path) -> None:
    assert "no pixel of the masks is void" in open_data(folder(tmp_path, [mask_of(0, 1)])).notes


@pytest.mark.parametrize("mapping", [{}, {0: 0, 1: 1, 2: 2, 9: 255}])
def test_the_label_space_of_a_model_need_not_know_what_is_not_annotated(
    tmp_path: Path, mapping: dict[int, int]
) -> None:
    """It learnt from masks without gaps and is scored on masks with some."""
    root = folder(tmp_path, [mask_of(-1, 0, 1, 2, dtype=np.int16)])
    model = LabelSpace(("sky", "road", "car"), mapping=mapping)
    source = open_data(root, label_space=model)
    assert read_target(source.pairs[0], source.label_space)[0, ::4].tolist() == [255, 0, 1, 2]


def test_a_stored_65535_is_no_gap(tmp_path: Path) -> None:
    root = folder(tmp_path, [mask_of(65535, 0, 1, 2, dtype=np.uint16)])
    pair = open_data(root).pairs[0]
    with pytest.raises(DataError, match="65535"):
        read_target(pair, LabelSpace(("sky", "road", "car")))


def test_a_model_from_elsewhere_takes_the_void_that_the_data_state(tmp_path: Path) -> None:
    root = folder(tmp_path, [mask_of(-1, 0, 1, 7, dtype=np.int16)], "classes: [sky, road]\nignore: 7\n")
    imported = LabelSpace(("sky", "road"))
    source = open_data(root, label_space=imported)
    assert read_target(source.pairs[0], source.label_space)[0, ::4].tolist() == [255, 0, 1, 255]
    taught = LabelSpace(("sky", "road"), mapping={0: 0, 1: 1, 7: 1})
    source = open_data(root, label_space=taught)
    assert read_target(source.pairs[0], source.label_space)[0, ::4].tolist() == [255, 0, 1, 1], "the model's own value"


def test_the_void_of_a_layout_is_void_for_a_model_from_elsewhere(tmp_path: Path) -> None:
    for kind in ("train", "trainannot"):
        (tmp_path / kind).mkdir()
    Image.fromarray(np.zeros((8, 12), np.uint8)).save(tmp_path / "train/0.png")
    Image.fromarray(mask_of(0, 1, 2)).save(tmp_path / "trainannot/0.png")
    (tmp_path / "classes.txt").write_text("sky\nroad\n")
    source = open_data(tmp_path, label_space=LabelSpace(("sky", "road")))
    assert read_target(source.pairs[0], source.label_space)[0, ::4].tolist() == [0, 1, 255]
