"""``pixelwise predict`` and ``evaluate`` on pictures of several pages, and of other numbers than were learnt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from verbs import files, run

from pixelwise.inference import Predictor
from pixelwise.io.masks import read_mask

COLOR = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), np.uint8)


def words(texts: Iterable[str]) -> str:
    return " ".join(" ".join(texts).split())


def test_pages_and_frames_are_labelled_one_by_one(
    untrained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    pictures.mkdir()
    with tifffile.TiffWriter(pictures / "a.tif") as tiff:
        for page in COLOR[:2]:
            tiff.write(page, photometric="rgb", metadata=None, contiguous=False)
    first, *rest = map(Image.fromarray, COLOR)
    first.save(pictures / "b.gif", save_all=True, append_images=rest)
    Image.fromarray(COLOR[0]).save(pictures / "c.png")

    assert run("predict", untrained_run, pictures, "--out", out, "--save", "labels") == 2
    message = words(capsys.readouterr().err.split("\n"))
    assert "a.tif: is no single picture, its axes are IYXS with I=2 (pages), Y=24, X=32, S=3" in message
    assert "b.gif: holds 3 frames of 24x32 pixels" in message
    assert message.count("; --pages labels them one by one") == 2
    assert files(out) == ["c.png"]

    assert run("predict", untrained_run, pictures, "--out", out, "--save", "labels,coco", "--pages") == 0
    names = ["a-page001.png", "a-page002.png", "b-page001.png", "b-page002.png", "b-page003.png", "c.png"]
    assert files(out) == sorted([*names, "predictions.json"])
    predictor = Predictor(untrained_run)
    for number, page in enumerate(COLOR[:2], 1):
        np.testing.assert_array_equal(read_mask(out / f"a-page{number:03d}.png"), predictor(page).labels)
    listed = [image["file_name"] for image in json.loads((out / "predictions.json").read_text())["images"]]
    assert listed == ["a-page001.tif", "a-page002.tif", "b-page001.gif", "b-page002.gif", "b-page003.gif", "c.png"]


def test_numbers_that_were_not_learnt_need_a_range(
    untrained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    tifffile.imwrite(tmp_path / "deep.tif", COLOR[0].astype(np.uint16) * 16, photometric="rgb")
    command = ("predict", untrained_run, tmp_path / "deep.tif", "--out", out, "--save", "labels")
    assert run(*command) == 2
    message = words(capsys.readouterr().err.split("\n"))
    assert "deep.tif: the picture holds uint16 numbers, but the network learned from 8 bits (uint8)" in message
    assert "give --value-range LOW,HIGH" in message
    assert run(*command, "--value-range", "0,4080") == 0
    np.testing.assert_array_equal(read_mask(out / "deep.png"), Predictor(untrained_run)(COLOR[0]).labels)
    assert run(*command, "--value-range", "5") == 2
    assert "--value-range: 5: expected the stored numbers" in words(capsys.readouterr().err.split("\n"))


def test_scores_of_the_same_scene_are_the_same_by_its_range(
    untrained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {}
    for kind, scale in (("uint8", 1), ("uint16", 16)):
        for folder in ("images", "masks"):
            (tmp_path / kind / folder).mkdir(parents=True)
        for number, page in enumerate(COLOR):
            stored = page.astype(kind) * np.array(scale, kind)
            tifffile.imwrite(tmp_path / kind / f"images/{number}.tif", stored, photometric="rgb")
            mask = np.zeros((24, 32), np.uint8)
            mask[:, 10:] = 1
            mask[12:, 20:] = 2
            Image.fromarray(mask).save(tmp_path / kind / f"masks/{number}.png")
        options = () if kind == "uint8" else ("--value-range", "0,4080")
        file = tmp_path / f"{kind}.json"
        assert run("evaluate", untrained_run, tmp_path / kind, "--json", file, *options) == 0
        scores[kind] = json.loads(file.read_text())["miou"]
    assert scores["uint8"] == scores["uint16"]
    capsys.readouterr()
    assert run("evaluate", untrained_run, tmp_path / "uint16") == 2
    assert "give --value-range LOW,HIGH" in words(capsys.readouterr().err.split("\n"))
