"""Looking at one picture: the overlay is what the network gives, and everything about it can be switched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from serving import open_files, shown

from pixelwise.inference import Predictor


def test_the_legend_says_what_the_network_says(page: Any, picture: Path, predictor: Predictor) -> None:
    open_files(page, picture)
    prediction = predictor(picture)
    names = page.locator("#classes .name").all_inner_texts()
    pixels = [
        title.split(" ")[0] for title in page.locator("#classes .share").evaluate_all("all => all.map(e => e.title)")
    ]
    expected = {
        name: f"{int((prediction.labels == index).sum()):,}" for index, name in enumerate(predictor.label_space.names)
    }
    assert dict(zip(names, pixels, strict=True)) == expected
    assert page.locator("#objects-count").inner_text() == f"{len(prediction.objects()):,}"


def test_the_overlay_lies_on_the_pixels_of_its_classes(page: Any, picture: Path, predictor: Predictor) -> None:
    open_files(page, picture)
    page.locator("#opacity").fill("100")
    page.keyboard.press("0")
    page.wait_for_timeout(500)
    labels, colors = predictor(picture).labels, np.array(predictor.label_space.colors)
    view = shown(page)
    scale, left, top = placed(page, labels.shape)
    right = 0
    places = [(y, x) for y in range(5, 85, 8) for x in range(5, 115, 8)]
    inner = [(y, x) for y, x in places if len(np.unique(labels[y - 2 : y + 3, x - 2 : x + 3])) == 1]
    assert len(inner) > 20
    for y, x in inner:
        found = view[round(top + (y + 0.5) * scale), round(left + (x + 0.5) * scale)]
        right += bool(np.abs(found - colors[labels[y, x]]).max() <= 2)
    assert right == len(inner)


def placed(page: Any, size: tuple[int, ...]) -> tuple[float, float, float]:
    """Where a picture that fits the stage lies on it: scale, left edge, top edge."""
    box = page.locator("#view").bounding_box()
    scale = min((box["width"] - 24) / size[1], (box["height"] - 24) / size[0])
    return scale, (box["width"] - size[1] * scale) / 2, (box["height"] - size[0] * scale) / 2


def test_a_class_that_is_off_shows_the_picture(page: Any, picture: Path) -> None:
    open_files(page, picture)
    page.locator("#opacity").fill("100")
    page.keyboard.press("n")
    page.wait_for_timeout(500)
    view = shown(page)
    image = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    scale, left, top = placed(page, image.shape[:2])
    for y, x in [(10, 10), (45, 60), (80, 110)]:
        assert np.abs(view[round(top + (y + 0.5) * scale), round(left + (x + 0.5) * scale)] - image[y, x]).max() <= 3
    page.keyboard.press("1")
    page.wait_for_timeout(500)
    assert (shown(page) != view).any()
