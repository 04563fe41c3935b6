"""Masks that would be misread are found before they are learnt from, all together, each with a mend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixelwise.data.findings import Finding
from pixelwise.data.masks.faults import edge_values
from pixelwise.data.masks.survey import MaskCounts, merge
from pixelwise.data.source import open_data
from pixelwise.errors import DataError

SIZE = (64, 80)
DISC = np.hypot(*(np.mgrid[: SIZE[0], : SIZE[1]] - 32)) < 20
Masks = Callable[[int], Image.Image]


def make_data(root: Path, mask_of: Masks, count: int = 6, suffix: str = "png", **options: object) -> Path:
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(root / f"images/{number}.png")
        mask_of(number).save(root / f"masks/{number}.{suffix}", **options)
    return root


def faults(root: Path) -> list[Finding]:
    """The errors about masks, those with pairs being passed over in opening."""
    try:
        source = open_data(root, skip_bad=True)
    except DataError as error:
        pytest.fail(str(error))
    return [finding for finding in source.findings if finding.gravity == "error"]


def plain(value: int = 255) -> Image.Image:
    return Image.fromarray((DISC * value).astype(np.uint8))


def smoothed() -> Image.Image:
    """Drawn at a quarter of the size and enlarged bilinearly."""
    small = plain().resize((20, 16), Image.Resampling.NEAREST)
    return small.resize(SIZE[::-1], Image.Resampling.BILINEAR)


def anti_aliased() -> Image.Image:
    """Drawn at twice the size and reduced by averages: three values between black and white."""
    large = np.hypot(*(np.mgrid[:128, :160] - 64)) < 40
    return Image.fromarray((large * 255).astype(np.uint8)).resize(SIZE[::-1], Image.Resampling.BOX)


def through_jpeg(root: Path, image: Image.Image) -> Image.Image:
    """Saved as JPEG and then as PNG."""
    root.mkdir(exist_ok=True, parents=True)
    image.save(root / "once.jpg", quality=90)
    return Image.open(root / "once.jpg").copy()


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (smoothed, "mask_smoothed"),
        (anti_aliased, "mask_smoothed"),
        (lambda: plain().filter(ImageFilter.GaussianBlur(1)).convert("RGB"), "mask_smoothed"),
    ],
    ids=["enlarged", "anti-aliased", "blurred colours"],
)
def test_smoothed_masks_are_found_by_name_and_may_be_left_out(
    tmp_path: Path, bad: Callable[[], Image.Image], kind: str
) -> None:
    form = bad().mode
    root = make_data(tmp_path, lambda number: bad() if number in (2, 4) else plain().convert(form))
    (found,) = faults(root)
    assert (found.kind, found.pairs) == (kind, {"images/2.png", "images/4.png"})
    assert sorted(found.files) == ["masks/2.png", "masks/4.png"]
    assert "along edges only, as enlarging or drawing with smoothing leaves them; 2 of 6 masks are so" in found.what
    assert "nearest neighbour" in found.mend
    source = open_data(root, skip_bad=True)
    assert len(source.pairs) == 4
    assert source.label_space.names == ("background", "foreground")
    with pytest.raises(DataError, match=r"masks/[24]\.png: the mask holds"):
        open_data(root)


def test_masks_that_went_through_jpeg_are_told_from_smoothed_ones(tmp_path: Path) -> None:
    root = make_data(tmp_path / "a", lambda n: through_jpeg(tmp_path / "b", plain()) if n == 3 else plain())
    (found,) = faults(root)
    assert (found.kind, found.files) == ("mask_lossy", ("masks/3.png",))
    assert "as JPEG leaves them" in found.what


@pytest.mark.parametrize("value", [1, 255])
def test_masks_in_a_lossy_format_are_found_by_their_header(tmp_path: Path, value: int) -> None:
    root = make_data(tmp_path, lambda number: plain(value), suffix="jpg")
    with pytest.raises(DataError, match=r"masks/0\.jpg: 6 of 6 masks are compressed with loss.*anew as PNG"):
        open_data(root)


def test_photos_for_masks_are_found(tmp_path: Path) -> None:
    def mask_of(number: int) -> Image.Image:
        if number == 1:
            return Image.fromarray(np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8))
        return Image.fromarray(np.where(DISC[..., None], np.uint8([200, 30, 90]), np.uint8(0)))

    (found,) = faults(make_data(tmp_path, mask_of))
    assert (found.kind, found.files) == ("mask_lossy", ("masks/1.png",))
    assert "colours, so its edges are smoothed, it was a JPEG, or it is a photo" in found.what


def test_palettes_that_clash_are_an_error_that_no_leaving_out_mends(tmp_path: Path) -> None:
    def mask_of(number: int) -> Image.Image:
        image = plain(1)
        image.putpalette([0, 0, 0, *((200, 0, 0) if number < 4 else (0, 0, 200))])
        return image

    root = make_data(tmp_path, mask_of)
    with pytest.raises(DataError, match=r"masks/4\.png: its palette gives index 1 another colour than .*0\.png"):
        open_data(root, skip_bad=True)
    (root / "dataset.yaml").write_text("classes: {0: nothing, 1: disc}\n")
    assert open_data(root).label_space.names == ("nothing", "disc")


def test_masks_of_numbers_among_masks_of_colours_are_found(tmp_path: Path) -> None:
    def mask_of(number: int) -> Image.Image:
        return (
            plain(1) if number == 5 else Image.fromarray(np.where(DISC[..., None], np.uint8([9, 3, 90]), np.uint8(0)))
        )

    (found,) = faults(make_data(tmp_path, mask_of))
    assert (found.kind, found.files) == ("mixed_mask_forms", ("masks/5.png",))


def test_an_object_in_the_transparency_is_said(tmp_path: Path) -> None:
    def mask_of(number: int) -> Image.Image:
        white = np.full((*SIZE, 4), 255, np.uint8)
        if number < 2:
            white[..., 3] = DISC * 255
        else:
            white[..., :3] = DISC[..., None] * 255
        return Image.fromarray(white)

    source = open_data(make_data(tmp_path / "some", mask_of))
    (found,) = [finding for finding in source.findings if finding.kind == "mask_alpha"]
    assert found.gravity == "warning"
    assert found.files == ("masks/0.png", "masks/1.png")
    assert "save the alpha channel as the mask" in found.mend
    with pytest.raises(DataError, match=r"(?s)nothing to learn.*the object may lie in the transparency"):
        open_data(make_data(tmp_path / "all", lambda number: mask_of(0)))


def test_all_kinds_of_faults_are_told_at_once(tmp_path: Path) -> None:
    root = make_data(tmp_path, lambda number: smoothed() if number == 2 else plain())
    plain().resize((40, 32)).save(root / "masks/4.png")
    (root / "masks/0.png").unlink()
    plain(1).save(root / "masks/5.png", "JPEG")
    with pytest.raises(DataError) as raised:
        open_data(root)
    message = str(raised.value)
    assert message.startswith("4 faults:")
    for part in ("has no mask", "another size", "compressed with loss", "along edges only"):
        assert part in message


def counts(values: dict[int, tuple[int, int]]) -> MaskCounts:
    """A mask of values with their pixels and flat pixels."""
    pixels = np.array([count for count, _ in values.values()])
    return MaskCounts(
        Path("a.png"), np.array(list(values)), pixels, np.array([flat for _, flat in values.values()]), False
    )


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ({0: (900, 850), 64: (9, 0), 128: (9, 0), 191: (9, 0), 255: (90, 70)}, 3),
        ({0: (900, 850), 1: (9, 0), 254: (9, 0), 255: (90, 70)}, 2),  # the best JPEG
        ({0: (900, 850), 128: (9, 0), 255: (90, 70)}, 0),  # a line of void between two classes
        ({0: (900, 850), 60: (9, 0), 120: (9, 0), 255: (90, 70)}, 0),  # two classes of lines
        ({0: (900, 850), 1: (9, 0), 2: (9, 0), 3: (9, 0), 4: (90, 70)}, 0),  # class indices
        ({0: (900, 850), 255: (90, 0)}, 0),  # lines alone
    ],
)
def test_few_values_on_edges_are_faults_only_where_they_cannot_be_classes(
    values: dict[int, tuple[int, int]], edges: int
) -> None:
    assert len(edge_values(merge([counts(values)]))) == edges
