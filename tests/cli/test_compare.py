"""``pixelwise compare``: what is asked for wrongly is one message, and a stopped comparison ends with 130."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from verbs import run

from pixelwise.metrics.paired import Sampled
from pixelwise.scoring.comparison import Candidate, Comparison, ScoredRun


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.full((8, 8), number % 2, np.uint8)).save(tmp_path / f"data/{folder}/{number}.png")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("{data}",), "--models: name models to train on DATA, or give finished runs and the data"),
        (("{data}", "{data}", "--models", "fcn,unet"), "--models: models are trained on one folder, got 2"),
        (("a", "b", "--data", "{data}", "--minutes", "1"), "--minutes: has no meaning with finished runs"),
        (("{data}", "--models", "fcn,unet", "--split", "val"), "--split: has no meaning with models that are trained"),
        (("{data}", "--models", "fcn,unet"), "--minutes: give a time, epochs or steps"),
        (("{data}", "--models", "fcn", "--epochs", "1"), "--models: 1 given; two or more can be compared"),
        (("{data}", "--models", "fcn,unett", "--epochs", "1"), "nearest names are unet"),
        (("a", "b", "--data", "{data}/absent"), "no such folder"),
        (("a", "b", "--data", "{data}"), "a: there is no such model file or run folder"),
    ],
)
def test_bad_input_is_one_message(
    arguments: tuple[str, ...], complaint: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.format(data=data) for argument in arguments]
    assert run("compare", *given, "--out", tmp_path / "out") == 2
    message = " ".join(capsys.readouterr().err.split())
    assert complaint in message
    assert "Traceback" not in message


def test_names_with_options_reach_the_comparison(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}
    runs = [
        ScoredRun("r", 0, {"miou": Sampled(value, np.array([value, value]))}, {"miou": {}}, {}) for value in (0.5, 0.75)
    ]
    found: list[Comparison | None] = [
        Comparison(
            (Candidate("fcn", (runs[0],)), Candidate("unet", (runs[1],)), Candidate("segnet", (), ("no",))),
            "miou",
            {},
            ("a", "b"),
            "all",
            "a rule",
        ),
        None,
    ]

    def pretend(located: Any, **more: Any) -> Comparison | None:
        given.update(more)
        return found.pop(0)

    monkeypatch.setattr("pixelwise.runs.compare.compare", pretend)
    arguments = ("compare", data, "--models", "fcn:crop=[8,8], unet:loss=ce+dice", "--epochs", "2", "--seeds", "3")
    assert run(*arguments, "--set", "batch=2", "--out", tmp_path / "out") == 0
    assert given["models"] == ["fcn:crop=[8,8]", "unet:loss=ce+dice"]
    assert (given["epochs"], given["seeds"], given["batch"], given["measure"]) == (2, 3, 2, True)
    printed = " ".join(capsys.readouterr().out.split())
    assert "+0.2500" in printed
    assert "segnet: no" in printed
    assert run(*arguments, "--no-timing", "--out", tmp_path / "out") == 130
    assert given["measure"] is False
    assert "the same command goes on" in capsys.readouterr().out
