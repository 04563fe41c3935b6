"""A copy of a model in the form in which it predicts."""

from __future__ import annotations

import copy
from typing import Literal, TypeVar, get_args

import torch
from torch import nn

from pixelwise.detection.roi import RegionReader
from pixelwise.errors import SettingError
from pixelwise.models.base import SegmentationModel
from pixelwise.models.mask_rcnn import DetectionModel
from pixelwise.nn.fused.exchanging import fuse_parts
from pixelwise.nn.fused.folding import fold_batch_norm
from pixelwise.nn.fused.upsampled_conv import UpsampledConv2d
from pixelwise.nn.fused.winograd import use_winograd

FOLDED_SIDE = 256
"""Pixels of the picture on which it is seen which normalisation follows which convolution."""

PredictionForm = Literal["fast", "plain"]
FORMS: tuple[PredictionForm, ...] = get_args(PredictionForm)

AnyModel = TypeVar("AnyModel", SegmentationModel, DetectionModel)


def prepare(
    model: AnyModel,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    form: PredictionForm = "fast",
) -> AnyModel:
    """Copy a model for prediction alone.

    Normalisations are folded into convolutions, and everything is laid out channels last.

    Args:
        model: it is left as it is.
        dtype: ``torch.float32``, ``torch.float64`` or ``torch.bfloat16``. In the last, weights are turned into it once
            and for all, and the pixels of a semantic network are computed under autocast; boxes and scores of a
            detection network are computed in float32 at least.
        device: where it will compute.
        form: ``"fast"`` exchanges parts for others that compute the same in fewer passes or products; ``"plain"``
            leaves operators of torch and torchvision only, as exports need them.

    Returns:
        A model on the device with the same methods and, up to rounding, the same results; it cannot be trained.

    Raises:
        SettingError: there is no such form.
    """
    if form not in FORMS:
        raise SettingError(f"there is no form '{form}'; choose one of {', '.join(FORMS)}", argument="form")
    card = model.card  # so that nothing is traced once the network has changed
    prepared = copy.deepcopy(model).eval().requires_grad_(False)
    side = card.geometry.input_size(card.geometry.padded_size(FOLDED_SIDE))
    fold_batch_norm(prepared.network, (1, card.preprocessing.channels, side, side))
    if form == "fast" and card.exact_maps:
        fuse_parts(prepared.network)
    device = torch.device(device)
    if isinstance(prepared, DetectionModel):
        _prepare_detection(prepared, dtype, device, form)
    else:
        _prepare_segmentation(prepared, dtype)
    return prepared.to(device)


def _prepare_segmentation(model: SegmentationModel, dtype: torch.dtype) -> None:
    half = dtype == torch.bfloat16
    model.to(torch.float32 if half else dtype).to(memory_format=torch.channels_last)
    if half:  # what autocast would turn into bfloat16 for every tile; the results are the same
        for part in model.modules():
            if type(part) in (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, UpsampledConv2d):
                part.to(torch.bfloat16)


def _prepare_detection(model: DetectionModel, dtype: torch.dtype, device: torch.device, form: PredictionForm) -> None:
    network = model.network
    network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.heads.box_head.read_channels_last()
    if form == "plain":
        for reader in (network.heads.box_reader, network.heads.mask_reader):
            assert isinstance(reader, RegionReader)
            reader.native = False
    elif dtype == torch.float32 and device.type == "cpu":
        use_winograd(network)
