from __future__ import annotations

import logging
import sys

import pytest

from pixelwise.ops import native


@pytest.fixture
def load():
    """Load the kernels as a fresh process would."""
    return native.native_module.__wrapped__


def test_switch_turns_the_kernels_off(load, monkeypatch):
    monkeypatch.setenv("PIXELWISE_NATIVE", "0")
    assert load() is None


def test_an_installation_without_kernels_says_so_and_works(load, monkeypatch, caplog):
    monkeypatch.delenv("PIXELWISE_NATIVE", raising=False)
    monkeypatch.setitem(sys.modules, "pixelwise._native", None)
    with caplog.at_level(logging.WARNING):
        assert load() is None
    assert "C++ compiler" in caplog.text


def test_the_loaded_kernels_name_their_instruction_set():
    module = native.native_module()
    if module is None:
        pytest.skip("the native kernels are not built")
    assert module.isa() in ("baseline", "avx2", "avx512")
