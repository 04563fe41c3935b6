"""Finding the pictures that an annotation file names."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pixelwise.data.pairs import SPLIT_NAMES, find_file

_PICTURE_FOLDERS = ("", "images", "data", "imgs", "img", "JPEGImages")


class PicturePlaces:
    """A search for pictures in the folders that tools put them in, never outside of the data.

    Args:
        root: the folder of the data.
        path: the annotation file; a folder may have the last word of its name, ``train2017`` for instance.
        split: the split that the file belongs to.
    """

    def __init__(self, root: Path, path: Path, split: str) -> None:
        words = path.stem.split("_")
        named = {split, words[-1], *(name for name, meaning in SPLIT_NAMES.items() if meaning == split)}
        below = [*_PICTURE_FOLDERS, *(f"{above}{name}" for name in sorted(named) for above in ("", "images/"))]
        bases = dict.fromkeys((path.parent, root))
        places = [base / name for base in bases for name in below]
        self.folders = [place for place in dict.fromkeys(places) if place.is_dir()]

    def missing(self, file_name: str, mend: str) -> str:
        """Say that a picture was not found, where it was looked for, and what to do."""
        looked = ", ".join(str(folder) for folder in sorted(self.folders))
        return f"the picture '{file_name}' is in none of {looked}; {mend}"

    def find(self, file_name: str) -> Path | None:
        """Find a picture by its name or path in the file; the folder of the last picture found is tried first."""
        given = PurePosixPath(file_name.replace("\\", "/"))
        inside = not given.is_absolute() and ".." not in given.parts
        for name in dict.fromkeys((str(given), given.name) if inside else (given.name,)):
            for number, folder in enumerate(self.folders):
                path = find_file(folder, name)
                if path is not None:
                    self.folders.insert(0, self.folders.pop(number))
                    return path
        return None
