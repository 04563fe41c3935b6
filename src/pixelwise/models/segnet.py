"""SegNet and SegNet-Basic (Badrinarayanan, Kendall and Cipolla 2017): unpooling by the indices of the max pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.errors import ModelError
from pixelwise.models.base import SegmentationModel
from pixelwise.models.options import PaperOptions
from pixelwise.nn.blocks import BatchNorm2d
from pixelwise.nn.upsampling import max_unpool
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

ENCODER_CHANNELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels after each convolution of the stages of VGG16, finest first."""
DECODER_CHANNELS = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))
"""Channels after each convolution of the decoder's stages, deepest first; one more convolution gives the scores."""
BASIC_CHANNELS = 64
BASIC_STAGES = 4


class SegNet(nn.Module):
    """An encoder of convolutions and 2x2 max pools, and a decoder of unpooling by the pools' indices and convolutions.

    Pools round sizes up, and unpooling restores the size before its pool, so that the scores of any picture have the
    picture's size: a picture of 360 x 480 pixels gives 23 x 30 and 12 x 15 cells after the last two pools. Nothing is
    rounded for pictures whose sides are multiples of 2 to the number of stages.

    The reference computes the batch statistics after training by a pass over the training set, because it keeps no
    running averages. The running averages kept here span some ten steps. The learning rate falls to zero by the end of
    a run, and the averaging of weights includes the running averages, so that they describe the final weights and no
    separate pass is needed.

    Args:
        down: the stages before each pool, finest first.
        up: the stages after each unpooling, deepest first.
        score: the convolution that turns the last map into scores.
        stem: the layer before the first stage.
    """

    def __init__(
        self, down: Sequence[nn.Module], up: Sequence[nn.Module], score: nn.Module, *, stem: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.stem = stem or nn.Identity()
        self.down = nn.ModuleList(down)
        self.up = nn.ModuleList(up)
        self.score = score
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_in", nonlinearity="relu")
                assert part.bias is not None
                nn.init.zeros_(part.bias)
            elif isinstance(part, nn.BatchNorm2d):
                nn.init.constant_(part.bias, 0.001)  # as the reference starts

    def encode(self, images: Tensor) -> tuple[Tensor, list[tuple[Tensor, tuple[int, int]]]]:
        """Give the deepest map and, finest first, the indices of each pool with the size before it."""
        pools: list[tuple[Tensor, tuple[int, int]]] = []
        maps = self.stem(images)
        for stage in self.down:
            maps = stage(maps)
            size = (maps.shape[2], maps.shape[3])
            # (N, C, h, w) -> (N, C, ceil(h / 2), ceil(w / 2))
            maps, indices = F.max_pool2d(maps, 2, stride=2, ceil_mode=True, return_indices=True)
            pools.append((indices, size))
        return maps, pools

    def forward(self, images: Tensor) -> Tensor:
        """Score images (N, C, H, W) as (N, K, H, W)."""
        maps, pools = self.encode(images)
        for stage, (indices, size) in zip(self.up, reversed(pools), strict=True):
            maps = max_unpool(maps, indices, size)  # (N, C, h', w') -> (N, C, h, w)
            maps = stage(maps)
        scores: Tensor = self.score(maps)
        return scores


def segnet_network(in_channels: int, classes: int, *, width: float = 1.0) -> SegNet:
    """Build SegNet: the 13 convolutions of VGG16 and their mirror image, each with batch norm and ReLU.

    It has 29,449,355 parameters for three channels and 11 classes, and takes 106.7 G multiply-adds at 360 x 480.

    Args:
        in_channels: channels of the pictures.
        classes: K.
        width: factor on all numbers of channels except these two.
    """
    stages: list[nn.Module] = []
    before = in_channels
    for stage in (*ENCODER_CHANNELS, *DECODER_CHANNELS):
        channels = [_scaled(count, width) for count in stage]
        stages.append(
            nn.Sequential(*(_conv_norm_relu(a, b) for a, b in zip([before, *channels[:-1]], channels, strict=True)))
        )
        before = channels[-1]
    score = nn.Conv2d(before, classes, 3, padding=1)
    return SegNet(stages[: len(ENCODER_CHANNELS)], stages[len(ENCODER_CHANNELS) :], score)


def segnet_basic_network(in_channels: int, classes: int, *, width: float = 1.0) -> SegNet:
    """Build SegNet-Basic: four 7x7 convolutions in the encoder and four in the decoder, the latter without ReLU.

    A cell of the deepest map reads 106 pixels. The network has 1,416,587 parameters for three channels and 11 classes,
    including the biases of the convolutions, which the released network has and the text of the paper leaves out. Local
    response normalisation comes first; it was made for values up to 255 and hardly changes pictures normalised to a
    deviation of 1.

    Args:
        in_channels: channels of the pictures.
        classes: K.
        width: factor on all numbers of channels except these two.
    """
    channels = _scaled(BASIC_CHANNELS, width)
    down = [
        nn.Sequential(nn.Conv2d(before, channels, 7, padding=3), BatchNorm2d(channels), nn.ReLU(inplace=True))
        for before in (in_channels, *(channels,) * (BASIC_STAGES - 1))
    ]
    up = [
        nn.Sequential(nn.Conv2d(channels, channels, 7, padding=3), BatchNorm2d(channels)) for _ in range(BASIC_STAGES)
    ]
    stem = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)
    return SegNet(down, up, nn.Conv2d(channels, classes, 1), stem=stem)


def segnet(label_space: LabelSpace, preprocessing: Preprocessing, options: PaperOptions) -> SegmentationModel:
    """Build SegNet; see :func:`segnet_network`."""
    network = segnet_network(preprocessing.channels, len(label_space), width=options.width)
    return SegmentationModel(network, label_space=label_space, preprocessing=preprocessing, stride=1)


def segnet_basic(label_space: LabelSpace, preprocessing: Preprocessing, options: PaperOptions) -> SegmentationModel:
    """Build SegNet-Basic; see :func:`segnet_basic_network`."""
    network = segnet_basic_network(preprocessing.channels, len(label_space), width=options.width)
    return SegmentationModel(network, label_space=label_space, preprocessing=preprocessing, stride=1)


def fill_from_vgg16_bn(network: SegNet, tensors: Mapping[str, Tensor]) -> None:
    """Fill the encoder of SegNet from torchvision's VGG16 with batch norm, as the paper starts from VGG16.

    Args:
        network: SegNet of three channels and full width.
        tensors: ``state_dict()`` of ``torchvision.models.vgg16_bn``.

    Raises:
        ModelError: a tensor is missing or has another shape.
    """
    number = 0  # the layer's index in torchvision's list: convolution, norm and ReLU are three layers, a pool is one
    for stage in network.down:
        for part in stage.modules():
            if not isinstance(part, nn.Conv2d | nn.BatchNorm2d):
                continue
            for name, own in part.state_dict().items():
                given = tensors.get(f"features.{number}.{name}")
                if given is None or given.shape != own.shape:
                    found = "no such tensor" if given is None else f"a tensor {tuple(given.shape)}"
                    raise ModelError(
                        f"features.{number}.{name}: SegNet wants {tuple(own.shape)}, found {found}; give the "
                        "state_dict() of torchvision's vgg16_bn, and a SegNet of 3 channels and width 1"
                    )
                own.copy_(given)
            number += 1 if isinstance(part, nn.Conv2d) else 2
        number += 1


def _conv_norm_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    # There is a bias, although batch norm cancels it, because the published counts and VGG's weights have it.
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1), BatchNorm2d(out_channels), nn.ReLU(inplace=True)
    )


def _scaled(channels: int, width: float) -> int:
    return max(1, round(width * channels))
