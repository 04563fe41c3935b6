"""Preparing a model for prediction: a copy in a faster form that cannot be trained."""

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
    """Copy a model for prediction only.

    Normalisations are folded into convolutions, and the memory layout is channels last.

    Args:
        model: the model; it is not changed.
        dtype: ``torch.float32``, ``torch.float64`` or ``torch.bfloat16``. With ``torch.bfloat16``, weights are
            converted once, and a semantic network runs under autocast; boxes and scores of a detection network are
            computed in float32 at least.
        device: the device that it will run on.
        form: ``"fast"`` replaces parts by others that compute the same in fewer passes or products; ``"plain"`` has
            only operators of torch and torchvision, as exports need.

    Returns:
        A model on the device with the same methods and, up to rounding, the same results; it cannot be trained.

    Raises:
        SettingError: there is no such form.
    """
    if form not in FORMS:
        raise SettingError(f"there is no form '{form}'; choose one of {', '.join(FORMS)}", argument="form")
    card = model.card  # read first, so that nothing is traced after the network has changed
    prepared = copy.deepcopy(model).eval().requires_grad_(False)
    side = card.geometry.input_size(card.geometry.padded_size(1))
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
    if half:  # autocast would convert these weights for every tile; the results are the same
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
