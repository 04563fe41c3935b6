"""Model files: safetensors with everything inside that a prediction needs, and nothing that runs code."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pixelwise import __version__
from pixelwise.errors import ModelError
from pixelwise.instances import ObjectRule
from pixelwise.io.atomic import atomic_path
from pixelwise.models.base import SegmentationModel
from pixelwise.models.build import Model, build_model
from pixelwise.tiling import FAST_HALO
from pixelwise.types import LabelSpace, Preprocessing

MODEL_FILE = "model.safetensors"
"""Name of the model file in a run folder."""


def save_model(model: Model, path: str | Path) -> None:
    """Write a model as one ``.safetensors`` file, with all that a prediction needs.

    These are weights, name, options, label space, preprocessing, what counts as an object, and how much tiles see
    around them.

    The file appears whole or not at all.

    Raises:
        PixelwiseError: the path cannot be written.
    """
    described: dict[str, Any] = {
        "version": __version__,
        "name": model.name,
        "options": model.options,
        "label_space": model.label_space.to_dict(),
        "preprocessing": model.preprocessing.to_dict(),
        "object_rule": asdict(model.object_rule),
    }
    if isinstance(model, SegmentationModel):
        described["fast_halo"] = model.fast_halo
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    # Written by ourselves: the library's own writer hides a full disk behind an error of its own.
    content = save(tensors, metadata={"pixelwise": json.dumps(described)})
    with atomic_path(Path(path)) as beside:
        beside.write_bytes(content)


def find_model_file(path: str | Path) -> Path:
    """Return the model file that a path means: the file itself, or the one inside a run folder.

    Raises:
        ModelError: there is none.
    """
    path = Path(path)
    if path.is_dir():
        file = path / MODEL_FILE
        if not file.is_file():
            raise ModelError(f"{path}: the folder holds no {MODEL_FILE}; give a run folder that has trained, or a file")
        return file
    if not path.is_file():
        raise ModelError(f"{path}: there is no such model file or run folder")
    return path


def load_model(path: str | Path) -> Model:
    """Read a model file, or the one inside a run folder, and return the model in evaluation mode on the CPU.

    Raises:
        ModelError: no such file, not a pixelwise model file, or one whose tensors do not fit its description.
    """
    file = find_model_file(path)
    described, tensors = _read(file)
    try:
        model = build_model(
            described["name"],
            classes=LabelSpace.from_dict(described["label_space"]),
            preprocessing=Preprocessing.from_dict(described["preprocessing"]),
            **described["options"],
        )
        model.load_state_dict(_inside_network(tensors))
        if "object_rule" in described:  # the first model files had none
            model.object_rule = ObjectRule(**described["object_rule"])
        if isinstance(model, SegmentationModel):
            model.fast_halo = int(described.get("fast_halo", FAST_HALO))
    except (KeyError, TypeError, RuntimeError) as error:
        made_by = described.get("version", "an unknown version")
        reason = textwrap.shorten(str(error), 300, placeholder=" ...")
        raise ModelError(
            f"{file}: the model does not fit its description ({reason}); it was written by pixelwise {made_by}, "
            f"this is {__version__}"
        ) from None
    return model.eval()


def _inside_network(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Name tensors as they are named now: the first model files had encoder, decoder and head in no network."""
    return {
        f"network.{key}" if key.startswith(("encoder.", "decoder.", "head.")) else key: value
        for key, value in tensors.items()
    }


def _read(file: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file}: {_why_not_safetensors(file, error)}") from None
    if "pixelwise" not in metadata:
        raise ModelError(f"{file}: holds weights without pixelwise's description; write models with save_model()")
    described: dict[str, Any] = json.loads(metadata["pixelwise"])
    return described, tensors


def _why_not_safetensors(file: Path, error: Exception) -> str:
    with file.open("rb") as opened:
        head = opened.read(4)
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return (
            "this is a pickle (a torch checkpoint), which can run code when it is opened; pixelwise reads "
            "safetensors only. Load it where you trust it and write it with pixelwise.save_model()"
        )
    return f"this is no safetensors model file ({error})"
