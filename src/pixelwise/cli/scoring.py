"""Scoring pictures by what they annotate, for the verbs that do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from pixelwise.cli.progress import counting
from pixelwise.cli.tables import print_evaluation
from pixelwise.data.pairs import Pair
from pixelwise.inference.predictor import Predictor
from pixelwise.scoring import Evaluation, Judged, judge_for, judge_pictures


def score_and_print(
    predictor: Predictor, pairs: Sequence[Pair], console: Console
) -> tuple[Evaluation, Judged[Any, Any]]:
    """Score a model on pictures with masks, or with objects where objects are annotated, and print the scores.

    Raises:
        PixelwiseError: as :func:`pixelwise.scoring.evaluate` does.
    """
    with counting("scoring", len(pairs)) as progress:
        judge = judge_for(predictor, pairs, predictor.label_space)
        judged = judge_pictures(judge, pairs, progress=progress)
    evaluation = judged.evaluation()
    print_evaluation(console, evaluation)
    return evaluation, judged
