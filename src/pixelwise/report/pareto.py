"""Drawing scores against latency as SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pixelwise.metrics.bootstrap import Interval
from pixelwise.report.ticks import linear_ticks, log_ticks
from pixelwise.scoring.comparison import FIGURE_NAMES, Comparison

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 18, 46
LABEL_HEIGHT = 17
"""The least distance in pixels between two names that could overlap."""
CHARACTER_WIDTH = 7.0
LOG_FROM = 8.0
"""The ratio of the longest to the shortest latency from which their axis is logarithmic."""


@dataclass(frozen=True)
class Point:
    """A model in the plot: its latency in milliseconds, its score, the score's interval, and if none is better."""

    name: str
    latency: float
    score: float
    interval: Interval | None
    on_front: bool


def draw_pareto(comparison: Comparison) -> str:
    """Draw the headline of each model against its latency, with a line through those that no other beats in both.

    Returns:
        The plot as inline SVG; empty if latency is known of fewer than two models.
    """
    points = [
        Point(one.name, one.cost.latency_ms, figure.value, figure.interval, one.name in comparison.front)
        for one in comparison.scored
        if one.cost is not None
        and one.cost.latency_ms is not None
        and not math.isnan((figure := comparison.figures[one.name][comparison.headline]).value)
    ]
    return _draw(points, FIGURE_NAMES[comparison.headline]) if len(points) > 1 else ""


def _draw(points: Sequence[Point], headline: str) -> str:
    latencies = [point.latency for point in points]
    log = max(latencies) / min(latencies) >= LOG_FROM
    ticks = log_ticks(min(latencies), max(latencies)) if log else linear_ticks(0, max(latencies), 6)
    ends = [end for point in points for end in (point.score, *(point.interval or ()))]
    score_ticks = linear_ticks(min(ends), max(ends), 5)

    def x(latency: float) -> float:
        low, high = ticks[0], ticks[-1]
        share = math.log(latency / low) / math.log(high / low) if log else (latency - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(score: float) -> float:
        low, high = score_ticks[0], score_ticks[-1]
        return HEIGHT - BOTTOM - (score - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg class="pareto" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(headline)} against latency">'
    ]
    for tick in score_ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.3g}</text>')
    for tick in ticks:
        parts.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{tick:.4g}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">milliseconds for a picture</text>')
    front = sorted((point for point in points if point.on_front), key=lambda point: point.latency)
    if len(front) > 1:
        line = " ".join(f"{x(point.latency):.1f},{y(point.score):.1f}" for point in front)
        parts.append(f'<polyline class="front" points="{line}"/>')
    for point in points:
        across, up = x(point.latency), y(point.score)
        kind = "on" if point.on_front else "off"
        if point.interval is not None:
            low, high = (y(end) for end in point.interval)
            parts.append(
                f'<line class="span {kind}" x1="{across:.1f}" x2="{across:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
            )
        parts.append(
            f'<circle class="{kind}" cx="{across:.1f}" cy="{up:.1f}" r="6"><title>{escape(point.name)}: {headline} '
            f"{point.score:.3f}, {point.latency:.1f} ms</title></circle>"
        )
    for point, at in zip(points, _place_names([(x(p.latency), y(p.score)) for p in points], points), strict=True):
        parts.append(
            f'<text class="name" x="{at[0]:.1f}" y="{at[1] + 4:.1f}" text-anchor="{at[2]}">{escape(point.name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _place_names(places: Sequence[tuple[float, float]], points: Sequence[Point]) -> list[tuple[float, float, str]]:
    """Put each name beside its point, on the side where there is room, and move names apart that would overlap."""
    boxes: list[tuple[float, float, float]] = []  # left, right, middle of names that are placed
    found: dict[int, tuple[float, float, str]] = {}
    for place in sorted(range(len(points)), key=lambda place: places[place][1]):
        across, up = places[place]
        width = CHARACTER_WIDTH * len(points[place].name)
        after = across + 12 + width < WIDTH
        left = across + 12 if after else max(0.0, across - 12 - width)
        while any(
            left < right and start < left + width and abs(up - middle) < LABEL_HEIGHT for start, right, middle in boxes
        ):
            up += 4
        boxes.append((left, left + width, up))
        found[place] = (across + 12, up, "start") if after else (max(width, across - 12), up, "end")
    return [found[place] for place in range(len(points))]
