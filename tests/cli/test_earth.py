"""The demo's map: by windows, where it lies on the Earth."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from rich.console import Console

from pixelwise.cli.earth import map_raster
from pixelwise.inference import Predictor
from pixelwise.io.rasters.opening import open_source
from pixelwise.models import SegmentationModel


def test_the_map_is_made_by_windows_and_lies_on_the_earth(by_brightness: SegmentationModel, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 180, 3), dtype=np.uint8)
    console = Console(file=io.StringIO(), width=300)
    predictor = Predictor(by_brightness, device="cpu", tile=64)
    labels = map_raster(predictor, image, tmp_path / "earth.tif", console)
    np.testing.assert_array_equal(labels, Predictor(by_brightness, device="cpu")(image).labels)
    printed = console.file.getvalue()
    assert "90x180 pixels (height x width) in 6 tiles of 64x64, exact" in printed
    assert "mapped 0.0 megapixels" in printed
    with open_source(tmp_path / "earth.tif", indices=True) as written:
        assert written.georeference is not None
        assert written.georeference.transform == (2.0, 0.0, -180.0, 0.0, -2.0, 90.0)
        assert written.georeference.epsg == 4326
