"""The addresses that train on what was labelled."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from pixelwise.labelling.training import Training

router = APIRouter(prefix="/v1/label/training")


class Wanted(BaseModel):
    """How long to train."""

    model_config = ConfigDict(extra="forbid")

    minutes: Annotated[float, Field(ge=0.1, le=1440, allow_inf_nan=False)]


def _training(request: Request) -> Training:
    training: Training = request.app.state.training
    return training


@router.get("")
def read_training(request: Request) -> dict[str, Any]:
    """Say how far the training is."""
    return _training(request).describe()


@router.post("")
def start_training(wanted: Wanted, request: Request) -> dict[str, Any]:
    """Train on all that is labelled so far; the model then proposes."""
    request.app.state.saver.settle()
    _training(request).start(wanted.minutes)
    return _training(request).describe()


@router.delete("")
def stop_training(request: Request) -> dict[str, Any]:
    """End the training."""
    _training(request).stop()
    return _training(request).describe()
