"""What both torch runtimes share: devices, precisions, normalisation of pictures, fingerprints of models."""

from __future__ import annotations

import hashlib
import json

import torch
from torch import Tensor

from pixelwise.errors import SettingError
from pixelwise.models import Model
from pixelwise.ops.device import has_native_bfloat16
from pixelwise.preprocessing import Preprocessing

PRECISIONS = {
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Turn the name of a precision into a type: bfloat16 for ``"auto"`` where the device computes in it.

    Raises:
        SettingError: there is no such precision.
    """
    if precision == "auto":
        return torch.bfloat16 if has_native_bfloat16(device.type) else torch.float32
    if precision not in PRECISIONS:
        known = ", ".join(("auto", *PRECISIONS))
        raise SettingError(f"there is no precision '{precision}'; choose one of {known}", argument="precision")
    return PRECISIONS[precision]


def precision_name(computing: torch.dtype) -> str:
    """Give the name of a precision, as :func:`choose_precision` takes it."""
    return str(computing).removeprefix("torch.")


def choose_device(device: str) -> torch.device:
    """Turn a device name into a torch device that exists.

    Raises:
        SettingError: the name is unknown, or the machine has no such device.
    """
    if device == "auto":
        found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(found)
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError):  # torch raises AssertionError if it was built without CUDA
        raise SettingError(f"there is no device '{device}' here; choose auto, cpu, cuda, cuda:1 or mps") from None
    return chosen


def normalisation(preprocessing: Preprocessing, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel on the scale 0 .. 255: (C,) each."""
    mean, std = (
        255 * torch.tensor(values, device=device, dtype=dtype) for values in (preprocessing.mean, preprocessing.std)
    )
    return mean, std


def fingerprint_of(model: Model, computing: torch.dtype) -> str:
    """Identify a model and its precision: name, digest of everything that results depend on, precision."""
    card = model.card.to_dict()
    described = {key: card[key] for key in ("options", "preprocessing", "edge")}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    for key, value in model.state_dict().items():
        digest.update(key.encode())
        digest.update(value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"{model.name or 'model'} {digest.hexdigest()[:16]} {precision_name(computing)}"
