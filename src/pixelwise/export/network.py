"""The network of a model as an ONNX graph: the part between a prepared picture and coarse logits."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from pixelwise.errors import UnsupportedError
from pixelwise.inference.runtimes.exported.description import mean_name
from pixelwise.inference.runtimes.exported.pixels import COARSE
from pixelwise.models import SegmentationModel
from pixelwise.nn.image_mean import ImageMean, means_heard, shares_given

if TYPE_CHECKING:
    import onnx

PIXELS, SHARES = "pixels", "shares"
"""The names of the inputs of the network: normalised pixels (1, C, H, W) with all that is added around the picture, and
the shares (2,) of their rows and columns that show the picture."""

OPSET = 20
"""The version of the ONNX operators."""

TRACED_PERIODS = (2, 3)
"""The height and width of the picture that is traced, in periods beyond the smallest picture."""


class Network(NamedTuple):
    """A network as an ONNX graph.

    Args:
        graph: inputs :data:`PIXELS` and perhaps :data:`SHARES`; outputs ``coarse`` and the means over the picture.
        means: the channels of each mean.
        shared: whether :data:`SHARES` is an input.
    """

    graph: onnx.ModelProto
    means: tuple[int, ...]
    shared: bool


class CoarseNetwork(nn.Module):
    """The network of a model, which gives coarse logits and the means over the picture that it takes.

    Args:
        model: the model, prepared in the plain form.
    """

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.network = model.network
        self.parts = [part for part in model.network.modules() if isinstance(part, ImageMean)]
        self.shared = bool(self.parts) and model.edge != "zeros" and model.placement.around == "period"

    def forward(self, pixels: Tensor, shares: Tensor | None = None) -> tuple[Tensor, ...]:
        """Score normalised pixels (1, C, H, W): coarse logits (1, K, h, w), and means (1, C, 1, 1)."""
        given = nullcontext() if shares is None else shares_given((shares[0], shares[1]))
        with given, means_heard() as heard:
            result = self.network(pixels)
        logits: Tensor = result[0] if isinstance(result, tuple) else result
        return (logits, *(heard[part] for part in self.parts))


def trace_network(prepared: SegmentationModel) -> Network:
    """Trace the network of a model for pictures of any size that it computes on.

    The older exporter of torch is used: it takes a second for each of these networks, and the newer one minutes if
    sizes are unknown.

    Args:
        prepared: the model, prepared in the plain form.

    Raises:
        UnsupportedError: the exporter does not take the network; the message says why.
    """
    network = CoarseNetwork(prepared).eval()
    pixels = torch.zeros(1, prepared.preprocessing.channels, *_traced_size(prepared))
    inputs = (pixels, torch.tensor([0.9, 0.8])) if network.shared else (pixels,)
    with torch.inference_mode():
        means = tuple(mean.shape[1] for mean in network(*inputs)[1:])
    names = [COARSE, *(mean_name(index) for index in range(len(means)))]
    axes = {PIXELS: {2: "rows", 3: "columns"}, COARSE: {2: "h", 3: "w"}}
    graph = trace(network, inputs, [PIXELS, SHARES][: len(inputs)], names, axes, prepared.name)
    return Network(graph, means, network.shared)


def trace(
    network: nn.Module,
    inputs: tuple[Tensor, ...],
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
    name: str,
) -> onnx.ModelProto:
    """Trace a network on some inputs; the named axes may have other lengths afterwards.

    Raises:
        UnsupportedError: the exporter does not take the network ``name``; the message says why.
    """
    import onnx

    content = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter warns of itself, and of sizes that are compared
            torch.onnx.export(
                network,
                inputs,
                content,  # type: ignore[arg-type]
                dynamo=False,
                opset_version=OPSET,
                input_names=input_names,
                output_names=output_names,
                dynamic_axes=dynamic_axes,
            )
    except Exception as error:  # the exporter refuses networks with errors of any type
        reason = textwrap.shorten(str(error) or type(error).__name__, 300, placeholder=" ...")
        raise UnsupportedError(f"model '{name}' cannot be exported: its network has no ONNX form ({reason})") from error
    return onnx.load_model_from_string(content.getvalue())


def _traced_size(model: SegmentationModel) -> tuple[int, int]:
    """Give a height and a width that differ, and that are odd where the network takes odd ones."""
    geometry, placement = model.geometry, model.placement
    rows, columns = (geometry.smallest + more * geometry.period for more in TRACED_PERIODS)
    return placement.computed((rows - 1, columns - 1), geometry)
