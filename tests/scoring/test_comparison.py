"""Comparisons: means over seeds, differences to the first model, who is beaten by whom, and where models differ."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from pixelwise.metrics.paired import Sampled
from pixelwise.scoring.comparison import Candidate, Comparison, ModelCost, ScoredRun

PICTURES = ("a.png", "b.png", "c.png")


def scored(value: float, *, pictures: tuple[float, ...] = (0.5, 0.5, 0.5), **more: float) -> ScoredRun:
    """A run of a given mIoU, whose drawn values lie 0.1 around it."""
    figures = {name: Sampled(one, one + np.array([-0.1, 0.0, 0.1])) for name, one in {"miou": value, **more}.items()}
    own = dict(zip(PICTURES, pictures, strict=True))
    classes = {"sea": figures["miou"], "land": Sampled(math.nan, np.empty(0))}
    return ScoredRun("run", 0, figures, {"miou": classes}, {"miou": own}, training_seconds=10 * value, steps=5)


def candidate(name: str, *runs: ScoredRun, latency: float = 1.0) -> Candidate:
    return Candidate(name, runs, (), ModelCost(10, 20, (4, 5), latency, (latency, latency), 1.0) if runs else None)


def comparison(*candidates: Candidate) -> Comparison:
    return Comparison(candidates, "miou", {"sea": (0, 0, 255), "land": (0, 255, 0)}, PICTURES, "all", "rule")


def test_figures_are_means_over_seeds_beside_their_range() -> None:
    found = comparison(candidate("one", scored(0.4), scored(0.6)), candidate("two", scored(0.7)))
    first, second = (found.figures[name]["miou"] for name in ("one", "two"))
    assert first.value == pytest.approx(0.5)
    assert first.by_run == (0.4, 0.6)
    assert first.difference is None
    assert first.interval == pytest.approx((0.405, 0.595))
    assert second.difference == pytest.approx(0.2)
    assert second.difference_interval == pytest.approx((0.2, 0.2))
    assert second.parts
    assert found.candidates[0].training_seconds == pytest.approx(5)
    assert "not what further seeds would give" in found.meaning
    assert "trained once" in comparison(candidate("one", scored(0.4)), candidate("two", scored(0.7))).meaning


def test_only_figures_of_all_models_are_compared() -> None:
    found = comparison(candidate("one", scored(0.4, ece=0.1, dice=math.nan)), candidate("two", scored(0.7, dice=0.5)))
    assert list(found.figures["two"]) == ["miou"]
    assert found.class_figures["two"]["land"].interval is None
    assert not found.class_figures["two"]["land"].parts


def test_a_model_without_runs_stands_in_the_way_of_nobody() -> None:
    failed = Candidate("none", (), ("seed 0: the loss is nan",))
    found = comparison(failed, candidate("one", scored(0.4)), candidate("two", scored(0.7)))
    described = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert described["compared_with"] == "one"
    assert described["models"][0] == {"name": "none", "problems": ["seed 0: the loss is nan"], "runs": []}
    assert described["models"][2]["figures"]["miou"]["difference"] == pytest.approx(0.3)
    assert described["models"][2]["classes"]["land"]["value"] is None


def test_the_front_holds_models_that_no_other_beats_in_both() -> None:
    found = comparison(
        candidate("slow", scored(0.9), latency=9),
        candidate("beaten", scored(0.5), latency=5),
        candidate("quick", scored(0.6), latency=2),
        candidate("unmeasured"),
        candidate("equal", scored(0.6), latency=3),
    )
    assert found.front == ("quick", "slow")


def test_pictures_are_ordered_by_how_far_models_differ() -> None:
    one = candidate("one", scored(0.5, pictures=(0.1, 0.5, math.nan)), scored(0.5, pictures=(0.3, 0.5, math.nan)))
    two = candidate("two", scored(0.5, pictures=(0.3, 0.9, 0.9)))
    assert comparison(one, two).differing(8) == ("b.png", "a.png")
    assert comparison(one, two).differing(1) == ("b.png",)
