"""Data sets as people download or export them, each made small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.io.masks import read_mask


def test_cityscapes_is_read_as_the_classes_of_its_benchmark(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    ids = np.array([7, 26, 3], np.uint8)[mask.clip(max=2)]
    for split, count in (("train", 2), ("val", 1)):
        for number in range(count):
            name = f"{split}/ulm/ulm_{number}_19"
            write(f"leftImg8bit/{name}_leftImg8bit.png", image)
            write(f"gtFine/{name}_gtFine_labelIds.png", ids)
            write(f"gtFine/{name}_gtFine_instanceIds.png", ids)
    source = open_data(tmp_path)
    assert source.layout == "cityscapes"
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 2, "val": 1}
    space = source.label_space
    assert len(space) == 19
    assert space.encode(np.array([[7, 26, 3]])).tolist() == [[0, space.names.index("car"), 255]]


def test_masks_of_roboflow(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for split in ("train", "valid"):
        write(f"{split}/a_jpg.rf.1.jpg", image)
        write(f"{split}/a_jpg.rf.1_mask.png", mask.clip(max=1))
        write(f"{split}/_classes.csv", "Pixel Value, Class\n0, ground\n1, crop\n")
    source = open_data(tmp_path)
    assert (source.layout, source.label_space.names) == ("roboflow masks", ("ground", "crop"))
    assert list(source.splits) == ["train", "val"]
    write("valid/_classes.csv", "Pixel Value, Class\n0, crop\n1, ground\n")
    with pytest.raises(DataError, match="its classes differ"):
        open_data(tmp_path)


def test_cvat_names_the_colours_of_its_masks(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    table = np.array([[0, 0, 0], [250, 50, 83], [50, 183, 250]], np.uint8)
    for name in "ab":
        write(f"JPEGImages/{name}.png", image)
        write(f"SegmentationClass/{name}.png", table[mask.clip(max=2)])
    write("ImageSets/Segmentation/default.txt", "a\nb\n")
    write("labelmap.txt", "# label:color_rgb\nbackground:0,0,0::\nsquare:50,183,250::\ndisc:250,50,83::\n")
    source = open_data(tmp_path)
    assert source.label_space.names == ("background", "square", "disc")
    assert source.label_space.encode(table[None, :]).tolist() == [[0, 2, 1]]
    write("labelmap.txt", "background:0,0,0::\nsquare:50,183,250::\n")
    with pytest.raises(DataError, match=r"holds the colour #fa3253, which .*labelmap\.txt gives no class"):
        open_data(tmp_path)


def test_an_export_of_labelme_has_its_own_classes(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for name in "ab":
        write(f"JPEGImages/{name}.jpg", image)
        write(f"SegmentationClass/{name}.png", mask.clip(max=1))
    assert "aeroplane" not in open_data(tmp_path).label_space.names
    write("class_names.txt", "_background_\nkidney\n")
    space = open_data(tmp_path).label_space
    assert (space.names, space.background) == (("_background_", "kidney"), 0)


def test_one_name_for_two_values_is_the_object(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for name in "ab":
        write(f"images/{name}.png", image)
        write(f"masks/{name}.png", mask.clip(max=1) * 255)
    write("classes.txt", "__ignore__\ncoin\n")
    space = open_data(tmp_path).label_space
    assert (space.names, space.background) == (("background", "coin"), 0)
    assert space.encode(np.array([[0, 255]])).tolist() == [[0, 1]]


@pytest.mark.parametrize("entry", ["images/train", ["images/train"], "train.txt", "../images/train"])
def test_a_description_of_ultralytics_under_any_name(tmp_path: Path, write: Any, image: Any, entry: Any) -> None:
    for split in ("train", "val"):
        for name in "ab":
            write(f"images/{split}/{name}.jpg", image)
            write(f"labels/{split}/{name}.txt", "0.0 .1 .1 .6 .1 .6 .6\n0.0 .1 .1 .6 .1 .6 .6\n")
    write("train.txt", "./images/train/a.jpg\n./images/train/b.jpg\n")
    write("dataset.yaml", f"path: .\ntrain: {json.dumps(entry)}\nval: images/val\nnames:\n  0: disc\n")
    for source in (open_data(tmp_path), open_data(tmp_path / "dataset.yaml")):
        assert (source.layout, source.label_space.names) == ("yolo", ("disc",))
        assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 2, "val": 2}
        objects = source.split("train")[0].objects
        assert objects is not None
        assert len(objects.read()) == 1  # the line is there twice
        assert any("4 lines repeat another one of the same file and are read once" in note for note in source.notes)


def test_a_file_of_pictures_without_annotations_is_a_split_without_objects(
    tmp_path: Path, write: Any, image: Any
) -> None:
    size = {"height": image.shape[0], "width": image.shape[1]}
    polygon = {"id": 1, "image_id": "1", "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 4]], "bbox": [1, 1, 4, 3]}
    for split, number in (("train", 1), ("val", 2)):
        write(f"images/{number}.png", image)
        content: dict[str, Any] = {
            "images": [{"id": number, "file_name": f"{number}.png", **size}],
            "categories": [{"id": 1, "name": "car"}],
        }
        if split == "train":
            content["annotations"] = [polygon]
        write(f"annotations/instances_{split}.json", json.dumps(content))
    source = open_data(tmp_path)
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 1, "val": 1}
    (pair,) = source.split("train")
    assert pair.objects is not None
    assert len(pair.objects.read()) == 1  # image_id is text, the id a number


def test_text_in_another_encoding_is_named(tmp_path: Path, write: Any, image: Any) -> None:
    shape = {"label": "裂缝", "points": [[1, 1], [5, 1], [5, 4]], "shape_type": None}
    content = json.dumps({"shapes": [shape], "imagePath": "a.png"}, ensure_ascii=False)
    write("a.png", image)
    for encoding in ("utf-8", "utf-16"):
        (tmp_path / "a.json").write_bytes(content.encode(encoding))
        assert open_data(tmp_path).label_space.names == ("裂缝",)
    (tmp_path / "a.json").write_bytes(content.encode("gb18030"))
    with pytest.raises(DataError, match=r"a\.json: the JSON is not in UTF-8 .*GB18030"):
        open_data(tmp_path)


def test_an_export_of_datumaro_in_the_form_of_voc(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    table = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
    for split, names in (("train", "ab"), ("val", "c")):
        for name in names:
            write(f"JPEGImages/{name}.jpg", image)
            write(f"SegmentationClass/{name}.png", table[mask])
            write(f"Annotations/{name}.xml", "<annotation/>")
        write(f"ImageSets/Segmentation/{split}.txt", "\n".join(names))
    write("labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\nleaf:128,0,0::\nstem:0,128,0::\n")
    source = open_data(tmp_path)
    assert source.label_space.names == ("background", "leaf", "stem")
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 2, "val": 1}
    (pair,) = source.split("val")
    assert pair.mask is not None
    assert (source.label_space.encode(read_mask(pair.mask)) == mask).all()


@pytest.mark.parametrize("names", ["{0: disc, 1: square}", "[disc, square]"])
@pytest.mark.parametrize("file", ["data.yaml", "coco8-seg.yaml"])
def test_a_description_of_ultralytics_found_in_its_folder(
    tmp_path: Path, write: Any, image: Any, file: str, names: str
) -> None:
    for split in ("train", "val"):
        write(f"{split}/images/a.jpg", image)
        write(f"{split}/labels/a.txt", "1 .1 .1 .6 .1 .6 .6\n")
    write(file, f"train: [train/images]\nval: val/images\nnc: 2\nnames: {names}\n")
    source = open_data(tmp_path)
    assert (source.layout, source.label_space.names) == ("yolo", ("disc", "square"))
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 1, "val": 1}


def coco(*numbers: int, name: str = "car") -> str:
    box = {"category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 4]], "bbox": [1, 1, 4, 3]}
    return json.dumps(
        {
            "images": [{"id": number, "file_name": f"{number}.png", "height": 6, "width": 8} for number in numbers],
            "categories": [{"id": 1, "name": name}],
            "annotations": [{"id": number, "image_id": number, **box} for number in numbers],
        }
    )


def test_files_of_coco_beside_instances_are_read_but_those_of_its_site(tmp_path: Path, write: Any, image: Any) -> None:
    for number in (1, 2, 3):
        write(f"images/{number}.png", image)
    write("annotations/instances_train.json", coco(1, 2))
    write("annotations/val.json", coco(3))
    write("annotations/person_keypoints_train.json", coco(1, 2, name="person"))
    source = open_data(tmp_path)
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 2, "val": 1}
    assert source.label_space.names == ("car",)


def test_a_file_of_coco_that_is_left_out_is_said(tmp_path: Path, write: Any, image: Any) -> None:
    for number in (1, 2):
        write(f"images/{number}.png", image)
    write("annotations.json", coco(1))
    write("val.json", coco(2))
    source = open_data(tmp_path)
    assert [pair.image.name for pair in source.pairs] == ["2.png"]
    (guess,) = [finding.what for finding in source.findings if finding.kind == "guessed"]
    assert "annotations.json is left out" in guess


def test_a_folder_of_instances_without_masks_hides_no_masks(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    for name in "ab":
        write(f"images/{name}.png", image)
        write(f"masks/{name}.png", mask)
        write(f"instances/{name}.json", "{}")
    source = open_data(tmp_path)
    assert source.layout == "folder"
    assert {pair.mask.parent.name for pair in source.pairs if pair.mask} == {"masks"}
