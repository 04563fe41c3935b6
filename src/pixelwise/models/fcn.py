"""FCN (Long, Shelhamer and Darrell 2015) in its practical form: the skips of FCN-8s on any pretrained encoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders import Encoder
from pixelwise.errors import ModelError
from pixelwise.models.base import EncoderDecoder, SegmentationModel
from pixelwise.nn.blocks import conv_norm_relu, initialise
from pixelwise.types import LabelSpace, Preprocessing

FINEST_STRIDE = 8


class FCNDecoder(nn.Module):
    """Score the maps of stride 8 and deeper for every class and sum the scores, deepest first, as FCN-8s does.

    It takes the maps of the encoder, finest first, and returns class scores (N, K, H / 8, W / 8). Scores are carried
    to the next finer map by bilinear upsampling, which is what the fixed deconvolutions of the reference compute.

    Args:
        encoder_channels: channels of the encoder's maps, finest first.
        encoder_strides: strides of these maps.
        classes: K.
        hidden_channels: channels of the 3x3 convolution that stands for fc6 and fc7 on the deepest map.
        dropout: probability of dropping one of its values in training.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        classes: int,
        *,
        hidden_channels: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.used = [i for i, stride in enumerate(encoder_strides) if stride >= FINEST_STRIDE]
        *finer, deepest = self.used
        self.score_deepest = nn.Sequential(
            conv_norm_relu(encoder_channels[deepest], hidden_channels),
            nn.Dropout(dropout),
            nn.Conv2d(hidden_channels, classes, 1),
        )
        self.score_skips = nn.ModuleList(nn.Conv2d(encoder_channels[i], classes, 1) for i in reversed(finer))
        initialise(self)
        for score in (self.score_deepest[-1], *self.score_skips):  # the reference starts from equal scores
            assert isinstance(score, nn.Conv2d)
            nn.init.zeros_(score.weight)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Score the encoder's maps, finest first, as (N, K, H / 8, W / 8)."""
        *finer, deepest = (maps[i] for i in self.used)
        scores: Tensor = self.score_deepest(deepest)  # (N, K, H/32, W/32)
        for skip, features in zip(self.score_skips, reversed(finer), strict=True):
            scores = F.interpolate(scores, features.shape[2:], mode="bilinear", align_corners=False) + skip(features)
        return scores


def fcn(
    encoder: Encoder,
    label_space: LabelSpace,
    preprocessing: Preprocessing,
    *,
    hidden_channels: int = 512,
) -> SegmentationModel:
    """Build an FCN-8s on an encoder; its logits have stride 8.

    Args:
        encoder: gives the feature maps, one of them at stride 8.
        label_space: the classes.
        preprocessing: how pictures are normalised.
        hidden_channels: channels of the convolution before the deepest scores.

    Raises:
        ModelError: the encoder has no map of stride 8.
    """
    if FINEST_STRIDE not in encoder.strides:
        strides = ", ".join(map(str, encoder.strides))
        raise ModelError(f"fcn needs an encoder with a map of stride 8; '{encoder.name}' has {strides}")
    decoder = FCNDecoder(encoder.channels, encoder.strides, len(label_space), hidden_channels=hidden_channels)
    return SegmentationModel(
        EncoderDecoder(encoder, decoder, nn.Identity()),
        label_space=label_space,
        preprocessing=preprocessing,
        stride=FINEST_STRIDE,
    )
