"""The command as people meet it: exit codes, one clear message, nothing half-written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.cli import main
from pixelwise.errors import DataError


def write_pair(folder: Path, name: str = "a", *, mask: np.ndarray | None = None) -> None:
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 48, 3), 90, np.uint8)).save(folder / "images" / f"{name}.png")
    Image.fromarray(np.zeros((40, 48), np.uint8) if mask is None else mask).save(folder / "masks" / f"{name}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pairs of which a test spoils one."""
    data = tmp_path / "data"
    for number in range(6):
        mask = np.zeros((40, 48), np.uint8)
        mask[10:20, number * 4 : number * 4 + 20] = 1
        write_pair(data, f"{number}", mask=mask)
    (data / "classes.txt").write_text("ground\nbar\n")
    return data


def message(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail: exit status 2 and one message, without a traceback."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    return printed


def train(data: Path, out: Path, *more: str) -> list[str]:
    small = ["--model", "fcn", "--encoder", "mobilenetv3_small_050", "--weights", "none", "--size", "64x64"]
    return ["train", str(data), "--out", str(out), "--epochs", "1", "--batch", "2", *small, *more]


def test_data_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert "no such folder" in message(train(tmp_path / "nowhere", out), capsys)
    (tmp_path / "empty").mkdir()
    assert "no layout fits" in message(train(tmp_path / "empty", out), capsys)
    assert not out.exists()


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (lambda data: (data / "masks" / "3.png").unlink(), ["3.png", "no mask"]),
        (lambda data: Image.new("L", (9, 9)).save(data / "masks" / "3.png"), ["3.png", "9x9"]),
        (lambda data: Image.new("L", (48, 40), 7).save(data / "masks" / "3.png"), ["3.png", "7"]),
        (lambda data: (data / "images" / "3.png").write_bytes(b""), ["3.png", "empty"]),
        (lambda data: (data / "images" / "3.png").write_text("just text"), ["3.png"]),
        (
            lambda data: (data / "images" / "3.png").write_bytes((data / "images" / "3.png").read_bytes()[:70]),
            ["3.png"],
        ),
    ],
    ids=["no mask", "other size", "value outside", "empty file", "text", "cut short"],
)
def test_a_spoilt_pair_is_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil, names) -> None:  # type: ignore[no-untyped-def]
    spoil(folder)
    printed = " ".join(message(train(folder, tmp_path / "run"), capsys).split())
    for name in names:
        assert name in printed
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_picture_that_declares_too_much_is_not_decoded(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray((folder / "images" / "3.png").read_bytes())
    import struct
    import zlib

    content[16:24] = struct.pack(">II", 50_000, 50_000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    (folder / "images" / "3.png").write_bytes(bytes(content))
    printed = message(train(folder, tmp_path / "run"), capsys)
    assert "3.png" in printed
    assert "50000" in printed.replace(",", "").replace(" ", "")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--model", "deeplab3plus"], "deeplabv3plus"),
        (["--encoder", "resnet-18"], "resnet18"),
        (["--size", "big"], "288x384"),
        (["--minutes", "3"], "not both"),
        (["--batch", "0"], "'batch'"),
        (["--set", "learning_rat=1"], "learning_rate"),
        (["--set", "seed"], "KEY=VALUE"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--resume"], "no run to resume"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--set", "seed"], "error: --set: seed: expected KEY=VALUE"),
        (["--resume"], "error: --resume: "),
    ],
)
def test_options_that_make_no_sense(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], expected: str
) -> None:
    assert expected in message(train(folder, tmp_path / "run", *more), capsys)


def test_an_output_folder_that_cannot_be(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "--out" in message(train(folder, tmp_path / "file" / "run"), capsys)
    assert "--out" in message(["demo", "--out", str(folder)], capsys)


def test_a_run_is_scored_and_reported_then_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = train(folder, tmp_path / "run", "--set", "precision=32-true")
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert "mIoU" in capsys.readouterr().out
    for name in ("settings.yaml", "model.safetensors", "last.ckpt", "metrics.csv", "scores.json", "report.html"):
        assert (tmp_path / "run" / name).is_file(), name
    assert "has finished" in message(arguments, capsys)
    assert "has finished" in message([*arguments, "--resume"], capsys)


def test_debug_shows_where_an_error_was_raised(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        main(["train", str(tmp_path / "nowhere"), "--debug"])


def test_help_does_not_wait_for_torch() -> None:
    import subprocess

    program = "import sys; from pixelwise.cli.app import app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
