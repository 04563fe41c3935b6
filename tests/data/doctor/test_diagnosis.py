"""The doctor finds what is wrong with a data set, and calls a sound one sound."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.cli import main
from pixelwise.data.doctor import diagnosis as diagnosis_module
from pixelwise.data.doctor.diagnosis import Diagnosis, diagnose
from pixelwise.data.doctor.facts import Facts, gather
from pixelwise.data.pairs import Pair
from pixelwise.errors import DataError
from pixelwise.runs.train import train
from pixelwise.types import LabelSpace


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve pictures of noise with masks of two classes, in two splits."""
    rng = np.random.default_rng(0)
    for number in range(24):
        split = "train" if number < 12 else "val"
        for kind in ("images", "masks"):
            (tmp_path / "set" / kind / split).mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((48, 32), Image.Resampling.BICUBIC)
        coarse.save(tmp_path / f"set/images/{split}/{number}.png")
        mask = np.kron(rng.integers(0, 2, (4, 6)), np.ones((8, 8))).astype(np.uint8)
        mask[0, :2] = 0, 1
        Image.fromarray(mask).save(tmp_path / f"set/masks/{split}/{number}.png")
    (tmp_path / "set/classes.txt").write_text("background\nthing\n")
    return tmp_path / "set"


def kinds(diagnosis: Diagnosis, gravity: str) -> set[str]:
    return {finding.kind for finding in diagnosis.findings if finding.gravity == gravity}


def test_a_sound_set_is_sound(data: Path) -> None:
    diagnosis = diagnose(data)
    assert diagnosis.usable
    assert kinds(diagnosis, "error") == kinds(diagnosis, "warning") == set()
    assert diagnosis.summary["splits"] == {"train": 12, "val": 12}


def test_a_cut_file_is_found_before_training(data: Path) -> None:
    picture = data / "images/train/3.png"
    picture.write_bytes(picture.read_bytes()[:200])
    diagnosis = diagnose(data)
    (finding,) = (one for one in diagnosis.findings if one.gravity == "error")
    assert (finding.kind, finding.files) == ("unreadable", ("images/train/3.png",))
    assert not diagnosis.usable


def test_copies_across_splits_are_errors_and_near_ones_warnings(data: Path) -> None:
    shutil.copy(data / "images/train/1.png", data / "images/val/13.png")
    with Image.open(data / "images/train/2.png") as image:
        image.resize((96, 64)).save(data / "images/val/14.jpg", quality=80)
    (data / "images/val/14.png").unlink()
    with Image.open(data / "masks/val/14.png") as mask:
        larger = mask.resize((96, 64), Image.Resampling.NEAREST)
    larger.save(data / "masks/val/14.png")
    diagnosis = diagnose(data)
    found = {one.kind: set(one.files) for one in diagnosis.findings}
    assert found["copy_across_splits"] == {"images/train/1.png", "images/val/13.png"}
    assert found["near_copy_across_splits"] == {"images/train/2.png", "images/val/14.jpg"}


def test_a_split_of_training_pictures_alone_is_a_warning(data: Path) -> None:
    for number in range(12):
        shutil.copy(data / f"images/train/{number}.png", data / f"images/val/{number + 12}.png")
    diagnosis = diagnose(data)
    assert diagnosis.usable
    (finding,) = (one for one in diagnosis.findings if one.gravity == "warning")
    assert (finding.kind, finding.count) == ("split_repeats_train", 12)
    rng = np.random.default_rng(5)
    noise = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((48, 32), Image.Resampling.BICUBIC)
    noise.save(data / "images/val/12.png")  # eleven copies of twelve are a leak
    assert kinds(diagnose(data), "error") == {"copy_across_splits"}


def test_near_copies_within_a_split_are_noted(data: Path) -> None:
    with Image.open(data / "images/train/2.png") as image:
        image.save(data / "images/train/3.jpg", quality=85)
    (data / "images/train/3.png").unlink()
    diagnosis = diagnose(data)
    assert diagnosis.usable
    (finding,) = (one for one in diagnosis.findings if one.kind == "near_copy")
    assert set(finding.files) == {"images/train/2.png", "images/train/3.jpg"}


def test_masks_that_teach_nothing_are_found(data: Path) -> None:
    Image.fromarray(np.full((32, 48), 255, np.uint8)).save(data / "masks/train/0.png")
    Image.fromarray(np.zeros((32, 48), np.uint8)).save(data / "masks/train/1.png")
    for number in range(12, 24):
        Image.fromarray(np.zeros((32, 48), np.uint8)).save(data / f"masks/val/{number}.png")
    found = {one.kind: one for one in diagnose(data).findings}
    assert found["all_ignored"].files == ("images/train/0.png",)
    assert found["all_background"].count == 13
    assert "split val has no pixel of thing" in found["class_absent"].what


def test_the_verb_says_it_by_its_status_too(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as stopped:
            main(["doctor", *map(str, arguments)])
        return int(stopped.value.code or 0)

    out = tmp_path / "found.json"
    assert run(data, "--json", out) == 0
    assert json.loads(out.read_text())["usable"] is True
    (data / "masks/train/0.png").unlink()
    assert run(data, "--json", out) == 1
    content = json.loads(out.read_text())
    (error,) = (one for one in content["findings"] if one["gravity"] == "error")
    assert (error["kind"], error["count"], content["usable"]) == ("pair_without_mask", 1, False)
    assert "error" in capsys.readouterr().out
    for mask in (data / "masks").rglob("*.png"):
        mask.write_bytes(b"")
    assert run(data, "--json", out, "--fix", tmp_path / "clean") == 1  # a layout fits, though nothing can be used
    assert "is not written" in capsys.readouterr().out
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(empty, "--json", out) == 2
    assert json.loads(out.read_text())["usable"] is False


def test_pictures_of_one_colour_are_no_copies_of_each_other(data: Path) -> None:
    for place in ("train/1.png", "val/13.png"):
        Image.fromarray(np.full((32, 48, 3), 110, np.uint8)).save(data / "images" / place)
    assert diagnose(data).usable


def test_a_set_without_any_usable_pair_is_refused_by_its_first_fault(data: Path) -> None:
    for mask in sorted((data / "masks").rglob("*.png")):
        shutil.copy(mask, mask.with_name(f"{mask.stem}_square.png"))
        mask.rename(mask.with_name(f"{mask.stem}_disc.png"))
    diagnosis = diagnose(data)
    assert not diagnosis.opened
    assert diagnosis.findings[0].kind == "pair_without_mask"
    assert "no mask" in diagnosis.findings[0].what
    assert "each class has a file of its own" in diagnosis.findings[0].mend


def coco_set(root: Path) -> Path:
    """Twenty-four pictures of noise with two squares each, as COCO JSON."""
    rng = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    pictures, annotations = [], []
    for number in range(24):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 48), Image.Resampling.BICUBIC)
        coarse.save(root / f"images/{number}.png")
        pictures.append({"id": number, "file_name": f"{number}.png", "width": 64, "height": 48})
        for left in (4, 36):
            square = [left, 8, left + 20, 8, left + 20, 28, left, 28]
            annotations.append({"id": len(annotations), "image_id": number, "category_id": 1, "segmentation": [square]})
    content = {"images": pictures, "annotations": annotations, "categories": [{"id": 1, "name": "square"}]}
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def test_sound_objects_are_sound(tmp_path: Path) -> None:
    diagnosis = diagnose(coco_set(tmp_path / "set"))
    assert diagnosis.usable
    assert {one.kind for one in diagnosis.findings} == {"recognised", "small_split"}
    assert diagnosis.summary["objects"] == 48
    assert diagnosis.summary["areas"] == [400] * 5


@pytest.mark.parametrize(
    ("polygon", "kind"),
    [
        ([4, 8, 24, 8, 24, 28, 4, 28], "repeated_object"),
        ([24, 10, 34, 10, 34, 20, 24, 20], "touching_objects"),
        ([1, 40, 3, 40, 3, 43, 1, 43], "tiny_objects"),
        ([50, 40, 90, 40, 90, 46, 50, 46], "outside_picture"),
        ([2, 32, 30, 46, 30, 32, 2, 46], "crossing_outline"),
    ],
)
def test_faulty_objects_are_found(tmp_path: Path, polygon: list[int], kind: str) -> None:
    root = coco_set(tmp_path / "set")
    content = json.loads((root / "annotations.json").read_text())
    extra = {"id": 1000, "image_id": 7, "category_id": 1, "segmentation": [polygon]}
    content["annotations"].append(extra)
    (root / "annotations.json").write_text(json.dumps(content))
    found = {one.kind: one for one in diagnose(root).findings}
    assert set(found) - {"recognised", "small_split"} == {kind}
    assert found[kind].files == ("images/7.png",)
    assert found[kind].what.startswith(("1 of 49 objects", "2 of 49 objects"))


def test_pictures_without_objects_are_counted(tmp_path: Path) -> None:
    root = coco_set(tmp_path / "set")
    content = json.loads((root / "annotations.json").read_text())
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] not in (3, 4)]
    (root / "annotations.json").write_text(json.dumps(content))
    found = {one.kind: one for one in diagnose(root).findings}
    assert set(found["no_objects"].files) == {"images/3.png", "images/4.png"}


@pytest.mark.parametrize(
    ("orientation", "side", "found"), [(3, 64, True), (6, 48, True), (6, 64, False), (1, 64, False)]
)
def test_rotations_that_masks_lack_are_warned_of(data: Path, orientation: int, side: int, found: bool) -> None:
    """Where sizes cannot tell: upside down, or square."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise = np.random.default_rng(9).integers(0, 256, (48, side, 3), np.uint8)
    (data / "images/train/0.png").unlink()
    Image.fromarray(noise).save(data / "images/train/0.jpg", exif=exif)
    shown = (48, side) if orientation < 5 else (side, 48)
    Image.fromarray(np.indices(shown).sum(0).astype(np.uint8) % 2).save(data / "masks/train/0.png")
    diagnosis = diagnose(data)
    assert diagnosis.usable
    turned = [one.files for one in diagnosis.findings if one.kind == "turned_picture"]
    assert turned == ([("images/train/0.jpg",)] if found else [])


def test_a_second_look_reads_only_what_changed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = diagnose(data)
    read: list[str] = []

    def watched(pair: Pair, label_space: LabelSpace | None) -> Facts:
        read.append(pair.id)
        return gather(pair, label_space)

    monkeypatch.setattr(diagnosis_module, "gather", watched)
    assert diagnose(data).to_dict() == first.to_dict()
    assert read == []
    mask = data / "masks/train/5.png"
    Image.fromarray(np.full((32, 48), 255, np.uint8)).save(mask)
    os.utime(mask, (1, 1))
    assert "all_ignored" in {one.kind for one in diagnose(data).findings}
    # Whether 255 occurs in the masks changes what numbers mean, so every mask is read again.
    assert "images/train/5.png" in read


def test_what_there_was_no_time_for_is_said(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis_module, "_KEPT_AT_ONCE", 10)
    (finding,) = (one for one in diagnose(data, seconds=0).findings if one.kind == "not_looked_at")
    assert finding.what.startswith("14 of 24 pictures were not looked at")
    assert not [one for one in diagnose(data).findings if one.kind == "not_looked_at"]


def test_training_refuses_what_the_doctor_calls_an_error(data: Path, tmp_path: Path) -> None:
    picture = data / "images/train/3.png"
    picture.write_bytes(picture.read_bytes()[:200])
    shutil.copy(data / "images/train/1.png", data / "images/val/13.png")
    with pytest.raises(DataError, match=r"2 faults:(?s:.*)images/train/3\.png(?s:.*)images/val/13\.png"):
        train(data, out=tmp_path / "run", epochs=1)
    source = diagnose(data).usable_source(skip_bad=True)
    assert source.left_out == ("images/train/3.png", "images/val/13.png")
    assert {name: len(pairs) for name, pairs in source.splits.items()} == {"train": 11, "val": 11}


@pytest.mark.parametrize("loop", [False, True])
def test_links_that_lead_nowhere_are_named(data: Path, loop: bool) -> None:
    picture = data / "images/train/4.png"
    picture.unlink()
    picture.symlink_to(picture if loop else data.parent / "moved" / "4.png")
    diagnosis = diagnose(data)
    (finding,) = (one for one in diagnosis.findings if one.gravity == "error")
    assert finding.kind == "unreadable"
    assert "images/train/4.png" in finding.what
