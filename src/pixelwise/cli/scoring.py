"""Scoring pictures by what they annotate, for the verbs that do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from pixelwise.cli.object_tables import print_object_scores
from pixelwise.cli.progress import counting
from pixelwise.cli.tables import print_scores
from pixelwise.data.pairs import Pair
from pixelwise.evaluation import Evaluation, evaluate
from pixelwise.inference.predictor import Predictor
from pixelwise.object_evaluation import ObjectEvaluation, evaluate_objects
from pixelwise.types import LabelSpace


def score_and_print(predictor: Predictor, pairs: Sequence[Pair], console: Console) -> Evaluation | ObjectEvaluation:
    """Score a model on pictures with masks, or with objects where objects are annotated, and print the scores.

    Raises:
        PixelwiseError: as :func:`pixelwise.evaluation.evaluate` and
            :func:`pixelwise.object_evaluation.evaluate_objects` do.
    """
    evaluation: Evaluation | ObjectEvaluation
    with counting("scoring", len(pairs)) as progress:
        score = evaluate_objects if annotate_objects(pairs) else evaluate
        evaluation = score(predictor, pairs, predictor.label_space, progress=progress)
    print_evaluation(console, evaluation, predictor.label_space)
    return evaluation


def annotate_objects(pairs: Sequence[Pair]) -> bool:
    """Whether pictures are scored by their objects."""
    return any(pair.objects is not None for pair in pairs)


def print_evaluation(console: Console, evaluation: Evaluation | ObjectEvaluation, label_space: LabelSpace) -> None:
    """Print the scores of a model by what was scored."""
    if isinstance(evaluation, ObjectEvaluation):
        print_object_scores(console, evaluation, label_space)
    else:
        print_scores(console, evaluation.scores, label_space)
