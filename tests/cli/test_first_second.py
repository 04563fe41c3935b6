"""What each verb imports: the first second of a command is spent on imports, and torch alone takes two."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.models import build_model, save_model

WATCHED = (
    *("torch", "torch._dynamo", "sympy", "torchvision", "timm", "pytorch_lightning", "torchmetrics", "huggingface_hub"),
    *(
        "matplotlib",
        "jinja2",
        "faster_coco_eval",
        "onnx",
        "onnxruntime",
        "fastapi",
        "zarr",
        "pyarrow",
        "scipy",
        "cv2",
        "numpy",
    ),
)
PROGRAM = f"""
import sys
from pixelwise.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*[name for name in {WATCHED} if name in sys.modules], file=sys.stderr)
"""
ARRAYS = {"cv2", "numpy"}


def imported(*arguments: str | Path) -> set[str]:
    """Run a command in a process of its own, and give which of the watched modules it imported."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], check=True, capture_output=True, text=True, timeout=120
    )
    return set(run.stderr.splitlines()[-1].split())


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model, an exported file and a picture."""
    folder = tmp_path_factory.mktemp("work")
    model = build_model("unet", classes=2, encoder="resnet18", decoder_channels=(8, 8, 8, 8, 8))
    save_model(model, folder / "model.safetensors")
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(folder / "a.png")
    return folder


def test_help_and_the_list_of_models_import_no_numbers() -> None:
    assert imported("--help") == set()
    assert imported("models") == set()


@pytest.mark.parametrize(
    "verb", ["predict", "evaluate", "inspect", "train", "doctor", "compare", "export", "serve", "label"]
)
def test_errors_about_paths_come_before_torch(work: Path, verb: str) -> None:
    rest: dict[str, list[str | Path]] = {
        "predict": [work / "a.png", "--out", work / "out"],
        "evaluate": [work],
        "compare": ["--models", "unet", "--epochs", "1", "--out", work / "out"],
        "export": ["--out", work / "out.onnx"],
    }
    assert imported(verb, work / "nothing.safetensors", *rest.get(verb, [])) <= ARRAYS | {"fastapi"}


def test_inspecting_imports_torch_alone() -> None:
    assert imported("inspect", "unet", "--size", "64x64") == {"torch", "numpy"}


def test_predicting_with_torch_imports_torch_alone(work: Path) -> None:
    command = ("predict", work / "model.safetensors", work / "a.png", "--out", work / "labels")
    imported(*command)  # counts what prediction costs, which is kept
    assert imported(*command) == {"torch", *ARRAYS}
