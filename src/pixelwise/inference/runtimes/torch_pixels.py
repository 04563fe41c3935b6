"""The runtime that labels pixels with torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelwise.inference.runtimes.base import Runtime
from pixelwise.inference.runtimes.torch_parts import (
    choose_device,
    choose_precision,
    fingerprint_of,
    normalisation,
)
from pixelwise.models import Coarse, SegmentationModel
from pixelwise.models.prepare import prepare
from pixelwise.nn.fused.windows import everything
from pixelwise.nn.image_mean import ImageMean, means_given, means_heard
from pixelwise.nn.tracing.memory import demand
from pixelwise.ops import upsample_argmax, upsample_confusion
from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.tail.reference import bands, upsample_band
from pixelwise.tiling import PixelCost, Window

COSTED_SIDE = 1024
"""Side in pixels of the picture on which memory is counted; the memory per pixel does not depend on it."""

BAND_ROWS = 64
"""Rows of a picture that are normalised at a time."""


class TorchRuntime(Runtime):
    """Runs a model on pieces of pictures, in bfloat16 where the device computes in it.

    The model is copied and prepared: see :func:`pixelwise.models.prepare.prepare`.

    Args:
        model: the model.
        device: ``"auto"`` (CUDA, else Apple's GPU, else the CPU) or a torch device.
        precision: ``"auto"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``.

    Raises:
        SettingError: no such device or precision.
    """

    def __init__(self, model: SegmentationModel, *, device: str, precision: str) -> None:
        self.device = choose_device(device)
        self.computing = choose_precision(precision, self.device)
        self.card = model.card
        self.model = prepare(model, dtype=self.computing, device=self.device)
        self._mean, self._std = normalisation(self.card.preprocessing, self.device, self.dtype)  # (C,)
        self.cost = self._count_cost()

    @property
    def dtype(self) -> torch.dtype:
        """The type for computations that must be precise."""
        return torch.float64 if self.computing == torch.float64 else torch.float32

    @cached_property
    def fingerprint(self) -> str:
        """Name, weights and precision of the model, in short."""
        return fingerprint_of(self.model, self.computing)

    def labels(self, image: NDArray[np.uint8], window: Window) -> NDArray[np.integer]:
        """Label a window of an image (C, H, W), whose pixels may need the rest of it: class indices (h, w)."""
        with torch.inference_mode():
            return self._labels(self._coarse(image, window))

    def probabilities(
        self, image: NDArray[np.uint8], window: Window
    ) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the softmax as float32 (K, h, w) in main memory."""
        with torch.inference_mode():
            coarse = self._coarse(image, window)
            return self._labels(coarse), _probabilities(coarse)

    def confidences(
        self, image: NDArray[np.uint8], window: Window, first: int = 0, every: int = 1
    ) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the greatest softmax of pixels in some of its rows.

        Returns:
            Class indices (h, w), and float32 (rows, w) for rows ``first``, ``first + every`` .. of the window.
        """
        with torch.inference_mode():
            coarse = self._coarse(image, window)
            return self._labels(coarse), _confidences(_some_rows(coarse, first, every))

    def confusion(self, image: NDArray[np.uint8], window: Window, mask: NDArray[np.integer]) -> NDArray[np.int64]:
        """Count a window of an image (C, H, W) against its mask (h, w): int64 (K, K), ``[target, prediction]``."""
        with torch.inference_mode():
            coarse = self._coarse(image, window)
            # Wider masks than uint8 go as int64: torch computes little in uint16, and int32 would take 2**32 for 0.
            dtype = np.uint8 if mask.dtype == np.uint8 else np.int64
            target = torch.from_numpy(np.array(mask, dtype))[None]  # (1, h, w)
            counts = upsample_confusion(
                coarse.logits,
                target.to(self.device),
                scale=coarse.scale,
                offset=coarse.offset,
                ignore_index=self.card.label_space.ignore_index,
            )
            return counts.cpu().numpy()

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

    def coarse(self, image: NDArray[np.uint8], window: Window | None = None) -> Coarse:
        """Compute coarse logits of an image (C, H, W), to which the model adds the border that it needs.

        If a window is given, the logits are valid only for it.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.computing == torch.bfloat16):
            return self.model.coarse(self._normalised(image), window)

    def _coarse(self, image: NDArray[np.uint8], window: Window) -> Coarse:
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

    def _labels(self, coarse: Coarse) -> NDArray[np.integer]:
        labels = upsample_argmax(coarse.logits, coarse.size, scale=coarse.scale, offset=coarse.offset)  # (1, h, w)
        return labels[0].cpu().numpy()

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


def on_window(coarse: Coarse, window: Window) -> Coarse:
    """Align coarse logits with the pixels of a window (rows and columns) of the picture only."""
    rows, columns = window
    scale, offset = _both(coarse.scale), _both(coarse.offset)
    shifted = (offset[0] + rows.start * scale[0], offset[1] + columns.start * scale[1])
    return Coarse(coarse.logits, (rows.stop - rows.start, columns.stop - columns.start), scale, shifted)


def _both(value: float | tuple[float, float]) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)


def _probabilities(coarse: Coarse) -> NDArray[np.float32]:
    """Softmax of the upsampled logits of one picture; full-size floats exist in main memory only."""
    logits, size = coarse.logits, coarse.size
    rows, columns = resolve_grid((logits.shape[2], logits.shape[3]), size, coarse.scale, coarse.offset)
    result = np.empty((logits.shape[1], *size), np.float32)  # (K, h, w)
    for _, band in bands(logits, rows, columns):
        full: Tensor = upsample_band(logits, rows, columns, band)[0]  # (K, rows of the band, w)
        result[:, band] = full.softmax(0).cpu().numpy()
    return result


def _some_rows(coarse: Coarse, first: int, every: int) -> Coarse:
    """Align coarse logits with every n-th row of pixels only."""
    (down, along), (top, left) = _both(coarse.scale), _both(coarse.offset)
    rows = len(range(first, coarse.size[0], every))
    return Coarse(coarse.logits, (rows, coarse.size[1]), (down * every, along), (top + first * down, left))


def _confidences(coarse: Coarse) -> NDArray[np.float32]:
    """Greatest softmax of the upsampled logits of one picture; they exist for one band at a time."""
    logits, size = coarse.logits, coarse.size
    rows, columns = resolve_grid((logits.shape[2], logits.shape[3]), size, coarse.scale, coarse.offset)
    result = np.empty(size, np.float32)  # (h, w)
    for _, band in bands(logits, rows, columns):
        full: Tensor = upsample_band(logits, rows, columns, band)[0]  # (K, rows of the band, w)
        result[band] = (full - full.amax(0)).exp_().sum(0).reciprocal_().cpu().numpy()
    return result
