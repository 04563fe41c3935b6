"""``pixelwise evaluate`` from the command line to the files it leaves."""

from __future__ import annotations

import csv
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from verbs import run

from pixelwise.inference import Predictor


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(root / f"images/{number}.png")
        Image.fromarray(rng.integers(0, 3, (30, 40), dtype=np.uint8)).save(root / f"masks/{number}.png")
    return root


def test_every_pair_is_scored_and_written(
    untrained_run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", untrained_run, data, "--json", tmp_path / "s.json", "--csv", tmp_path / "s.csv") == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["images"] == 4
    right = total = 0
    for number in range(4):
        mask = np.asarray(Image.open(data / f"masks/{number}.png"))
        right += (Predictor(untrained_run)(data / f"images/{number}.png").labels == mask).sum()
        total += mask.size
    assert scores["pixel_accuracy"] == pytest.approx(right / total)
    with (tmp_path / "s.csv").open(newline="") as opened:
        assert sorted(row["id"] for row in csv.DictReader(opened)) == [f"images/{number}.png" for number in range(4)]
    printed = capsys.readouterr().out
    assert f"mIoU {scores['miou']:.4f}" in printed
    assert "middle" in printed
    low, high = scores["intervals"]["miou"]
    assert low <= scores["miou"] <= high
    assert set(scores["iou_intervals"]) == set(scores["classes"])
    for name in ("picture_iou", "boundary_iou", "boundary_f1", "ece"):
        low, high = scores["intervals"][name]
        assert 0 <= low <= scores[name] <= high <= 1
    assert sum(one["pixels"] for one in scores["reliability"]) == total
    assert sum(size["pixels"] for size in scores["part_sizes"].values()) == total
    assert sum(scores["errors"][name] for name in ("interior_wrong", "boundary_wrong")) == total - right
    low, high = scores["intervals"]["miou"]
    assert f"[{low:.3f} to {high:.3f}]" in printed
    assert scores["intervals_meaning"] in " ".join(printed.split())


def test_two_processes_score_as_one(
    untrained_run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for devices in (1, 2):
        assert run("evaluate", untrained_run, data, "--tta", "hflip", "--devices", devices, "--json", "-") == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_pictures_that_cannot_be_used_are_refused_or_left_out(
    untrained_run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = data / "images/2.png"
    cut.write_bytes(cut.read_bytes()[:-500])
    assert run("evaluate", untrained_run, data) == 2
    assert "images/2.png" in capsys.readouterr().err.replace("\n", "")
    assert run("evaluate", untrained_run, data, "--skip-bad", "--json", "-") == 0
    left = capsys.readouterr()
    assert json.loads(left.out)["images"] == 3
    assert "left out because they cannot be used: images/2.png" in left.err.replace("\n", "")


def test_views_are_averaged(untrained_run: Path, data: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", untrained_run, data, "--tta", "hflip, 0.75", "--json", tmp_path / "s.json")
    assert run(*arguments, "--report", tmp_path / "page") == 0
    predictor = Predictor(untrained_run, tta=("hflip", "0.75"))
    right = total = 0
    for number in range(4):
        mask = np.asarray(Image.open(data / f"masks/{number}.png"))
        right += (predictor(data / f"images/{number}.png").labels == mask).sum()
        total += mask.size
    assert json.loads((tmp_path / "s.json").read_text())["pixel_accuracy"] == pytest.approx(right / total)
    assert "--tta &#39;hflip, 0.75&#39;" in (tmp_path / "page" / "report.html").read_text()


def test_the_report_shows_the_pictures(untrained_run: Path, data: Path, tmp_path: Path) -> None:
    assert run("evaluate", untrained_run, data, "--report", tmp_path / "page") == 0
    page = (tmp_path / "page" / "report.html").read_text()
    full = {path.name for path in (tmp_path / "page" / "report-pictures").iterdir()}
    links = re.findall(r'href="report-pictures/([^"]+)"', page)
    assert set(links) == full
    views = ("picture", "truth", "prediction", "difference", "confidence")
    assert {name.rpartition("-")[2] for name in full} == {f"{view}.jpg" for view in views}
    assert page.count("data:image/jpeg") == len(links) + 2 * 4  # and two in the list of all four pictures
    assert "All pictures" in page
    assert "drawn with replacement from the 4 pictures" in page
    assert f"pixelwise evaluate {untrained_run} {data}" in page


def test_json_to_stdout_is_json_alone(untrained_run: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", untrained_run, data, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["images"] == 4


def test_the_training_folder_is_scored_on_the_pictures_its_run_kept(
    untrained_run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tmp_path / "run"
    trained.mkdir()
    (trained / "model.safetensors").write_bytes((untrained_run / "model.safetensors").read_bytes())
    splits = {"train": ["images/0.png", "images/2.png", "images/3.png"], "val": ["images/1.png"]}
    (trained / "splits.json").write_text(json.dumps({"data": str(data.resolve()), "splits": splits}))
    assert run("evaluate", trained, data, "--json", "-") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["images"] == 1
    assert scores["intervals"] == {}
    assert "only one was scored" in scores["intervals_meaning"]
    assert run("evaluate", trained, data, "--split", "train", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["images"] == 3
    for folder in ("images", "masks"):
        (data / folder / "1.png").unlink()
    assert run("evaluate", trained, data) == 2
    assert "is gone: images/1.png" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("{tmp}/absent", "{data}"), "no such model"),
        (("{tmp}/pickled.pt", "{data}"), "pickle"),
        (("{model}", "{tmp}/absent"), "no such folder"),
        (("{model}", "{data}", "--split", "vall"), "nearest names are val"),
        (("{model}", "{data}", "--json", "{tmp}/absent/s.json"), "its folder does not exist"),
        (("{model}", "{data}", "--csv", "{data}"), "is a folder"),
        (("{model}", "{data}", "--report", "{tmp}/pickled.pt"), "a file is in the way"),
    ],
)
def test_bad_input_is_one_message(
    arguments: tuple[str, ...],
    complaint: str,
    untrained_run: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pickled.pt").write_bytes(pickle.dumps({"weights": [1.0]}))
    places = {"model": untrained_run, "data": data, "tmp": tmp_path}
    assert run("evaluate", *(argument.format(**places) for argument in arguments)) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert complaint in message
    assert "Traceback" not in message


def test_a_mask_value_outside_the_models_classes_names_the_file(
    untrained_run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.full((30, 40), 9, np.uint8)).save(data / "masks/2.png")
    assert run("evaluate", untrained_run, data, "--json", tmp_path / "s.json") == 2
    assert "2.png: the mask holds 9" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "s.json").exists()
