"""Findings say what is wrong all at once, and what can be left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.findings import FINDING_KINDS, Finding, Findings
from pixelwise.data.source import open_data
from pixelwise.errors import DataError


def make_data(root: Path) -> None:
    """Six pictures: one without a mask, one whose mask is smaller."""
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(root / f"images/{number}.png")
        side = 10 if number == 4 else 20
        Image.fromarray(rng.integers(0, 2, (side, 30), np.uint8)).save(root / f"masks/{number}.png")
    (root / "masks/1.png").unlink()


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    make_data(tmp_path)
    with pytest.raises(DataError) as raised:
        open_data(tmp_path)
    message = str(raised.value)
    assert message.startswith("2 faults:")
    assert "1 of 6 pictures of split all has no mask: images/1.png" in message
    assert "images/4.png 20x30 with mask 10x30" in message


def test_what_cannot_be_used_is_left_out_if_that_is_asked_for(tmp_path: Path) -> None:
    make_data(tmp_path)
    source = open_data(tmp_path, skip_bad=True)
    assert source.left_out == ("images/1.png", "images/4.png")
    assert sorted(pair.id for pair in source.pairs) == [f"images/{number}.png" for number in (0, 2, 3, 5)]
    assert {finding.kind for finding in source.findings if finding.gravity == "error"} == {
        "pair_without_mask",
        "size_differs",
    }
    assert any("layout folder: 4 pictures" in note for note in source.notes)


def test_what_leaving_out_does_not_mend_is_refused_all_the_same() -> None:
    findings = Findings()
    findings.add("size_differs", "a.png differs", pairs=["a.png"], files=["a.png"])
    findings.refuse(skip_bad=True)
    findings.add("size_differs", "something else", mend="do this")
    with pytest.raises(DataError, match=r"^something else; do this$"):
        findings.refuse(skip_bad=True)
    assert findings.unusable() == {"a.png"}


def test_every_kind_has_a_gravity_and_says_why() -> None:
    for name, kind in FINDING_KINDS.items():
        assert kind.gravity in ("error", "warning", "note")
        assert kind.title
        assert kind.why.endswith(".")
        assert Finding(name, "x").gravity == kind.gravity


def test_the_page_describes_every_kind() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "findings.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{name}` | {kind.gravity} | {kind.title} | {kind.why} |" for name, kind in FINDING_KINDS.items()
    ]
