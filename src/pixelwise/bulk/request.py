"""What is asked of a job, in a form that goes from one process to another."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pixelwise.inference.labelling.jobs import Options
from pixelwise.inference.predictor import DEFAULT_MEMORY_MIB, Predictor
from pixelwise.tiling import Mode


@dataclass(frozen=True)
class Request:
    """How pictures are labelled, and with which model; arguments are those of the predictor unless stated.

    Args:
        models: files or run folders.
        options: what is wanted of each picture.
        runtime: the library that computes.
        precision: in which it computes.
        device: where it computes.
        mode: the kind of tiles.
        tile: side of tiles in pixels.
        memory: MiB that computing a tile may take.
        tta: views that are averaged.
        score: the least score of an object.
        min_area: the fewest pixels of an object.
        value_range: the numbers that become black and white.
        like: a COCO file, whose ids the objects get.
    """

    models: tuple[str | Path, ...]
    options: Options
    runtime: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    mode: Mode = "auto"
    tile: int | None = None
    memory: float = DEFAULT_MEMORY_MIB
    tta: tuple[str, ...] = ()
    score: float | None = None
    min_area: int | None = None
    value_range: tuple[float, float] | None = None
    like: Path | None = None

    def open(self, *, device: str | None = None) -> Predictor:
        """Open the model, on another device if that is given; raises as the predictor does."""
        return Predictor(
            self.models,
            runtime=self.runtime,
            precision=self.precision,
            device=self.device if device is None else device,
            mode=self.mode,
            tile=self.tile,
            memory=self.memory,
            tta=self.tta,
            score=self.score,
            min_area=self.min_area,
            value_range=self.value_range,
        )

    def fixed(self, predictor: Predictor) -> Request:
        """Ask for the library and the precision that a predictor has found, so that others give the same labels."""
        return replace(self, runtime=predictor.runtime.library, precision=predictor.runtime.precision)

    def settings(self, predictor: Predictor) -> dict[str, Any]:
        """Give what results depend on besides the picture, as JSON types."""
        return {
            "model": predictor.runtime.fingerprint,
            "runtime": predictor.runtime.library,
            "precision": predictor.runtime.precision,
            "save": list(self.options.kinds),
            "mode": self.mode,
            "tile": self.tile,
            "memory": self.memory,
            "rule": asdict(predictor.rule),
            "crf": self.options.crf,
            "value_range": None if self.value_range is None else list(self.value_range),
        }
