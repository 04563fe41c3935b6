"""Faults of masks and of how they encode classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageFilter

from faults.sets import (
    COLORS,
    HEIGHT,
    WIDTH,
    by_folders,
    by_lists,
    mask,
    of_colors,
    of_palettes,
    of_white,
    save,
    split_of,
    with_palette,
    write,
)
from faults.table import fault


def _disc() -> Image.Image:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return Image.fromarray(((np.hypot(rows - 16, columns - 24) < 12) * 255).astype(np.uint8))


@fault(by_folders, "unreadable", "error", "masks/train/3.png")
def mask_that_is_cut_off(root: Path) -> None:
    path = root / "masks/train/3.png"
    path.write_bytes(path.read_bytes()[:-30])


@fault(by_folders, "unreadable", "error", "masks/train/3.png: the file is empty")
def mask_file_that_is_empty(root: Path) -> None:
    write(root / "masks/train/3.png", "")


@fault(by_folders, "unreadable", "error", "masks/train/3.gif: holds 2 frames")
def mask_of_several_frames(root: Path) -> None:
    (root / "masks/train/3.png").unlink()
    frames = [with_palette(mask(number)) for number in (3, 4)]
    frames[0].save(root / "masks/train/3.gif", save_all=True, append_images=frames[1:])


@fault(by_folders, "unreadable", "error", "masks/train/3.tif")
def mask_of_fractions(root: Path) -> None:
    (root / "masks/train/3.png").unlink()
    tifffile.imwrite(root / "masks/train/3.tif", mask(3).astype(np.float32) / 2)


@fault(by_folders, "unreadable", "error", "masks/train/3.tif")
def mask_of_negative_numbers(root: Path) -> None:
    (root / "masks/train/3.png").unlink()
    tifffile.imwrite(root / "masks/train/3.tif", mask(3).astype(np.int16) - 7)


@fault(of_white, "mask_lossy", "error", "masks/train/3.jpg")
def mask_that_is_a_jpeg(root: Path) -> None:
    (root / "masks/train/3.png").unlink()
    save(root / "masks/train/3.jpg", mask(3) * np.uint8(255), quality=90)


@fault(of_white, "mask_lossy", "error", "masks/train/3.png")
def mask_that_was_a_jpeg(root: Path) -> None:
    save(root / "once.jpg", _disc(), quality=80)
    with Image.open(root / "once.jpg") as image:
        save(root / "masks/train/3.png", image.copy())
    (root / "once.jpg").unlink()


@fault(of_white, "mask_smoothed", "error", "masks/train/3.png")
def mask_that_was_smoothed(root: Path) -> None:
    save(root / "masks/train/3.png", _disc().filter(ImageFilter.GaussianBlur(2)))


@fault(of_white, "mask_lossy", "error", "masks/train/3.png")
def photo_in_place_of_a_mask(root: Path) -> None:
    for number in range(24):
        gray = mask(number) * np.uint8(255)
        save(root / f"masks/{split_of(number)}/{number}.png", np.stack([gray] * 3, -1))
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    save(root / "masks/train/3.png", noise)
    save(root / "images/train/3.png", noise[::-1])


@fault(of_palettes, "palette_clash", "error", "its palette gives index 1 another colour than the palette of")
def palettes_that_contradict_each_other(root: Path) -> None:
    save(root / "masks/3.png", with_palette(mask(3, 3), COLORS[[0, 2, 1]]))


@fault(of_colors, "not_understood", "error", "masks/3.png: the mask holds (255, 255, 0), which")
def colour_without_a_class(root: Path) -> None:
    colors = COLORS[mask(3, 3)]
    colors[:8, :8] = 255, 255, 0
    save(root / "masks/3.png", colors)


@fault(of_colors, "mixed_mask_forms", "error", "masks/3.png: this mask holds one number per pixel")
def mask_of_numbers_among_colours(root: Path) -> None:
    save(root / "masks/3.png", mask(3, 3))


@fault(by_lists, "mixed_mask_forms", "error", "masks/3.png: this mask holds RGB colours")
def mask_of_colours_among_numbers(root: Path) -> None:
    save(root / "masks/3.png", COLORS[mask(3, 3)])


@fault(of_white, "mixed_encodings", "warning", "masks/train/3.png holds 0 and 1")
def mask_of_ones_among_white(root: Path) -> None:
    save(root / "masks/train/3.png", mask(3))


@fault(by_lists, "not_understood", "error", "the mask holds 3, but")
def numbers_that_begin_with_one(root: Path) -> None:
    for number in range(24):
        save(root / f"masks/{number}.png", mask(number, 3) + np.uint8(1))


@fault(by_lists, "not_understood", "error", "masks/3.png: the mask holds 7, but")
def number_that_no_class_has(root: Path) -> None:
    indices = mask(3, 3)
    indices[:8, :8] = 7
    save(root / "masks/3.png", indices)


@fault(by_folders, "not_understood", "error", "masks hold 3 RGB colours")
def colours_that_nothing_names(root: Path) -> None:
    write(root / "classes.txt", "background\nleaf\nstem\n")
    for number in range(24):
        save(root / f"masks/{split_of(number)}/{number}.png", COLORS[mask(number, 3)])


@fault(by_folders, "all_ignored", "warning", "images/train/3.png")
def mask_that_is_void_everywhere(root: Path) -> None:
    save(root / "masks/train/3.png", np.full((HEIGHT, WIDTH), 255, np.uint8))


@fault(by_folders, "all_background", "note", "images/train/3.png")
def mask_of_background_alone(root: Path) -> None:
    save(root / "masks/train/3.png", np.zeros((HEIGHT, WIDTH), np.uint8))


@fault(of_white, "not_understood", "error", "nothing but 0 is in 24 masks")
def masks_that_are_all_empty(root: Path) -> None:
    for number in range(24):
        save(root / f"masks/{split_of(number)}/{number}.png", np.zeros((HEIGHT, WIDTH), np.uint8))


@fault(of_white, "not_understood", "error", "nothing but 255 is in 24 masks")
def masks_that_are_all_full(root: Path) -> None:
    for number in range(24):
        save(root / f"masks/{split_of(number)}/{number}.png", np.full((HEIGHT, WIDTH), 255, np.uint8))


@fault(of_white, "mask_alpha", "warning", "masks/train/3.png")
def object_in_the_transparency(root: Path) -> None:
    for number in range(24):
        gray = mask(number) * np.uint8(255)
        white = np.full((HEIGHT, WIDTH), 255, np.uint8)
        layers = [gray] * 3 + [white] if number != 3 else [white] * 3 + [gray]
        save(root / f"masks/{split_of(number)}/{number}.png", np.stack(layers, -1))


@fault(of_white, "pair_without_mask", "error", "if each class has a file of its own")
def class_of_which_each_has_a_mask(root: Path) -> None:
    for number in range(24):
        path = root / f"masks/{split_of(number)}/{number}.png"
        for name in ("disc", "square"):
            save(path.with_name(f"{number}_{name}.png"), mask(number) * np.uint8(255))
        path.unlink()


@fault(by_folders, "recognised", "note", "value 65535 of the masks, as in")
def void_of_16_bits(root: Path) -> None:
    for number in range(24):
        stored = mask(number).astype(np.uint16)
        stored[:4] = 65535
        save(root / f"masks/{split_of(number)}/{number}.png", stored)


@fault(by_folders, "mask_lossy", "error", "colours", with_it=["mask_alpha"])
def photo_whose_object_was_cut_out(root: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 4)).astype(np.uint8)
    save(root / "images/train/3.png", noise[..., :3].copy())
    save(root / "masks/train/3.png", noise)


@fault(by_folders, "recognised", "note", "0 is white in this mask (WhiteIsZero); its numbers are indices")
def indices_whose_zero_is_white(root: Path) -> None:
    (root / "masks/train/3.png").unlink()
    tifffile.imwrite(root / "masks/train/3.tif", mask(3), photometric="miniswhite")
