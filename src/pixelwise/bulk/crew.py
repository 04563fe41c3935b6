"""The interface of crews: workers that label pictures, wherever they run, and what is heard of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from pixelwise.bulk.request import Request
from pixelwise.inference.labelling.jobs import Job
from pixelwise.inference.labelling.labeller import Labeller, Labelling
from pixelwise.io.shapes.coco_ids import CocoIds


class Task(NamedTuple):
    """A picture with its number among all pictures of the job."""

    number: int
    job: Job


class Done(NamedTuple):
    """A picture that is done, by its number, and what came of it."""

    number: int
    labelling: Labelling


@dataclass(frozen=True)
class Recipe:
    """How a worker is made.

    Args:
        request: how it labels, with a fixed library and precision.
        out: the output folder.
        threads: how many threads it computes with; as many as one process has, because sums of floats depend on it.
        prepare: settles the memory of the process before torch is imported; a function that can be pickled.
    """

    request: Request
    out: Path
    threads: int
    prepare: Callable[[], None] | None = None

    def make(self, device: str) -> Labeller:
        """Open the model on a device, and make what labels pictures."""
        like = None if self.request.like is None else CocoIds.read(self.request.like)
        return Labeller(self.request.open(device=device), self.request.options, self.out, like=like)


@dataclass(frozen=True)
class Ready:
    """A worker has opened the model, and takes pictures."""

    worker: int


@dataclass(frozen=True)
class Labelled:
    """A worker is done with a picture; it labels pictures in the order in which it got them."""

    worker: int
    labelling: Labelling


@dataclass(frozen=True)
class Said:
    """A worker says something; ``warns`` if it must not be missed, ``passing`` if it is only the state of its work."""

    worker: int
    text: str
    warns: bool = False
    passing: bool = False


@dataclass(frozen=True)
class Failed:
    """A worker cannot go on, and neither can others: the model cannot be opened, or nothing can be written."""

    worker: int
    error: Exception


@dataclass(frozen=True)
class Died:
    """A worker is gone; ``how`` continues a sentence that begins with the worker."""

    worker: int
    how: str


Event = Ready | Labelled | Said | Failed | Died


class Crew(Protocol):
    """Workers, each with a number."""

    def start(self) -> int:
        """Start a worker, and give its number."""
        ...

    def give(self, worker: int, task: Task) -> None:
        """Hand a picture to a worker, which may have another one in work; a worker that is gone takes nothing."""
        ...

    def wait(self) -> Sequence[Event]:
        """Wait until something is heard of a worker."""
        ...

    def stop(self) -> None:
        """Stop all workers, and wait until they are gone."""
        ...
