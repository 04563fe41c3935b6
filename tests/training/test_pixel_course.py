from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelwise.data.source import open_data
from pixelwise.listener import Silent
from pixelwise.losses import make_loss
from pixelwise.models import Coarse
from pixelwise.training.pixel_course import PixelCourse
from pixelwise.training.planning.machine import Machine
from pixelwise.training.settings import Settings
from pixelwise.training.timing.pace import MEASURED_STEPS


def test_a_pixel_weighs_its_class_and_its_gap(shapes: Path, small_paper: dict[str, Any]) -> None:
    source = open_data(shapes)
    _, plan = PixelCourse().study(source, Machine.detect(), {**small_paper, "class_weights": (1.0, 2.0, 3.0)}, Silent())
    draft = plan(1.0)
    settings = Settings.make({**draft.values, "validate_every": 1, "ema_decay": 0.0})
    task = PixelCourse().set_up(source, settings).task(settings)
    logits = torch.randn(2, 3, 9, 11, dtype=torch.float64, requires_grad=True)
    coarse = Coarse(logits, (9, 11), 1.0, 0.0)
    target = torch.randint(0, 3, (2, 9, 11))
    target[0, :3] = 255
    gaps = torch.rand(2, 9, 11)
    losses = torch.nn.functional.cross_entropy(logits, target, ignore_index=255, reduction="none")
    weights = torch.tensor([1.0, 2.0, 3.0])[target.clamp(max=2)] + gaps
    weights[target == 255] = 0
    expected = (losses * weights).sum() / weights.sum()
    torch.testing.assert_close(task.loss(coarse, target, gaps), expected, rtol=1e-6, atol=1e-6, check_dtype=False)
    without = task.loss(coarse, target)
    torch.testing.assert_close(task.loss(coarse, target, torch.zeros_like(gaps)), without)


@pytest.mark.parametrize("loss", ["ce+dice", "0.5*lovasz+focal(gamma=1)", "ohem"])
def test_the_loss_of_the_settings_is_what_is_computed(shapes: Path, small: dict[str, Any], loss: str) -> None:
    source = open_data(shapes)
    _, plan = PixelCourse().study(source, Machine.detect(), {**small, "loss": loss}, Silent())
    draft = plan(1.0)
    settings = Settings.make({**draft.values, "steps": 8, "validate_every": 8, "ema_decay": 0.0})
    setup = PixelCourse().set_up(source, settings)
    task = setup.task(settings)
    images, target = setup.stream(settings).batch([0, 1])
    coarse = task.model.coarse(task.normalise(images))
    expected = make_loss(loss, class_weights=settings.class_weights)(
        coarse.logits, target, scale=coarse.scale, offset=coarse.offset
    )
    torch.testing.assert_close(task.loss(coarse, target), expected)


def test_the_pace_is_measured_on_copies(shapes: Path, small: dict[str, Any]) -> None:
    source = open_data(shapes)
    _, plan = PixelCourse().study(source, Machine.detect(), small, Silent())
    draft = plan(1.0)
    settings = Settings.make({**draft.values, "steps": MEASURED_STEPS, "validate_every": 1, "ema_decay": 0.0})
    setup = PixelCourse().set_up(source, settings)
    model = setup.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    step_seconds, validation_seconds = setup.measure_pace(settings, torch.device("cpu"), Silent())
    assert 1e-4 < step_seconds < 60
    assert 1e-4 < validation_seconds < 60
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def planned(shapes: Path, fixed: dict[str, Any]) -> dict[str, Any]:
    _, plan = PixelCourse().study(open_data(shapes), Machine.detect(), fixed, Silent())
    draft = plan(1.0)
    return {**draft.values, "validate_every": 8, "ema_decay": 0.5}


def test_runs_older_than_the_choice_go_on_with_zeros(shapes: Path, small: dict[str, Any]) -> None:
    values = planned(shapes, small)
    assert PixelCourse().set_up(open_data(shapes), Settings.make(values)).model.edge == "mirror"
    older = Settings.make({name: value for name, value in values.items() if name not in ("edge", "shorter")})
    assert PixelCourse().set_up(open_data(shapes), older).model.edge == "zeros"
    assert older.shorter == 0


@pytest.mark.parametrize(("model", "shorter"), [("fcn", 0), ("fcn", 16), ("unet", 16)])
def test_the_network_is_shown_what_lies_beyond_a_picture(
    shapes: Path, small: dict[str, Any], model: str, shorter: int
) -> None:
    """Crops that lack of the period go on as pictures do, all of a batch alike."""
    settings = Settings.make(planned(shapes, {**small, "model": model, "shorter": shorter}))
    assert settings.edge == ("none" if model == "unet" else "mirror")
    setup = PixelCourse().set_up(open_data(shapes), settings)
    task, stream = setup.task(settings), setup.stream(settings)
    inputs: list[Tensor] = []
    sizes: set[tuple[int, int]] = set()
    setup.model.network.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    for step in range(8):
        images, masks = stream.collate([stream.crops[2 * step + k] for k in range(2)])
        assert torch.isfinite(task.loss_of((images, masks)))
        height, width = images.shape[2:]
        assert masks.shape[1:] == (height, width)
        sizes.add((height, width))
        expected = task.normalise(images)
        if model == "fcn":
            expected = np.pad(expected, ((0, 0), (0, 0), (0, 64 - height), (0, 64 - width)), mode="reflect")
        np.testing.assert_array_equal(inputs[-1], expected)
    assert all(64 - shorter <= side <= 64 for size in sizes for side in size)
    assert (len(sizes) > 4) == (shorter > 0)
