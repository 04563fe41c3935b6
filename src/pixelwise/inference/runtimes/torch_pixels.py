"""The runtime that labels pixels with torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelwise.inference.runtimes.coarse import CoarseRuntime
from pixelwise.inference.runtimes.kept_costs import keep_cost
from pixelwise.inference.runtimes.tail import on_window
from pixelwise.inference.runtimes.torch_parts import (
    choose_device,
    choose_precision,
    fingerprint_of,
    normalisation,
    precision_name,
)
from pixelwise.inference.runtimes.torch_tail import TorchTail
from pixelwise.models import Coarse, SegmentationModel
from pixelwise.models.prepare import prepare
from pixelwise.nn.fused.windows import everything
from pixelwise.nn.image_mean import ImageMean, means_given, means_heard
from pixelwise.nn.tracing.memory import demand
from pixelwise.tiling import PixelCost, Window

COSTED_SIDE = 1024
"""Side in pixels of the picture on which memory is counted; the memory per pixel does not depend on it."""

BAND_ROWS = 64
"""Rows of a picture that are normalised at a time."""


class TorchRuntime(CoarseRuntime[Coarse]):
    """Runs a model on pieces of pictures, in bfloat16 where the device computes in it.

    The model is copied and prepared: see :func:`pixelwise.models.prepare.prepare`.

    Args:
        model: the model.
        device: ``"auto"`` (CUDA, else Apple's GPU, else the CPU) or a torch device.
        precision: ``"auto"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``.

    Raises:
        SettingError: no such device or precision.
    """

    library = "torch"

    def __init__(self, model: SegmentationModel, *, device: str, precision: str) -> None:
        self.device = choose_device(device)
        self.tail = TorchTail(self.device)
        self.computing = choose_precision(precision, self.device)
        self.precision = precision_name(self.computing)
        self.itemsize = 8 if self.computing == torch.float64 else 4
        self.card = model.card
        self.model = prepare(model, dtype=self.computing, device=self.device)
        precise = torch.float64 if self.itemsize == 8 else torch.float32
        self._mean, self._std = normalisation(self.card.preprocessing, self.device, precise)  # (C,)
        self.cost = PixelCost(**keep_cost(self.card, self.computing, lambda: asdict(self._count_cost())))

    @cached_property
    def fingerprint(self) -> str:
        """Name, weights and precision of the model, in short."""
        return fingerprint_of(self.model, self.computing)

    @contextmanager
    def averaging_over(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[None]:
        """Within it, what the network averages over the picture comes from these windows of it, (C, h, w) each."""
        parts = [part for part in self.model.modules() if isinstance(part, ImageMean)]
        with means_given(self._means(parts, images) if parts else {}):
            yield

    def _means(self, parts: Sequence[ImageMean], images: Iterable[NDArray[np.uint8]]) -> dict[ImageMean, Tensor]:
        """Average the result of each part for images (C, h, w)."""
        means: list[list[Tensor]] = []
        pixels: list[int] = []
        for image in images:
            with torch.inference_mode(), means_heard() as heard:
                self.coarse(image)
            means.append([heard[part] for part in parts])
            pixels.append(image[0].size)
        weights = torch.tensor(pixels, dtype=torch.float64, device=self.device) / sum(pixels)
        return {
            part: torch.tensordot(weights, torch.stack(of_part).double(), 1).to(of_part[0].dtype)
            for part, of_part in zip(parts, zip(*means, strict=True), strict=True)
        }

    @torch.inference_mode()
    def coarse(self, image: NDArray[np.uint8], window: Window | None = None) -> Coarse:
        """Compute coarse logits of an image (C, H, W), to which the model adds the border that it needs.

        If a window is given, the logits are valid only for it.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.computing == torch.bfloat16):
            return self.model.coarse(self._normalised(image), window)

    @torch.inference_mode()
    def coarse_of(self, image: NDArray[np.uint8], window: Window) -> Coarse:
        """Compute coarse logits of the input of a tile, aligned with the pixels of a window only."""
        if self.model.border != "mirror":
            whole = window == everything((image.shape[1], image.shape[2]))
            return on_window(self.coarse(image, None if whole else window), window)
        normalised = self._normalised(image)  # mirrored already
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.computing == torch.bfloat16):
            return on_window(self.model.score(normalised, (window[0].stop, window[1].stop)), window)

    def _normalised(self, image: NDArray[np.uint8]) -> Tensor:
        """Normalise an image (C, H, W) to (1, C, H, W) in the precision that the network computes in."""
        channels, height, width = image.shape
        normalised = torch.empty((height, width * channels), dtype=self.computing, device=self.device)
        mean, std = self._mean.repeat(width), self._std.repeat(width)  # (W * C,)
        # Band by band, because floats of all pixels would take more memory than some of the network's own maps.
        for top in range(0, height, BAND_ROWS):
            rows = np.array(image[:, top : top + BAND_ROWS].transpose(1, 2, 0), order="C")  # (rows of the band, W, C)
            pixels = torch.from_numpy(rows).to(self.device).flatten(1)  # (rows of the band, W * C)
            normalised[top : top + BAND_ROWS] = (pixels - mean) / std
        return normalised.view(1, height, width, channels).permute(0, 3, 1, 2)

    def _count_cost(self) -> PixelCost:
        """Count feature maps and arithmetic, and add the picture before and after normalising."""
        side = max(COSTED_SIDE, self.card.geometry.input_size(COSTED_SIDE))
        channels, dtype = self.card.preprocessing.channels, self.computing
        images, pixels = (1, channels, side, side), side**2
        # The picture exists as bytes, here and twice read ahead, and normalised before and after it is padded.
        read, held = channels * (3 + dtype.itemsize), channels * (3 + 2 * dtype.itemsize)
        ended = demand(self.model.network, images, dtype=dtype)
        if not self.model.windowed:
            return PixelCost.even(ended.peak_bytes / pixels + read)
        inner = slice(side // 2, side // 2 + 1)
        around = demand(self.model.network, images, dtype=dtype, more=((inner, inner),))
        return PixelCost(
            ended.peak_bytes / pixels + read,
            around.peak_bytes / pixels + read,
            held,
            around.multiply_adds / ended.multiply_adds,
        )
