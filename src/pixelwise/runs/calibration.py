"""Calibrating a trained model on validation pictures: the halo of fast tiles, and what counts as an object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pixelwise.data.pairs import Pair
from pixelwise.errors import SettingError
from pixelwise.inference.halo import HALO_WINDOWS
from pixelwise.inference.predictor import Predictor
from pixelwise.instances import ObjectRule
from pixelwise.listener import Listener, Progress, Silent
from pixelwise.scoring import Evaluation, Judged, judge_for, judge_pictures
from pixelwise.scoring.pixel_judge import read_pair
from pixelwise.types import LabelSpace


@dataclass(frozen=True, eq=False)
class Calibration:
    """The results of calibrating a model on validation pictures.

    Args:
        halo: pixels that tiles of fast mode see around them; None for a network that finds objects.
        rule: what counts as an object.
        evaluation: the scores of the pictures, by that rule.
        judged: the judged pictures, from which examples are drawn.
    """

    halo: int | None
    rule: ObjectRule
    evaluation: Evaluation
    judged: Judged[Any, Any]


def calibrate(
    predictor: Predictor,
    pairs: Sequence[Pair],
    label_space: LabelSpace,
    *,
    listener: Listener | None = None,
) -> Calibration:
    """Choose the halo of fast tiles and what counts as an object on validation pictures, and score the pictures.

    Args:
        predictor: the trained model.
        pairs: the validation pictures.
        label_space: how their annotation is read.
        listener: it is told the progress.

    Raises:
        SettingError: there are no pairs, or the label space has other classes than the model.
        DataError: a picture or its annotation is missing or cannot be used.
    """
    listener = Silent() if listener is None else listener
    with listener.progress("choosing the halo of tiles", len(pairs)) as progress:
        halo = measure_halo(predictor, pairs, label_space, progress=progress)
    judge = judge_for(predictor.with_fast_halo(halo), pairs, label_space)
    with listener.progress("scoring", len(pairs)) as progress:
        judged = judge_pictures(judge, pairs, progress=progress).settled()
    return Calibration(halo, judged.judge.rule, judged.evaluation(), judged)


def measure_halo(
    predictor: Predictor, pairs: Sequence[Pair], label_space: LabelSpace, *, progress: Progress | None = None
) -> int | None:
    """Measure how many pixels fast tiles must see around them.

    See :meth:`pixelwise.inference.predictor.Predictor.measure_halo`.

    Args:
        predictor: the model.
        pairs: pictures with masks; a few of them, evenly spread, are read.
        label_space: how the masks are read.
        progress: it is told after each picture how many are done, and how many are read in all.

    Raises:
        SettingError: there are no pairs.
        DataError: a picture or a mask is missing or cannot be used.
    """
    if not pairs:
        raise SettingError("there are no pictures to measure the halo of tiles on")
    some = pairs[:: math.ceil(len(pairs) / HALO_WINDOWS)]
    return predictor.measure_halo(
        (read_pair(pair, label_space, predictor.preprocessing) for pair in some),
        windows=math.ceil(HALO_WINDOWS / len(some)),
        progress=None if progress is None else lambda done: progress(done, len(some)),
    )
