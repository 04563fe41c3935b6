"""A clean copy holds what can be used, means the same, and passes the doctor; the original stays as it is."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelwise.cli import main
from pixelwise.data.doctor import mending
from pixelwise.data.doctor.diagnosis import diagnose
from pixelwise.data.doctor.mending import write_clean_copy, write_mapping
from pixelwise.data.source import DataSource, open_data
from pixelwise.data.targets import read_target
from pixelwise.errors import DataError, PixelwiseError
from pixelwise.listener import Listener

COLORS = np.array([[0, 0, 0], [200, 10, 10], [10, 200, 10], [224, 224, 192]], np.uint8)


def noise(rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((48, 32), Image.Resampling.BICUBIC)


def drawn(rng: np.random.Generator, values: int) -> np.ndarray:
    mask = np.kron(rng.integers(0, values, (4, 6)), np.ones((8, 8), np.int64))
    mask[0, :values] = range(values)
    return mask


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Masks in colours, one picture cut short, one there twice, one in both splits, and one without a mask."""
    rng = np.random.default_rng(0)
    root = tmp_path / "faulty"
    for number in range(26):
        split = "train" if number < 14 else "val"
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True, exist_ok=True)
        noise(rng).save(root / f"images/{split}/{number}.png")
        Image.fromarray(COLORS[drawn(rng, 4)]).save(root / f"masks/{split}/{number}.png")
    (root / "dataset.yaml").write_text(
        'classes: {"#000000": ground, "#c80a0a": disc, "#0ac80a": bar}\nignore: "#e0e0c0"\n'
    )
    cut = root / "images/train/3.png"
    cut.write_bytes(cut.read_bytes()[:150])
    shutil.copy(root / "images/train/1.png", root / "images/train/2.png")
    shutil.copy(root / "images/train/5.png", root / "images/val/20.png")
    (root / "masks/val/21.png").unlink()
    return root


def bytes_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def named(source: DataSource) -> dict[str, np.ndarray]:
    """The class name at every pixel, by the name of the picture."""
    names = np.array([*source.label_space.names, "void"])
    targets = {pair.image.name: read_target(pair, source.label_space) for pair in source.pairs}
    void = source.label_space.ignore_index
    return {name: names[np.where(target == void, len(names) - 1, target)] for name, target in targets.items()}


@pytest.mark.parametrize("mapping_only", [False, True])
def test_what_can_be_used_is_kept_and_means_the_same(faulty: Path, tmp_path: Path, mapping_only: bool) -> None:
    before = bytes_of(faulty)
    diagnosis = diagnose(faulty)
    assert not diagnosis.usable
    out = tmp_path / "new" / "clean"
    changes = write_mapping(diagnosis, out) if mapping_only else write_clean_copy(diagnosis, out)
    assert bytes_of(faulty) == before
    again = diagnose(out)
    assert again.usable
    assert {one.kind for one in again.findings if one.gravity == "warning"} == set()
    source = open_data(out)
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 12, "val": 10}
    assert source.label_space.names == ("ground", "disc", "bar")
    found, expected = named(source), named(open_data(faulty, skip_bad=True))
    assert set(found) == {f"{number}.png" for number in range(26)} - {"2.png", "3.png", "20.png", "21.png"}
    assert any((labels == "void").any() for labels in found.values())
    for name, labels in found.items():
        np.testing.assert_array_equal(labels, expected[name])
    assert {change.file for change in changes} - {""} == {
        "images/train/2.png",
        "images/train/3.png",
        "images/val/20.png",
        "images/val/21.png",
    }
    with open(out / "changes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["change"]) for row in rows] == [(change.file, change.what) for change in changes]
    if not mapping_only:
        assert (out / "images/train/0.png").read_bytes() == before["images/train/0.png"]
        assert set(np.unique(np.asarray(Image.open(out / "masks/train/0.png")))) == {0, 1, 2, 255}


def test_objects_become_coco_without_repetitions(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    pictures, annotations = [], []
    for number in range(24):
        noise(rng).save(root / f"images/{number}.png")
        pictures.append({"id": number, "file_name": f"{number}.png", "width": 48, "height": 32})
        for left, category in ((2, 7), (26, 3)):
            square = [left, 8, left + 15, 8, left + 15, 21, left, 21]
            one = {"image_id": number, "category_id": category, "segmentation": [square], "iscrowd": 0}
            annotations.append({"id": len(annotations), **one})
    annotations.append({**annotations[8], "id": 999})
    crowd = {"size": [32, 48], "counts": [0, 40, 32 * 48 - 40]}
    annotations.append({"id": 1000, "image_id": 5, "category_id": 3, "segmentation": crowd, "iscrowd": 1})
    names = [{"id": 3, "name": "thing"}, {"id": 7, "name": "other"}]
    (root / "a.json").write_text(json.dumps({"images": pictures, "annotations": annotations, "categories": names}))
    changes = write_clean_copy(diagnose(root), tmp_path / "clean")
    assert [change.file for change in changes] == ["images/4.png", ""]
    before, after = open_data(root), open_data(tmp_path / "clean")
    assert after.label_space.names == before.label_space.names
    assert {name: len(pairs) for name, pairs in after.splits.items()} == {
        name: len(pairs) for name, pairs in before.splits.items()
    }
    expected = {pair.image.name: pair.objects.read() for pair in before.pairs if pair.objects}
    for pair in after.pairs:
        assert pair.objects is not None
        found, reference = pair.objects.read(), expected[pair.image.name]
        if pair.image.name == "4.png":
            reference = reference[[0, 1]]
        assert found.labels.tolist() == reference.labels.tolist()
        assert found.is_crowd.tolist() == reference.is_crowd.tolist()
        np.testing.assert_array_equal(found.boxes, reference.boxes)
        assert found.masks is not None
        assert reference.masks is not None
        for one, other in zip(found.masks, reference.masks, strict=True):
            np.testing.assert_array_equal(one.full(), other.full())


def test_a_stopped_fix_leaves_nothing(faulty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mending, "write_labels", stop)
    with pytest.raises(KeyboardInterrupt):
        write_clean_copy(diagnose(faulty), tmp_path / "clean")
    assert [path.name for path in tmp_path.iterdir()] == ["faulty"]


def test_the_second_of_two_fixes_into_one_folder_is_refused(
    faulty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = mending._check

    def slower(folder: Path, listener: Listener) -> None:
        monkeypatch.setattr(mending, "_check", check)
        write_mapping(diagnosis, tmp_path / "clean")
        check(folder, listener)

    monkeypatch.setattr(mending, "_check", slower)
    diagnosis = diagnose(faulty)
    with pytest.raises(PixelwiseError, match="clean: there is something already"):
        write_clean_copy(diagnosis, tmp_path / "clean")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "faulty"]
    assert sorted(path.name for path in (tmp_path / "clean").iterdir()) == ["changes.csv", "dataset.yaml"]


def test_what_cannot_be_mended_is_refused(faulty: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    with pytest.raises(PixelwiseError, match="taken: there is something already"):
        write_clean_copy(diagnose(faulty), tmp_path / "taken")
    for mapping_only in (False, True):
        write = write_mapping if mapping_only else write_clean_copy
        with pytest.raises(PixelwiseError, match="lies inside of the data"):
            write(diagnose(faulty), faulty / "clean")
        with pytest.raises(PixelwiseError, match=r"cannot write .*file.clean"):
            write(diagnose(faulty), tmp_path / "taken" / "file" / "clean" / "copy")
    assert not (faulty / "clean").exists()
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="no layout fits"):
        write_clean_copy(diagnose(tmp_path / "nothing"), tmp_path / "clean")
    assert not (tmp_path / "clean").exists()


def test_the_verb_writes_it(faulty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as stopped:
            main(["doctor", *map(str, arguments)])
        return int(stopped.value.code or 0)

    assert run(faulty, "--mapping-only") == 2
    assert "--fix OUT" in capsys.readouterr().err
    assert run(faulty, "--fix", tmp_path / "clean") == 1
    assert "5 changes, listed in changes.csv" in capsys.readouterr().out
    assert run(tmp_path / "clean") == 0


@pytest.mark.parametrize("write", [write_mapping, write_clean_copy])
def test_lines_that_are_read_once_are_listed(tmp_path: Path, write: Any) -> None:
    for number in range(12):
        path = tmp_path / f"yolo/images/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)).save(path)
        labels = tmp_path / f"yolo/labels/{number}.txt"
        labels.parent.mkdir(exist_ok=True)
        labels.write_text("0 0.1 0.1 0.6 0.1 0.6 0.6\n" * (2 if number == 3 else 1))
    (tmp_path / "yolo/data.yaml").write_text("names: [thing]\n")
    changes = write(diagnose(tmp_path / "yolo"), tmp_path / "clean")
    assert ("labels/3.txt", "lines that repeat another one are read once") in {(one.file, one.what) for one in changes}
    assert "labels/3.txt" in (tmp_path / "clean/changes.csv").read_text()
