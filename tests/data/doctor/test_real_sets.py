"""The doctor calls real data sets sound that are sound, and a second look at them is quick."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pixelwise.data.doctor.diagnosis import diagnose


@pytest.mark.parametrize("name", ["camvid", "nuclei", "clothing", "coco_mini", "fruits_nuts", "membranes"])
def test_clean_sets_have_no_error(pictures: Path, name: str) -> None:
    diagnosis = diagnose(pictures / name)
    assert [one.line for one in diagnosis.findings if one.gravity == "error"] == []
    assert diagnosis.usable
    start = time.process_time()
    assert diagnose(pictures / name).to_dict() == diagnosis.to_dict()
    assert time.process_time() - start < 2
