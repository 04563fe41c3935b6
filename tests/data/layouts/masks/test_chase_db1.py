"""CHASE_DB1 keeps pictures and both observers in one folder; the first observer is the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelwise.data.source import open_data
from pixelwise.io.masks import read_mask


def test_the_first_observer_is_the_truth(tmp_path: Path, write: Any, image: Any, mask: Any) -> None:
    vessels = mask.clip(max=1)
    for name in ("01L", "01R", "02L"):
        write(f"Image_{name}.jpg", image)
        write(f"Image_{name}_1stHO.png", vessels * 255)
        write(f"Image_{name}_2ndHO.png", (1 - vessels) * 255)
    source = open_data(tmp_path)
    assert (source.layout, len(source.pairs)) == ("chase_db1", 3)
    for pair in source.pairs:
        assert pair.mask is not None
        assert pair.mask.stem == f"{pair.image.stem}_1stHO"
        assert (source.label_space.encode(read_mask(pair.mask)) == vessels).all()
    assert any("2ndHO" in note for note in source.notes)
