"""The runtime that computes with torch; the only part of inference that imports it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelwise.errors import SettingError
from pixelwise.models import Coarse, SegmentationModel, load_model
from pixelwise.ops import upsample_argmax, upsample_confusion
from pixelwise.ops.device import has_native_bfloat16
from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.tail_torch import bands, upsample_band

PRECISIONS = ("auto", "bfloat16", "float32")


class TorchRuntime:
    """Runs a model on whole pictures, in bfloat16 where the device computes in it.

    Args:
        model: a model, which is moved to the device and put in evaluation mode; or a model file or run folder.
        device: ``"auto"`` (CUDA, else Apple's GPU, else the CPU) or a torch device.
        precision: ``"auto"``, ``"bfloat16"`` or ``"float32"``.

    Raises:
        SettingError: no such device or precision.
        ModelError: the file is no pixelwise model.
    """

    def __init__(self, model: SegmentationModel | str | Path, *, device: str, precision: str) -> None:
        if precision not in PRECISIONS:
            raise SettingError(f"there is no precision '{precision}'; choose one of {', '.join(PRECISIONS)}")
        self.device = choose_device(device)
        loaded = load_model(model) if isinstance(model, str | Path) else model
        self.model: SegmentationModel = loaded.to(self.device).to(memory_format=torch.channels_last).eval()
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and has_native_bfloat16(self.device.type))
        self.label_space = self.model.label_space
        self.preprocessing = self.model.preprocessing
        mean, std = (
            torch.tensor(values, device=self.device) for values in (loaded.preprocessing.mean, loaded.preprocessing.std)
        )
        self._mean, self._std = 255 * mean[:, None, None], 255 * std[:, None, None]

    def labels(self, image: NDArray[np.uint8]) -> NDArray[np.integer]:
        """Label every pixel of an image (C, H, W): class indices (H, W)."""
        with torch.inference_mode():
            return self._labels(self._coarse(image))

    def probabilities(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
        """Label every pixel of an image (C, H, W), and give the softmax as float32 (K, H, W) in main memory."""
        with torch.inference_mode():
            coarse = self._coarse(image)
            return self._labels(coarse), _probabilities(coarse)

    def confusion(self, image: NDArray[np.uint8], mask: NDArray[np.integer]) -> NDArray[np.int64]:
        """Count an image (C, H, W) against its mask (H, W): int64 (K, K), ``[target, prediction]``."""
        with torch.inference_mode():
            coarse = self._coarse(image)
            # Wider masks than uint8 go as int32, because torch computes little in uint16.
            target = torch.from_numpy(np.array(mask, np.uint8 if mask.dtype == np.uint8 else np.int32))[
                None
            ]  # (1, H, W)
            counts = upsample_confusion(
                coarse.logits,
                target.to(self.device),
                scale=coarse.scale,
                offset=coarse.offset,
                ignore_index=self.label_space.ignore_index,
            )
            return counts.cpu().numpy()

    def _coarse(self, image: NDArray[np.uint8]) -> Coarse:
        pixels = torch.from_numpy(np.array(image))[None].to(self.device)  # (1, C, H, W)
        normalised = ((pixels - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            return self.model.coarse(normalised)

    def _labels(self, coarse: Coarse) -> NDArray[np.integer]:
        labels = upsample_argmax(coarse.logits, coarse.size, scale=coarse.scale, offset=coarse.offset)  # (1, H, W)
        return labels[0].cpu().numpy()


def choose_device(device: str) -> torch.device:
    """Turn a device name into a torch device that exists.

    Raises:
        SettingError: the name means nothing, or the machine has no such device.
    """
    if device == "auto":
        found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(found)
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError):  # torch asserts where it was built without CUDA
        raise SettingError(f"there is no device '{device}' here; choose auto, cpu, cuda, cuda:1 or mps") from None
    return chosen


def _probabilities(coarse: Coarse) -> NDArray[np.float32]:
    """Softmax of the upsampled logits of one picture; full-size floats exist in main memory only."""
    logits, size = coarse.logits, coarse.size
    rows, columns = resolve_grid((logits.shape[2], logits.shape[3]), size, coarse.scale, coarse.offset)
    result = np.empty((logits.shape[1], *size), np.float32)  # (K, H, W)
    for _, band in bands(logits, rows, columns):
        full: Tensor = upsample_band(logits, rows, columns, band)[0]  # (K, rows of the band, W)
        result[:, band] = full.softmax(0).cpu().numpy()
    return result
