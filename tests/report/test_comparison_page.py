"""The page of a comparison says what the comparison says, needs no other file, and cannot be broken by names."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
from pages import Checker

from pixelwise.metrics.paired import Sampled
from pixelwise.report.comparison_page import DifferingPicture, write_comparison_page
from pixelwise.report.pareto import draw_pareto
from pixelwise.scoring.comparison import Candidate, Comparison, ModelCost, ScoredRun
from pixelwise.scoring.pixel_drawing import draw_pixels
from pixelwise.types import LabelSpace

CLASSES = LabelSpace(("sea", "<b>lake</b>"), colors=((10, 20, 200), (20, 150, 30)))


def candidate(name: str, value: float, latency: float | None = 10.0, seeds: int = 1) -> Candidate:
    def run(seed: int) -> ScoredRun:
        mine = Sampled(value, value + np.linspace(-0.1, 0.1, 41) * (seed + 1))
        classes = {"sea": mine, "<b>lake</b>": Sampled(math.nan, np.empty(0))}
        return ScoredRun(
            "runs/one", seed, {"miou": mine, "dice": mine}, {"miou": classes}, {"miou": {"a&b.png": value}}, 120.0, 7
        )

    between = None if latency is None else (latency - 1, latency + 1)
    cost = ModelCost(11_200_000, 2_500_000_000, (30, 40), latency, between, None if latency is None else 12.0)
    return Candidate(name, tuple(run(seed) for seed in range(seeds)), (), cost)


def comparison(*candidates: Candidate) -> Comparison:
    colors = dict(zip(CLASSES.names, CLASSES.colors, strict=True))
    return Comparison(candidates, "miou", colors, ("a&b.png", "c.png"), "split val", "a rule", "a machine", "5 steps")


@pytest.fixture
def picture() -> DifferingPicture:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    mask = rng.integers(0, 2, (20, 30), dtype=np.uint8)
    example = draw_pixels("a&b.png", image, mask, mask, CLASSES, caption="mIoU 0.5")
    return DifferingPicture("a&b.png", example.image, example.truth, {"fcn": example, "<i>unet</i>": example})


def read(path: Path) -> tuple[str, str, Checker]:
    page = path.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return page, " ".join(" ".join(checker.text).split()), checker


def test_the_page_holds_everything_and_loads_nothing(picture: DifferingPicture, tmp_path: Path) -> None:
    failed = Candidate("segnet", (), ("seed 0: the loss of step 5 is nan",))
    found = comparison(candidate("fcn", 0.4, seeds=2), failed, candidate("<i>unet</i>", 0.7, latency=100.0))
    path = tmp_path / "compare.html"
    write_comparison_page(path, found, title="Two & three", pictures=[picture], commands=["pixelwise compare 'a b'"])
    page, text, checker = read(path)
    for expected in (
        "Two & three",
        "0.700",
        "+0.300",
        "11.2 M",
        "2.5 G",
        "7 steps",
        "2 min",
        "a machine",
        "5 steps",
        "seeds 0.400 to 0.400",
        found.meaning,
        found.rule,
        "seed 0: the loss of step 5 is nan",
        "<i>unet</i>: mIoU 0.5",
        "<b>lake</b>",
        "pixelwise compare 'a b'",
    ):
        assert expected in text
    assert "<b>lake</b>" not in page
    assert "<i>unet</i>" not in page
    assert len(checker.loads) == 4
    assert all(load.startswith("data:image/jpeg;base64,") for load in checker.loads)
    assert not re.search(r"@import|url\(|https?:|fetch|import\(", page)


def test_a_comparison_that_was_not_timed_has_no_plot(tmp_path: Path) -> None:
    found = comparison(candidate("fcn", 0.4, None), candidate("unet", 0.3, None))
    write_comparison_page(tmp_path / "compare.html", found, title="t")
    page, text, _ = read(tmp_path / "compare.html")
    assert "against latency" not in text
    assert "<figure" not in page
    assert "\N{MINUS SIGN}0.100" in text


@pytest.mark.parametrize("latencies", [(10.0, 11.0, 12.0), (10.0, 11.0, 2000.0), (5.0, 5.0, 5.0)])
def test_points_lie_inside_the_plot_and_names_apart(latencies: tuple[float, ...]) -> None:
    named = [candidate(f"model{n}", 0.5 + n / 100, latency) for n, latency in enumerate(latencies)]
    svg = draw_pareto(comparison(*named))
    centres = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)
    assert len(centres) == 3
    assert all(0 < float(x) < 720 and 0 < float(y) < 380 for x, y in centres)
    names = re.findall(r'class="name" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">model', svg)
    assert len(names) == 3
    for (x, y, anchor), (other, height, side) in itertools.combinations(names, 2):
        left, right = (float(at) - 42 * (toward == "end") for at, toward in ((x, anchor), (other, side)))
        assert abs(left - right) >= 42 or abs(float(y) - float(height)) >= 16


def test_one_model_alone_is_no_plot() -> None:
    assert draw_pareto(comparison(candidate("fcn", 0.4))) == ""
