"""Faults of what annotation tools export with masks: Pascal VOC as CVAT writes it, Roboflow, CVAT for images."""

from __future__ import annotations

from pathlib import Path

from faults.sets import COLORS, COUNT, HEIGHT, SHAPES, WIDTH, mask, picture, save, split_of, voc, with_palette, write
from faults.table import fault


def labelled_voc(root: Path) -> None:
    """As :func:`voc`, with RGB masks whose colours ``labelmap.txt`` names, as CVAT writes it."""
    voc(root)
    (root / "classes.txt").unlink()
    for number in range(COUNT):
        save(root / f"SegmentationClass/{number}.png", COLORS[mask(number, 3)])
    lines = ["# label:color_rgb:parts:actions"]
    lines += [
        f"{name}:{','.join(map(str, color))}::"
        for name, color in zip(("background", "leaf", "stem"), COLORS.tolist(), strict=True)
    ]
    write(root / "labelmap.txt", "\n".join(lines))


def roboflow(root: Path) -> None:
    """``a.png`` beside ``a_mask.png`` and ``_classes.csv`` in ``train/`` and ``valid/``."""
    for number in range(COUNT):
        folder = root / ("train" if split_of(number) == "train" else "valid")
        save(folder / f"{number}.jpg", picture(number), quality=95)
        save(folder / f"{number}_mask.png", mask(number, 3))
        write(folder / "_classes.csv", "Pixel Value, Class\n0, background\n1, leaf\n2, stem\n")


def cvat(root: Path) -> None:
    """``images/`` and ``annotations.xml`` with a polygon for each object."""
    labels = "".join(f"<label><name>{name}</name></label>" for name in SHAPES)
    pictures = []
    for number in range(COUNT):
        save(root / f"images/{number}.png", picture(number))
        shapes = "".join(
            f'<polygon label="{name}" occluded="0" points="{left},{top};{right},{top};{right},{bottom}"></polygon>'
            for name, (left, top, right, bottom) in SHAPES.items()
        )
        head = f'<image id="{number}" name="{number}.png" width="{WIDTH}" height="{HEIGHT}">'
        pictures.append(f"{head}{shapes}</image>")
    text = f"<annotations><meta><task><labels>{labels}</labels></task></meta>{''.join(pictures)}</annotations>"
    write(root / "annotations.xml", text)


SOUND = (labelled_voc, roboflow)
"""The writers of sound sets with splits."""


@fault(labelled_voc, "not_understood", "error", "labelmap.txt: line 3: expected name:red,green,blue, found 'leaf'")
def label_without_a_colour(root: Path) -> None:
    write(root / "labelmap.txt", "# label\nbackground:0,0,0::\nleaf\nstem:20,160,60::\n")


@fault(labelled_voc, "not_understood", "error", "labelmap.txt: line 3: the name or the colour is there twice")
def two_labels_of_one_colour(root: Path) -> None:
    write(root / "labelmap.txt", "background:0,0,0::\nleaf:20,160,60::\nstem:20,160,60::\n")


@fault(labelled_voc, "not_understood", "error", "the mask holds the colour #14a03c, which")
def colour_that_has_no_label(root: Path) -> None:
    write(root / "labelmap.txt", "background:0,0,0::\nleaf:200,30,90::\n")


@fault(voc, "palette_clash", "error", "SegmentationClass/3.png: its palette gives index 1 another colour")
def palettes_of_voc_that_contradict_each_other(root: Path) -> None:
    save(root / "SegmentationClass/3.png", with_palette(mask(3, 3), COLORS[[0, 2, 1]]))


@fault(voc, "not_understood", "error", "SegmentationClass/0.png: the mask holds 2, but")
def list_of_classes_of_voc_that_is_too_short(root: Path) -> None:
    write(root / "classes.txt", "background\nleaf\n")


@fault(roboflow, "not_understood", "error", "valid/_classes.csv: its classes differ from those of")
def splits_of_different_classes(root: Path) -> None:
    write(root / "valid/_classes.csv", "Pixel Value, Class\n0, background\n1, stem\n2, leaf\n")


@fault(roboflow, "not_understood", "error", "train/_classes.csv: expected lines of `value, name`")
def list_of_classes_of_roboflow_that_leaves_out_a_number(root: Path) -> None:
    write(root / "train/_classes.csv", "Pixel Value, Class\n0, background\n2, stem\n")


@fault(roboflow, "pair_without_mask", "error", "train/3.jpg")
def picture_of_roboflow_without_a_mask(root: Path) -> None:
    (root / "train/3_mask.png").unlink()


@fault(cvat, "not_understood", "error", "annotations.xml: the XML is damaged")
def xml_that_is_cut_off(root: Path) -> None:
    text = (root / "annotations.xml").read_text()
    write(root / "annotations.xml", text[: len(text) // 2])


@fault(cvat, "unreadable", "error", "annotations.xml: the picture '3.png' is in none of")
def picture_of_cvat_that_is_not_there(root: Path) -> None:
    (root / "images/3.png").unlink()


@fault(cvat, "unreadable", "error", "annotations.xml: shape 2 of 0.png: there is no class 'disc'")
def label_of_cvat_that_is_not_listed(root: Path) -> None:
    text = (root / "annotations.xml").read_text()
    write(root / "annotations.xml", text.replace('label="bar"', 'label="disc"', 1))


@fault(cvat, "size_differs", "error", "images/3.png 32x48 with annotation 64x96")
def picture_of_cvat_that_was_shrunk(root: Path) -> None:
    text = (root / "annotations.xml").read_text()
    size = 'name="3.png" width="48" height="32"'
    assert size in text
    write(root / "annotations.xml", text.replace(size, 'name="3.png" width="96" height="64"'))
