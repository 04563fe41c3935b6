"""The tables of docs/history.md, from what two comparisons wrote.

    python benchmarks/history.py OUT/compare.json

prints one table: figures with their intervals, what each network costs, and when its paper appeared.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pixelwise.models import MODELS

COSTS = {"latency_ms": "ms", "memory_mib": "MiB", "training_seconds": "s"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path)
    found = json.loads(parser.parse_args().comparison.read_text())
    print(f"{found['budget']}; {found['machine'] or 'not timed'}; {found['pictures']} pictures: {found['chosen']}\n")
    print("| network | paper | parameters | multiply-adds | mIoU | pixel accuracy | latency | memory | training |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for model in found["models"]:
        print(row(model) if model["runs"] else f"| `{model['name']}` | {'; '.join(model['problems'])} |")


def row(model: dict[str, Any]) -> str:
    """One network."""
    figures, entry = model["figures"], MODELS[model["name"].split(":")[0]]
    cells = [
        f"`{model['name']}`",
        f"{entry.paper} {entry.year}",
        f"{model['parameters'] / 1e6:.1f} M",
        f"{model['multiply_adds'] / 1e9:.1f} G",
        with_interval(figures["miou"]),
        with_interval(figures["pixel_accuracy"]),
        *(measured(model[name], unit) for name, unit in COSTS.items()),
    ]
    return f"| {' | '.join(cells)} |"


def measured(value: float | None, unit: str) -> str:
    """A measured value, or a dash if it was not measured."""
    return "-" if value is None else f"{value:,.0f} {unit}"


def with_interval(figure: dict[str, Any]) -> str:
    """A figure with its interval over pictures."""
    low, high = figure["interval"]
    return f"{figure['value']:.3f} [{low:.3f} to {high:.3f}]"


if __name__ == "__main__":
    main()
