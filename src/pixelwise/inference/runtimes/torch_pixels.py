"""The runtime that computes with torch; the only part of inference that imports it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pixelwise.errors import ModelError, SettingError
from pixelwise.models import Coarse, Model, SegmentationModel, load_model
from pixelwise.nn.aspp import ImageMean
from pixelwise.nn.fused.exchanging import fuse_parts
from pixelwise.nn.fused.folding import fold_batch_norm
from pixelwise.nn.fused.upsampled_conv import DoubledConv2d
from pixelwise.nn.fused.windows import everything
from pixelwise.nn.tracing.memory import demand
from pixelwise.ops import upsample_argmax, upsample_confusion
from pixelwise.ops.device import has_native_bfloat16
from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.tail.reference import bands, upsample_band
from pixelwise.tiling import PixelCost, Window

PRECISIONS = ("auto", "bfloat16", "float32", "float64")

PROBE = 1024
"""Side in pixels of the picture on which memory is counted; what a pixel needs does not depend on it."""

BAND = 64
"""Rows of a picture that are normalised at a time."""


class TorchRuntime:
    """Runs a model on pieces of pictures, in bfloat16 where the device computes in it.

    The model is copied, and normalisations that follow convolutions are folded into them.

    Args:
        model: a model, or a model file or run folder.
        device: ``"auto"`` (CUDA, else Apple's GPU, else the CPU) or a torch device.
        precision: ``"auto"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``.

    Raises:
        SettingError: no such device or precision.
        ModelError: the file is no pixelwise model, or its network does not label pixels.
    """

    def __init__(self, model: SegmentationModel | str | Path, *, device: str, precision: str) -> None:
        if precision not in PRECISIONS:
            raise SettingError(f"there is no precision '{precision}'; choose one of {', '.join(PRECISIONS)}")
        self.device = choose_device(device)
        loaded = load_model(model) if isinstance(model, str | Path) else copy.deepcopy(model)
        if not isinstance(loaded, SegmentationModel):
            raise ModelError(f"{model}: this network finds objects; it does not label pixels")
        loaded.eval().requires_grad_(False)
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and has_native_bfloat16(self.device.type))
        self.dtype = torch.float64 if precision == "float64" else torch.float32
        self.geometry = loaded.geometry
        self.label_space = loaded.label_space
        self.preprocessing = loaded.preprocessing
        self.fast_halo = loaded.fast_halo
        probe = (1, self.preprocessing.channels, *(max(PROBE, self.geometry.input_size(PROBE)),) * 2)
        fold_batch_norm(loaded.network, probe)
        if loaded.encoder is None or loaded.encoder.exact:
            fuse_parts(loaded.network)
        self.model = loaded.to(self.device, self.dtype).to(memory_format=torch.channels_last)
        if self.bfloat16:
            _hold_in_bfloat16(self.model)
        mean, std = (
            torch.tensor(values, device=self.device, dtype=self.dtype)
            for values in (loaded.preprocessing.mean, loaded.preprocessing.std)
        )
        self._mean, self._std = 255 * mean, 255 * std  # (C,)
        self.cost = self._count_cost(probe)
        self.border, self.aligned = 0, True

    @cached_property
    def fingerprint(self) -> str:
        """Name, weights and precision of the model, in short."""
        return fingerprint_of(self.model, self.bfloat16, self.dtype)

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

    def confusion(self, image: NDArray[np.uint8], window: Window, mask: NDArray[np.integer]) -> NDArray[np.int64]:
        """Count a window of an image (C, H, W) against its mask (h, w): int64 (K, K), ``[target, prediction]``."""
        with torch.inference_mode():
            coarse = self._coarse(image, window)
            # Wider masks than uint8 go as int32, because torch computes little in uint16.
            target = torch.from_numpy(np.array(mask, np.uint8 if mask.dtype == np.uint8 else np.int32))[
                None
            ]  # (1, h, w)
            counts = upsample_confusion(
                coarse.logits,
                target.to(self.device),
                scale=coarse.scale,
                offset=coarse.offset,
                ignore_index=self.label_space.ignore_index,
            )
            return counts.cpu().numpy()

    @contextmanager
    def averaging_over(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[None]:
        """Within it, what the network averages over the picture comes from these windows of it, (C, h, w) each.

        The windows count by their pixels. Networks without image pooling are not asked.
        """
        means = [part for part in self.model.modules() if isinstance(part, ImageMean)]
        if not means:
            yield
            return
        try:
            for part, mean in self._means(means, images).items():
                part.kept = mean
            yield
        finally:
            for part in means:
                part.kept = None

    def _means(self, parts: Sequence[ImageMean], images: Iterable[NDArray[np.uint8]]) -> dict[ImageMean, Tensor]:
        """Average what each part gives for images (C, h, w)."""
        given: dict[nn.Module, Tensor] = {}
        hooks = [part.register_forward_hook(lambda own, _, output: given.update({own: output})) for part in parts]
        seen: list[list[Tensor]] = []
        pixels: list[int] = []
        try:
            for image in images:
                with torch.inference_mode():
                    self.coarse(image)
                seen.append([given[part] for part in parts])
                pixels.append(image[0].size)
        finally:
            for hook in hooks:
                hook.remove()
        weights = torch.tensor(pixels, dtype=torch.float64, device=self.device) / sum(pixels)
        return {
            part: torch.tensordot(weights, torch.stack(of_part).double(), 1).to(of_part[0].dtype)
            for part, of_part in zip(parts, zip(*seen, strict=True), strict=True)
        }

    def coarse(self, image: NDArray[np.uint8], window: Window | None = None) -> Coarse:
        """Compute coarse logits of an image (C, H, W), to which the model gives the border that it needs.

        Where a window is given, logits are only good for it.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            return self.model.coarse(self._normalised(image), window)

    def _coarse(self, image: NDArray[np.uint8], window: Window) -> Coarse:
        """Compute coarse logits of what a tile is shown, laid on the pixels of a window alone."""
        if self.model.border != "mirror":
            whole = window == everything((image.shape[1], image.shape[2]))
            return on_window(self.coarse(image, None if whole else window), window)
        normalised = self._normalised(image)  # mirrored already
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            return on_window(self.model.score(normalised, (window[0].stop, window[1].stop)), window)

    def _normalised(self, image: NDArray[np.uint8]) -> Tensor:
        """Normalise an image (C, H, W) to (1, C, H, W) in the precision that the network computes in."""
        channels, height, width = image.shape
        dtype = torch.bfloat16 if self.bfloat16 else self.dtype
        normalised = torch.empty((height, width * channels), dtype=dtype, device=self.device)
        mean, std = self._mean.repeat(width), self._std.repeat(width)  # (W * C,)
        # Rows by rows, because floats of all pixels would take more memory than some of the network's own maps.
        for top in range(0, height, BAND):
            rows = np.array(image[:, top : top + BAND].transpose(1, 2, 0), order="C")  # (rows of the band, W, C)
            pixels = torch.from_numpy(rows).to(self.device).flatten(1)  # (rows of the band, W * C)
            normalised[top : top + BAND] = (pixels - mean) / std
        return normalised.view(1, height, width, channels).permute(0, 3, 1, 2)

    def _labels(self, coarse: Coarse) -> NDArray[np.integer]:
        labels = upsample_argmax(coarse.logits, coarse.size, scale=coarse.scale, offset=coarse.offset)  # (1, h, w)
        return labels[0].cpu().numpy()

    def _count_cost(self, probe: tuple[int, int, int, int]) -> PixelCost:
        """Count feature maps and arithmetic, and add the picture before and after normalising."""
        dtype = torch.bfloat16 if self.bfloat16 else self.dtype
        pixels = probe[2] * probe[3]
        # The picture exists as bytes, here and twice read ahead, and normalised before and after it is padded.
        read, held = probe[1] * (3 + dtype.itemsize), probe[1] * (3 + 2 * dtype.itemsize)
        ended = demand(self.model.network, probe, dtype=dtype)
        if not self.model.windowed:
            return PixelCost.even(ended.peak_bytes / pixels + read)
        inner = slice(probe[2] // 2, probe[2] // 2 + 1)
        around = demand(self.model.network, probe, dtype=dtype, more=((inner, inner),))
        return PixelCost(
            ended.peak_bytes / pixels + read,
            around.peak_bytes / pixels + read,
            held,
            around.multiply_adds / ended.multiply_adds,
        )


def _hold_in_bfloat16(model: nn.Module) -> None:
    """Keep what autocast would turn into bfloat16 for every tile as bfloat16; the results are the same."""
    for part in model.modules():
        if type(part) in (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, DoubledConv2d):
            part.to(torch.bfloat16)


def on_window(coarse: Coarse, window: Window) -> Coarse:
    """Lay coarse logits on the pixels of a window (rows and columns) of the picture alone."""
    rows, columns = window
    scale, offset = _both(coarse.scale), _both(coarse.offset)
    shifted = (offset[0] + rows.start * scale[0], offset[1] + columns.start * scale[1])
    return Coarse(coarse.logits, (rows.stop - rows.start, columns.stop - columns.start), scale, shifted)


def _both(value: float | tuple[float, float]) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)


def fingerprint_of(model: Model, bfloat16: bool, dtype: torch.dtype) -> str:
    """Tell a model and its precision apart from others: name, digest of all that results depend on, precision."""
    described = {"options": model.options, "preprocessing": model.preprocessing.to_dict()}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    for key, value in model.state_dict().items():
        digest.update(key.encode())
        digest.update(value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    precision = "bfloat16" if bfloat16 else str(dtype).removeprefix("torch.")
    return f"{model.name or 'model'} {digest.hexdigest()[:16]} {precision}"


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
    result = np.empty((logits.shape[1], *size), np.float32)  # (K, h, w)
    for _, band in bands(logits, rows, columns):
        full: Tensor = upsample_band(logits, rows, columns, band)[0]  # (K, rows of the band, w)
        result[:, band] = full.softmax(0).cpu().numpy()
    return result
