"""The pictures of a report stay below their limit in the page, and their full sizes are beside it once each."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.errors import PixelwiseError
from pixelwise.report import gallery
from pixelwise.report.gallery import fit_cards, make_stamps, write_cards
from pixelwise.scoring.example import Example

RNG = np.random.default_rng(0)


def example(id: str, group: str = "", side: int = 32) -> Example:
    noise = RNG.integers(0, 256, (side, 2 * side, 3), dtype=np.uint8)
    return Example(id, "caption", group, noise, noise, noise, noise, confidence=noise)


def opened(jpeg: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(jpeg)).size


def test_full_sizes_are_files_and_the_page_has_small_ones(tmp_path: Path) -> None:
    (card,) = write_cards(tmp_path / "page.html", [example("a/b c.png", side=600)])
    assert [view.name for view in card.views] == ["picture", "truth", "prediction", "difference", "confidence"]
    for view in card.views:
        assert view.link == f"page-pictures/001-a-b-c-{view.name}.jpg"
        assert opened((tmp_path / view.link).read_bytes()) == (1200, 600)
        assert opened(view.jpeg) == (480, 240)
        assert view.size == (600, 1200)


def test_a_picture_in_several_groups_is_written_once_with_a_difference_for_each(tmp_path: Path) -> None:
    drawn = [example("a.png", "Worst"), example("b.png", "Worst"), example("a.png", "sky: most errors")]
    cards = write_cards(tmp_path / "page.html", drawn)
    links = [[view.link for view in card.views] for card in cards]
    same = [one == other for one, other in zip(links[0], links[2], strict=True)]
    assert same == [True, True, True, False, True]
    assert len(list((tmp_path / "page-pictures").iterdir())) == 11
    assert len({card.anchor for card in cards}) == 3


def test_an_earlier_report_gives_way_and_no_pictures_make_no_folder(tmp_path: Path) -> None:
    write_cards(tmp_path / "page.html", [example("a.png"), example("b.png")])
    write_cards(tmp_path / "page.html", [example("c.png")])
    assert {path.name[:5] for path in (tmp_path / "page-pictures").iterdir()} == {"001-c"}
    assert write_cards(tmp_path / "other.html", []) == []
    assert [path.name for path in tmp_path.iterdir()] == ["page-pictures"]
    with pytest.raises(PixelwiseError, match="folder does not exist"):
        write_cards(tmp_path / "absent" / "page.html", [example("a.png")])


def test_pictures_shrink_until_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = write_cards(tmp_path / "page.html", [example(f"{number}.png", side=100) for number in range(3)])
    whole = sum(len(view.jpeg) for card in cards for view in card.views)
    fitted = fit_cards(cards, most=whole // 3)
    assert sum(len(view.jpeg) for card in fitted for view in card.views) <= whole // 3
    assert [view.link for view in fitted[0].views] == [view.link for view in cards[0].views]
    assert len(fit_cards(cards, most=1)) == 3  # it ends, although nothing can be that small
    monkeypatch.setattr(gallery, "MOST_SMALL_BYTES", 20_000)
    stamps = make_stamps(example(f"{number}.png", side=300) for number in range(5))
    assert list(stamps) == [f"{number}.png" for number in range(5)]
    assert sum(len(stamp.picture) + len(stamp.errors) for stamp in stamps.values()) <= 20_000
