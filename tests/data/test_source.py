from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.source import open_data
from pixelwise.errors import DataError, SettingError
from pixelwise.types import LabelSpace


def ids(pairs: Any) -> list[str]:
    return [pair.id for pair in pairs]


def test_flat_folders_with_other_suffixes_and_endings(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.jpg", image)
    write("images/deep/b.PNG", image)
    write("annotations/a_mask.png", mask)
    write("annotations/deep/b.tif", mask)
    source = open_data(tmp_path)
    assert source.layout == "folder"
    assert sorted(ids(source.pairs)) == ["images/a.jpg", "images/deep/b.PNG"]
    assert {pair.id: pair.mask for pair in source.pairs}["images/a.jpg"] == tmp_path / "annotations/a_mask.png"
    assert source.label_space.names == ("class 0", "class 1", "class 2")
    assert {len(pairs) for pairs in source.splits.values()} == {1}


@pytest.mark.parametrize("pattern", ["{kind}/{split}/{name}.png", "{split}/{kind}/{name}.png"])
@pytest.mark.parametrize("kinds", [("images", "masks"), ("img_dir", "ann_dir"), ("Images", "GT")])
def test_splits_below_and_above(
    tmp_path: Path, write: Any, image: Any, mask: Any, pattern: str, kinds: tuple[str, str]
) -> None:
    for split, name in (("train", "a"), ("valid", "b"), ("test", "c")):
        write(pattern.format(kind=kinds[0], split=split, name=name), image)
        write(pattern.format(kind=kinds[1], split=split, name=name), mask)
    source = open_data(tmp_path)
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 1, "val": 1, "test": 1}
    assert source.split("val")[0].image.name == "b.png"
    with pytest.raises(DataError, match=r"no split 'vla'.*val"):
        source.split("vla")


@pytest.mark.parametrize(
    "lines", ["a\nb\n", "a.png\nb.png", "images/a.png\nimages/b.png", "images/a.png masks/a.png\nb"]
)
def test_split_lists(tmp_path: Path, write: Any, image: Any, mask: Any, lines: str) -> None:
    for name in "abc":
        write(f"images/{name}.png", image)
        write(f"masks/{name}.png", mask)
    write("train.txt", lines)
    write("val.txt", "c")
    source = open_data(tmp_path)
    assert ids(source.split("train")) == ["images/a.png", "images/b.png"]
    assert ids(source.split("val")) == ["images/c.png"]
    write("val.txt", "d")
    with pytest.raises(DataError, match=r"val\.txt: the list names 'd'"):
        open_data(tmp_path)
    write("val.txt", "c\nc")
    with pytest.raises(DataError, match="twice"):
        open_data(tmp_path)


def test_camvid_layout_with_void_one_past_the_last_class(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for split in ("train", "val"):
        write(f"{split}/a.png", image)
        write(f"{split}annot/a.png", mask)
    write("classes.txt", "sky\nroad\n")
    source = open_data(tmp_path)
    assert source.layout == "camvid"
    assert source.label_space.names == ("sky", "road")
    np.testing.assert_array_equal(source.label_space.encode(mask), np.where(mask == 2, 255, mask))


@pytest.mark.parametrize("base", ["", "VOC2012/", "VOCdevkit/VOC2012/"])
def test_voc_layout(tmp_path: Path, write: Any, image: Any, mask: Any, base: str) -> None:
    palette = Image.fromarray(np.where(mask == 2, 255, mask * 15).astype(np.uint8))
    palette.putpalette([0] * 45 + [192, 128, 128] + [0] * 717 + [224, 224, 192])
    for name in "abcd":
        write(f"{base}JPEGImages/{name}.jpg", image)
    for name in "ab":
        write(f"{base}SegmentationClass/{name}.png", palette)
    write(f"{base}Annotations/a.xml", "<annotation/>")
    write(f"{base}ImageSets/Segmentation/train.txt", "a\n")
    write(f"{base}ImageSets/Segmentation/val.txt", "b\n")
    write(f"{base}ImageSets/Segmentation/trainval.txt", "a\nb\n")
    write(f"{base}ImageSets/Segmentation/test.txt", "c\nd\n")
    source = open_data(tmp_path)
    assert source.layout == "voc"
    assert {name: ids(pairs) for name, pairs in source.splits.items()} == {
        "train": [f"{base}JPEGImages/a.jpg"],
        "val": [f"{base}JPEGImages/b.jpg"],
    }
    assert any("split test" in note for note in source.notes)
    space = source.label_space
    assert (len(space), space.names[15], space.background, space.ignore_index) == (21, "person", 0, 255)
    write(f"{base}ImageSets/Segmentation/val.txt", "e\n")
    with pytest.raises(DataError, match=r"val\.txt: the list names 'e'"):
        open_data(tmp_path)


def test_voc_without_lists_takes_what_has_a_mask(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for name in "abc":
        write(f"JPEGImages/{name}.jpg", image)
    for name in "ab":
        write(f"SegmentationClass/{name}.png", mask)
    assert len(open_data(tmp_path).pairs) == 2


def test_no_file_is_blamed_that_is_not_there(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for name in "ab":
        write(f"JPEGImages/{name}.jpg", image)
        write(f"SegmentationClass/{name}.png", np.where(mask == 2, 40, mask).astype(np.uint8))
        write(f"Annotations/{name}.xml", "<annotation/>")
    with pytest.raises(DataError, match=r"the mask holds 40, but Pascal VOC, where no classes\.txt says otherwise"):
        open_data(tmp_path)
    write("classes.txt", "sky\nroad\n")
    with pytest.raises(DataError, match=rf"holds 40, but {tmp_path / 'classes.txt'} names the classes 0 \.\. 1"):
        open_data(tmp_path)


def test_val_depends_on_names_and_seed_alone(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for number in range(40):
        write(f"images/{number}.png", image)
        write(f"masks/{number}.png", mask)
    first = open_data(tmp_path)
    assert 2 <= len(first.split("val")) <= 16
    assert ids(open_data(tmp_path, seed=1).split("val")) != ids(first.split("val"))
    write("images/another.png", image)
    write("masks/another.png", mask)
    second = open_data(tmp_path)
    assert set(ids(second.split("val"))) - {"images/another.png"} == set(ids(first.split("val")))


def test_val_is_carved_from_a_lone_train(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for number in range(4):
        write(f"train/images/{number}.png", image)
        write(f"train/masks/{number}.png", mask)
    source = open_data(tmp_path, val_fraction=0.01)
    assert len(source.split("val")) == 1
    assert len(source.split("train")) == 3


def test_a_given_label_space_wins(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.png", image)
    write("masks/a.png", mask)
    space = LabelSpace(("p", "q"), mapping={0: 0, 1: 1, 2: 1})
    assert open_data(tmp_path, label_space=space).label_space is space


def test_classes_of_a_model_are_found_by_their_names(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.png", image)
    write("masks/a.png", mask)
    write("classes.txt", "x\nz\ny")
    model = LabelSpace(("x", "y", "z", "more"), ignore_index=200)
    space = open_data(tmp_path, label_space=model).label_space
    assert space.names == model.names
    assert dict(space.mapping) == {0: 0, 1: 2, 2: 1, 255: 200}
    write("classes.txt", "x\ny\nz\nmore")
    assert dict(open_data(tmp_path, label_space=model).label_space.mapping) == {0: 0, 1: 1, 2: 2, 3: 3, 255: 200}
    taught = LabelSpace(model.names, mapping={0: 0, 1: 3, 2: 1})
    assert open_data(tmp_path, label_space=taught).label_space is taught
    write("classes.txt", "x\ny\nhorse")
    with pytest.raises(DataError, match=r"does not know horse; .* x, y, horse, those of the model x, y, z, more"):
        open_data(tmp_path, label_space=model)


def test_missing_masks_are_counted_and_named(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for number in range(9):
        write(f"images/{number}.png", image)
    write("masks/0.png", mask)
    with pytest.raises(DataError, match=r"8 of 9 pictures .* have no mask: images/1\.png.*, \.\.\."):
        open_data(tmp_path)


def test_masks_of_another_size_are_named(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.png", image)
    write("masks/a.png", mask[:-1])
    with pytest.raises(DataError, match=r"1 of 1 mask .* images/a\.png 6x8 with mask 5x8"):
        open_data(tmp_path)


def test_exchanged_sides_hint_at_exif(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.png", image)
    write("masks/a.png", mask.T)
    with pytest.raises(DataError, match="EXIF rotation"):
        open_data(tmp_path)


def test_pictures_outside_every_split_are_told_of(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for name in ("train/a", "val/b", "extra/c"):
        write(f"images/{name}.png", image)
        write(f"masks/{name}.png", mask)
    source = open_data(tmp_path)
    assert len(source.pairs) == 2
    assert any("extra/ is not used: it holds 1 picture, images/extra/c.png" in note for note in source.notes)


def test_a_rotated_photo_fits_its_upright_mask(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    Image.fromarray(np.rot90(image).copy()).save(tmp_path / "images/a.jpg", exif=exif)
    write("masks/a.png", mask)
    assert len(open_data(tmp_path).pairs) == 1


def test_ambiguous_names_are_refused(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.png", image)
    write("images/a.jpg", image)
    write("masks/a.png", mask)
    with pytest.raises(DataError, match="the same name"):
        open_data(tmp_path)


def test_a_value_outside_the_class_list_is_named(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("images/a.png", image)
    write("masks/a.png", mask)
    write("classes.txt", "0 sky\n1 road\n")
    with pytest.raises(DataError, match=r"masks/a\.png: the mask holds 2, but .*classes\.txt names the classes 0"):
        open_data(tmp_path)


@pytest.mark.parametrize(
    ("lines", "message"), [("1 sky\n2 road", "each of 0 .. 1 once"), ("sky\nsky", "repeat"), ("\n", "empty")]
)
def test_odd_class_lists(tmp_path: Path, write: Any, image: Any, mask: Any, lines: str, message: str) -> None:
    write("images/a.png", image)
    write("masks/a.png", mask)
    write("classes.txt", lines)
    with pytest.raises(DataError, match=message):
        open_data(tmp_path)


def test_folders_that_fit_no_layout(tmp_path: Path, write: Any, image: Any) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        open_data(tmp_path / "absent")
    with pytest.raises(DataError, match=r"no layout fits\. It holds nothing"):
        open_data(tmp_path)
    path = write("photos/a.png", image)
    with pytest.raises(DataError, match="It holds photos/"):
        open_data(tmp_path)
    with pytest.raises(DataError, match="another file"):
        open_data(path)


def test_val_fraction_is_checked(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="val_fraction"):
        open_data(tmp_path, val_fraction=1.0)


@pytest.mark.data
def test_camvid_as_it_is(pictures: Path) -> None:
    source = open_data(pictures / "camvid")
    assert source.layout == "camvid"
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 367, "val": 101}
    assert source.label_space.names[:2] == ("sky", "building")
    assert len(source.label_space) == 11
    assert source.label_space.mapping[11] == 255


@pytest.mark.data
def test_membranes_as_they_are(pictures: Path) -> None:
    space = open_data(pictures / "membranes").label_space
    assert space.names == ("background", "foreground")
    assert dict(space.mapping) == {0: 0, 255: 1}


@pytest.mark.data
def test_person_against_background_from_the_59_of_clothing(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "dataset.yaml"
    file.write_text(f"path: {pictures / 'clothing'}\nmerge: {{background: [null], person: rest}}\n")
    source = open_data(file)
    assert source.label_space.names == ("background", "person")
    assert source.label_space.background == 0
    assert {index for value, index in source.label_space.mapping.items() if 0 < value < 59} == {1}  # type: ignore[operator]


def test_masks_without_names_are_looked_into_for_a_model_too(tmp_path: Path, write: Any, image: Any) -> None:
    model = LabelSpace(("background", "disc", "square"))
    for name in ("a", "b"):
        write(f"images/{name}.png", image)
        stored = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 6, 0).repeat(4, 1))
        write(f"masks/{name}.png", stored)
    findings = open_data(tmp_path, label_space=model).findings
    assert "255 is void for the model" in next(one.line for one in findings if one.gravity == "warning")
    for name, color in (("a", 200), ("b", 90)):
        stored = Image.fromarray(np.repeat(np.array([[0, 1]], np.uint8), 6, 0).repeat(4, 1))
        stored.putpalette([0, 0, 0, color, 0, 0])
        write(f"masks/{name}.png", stored)
    with pytest.raises(DataError, match="gives index 1 another colour"):
        open_data(tmp_path, label_space=model)
