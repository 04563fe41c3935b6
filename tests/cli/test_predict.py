"""``pixelwise predict`` from the command line to the files it leaves."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.cli import main
from pixelwise.inference import Predictor
from pixelwise.inference.sharpen import sharpen
from pixelwise.io.images import read_image
from pixelwise.io.masks import mask_palette, read_mask


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for name, size in (("a.png", (40, 50)), ("sub/b.png", (33, 17))):
        # Smooth, so that JPEG keeps the overlay close to what was painted.
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(root / name)
    return root


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_labels_and_overlays_keep_sub_folders(untrained_run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("predict", untrained_run, photos, "--out", out) == 0
    assert files(out) == ["a.png", "a_overlay.jpg", "sub/b.png", "sub/b_overlay.jpg"]
    predictor = Predictor(untrained_run)
    expected = predictor(photos / "sub/b.png")
    np.testing.assert_array_equal(read_mask(out / "sub/b.png"), expected.labels)
    assert mask_palette(out / "a.png")[:3] == predictor.label_space.colors
    overlay = read_image(out / "sub/b_overlay.jpg").transpose(1, 2, 0).astype(int)
    assert abs(overlay - expected.overlay()).mean() < 12


def test_probabilities_are_half_floats_that_agree_with_the_labels(
    untrained_run: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("predict", untrained_run, f"{photos}/*.png", "--out", out, "--save", "probabilities,labels") == 0
    assert files(out) == ["a.png", "a_probabilities.npy"]
    probabilities = np.load(out / "a_probabilities.npy")
    assert probabilities.dtype == np.float16
    assert probabilities.shape == (3, 40, 50)
    np.testing.assert_allclose(probabilities.astype(np.float32).sum(0), 1, atol=2e-3)
    chosen = np.take_along_axis(probabilities, read_mask(out / "a.png")[None].astype(int), 0)[0]
    np.testing.assert_array_equal(chosen, probabilities.max(0))


def test_crf_sharpens_what_is_written(untrained_run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("predict", untrained_run, photos / "a.png", "--out", out, "--crf", "--save", "labels,probabilities") == 0
    prediction = sharpen(Predictor(untrained_run)(photos / "a.png", probabilities=True))
    np.testing.assert_array_equal(read_mask(out / "a.png"), prediction.labels)
    assert prediction.probabilities is not None
    np.testing.assert_allclose(np.load(out / "a_probabilities.npy"), prediction.probabilities, atol=2e-3)


def test_a_broken_picture_is_named_and_the_others_are_done(
    untrained_run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.png").write_text("no picture")
    (photos / "cut.png").write_bytes((photos / "a.png").read_bytes()[:300])
    out = tmp_path / "out"
    assert run("predict", untrained_run, photos, "--out", out, "--save", "labels") == 2
    assert files(out) == ["a.png", "sub/b.png"]
    message = capsys.readouterr().err
    assert "2 of 4" in message
    assert "broken.png" in message
    assert "cut.png" in message


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("{model}", "{photos}/absent.png", "--out", "{out}"), "no such file"),
        (("{model}", "{photos}/*.tif", "--out", "{out}"), "matches no pictures"),
        (("{model}", "{photos}", "--out", "{out}", "--save", "label"), "labels"),
        (("{model}", "{photos}", "--out", "{out}", "--save", ","), "names nothing"),
        (("{model}", "{photos}", "--out", "{photos}"), "would overwrite a picture"),
        (("{model}", "{photos}", "--out", "{photos}/a.png"), "a file is in the way"),
        (("{tmp}/absent", "{photos}", "--out", "{out}"), "no such model"),
        (("{tmp}/pickled.pt", "{photos}", "--out", "{out}"), "pickle"),
    ],
)
def test_bad_input_is_one_message_and_leaves_nothing(
    arguments: tuple[str, ...],
    complaint: str,
    untrained_run: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pickled.pt").write_bytes(pickle.dumps({"weights": [1.0]}))
    places = {"model": untrained_run, "photos": photos, "tmp": tmp_path, "out": tmp_path / "out"}
    before = files(tmp_path)
    assert run("predict", *(argument.format(**places) for argument in arguments)) == 2
    assert complaint in " ".join(capsys.readouterr().err.split())
    assert files(tmp_path) == before
