"""Imports run one way: the order of rooms in docs/architecture.md is held here."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "pixelwise"

GROUND = {
    "words",
    "errors",
    "types",
    "instances",
    "geometry",
    "tiling",
    "preprocessing",
    "card",
    "listener",
    "placement",
    "lazy",
    "pace",
    "processors",
}
MAY_IMPORT = {
    "words": set(),
    "errors": set(),
    "types": {"words", "errors"},
    "instances": {"words", "errors"},
    "geometry": {"errors"},
    "tiling": {"words", "errors", "geometry"},
    "preprocessing": {"words", "errors"},
    "card": {"geometry", "instances", "preprocessing", "tiling", "types"},
    "listener": set(),
    "pace": set(),
    "processors": set(),
    "placement": {"geometry"},
    "lazy": set(),
    "ops": GROUND,
    "io": GROUND,
    "nn": GROUND | {"ops", "io"},
    "encoders": GROUND | {"ops", "io", "nn"},
    "detection": GROUND | {"ops", "io", "nn", "encoders"},
    "models": GROUND | {"ops", "io", "nn", "encoders", "detection"},
    "data": GROUND | {"ops", "io"},
    "losses": GROUND | {"ops", "io"},
    "metrics": GROUND | {"ops", "io"},
    "inspection": GROUND | {"ops", "io", "nn", "encoders", "detection", "models"},
    "training": GROUND | {"ops", "io", "nn", "encoders", "detection", "models", "data", "losses", "metrics"},
    "inference": GROUND | {"ops", "io", "nn", "detection", "models"},
    "scoring": GROUND | {"ops", "io", "models", "data", "metrics", "inference"},
    "report": GROUND | {"ops", "io", "models", "data", "metrics", "inference", "scoring"},
    "runs": GROUND
    | {"ops", "io", "models", "data", "metrics", "inspection", "training", "inference", "scoring", "report"},
    "labelling": GROUND | {"io", "data", "encoders", "inference"},
    "serve": GROUND | {"io", "inference", "labelling"},
    "bulk": GROUND | {"ops", "io", "inference"},
    "client": {"errors"},
    "export": GROUND | {"ops", "io", "nn", "detection", "models", "data", "training", "inference"},
    "quantising": GROUND | {"io", "data", "training", "inference", "scoring", "runs", "export"},
}
"""Room -> rooms it may import; ``cli`` and the package's own ``__init__`` may import all."""


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_names(path: Path) -> set[str]:
    """Name the modules that a file imports, wherever it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} if node.module != "pixelwise" else {f"pixelwise.{a.name}" for a in node.names}
    return found


def imported_rooms(path: Path) -> set[str]:
    names = imported_names(path)
    return {name.split(".")[1] for name in names if name.startswith("pixelwise.")} - {"__version__", "_native"}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_one_way(path: Path) -> None:
    here = room(path)
    if here in {"cli", "__init__", "__main__"}:
        return
    assert here in MAY_IMPORT, f"room '{here}' has no place in the order yet"
    astray = imported_rooms(path) - MAY_IMPORT[here] - {here}
    assert not astray, f"{here} must not import {sorted(astray)}"


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_command_line_knows_the_terminal(path: Path) -> None:
    imported = {name.split(".")[0] for name in imported_names(path)}
    assert room(path) == "cli" or imported.isdisjoint({"rich", "typer", "click"}), "talk to a Listener instead"


@pytest.mark.parametrize(
    "module",
    [
        "types",
        "preprocessing",
        "instances",
        "geometry",
        "tiling",
        "card",
        "listener",
        "placement",
        "io.rasters.opening",
        "data.locate",
        "inference.predictor",
        "serve.app",
        "serve.label.app",
    ],
)
def test_what_people_import_first_loads_without_torch(module: str) -> None:
    program = f"import sys, pixelwise, pixelwise.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
