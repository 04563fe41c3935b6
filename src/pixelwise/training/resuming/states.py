"""The two newest states of a run, of which a damaged one is passed over."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pixelwise.errors import SettingError
from pixelwise.listener import Listener
from pixelwise.training.run_folder import RunFolder

_PARTS = ("global_step", "state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "loops", "callbacks")


@dataclass(frozen=True)
class State:
    """A state that is sound.

    Args:
        path: its file.
        step: steps that are done.
    """

    path: Path
    step: int


class DamagedStateError(Exception):
    """A state cannot be used; the message is the reason."""


def find_state(run: RunFolder, weights: Mapping[str, Tensor], listener: Listener) -> State | None:
    """Find the newest state of a run that is sound; None where the run has none yet.

    Reading a state runs none of its code. A damaged file is set aside, so that the next state to be saved does not
    take the place of the sound one.

    Args:
        run: the run folder.
        weights: the weights of the network of the run, whose names and shapes a state must have.
        listener: is warned of a state that is damaged.

    Raises:
        SettingError: there are states, but none is sound.
    """
    faults: dict[Path, str] = {}
    for path in (run.checkpoint, run.previous_checkpoint):
        try:
            if not path.is_file():
                continue
            step = check_state(path, weights)
        except DamagedStateError as error:
            faults[path] = str(error)
            continue
        if faults or path != run.checkpoint:
            what = f"is damaged ({faults[run.checkpoint]})" if faults else "is missing"
            listener.warn(f"{run.checkpoint} {what}; going on from the state before it, that of step {step}")
        if faults:
            run.checkpoint.replace(run.damaged_checkpoint)
        return State(path, step)
    if faults:
        found = ", ".join(f"{path.name} ({fault})" for path, fault in faults.items())
        start = f", with weights {run.model_file} to start from its best model" if run.model_file.is_file() else ""
        raise SettingError(
            f"{run.path}: no state of this run can be used: {found}; begin a new run in another folder{start}",
            argument="resume",
        )
    return None


def check_state(path: Path, weights: Mapping[str, Tensor]) -> int:
    """Read a state without running code that it may hold, and give its step.

    Args:
        path: a state, as Lightning saves it.
        weights: the weights of the network, by name.

    Raises:
        DamagedStateError: it is cut off, its checksums are wrong, it holds more than tensors and plain containers, or
            it is the state of another network.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself checks no checksum
            broken = archive.testzip()
        if broken is not None:
            raise DamagedStateError("its checksums are wrong")
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise DamagedStateError("it holds more than tensors and plain containers") from None
    except (zipfile.BadZipFile, EOFError):
        raise DamagedStateError("it is cut off") from None
    except (OSError, RuntimeError, ValueError, KeyError, NotImplementedError) as error:
        raise DamagedStateError(" ".join(str(error).split())[:80]) from None
    if not isinstance(state, dict) or not all(part in state for part in _PARTS):
        raise DamagedStateError("it is no state of training")
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    found = state["current_model_state"]
    saved = {name.removeprefix("model."): found[name].shape for name in found if name.startswith("model.")}
    if saved != shapes:
        raise DamagedStateError("it is the state of another network")
    return int(state["global_step"])
