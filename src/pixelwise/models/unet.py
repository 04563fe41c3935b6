"""U-Net (Ronneberger, Fischer and Brox 2015) in its practical form: on a pretrained encoder, for any picture size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from pixelwise.encoders import Encoder
from pixelwise.models.base import EncoderDecoder, SegmentationModel
from pixelwise.models.options import Count, ModelOptions, Several
from pixelwise.nn.blocks import conv_norm_relu, initialise, leaves
from pixelwise.nn.fused.upsampled_conv import UpsampledConv2d
from pixelwise.nn.fused.windows import cells_of, crop, everything, widen
from pixelwise.nn.upsampling import Doubling, Upsampling
from pixelwise.preprocessing import Preprocessing
from pixelwise.tiling import Window
from pixelwise.types import LabelSpace

HEAD_READS = 1
"""The pixels that the head, a 3x3 convolution, reads beyond each side of its output."""


class UNetDecoder(nn.Module):
    """Upsample the deepest map by 2 until it has the size of the picture, joining the encoder's map at every stride.

    Each step is upsampling by 2 (by default by copying cells), concatenation with the encoder's map of that stride if
    there is one, and two 3x3 convolutions. The decoder takes the maps of the encoder, finest first, and returns
    (N, channels[-1], H, W).

    Args:
        encoder_channels: channels of the encoder's maps, finest first.
        encoder_strides: strides of these maps.
        channels: channels after each doubling, deepest first; the last is repeated or the list cut as needed.
        upsampling: how maps are doubled, see :class:`pixelwise.nn.upsampling.Doubling`.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        channels: Sequence[int],
        *,
        upsampling: Upsampling = "nearest",
    ) -> None:
        super().__init__()
        skip_at = dict(zip(encoder_strides[:-1], encoder_channels[:-1], strict=True))
        self.skip_strides = tuple(encoder_strides[:-1])
        self.strides: list[int] = []
        doublings: list[nn.Module] = []
        steps: list[nn.Module] = []
        stride, width = encoder_strides[-1], encoder_channels[-1]
        while stride > 1:
            stride //= 2
            skip_channels = skip_at.get(stride, 0)
            doubling = Doubling(width, skip_channels, upsampling)
            doublings.append(doubling)
            out_channels = channels[min(len(steps), len(channels) - 1)]
            steps.append(
                nn.Sequential(
                    conv_norm_relu(doubling.out_channels + skip_channels, out_channels),
                    conv_norm_relu(out_channels, out_channels),
                )
            )
            self.strides.append(stride)
            width = out_channels
        self.doublings = nn.ModuleList(doublings)
        self.steps = nn.ModuleList(steps)
        self.out_channels = width
        initialise(self.steps)

    @property
    def cuts(self) -> bool:
        """Whether every upsampled map is cut to the cells that the picture covers.

        This is so if upsampling copies cells and the encoder gives a map at each stride.
        """
        strides = [*reversed(self.skip_strides), 1]
        return strides == self.strides and all(doubling.upsampling == "nearest" for doubling in self.doublings)

    def forward(self, maps: list[Tensor], window: Window | None = None, size: tuple[int, int] | None = None) -> Tensor:
        """Decode the encoder's maps, finest first; the list is emptied.

        Args:
            maps: (N, C, H / stride, W / stride) each; rounded up where the decoder :attr:`cuts` its maps.
            window: rows and columns of the picture that are wanted; by default all.
            size: height and width of the picture; by default what the deepest map covers.

        Returns:
            (N, channels[-1], H, W), or the part of it that :meth:`covered` states.
        """
        if size is None:
            size = (maps[-1].shape[2] * 2 * self.strides[0], maps[-1].shape[3] * 2 * self.strides[0])
        covered = everything(size)
        region_at = dict(zip(self.strides, self._regions(window or covered, size), strict=True))
        # Maps are freed as soon as they are used, because they are most of the memory in prediction.
        decoded = maps.pop()
        skip_at = {
            stride: crop(maps.pop(), region_at[stride], covered, stride) for stride in reversed(self.skip_strides)
        }
        for stride, doubling, step in zip(self.strides, self.doublings, self.steps, strict=True):
            convolve, *rest = leaves(step)
            decoded = crop(decoded, region_at[stride], covered, 2 * stride)
            covered = region_at[stride]
            skip = skip_at.pop(stride, None)
            rows, columns = cells_of(covered, stride)
            if isinstance(convolve, UpsampledConv2d):
                decoded = convolve(decoded, skip, (rows, columns))  # (N, C, h, w) -> (N, C'', 2h, 2w), or less
            else:
                decoded = doubling(decoded, skip)  # (N, C, h, w) -> (N, C', 2h, 2w), or less
                decoded = decoded[:, :, :rows, :columns]
                if skip is not None:
                    decoded = torch.cat([decoded, skip], 1)
                decoded = convolve(decoded)
            del skip
            for part in rest:
                decoded = part(decoded)
        return decoded

    def covered(self, window: Window, size: tuple[int, int]) -> Window:
        """Give the part of a picture of ``size`` pixels that the result covers when a window of it is wanted."""
        return self._regions(window, size)[-1]

    def _regions(self, window: Window, size: tuple[int, int]) -> list[Window]:
        """Give the part of the picture that each step computes, so that the window equals that of the whole result."""
        region, regions = widen(window, HEAD_READS, 1, size), []
        for stride, doubling in zip(reversed(self.strides), reversed(self.doublings), strict=True):
            assert isinstance(doubling, Doubling)
            # Two convolutions read one more cell each, and some kinds of upsampling one more cell of twice the side.
            cells = 2 if doubling.upsampling in ("nearest", "unpool") else 4
            region = widen(region, cells * stride, 2 * stride, size)
            regions.append(region)
        return regions[::-1]

    def fuse(self) -> None:
        """Convolve without building the upsampled maps if upsampling copies cells; this is for prediction only.

        Each map of the encoder must be exactly half as large as the finer one, or half as large rounded up.
        """
        for doubling, step in zip(self.doublings, self.steps, strict=True):
            assert isinstance(doubling, Doubling)
            assert isinstance(step, nn.Sequential)
            first = step[0]
            assert isinstance(first, nn.Sequential)
            if doubling.upsampling == "nearest" and isinstance(first[0], nn.Conv2d):
                first[0] = UpsampledConv2d(first[0], doubling.out_channels)


@dataclass(frozen=True, kw_only=True)
class UNetOptions(ModelOptions):
    """Options of :func:`unet`.

    Args:
        decoder_channels: channels after each doubling, deepest first; the last is repeated or the list cut as needed.
        upsampling: how the decoder doubles its maps, see :class:`pixelwise.nn.upsampling.Doubling`.
    """

    decoder_channels: Annotated[Several[Count], Field(min_length=1)] = (256, 128, 64, 32, 16)
    upsampling: Upsampling = "nearest"


def unet(
    encoder: Encoder, label_space: LabelSpace, preprocessing: Preprocessing, options: UNetOptions
) -> SegmentationModel:
    """Build a U-Net on an encoder; its logits have the stride of the picture, 1.

    Args:
        encoder: gives the feature maps.
        label_space: the classes.
        preprocessing: how pictures are normalised.
        options: the details.
    """
    decoder = UNetDecoder(encoder.channels, encoder.strides, options.decoder_channels, upsampling=options.upsampling)
    head = nn.Conv2d(decoder.out_channels, len(label_space), 3, padding=1)
    return SegmentationModel(
        EncoderDecoder(encoder, decoder, head),
        label_space=label_space,
        preprocessing=preprocessing,
        stride=1,
    )
