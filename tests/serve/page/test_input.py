"""Ways for pictures to come in: dropping, pasting, the camera, and files that browsers cannot read."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from serving import drawn_file, shown

GIVE = """([kind, type, name, text]) => {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const made = kind === "drop" ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
  document.body.dispatchEvent(made);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(page: Any, picture: Path, kind: str) -> None:
    page.evaluate(GIVE, [kind, "image/png", "given.png", base64.b64encode(picture.read_bytes()).decode()])
    page.locator("#classes .share:not(:empty)").first.wait_for()
    assert page.locator("#name").inner_text() == "given.png"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("plain", {}),
        ("zlib", {"compression": "zlib", "predictor": True}),
        ("tiles", {"compression": "zlib", "tile": (32, 32)}),
        ("planar", {"planarconfig": "separate", "rowsperstrip": 7}),
        ("big", {"bigtiff": True}),
    ],
)
def test_a_tiff_is_shown_as_its_pixels_are(page: Any, tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    image = np.asarray(Image.open(drawn_file(tmp_path / "a.png", 90, 120)).convert("RGB"))
    stored = np.moveaxis(image, 2, 0) if kind == "planar" else image
    big = options.pop("bigtiff", False)
    tifffile.imwrite(tmp_path / f"{kind}.tif", stored, photometric="rgb", bigtiff=big, **options)
    compare_with_png(page, tmp_path / f"{kind}.tif", tmp_path / "a.png")


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits"])
def test_old_compressions_of_tiff_are_shown(page: Any, tmp_path: Path, compression: str) -> None:
    drawn_file(tmp_path / "a.png", 150, 170)
    Image.open(tmp_path / "a.png").save(tmp_path / "a.tif", compression=compression)
    compare_with_png(page, tmp_path / "a.tif", tmp_path / "a.png")


def compare_with_png(page: Any, tiff: Path, png: Path) -> None:
    """Look at both with the overlay off; they fill the same place."""
    page.set_input_files("#files", [str(tiff), str(png)])
    page.locator("#done", has_text="2 of 2").wait_for()
    page.locator("#opacity").fill("0")
    seen = []
    for key, file in (("k", tiff), ("j", png)):
        page.keyboard.press(key)
        page.locator("#name", has_text=file.name).wait_for()
        page.locator("#facts", has_text="\u00d7").wait_for()
        page.wait_for_timeout(600)
        seen.append(shown(page))
    assert not page.locator("#unseen").is_visible()
    assert np.abs(seen[0] - seen[1]).max() <= 1


def test_a_camera_is_watched_and_a_frame_kept(page: Any) -> None:
    page.locator("#camera").click()
    page.locator("#live-pace", has_text="frames a second").wait_for()
    page.locator("#classes .share:not(:empty)").first.wait_for()
    page.locator("#keep-frame").click()
    page.locator("#name", has_text=".jpg").wait_for()
    page.locator("#objects-count:not(:empty)").wait_for()
    assert not page.locator("#live").is_visible()


def test_nothing_is_opened_yet(page: Any) -> None:
    assert page.locator("#welcome").is_visible()
    assert page.locator("#download").is_disabled()
    for key in "jk0z+-dfcmansl]":
        page.keyboard.press(key)
