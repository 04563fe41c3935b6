from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.locate import locate
from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.instances import Instances
from pixelwise.types import LabelSpace

SQUARE = [1.0, 1.0, 4.0, 1.0, 4.0, 4.0, 1.0, 4.0]


def coco(annotations: list[dict[str, Any]], names: tuple[str, ...] = ("a.png",), **changes: Any) -> str:
    """A file of pictures of 6x8 pixels with the categories 2 (nut) and 7 (fig)."""
    images = [{"id": 10 + place, "file_name": name, "height": 6, "width": 8} for place, name in enumerate(names)]
    numbered = [{"id": 100 + place, "image_id": 10, "category_id": 2, **a} for place, a in enumerate(annotations)]
    categories = [{"id": 7, "name": "fig"}, {"id": 2, "name": "nut"}]
    return json.dumps({"images": images, "annotations": numbered, "categories": categories, **changes})


def read(folder: Path, picture: str = "a.png") -> Instances:
    reader = next(pair.objects for pair in open_data(folder).pairs if pair.id.endswith(picture))
    assert reader is not None
    return pickle.loads(pickle.dumps(reader)).read()


def masks(objects: Instances) -> list[np.ndarray]:
    assert objects.masks is not None
    return [mask.full() for mask in objects.masks]


def test_parts_holes_crowds_and_gaps_in_ids(tmp_path: Path, write: Any, image: Any) -> None:
    ring = np.zeros((6, 8), np.bool_)
    ring[0:5, 3:8] = True
    ring[2:4, 5:7] = False
    counts, value = [0], False
    for pixel in ring.T.ravel().tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    write("a.png", image)
    annotations = [
        {"segmentation": [[0, 0, 2, 0, 2, 2, 0, 2], [5, 3, 8, 3, 8, 6, 5, 6]], "category_id": 7},
        {"segmentation": {"size": [6, 8], "counts": counts}, "iscrowd": 1},
    ]
    write("anything.json", coco(annotations))
    source = open_data(tmp_path)
    assert source.layout == "coco"
    assert source.label_space.names == ("nut", "fig")  # by rising id
    objects = read(tmp_path)
    assert objects.labels.tolist() == [1, 0]
    assert objects.is_crowd.tolist() == [False, True]
    parts, group = masks(objects)
    expected = np.zeros((6, 8), np.bool_)
    expected[0:2, 0:2] = expected[3:6, 5:8] = True
    np.testing.assert_array_equal(parts, expected)
    np.testing.assert_array_equal(group, ring)


@pytest.mark.parametrize(
    ("file", "picture", "split"),
    [
        ("annotations/instances_train2017.json", "train2017/a.png", "train"),
        ("annotations/instances_val2017.json", "images/val2017/a.png", "val"),
        ("annotations/instances_default.json", "images/a.png", "all"),
        ("valid/_annotations.coco.json", "valid/a.png", "val"),
        ("trainval.json", "images/a.png", "all"),
        ("test.json", "test/a.png", "test"),
        ("instances.json", "a.png", "all"),
    ],
)
def test_trees_that_tools_write(tmp_path: Path, write: Any, image: Any, file: str, picture: str, split: str) -> None:
    write(picture, image)
    write(file, coco([{"segmentation": [SQUARE]}]))
    source = open_data(tmp_path)
    assert [pair.id for pair in source.pairs] == [picture]
    assert set(source.splits) == ({"train", "val"} if split in ("train", "all") else {split})
    assert masks(read(tmp_path))[0].sum() == 9


def test_splits_of_two_files_and_one_without_pictures(tmp_path: Path, write: Any, image: Any) -> None:
    for split in ("train", "val"):
        write(f"{split}2017/{split}.png", image)
        write(f"annotations/instances_{split}2017.json", coco([{"segmentation": [SQUARE]}], (f"{split}.png",)))
    write("annotations/instances_test2017.json", coco([], ("elsewhere.png",)))
    write("annotations/captions_train2017.json", json.dumps({"images": [], "annotations": [{"caption": "nuts"}]}))
    source = open_data(tmp_path)
    assert {name: [pair.id for pair in pairs] for name, pairs in source.splits.items()} == {
        "train": ["train2017/train.png"],
        "val": ["val2017/val.png"],
    }
    assert any("instances_test2017.json is not used: none of its 1 picture is here" in note for note in source.notes)


def test_empty_pictures_stay(tmp_path: Path, write: Any, image: Any) -> None:
    for name in "ab":
        write(f"{name}.png", image)
    write("all.json", coco([{"segmentation": [SQUARE]}], ("a.png", "b.png")))
    assert len(read(tmp_path, "b.png")) == 0
    assert "pictures without objects: 1" in open_data(tmp_path).notes


def test_degenerate_objects_are_a_pixel_or_nothing(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    shapes = {
        "line": [2.2, 3.7, 5.4, 3.7],
        "point": [6.5, 1.5, 6.5, 1.5, 6.5, 1.5],
        "one pixel": [4, 2, 5, 2, 5, 3, 4, 3],
        "half outside": [-3, -3, 2, -3, 2, 2, -3, 2],
        "outside": [20, 20, 30, 20, 30, 30, 20, 30],
    }
    write("all.json", coco([{"segmentation": [shape]} for shape in shapes.values()]))
    objects = read(tmp_path)
    assert objects.boxes.tolist() == [[3, 3, 4, 4], [6, 1, 7, 2], [4, 2, 5, 3], [0, 0, 2, 2]]
    assert objects.areas.tolist() == [1, 1, 1, 4]


def test_boxes_alone_give_no_masks_and_are_cut(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    write("all.json", coco([{"bbox": [1.5, 2, 3, 2.5]}, {"bbox": [6, 4, 9, 9], "segmentation": []}]))
    objects = read(tmp_path)
    assert objects.masks is None
    assert objects.boxes.tolist() == [[1.5, 2, 4.5, 4.5], [6, 4, 8, 6]]


def test_a_box_beside_outlines_is_a_rectangle(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    write("all.json", coco([{"segmentation": [SQUARE]}, {"bbox": [5, 0, 2, 3]}]))
    rectangle = np.zeros((6, 8), np.bool_)
    rectangle[0:3, 5:7] = True
    np.testing.assert_array_equal(masks(read(tmp_path))[1], rectangle)


def test_a_stated_box_is_taken_where_it_fits_the_mask(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    boxes: list[list[float]] = [[0.8, 1.2, 3.1, 2.7], [5, 5, 1, 1]]
    write("all.json", coco([{"segmentation": [SQUARE], "bbox": box} for box in boxes]))
    np.testing.assert_allclose(read(tmp_path).boxes, [[0.8, 1.2, 3.9, 3.9], [1, 1, 4, 4]], rtol=1e-6)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"image_id": 99}, r"annotation 100: image_id is 99"),
        ({"category_id": 5}, r"annotation 100: category_id is 5"),
        ({"category_id": []}, r"annotation 100: category_id is \[\]"),
        ({"segmentation": []}, r"annotation 100: it has neither a segmentation nor a bbox"),
        ({"segmentation": [[1, 2, 3]]}, r"annotation 100: segmentation: a polygon of 3 numbers"),
        ({"segmentation": [[1, 2, 3, "x", 5, 6]]}, r"annotation 100: segmentation: expected finite numbers, found 'x'"),
        ({"segmentation": [[1, 2, 3, float("nan"), 5, 6]]}, r"annotation 100: segmentation: expected finite numbers"),
        ({"segmentation": {"counts": [48]}}, r"annotation 100: segmentation: size: expected a list"),
        ({"bbox": [1, 2, -3, 4]}, r"annotation 100: bbox: width and height are -3 and 4"),
    ],
)
def test_what_makes_no_sense_is_named(
    tmp_path: Path, write: Any, image: Any, annotation: dict[str, Any], message: str
) -> None:
    write("a.png", image)
    write("all.json", coco([annotation]))
    with pytest.raises(DataError, match=r"all\.json: " + message):
        open_data(tmp_path)


def test_annotations_of_pictures_that_are_not_listed_are_counted_and_can_be_left_out(
    tmp_path: Path, write: Any, image: Any
) -> None:
    write("a.png", image)
    write("all.json", coco([{"segmentation": [SQUARE]}, {"image_id": 99}, {"image_id": 98}]))
    with pytest.raises(DataError, match=r"image_id is 99, .* \(nor those of 1 other annotation\)"):
        open_data(tmp_path)
    source = open_data(tmp_path, skip_bad=True)
    assert [pair.id for pair in source.pairs] == ["a.png"]
    assert not source.left_out


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [6, 8], "counts": [5, 5]}, "add up to 48"),
        ({"size": [8, 6], "counts": [48]}, "for a picture of 8x6"),
        ([[0, 0, 1e9, 0, 5, 5]], "a point lies at 1e\\+09"),
    ],
)
def test_what_cannot_be_drawn_is_named(tmp_path: Path, write: Any, image: Any, segmentation: Any, message: str) -> None:
    write("a.png", image)
    write("all.json", coco([{"segmentation": segmentation}]))
    with pytest.raises(DataError, match=rf"all\.json: annotation 100: .*{message}"):
        read(tmp_path)


def test_files_that_do_not_fit(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    write("all.json", coco([{"segmentation": [SQUARE]}])[:-20])
    with pytest.raises(DataError, match=r"all\.json: the JSON is damaged"):
        open_data(tmp_path)
    write("all.json", coco([{"segmentation": [SQUARE], "image_id": 11}], ("a.png", "b.png")))
    with pytest.raises(DataError, match=r"1 of its 2 pictures is missing: image 11 'b\.png', which annotation 100"):
        open_data(tmp_path)
    write("all.json", coco([], ("../../etc/b.png",)))
    with pytest.raises(DataError, match="1 of its 1 picture is missing"):
        open_data(tmp_path)
    write("all.json", coco([], ("a.png", "a.png")))
    with pytest.raises(DataError, match=r"'a\.png' is annotated twice"):
        open_data(tmp_path)
    write("all.json", coco([], images=[{"id": 1, "file_name": "a.png", "height": 8, "width": 6}]))
    with pytest.raises(DataError, match=r"a\.png 6x8 with annotation 8x6.*EXIF"):
        open_data(tmp_path)
    write("all.json", coco([], categories=[{"id": 1, "name": "x"}, {"id": 1, "name": "y"}]))
    with pytest.raises(DataError, match="the id 1 is there twice"):
        open_data(tmp_path)


def test_classes_are_matched_by_name_or_merged(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    write("all.json", coco([{"segmentation": [SQUARE]}, {"segmentation": [SQUARE], "category_id": 7}]))

    def labels(**options: Any) -> list[int]:
        reader = open_data(tmp_path, **options).pairs[0].objects
        assert reader is not None
        return reader.read().labels.tolist()

    assert labels() == [0, 1]
    assert labels(label_space=LabelSpace(("date", "fig", "nut"))) == [2, 1]
    assert labels(label_space=LabelSpace(("fig", "sky", "nut"), background=1)) == [1, 0]
    with pytest.raises(DataError, match=r"the model does not know: nut \(it knows fig\)"):
        labels(label_space=LabelSpace(("fig",)))
    write("dataset.yaml", "ignore: [nut]\ncolors: {fig: '#102030'}")
    source = open_data(tmp_path)
    assert source.label_space.names == ("fig",)
    assert source.label_space.colors == ((16, 32, 48),)
    assert labels() == [0]
    write("dataset.yaml", "merge: {fruit: [nut, fig]}")
    assert open_data(tmp_path).label_space.names == ("fruit",)
    assert labels() == [0, 0]
    assert labels(label_space=LabelSpace(("background", "fruit"), background=0)) == [0, 0]
    write("dataset.yaml", "classes: [hazelnut, fig]")
    assert open_data(tmp_path).label_space.names == ("hazelnut", "fig")
    write("dataset.yaml", "classes: [hazelnut]")
    with pytest.raises(DataError, match=r"dataset\.yaml: `classes`: the objects are of 2 classes"):
        open_data(tmp_path)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools on NumPy 2
def test_masks_equal_those_of_pycocotools(pictures: Path) -> None:
    reference = pytest.importorskip("pycocotools.coco")
    path = pictures / "coco_mini" / "instances_train2017.json"
    with path.open() as file:
        content = json.load(file)
    expected = reference.COCO()
    expected.dataset = content
    expected.createIndex()
    source = open_data(path.parent)
    by_file = {image["file_name"]: image["id"] for image in content["images"]}
    order = sorted(category["id"] for category in content["categories"])
    count = 0
    for pair in source.pairs:
        assert pair.objects is not None
        objects = pair.objects.read()
        annotations = expected.imgToAnns[by_file[pair.image.name]]
        assert [order[label] for label in objects.labels] == [one["category_id"] for one in annotations]
        assert objects.is_crowd.tolist() == [bool(one["iscrowd"]) for one in annotations]
        for mask, box, annotation in zip(masks(objects), objects.boxes, annotations, strict=True):
            np.testing.assert_array_equal(mask, expected.annToMask(annotation))
            x, y, width, height = annotation["bbox"]
            np.testing.assert_allclose(box, [x, y, x + width, y + height], atol=0.02)  # some pass the edge by 0.01
            count += 1
    assert count == 1712
    assert len(source.pairs) == 190


def test_fruits_and_nuts(pictures: Path) -> None:
    source = open_data(pictures / "fruits_nuts")
    assert source.label_space.names == ("date", "fig", "hazelnut")
    assert sum(len(pair.objects.read()) for pair in source.pairs if pair.objects is not None) == 165
    assert len(source.pairs) == 18


def test_whole_numbers_with_decimals_are_ids(tmp_path: Path, write: Any, image: Any) -> None:
    write("a.png", image)
    described = json.loads(coco([{"segmentation": [SQUARE], "image_id": 10, "category_id": 7.0}]))
    described["images"][0]["id"] = 10.0
    write("anything.json", json.dumps(described))
    assert read(tmp_path).labels.tolist() == [1]
    described["images"][0]["id"] = 10.5
    write("anything.json", json.dumps(described))
    with pytest.raises(DataError, match=r"images: expected an id and a file_name each, found .*10\.5"):
        open_data(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_names_of_another_unicode_form_and_encoding(tmp_path: Path, write: Any, image: Any, encoding: str) -> None:
    write("images/e\u0301.png", image)
    content = {
        "images": [{"id": 1, "file_name": "\u00e9.png"}],
        "categories": [{"id": 1, "name": "cr\u00e8me"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}],
    }
    (tmp_path / "a.json").write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    found = locate(tmp_path).found
    assert found.names == ("cr\u00e8me",)
    assert [pair.image.name for pairs in found.splits.values() for pair in pairs] == ["e\u0301.png"]
