"""The class of semantic models: a network that gives coarse logits, and one grid for pictures of any size."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.card import UntracedCard
from pixelwise.encoders import Encoder, fitting
from pixelwise.encoders.sizes import rounds_up
from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.instances import ObjectRule
from pixelwise.models.carded import CardedModel
from pixelwise.nn.fused.windows import Cutting, Windowed
from pixelwise.nn.image_mean import picture_within
from pixelwise.nn.tracing.trace import Trace, trace
from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.tail.reference import upsample_band
from pixelwise.placement import Around, Placement
from pixelwise.preprocessing import Edge, Preprocessing
from pixelwise.tiling import Window
from pixelwise.types import LabelSpace

TRACED_SIDE = 256
"""Side in pixels of the picture that a network is traced with."""


class Coarse(NamedTuple):
    """Logits as the network computes them, before they are spread over the picture.

    Pixel ``y`` of the picture reads coarse row ``y * scale + offset`` by linear interpolation, clamped to the map; the
    same holds for columns. The operators of :mod:`pixelwise.ops` take labels, loss and counts from it directly.
    """

    logits: Tensor
    """(N, K, h, w), raw scores."""
    size: tuple[int, int]
    """Height and width of the picture in pixels."""
    scale: float | tuple[float, float]
    """One number, or one for rows and one for columns."""
    offset: float | tuple[float, float]
    auxiliary: tuple[Tensor, ...] = ()
    """Further logits (N, K, h', w') that only a loss looks at."""


class EncoderDecoder(nn.Module):
    """An encoder, a decoder and a head in a row: images (N, C, H, W) -> logits (N, K, h, w).

    Args:
        encoder: gives the feature maps, finest first; declares ``channels`` and ``strides``.
        decoder: turns the feature maps into one map (N, D, h, w).
        head: turns that map into logits (N, K, h, w).
    """

    def __init__(self, encoder: Encoder, decoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head

    def forward(self, images: Tensor, window: Window | None = None) -> Tensor:
        """Score normalised images.

        Args:
            images: (N, C, H, W).
            window: rows and columns that are wanted, if the decoder can leave out the rest; the logits then lie on the
                part that the decoder covers.
        """
        maps = self.encoder(images)
        if isinstance(self.decoder, Cutting):
            decoded = self.decoder(maps, window, (images.shape[2], images.shape[3]))
        else:
            decoded = self.decoder(maps) if window is None else self.decoder(maps, window)
        logits: Tensor = self.head(decoded)
        return logits


class SegmentationModel(CardedModel):
    """A network that scores every pixel for every class, on pictures of any size.

    With ``border="zeros"``, pictures are padded at the bottom and the right to the next multiple of the network's
    period in training, evaluation, prediction and export, so that coarse cells lie on the picture at an exact stride
    whatever its size; ``edge`` says what the padding is. With ``border="mirror"``, for unpadded convolutions, pictures
    are mirrored outwards by as many pixels as the network loses, and up to a legal size (overlap-tile strategy of
    U-Net).

    Args:
        network: maps normalised images (N, C, H, W) to coarse logits (N, K, h, w); in training it may return a tuple
            of these and auxiliary logits.
        label_space: the classes; they are stored in the model's files.
        preprocessing: how pictures are normalised before ``coarse`` and ``forward``; it is stored in the files, too.
        stride: input pixels from one coarse cell to the next.
        first: the pixel on which cell 0 lies; (stride - 1) / 2 by default, the rule of
            ``F.interpolate(align_corners=False)``.
        border: what lies around the picture.
        stretch: for networks that were trained elsewhere without an exact grid: ``"half_pixel"`` does not pad pictures
            and stretches the logits over them, ``"corners"`` stretches the logits over the padded picture from corner
            to corner (``align_corners=True``). Tiles of such a model do not equal the whole picture.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        label_space: LabelSpace,
        preprocessing: Preprocessing,
        stride: int,
        first: float | None = None,
        border: Literal["zeros", "mirror"] = "zeros",
        stretch: Literal["half_pixel", "corners"] | None = None,
    ) -> None:
        untraced = UntracedCard(
            label_space=label_space,
            preprocessing=preprocessing,
            object_rule=ObjectRule(score=0),
            edge="mirror" if stretch is None else "zeros",
        )
        super().__init__(network, untraced)
        self.stride = stride
        self.first = (stride - 1) / 2 if first is None else first
        self.border = border
        self.stretch = stretch

    def trace_geometry(self) -> Geometry:
        """Find the geometry of the full-size logits from the operators that the network runs."""
        traced = self._trace_at(TRACED_SIDE)
        coarse = traced.outputs[0]
        if self.border == "mirror":
            # At sizes that are not legal, pools of unpadded networks drop pixels, so the margin cannot be measured.
            # Of the sizes at which some output ends, the legal one loses the fewest pixels.
            sides = {TRACED_SIDE + (phase.needs + 1 - TRACED_SIDE) % coarse.period for phase in coarse.phases}
            coarse = min((self._trace_at(side).outputs[0] for side in sorted(sides)), key=lambda found: found.margin)
        if coarse.whole or self.stretch is not None or not self.exact_maps:
            # The trace does not see the strides of layers after attention; the encoder states them.
            fits = Geometry.identity() if self.encoder is None else fitting(self.encoder)
            return Geometry(1, None, None, lcm(traced.period, fits.period), least=fits.least)
        if coarse.stride != self.stride:
            raise ModelError(
                f"{type(self.network).__name__} has stride {coarse.stride}, but {self.stride} was declared"
            )
        full = coarse if self.stride == 1 else coarse.bilinear(self.stride, first=Fraction(self.first))
        return full.same_size() if self.border == "zeros" else full

    def _trace_at(self, side: int) -> Trace:
        return trace(self.network, (1, self.preprocessing.channels, side, side))

    def _contradiction(self) -> str:
        geometry = self.geometry
        if geometry.stride != 1 or geometry.period % self.stride:
            return f"a period of {geometry.period} is no multiple of its stride, {self.stride}"
        if not geometry.whole and (self.stretch is not None or not self.exact_maps):
            return "its maps are stretched over the picture, so that no output reads a known part of it"
        if self.border == "zeros" and any(phase.needs != output for output, phase in enumerate(geometry.phases)):
            return "it gives as many outputs as a picture has pixels"
        if self.border == "mirror" and not geometry.margin:
            return "its unpadded convolutions lose pixels at the borders"
        if self.edge == "none" and not self.rounds_up:
            return "its encoder's maps do not round the size of pictures up, or its decoder does not cut them"
        return super()._contradiction()

    def coarse(self, images: Tensor, window: Window | None = None) -> Coarse:
        """Compute coarse logits, which losses, metrics and predictors use.

        Args:
            images: normalised float (N, C, H, W), of any height and width.
            window: rows and columns of which logits are wanted; elsewhere they may be missing or wrong.

        Raises:
            ModelError: the images are not (N, C, H, W) with the channels the model was built for.
        """
        if images.ndim != 4 or images.shape[1] != self.preprocessing.channels:
            raise ModelError(
                f"model '{self.name}' takes images (N, {self.preprocessing.channels}, H, W), got {tuple(images.shape)}"
            )
        return self.score(self._extend(images), (images.shape[2], images.shape[3]), window)

    def score(self, extended: Tensor, size: tuple[int, int], window: Window | None = None) -> Coarse:
        """Compute coarse logits of images that already have their border and a size that the network computes on.

        Args:
            extended: normalised float (N, C, H', W'), as ``coarse`` makes it of images, or cut from a larger picture.
            size: height and width of the output that counts, from its first row and column on.
            window: as for :meth:`coarse`.
        """
        decoder = self._windowed_decoder()
        if window is not None and decoder is not None:
            rows, columns = decoder.covered(window, (extended.shape[2], extended.shape[3]))
            offset = (-(self.first + rows.start) / self.stride, -(self.first + columns.start) / self.stride)
            return Coarse(self._run(extended, size, window), size, 1 / self.stride, offset)
        result = self._run(extended, size)
        logits, *auxiliary = result if isinstance(result, tuple) else (result,)
        grid = self.placement.grid((logits.shape[2], logits.shape[3]), (extended.shape[2], extended.shape[3]))
        return Coarse(logits, size, *grid, tuple(auxiliary))

    def _run(self, extended: Tensor, size: tuple[int, int], *window: Window) -> Any:
        """Run the network on padded images; the picture is their upper left part, of height and width ``size``."""
        if self.edge == "zeros":  # these networks were trained with global averages that include the padding
            return self.network(extended, *window)
        with picture_within(size, (extended.shape[2], extended.shape[3])):
            return self.network(extended, *window)

    @property
    def rounds_up(self) -> bool:
        """Whether the network computes on pictures of any size without padding, in cells that cover them.

        Its encoder rounds sizes up, and its decoder cuts its maps to the picture. Such a model may have the edge
        ``"none"``.
        """
        decoder, encoder = getattr(self.network, "decoder", None), self.encoder
        if encoder is None or not (isinstance(decoder, Cutting) and decoder.cuts):
            return False
        whole_cells = self.stretch is None and self.border == "zeros" and self.exact_maps
        return whole_cells and rounds_up(encoder, self.preprocessing.channels)

    @property
    def windowed(self) -> bool:
        """Whether the network computes less where only a window of its output is wanted."""
        return self._windowed_decoder() is not None

    def _windowed_decoder(self) -> Windowed | None:
        decoder = self.network.decoder if isinstance(self.network, EncoderDecoder) else None
        exact = self.stretch is None and self.border == "zeros" and self.exact_maps
        return decoder if exact and isinstance(decoder, Windowed) else None

    def forward(self, images: Tensor) -> Tensor:
        """Compute full-size logits (N, K, H, W) from normalised images (N, C, H, W)."""
        logits, (height, width), scale, offset, _ = self.coarse(images)
        if scale == 1 and offset == 0:
            return logits[:, :, :height, :width]
        rows, columns = resolve_grid((logits.shape[2], logits.shape[3]), (height, width), scale, offset)
        return upsample_band(logits, rows, columns, slice(0, height)).to(logits.dtype)

    def valid(self, images: Tensor) -> Tensor:
        """Run the network alone, on images (N, C, H, W) without padding: 572 -> 388 for the U-Net of 2015."""
        result = self.network(images)
        logits: Tensor = result[0] if isinstance(result, tuple) else result
        return logits

    @property
    def placement(self) -> Placement:
        """How coarse cells lie on pictures, and what is added around a picture."""
        around: Around = "period"
        if self.border == "mirror":
            around = "margin"
        elif self.stretch == "half_pixel" or self.edge == "none":
            around = "nothing"
        # An encoder with unpadded convolutions loses cells at the borders; its maps are then stretched to fit.
        stretch = self.stretch or (None if self.exact_maps else "half_pixel")
        return Placement(self.stride, self.first, stretch, around)

    def _extend(self, images: Tensor) -> Tensor:
        """Give images (N, C, H, W) the border and the size that the network computes on."""
        placement, margin = self.placement, self.geometry.margin
        size = placement.computed((images.shape[2], images.shape[3]), self.geometry)
        if placement.around == "margin":
            return mirror_pad(images, (margin, margin), size)
        return images if placement.around == "nothing" else continue_to(images, size, self.edge)


def continue_to(images: Tensor, size: tuple[int, int], edge: Edge) -> Tensor:
    """Continue images (N, C, H, W) at the bottom and the right to height and width (H', W')."""
    height, width = images.shape[2:]
    below, right = size[0] - height, size[1] - width
    if not below and not right:
        return images
    if edge == "zeros":
        return F.pad(images, (0, right, 0, below))
    if below < height and right < width:  # one reflection is enough; the memory order is kept
        return F.pad(images, (0, right, 0, below), mode="reflect")
    return mirror_pad(images, (0, 0), size)


def mirror_pad(images: Tensor, before: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Continue images beyond their borders by reflection at the border pixel, repeated if need be.

    Args:
        images: (N, C, H, W).
        before: rows above and columns to the left to add.
        size: height and width (H', W') of the result.

    Returns:
        (N, C, H', W'); where a side has one pixel, that pixel is repeated.
    """
    for axis, (first, length) in enumerate(zip(before, size, strict=True), start=2):
        side = images.shape[axis]
        turn = max(1, 2 * (side - 1))
        place = (torch.arange(length, device=images.device) - first) % turn
        images = images.index_select(axis, torch.minimum(place, turn - place).clamp(max=side - 1))
    return images
