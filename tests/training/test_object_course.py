from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from pixelwise import load_model
from pixelwise.cli.progress import Terminal
from pixelwise.data.source import DataSource, open_data
from pixelwise.detection import to_instances
from pixelwise.errors import DataError, SettingError
from pixelwise.inference import Predictor
from pixelwise.io.images import read_image
from pixelwise.listener import Silent
from pixelwise.metrics import choice
from pixelwise.metrics.objects import score_objects
from pixelwise.models.mask_rcnn import DetectionModel
from pixelwise.runs.finish import finish
from pixelwise.scoring import judge_for, judge_pictures
from pixelwise.training.callbacks import KeepState
from pixelwise.training.catalogue import default_model
from pixelwise.training.fit import Fitted, fit
from pixelwise.training.journal import read_metrics
from pixelwise.training.object_course import DetectionTask, ObjectCourse
from pixelwise.training.planning.machine import Machine
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import Settings
from pixelwise.training.timing.pace import MEASURED_STEPS


def run(source: DataSource, folder: Path, fixed: dict[str, Any], **options: Any) -> tuple[Fitted, str]:
    console = Console(file=io.StringIO(), width=120)
    options = {"epochs": 1.0, **options}
    fitted = fit(source, RunFolder(folder), fixed=fixed, listener=Terminal(console), **options)
    return fitted, console.file.getvalue()  # type: ignore[attr-defined]


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in read_metrics(RunFolder(folder)) if row["loss"]]


def unbatched(model: DetectionModel, source: DataSource, split: str) -> tuple[list[Any], list[Any]]:
    truths, found = [], []
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (model.preprocessing.mean, model.preprocessing.std))
    for pair in source.split(split):
        assert pair.objects is not None
        truths.append(pair.objects.read())
        image = (torch.from_numpy(read_image(pair.image, channels=3).copy()) / 255 - mean) / std
        found.append(to_instances(model.detect(image[None])[0], truths[-1].size))
    return truths, found


class Boxes:
    """Annotations without their masks."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader

    def read(self) -> Any:
        return replace(self.reader.read(), masks=None)


def test_objects_are_not_mirrored_beyond_a_picture(toys: DataSource, small_objects: dict[str, Any]) -> None:
    _, plan = ObjectCourse().study(toys, Machine.detect(), small_objects, Silent())
    draft = plan(1.0)
    values = {**draft.values, "validate_every": 8, "ema_decay": 0.5}
    assert ObjectCourse().set_up(toys, Settings.make(values)).model.edge == "zeros"
    for other in ({"edge": "mirror"}, {"shorter": 5}):
        with pytest.raises(SettingError, match="'mask_rcnn' finds objects"):
            ObjectCourse().set_up(toys, Settings.make({**values, **other}))


def test_circles_and_squares_are_learnt(toys: DataSource, small_objects: dict[str, Any], tmp_path: Path) -> None:
    fixed = {**small_objects, "steps": 160, "validate_every": 80, "learning_rate": 3e-3, "batch": 2}
    fitted, printed = run(toys, tmp_path / "run", fixed, verbose=True)
    assert fitted.finished
    curve = losses(tmp_path / "run")
    assert np.mean(curve[-10:]) < 0.5 * np.mean(curve[:10])
    model = load_model(fitted.run.path)
    assert isinstance(model, DetectionModel)
    assert model.label_space.names == ("circle", "square")
    truths, found = unbatched(model, toys, "train")
    scores = score_objects(truths, found, model.label_space)
    assert scores.ap50 > 0.4, "masks of both classes are found on the pictures that were learnt"
    rows = [row for row in read_metrics(fitted.run) if row["ap"]]
    assert [int(row["step"]) for row in rows] == [80, 160]
    kept = score_objects(*unbatched(model, toys, "val"), model.label_space)
    assert max(float(row["ap"]) for row in rows) == pytest.approx(kept.ap, abs=0.02), "the best weights are kept"
    assert "anchor sizes" in printed


@pytest.mark.parametrize("model", ["mask_rcnn", "faster_rcnn"])
def test_a_killed_run_goes_on_to_the_same_curve(
    toys: DataSource, small_objects: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    fixed = {**small_objects, "model": model, "validate_every": 4}
    if model == "faster_rcnn":
        fixed["model_options"] = {"channels": 32, "head": 64, "proposals": 100}
    run(toys, tmp_path / "unbroken", fixed)
    step = DetectionTask.training_step

    def break_at_step_six(task: DetectionTask, batch: Any, batch_idx: int) -> torch.Tensor:
        if task.global_step == 5:
            raise RuntimeError("the power went out")
        return step(task, batch, batch_idx)

    with monkeypatch.context() as broken:
        broken.setattr(DetectionTask, "training_step", break_at_step_six)
        broken.setattr(KeepState.__init__, "__kwdefaults__", {"every_seconds": 0.0})
        with pytest.raises(RuntimeError, match="power"):
            run(toys, tmp_path / "broken", fixed)
    resumed, printed = run(toys, tmp_path / "broken", {}, resume=True)
    assert "at step 5 of 8" in printed
    assert resumed.finished
    assert losses(tmp_path / "broken") == pytest.approx(losses(tmp_path / "unbroken"), rel=1e-3)
    assert len(losses(tmp_path / "broken")) == 8


def test_the_pace_is_that_of_a_trained_network(toys: DataSource, small_objects: dict[str, Any]) -> None:
    _, plan = ObjectCourse().study(toys, Machine.detect(), small_objects, Silent())
    draft = plan(1.0)
    settings = Settings.make({**draft.values, "steps": MEASURED_STEPS, "validate_every": 1, "ema_decay": 0.0})
    setup = ObjectCourse().set_up(toys, settings)
    task, stream = setup.task(settings), setup.stream(settings)
    before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    step, validation = setup.measure_pace(settings, torch.device("cpu"), Silent())
    assert 1e-4 < step < 60
    assert 1e-4 < validation < 60
    assert task.model.network.heads.detections == 100, "measured on a copy"
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.model.state_dict().items())
    objects = sum(len(stream.pictures[k][1]) for k in range(4)) / 4
    task.simulate_trained_output(stream.pictures)
    assert task.model.network.heads.detections == int(np.ceil(2 * objects)) + 10


def test_crops_without_objects_give_no_nan(toys: DataSource, small_objects: dict[str, Any]) -> None:
    empty = replace(toys, splits={"train": (toys.split("train")[5],) * 2, "val": toys.split("val")})
    _, plan = ObjectCourse().study(toys, Machine.detect(), small_objects, Silent())
    draft = plan(1.0)
    settings = Settings.make({**draft.values, "validate_every": 1, "ema_decay": 0.0})
    setup = ObjectCourse().set_up(empty, settings)
    task = setup.task(settings)
    batch = setup.stream(settings).batch(range(4))
    assert not any(len(target.boxes) for target in batch[1])
    assert task.model.network.heads.batch == 32
    loss = task.loss_of(batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in task.model.parameters() if p.grad is not None)


def test_data_that_does_not_fit_a_network_is_refused(
    shapes: Path, toys: DataSource, small_objects: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"shapes: the masks say which class.*unet"):
        run(open_data(shapes), tmp_path / "a", small_objects)
    boxes = {
        name: tuple(replace(pair, objects=Boxes(pair.objects)) for pair in pairs) for name, pairs in toys.splits.items()
    }
    with pytest.raises(DataError, match="train faster_rcnn"):
        run(replace(toys, splits=boxes), tmp_path / "b", small_objects)


def test_what_is_annotated_chooses_the_model(toys: DataSource) -> None:
    assert default_model(toys.pairs) == "mask_rcnn"
    boxes, masks = (
        replace(toys, splits={name: tuple(change(pair) for pair in pairs) for name, pairs in toys.splits.items()})
        for change in (
            lambda pair: replace(pair, objects=Boxes(pair.objects)),
            lambda pair: replace(pair, mask=pair.image, objects=None),
        )
    )
    assert default_model(boxes.pairs) == "faster_rcnn"
    assert default_model(masks.pairs) == "deeplabv3plus"
    for source, model in ((toys, "mask_rcnn"), (boxes, "faster_rcnn")):
        _, plan = ObjectCourse().study(source, Machine.detect(), {}, Silent())
        draft = plan(1.0)
        assert draft.values["model"] == model
        assert "annotated" in draft.reasons["model"]


def test_networks_that_label_pixels_learn_objects_too(toys: DataSource, small: dict[str, Any], tmp_path: Path) -> None:
    fitted, _ = run(toys, tmp_path / "run", {**small, "steps": 2})
    assert fitted.settings.border_weight == 10
    assert "touching" in fitted.settings.reasons["border_weight"]
    assert load_model(fitted.run.path).label_space.names == ("background", "circle", "square")
    assert [row["miou"] != "" for row in read_metrics(fitted.run)][-1]


@pytest.mark.parametrize("model", ["mask_rcnn", "unet"])
def test_what_counts_as_an_object_is_chosen_and_saved(
    toys: DataSource,
    small: dict[str, Any],
    small_objects: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
) -> None:
    fitted, _ = run(toys, tmp_path / "run", {**(small if model == "unet" else small_objects), "steps": 2})
    before = load_model(fitted.run.path)
    monkeypatch.setattr(choice, "FEWEST_CHOOSING_OBJECTS", 1)
    finished = finish(fitted.run, fitted.settings, toys)
    after = load_model(fitted.run.path)
    pairs = toys.split("val")
    predictor = Predictor(before)
    judged = judge_pictures(judge_for(predictor, pairs, predictor.label_space), pairs).settled()
    assert after.object_rule == judged.judge.rule
    assert (after.object_rule.min_area if model == "mask_rcnn" else after.object_rule.score) == 0
    scores = json.loads(fitted.run.scores_file.read_text())
    assert scores == json.loads(json.dumps(judged.evaluation().to_dict()))
    assert scores == json.loads(json.dumps(finished.evaluation.to_dict()))
    assert "what counts as an object" in fitted.run.report_file.read_text()
