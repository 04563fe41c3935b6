"""The report in a real browser: it sorts, finds and zooms, fits narrow screens, and is read without JavaScript."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.metrics.pixel_details import PictureDetails
from pixelwise.metrics.scores import Scores
from pixelwise.ops.counting import count_labels
from pixelwise.report import write_report
from pixelwise.scoring.pixel_comparison import PixelComparison
from pixelwise.scoring.pixel_drawing import draw_pixels
from pixelwise.scoring.pixel_tables import pixel_evaluation
from pixelwise.types import LabelSpace

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright, to drive a browser")

CLASSES = LabelSpace(("sea", "land", "lake"), colors=((10, 20, 200), (20, 150, 30), (90, 200, 250)))
PICTURES = 12
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs the program chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=[*SWITCHES, "--disable-sync"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    compared, examples = [], []
    for number in range(PICTURES):
        image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
        mask = np.zeros((90, 120), np.uint8)
        mask[:, 50:] = 1
        mask[70:, 100:] = 2
        labels = np.roll(mask, number, 1)
        sure = rng.uniform(0.4, 1, mask.shape).astype(np.float32)
        counts = count_labels(mask, labels, CLASSES)
        details = PictureDetails.of(mask, labels, CLASSES, sure)
        id = f"folder/picture {number:02d} #&?.png"
        compared.append(PixelComparison(id, (90, 120), counts, details=details))
        if number < 4:
            group = "Worst" if number < 3 else "lake: most errors"
            examples.append(draw_pixels(id, image, mask, labels, CLASSES, group=group, confidence=sure))
    scores = Scores.from_counts(sum(one.counts for one in compared), CLASSES, images=PICTURES)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(
        path,
        title="Earth",
        evaluation=pixel_evaluation(scores, compared, CLASSES),
        examples=examples,
        stamps=examples,
    )
    return path


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    wrong: list[str] = []
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: None if request.url[:5] in ("file:", "data:") else wrong.append(request.url))
    opened.goto(report.as_uri())
    yield opened
    opened.close()
    assert wrong == []


def texts(page: Any, selector: str) -> list[str]:
    return [text.strip() for text in page.locator(selector).all_inner_texts()]


def test_a_press_on_a_heading_sorts_up_and_then_down(page: Any) -> None:
    names = texts(page, ".pictures tbody th")
    page.locator(".pictures thead button", has_text="Picture").click()
    assert texts(page, ".pictures tbody th") == sorted(names)
    page.locator(".pictures thead button", has_text="Picture").click()
    assert texts(page, ".pictures tbody th") == sorted(names, reverse=True)
    page.locator(".pictures thead button", has_text="mIoU").click()
    figures = [float(text) for text in texts(page, ".pictures tbody td.strong")]
    assert figures == sorted(figures)
    assert len(figures) == PICTURES


def test_rows_and_columns_of_the_matrix_are_sorted_alike(page: Any) -> None:
    def diagonal() -> list[str]:
        cells = page.locator(".matrix tbody tr").evaluate_all("rows => rows.map((row, i) => row.cells[i + 1].title)")
        return [cell.split(":")[0] for cell in cells]

    given = texts(page, ".matrix tbody th")
    assert given == ["sea", "land", "lake"]
    page.get_by_text("largest class first").click()
    assert texts(page, ".matrix tbody th") == texts(page, ".matrix thead th") == ["land", "sea", "lake"]
    assert diagonal() == [f"{name} taken for {name}" for name in ("land", "sea", "lake")]
    page.get_by_text("most errors first").click()
    assert texts(page, ".matrix tbody th")[0] == "lake"
    page.get_by_text("as given").click()
    assert texts(page, ".matrix tbody th") == given


def test_the_matrix_shows_shares_or_pixels(page: Any) -> None:
    assert page.locator(".matrix .of-row").first.is_visible()
    page.locator(".choice label", has_text="pixels").click()
    assert not page.locator(".matrix .of-row").first.is_visible()
    assert page.locator(".matrix .counts").first.is_visible()


def test_a_search_finds_by_part_of_a_name_in_pictures_and_list(page: Any) -> None:
    page.locator("[data-searches=drawn]").fill("PICTURE 03")
    assert page.locator(".example:visible").count() == 1
    assert page.locator(".pictures tbody tr:visible").count() == 1
    assert texts(page, "[data-counts]") == ["1 of 4 drawn", f"1 of {PICTURES} listed"]
    assert texts(page, "#pictures summary:visible") == ["lake: most errors"]
    assert not page.locator("#pictures h3").is_visible()
    page.locator("[data-searches=listed]").fill("")
    assert page.locator(".example:visible").count() == 3


def test_a_link_unfolds_the_pictures_of_a_class(page: Any) -> None:
    folded = page.locator(".example").nth(3)
    assert not folded.is_visible()
    page.locator(".jump a", has_text="lake").click()
    assert folded.is_visible()
    page.locator("#pictures summary").click()
    page.locator(".pictures a", has_text="picture 03").click()
    assert folded.is_visible()


def test_a_press_shows_the_full_size_and_keys_change_view_and_zoom(page: Any) -> None:
    page.locator("a.view").first.click()
    image = page.locator(".viewer img")
    page.wait_for_function("document.querySelector('.viewer img').naturalWidth === 120")
    assert image.get_attribute("src").startswith("file:")
    page.keyboard.press("z")
    seen, whole = page.locator(".stage").evaluate("stage => [stage.clientHeight, stage.scrollHeight]")
    assert whole == pytest.approx(2 * seen, rel=0.02)
    page.keyboard.press("ArrowLeft")
    assert page.locator(".what").inner_text() == "confidence (5 of 5)"
    page.keyboard.press("Escape")
    assert not page.locator(".viewer").is_visible()


def test_a_page_that_was_mailed_alone_still_shows_its_pictures(browser: Any, report: Path, tmp_path: Path) -> None:
    shutil.copy(report, tmp_path / "report.html")
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    page.locator("a.view").first.click()
    page.wait_for_function("document.querySelector('.viewer img').src.startsWith('data:')")
    page.close()


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_no_width_scrolls_sideways(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_is_dark_and_light_is_light(page: Any) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        color = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(int(part) for part in color[4:-1].split(","))
    assert shades["dark"] < 100 < 700 < shades["light"]


def test_without_javascript_everything_is_read_and_links_open(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    page.locator("#pictures summary").click()
    assert page.locator(".example:visible").count() == 4
    assert page.locator(".pictures tbody tr").count() == PICTURES
    assert not page.locator("[data-searches=drawn]").is_visible()
    page.locator("a.view").nth(1).click()
    assert page.url.endswith("-truth.jpg")
    context.close()
