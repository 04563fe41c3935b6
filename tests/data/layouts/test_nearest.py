"""What is said of a folder that no layout fits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pixelwise.data.locate import locate
from pixelwise.data.source import open_data
from pixelwise.errors import DataError


def message(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        locate(root)
    return str(caught.value)


def test_the_nearest_layouts_come_first_with_what_they_lack(tmp_path: Path, write: Any, image: Any) -> None:
    write("leftImg8bit/train/ulm/ulm_0_leftImg8bit.png", image)
    lines = message(tmp_path).splitlines()
    assert lines[0].endswith("It holds leftImg8bit/")
    near = lines[lines.index("The nearest layouts, and what they lack:") + 1]
    assert near == "  leftImg8bit/ + gtFine/ (Cityscapes): lacks gtFine/"


def test_an_empty_folder_is_told_the_plainest_layout(tmp_path: Path) -> None:
    said = message(tmp_path)
    assert "It holds nothing" in said
    assert "images/ + masks/" in said


def test_what_lies_one_folder_down_is_named(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    write("inner/images/a.png", image)
    write("inner/masks/a.png", mask)
    assert f"inner/ fits (folder): give {tmp_path / 'inner'}" in message(tmp_path)


def test_files_of_formats_that_are_not_read(tmp_path: Path, write: Any, image: Any) -> None:
    write("photos/a.png", image)
    for name in "ab":
        write(f"truth/{name}.mat", "MATLAB 5.0")
    assert "2 .mat files cannot be read, as truth/a.mat; convert them to PNG" in message(tmp_path)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n"


def test_pointers_of_git_lfs_are_named(tmp_path: Path, write: Any) -> None:
    write("photos/a.png", POINTER)
    write("photos/notes.md", "words")
    assert "1 of 1 file stands for what was not downloaded (pointers of Git LFS), as photos/a.png" in message(tmp_path)


@pytest.mark.parametrize("pointer", ["images/a.png", "masks/a.png"])
def test_pointers_in_a_layout_that_fits(tmp_path: Path, write: Any, image: Any, mask: Any, pointer: str) -> None:
    write("images/a.png", image)
    write("masks/a.png", mask)
    write(pointer, POINTER)
    assert f"{pointer}: this is a pointer of Git LFS" in message(tmp_path)


@pytest.mark.parametrize(
    ("picture", "truth", "images", "masks"),
    [
        ("rgb/001_image.png", "classes/001_annotation.png", "rgb/*_image.png", "classes/*_annotation.png"),
        ("scan1.png", "scan1_truth.png", "*.png", "*_truth.png"),
        ("in/img_001_map.jpg", "out/img_001_mask.png", "in/*_map.jpg", "out/*_mask.png"),
        ("frames/frame-7.jpg", "truth/frame-7.png", "frames/*.jpg", "truth/*.png"),
        ("rgb/a1.png", "gt/a1.png", "rgb/*.png", "gt/*.png"),
        ("scans/a1.png", "ground_truth/a1.png", "scans/*.png", "ground_truth/*.png"),
        ("case1/image.png", "case1/mask.png", "*/image.png", "*/mask.png"),
        ("data/case1/scan.jpg", "data/case1/edges.png", "data/*/scan.jpg", "data/*/edges.png"),
        ("p1/p1_image.png", "p1/p1_mask.png", "*/*_image.png", "*/*_mask.png"),
        ("case1/image.png", "case1/masks/all.png", "*/image.png", "*/masks/all.png"),
        ("a1/b1/image.png", "a1/b1/mask.png", "*/*/image.png", "*/*/mask.png"),
    ],
)
def test_the_description_to_paste_opens_the_data(
    tmp_path: Path, write: Any, image: Any, mask: Any, picture: str, truth: str, images: str, masks: str
) -> None:
    for number in ("1", "2"):
        write(picture.replace("1", number).replace("7", number), image)
        write(truth.replace("1", number).replace("7", number), mask)
    said = message(tmp_path)
    assert "looks like a mask of" in said
    description = "\n".join(line.strip() for line in said.splitlines()[-2:])
    assert description == f'images: "{images}"\nmasks: "{masks}"'
    write("dataset.yaml", description)
    source = open_data(tmp_path)
    assert len([pair for pair in source.pairs if pair.mask]) == 2


TIMED = """
import sys, time
from pathlib import Path
began = time.process_time()
from pixelwise.data.locate import locate
from pixelwise.errors import DataError
try:
    locate(Path(sys.argv[1]))
except DataError as error:
    assert "no layout fits" in str(error), error
    slow = {"torch", "cv2", "PIL", "tifffile", "yaml"} & sys.modules.keys()
    print(time.process_time() - began, ",".join(sorted(slow)) or "none")
"""


def test_a_large_folder_is_answered_within_a_second_and_without_torch_or_decoders(tmp_path: Path) -> None:
    for number in range(1000):
        folder = tmp_path / f"photos/{number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"p{number}.jpg").write_bytes(b"\xff\xd8\xff")
        (folder / f"p{number}.json").write_text('{"points": [1, 2]}')
    taken = []
    for _ in range(3):  # the processor is shared with other tests
        told = subprocess.run([sys.executable, "-c", TIMED, str(tmp_path)], capture_output=True, text=True, check=True)
        seconds, slow = told.stdout.split()
        assert slow == "none"
        taken.append(float(seconds))
    assert min(taken) < 1, taken


COMMAND = """
import sys
from pixelwise.cli.app import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(end.code, "torch" in sys.modules)
"""


@pytest.mark.parametrize("verb", [("doctor",), ("train",), ("evaluate", "absent.safetensors")])
def test_every_verb_answers_before_torch_is_imported(tmp_path: Path, write: Any, image: Any, verb: Any) -> None:
    write("photos/a.png", image)
    told = subprocess.run(
        [sys.executable, "-c", COMMAND, *verb, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "no layout fits" in told.stdout + told.stderr
    assert told.stdout.splitlines()[-1] == "2 False"
