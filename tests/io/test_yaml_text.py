from __future__ import annotations

import itertools

import pytest
import yaml

from pixelwise.io.yaml_text import load_yaml


def test_plain_values() -> None:
    text = "a: &names [x, 1, 2.5, null]\nb: *names\nc: {d: *names}"
    names = ["x", 1, 2.5, None]
    assert load_yaml(text) == {"a": names, "b": names, "c": {"d": names}}
    assert load_yaml("") is None
    assert load_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


NAMES = "abcdefghi"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in itertools.pairwise(NAMES)
)
MERGING = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 9)}]}}\n" for old, new in itertools.pairwise(NAMES)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MERGING, "stands for more than 1048576 values"),
        (BOMB, "stands for more than 1048576 values"),
        ("&a [*a]", "stands for more than"),
        ("&a {b: {c: *a}}", "stands for more than"),
        ("[" * 100_000, "recursion"),
        ("- " * 5000 + "1", "recursion"),
        ("a: 2001-99-99", "month"),
        ("a: " + "9" * 5000, "digits"),
        ("a: [", "expected the node content"),
        ("a: \x00", "special characters"),
        ("!!python/object/apply:os.system [echo]", "could not determine a constructor"),
    ],
)
def test_texts_from_strangers(text: str, reason: str) -> None:
    with pytest.raises(yaml.YAMLError, match=reason):
        load_yaml(text)
