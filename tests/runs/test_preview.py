"""A run shows itself while it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.source import open_data
from pixelwise.runs.preview import Preview
from pixelwise.training.fit import fit
from pixelwise.training.run_folder import RunFolder

SMALL: dict[str, Any] = {"weights": "none", "batch": 2, "steps": 4, "validate_every": 2, "crop": (64, 64)}
ROADS: dict[str, dict[str, Any]] = {
    "masks": {"model": "fcn", "encoder": "mobilenetv3_small_050"},
    "instance_masks": {"model": "mask_rcnn", "encoder": "mobilenetv3_small_050"},
}


@pytest.mark.parametrize("kind", ROADS)
def test_each_validation_leaves_pictures_and_a_page(kind: str, tmp_path: Path) -> None:
    for folder in ("images", kind):
        (tmp_path / "data" / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(12):
        mask = np.kron(rng.integers(0, 2, (4, 5)), np.ones((16, 16))).astype(np.uint8)
        image = np.repeat(80 + 90 * mask[:, :, None], 3, 2).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / f"data/images/{number}.png")
        Image.fromarray(mask).save(tmp_path / f"data/{kind}/{number}.png")
    run = RunFolder(tmp_path / "run")
    pages: list[str] = []

    class Watch(Preview):
        def on_validation_end(self, *arguments: Any) -> None:
            super().on_validation_end(*arguments)
            pages.append(run.report_file.read_text())

    fitted = fit(
        open_data(tmp_path / "data"),
        run,
        fixed={**SMALL, **ROADS[kind]},
        epochs=1,
        watch=lambda settings, source: Watch(run, settings, source),
    )
    assert fitted.finished
    assert len(pages) == 2
    for page, step in zip(pages, (2, 4), strict=True):
        assert f"{step} of 4" in page
        assert "has not finished" in page
        assert page.count('alt="images/') == 2 * 4
        assert "<svg" in page
        assert 'http-equiv="refresh"' in page
    with Image.open(run.preview_file) as sheet:
        assert sheet.size == (4 * (80 + 4) - 4, 2 * (64 + 4) - 4)
