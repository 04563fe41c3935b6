"""Faults of folders, of file names and of what belongs together."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

from faults.sets import by_folders, by_lists, coco, mask, picture, save, write
from faults.table import fault


@fault(by_folders, "pair_without_mask", "error", "images/train/3.png")
def picture_without_mask(root: Path) -> None:
    (root / "masks/train/3.png").unlink()


@fault(by_folders, "mask_not_used", "note", "masks/train/3.png")
def mask_without_picture(root: Path) -> None:
    (root / "images/train/3.png").unlink()


@fault(by_lists, "pair_without_mask", "error", "masks/3-final.png looks like it")
def mask_of_another_name(root: Path) -> None:
    (root / "masks/3.png").rename(root / "masks/3-final.png")


@fault(by_folders, "pair_without_mask", "error", "images/train/Leaf1.png")
def mask_of_another_case(root: Path) -> None:
    save(root / "images/train/Leaf1.png", picture(90))
    save(root / "masks/train/leaf1.png", mask(90))


@fault(by_folders, "not_understood", "error", "3.bmp beside it has the same name")
def two_pictures_of_one_stem(root: Path) -> None:
    save(root / "images/train/3.bmp", picture(90))


@fault(by_folders, "not_understood", "error", "masks/train/3.tif: 3.png beside it has the same name")
def two_masks_of_one_picture(root: Path) -> None:
    save(root / "masks/train/3.tif", mask(3))


@fault(by_folders, "not_understood", "error", "beside it has the same name")
def two_pictures_of_one_name_in_two_forms_of_unicode(root: Path) -> None:
    for form in ("NFC", "NFD"):
        save(root / f"images/train/{unicodedata.normalize(form, 'Öl')}.png", picture(90 + len(form)))


@fault(by_folders, "format_not_read", "note", "images/train/90.heic")
def picture_in_a_format_that_is_not_read(root: Path) -> None:
    (root / "images/train/90.heic").write_bytes(b"\0\0\0\x18ftypheic")


@fault(by_folders, "pair_without_mask", "error", "files such as masks/train/3.mat cannot be read")
def mask_in_a_format_that_is_not_read(root: Path) -> None:
    (root / "masks/train/3.png").rename(root / "masks/train/3.mat")


@fault(by_lists, "pair_without_mask", "error", "(masks/0.npz looks like it); files such as masks/0.npz cannot")
def all_masks_in_a_format_that_is_not_read(root: Path) -> None:
    for path in sorted((root / "masks").iterdir()):
        path.rename(path.with_suffix(".npz"))


@fault(by_folders, "folder_not_used", "note", "folder thumbs/ is not used: it holds 24 pictures")
def folder_that_is_not_used(root: Path) -> None:
    for path in sorted((root / "images").rglob("*.png")):
        save(root / "thumbs" / path.name, picture(int(path.stem)).resize((24, 16)))


@fault(by_lists, "picture_not_used", "note", "images/90.png")
def picture_that_no_list_names(root: Path) -> None:
    save(root / "images/90.png", picture(90))
    save(root / "masks/90.png", mask(90, 3))


@fault(by_folders, "guessed", "warning", "masks are taken from masks/, but labels/ holds files of the same pictures")
def two_folders_of_masks(root: Path) -> None:
    shutil.copytree(root / "masks", root / "labels")


@fault(coco, "guessed", "warning", "objects are read (coco), but there are masks too, as masks/0.png")
def objects_and_masks(root: Path) -> None:
    for number in range(24):
        save(root / f"masks/{number}.png", mask(number))


@fault(by_folders, "unreadable", "error", "images/train/3.png")
def link_that_leads_nowhere(root: Path) -> None:
    (root / "images/train/3.png").unlink()
    (root / "images/train/3.png").symlink_to(root / "gone.png")


@fault(by_folders, "folder_not_used", "note", "folder again/ is not used")
def link_to_a_folder_outside(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    save(outside / "90.png", picture(90))
    (root / "again").symlink_to(outside, target_is_directory=True)


@fault(by_folders, "not_understood", "error", "no layout fits. It holds nothing")
def nothing_in_the_folder(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


@fault(by_folders, "not_understood", "error", "there is no such folder")
def folder_that_is_not_there(root: Path) -> None:
    shutil.rmtree(root)


@fault(by_folders, "not_understood", "error", "expected the folder of a data set")
def archive_in_place_of_a_folder(root: Path) -> None:
    shutil.rmtree(root)
    write(root, "PK")


@fault(by_folders, "not_understood", "error", 'masks: "maks/train/*.png"')
def folder_of_masks_that_is_misspelt(root: Path) -> None:
    (root / "masks").rename(root / "maks")


@fault(by_folders, "not_understood", "error", "inner/ fits (folder): give")
def folder_one_level_too_high(root: Path) -> None:
    (root / "inner").mkdir()
    for name in ("images", "masks", "classes.txt"):
        (root / name).rename(root / "inner" / name)


@fault(by_folders, "split_without_masks", "note", "split test: none of its 2 pictures has a mask")
def split_without_masks(root: Path) -> None:
    for number in (90, 91):
        save(root / f"images/test/{number}.png", picture(number))
