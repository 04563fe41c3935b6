"""The command line of the server: names of models, and what it refuses before it opens one."""

from __future__ import annotations

from pathlib import Path

import pytest
from verbs import run

from pixelwise.cli.serve import name_models


def test_models_are_named_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "leaves.v2").mkdir()
    (tmp_path / "a=b.safetensors").touch()
    assert name_models([f"{tmp_path}/leaves.v2", f"{tmp_path}/cells.onnx", f"fast={tmp_path}/cells.onnx"]) == {
        "leaves.v2": f"{tmp_path}/leaves.v2",
        "cells": f"{tmp_path}/cells.onnx",
        "fast": f"{tmp_path}/cells.onnx",
    }
    assert list(name_models([f"{tmp_path}/a=b.safetensors"])) == ["a=b"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["runs/a", "other/a"], "would both be served as 'a'; name one of them: NAME=MODEL"),
        (["x=runs/a", "x=runs/b"], "would both be served as 'x'"),
        (["a/b=runs/a"], "'a/b' cannot be a name"),
        (["=runs/a"], "'' cannot be a name"),
        (["nowhere", "--port", "0"], "nowhere"),
        (["nowhere", "--max-bytes", "0"], "--max-bytes: it is 0; it must be positive"),
        (["nowhere", "--host", "0.0.0.0"], "--token: other machines reach 0.0.0.0, so a token is needed"),
        (["nowhere", "--token", "x", "--insecure"], "--insecure: a token is given, too"),
        (["nowhere", "--token", ""], "--token: it is no word"),
        (["nowhere", "--cors", "*"], "--cors: '*' is no origin"),
        (["nowhere", "--host", "203.0.113.7", "--insecure"], "--port: 203.0.113.7:8000 cannot be listened at"),
        (["nowhere", "--queue", "10"], "--queue: it holds 10 pixels, but a single picture may have 67,108,864"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("serve", *arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
