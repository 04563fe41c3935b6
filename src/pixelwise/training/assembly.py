"""From settings to the parts of a run: the model with the weights it starts from, the pictures, the crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from pixelwise.data.crops.augmentation import Augmentation
from pixelwise.data.crops.cache import PictureCache
from pixelwise.data.crops.gaps import GapWeights
from pixelwise.data.crops.pixel_crops import Pictures, TrainingCrops, collate_crops
from pixelwise.data.source import DataSource, Pair
from pixelwise.encoders import load_encoder_weights
from pixelwise.errors import ModelError
from pixelwise.models import build_model, load_model
from pixelwise.models.build import Model
from pixelwise.models.mask_rcnn import DetectionModel
from pixelwise.training.settings import Settings
from pixelwise.training.stream import Stream
from pixelwise.types import LabelSpace
from pixelwise.words import counted

Caches = tuple[PictureCache, PictureCache]
"""Training and validation pictures."""


def make_model(label_space: LabelSpace, settings: Settings) -> Any:
    """Build the model of the settings with fresh weights, normalising as published weights of its encoder expect.

    It labels pixels or finds objects; what it is has the type of ``MODELS``.
    """
    model = build_model(
        settings.model,
        classes=label_space,
        encoder=settings.encoder,
        in_channels=settings.in_channels,
        **settings.model_options,
    )
    model.preprocessing = replace(model.preprocessing, value_range=settings.value_range)
    if isinstance(model, DetectionModel):
        model.network.heads.batch = settings.regions
    return model


def fill_weights(model: Model, weights: str, console: Console) -> None:
    """Give a model the weights a run starts from, and say where they come from.

    Args:
        model: with fresh weights.
        weights: ``auto`` for ImageNet weights if they are at hand, ``none``, or a model file, of which every tensor
            of the same name and shape is taken.
        console: where to say it.

    Raises:
        ModelError: the file is no model file, or nothing in it fits.
    """
    if weights == "none":
        console.print("training from scratch (--weights none)")
    elif weights == "auto" and model.encoder is None:
        console.print(f"training from scratch: no published weights are known for {model.name}")
    elif weights == "auto":
        try:
            assert model.encoder is not None
            console.print(load_encoder_weights(model.encoder))
        except ModelError as error:
            console.print("[yellow]training from scratch:[/]", end=" ")
            console.print(str(error), markup=False)
    else:
        trained, wanted = load_model(Path(weights)), model.state_dict()
        taken = {k: v for k, v in trained.state_dict().items() if k in wanted and wanted[k].shape == v.shape}
        if not taken:
            raise ModelError(
                f"{weights}: no tensor of this {_kind(trained)} fits a {_kind(model)}; choose the same --model and "
                "--encoder"
            )
        model.load_state_dict(taken, strict=False)
        console.print(f"starting from {weights}: {counted(len(taken), 'tensor', 'fits', of=len(wanted))}")


def _kind(model: Model) -> str:
    encoder = model.options.get("encoder")
    return model.name if encoder is None else f"{model.name} on {encoder}"


def open_caches(source: DataSource, settings: Settings) -> Caches:
    """Caches for the training and the validation pictures; they share the memory by their number."""
    train, val = source.split("train"), source.split("val")

    def open_cache(pairs: tuple[Pair, ...]) -> PictureCache:
        return PictureCache(
            pairs,
            source.label_space,
            channels=settings.in_channels,
            value_range=settings.value_range,
            budget_bytes=settings.cache_bytes * len(pairs) // (len(train) + len(val)),
        )

    return open_cache(train), open_cache(val)


def make_augmentation(settings: Settings) -> Augmentation:
    """How the crops of a run vary."""
    return Augmentation(
        crop=settings.crop,
        scale=settings.scale,
        rotation=settings.rotation,
        hflip=settings.hflip,
        vflip=settings.vflip,
        color=settings.color,
        elastic=settings.elastic,
    )


def make_stream(settings: Settings, caches: Caches, model: Model | None = None) -> Stream:
    """What a run of these settings reads, whatever the model."""
    gaps = None
    if settings.border_weight > 0:
        gaps = GapWeights(caches[0], w0=settings.border_weight, budget_bytes=settings.cache_bytes // 2)
    crops = TrainingCrops(
        caches[0],
        make_augmentation(settings),
        length=settings.steps * settings.batch,
        seed=settings.seed,
        rare_class_probability=settings.rare_class_probability,
        gaps=gaps,
    )
    return Stream(crops, Pictures(caches[1]), settings, collate=collate_crops)
