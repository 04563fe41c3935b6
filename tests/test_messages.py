"""Below the command line, texts name arguments and no flags, because servers and notebooks show them, too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "pixelwise"
BELOW = sorted(path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] != "cli")
FLAG = re.compile(r"(?<![\w-])(?<!var\()--[a-z][a-z-]*")
"""Two dashes and a word, but not a variable of a style sheet."""


def texts_of(tree: ast.AST) -> list[ast.Constant]:
    """All string constants, parts of f-strings too, but no docstrings of modules, functions, classes or attributes."""
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node for node in constants if id(node) not in described]


@pytest.mark.parametrize("path", BELOW, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_text_names_a_flag(path: Path) -> None:
    found = {node.lineno: FLAG.findall(str(node.value)) for node in texts_of(ast.parse(path.read_text()))}
    named = {line: flags for line, flags in found.items() if flags}
    assert not named, f"{path}: name the argument, as SettingError(text, argument=...) does"


def test_flags_are_found_in_all_texts_but_docstrings() -> None:
    program = """
def f(side):
    '''Take --memory.'''
    raise ValueError(f"{side} MiB; raise --memory, or "
                     f"take --tile-{side}", "color: var(--line)", "a--b", "--", "---")
LIMIT = 3
'''Of --tile.'''
"""
    flags = [flag for node in texts_of(ast.parse(program)) for flag in FLAG.findall(str(node.value))]
    assert flags == ["--memory", "--tile-"]
