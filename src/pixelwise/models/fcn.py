"""FCN (Long, Shelhamer and Darrell 2015) in its practical form: the skips of FCN-8s on any pretrained encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders import Encoder
from pixelwise.errors import ModelError
from pixelwise.models.base import EncoderDecoder, SegmentationModel
from pixelwise.models.options import Count, ModelOptions
from pixelwise.nn.blocks import conv_norm_relu, initialise
from pixelwise.nn.upsampling import BilinearTransposed
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

FINEST_STRIDE = 8

FCNUpsampling = Literal["nearest", "bilinear", "transposed"]
"""How scores are upsampled to the next finer map; learnt kernels start as bilinear interpolation."""


class FCNDecoder(nn.Module):
    """Score the maps of stride 8 and deeper for every class and sum the scores, deepest first, as FCN-8s does.

    It takes the maps of the encoder, finest first, and returns class scores (N, K, H / 8, W / 8). Scores are upsampled
    to the next finer map by bilinear interpolation, which the fixed deconvolutions of the reference compute, or by
    another ``upsampling``.

    Args:
        encoder_channels: channels of the encoder's maps, finest first.
        encoder_strides: strides of these maps.
        classes: K.
        hidden_channels: channels of the 3x3 convolution that replaces fc6 and fc7 on the deepest map.
        dropout: probability of dropping one of its values in training.
        upsampling: ``"bilinear"``, ``"nearest"``, or ``"transposed"``, whose kernels start bilinear and learn.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        classes: int,
        *,
        hidden_channels: int = 512,
        dropout: float = 0.1,
        upsampling: FCNUpsampling = "bilinear",
    ) -> None:
        super().__init__()
        self.upsampling = upsampling
        self.used = [i for i, stride in enumerate(encoder_strides) if stride >= FINEST_STRIDE]
        *finer, deepest = self.used
        self.score_deepest = nn.Sequential(
            conv_norm_relu(encoder_channels[deepest], hidden_channels),
            nn.Dropout(dropout),
            nn.Conv2d(hidden_channels, classes, 1),
        )
        self.score_skips = nn.ModuleList(nn.Conv2d(encoder_channels[i], classes, 1) for i in reversed(finer))
        self.enlarge = nn.ModuleList()
        if upsampling == "transposed":
            for i in reversed(finer):
                factor = encoder_strides[i + 1] // encoder_strides[i]
                kernel = 2 * factor - factor % 2  # an odd factor puts a pixel on the middle of a cell
                padding = (kernel - factor) // 2
                self.enlarge.append(BilinearTransposed(classes, kernel, factor, padding=padding, learnt=True))
        initialise(self)
        for score in (self.score_deepest[-1], *self.score_skips):  # the reference starts with equal scores
            assert isinstance(score, nn.Conv2d)
            nn.init.zeros_(score.weight)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Score the encoder's maps, finest first, as (N, K, H / 8, W / 8)."""
        *finer, deepest = (maps[i] for i in self.used)
        scores: Tensor = self.score_deepest(deepest)  # (N, K, H/32, W/32)
        for step, (skip, features) in enumerate(zip(self.score_skips, reversed(finer), strict=True)):
            scores = self._enlarge(scores, step, features.shape[2:]) + skip(features)
        return scores

    def _enlarge(self, scores: Tensor, step: int, size: Sequence[int]) -> Tensor:
        """Upsample scores (N, K, h, w) to the next finer map, (N, K, *size)."""
        height, width = size
        if self.upsampling == "nearest":
            return F.interpolate(scores, (height, width), mode="nearest")
        if self.upsampling == "transposed":
            scores = self.enlarge[step](scores)
        # A transposed map already has the size, except after encoders with unpadded convolutions.
        return F.interpolate(scores, (height, width), mode="bilinear", align_corners=False)


@dataclass(frozen=True, kw_only=True)
class FCNOptions(ModelOptions):
    """Options of :func:`fcn`.

    Args:
        hidden_channels: channels of the convolution before the deepest scores.
        upsampling: how scores are upsampled to the next finer map.
    """

    hidden_channels: Count = 512
    upsampling: FCNUpsampling = "bilinear"


def fcn(
    encoder: Encoder, label_space: LabelSpace, preprocessing: Preprocessing, options: FCNOptions
) -> SegmentationModel:
    """Build an FCN-8s on an encoder; its logits have stride 8.

    Args:
        encoder: gives the feature maps, one of them at stride 8.
        label_space: the classes.
        preprocessing: how pictures are normalised.
        options: the details.

    Raises:
        ModelError: the encoder has no map of stride 8.
    """
    if FINEST_STRIDE not in encoder.strides:
        strides = ", ".join(map(str, encoder.strides))
        raise ModelError(f"fcn needs an encoder with a map of stride 8; '{encoder.name}' has {strides}")
    decoder = FCNDecoder(
        encoder.channels,
        encoder.strides,
        len(label_space),
        hidden_channels=options.hidden_channels,
        upsampling=options.upsampling,
    )
    return SegmentationModel(
        EncoderDecoder(encoder, decoder, nn.Identity()),
        label_space=label_space,
        preprocessing=preprocessing,
        stride=FINEST_STRIDE,
    )
