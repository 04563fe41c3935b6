from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pixelwise.errors import SettingError
from pixelwise.listener import Silent
from pixelwise.training.resuming.states import State, find_state
from pixelwise.training.run_folder import RunFolder


class Warned(Silent):
    """Keeps the warnings that it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


def weights(width: int = 4) -> dict[str, Tensor]:
    return nn.Linear(width, 2).state_dict()


def save_state(path: Path, step: int, **more: Any) -> None:
    current = {f"model.{name}": tensor for name, tensor in weights().items()}
    state = {"global_step": step, "state_dict": current, "current_model_state": current, "loops": {}, "callbacks": {}}
    torch.save({**state, "optimizer_states": [], "lr_schedulers": [], **more}, path)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path)
    save_state(run.checkpoint, 20)
    save_state(run.previous_checkpoint, 10)
    return run


class Evil:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("evil",)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = content.index(weights_bytes(path))
    content[place] ^= 1
    path.write_bytes(content)


def weights_bytes(path: Path) -> bytes:
    tensor = torch.load(path, weights_only=True)["state_dict"]["model.weight"]
    return bytes(tensor.numpy().tobytes())


def make_evil(path: Path) -> None:
    save_state(path, 20, extra=Evil())


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_another_network(path: Path) -> None:
    save_state(path, 20, current_model_state={f"model.{name}": tensor for name, tensor in weights(5).items()})


def a_model_alone(path: Path) -> None:
    torch.save(weights(), path)


DAMAGES = {
    cut: "it is cut off",
    flip: "its checksums are wrong",
    make_evil: "it holds more than tensors and plain containers",
    empty: "it is cut off",
    of_another_network: "it is the state of another network",
    a_model_alone: "it is no state of training",
}


def test_the_newest_state_is_taken_without_a_word(run: RunFolder) -> None:
    listener = Warned()
    assert find_state(run, weights(), listener) == State(run.checkpoint, 20)
    assert not listener.lines


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_state_falls_back_to_the_one_before(
    run: RunFolder, damage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.path)
    damage(run.checkpoint)
    listener = Warned()
    assert find_state(run, weights(), listener) == State(run.previous_checkpoint, 10)
    assert len(listener.lines) == 1
    assert (
        f"last.ckpt is damaged ({DAMAGES[damage]}); going on from the state before it, that of step 10"
        in (listener.lines[0])
    )
    assert not run.checkpoint.exists(), "the next state must not take the place of the sound one"
    assert run.damaged_checkpoint.exists()
    assert not (run.path / "evil").exists()
    assert find_state(run, weights(), listener) == State(run.previous_checkpoint, 10)
    assert "last.ckpt is missing" in listener.lines[1]


def test_two_damaged_states_are_refused(run: RunFolder) -> None:
    cut(run.checkpoint)
    shutil.copy(run.checkpoint, run.previous_checkpoint)
    says = re.escape("last.ckpt (it is cut off), previous.ckpt (it is cut off); begin a new run in another folder")
    with pytest.raises(SettingError, match=f"{says}$") as refused:
        find_state(run, weights(), Silent())
    assert refused.value.argument == "resume"
    run.model_file.touch()
    with pytest.raises(SettingError, match=r"with weights .*model\.safetensors to start from its best model"):
        find_state(run, weights(), Silent())
    assert run.checkpoint.exists()


def test_a_run_without_states_begins_at_the_beginning(tmp_path: Path) -> None:
    assert find_state(RunFolder(tmp_path), weights(), Silent()) is None
