"""Words agree with numbers, in messages too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from pixelwise.words import agreeing, counted, plural

SOURCE = Path(__file__).resolve().parents[1] / "src" / "pixelwise"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (counted(0, "picture"), "0 pictures"),
        (counted(1, "picture"), "1 picture"),
        (counted(2, "picture"), "2 pictures"),
        (counted(12_000, "step"), "12,000 steps"),
        (counted(np.int64(1), "class"), "1 class"),
        (counted(3, "class"), "3 classes"),
        (counted("1", "epoch"), "1 epoch"),
        (counted(f"{2.5:g}", "epoch"), "2.5 epochs"),
        (counted(1, "tensor", "has"), "1 tensor has"),
        (counted(2, "tensor", "has"), "2 tensors have"),
        (counted(1, "mask", "was", of=3), "1 of 3 masks was"),
        (counted(1, "picture", "trains", of=1), "1 of 1 picture trains"),
        (counted(0, "picture of split val", "is", of=1), "0 of 1 picture of split val are"),
        (counted(2, "picture of split val", "is", of=2), "2 of 2 pictures of split val are"),
    ],
)
def test_words_agree_with_their_number(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("box", "boxes"),
        ("batch", "batches"),
        ("epoch", "epochs"),
        ("entry", "entries"),
        ("array", "arrays"),
        ("axis", "axes"),
        ("RGB colour", "RGB colours"),
        ("picture that the run kept", "pictures that the run kept"),
    ],
)
def test_nouns_in_the_plural(noun: str, expected: str) -> None:
    assert plural(noun) == expected


def test_verbs_agree() -> None:
    assert [agreeing(1, verb) for verb in ("is", "does", "trains")] == ["is", "does", "trains"]
    assert [agreeing(2, verb) for verb in ("is", "does", "trains")] == ["are", "do", "train"]


NOUNS = "pictures|images|epochs|steps|objects|masks|tensors|validations|predictions|tiles"
"""Things that there may be one of wherever they are counted."""


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_message_puts_a_plural_behind_a_bare_number(path: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                continue
            is_word = getattr(value.value, "id", "") in ("what", "name")
            if not is_word and re.match(rf" (?:(?!with|no)[a-z]+ )?(?:{NOUNS})\b", str(text.value)):
                found.append(ast.unparse(node))
    assert not found
