"""Names of files that are no UTF-8, as other systems leave them, work wherever names go."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from verbs import run

from pixelwise.cli.progress import Counter, make_bar
from pixelwise.models import build_model, save_model
from pixelwise.types import LabelSpace

LATIN = os.fsdecode(b"caf\xe9 \xff")  # Latin-1, and a byte that UTF-8 never has
SPACE = LabelSpace(("background", "thing"), background=0)
PARTS = LabelSpace(("ground", "leaf", "stem"))
"""Without a background, so that every part is an object, whatever fresh weights say."""
GEO = importlib.util.find_spec("rasterio") is not None
GEO_TAGS = [(33550, "d", 3, (0.5, 0.5, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 10.0, 50.0, 0.0), True)]


@pytest.fixture(autouse=True)
def any_bytes(tmp_path: Path) -> None:
    """Skip where the file system takes names in UTF-8 alone."""
    try:
        (tmp_path / LATIN).mkdir()
    except (OSError, UnicodeError):
        pytest.skip("this file system takes names in UTF-8 alone")
    (tmp_path / LATIN).rmdir()


def make_model(folder: Path, space: LabelSpace) -> Path:
    import torch

    torch.manual_seed(1)
    run = folder / "run"
    run.mkdir()
    save_model(build_model("fcn", classes=space, encoder="resnet10t"), run / "model.safetensors")
    return run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("runs"), SPACE)


@pytest.fixture(scope="module")
def parts_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("runs"), PARTS)


def draw(seed: int, size: tuple[int, int] = (40, 52)) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))


def fill(folder: Path, stem: str) -> list[Path]:
    """Write a picture of every kind that is read in a way of its own; give those that have to be named one by one."""
    import zarr

    (folder / stem).mkdir(parents=True)
    Image.fromarray(draw(0)).save(folder / f"{stem}.png")
    Image.fromarray(draw(1)).save(folder / stem / f"{stem}.jpg")
    tifffile.imwrite(folder / f"{stem}1.tif", draw(2), photometric="rgb", extratags=GEO_TAGS)
    zarr.create_array(folder / f"{stem}2.zarr", shape=(40, 52, 3), chunks=(16, 16, 3), dtype="u1")[:] = draw(3)
    Image.fromarray(draw(4)).save(folder.parent / "plain.tif", compression="tiff_lzw")
    (folder.parent / "plain.tif").rename(folder / f"{stem}3.tif")
    np.save(folder / f"{stem}4.npy", draw(5))
    named = [folder / f"{stem}4.npy"]
    if GEO:
        import rasterio

        options = {"driver": "HFA", "width": 52, "height": 40, "count": 3, "dtype": "uint8"}
        place = rasterio.Affine(1, 0, 0, 0, -1, 9)
        with rasterio.open(folder.parent / "plain.img", "w", transform=place, **options) as file:
            file.write(draw(6).transpose(2, 0, 1))
        (folder.parent / "plain.img").rename(folder / f"{stem}5.img")
        named.append(folder / f"{stem}5.img")
    return named


def content(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("save", ["labels", "labels,overlay,geojson,coco,table"])
def test_predict_writes_the_same_whatever_the_name(
    parts_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], save: str
) -> None:
    shutil.copytree(parts_model, tmp_path / f"run {LATIN}")
    outputs = {}
    for stem, run_folder in (("cafe", parts_model), (LATIN, tmp_path / f"run {LATIN}")):
        folder, out = tmp_path / f"in {stem}", tmp_path / f"out {stem}"
        given = (folder, *fill(folder, stem))
        assert run("predict", run_folder, *given, "--out", out, "--save", save, "--tile", 32) == 0
        outputs[stem] = content(out)
    printed = capsys.readouterr().out
    assert "caf\\udce9 \\udcff1.tif: 40x52 pixels" in printed
    assert f"out {LATIN}".encode(errors="backslashreplace").decode() in printed
    escaped = json.dumps(LATIN).strip('"').encode()
    renamed = {name.replace(LATIN, "cafe"): data.replace(escaped, b"cafe") for name, data in outputs[LATIN].items()}
    assert renamed == outputs["cafe"]
    assert not [name for name in outputs[LATIN] if name.startswith(".")], "no scratch is left"
    if "coco" in save:
        pictures = json.loads(outputs[LATIN]["predictions.json"].decode("utf-8"))["images"]
        assert f"{LATIN}/{LATIN}.jpg" in {picture["file_name"] for picture in pictures}, "JSON gives the name itself"
        rows = list(csv.DictReader(io.StringIO(outputs[LATIN]["objects.csv"].decode("utf-8"))))
        assert "caf\\udce9 \\udcff/caf\\udce9 \\udcff.jpg" in {row["picture"] for row in rows}


@pytest.mark.parametrize("tile", [None, 32])
def test_probabilities_are_the_same_whatever_the_name(model: Path, tmp_path: Path, tile: int | None) -> None:
    outputs = {}
    for stem in ("cafe", LATIN):
        folder, out = tmp_path / f"in {stem}", tmp_path / f"out {stem}"
        (folder / stem).mkdir(parents=True)
        Image.fromarray(draw(0)).save(folder / f"{stem}.png")
        Image.fromarray(draw(1)).save(folder / stem / f"{stem}.jpg")
        options = () if tile is None else ("--tile", tile)
        assert run("predict", model, folder, "--out", out, "--save", "probabilities", *options) == 0
        outputs[stem] = content(out)
    expected = {f"{LATIN}_probabilities.npy", f"{LATIN}/{LATIN}_probabilities.npy"}
    assert outputs[LATIN].keys() == expected
    assert {name.replace(LATIN, "cafe"): data for name, data in outputs[LATIN].items()} == outputs["cafe"]
    for name in expected:
        assert np.load(tmp_path / f"out {LATIN}" / name).shape == (2, 40, 52)


def test_probabilities_of_a_raster_are_refused_by_name(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / f"{LATIN}.npy", draw(0))
    assert run("predict", model, tmp_path / f"{LATIN}.npy", "--out", tmp_path / "out", "--save", "probabilities") == 2
    errors = " ".join(capsys.readouterr().err.split())
    assert "caf\\udce9 \\udcff.npy: probabilities cannot be written for a raster" in errors
    assert content(tmp_path / "out") == {}


def test_what_cannot_be_read_is_named(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"{LATIN}.png").write_bytes(b"no picture")
    assert run("predict", model, tmp_path / f"{LATIN}.png", "--out", tmp_path / "out") == 2
    assert "caf\\udce9 \\udcff.png: not a picture" in " ".join(capsys.readouterr().err.split())
    assert content(tmp_path / "out") == {}


@pytest.mark.parametrize("masks", ["masks", "instance_masks"])
def test_evaluate_scores_the_same_whatever_the_name(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], masks: str
) -> None:
    outputs = {}
    for stem in ("cafe", LATIN):
        data, out = tmp_path / f"data {stem}", tmp_path / f"out {stem}"
        out.mkdir()
        for number in range(3):
            for folder in ("images", masks):
                (data / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw(number)).save(data / "images" / f"{stem}{number}.png")
            mask = np.zeros((40, 52), np.uint8)
            mask[4:20, 10 + number : 30] = 1
            Image.fromarray(mask).save(data / masks / f"{stem}{number}.png")
        options = ("--json", out / "s.json", "--csv", out / "s.csv", "--report", out)
        assert run("evaluate", model, data, *options) == 0
        outputs[stem] = content(out)
    escaped = "caf\\udce9 \\udcff"
    assert outputs[LATIN]["s.json"] == outputs["cafe"]["s.json"]
    rows = outputs[LATIN]["s.csv"].decode("utf-8").replace(escaped, "cafe").splitlines()
    assert sorted(rows) == sorted(outputs["cafe"]["s.csv"].decode("utf-8").splitlines())
    assert escaped in outputs[LATIN]["report.html"].decode("utf-8")
    capsys.readouterr()
    assert run("evaluate", model, tmp_path / f"data {LATIN}", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(outputs["cafe"]["s.json"])


def test_terminals_of_few_letters_get_escapes(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(draw(0)).save(tmp_path / "ü.png")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    assert run("predict", model, tmp_path / "ü.png", "--out", tmp_path / "out ü", "--tile", 32) == 0
    assert b"\\xfc.png: 40x52 pixels" in written.getvalue()


def test_names_are_no_markup_on_a_bar() -> None:
    from rich.console import Console

    printed = io.StringIO()
    with make_bar(Console(file=printed, force_terminal=True, width=200)) as bar:
        Counter(bar, "tiles of a[/bold].tif", 3)(1, 3)
        bar.refresh()
    assert "a[/bold].tif" in printed.getvalue()
