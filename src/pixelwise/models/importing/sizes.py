"""How networks of segmentation_models_pytorch (smp) treat pictures whose sides are no multiple of their stride."""

from __future__ import annotations

from pixelwise.encoders import TimmEncoder
from pixelwise.encoders.smp_encoder import SmpEfficientNet
from pixelwise.models.base import SegmentationModel


def take_sizes_as_smp(model: SegmentationModel, architecture: str) -> list[str]:
    """Set the edge of a model so that it computes what smp computes on pictures of any size, if it can.

    The library's U-Net does not pad pictures, and resizes each decoded map to the size of the encoder's map. If the
    encoder rounds sizes up and decoded maps are upsampled by copying cells, resizing is the same as cutting the maps;
    the model then has the edge ``"none"``. For other models, pictures are padded to a multiple of their period.

    Args:
        model: the model that was built from the tensors.
        architecture: the library's name of it, in lower case.

    Returns:
        Notes on the sizes at which the model and the library differ.
    """
    shifted = isinstance(model.encoder, TimmEncoder | SmpEfficientNet) and model.encoder.shifted
    if architecture == "unet" and model.rounds_up and not shifted:
        model.change_card(edge="none")
        return []
    geometry = model.geometry
    continued = "goes on with zeros" if model.edge == "zeros" else "goes on as a mirror shows it"
    small = f"has less than {geometry.smallest} pixels" if geometry.smallest > geometry.period else ""
    if architecture == "unet":
        return [
            f"labels differ from smp's where a side is no multiple of {geometry.period}{small and ' or '}{small}, most "
            "at the right and the bottom edge: smp stretches its maps to fit each other, and here the picture "
            f"{continued}"
        ]
    notes = [f"where a side is no multiple of {geometry.period}, which smp refuses, the picture {continued}"]
    return [*notes, f"labels differ from smp's where a side {small}: the picture {continued}"] if small else notes
