"""Fixtures that several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

PICTURES = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def pictures() -> Path:
    """The folder of real pictures beside the checkout; the test skips where it is absent."""
    if not PICTURES.is_dir():
        pytest.skip(f"the real pictures are not at {PICTURES}")
    return PICTURES
