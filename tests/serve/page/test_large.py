"""Large pictures: 40 megapixels stay smooth, and what is too large for a request becomes a job."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import drawn_file, shown

from pixelwise.inference import Predictor
from pixelwise.instances import BoxMask
from pixelwise.ops.rle import encode_rle

HEIGHT, WIDTH = 5000, 8000
LONGEST_TASK = 400
"""Milliseconds that the page's thread may be busy at a time; 100 are wanted, and tests share their machine."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A picture of 40 megapixels with labels in stripes 1000 pixels wide, and one object."""
    folder = tmp_path_factory.mktemp("large")
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), (90, 120, 60), np.uint8)).save(folder / "large.jpg", quality=60)
    labels = np.broadcast_to((np.arange(WIDTH) // 1000 % 3).astype(np.uint8), (HEIGHT, WIDTH))
    png = io.BytesIO()
    Image.fromarray(labels).save(png, "PNG", compress_level=1)
    mask = BoxMask(np.ones((500, 700), np.bool_), 1000, 2100, (HEIGHT, WIDTH))
    annotation = {
        "id": 1, "category_id": 3, "bbox": [2100, 1000, 700, 500], "area": 350000, "score": 0.9,
        "segmentation": {"size": [HEIGHT, WIDTH], "counts": encode_rle(mask)["counts"]},
    }  # fmt: skip
    categories = [{"id": index, "name": name} for index, name in enumerate(("dark", "middle", "bright"), 1)]
    coco = json.dumps({"categories": categories, "images": [], "annotations": [annotation]})
    return {"file": folder / "large.jpg", "labels": png.getvalue(), "coco": coco}


def test_40_megapixels_are_shown_without_stopping_the_page(page: Any, large: dict[str, Any]) -> None:
    def answer(route: Any) -> None:
        body = large["labels"] if "output=labels" in route.request.url else large["coco"]
        route.fulfill(body=body, status=200)

    page.route("**/predict?*", answer)
    page.evaluate("""() => {
      window.longest = 0;
      const note = (one) => (window.longest = Math.max(window.longest, one.duration));
      new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ entryTypes: ["longtask"] });
    }""")
    page.set_input_files("#files", [str(large["file"])])
    page.locator("#objects-count", has_text="1").wait_for()
    assert page.locator("#facts").inner_text().startswith("8,000 \u00d7 5,000")
    assert page.locator("#classes .share").all_inner_texts() == ["38%", "38%", "25%"]
    page.locator("#opacity").fill("100")
    page.wait_for_timeout(1500)
    view = shown(page)
    scale = (view.shape[1] - 24) / WIDTH
    colors = [tuple(view[view.shape[0] // 2, round(12 + scale * (1000 * stripe + 500))]) for stripe in range(8)]
    assert colors == [(20, 20, 90), (90, 160, 60), (250, 220, 80)] * 2 + [(20, 20, 90), (90, 160, 60)]
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    for _ in range(12):
        page.mouse.wheel(0, -400)
        page.wait_for_timeout(40)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 380, steps=8)
    page.mouse.up()
    page.locator("#classes li input").first.click()
    page.locator("#opacity").fill("40")
    page.wait_for_timeout(1000)
    longest = page.evaluate("() => window.longest")
    print(f"longest task: {longest} ms")
    assert longest < LONGEST_TASK


def test_a_picture_that_is_too_large_for_a_request_is_a_job(
    page: Any, tmp_path: Path, predictor: Predictor, faults: Any
) -> None:
    faults.expected = ["413"]
    file = drawn_file(tmp_path / "large.png", 500, 700)
    page.set_input_files("#files", [str(file)])
    page.locator("#facts", has_text="labelled in").wait_for()
    labels = predictor(file).labels
    pixels = page.locator("#classes .share").evaluate_all("all => all.map((one) => one.title)")
    expected = sorted((int((labels == index).sum()) for index in range(3)), reverse=True)
    assert [int(text.split(" ")[0].replace(",", "")) for text in pixels] == expected
    page.locator("#ask-objects").click()
    page.locator("#objects-count:not(:empty)").wait_for()


def test_labels_of_a_raster_are_read_from_its_tiff(
    page: Any, tmp_path: Path, predictor: Predictor, faults: Any
) -> None:
    """A TIFF that lies on the Earth is labelled by windows, and its labels are a tiled BigTIFF."""
    import tifffile

    faults.expected = ["413"]
    image = np.asarray(Image.open(drawn_file(tmp_path / "a.png", 500, 700)).convert("RGB"))
    placed = [(33550, "d", 3, (10.0, 10.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 5e6, 0.0), True)]
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
    tifffile.imwrite(
        tmp_path / "a.tif", image, photometric="rgb", compression="zlib", tile=(128, 128),
        extratags=[*placed, (34735, "H", len(keys), keys, True)],
    )  # fmt: skip
    page.set_input_files("#files", [str(tmp_path / "a.tif")])
    page.locator("#facts", has_text="labelled in").wait_for()
    page.locator("#classes .share:not(:empty)").first.wait_for()
    assert page.locator("#facts").inner_text().startswith("700 \u00d7 500")
    assert not page.locator("#failure").is_visible()
