"""The doctor's page: every finding, with pictures, in one file that asks for no other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.cli import main
from pixelwise.data.doctor.diagnosis import diagnose
from pixelwise.report.doctor_page import DRAWN_PICTURES, write_doctor_page


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pictures of which one is cut short, one is there twice, and a dozen are background alone."""
    rng = np.random.default_rng(0)
    root = tmp_path / "a <b> & c"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for number in range(30):
        noise = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(noise).resize((48, 32), Image.Resampling.BICUBIC).save(root / f"images/{number:02}.png")
        mask = np.kron(rng.integers(0, 2, (4, 6)), np.ones((8, 8))).astype(np.uint8)
        Image.fromarray(mask * (number >= 12)).save(root / f"masks/{number:02}.png")
    cut = root / "images/20.png"
    cut.write_bytes(cut.read_bytes()[:100])
    shutil.copy(root / "images/21.png", root / "images/22.png")
    (root / "classes.txt").write_text("background\nthing\n")
    return root


def test_the_page_shows_every_finding_with_pictures(data: Path, tmp_path: Path) -> None:
    diagnosis = diagnose(data)
    write_doctor_page(tmp_path / "doctor.html", diagnosis, title=data.name, commands=["pixelwise doctor ..."])
    page = (tmp_path / "doctor.html").read_text()
    assert "<h1>a &lt;b&gt; &amp; c</h1>" in page
    assert "Training refuses these data" in page
    found = {finding.kind: finding for finding in diagnosis.findings}
    for finding in diagnosis.findings:
        assert finding.what.replace("<", "&lt;").replace(">", "&gt;").replace("& c", "&amp; c") in page
    articles = dict(re.findall(r"<h3>(.*?)</h3>(.*?)</article>", page, re.DOTALL))
    assert articles["Pictures of background alone"].count("<img ") == DRAWN_PICTURES
    assert "12 files" in articles["Pictures of background alone"]
    copies = "A picture in several splits" if "copy_across_splits" in found else "A picture that is there several times"
    assert articles[copies].count("<img ") == 2
    assert "<img " not in articles["Files that cannot be read"]
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "http" not in page


def test_data_that_no_layout_fits_have_a_page_too(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_doctor_page(tmp_path / "doctor.html", diagnose(tmp_path / "empty"), title="empty")
    assert "No layout fits these data." in (tmp_path / "doctor.html").read_text()


def test_the_verb_writes_it(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["doctor", str(data), "--report", str(tmp_path / "page")])
    assert stopped.value.code == 1
    assert "--fix" in (tmp_path / "page" / "doctor.html").read_text()
