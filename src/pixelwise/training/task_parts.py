"""What training tasks of all kinds share: the form they have, normalising, and the optimiser."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from pixelwise.training.schedule import rate_factor
from pixelwise.training.settings import Settings
from pixelwise.types import Preprocessing


class Score(NamedTuple):
    """The number that decides which weights of a run are the best, and what people call it."""

    name: str
    value: float


class Task(Protocol):
    """What those who run a task, keep its best weights and write down how it goes ask of it; a LightningModule."""

    model: Any
    settings: Settings
    figures: ClassVar[tuple[str, ...]]
    """What a validation logs, each as ``val/NAME``; columns of ``metrics.csv``."""

    def loss_of(self, batch: Any) -> Tensor:
        """Compute the loss of a batch of crops on the device."""
        ...

    def pose_as_trained(self, pictures: Any) -> None:
        """Let a fresh model take about as long for the pictures of the validation set as one that has learnt."""
        ...

    def score(self) -> Score:
        """Score the validation whose last picture has been seen, before it is logged and forgotten."""
        ...


class Normalise(nn.Module):
    """Turns uint8 images (N, C, H, W) into what a model takes, in the memory order it computes fastest.

    Args:
        preprocessing: of the model.
        channels_last: whether that order is torch's ``channels_last``.
    """

    def __init__(self, preprocessing: Preprocessing, *, channels_last: bool) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", 255 * torch.tensor(preprocessing.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(preprocessing.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Normalise."""
        return ((images - self.mean) / self.std).contiguous(memory_format=self.memory_format)


def make_optimizer(model: Any, settings: Settings) -> Any:
    """AdamW with a rate that rises and falls; no decay on biases and norms; the encoder at its own rate.

    Args:
        model: a module; its ``encoder`` may be None.
        settings: rates, decay and steps.

    Returns:
        What ``configure_optimizers`` of a LightningModule returns.
    """
    groups = []
    encoder = set() if model.encoder is None else {id(parameter) for parameter in model.encoder.parameters()}
    for of_encoder in (True, False):
        rate = settings.learning_rate * (settings.encoder_rate if of_encoder else 1.0)
        for matrices in (True, False):
            chosen: list[nn.Parameter] = [
                p
                for p in model.parameters()
                if p.requires_grad and (id(p) in encoder) == of_encoder and (p.ndim > 1) == matrices
            ]
            decay = settings.weight_decay if matrices else 0.0
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: rate_factor(step, settings.steps, schedule=settings.schedule, warmup=settings.warmup)
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
