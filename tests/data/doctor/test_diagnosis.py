"""The doctor finds what is wrong with a data set, and calls a sound one sound."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.cli import main
from pixelwise.data.doctor.diagnosis import Diagnosis, diagnose


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
    assert "no mask" in diagnosis.findings[0].what
    assert "each class has a file of its own" in diagnosis.findings[0].what
