"""The part of a detection network that all regions share: an encoder, and the maps computed from its maps."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders import Encoder
from pixelwise.errors import ModelError

FINEST_FPN_STRIDE, C4_STRIDE = 4, 16
"""The stride of the finest map of a pyramid, and that of the only map of the form called C4."""


class FpnTrunk(nn.Module):
    """A feature pyramid (Lin et al. 2017): maps with equal channels from an encoder's, coarse ones added to finer ones.

    The maps have the strides of the encoder from 4 on. One more map, twice as coarse, is used by proposals only.

    Args:
        encoder: any encoder.
        channels: the number of channels of all maps.
    """

    def __init__(self, encoder: Encoder, *, channels: int = 256) -> None:
        from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

        super().__init__()
        self.encoder = encoder
        places = {stride: number for number, stride in enumerate(encoder.strides) if stride >= FINEST_FPN_STRIDE}
        if not places:
            raise ModelError(
                f"encoder '{encoder.name}' has no map of stride {FINEST_FPN_STRIDE} or coarser to build a pyramid on"
            )
        self.places = tuple(places.values())
        self.region_strides = tuple(places)
        """The strides of the maps that regions are read from."""
        self.strides = (*self.region_strides, 2 * self.region_strides[-1])
        self.channels = self.region_channels = channels
        widths = [encoder.channels[place] for place in self.places]
        self.fpn = FeaturePyramidNetwork(widths, channels, LastLevelMaxPool())

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into maps (N, channels, H / stride, W / stride), finest first."""
        found = self.encoder(images)
        maps = OrderedDict((str(place), _fit(found[place], images, self.encoder, place)) for place in self.places)
        return list(self.fpn(maps).values())

    def finish(self, regions: Tensor) -> Tensor:
        """Return regions unchanged: they need no more layers before the heads."""
        return regions


class C4Trunk(nn.Module):
    """An encoder's map of stride 16; the stage above it processes each region instead of the picture.

    Ren et al. 2015 on a ResNet, as in He et al. 2016, appendix A: regions of 14x14 cells are read, and the stage halves
    them.

    Args:
        encoder: an encoder whose stages run one after the other.

    Raises:
        ModelError: the encoder is not of that kind; the message says why.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self._first, self._last = _split(encoder)
        self.strides = self.region_strides = (C4_STRIDE,)
        self.channels = encoder.channels[encoder.strides.index(C4_STRIDE)]
        self.region_channels = encoder.channels[-1]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images (N, C, H, W) into one map (N, channels, H / 16, W / 16)."""
        return [self._run(images, self._first)]

    def finish(self, regions: Tensor) -> Tensor:
        """Apply the last stage to regions: (P, channels, 14, 14) -> (P, region_channels, 7, 7)."""
        return self._run(regions, self._last)

    def _run(self, features: Tensor, names: tuple[str, ...]) -> Tensor:
        body: Any = self.encoder.body  # type: ignore[attr-defined]
        for name in names:
            features = body.get_submodule(name)(features)
        return features


def _fit(features: Tensor, images: Tensor, encoder: Encoder, place: int) -> Tensor:
    """Stretch a map onto the grid of its stride, where unpadded convolutions have removed cells."""
    stride = encoder.strides[place]
    size = (images.shape[2] // stride, images.shape[3] // stride)
    if encoder.exact or features.shape[2:] == size:
        return features
    return F.interpolate(features, size, mode="bilinear", align_corners=False)


def _split(encoder: Encoder) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the parts of an encoder's body up to stride 16, and of those after it."""
    body = getattr(encoder, "body", None)
    kept = getattr(body, "return_layers", None)
    reason = None
    if C4_STRIDE not in encoder.strides or encoder.strides[-1] != 2 * C4_STRIDE or not encoder.exact:
        reason = f"its maps have strides {', '.join(map(str, encoder.strides))}, and C4 needs exact ones of 16 and 32"
    elif kept is None:
        reason = "its stages do not run one after the other as separate parts"
    if reason is not None or body is None or kept is None:
        raise ModelError(
            f"encoder '{encoder.name}' cannot be cut into the form C4: {reason}; "
            "choose one such as resnet50, regnetx_032 or convnext_tiny, or neck='fpn'"
        )
    names, last = [name for name, _ in body.named_children()], list(kept)[encoder.strides.index(C4_STRIDE)]
    cut = names.index(last) + 1
    return tuple(names[:cut]), tuple(names[cut:])
