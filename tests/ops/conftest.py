"""Operators are tested in each form that this machine can run."""

from __future__ import annotations

import pytest

from pixelwise.ops import native


@pytest.fixture(params=["torch", "native"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test on plain torch, then on the native kernels where they are built."""
    if request.param == "torch":
        monkeypatch.setattr(native, "native_module", lambda: None)
    elif native.native_module() is None:
        pytest.skip("the native kernels are not built")
    return str(request.param)
