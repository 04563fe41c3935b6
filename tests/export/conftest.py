"""An exported file of a model whose labels can be told by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelwise.export import export_model
from pixelwise.models import SegmentationModel


@pytest.fixture
def exported(by_brightness: SegmentationModel, tmp_path: Path) -> Path:
    return export_model(by_brightness, tmp_path / "model.onnx").path
