"""The data that a run reads: crops in an order that follows from the step, so that a resumed run reads the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, cast

import pytorch_lightning as pl
from torch.utils.data import DataLoader, Dataset, Sampler

from pixelwise.training.settings import Settings
from pixelwise.training.timing.schedule import MOST_LENGTHENING
from pixelwise.training.workers import Items, WatchedItems

CropT = TypeVar("CropT")
BatchT = TypeVar("BatchT")
PictureT = TypeVar("PictureT")


class StepSampler(Sampler[list[int]]):
    """Batches of item numbers: step ``s`` takes items ``s * batch`` to ``(s + 1) * batch - 1`` of an endless stream.

    Each of ``replicas`` processes takes its share of every batch, so that the data of a step do not depend on the
    number of devices. The length is that of the whole run, also when iteration starts later.

    Args:
        steps: the most steps of the whole run.
        batch: items per step, over all processes.
        start: the first step that remains to be done.
        rank: number of this process.
        replicas: number of processes; ``replicas * parts`` must divide ``batch``.
        parts: batches per step, one after another, for less memory.
    """

    def __init__(
        self, *, steps: int, batch: int, start: int = 0, rank: int = 0, replicas: int = 1, parts: int = 1
    ) -> None:
        self.steps, self.batch, self.start = steps, batch, start
        self.rank, self.replicas, self.parts = rank, replicas, parts

    def __len__(self) -> int:
        return self.steps * self.parts

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.start, self.steps):
            own = range(step * self.batch + self.rank, (step + 1) * self.batch, self.replicas)
            size = len(own) // self.parts
            for first in range(0, len(own), size):
                yield list(own[first : first + size])


class StepLoader(DataLoader[CropT]):
    """A loader over a :class:`StepSampler`, in the middle of which Lightning may resume.

    The position in the stream follows from the step that the run is at, so that there is no state to keep. The two
    methods tell Lightning that this is intended.
    """

    def __init__(
        self,
        crops: Items[CropT],
        sampler: StepSampler,
        *,
        collate: Callable[[Sequence[CropT]], object],
        workers: int,
        pin_memory: bool,
    ) -> None:
        super().__init__(
            cast("Dataset[CropT]", crops),
            batch_sampler=sampler,
            collate_fn=collate,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return nothing, because the state follows from the step."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Accept nothing, because the state follows from the step."""


class Stream(pl.LightningDataModule, Generic[CropT, BatchT, PictureT]):
    """The crops and the validation pictures of a run, shared out among its processes.

    Args:
        crops: training set, as long as the run may have steps times crops per step.
        pictures: validation set.
        settings: batch, steps and workers.
        collate: makes a batch of crops.
    """

    def __init__(
        self,
        crops: Items[CropT],
        pictures: Items[PictureT],
        settings: Settings,
        *,
        collate: Callable[[Sequence[CropT]], BatchT],
    ) -> None:
        super().__init__()
        self.crops = crops
        self.watched = WatchedItems(crops, settings.workers)
        self.pictures = pictures
        self.settings = settings
        self.collate = collate

    def batch(self, numbers: Sequence[int]) -> BatchT:
        """Make a batch of the crops with these numbers, independently of the order of the run."""
        return self.collate([self.crops[number] for number in numbers])

    def train_dataloader(self) -> StepLoader[CropT]:
        """Crops from the step that the run is at."""
        assert self.trainer is not None
        sampler = StepSampler(
            steps=MOST_LENGTHENING * self.settings.steps,
            batch=self.settings.batch,
            start=self.trainer.global_step,
            rank=self.trainer.global_rank,
            replicas=self.trainer.world_size,
            parts=self.settings.accumulate,
        )
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        return StepLoader(self.watched, sampler, collate=self.collate, workers=self.settings.workers, pin_memory=on_gpu)

    def val_dataloader(self) -> DataLoader[PictureT | None]:
        """Whole pictures one by one; each process gets its share, and none is scored twice.

        All processes add up their counts at the end of a validation; a process without a picture gets None, so that it
        takes part.
        """
        assert self.trainer is not None
        share = range(self.trainer.global_rank, len(self.pictures), self.trainer.world_size)
        pictures = cast("Dataset[PictureT | None]", self.pictures if share else [None])
        return DataLoader(pictures, sampler=share or range(1), batch_size=None, num_workers=0)
