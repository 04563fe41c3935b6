"""The tensors of a checkpoint that another library wrote, read without running what is inside it."""

from __future__ import annotations

import argparse
import pickle
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from pixelwise.errors import ModelError
from pixelwise.models.importing.stated_options import StatedOptions, read_stated_options

TENSOR_KEYS = ("state_dict", "model_state_dict", "model")
"""The keys under which training loops store the tensors, beside the state of their optimiser."""

SAFE_TYPES: list[Any] = [argparse.Namespace]
"""Types that a checkpoint may hold beside tensors: torchvision's training script saves its command line as one."""

WRAPPER_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""Prefixes of all names after data parallel training, after compilation, or in a Lightning module."""


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], StatedOptions]:
    """Read a state dict: a ``.pth`` or ``.pt`` file, a checkpoint that holds one, or a safetensors file.

    Pickles are opened by ``torch.load(weights_only=True)``, which builds tensors and plain containers and refuses
    everything else, so that nothing in the file is run.

    Returns:
        Name -> tensor, on the CPU, with names that have no prefix of a wrapper; and the options of the network that
        are stated beside the tensors.

    Raises:
        ModelError: there is no such file, it cannot be read, or it holds more than tensors or none.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; give the checkpoint that training wrote")
    content = _open(path)
    if not isinstance(content, Mapping):
        raise ModelError(f"{path}: holds a {type(content).__name__}, not a state dict; save model.state_dict()")
    tensors = {str(key): value for key, value in _held(content).items() if isinstance(value, Tensor)}
    if not tensors:
        keys = ", ".join(str(key) for key in list(content)[:8]) or "nothing"
        raise ModelError(f"{path}: holds no tensors by name (it has {keys}); save model.state_dict()")
    return _unwrap(tensors), read_stated_options(path, content)


def _open(path: Path) -> Any:
    with path.open("rb") as opened:
        head = opened.read(4)
    try:
        if head[:2] != b"PK" and head[:1] != b"\x80":
            return load(path.read_bytes())
        with torch.serialization.safe_globals(SAFE_TYPES):
            return torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ModelError(f"{path}: is neither a torch checkpoint nor a safetensors file ({error})") from None
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ModelError(
            f"{path}: holds more than tensors ({found[1] if found else 'objects'}), and making that could run code, so "
            "it is not opened. Load it where you trust it, and save model.state_dict() alone"
        ) from None
    except Exception as error:  # broken files raise many kinds of errors
        reason = textwrap.shorten(str(error) or type(error).__name__, 160, placeholder=" ...")
        raise ModelError(f"{path}: cannot be read as a torch checkpoint ({reason})") from None


def _held(content: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Give the state dict inside a checkpoint, or the checkpoint itself if it is a state dict."""
    for holder in TENSOR_KEYS:
        inner = content.get(holder)
        if isinstance(inner, Mapping):
            return _held(inner)
    return content


def _unwrap(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove a prefix that most names share; other names (of a loss with weights, for example) stay unchanged."""
    for prefix in WRAPPER_PREFIXES:
        if 2 * sum(name.startswith(prefix) for name in tensors) > len(tensors):
            return _unwrap({name.removeprefix(prefix): value for name, value in tensors.items()})
    return tensors
