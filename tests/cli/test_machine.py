"""What a process asks for is left as the environment says."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from pixelwise.cli.machine import share_the_processor, use_huge_pages


@pytest.mark.parametrize(
    ("ask", "name"), [(use_huge_pages, "THP_MEM_ALLOC_ENABLE"), (share_the_processor, "GOMP_SPINCOUNT")]
)
def test_the_environment_wins(ask: Callable[[], None], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv(name, "0")
    ask()
    assert os.environ[name] == "0"
    monkeypatch.delenv(name)
    ask()
    assert os.environ[name] not in ("", "0")
