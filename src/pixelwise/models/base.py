"""What every semantic model is: encoder, decoder, head, and one grid for pictures of any size."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders import TimmEncoder
from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.types import LabelSpace, Preprocessing


class Coarse(NamedTuple):
    """Logits as the network computes them, before they are spread over the picture.

    Pixel ``y`` of the picture reads coarse row ``y * scale + offset`` by linear interpolation, clamped to the map; the
    same holds for columns. The operators of :mod:`pixelwise.ops` take labels, loss and counts from it directly.
    """

    logits: Tensor
    """(N, K, h, w), raw scores."""
    size: tuple[int, int]
    """Height and width of the picture in pixels."""
    scale: float
    offset: float
    auxiliary: tuple[Tensor, ...] = ()
    """Further logits (N, K, h', w') that only a loss looks at."""


class SegmentationModel(nn.Module):
    """A network that scores every pixel for every class: ``encoder``, then ``decoder``, then ``head``.

    Pictures of any size are padded with zeros (the mean colour, after normalising) at the bottom and the right to the
    next multiple of the period, in training, evaluation, prediction and export alike. Coarse cells then lie on the
    picture at an exact stride, whatever its size.

    Args:
        encoder: gives the feature maps; declares ``channels`` and ``strides``.
        decoder: turns the feature maps into one map (N, D, h, w) of stride ``stride``.
        head: turns that map into logits (N, K, h, w).
        stride: input pixels from one coarse cell to the next.
        label_space: the classes; travels with the model and its files.
        preprocessing: how pictures are normalised before ``coarse`` and ``forward``; likewise.
    """

    def __init__(
        self,
        encoder: TimmEncoder,
        decoder: nn.Module,
        head: nn.Module,
        *,
        stride: int,
        label_space: LabelSpace,
        preprocessing: Preprocessing,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.stride = stride
        self.geometry = Geometry(stride=1, low=None, high=None, period=max(encoder.strides))
        self.label_space = label_space
        self.preprocessing = preprocessing
        self.name = ""
        self.options: dict[str, Any] = {}

    def coarse(self, images: Tensor) -> Coarse:
        """Compute coarse logits; what losses, metrics and predictors use.

        Args:
            images: normalised float (N, C, H, W), of any height and width.

        Raises:
            ModelError: the images are not (N, C, H, W) with the channels the model was built for.
        """
        if images.ndim != 4 or images.shape[1] != self.preprocessing.channels:
            raise ModelError(
                f"model '{self.name}' takes images (N, {self.preprocessing.channels}, H, W), got {tuple(images.shape)}"
            )
        height, width = images.shape[2:]
        padded_height, padded_width = self.geometry.padded_size(height), self.geometry.padded_size(width)
        padded = F.pad(images, (0, padded_width - width, 0, padded_height - height))
        logits = self.head(self.decoder(self.encoder(padded)))
        # An encoder with unpadded convolutions loses cells at the borders: its maps are then stretched to fit.
        scale = 1 / self.stride if self.encoder.exact else logits.shape[2] / padded_height
        return Coarse(logits, (height, width), scale, 0.5 * scale - 0.5)

    def forward(self, images: Tensor) -> Tensor:
        """Compute full-size logits (N, K, H, W) from normalised images (N, C, H, W)."""
        height, width = images.shape[2:]
        coarse = self.coarse(images)
        padded_size = (self.geometry.padded_size(height), self.geometry.padded_size(width))
        # Over the padded picture the grid of `coarse` is what interpolate does with half-pixel centres.
        full = F.interpolate(coarse.logits, padded_size, mode="bilinear", align_corners=False)
        return full[:, :, :height, :width]
