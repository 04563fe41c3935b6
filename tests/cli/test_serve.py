"""The command line of the server: names of models, and what it refuses before it opens one."""

from __future__ import annotations

import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

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


def test_every_option_arrives(
    untrained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pixelwise.serve
    from pixelwise.serve import running

    seen: dict[str, Any] = {}

    def create(models: Any, limits: Any, access: Any, *, state: Path | None) -> str:
        seen.update(models=list(models), limits=limits, access=access, state=state)
        return "app"

    def serve(app: str, opened: socket.socket, *, timeout: float) -> None:
        seen.update(app=app, port=opened.getsockname()[1], timeout=timeout)

    monkeypatch.setattr(pixelwise.serve, "create_app", create)
    monkeypatch.setattr(running, "run", serve)
    monkeypatch.setenv("PIXELWISE_TOKEN", "word")
    limits = {
        "max_bytes": 1001,
        "max_pixels": 1002,
        "timeout": 3.0,
        "queue": 1004,
        "max_files": 5,
        "max_unpacked": 1006,
        "job_bytes": 1007,
        "max_jobs": 8,
    }
    options = [word for name, value in limits.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    places = ["--host", "localhost", "--port", "0", "--cors", "https://a.example", "--cors", "https://b.example"]
    names = ["--hostname", "c.example", "--state", str(tmp_path / "state")]
    assert run("serve", f"leaves={untrained_run}", *options, *places, *names) == 0
    assert seen["models"] == ["leaves"]
    assert asdict(seen["limits"]) == limits
    assert (seen["access"].token, seen["access"].cors) == ("word", ("https://a.example", "https://b.example"))
    assert seen["access"].hostname == ("localhost", "c.example")
    assert (seen["state"], seen["app"], seen["timeout"]) == (tmp_path / "state", "app", 3.0)
    assert f"serving leaves at http://localhost:{seen['port']}" in capsys.readouterr().out


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.startswith("pixelwise.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert run("serve", "nowhere") == 2
    assert "pip install 'pixelwise[serve]'" in capsys.readouterr().err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run("serve", "nowhere", "--port", port) == 2
    assert f"--port: 127.0.0.1:{port} cannot be listened at" in capsys.readouterr().err
