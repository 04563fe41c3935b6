"""What training tasks of all kinds share: their interface, normalisation and the optimiser."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from pixelwise.models import Model
from pixelwise.preprocessing import Preprocessing
from pixelwise.training.settings import Settings
from pixelwise.training.timing.schedule import Schedule
from pixelwise.training.workers import Items

BatchT_contra = TypeVar("BatchT_contra", contravariant=True)
PictureT_contra = TypeVar("PictureT_contra", contravariant=True)


class Score(NamedTuple):
    """The number that decides which weights of a run are the best, and its name."""

    name: str
    value: float


class ScoringTask(Protocol):
    """The interface of tasks for keeping the best weights."""

    @property
    def model(self) -> Model:
        """What is trained."""
        ...

    def score(self) -> Score:
        """Score the validation whose last picture has been seen, before it is logged and forgotten."""
        ...


class Task(Protocol[BatchT_contra, PictureT_contra]):
    """The interface of tasks for timing, all of which are LightningModules: taking steps and validating.

    ``BatchT_contra`` is what the task learns from in a step, and ``PictureT_contra`` is what it is validated on. Both
    are as a :class:`~pixelwise.training.stream.Stream` gives them.
    """

    @property
    def model(self) -> Model:
        """What is trained."""
        ...

    def loss_of(self, batch: BatchT_contra) -> Tensor:
        """Compute the loss of a batch of crops on the device."""
        ...

    def validation_step(self, batch: PictureT_contra, batch_idx: int) -> None:
        """Predict one picture on the device, and compare it with its annotation."""
        ...

    def simulate_trained_output(self, pictures: Items[PictureT_contra]) -> None:
        """Make a fresh model take about as long for the pictures of the validation set as a trained model."""
        ...

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch or a picture to a device; Lightning calls it by this name, without types."""
        ...

    def to(self, device: torch.device) -> Self:
        """Move the model and everything else to a device."""
        ...

    def train(self) -> Self:
        """Set the mode in which steps are taken."""
        ...

    def eval(self) -> Self:
        """Set the mode in which pictures are validated."""
        ...


class Normalise(nn.Module):
    """Normalises uint8 images (N, C, H, W) for a model, in the memory order in which it computes fastest.

    Args:
        preprocessing: the preprocessing of the model.
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


def make_optimizer(model: Model, settings: Settings, schedule: Schedule) -> dict[str, Any]:
    """AdamW with a rate that rises and falls; no decay on biases and norms; the encoder at its own rate.

    Args:
        model: its ``encoder`` may be None.
        settings: rates and decay.
        schedule: how the rates change over the steps.

    Returns:
        What ``configure_optimizers`` of a LightningModule returns.
    """
    groups = []
    encoder: set[int] = set()
    if isinstance(model.encoder, nn.Module):
        encoder = {id(parameter) for parameter in model.encoder.parameters()}
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
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule.rate(step))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
