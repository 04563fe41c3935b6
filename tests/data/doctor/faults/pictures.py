"""Faults of picture files: damaged, of another kind than they say, unlike the others, turned."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from faults.sets import HEIGHT, WIDTH, by_folders, by_lists, mask, picture, save, split_of, voc, write
from faults.table import fault


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@fault(by_folders, "unreadable", "error", "images/train/3.png")
def png_that_is_cut_off(root: Path) -> None:
    _cut(root / "images/train/3.png")


@fault(voc, "unreadable", "error", "JPEGImages/3.jpg")
def jpeg_that_is_cut_off(root: Path) -> None:
    _cut(root / "JPEGImages/3.jpg")


@fault(by_folders, "unreadable", "error", "images/train/3.png")
def png_with_a_flipped_byte(root: Path) -> None:
    path = root / "images/train/3.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@fault(by_folders, "unreadable", "error", "images/train/3.png: the file is empty")
def picture_file_that_is_empty(root: Path) -> None:
    write(root / "images/train/3.png", "")


@fault(by_folders, "unreadable", "error", "images/train/3.png: not a picture")
def text_that_is_called_a_picture(root: Path) -> None:
    write(root / "images/train/3.png", "<html>404: there is no such picture</html>")


@fault(by_folders, "unreadable", "error", "images/train/3.png: this is a pointer of Git LFS")
def pointer_of_git_lfs_among_pictures(root: Path) -> None:
    write(root / "images/train/3.png", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9000\n")


@fault(by_folders, "not_understood", "error", "this is a pointer of Git LFS")
def pointers_of_git_lfs_in_place_of_all_pictures(root: Path) -> None:
    for path in (root / "images").rglob("*.png"):
        write(path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9000\n")


@fault(by_folders, "unreadable", "error", "images/train/3.png")
def picture_that_declares_too_many_pixels(root: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (root / "images/train/3.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT")


@fault(by_folders, "unreadable", "error", "images/train/3.gif: holds 2 frames")
def picture_of_several_frames(root: Path) -> None:
    (root / "images/train/3.png").unlink()
    frames = [picture(3), picture(4)]
    frames[0].save(root / "images/train/3.gif", save_all=True, append_images=frames[1:])


@fault(by_folders, "unreadable", "error", "images/train/3.tif")
def picture_of_several_pages(root: Path) -> None:
    (root / "images/train/3.png").unlink()
    pages = np.stack([np.asarray(picture(number)) for number in (3, 4, 5)])
    tifffile.imwrite(root / "images/train/3.tif", pages, photometric="rgb")


@fault(by_folders, "mixed_pictures", "warning", "(3: 23 pictures, 1: 1 picture), images/train/3.png among the few")
def grey_picture_among_rgb(root: Path) -> None:
    save(root / "images/train/3.png", picture(3).convert("L"))


@fault(by_folders, "all_ignored", "warning", "images/train/3.png")
def picture_that_is_transparent_everywhere(root: Path) -> None:
    image = picture(3)
    image.putalpha(0)
    save(root / "images/train/3.png", image)


@fault(by_folders, "mixed_channels", "error", "(3: 23 pictures, 5: 1 picture), images/train/3.tif among the few")
def picture_of_five_channels_among_rgb(root: Path) -> None:
    (root / "images/train/3.png").unlink()
    channels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 5), np.uint8)
    tifffile.imwrite(root / "images/train/3.tif", channels, photometric="minisblack", planarconfig="contig")


@fault(
    by_folders,
    "mixed_pictures",
    "warning",
    "pictures differ in bits (8: 23 pictures, 16: 1 picture), images/train/3.png",
)
def deep_picture_among_shallow(root: Path) -> None:
    for number in range(12):
        grey = np.asarray(picture(number).convert("L"))
        save(root / f"images/train/{number}.png", grey if number != 3 else grey.astype(np.uint16) * 257)
    for number in range(12, 24):
        save(root / f"images/val/{number}.png", picture(number).convert("L"))


@fault(by_folders, "size_differs", "error", "images/train/3.png 32x48 with mask 16x24")
def mask_of_another_size(root: Path) -> None:
    save(root / "masks/train/3.png", mask(3)[::2, ::2])


@fault(by_folders, "size_differs", "error", "Where height and width are exchanged, one of the two has an EXIF rotation")
def height_and_width_that_are_exchanged(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (root / "images/train/3.png").unlink()
    save(root / "images/train/3.jpg", picture(3), exif=exif)


@fault(by_folders, "turned_picture", "warning", "images/train/3.jpg")
def picture_that_is_upside_down(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    (root / "images/train/3.png").unlink()
    save(root / "images/train/3.jpg", picture(3), exif=exif)


@fault(by_lists, "size_differs", "error", "24 of 24 masks have another size")
def masks_that_were_all_shrunk(root: Path) -> None:
    for number in range(24):
        save(root / f"masks/{number}.png", mask(number, 3)[: HEIGHT // 2, : WIDTH // 2])


@fault(
    by_folders,
    "transparent_class",
    "warning",
    "24 of 24 pictures are transparent in places, images/train/0.png among them",
    with_it=["class_absent"],
)
def background_that_is_transparent(root: Path) -> None:
    for number in range(24):
        name = f"{split_of(number)}/{number}.png"
        colors = picture(number).convert("RGBA")
        colors.putalpha(Image.fromarray(mask(number) * np.uint8(255)))
        save(root / "images" / name, colors)
