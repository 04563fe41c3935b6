from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pixelwise.runs.remarks import remarks


def pixels(counts: list[list[int]]) -> Any:
    scores = SimpleNamespace(names=("sky", "pole", "car"), counts=np.array(counts))
    return SimpleNamespace(pixels=scores, objects=None)


def objects(counts: list[list[int]]) -> Any:
    scores = SimpleNamespace(names=("cat", "dog"), counts=np.array([counts] * 10))
    return SimpleNamespace(pixels=None, objects=scores)


def history(scores: list[float], column: str = "miou") -> list[dict[str, str]]:
    return [{"step": "1", "loss": "0.5", column: ""}, *({column: str(score)} for score in scores)]


def test_classes_that_are_never_predicted_are_named() -> None:
    (said,) = remarks(pixels([[90, 0, 0], [2, 0, 0], [3, 0, 5]]), [])
    assert said.startswith("Never predicted: pole (2% of the pixels).")
    (said,) = remarks(objects([[3, 1, 0], [0, 0, 1]]), [])
    assert said.startswith("Never predicted: dog (25% of the objects).")


def test_a_class_that_is_not_annotated_is_not_missed() -> None:
    assert remarks(pixels([[90, 1, 0], [2, 5, 0], [0, 0, 0]]), []) == ()


@pytest.mark.parametrize(("column", "name"), [("miou", "mIoU"), ("ap", "AP")])
def test_a_score_that_never_rises_is_told(column: str, name: str) -> None:
    fine = pixels([[9, 1, 0], [2, 5, 0], [0, 0, 3]])
    (said,) = remarks(fine, history([0.31, 0.2, 0.312, 0.1], column))
    assert said.startswith(f"{name} never rose after the first of 4 validations (0.310, at best 0.312)")
    assert remarks(fine, history([0.31, 0.2, 0.4, 0.1], column)) == ()
    assert remarks(fine, history([0.31, 0.2, 0.1], column)) == (), "three validations tell nothing"
