"""Comparing models from the folder of pictures to the page: trained alike, finished, failed, or stopped."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from drawn import draw_blocks
from PIL import Image

from pixelwise.data.source import open_data
from pixelwise.data.targets import paint_classes, semantic_space
from pixelwise.errors import DataError, PixelwiseError, SettingError
from pixelwise.inference import Predictor
from pixelwise.models import MODELS, build_model, save_model
from pixelwise.runs.compare import compare, compare_runs
from pixelwise.runs.comparing import training
from pixelwise.runs.evaluate import evaluate

SMALL: dict[str, Any] = {
    "weights": "none",
    "crop": (64, 64),
    "batch": 2,
    "steps": 2,
    "validate_every": 2,
    "workers": 0,
    "precision": "32-true",
}
FCN = "fcn:encoder=mobilenetv3_small_050"
UNET = "unet:encoder=mobilenetv3_small_050"
BROKEN = f"{FCN}:learning_rate=1e30"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return draw_blocks(tmp_path / "data", 10)


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Pictures of bright squares, as maps of ids."""
    root = tmp_path / "cells"
    for folder in ("images", "instance_masks"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(8):
        ids = np.zeros((64, 64), np.uint16)
        for object_id, (y, x) in enumerate(rng.permutation([(6, 6), (6, 38), (38, 6), (38, 38)])[:3], 1):
            ids[y : y + 18, x : x + 18] = object_id
        image = np.repeat((40 + 150 * (ids > 0))[:, :, None], 3, 2).astype(np.uint8)
        Image.fromarray(image).save(root / f"images/{number}.png")
        Image.fromarray(ids).save(root / f"instance_masks/{number}.png")
    return root


def described(out: Path) -> dict[str, Any]:
    assert (out / "compare.html").stat().st_size > 10_000
    return dict(json.loads((out / "compare.json").read_text()))


def write_run(run: Path, data: Path, model: str, *, seed: int = 0, **options: Any) -> Path:
    """Write what a finished run leaves, with fresh weights."""
    source = open_data(data)
    torch.manual_seed(seed)
    space = source.label_space
    if source.has_objects and not MODELS[model].objects:
        space = semantic_space(space)
    run.mkdir(parents=True, exist_ok=True)
    save_model(build_model(model, classes=space, encoder="mobilenetv3_small_050", **options), run / "model.safetensors")
    splits = {name: [pair.id for pair in pairs] for name, pairs in source.splits.items()}
    (run / "splits.json").write_text(json.dumps({"data": str(data.resolve()), "splits": splits}))
    (run / "scores.json").write_text("{}")
    return run


def test_models_are_trained_alike(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = compare(data, models=[FCN, f"{FCN}:hflip=false"], out=out, measure=False, **SMALL)
    assert found is not None
    for model in described(out)["models"]:
        (run,) = model["runs"]
        assert (run["seed"], run["steps"]) == (0, 2)
        assert run["training_seconds"] > 0
        scores = json.loads((Path(run["path"]) / "scores.json").read_text())
        assert model["figures"]["miou"]["value"] == pytest.approx(scores["miou"])
        assert model["figures"]["miou"]["interval"] == pytest.approx(scores["intervals"]["miou"])
        assert model["multiply_adds"] > 0


def test_a_comparison_lists_failures_stops_and_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    asked: list[tuple[str, int, bool]] = []

    def pretend(source: Any, *, out: Path, model: str, seed: int, resume: bool, **settings: Any) -> Any:
        """Write a run at once; the broken model fails, and the last run is stopped the first time."""
        asked.append((model, seed, resume))
        out.mkdir(exist_ok=True)
        if settings.get("learning_rate") == 1e30:
            raise RuntimeError("the device ran\nout of memory")
        if (model, seed) == ("unet", 1) and not resume:
            (out / "settings.yaml").write_text("model: unet")
            return SimpleNamespace(stopped=True)
        (out / "settings.yaml").unlink(missing_ok=True)
        write_run(out, data, model, seed=seed)
        return SimpleNamespace(stopped=False)

    monkeypatch.setattr(training, "train", pretend)
    models = [FCN, BROKEN, UNET]
    assert compare(data, models=models, out=out, seeds=2, measure=False, **SMALL) is None
    assert asked == [(model, seed, False) for seed in (0, 1) for model in ("fcn", "fcn", "unet")]
    assert not (out / "compare.json").exists()
    asked.clear()
    found = compare(data, models=models, out=out, seeds=2, measure=False, **SMALL)
    assert found is not None
    assert asked == [("fcn", 0, False), ("fcn", 1, False), ("unet", 1, True)]  # the broken one is tried again

    stated = {model["name"]: model for model in described(out)["models"]}
    assert list(stated) == models
    assert stated[BROKEN]["problems"] == [f"seed {seed}: RuntimeError: the device ran out of memory" for seed in (0, 1)]
    assert "Traceback" in (next(out.glob("*1e30-seed0")) / training.FAILURE_FILE).read_text()
    for name in (FCN, UNET):
        figure = stated[name]["figures"]["miou"]
        alone = [evaluate(run["path"], data).pixels for run in stated[name]["runs"]]
        assert figure["by_run"] == pytest.approx([one.miou for one in alone if one is not None])
        assert figure["value"] == pytest.approx(sum(figure["by_run"]) / 2)
    with pytest.raises(SettingError, match="a comparison with settings"):
        compare(data, models=models, out=out, measure=False, **{**SMALL, "batch": 4})


def test_where_every_model_fails_the_reasons_are_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **settings: Any) -> Any:
        raise SettingError(f"no time for {settings['model']}")

    monkeypatch.setattr(training, "train", fail)
    with pytest.raises(PixelwiseError, match=r"no model could be trained: .*no time for fcn; .*no time for unet"):
        compare(data, models=[FCN, UNET], out=tmp_path / "out", measure=False, **SMALL)


def test_finished_runs_are_compared_on_what_all_kept(data: Path, tmp_path: Path, untrained_run: Path) -> None:
    runs = [write_run(tmp_path / name, data, name) for name in ("fcn", "unet")]
    found = compare_runs(runs, data, out=tmp_path / "out")
    kept = json.loads((tmp_path / "fcn" / "splits.json").read_text())["splits"]["val"]
    assert list(found.pictures) == kept
    for candidate in found.scored:
        expected = evaluate(tmp_path / candidate.name, data).to_dict()
        stated = found.figures[candidate.name]
        assert {key: figure.value for key, figure in stated.items()} == {key: expected[key] for key in stated}
        assert {key: list(figure.interval or ()) for key, figure in stated.items()} == expected["intervals"]
        assert candidate.cost is not None
        assert candidate.cost.latency_ms is not None
        assert candidate.cost.latency_ms > 0
    assert described(tmp_path / "out")["machine"]

    other_classes = compare_runs([runs[0], untrained_run], data, out=tmp_path / "out", measure=False)
    assert "knows dark, middle, bright" in other_classes.candidates[1].problems[0]
    content = json.loads((runs[1] / "splits.json").read_text())
    content["splits"]["val"] = [id for id in content["splits"]["train"] if id not in kept][:2]
    (runs[1] / "splits.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="have none in common"):
        compare_runs(runs, data, out=tmp_path / "out", measure=False)


def test_both_roads_to_objects_are_compared_by_their_pixels(cells: Path, tmp_path: Path) -> None:
    small = {"channels": 32, "head": 64, "mask_head": 32, "proposals": 50}
    runs = [
        write_run(tmp_path / "semantic", cells, "fcn"),
        write_run(tmp_path / "instance", cells, "mask_rcnn", **small),
    ]
    found = compare_runs(runs, cells, out=tmp_path / "out", measure=False)
    assert found.headline == "miou"
    assert "painted as annotated ones are" in found.rule
    assert {"miou", "ap", "box_ap", "pq"} <= set(found.figures["semantic"]) == set(found.figures["instance"])
    predictor = Predictor(runs[1])
    right = total = 0
    for id in found.pictures:
        prediction = predictor(cells / id)
        labels = paint_classes(prediction.accepted, prediction.label_space)
        target = np.asarray(Image.open(cells / "instance_masks" / Path(id).name)) > 0
        right, total = right + int((labels == target).sum()), total + labels.size
    assert found.figures["instance"]["pixel_accuracy"].value == pytest.approx(right / total)
    assert found.scored[1].finds_objects
    alone = compare_runs([runs[1], runs[1] / "model.safetensors"], cells, out=tmp_path / "out", measure=False)
    assert alone.headline == "ap"
    assert list(alone.class_figures["model"]) == ["object"]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"models": [FCN]}, "models: 1 given; two or more"),
        ({"models": [FCN, FCN]}, "is given twice"),
        ({"models": [FCN, "unett"]}, "nearest names are unet"),
        ({"minutes": 1, "epochs": 2}, "minutes: give a time or a number of epochs"),
        ({"steps": None}, "minutes: give a time, epochs or steps"),
        ({"seeds": 0}, "seeds: must be positive"),
        ({"modle": 1}, "no setting 'modle'"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(
    more: dict[str, Any], complaint: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(PixelwiseError, match=complaint):
        compare(data, **{"models": [FCN, UNET], **SMALL, **more}, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
