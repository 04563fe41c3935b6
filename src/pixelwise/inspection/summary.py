"""Inspecting a model before it runs: its stages, its cost, the sizes that fit, and what tiles need."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pixelwise.errors import SettingError
from pixelwise.geometry import Geometry
from pixelwise.inspection.parts import Call
from pixelwise.inspection.table import StageRow, stage_rows
from pixelwise.models import DetectionModel, Model
from pixelwise.nn.tracing.memory import peak_bytes
from pixelwise.nn.tracing.trace import trace


@dataclass(frozen=True)
class Unpadded:
    """The outputs of a network of unpadded convolutions for a picture without a border, as in its paper.

    Args:
        output: height and width of the scores.
        shapes: the shapes of the outputs of the stages, in their order.
        multiply_adds: the multiply-adds for the picture.
    """

    output: tuple[int, int]
    shapes: tuple[tuple[int, ...], ...]
    multiply_adds: int


@dataclass(frozen=True)
class Inspection:
    """The stages of a model, its cost for one picture, and its receptive fields."""

    name: str
    encoder: str | None
    options: dict[str, Any]
    """The options that the model was built with."""
    classes: int
    channels: int
    picture: tuple[int, int]
    """Height and width of the picture in pixels."""
    computed: tuple[int, int]
    """Height and width that the network computes on, including the border of the picture."""
    rows: tuple[StageRow, ...]
    parameters: int
    """The number of values that learn."""
    multiply_adds: int
    written: int
    """The bytes of feature maps that a pass writes in float32; training keeps most of them."""
    peak: int
    """The most bytes of feature maps that are in memory at once in prediction, in float32."""
    geometry: Geometry
    """The geometry of the full-size logits."""
    stride: int
    """The pixels from one cell of the coarse logits to the next."""
    first: float
    """The pixel on which coarse cell 0 lies."""
    mirrored: bool
    """Whether pictures are mirrored at their borders, which networks of unpadded convolutions need."""
    stretch: str | None
    """How logits are stretched over the picture if they lie on no exact grid."""
    regions: tuple[int, int] | None = None
    """The most proposals and detections of a picture, for which the heads are counted; None if pixels are labelled."""
    masks: bool = False
    """Whether detections have masks."""
    unpadded: Unpadded | None = None
    """The network without mirrored borders, if it has them and the size of the picture is legal without them."""

    @property
    def receptive_field(self) -> int | None:
        """The most pixels along an axis that the label of one pixel depends on; None for the whole picture."""
        return self.geometry.receptive_field

    @property
    def least_field(self) -> int | None:
        """The least pixels along an axis that a label reads; the number depends on the pixel's place in a period."""
        return None if self.geometry.whole else min(p.last - p.first + 1 for p in self.geometry.phases)

    @property
    def sizes(self) -> str:
        """The sizes that fit, in words."""
        least, step = self.geometry.legal_sizes
        if self.mirrored:
            gives = self.geometry.output_size(least)
            return f"any; unpadded {least} + {step} k pixels give {gives} + {step} k, the rest is mirrored"
        if self.stretch == "half_pixel":
            return "any, computed as it is; scores are stretched over it"
        period = self.geometry.period
        return f"any; computed at multiples of {period}, at least {self.geometry.smallest}" if period > 1 else "any"

    @property
    def tiling(self) -> str:
        """The sizes and the halo that tiles need, in words."""
        period = self.geometry.period
        if self.stretch is not None:
            return "scores are stretched over the picture as it is cut, so that tiles cannot equal the whole"
        if self.regions is not None:
            return "objects are suppressed by others all over the picture, so that tiles cannot equal the whole"
        if self.geometry.whole:
            return (
                "every pixel sees the whole picture: tiles cannot equal it, and begin at multiples of "
                f"{period} pixels to come near"
            )
        return (
            f"a block of {period} pixels reads {self.geometry.context} beyond itself; tiles that begin at multiples of "
            f"{period} and carry {self.geometry.halo} pixels on every side equal the whole"
        )

    def to_dict(self) -> dict[str, Any]:
        """Convert the inspection to plain JSON types."""
        geometry = self.geometry
        least, step = geometry.legal_sizes
        return {
            "model": self.name,
            "encoder": self.encoder,
            "options": self.options,
            "classes": self.classes,
            "in_channels": self.channels,
            "size": list(self.picture),
            "computed_size": list(self.computed),
            "stages": [_row_dict(row) | more for row, more in zip(self.rows, self._more(), strict=True)],
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "activation_bytes": self.written,
            "peak_activation_bytes": self.peak,
            "stride": self.stride,
            "first": self.first,
            "stretch": self.stretch,
            "period": geometry.period,
            "receptive_field": geometry.receptive_field,
            "least_receptive_field": self.least_field,
            "whole_picture": geometry.whole,
            "context": geometry.context,
            "halo": geometry.halo,
            "margin": geometry.margin,
            "legal_sizes": {"least": least, "step": step, "text": self.sizes},
            "tiling": self.tiling,
            "unpadded": None if self.unpadded is None else self._unpadded_dict(self.unpadded),
            "proposals": None if self.regions is None else self.regions[0],
            "detections": None if self.regions is None else self.regions[1],
        }

    def _unpadded_dict(self, unpadded: Unpadded) -> dict[str, Any]:
        output, multiply_adds = list(unpadded.output), unpadded.multiply_adds
        return {"size": list(self.picture), "output_size": output, "multiply_adds": multiply_adds}

    def _more(self) -> list[dict[str, Any]]:
        """Give what JSON holds of each stage in addition to its row."""
        if self.unpadded is None:
            return [{}] * len(self.rows)
        return [{"unpadded_shape": list(shape)} for shape in self.unpadded.shapes]


def inspect_model(model: Model, *, size: tuple[int, int] = (512, 512)) -> Inspection:
    """Trace a model on shapes only.

    Args:
        model: any model; it may be built under ``torch.device("meta")``.
        size: height and width of the picture in pixels.

    Raises:
        SettingError: a side is below 1.
    """
    if min(size) < 1:
        raise SettingError(f"size is {size[0]}x{size[1]}; a picture is at least 1x1")
    geometry, channels = model.geometry, model.preprocessing.channels
    if model.border == "mirror":
        computed = geometry.input_size(size[0]), geometry.input_size(size[1])
    elif model.stretch == "half_pixel":
        computed = size
    else:
        computed = geometry.padded_size(size[0]), geometry.padded_size(size[1])
    images = (1, channels, *computed)
    traced = trace(model.network, images)
    return Inspection(
        name=model.name,
        encoder=None if model.encoder is None else model.encoder.name,
        options={name: value for name, value in model.options.items() if name not in ("encoder", "in_channels")},
        classes=len(model.label_space),
        channels=channels,
        picture=size,
        computed=computed,
        rows=tuple(stage_rows(model.network, traced)),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        multiply_adds=traced.multiply_adds,
        written=traced.written,
        peak=peak_bytes(model.network, images),
        geometry=geometry,
        stride=model.stride,
        first=float(model.first),
        mirrored=model.border == "mirror",
        stretch=model.stretch,
        regions=_regions(model),
        masks=isinstance(model, DetectionModel) and model.masks,
        unpadded=_unpadded(model, size) if model.border == "mirror" else None,
    )


def _unpadded(model: Model, size: tuple[int, int]) -> Unpadded | None:
    """Run the network on the picture without a border; None if a pool would drop pixels."""
    least, step = model.geometry.legal_sizes
    if any(side < least or (side - least) % step for side in size):
        return None
    traced = trace(model.network, (1, model.preprocessing.channels, *size))
    rows, columns = traced.shapes[0][2:]
    shapes = tuple(row.shape for row in stage_rows(model.network, traced))
    return Unpadded((rows, columns), shapes, traced.multiply_adds)


def _regions(model: Model) -> tuple[int, int] | None:
    """Give the most proposals and detections of a picture."""
    if not isinstance(model, DetectionModel):
        return None
    return model.network.rpn.after, model.network.heads.detections


def _row_dict(row: StageRow) -> dict[str, Any]:
    described = {
        "name": row.name,
        **_call_dict(Call(row.shape, row.geometry)),
        "parameters": row.parameters,
        "multiply_adds": row.multiply_adds,
        "activation_bytes": row.written,
        "regions": row.shape[0] if row.regions else None,
    }
    return described | ({"calls": [_call_dict(call) for call in row.calls]} if row.calls else {})


def _call_dict(call: Call) -> dict[str, Any]:
    geometry = call.geometry
    stride = None if geometry is None else geometry.stride
    return {
        "shape": list(call.shape),
        "stride": float(stride) if isinstance(stride, Fraction) else stride,
        "receptive_field": None if geometry is None else geometry.receptive_field,
        "whole_picture": geometry is not None and geometry.whole,
    }
