"""Processors are counted by what this process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixelwise.processors import processors


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 6),
        ("250000 100000", 3),
        ("100000 100000", 1),
        ("900000 100000", 6),
        ("1000 100000", 1),
        ("", 6),
        ("100000 0", 6),
        (None, 6),
    ],
)
def test_the_quota_of_a_container_counts(monkeypatch: pytest.MonkeyPatch, quota: str | None, expected: int) -> None:
    def read(path: Path, encoding: str) -> str:
        assert path == Path("/sys/fs/cgroup/cpu.max")
        if quota is None:
            raise FileNotFoundError
        return quota

    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr(Path, "read_text", read)
    assert processors.__wrapped__() == expected
