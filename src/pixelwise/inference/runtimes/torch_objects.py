"""The runtime that finds objects with torch."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelwise.detection.prepare import prepare
from pixelwise.detection.result import to_instances
from pixelwise.errors import ModelError, SettingError
from pixelwise.inference.runtimes.torch_pixels import PRECISIONS, choose_device, fingerprint_of
from pixelwise.instances import Instances
from pixelwise.models import DetectionModel, load_model
from pixelwise.nn.tracing.memory import peak_bytes
from pixelwise.ops.device import has_native_bfloat16

PROBES = (256, 512)
"""Sides in pixels of the pictures on which memory is counted: one part of it grows with the picture, one does not."""


class DetectionRuntime:
    """Finds objects in pieces of pictures, in bfloat16 where the device computes in it.

    The model is copied and prepared: see :func:`pixelwise.detection.prepare.prepare`.

    Args:
        model: a model, or a model file or run folder.
        device: ``"auto"`` (CUDA, else Apple's GPU, else the CPU) or a torch device.
        precision: ``"auto"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``.

    Raises:
        SettingError: no such device or precision.
        ModelError: the file is no pixelwise model, or its network does not find objects.
    """

    def __init__(self, model: DetectionModel | str | Path, *, device: str, precision: str) -> None:
        if precision not in PRECISIONS:
            raise SettingError(f"there is no precision '{precision}'; choose one of {', '.join(PRECISIONS)}")
        self.device = choose_device(device)
        loaded = load_model(model) if isinstance(model, str | Path) else model
        if not isinstance(loaded, DetectionModel):
            raise ModelError(f"{model}: this network labels pixels; it does not find objects")
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and has_native_bfloat16(self.device.type))
        self.dtype = torch.float64 if precision == "float64" else torch.float32
        self.geometry = loaded.geometry
        self.label_space = loaded.label_space
        self.preprocessing = loaded.preprocessing
        self.largest = max(max(sizes) for sizes in loaded.network.rpn.anchors.generator.sizes)
        channels = self.preprocessing.channels
        computed = torch.bfloat16 if self.bfloat16 else self.dtype
        self.model = prepare(loaded, dtype=computed, device=self.device)
        self._mean, self._std = (
            255 * torch.tensor(values, device=self.device, dtype=self.dtype)[:, None, None]
            for values in (loaded.preprocessing.mean, loaded.preprocessing.std)
        )
        small, large = (peak_bytes(self.model.network, (1, channels, side, side), dtype=computed) for side in PROBES)
        pixels, more_pixels = (side**2 for side in PROBES)
        rising = max((large - small) / (more_pixels - pixels), 0.0)
        # The picture exists as bytes, here and read ahead, twice as floats while it is normalised, and once padded; a
        # resized one is floats from the beginning.
        held = 2 * (1 if self.preprocessing.resize is None else 4)
        self.bytes_per_pixel = rising + channels * (held + 3 * self.dtype.itemsize)
        self.bytes_more = max(small - rising * pixels, 0.0)

    @cached_property
    def fingerprint(self) -> str:
        """Name, weights and precision of the model, in short."""
        return fingerprint_of(self.model, self.bfloat16, self.dtype)

    def objects(self, image: NDArray[np.uint8] | NDArray[np.float32], size: tuple[int, int] | None = None) -> Instances:
        """Find the objects of an image (C, H, W), the best score first; they lie on a picture of ``size`` if given."""
        seen = (image.shape[1], image.shape[2])
        size = seen if size is None else size
        with torch.inference_mode():
            (found,) = self.model.find(self._normalised(image))
            return to_instances(found.on(size, seen), size)

    def _normalised(self, image: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
        pixels = torch.from_numpy(np.array(image))[None].to(self.device)  # (1, C, H, W)
        return ((pixels - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
