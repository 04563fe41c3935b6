"""Exported files where torch is not installed: the verbs write what they write with it.

``PIXELWISE_RUNNER_PYTHON`` names the interpreter of an environment without torch, as continuous integration makes one;
by default this environment is used, and the packages of the extra ``train`` are hidden from it.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest
from finders import lively
from PIL import Image

from pixelwise.cli import main
from pixelwise.errors import TRAIN_PACKAGES
from pixelwise.export import export_model
from pixelwise.models import SegmentationModel, save_model

HIDDEN = (*TRAIN_PACKAGES, "onnx", "openvino")
PYTHON = os.environ.get("PIXELWISE_RUNNER_PYTHON") or sys.executable
PROGRAM = f"""
import os, sys
if not os.environ.get("PIXELWISE_RUNNER_PYTHON"):
    sys.modules.update(dict.fromkeys({HIDDEN}))
from pixelwise.cli import main
try:
    main(sys.argv[1:])
finally:
    assert not any(sys.modules.get(name) for name in {HIDDEN})
"""


@pytest.fixture
def work(by_brightness: SegmentationModel, tmp_path: Path) -> Path:
    """A folder with an exported file, the model that it was made of, and pictures with masks."""
    export_model(by_brightness, tmp_path / "model.onnx")
    save_model(by_brightness, tmp_path / "model.safetensors")
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for number in range(4):
        picture = rng.integers(0, 256, (40, 50), np.uint8).repeat(2, 0).repeat(2, 1)
        Image.fromarray(np.stack([picture] * 3, 2)).save(tmp_path / f"data/images/{number}.png")
        Image.fromarray((picture > 100).astype(np.uint8)).save(tmp_path / f"data/masks/{number}.png")
    names = "".join(f"{name}\n" for name in by_brightness.label_space.names)
    (tmp_path / "data" / "classes.txt").write_text(names)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process without torch."""
    return subprocess.run(
        [PYTHON, "-c", PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )


def test_predictions_are_those_with_torch(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["predict", "model.onnx", "data/images", "--save", "labels,overlay,probabilities,coco,geojson,table"]
    command += ["--tile", "64", "--mode", "exact"]
    ended = run(work, *command, "--out", "without")
    assert ended.returncode == 0, ended.stderr
    monkeypatch.chdir(work)
    main_of(*command, "--out", "with")
    names = sorted(path.name for path in (work / "with").iterdir())
    assert len(names) >= 4 * 4 + 2
    assert filecmp.cmpfiles(work / "with", work / "without", names, shallow=False) == (names, [], [])


def test_views_and_ensembles_are_those_with_torch(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["predict", "model.onnx,model.onnx", "data/images/0.png", "--tta", "hflip,rotations,0.5"]
    ended = run(work, *command, "--out", "without")
    assert ended.returncode == 0, ended.stderr
    monkeypatch.chdir(work)
    main_of(*command, "--out", "with")
    assert (work / "with/0.png").read_bytes() == (work / "without/0.png").read_bytes()


def test_objects_are_those_with_torch(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_model(lively(), work / "finder.onnx")
    command = ["predict", "finder.onnx", "data/images", "--save", "labels,overlay,coco,geojson,table"]
    ended = run(work, *command, "--out", "without")
    assert ended.returncode == 0, ended.stderr
    monkeypatch.chdir(work)
    main_of(*command, "--out", "with")
    names = sorted(path.name for path in (work / "with").iterdir())
    assert len(json.loads((work / "with/predictions.json").read_text())["annotations"]) > 4
    assert filecmp.cmpfiles(work / "with", work / "without", names, shallow=False) == (names, [], [])


def test_what_is_served_is_what_is_predicted_with_torch(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [PYTHON, "-c", PROGRAM, "serve", "model.onnx", "--port", "0"]
    server = subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    late = threading.Timer(200, server.kill)
    late.start()
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        address = re.search(r"http://[\w.]+:\d+", line)
        if address is not None:
            picture = (work / "data/images/0.png").read_bytes()
            url = f"{address[0]}/v1/models/model/predict"
            answer = httpx.post(url, files={"file": picture}, params={"output": "labels"}, timeout=100)
    finally:
        server.terminate()
        _, error = server.communicate()
        late.cancel()
    assert server.returncode == 0, error
    assert address is not None, line
    assert answer.status_code == 200, answer.text
    monkeypatch.chdir(work)
    main_of("predict", "model.onnx", "data/images/0.png", "--out", "with")
    assert answer.content == (work / "with/0.png").read_bytes()


def test_scores_are_those_with_torch(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["evaluate", "model.onnx", "data"]
    ended = run(work, *command, "--json", "without.json", "--report", "report")
    assert ended.returncode == 0, ended.stderr
    monkeypatch.chdir(work)
    main_of(*command, "--json", "with.json")
    scores = json.loads((work / "with.json").read_text())
    assert json.loads((work / "without.json").read_text()) == scores
    assert scores["miou"] > 0
    assert (work / "report/report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    "command",
    [
        ("predict", "model.safetensors", "data/images", "--out", "out"),
        ("evaluate", "model.safetensors", "data"),
        ("train", "data", "--out", "out"),
        ("export", "model.safetensors", "--out", "other.onnx"),
        ("inspect", "unet"),
    ],
)
def test_what_needs_torch_names_the_extra(work: Path, command: tuple[str, ...]) -> None:
    ended = run(work, *command)
    assert ended.returncode == 2, ended.stderr
    assert "pip install 'pixelwise[train]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (work / "out").exists()


def test_models_and_data_are_looked_at(work: Path) -> None:
    assert "deeplabv3plus" in run(work, "models").stdout
    ended = run(work, "doctor", "data")
    assert ended.returncode in (0, 1), ended.stderr
    assert "4" in ended.stdout


def main_of(*arguments: str) -> None:
    """Run a command here."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code in (0, None)
