"""What networks of segmentation_models_pytorch (smp) make of pictures whose sides are no multiple of their stride."""

from __future__ import annotations

from pixelwise.encoders import TimmEncoder
from pixelwise.encoders.smp_encoder import SmpEfficientNet
from pixelwise.models.base import SegmentationModel


def take_sizes_as_smp(model: SegmentationModel, architecture: str) -> list[str]:
    """Let a model compute on pictures of any size what smp computes on them, where its form can.

    The library's U-Net takes pictures as they are and brings each decoded map to the size of the encoder's. Where these
    round sizes up where they are on whole pictures, and decoded maps are copied, that is the same as cutting them; the
    model then has the edge ``"none"``. Other networks here are continued to a multiple of their period.

    Args:
        model: as it was built from the tensors.
        architecture: the library's name of it, in small letters.

    Returns:
        What there is to say of sizes at which the model and the library differ.
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
