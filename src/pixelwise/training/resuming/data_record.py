"""What a run writes down about its data: split, classes and digests of all files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pixelwise.data.annotations.json_files import as_dict, as_list, read_json
from pixelwise.data.digests import Digests, digest_files
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.errors import DataError, SettingError
from pixelwise.io.atomic import write_text
from pixelwise.listener import Listener
from pixelwise.training.run_folder import RunFolder
from pixelwise.types import LabelSpace


@dataclass(frozen=True)
class DataRecord:
    """The data of a run, as ``splits.json`` holds them.

    Args:
        root: the folder of the data.
        label_space: the classes that the network learns, and how masks encode them.
        splits: split name -> ids of its pictures, in the order in which the run numbers them.
        left_out: ids of the pictures that were left out because they cannot be used.
        files: digests of the files of every picture; None in runs of earlier versions.
        changes: changes of the data that were accepted when the run was resumed, in words.
    """

    root: str
    label_space: LabelSpace
    splits: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()
    files: Digests | None = None
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: DataSource, listener: Listener, *, changes: tuple[str, ...] = ()) -> DataRecord:
        """Describe the data that a network learns from; every file is read unless its digest is known.

        Raises:
            DataError: a file cannot be read.
        """
        files = digest_files(source, listener=listener)
        splits = {name: tuple(pair.id for pair in pairs) for name, pairs in source.splits.items()}
        return cls(str(source.root.resolve()), source.label_space, splits, source.left_out, files, changes)

    @classmethod
    def load(cls, path: Path) -> DataRecord:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        described = as_dict(read_json(path), str(path))
        files = None if described.get("files") is None else as_dict(described["files"], f"{path}: files")
        splits = as_dict(described.get("splits"), f"{path}: splits")
        try:
            return cls(
                str(described["data"]),
                LabelSpace.from_dict(described["label_space"]),
                {name: tuple(map(str, as_list(ids, f"{path}: {name}"))) for name, ids in splits.items()},
                tuple(map(str, as_list(described.get("left_out", []), f"{path}: left_out"))),
                None
                if files is None
                else {id: dict(digests) for id, digests in as_dict(files, f"{path}: files").items()},
                tuple(map(str, as_list(described.get("changes", []), f"{path}: changes"))),
            )
        except (KeyError, TypeError, ValueError, SettingError) as error:
            raise DataError(f"{path}: the list of the run's pictures is damaged ({error})") from None

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        described: dict[str, Any] = {
            "data": self.root,
            "label_space": self.label_space.to_dict(),
            "splits": self.splits,
            "left_out": self.left_out,
            "changes": self.changes,
            "files": self.files,
        }
        write_text(path, json.dumps(described, indent=1))

    def moved(self, source: DataSource) -> dict[str, tuple[str, str]]:
        """Find the pictures that the data put into another split than the run has them in.

        Returns:
            Id -> the split in the run, and the one in the data.
        """
        former: dict[str, list[str]] = {}
        for name, ids in self.splits.items():
            for id in ids:
                former.setdefault(id, []).append(name)
        now = {pair.id: name for name, pairs in source.splits.items() for pair in pairs}
        return {id: (former[id][0], name) for id, name in now.items() if name not in former.get(id, [name])}

    def restore(self, source: DataSource) -> DataSource:
        """Give data the split of the run.

        Pictures that are gone are left out; those that were added follow the others in the split that the data put them
        into.
        """
        pairs = {pair.id: pair for pair in source.pairs}
        known = {id for ids in self.splits.values() for id in ids}
        splits: dict[str, tuple[Pair, ...]] = {}
        for name in (*self.splits, *(name for name in source.splits if name not in self.splits)):
            kept = tuple(pairs[id] for id in self.splits.get(name, ()) if id in pairs)
            added = tuple(pair for pair in source.splits.get(name, ()) if pair.id not in known)
            if kept or added:
                splits[name] = (*kept, *added)
        return replace(source, splits=splits)


def accepted_changes(run: RunFolder) -> tuple[str, ...]:
    """The changes of the data that were accepted when a run was resumed, in words."""
    return DataRecord.load(run.splits_file).changes if run.splits_file.is_file() else ()
