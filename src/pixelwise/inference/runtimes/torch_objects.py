"""The runtime that finds objects with torch."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelwise.detection.result import Detections, to_instances
from pixelwise.inference.runtimes.base import ObjectRuntime
from pixelwise.inference.runtimes.kept_costs import keep_cost
from pixelwise.inference.runtimes.torch_parts import (
    choose_device,
    choose_precision,
    fingerprint_of,
    normalisation,
    precision_name,
)
from pixelwise.instances import Instances
from pixelwise.models import DetectionModel
from pixelwise.models.prepare import prepare
from pixelwise.nn.tracing.memory import peak_bytes

COSTED_SIDES = (256, 512)
"""Sides in pixels of the pictures on which memory is counted: one part of it grows with the picture, another does
not."""


class TorchObjectRuntime(ObjectRuntime):
    """Finds objects in pieces of pictures, in bfloat16 where the device computes in it.

    The model is copied and prepared: see :func:`pixelwise.models.prepare.prepare`.

    Args:
        model: the model.
        device: ``"auto"`` (CUDA, else Apple's GPU, else the CPU) or a torch device.
        precision: ``"auto"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``.

    Raises:
        SettingError: no such device or precision.
    """

    library = "torch"

    def __init__(self, model: DetectionModel, *, device: str, precision: str) -> None:
        self.device = choose_device(device)
        self.computing = choose_precision(precision, self.device)
        self.precision = precision_name(self.computing)
        self.card = model.card
        self.largest = max(max(sizes) for sizes in model.network.rpn.anchors.generator.sizes)
        self.model = prepare(model, dtype=self.computing, device=self.device)
        dtype = torch.float64 if self.computing == torch.float64 else torch.float32
        self._mean, self._std = (
            values[:, None, None] for values in normalisation(self.card.preprocessing, self.device, dtype)
        )  # (C, 1, 1)
        cost = keep_cost(self.card, self.computing, self._count_cost)
        self.bytes_per_pixel, self.bytes_more = cost["bytes_per_pixel"], cost["bytes_more"]

    @cached_property
    def fingerprint(self) -> str:
        """Name, weights and precision of the model, in short."""
        return fingerprint_of(self.model, self.computing)

    def objects(self, image: NDArray[np.uint8] | NDArray[np.float32], size: tuple[int, int] | None = None) -> Instances:
        """Find the objects of an image (C, H, W), the best score first, in pixels of a picture of ``size`` if given."""
        size = (image.shape[1], image.shape[2]) if size is None else size
        with torch.inference_mode():
            return to_instances(self.detections(image, size), size)

    def detections(self, image: NDArray[np.uint8] | NDArray[np.float32], size: tuple[int, int]) -> Detections:
        """Find the objects of an image (C, H, W) as the network gives them, on a picture of ``size``."""
        with torch.inference_mode():
            (found,) = self.model.find(self._normalised(image))
            return found.on(size, (image.shape[1], image.shape[2]))

    def _count_cost(self) -> dict[str, float]:
        """Count the memory that grows with the picture, and that which does not."""
        channels, network = self.card.preprocessing.channels, self.model.network
        small, large = (peak_bytes(network, (1, channels, side, side), dtype=self.computing) for side in COSTED_SIDES)
        pixels, more_pixels = (side**2 for side in COSTED_SIDES)
        rising = max((large - small) / (more_pixels - pixels), 0.0)
        # The picture exists as bytes, here and read ahead, twice as floats while it is normalised, and once padded; a
        # resized picture is in floats from the beginning.
        held = 2 * (1 if self.card.preprocessing.resize is None else 4)
        return {
            "bytes_per_pixel": rising + channels * (held + 3 * self._mean.dtype.itemsize),
            "bytes_more": max(small - rising * pixels, 0.0),
        }

    def _normalised(self, image: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
        pixels = torch.from_numpy(np.array(image))[None].to(self.device)  # (1, C, H, W)
        return ((pixels - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
