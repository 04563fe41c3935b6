"""Models compared on the same pictures: their figures, and the differences to the first of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pixelwise.metrics.bootstrap import RESAMPLES, Interval, describe
from pixelwise.metrics.paired import Sampled, mean_of
from pixelwise.scoring.pixel_tables import DETAIL_NAMES
from pixelwise.types import Color
from pixelwise.words import counted

FIGURE_NAMES = {
    "miou": "mIoU",
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "box_ap": "box AP",
    "boundary_ap": "boundary AP",
    "ap50_tp_fp_fn": "TP / (TP + FP + FN)",
    "pq": "panoptic quality",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "dice": "Dice",
    "frequency_weighted_iou": "frequency-weighted IoU",
    **DETAIL_NAMES,
}
"""Names of figures in JSON -> their names for people, in the order in which they are shown."""


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """A run, or a model from elsewhere, scored on the pictures of a comparison.

    Args:
        path: its run folder or model file.
        seed: the seed that it was trained with, where it is known.
        figures: name of a figure in JSON -> the figure, and its values on drawn sets of pictures.
        classes: headline -> class name -> the class's IoU or AP.
        pictures: headline -> id of a picture -> its own score; NaN where it has none. A headline is ``miou``, ``ap`` or
            ``box_ap``, where the run has it.
        training_seconds: the time that its steps and validations took, where it is known.
        steps: its training steps, where they are known.
    """

    path: str
    seed: int | None
    figures: Mapping[str, Sampled]
    classes: Mapping[str, Mapping[str, Sampled]]
    pictures: Mapping[str, Mapping[str, float]]
    training_seconds: float | None = None
    steps: int | None = None


@dataclass(frozen=True)
class ModelCost:
    """What a model costs.

    Args:
        parameters: the number of values that learn.
        multiply_adds: the multiply-adds for a picture of ``size``.
        size: height and width in pixels of the picture.
        latency_ms: milliseconds from a decoded picture to its labels or objects, at the pictures' own sizes; the median
            over passes through the pictures. None if it was not measured.
        latency_range: the least and the most over the passes.
        memory_mib: MiB that predicting took beside the loaded model, at most.
    """

    parameters: int
    multiply_adds: int
    size: tuple[int, int]
    latency_ms: float | None = None
    latency_range: tuple[float, float] | None = None
    memory_mib: float | None = None


@dataclass(frozen=True, eq=False)
class Candidate:
    """One of the models that are compared.

    Args:
        name: as it was asked for, with its options.
        runs: its scored runs, one for each seed; none if all failed.
        problems: why runs failed, in words.
        cost: what it costs; None if no run was scored.
        finds_objects: whether the network finds objects, rather than giving every pixel a class.
    """

    name: str
    runs: tuple[ScoredRun, ...] = ()
    problems: tuple[str, ...] = ()
    cost: ModelCost | None = None
    finds_objects: bool = False

    @property
    def training_seconds(self) -> float | None:
        """The mean training time of its runs, where it is known of all."""
        known = [run.training_seconds for run in self.runs if run.training_seconds is not None]
        return float(np.mean(known)) if known and len(known) == len(self.runs) else None


@dataclass(frozen=True)
class StatedFigure:
    """A figure of a candidate beside that of the first one.

    Args:
        value: the mean over its runs; NaN where it is not defined.
        interval: of this mean, over pictures.
        by_run: the value of each run.
        difference: the value minus that of the first candidate; None for the first one itself.
        difference_interval: of the difference, over pictures drawn for both alike.
    """

    value: float
    interval: Interval | None
    by_run: tuple[float, ...]
    difference: float | None = None
    difference_interval: Interval | None = None

    @property
    def parts(self) -> bool:
        """Whether the interval of the difference leaves out zero."""
        ends = self.difference_interval
        return ends is not None and (ends[0] > 0 or ends[1] < 0)

    def to_dict(self) -> dict[str, Any]:
        """Describe the figure in plain JSON types; the first candidate has no difference."""
        described = {
            "value": _plain(self.value),
            "interval": None if self.interval is None else list(self.interval),
            "by_run": [_plain(value) for value in self.by_run],
        }
        if self.difference is None:
            return described
        ends = self.difference_interval
        return described | {"difference": _plain(self.difference), "difference_interval": ends and list(ends)}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Candidates compared on the same pictures.

    Args:
        candidates: in the order asked for; the others are compared with the first one that was scored.
        headline: name in JSON of the figure that candidates are compared by.
        classes: name and colour of each class.
        pictures: ids of the pictures.
        chosen: which pictures they are, in words.
        rule: how the figures are counted, in words.
        machine: what latency and memory were measured on, in words; empty if they were not measured.
        budget: what each run was given, in words; empty for finished runs.
        resamples: how many sets of pictures were drawn.
    """

    candidates: tuple[Candidate, ...]
    headline: str
    classes: Mapping[str, Color]
    pictures: tuple[str, ...]
    chosen: str
    rule: str
    machine: str = ""
    budget: str = ""
    resamples: int = RESAMPLES

    @property
    def scored(self) -> tuple[Candidate, ...]:
        """The candidates of which a run was scored."""
        return tuple(one for one in self.candidates if one.runs)

    @cached_property
    def figures(self) -> Mapping[str, Mapping[str, StatedFigure]]:
        """Candidate -> name in JSON -> figure, for the figures that are defined for every scored candidate."""
        shared = [
            key
            for key in sorted(FIGURE_NAMES, key=lambda key: key != self.headline)
            if all(key in run.figures and not math.isnan(run.figures[key].value) for run in self._runs())
        ]
        return self._stated([{key: run.figures[key] for key in shared} for run in self._runs()])

    @cached_property
    def class_figures(self) -> Mapping[str, Mapping[str, StatedFigure]]:
        """Candidate -> class name -> figure."""
        return self._stated([run.classes[self.headline] for run in self._runs()])

    def _runs(self) -> Iterator[ScoredRun]:
        return (run for one in self.scored for run in one.runs)

    def _stated(self, samples: Sequence[Mapping[str, Sampled]]) -> dict[str, dict[str, StatedFigure]]:
        stated: dict[str, dict[str, StatedFigure]] = {}
        first: dict[str, Sampled] | None = None
        left = iter(samples)
        for one in self.scored:
            of_runs = [next(left) for _ in one.runs]
            means = {key: mean_of([run[key] for run in of_runs]) for key in of_runs[0]}
            stated[one.name] = {
                key: _state(mean, [run[key].value for run in of_runs], None if first is None else first[key])
                for key, mean in means.items()
            }
            first = means if first is None else first
        return stated

    @property
    def meaning(self) -> str:
        """What the intervals cover, in words."""
        said = describe(len(self.pictures), self.resamples)
        if len(self.pictures) < 2:
            return said
        said += " A difference is taken on the same sets for both models, so that its interval is the one to judge by."
        most = max(len(one.runs) for one in self.scored)
        if most > 1:
            said += (
                f" Figures are means over the runs of a model, {counted(most, 'seed')} each unless some failed; the "
                "range over seeds stands beside them. Intervals cover the choice of pictures for these runs, and not "
                "what further seeds would give: compare the ranges for that."
            )
        else:
            said += " Each model was trained once: intervals do not cover what another seed would give."
        return said

    @cached_property
    def front(self) -> tuple[str, ...]:
        """Candidates that no other one equals or beats in both the headline and latency, from quick to slow."""
        points = [
            (one.cost.latency_ms, -self.figures[one.name][self.headline].value, one.name)
            for one in self.scored
            if one.cost is not None and one.cost.latency_ms is not None and self.headline in self.figures[one.name]
        ]
        front: list[str] = []
        best = math.inf
        for _, score, name in sorted(points):
            if score < best:
                front.append(name)
                best = score
        return tuple(front)

    def differing(self, most: int) -> tuple[str, ...]:
        """Ids of the pictures on which the candidates' own scores differ most, the greatest difference first.

        Args:
            most: the most pictures that are given; those on which all agree are left out.
        """
        spread = {}
        for id in self.pictures:
            values = [
                np.mean([run.pictures[self.headline].get(id, math.nan) for run in one.runs]) for one in self.scored
            ]
            values = [value for value in values if not math.isnan(value)]
            if len(values) > 1 and max(values) > min(values):
                spread[id] = max(values) - min(values)
        return tuple(sorted(spread, key=lambda id: (-spread[id], id))[:most])

    def to_dict(self) -> dict[str, Any]:
        """Describe the comparison in plain JSON types."""
        return {
            "headline": self.headline,
            "compared_with": self.scored[0].name if self.scored else None,
            "pictures": len(self.pictures),
            "chosen": self.chosen,
            "budget": self.budget or None,
            "machine": self.machine or None,
            "rule": self.rule,
            "intervals_meaning": self.meaning if self.scored else None,
            "front": list(self.front),
            "models": [self._describe(one) for one in self.candidates],
            "picture_ids": list(self.pictures),
        }

    def _describe(self, one: Candidate) -> dict[str, Any]:
        described: dict[str, Any] = {"name": one.name, "problems": list(one.problems), "runs": []}
        if not one.runs:
            return described
        described["runs"] = [
            {"path": run.path, "seed": run.seed, "steps": run.steps, "training_seconds": run.training_seconds}
            for run in one.runs
        ]
        described["finds_objects"] = one.finds_objects
        if one.cost is not None:
            described |= {
                "parameters": one.cost.parameters,
                "multiply_adds": one.cost.multiply_adds,
                "size": list(one.cost.size),
                "latency_ms": one.cost.latency_ms,
                "latency_ms_range": one.cost.latency_range and list(one.cost.latency_range),
                "memory_mib": one.cost.memory_mib,
            }
        return described | {
            "training_seconds": one.training_seconds,
            "figures": {key: figure.to_dict() for key, figure in self.figures[one.name].items()},
            "classes": {key: figure.to_dict() for key, figure in self.class_figures[one.name].items()},
            "by_picture": [
                [_plain(run.pictures[self.headline].get(id, math.nan)) for id in self.pictures] for run in one.runs
            ],
        }


def _state(mean: Sampled, by_run: Sequence[float], first: Sampled | None) -> StatedFigure:
    if first is None:
        return StatedFigure(mean.value, mean.interval, tuple(by_run))
    difference = mean - first
    return StatedFigure(mean.value, mean.interval, tuple(by_run), difference.value, difference.interval)


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
