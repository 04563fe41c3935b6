"""A training in a process of its own: how far it is, how it ends, and that it can be stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pixelwise.errors import ModelError, SettingError
from pixelwise.labelling.training import Training, train_command

PROGRAM = """
import time
print("12 pictures train")
print("training 3/8, loss 0.5, 12 s left", flush=True)
time.sleep({seconds})
print("{last}", flush=True)
raise SystemExit({status})
"""


def started(
    tmp_path: Path, *, seconds: float = 0, last: str = "done", status: int = 0
) -> tuple[Training, list[Path], Callable[[], str]]:
    finished: list[Path] = []
    program = PROGRAM.format(seconds=seconds, last=last, status=status)
    training = Training(tmp_path / "data", finished.append, lambda data, run, minutes: [sys.executable, "-c", program])
    training.start(1)
    return training, finished, lambda: str(training.describe()["state"])


def wait_while(state: Callable[[], str], value: str) -> None:
    until = time.monotonic() + 30
    while state() == value:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_training_tells_how_far_it_is_and_hands_its_run_on(tmp_path: Path) -> None:
    training, finished, state = started(tmp_path)
    wait_while(state, "running")
    told = training.describe()
    assert (told["state"], told["doing"], told["done"], told["total"]) == ("finished", "training", 3, 8)
    assert told["note"] == "loss 0.5, 12 s left"
    assert told["lines"][-1] == "done"
    assert finished == [tmp_path / "data-runs" / "1"]


def test_a_training_that_fails_says_why(tmp_path: Path) -> None:
    training, finished, state = started(tmp_path, last="error: too few pictures", status=2)
    wait_while(state, "running")
    assert state() == "failed"
    assert training.describe()["lines"][-1] == "error: too few pictures"
    assert finished == []


def test_a_training_is_stopped_and_another_begun(tmp_path: Path) -> None:
    training, finished, state = started(tmp_path, seconds=60)
    with pytest.raises(SettingError, match="runs already"):
        training.start(1)
    training.stop()
    wait_while(state, "running")
    assert state() == "stopped"
    assert finished == []
    training.start(1)
    assert state() == "running"
    training.stop()


def test_a_model_that_cannot_be_opened_is_a_failure(tmp_path: Path) -> None:
    def broken(run: Path) -> None:
        raise ModelError(f"{run}: there is no model")

    training = Training(tmp_path / "data", broken, lambda data, run, minutes: [sys.executable, "-c", "print('x')"])
    training.start(1)
    wait_while(lambda: str(training.describe()["state"]), "running")
    told = training.describe()
    assert told["state"] == "failed"
    assert "there is no model" in told["lines"][-1]


def test_the_command_is_that_of_the_command_line() -> None:
    command = train_command(Path("data"), Path("data-runs/1"), 2.5)
    assert command[1:] == ["-m", "pixelwise", "train", "data", "--minutes", "2.5", "--out", "data-runs/1"]
