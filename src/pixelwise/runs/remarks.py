"""What a finished run shows to have gone wrong: classes that are never predicted, scores that never rise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pixelwise.report.figures import VALIDATION_SCORES
from pixelwise.scoring import Evaluation
from pixelwise.words import counted, listed

FEWEST_VALIDATIONS = 4
"""The fewest validations from which something is concluded."""
LEAST_RISE = 0.005
"""A score that rises by less from the first to the best validation is said not to rise."""


def remarks(evaluation: Evaluation, history: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Say what went wrong and what may help, a sentence each; empty if nothing did.

    Args:
        evaluation: the scores of the best weights.
        history: rows of ``metrics.csv``.
    """
    return (*_never_predicted(evaluation), *_never_better(history))


def _never_predicted(evaluation: Evaluation) -> tuple[str, ...]:
    if evaluation.pixels is not None:
        names, counts = evaluation.pixels.names, evaluation.pixels.counts
        annotated, predicted = counts.sum(1), counts.sum(0)
        unit, mend = "pixels", "a loss that counts classes alike (ce+dice)"
    elif evaluation.objects is not None:
        names, (hits, false, missed) = evaluation.objects.names, np.moveaxis(evaluation.objects.counts[0], -1, 0)
        annotated, predicted = hits + missed, hits + false
        unit, mend = "objects", "a lower score that counts as an object"
    else:
        return ()
    total = max(1, int(annotated.sum()))
    never = [
        f"{name} ({100 * share / total:.2g}% of the {unit})"
        for name, share, found in zip(names, annotated, predicted, strict=True)
        if share > 0 and found == 0
    ]
    if not never:
        return ()
    return (f"Never predicted: {listed(never)}. Longer training, more examples or {mend} may help.",)


def _never_better(history: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    for column, name in VALIDATION_SCORES.items():
        scores = [float(row[column]) for row in history if row.get(column)]
        if len(scores) < FEWEST_VALIDATIONS or max(scores) >= scores[0] + LEAST_RISE:
            continue
        return (
            f"{name} never rose after the first of {counted(len(scores), 'validation')} ({scores[0]:.3f}, at best "
            f"{max(scores):.3f}). A learning rate that is too high, masks that do not belong to their pictures, or "
            "training pictures unlike those for validation show in this way; the doctor tells of the data.",
        )
    return ()
