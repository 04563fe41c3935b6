"""Finding a data set by its description if it has one, else by the layout that fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixelwise.data.layouts.catalogue import find_layout
from pixelwise.data.layouts.masks import folder, patterns
from pixelwise.data.layouts.objects import id_masks, yolo
from pixelwise.data.pairs import Found, Pair, read_list, read_names
from pixelwise.errors import DataError, NoLayoutError
from pixelwise.io.listing import check_regular, naming_unreadable

if TYPE_CHECKING:
    from pixelwise.data.dataset_yaml import Description

DESCRIPTION_FILE = "dataset.yaml"


@dataclass(frozen=True)
class Located:
    """Where a data set lies and what was found there.

    Args:
        root: the folder.
        found: its layout and pairs.
        description: its ``dataset.yaml``, or None where there is none.
        described_in: the file that the description was read from.
    """

    root: Path
    found: Found
    description: Description | None = None
    described_in: Path | None = None

    @property
    def named_by(self) -> str:
        """The file that names the classes, or the layout that defines them, if there is one; for errors."""
        if self.described_in is not None and self.description is not None and self.description.classes is not None:
            return str(self.described_in)
        return self.found.named_by or str(self.root / "classes.txt")


def locate(path: Path) -> Located:
    """Find a data set by its folder or its ``dataset.yaml``.

    Raises:
        DataError: the folder is missing, fits no layout, or is not as its ``dataset.yaml`` says.
    """
    with naming_unreadable():
        return _locate(path)


def _locate(path: Path) -> Located:
    if path.is_dir() and not (path / DESCRIPTION_FILE).is_file():
        return Located(path, find_layout(path))
    file = path / DESCRIPTION_FILE if path.is_dir() else path
    if yolo.is_description(file):
        found = yolo.find(file.parent, file)
        if found is None:
            raise DataError(f"{file}: none of the folders that it names holds pictures with label files beside them")
        return Located(file.parent, found)
    if not file.exists():
        raise NoLayoutError(f"{path}: there is no such folder")
    if file.suffix.lower() not in (".yaml", ".yml"):
        raise NoLayoutError(
            f"{path}: expected the folder of a data set or its {DESCRIPTION_FILE}, but this is another file"
        )
    check_regular(file)
    # Imported here, so that a folder that no layout fits is reported at once.
    from pixelwise.data.dataset_yaml import read_description

    description = read_description(file)
    root = file.parent / description.path
    if not root.is_dir():
        raise DataError(f"{file}: `path`: there is no folder {root}")
    return Located(root, _find(root, description, file), description, file)


def _find(root: Path, description: Description, yaml_path: Path) -> Found:
    """Find pictures and masks where the description says, else as the first layout that fits."""
    if description.images is None and description.masks is None and description.objects is None:
        found = find_layout(root, attribute=description.attribute, classes=description.names)
    else:
        found = _find_named(root, description, yaml_path)
    if not description.splits:
        return found
    every = tuple(pair for pairs in found.splits.values() for pair in pairs)
    splits = {}
    for name, listed in description.splits.items():
        if isinstance(listed, str) and patterns.is_pattern(listed):
            pattern = patterns.compiled(listed)
            splits[str(name)] = tuple(pair for pair in every if pattern.fullmatch(pair.id))
            if not splits[str(name)]:
                raise DataError(f"{yaml_path}: `splits.{name}`: '{listed}' fits no picture; correct it")
            continue
        if isinstance(listed, str) and not (root / listed).is_file():
            raise DataError(f"{yaml_path}: `splits.{name}`: there is no file {root / listed}")
        lines = read_list(root / listed) if isinstance(listed, str) else [[line] for line in listed]
        origin = root / listed if isinstance(listed, str) else yaml_path
        splits[str(name)] = folder.choose(root, lines, every, origin)
    return replace(found, splits=splits)


def _find_named(root: Path, description: Description, yaml_path: Path) -> Found:
    if description.masks is not None and description.objects is not None:
        raise DataError(f"{yaml_path}: `masks` and `objects` are both given; keep one: classes of pixels, or objects")
    second = "masks" if description.objects is None else "objects"
    named = []
    for key, name in (("images", description.images), (second, description.masks or description.objects)):
        if name is None:
            raise DataError(f"{yaml_path}: `{key}` is missing; give `images` and `{second}` together")
        named.append((key, name))
    if any(patterns.is_pattern(name) for _, name in named):
        splits = {"all": patterns.pair_patterns(root, named[0][1], named[1][1], yaml_path)}
    else:
        splits = _pair_named_folders(root, named, yaml_path)
    if second == "objects":
        return id_masks.found(root, id_masks.with_ids(splits))
    return Found("folder", splits, read_names(root / "classes.txt"))


def _pair_named_folders(root: Path, named: list[tuple[str, str]], yaml_path: Path) -> dict[str, tuple[Pair, ...]]:
    folders = []
    for key, name in named:
        if not (root / name).is_dir():
            raise DataError(f"{yaml_path}: `{key}`: there is no folder {root / name}")
        folders.append(root / name)
    return folder.pair_folders(root, *folders)
