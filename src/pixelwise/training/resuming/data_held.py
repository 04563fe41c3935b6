"""The data of a run that goes on: those it began with, or others that were accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixelwise.data.source import DataSource
from pixelwise.errors import DataError, SettingError
from pixelwise.listener import Listener
from pixelwise.models import load_model, save_model
from pixelwise.training.resuming.data_record import DataRecord
from pixelwise.training.run_folder import RunFolder
from pixelwise.types import LabelSpace, StoredValue
from pixelwise.words import agreeing, counted, listed

_MOST_NAMED = 2


@dataclass(frozen=True)
class Differences:
    """How data differ from those that a run began with.

    Args:
        added: ids of new pictures.
        gone: ids of pictures that are no longer there, or can no longer be used.
        changed: files whose bytes differ, or whose objects are given other classes.
        replaced: ids of pictures whose annotation lies in another file.
        classes: the classes that differ, in words; empty if they are the same.
    """

    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    classes: str = ""

    @property
    def words(self) -> str:
        """All differences; empty if there are none."""
        parts = [
            _named(self.added, "picture", "was", " added"),
            _named(self.gone, "picture", "is", " gone or cannot be used"),
            _named(self.changed, "file", "has", " other content"),
            _named(self.replaced, "picture", "has", " another annotation file"),
            self.classes,
        ]
        return "; ".join(part for part in parts if part)


def _named(items: Iterable[str], noun: str, verb: str, rest: str) -> str:
    items = list(items)
    return f"{counted(len(items), noun, verb)}{rest} ({listed(items, most=_MOST_NAMED)})" if items else ""


def hold_data(
    run: RunFolder, record: DataRecord, source: DataSource, listener: Listener, *, accept_changes: bool = False
) -> None:
    """Make sure that the data of a run are those it began with; accepted changes are written into the run folder.

    Args:
        run: the run folder.
        record: what it says of its data.
        source: the data with the split of the record, as its network learns from them.
        listener: is told what is accepted.
        accept_changes: whether the run may go on with other data.

    Raises:
        SettingError: the data have changed, and the changes are not accepted.
        DataError: the network of the run cannot go on with their classes, or no pictures are left.
    """
    now = DataRecord.of(source, listener)
    found = differences(record, now)
    if found.words and not accept_changes:
        raise SettingError(
            f"{source.root}: these are not the data that the run {run.path} began with: {found.words}; restore them, "
            "or accept the changes",
            argument="accept_changes",
        )
    if found.classes and not _is_renaming(record.label_space, now.label_space):
        raise DataError(
            f"{source.root}: {found.classes}, which the network of the run {run.path} cannot go on with; restore the "
            "classes, or begin a new run in another folder"
        )
    for name in ("train", "val"):
        if not source.splits.get(name):
            raise DataError(f"{source.root}: no picture of split {name} of the run {run.path} is left; restore them")
    if record.files is None:
        listener.warn(f"{run.path} is a run of an earlier version: it cannot be told whether its files have changed")
    if found.words:
        listener.say(f"accepted changes of the data: {found.words}")
        if found.classes and run.model_file.is_file():
            model = load_model(run.model_file)
            model.change_card(label_space=now.label_space)
            save_model(model, run.model_file)
    elif now.root != record.root:
        listener.say(f"the data lie in {now.root} now, with the same content")
    changes = (*record.changes, found.words) if found.words else record.changes
    replace(now, changes=changes).save(run.splits_file)


def tell_moved(moved: Mapping[str, tuple[str, str]], root: Path, run: Path) -> str:
    """Say that a run keeps its own split, given what :meth:`DataRecord.moved` found."""
    named = listed((f"{id}: {was}, now {now}" for id, (was, now) in moved.items()), most=_MOST_NAMED)
    return (
        f"{root}: {counted(len(moved), 'picture', 'is')} in another split than in the run {run} ({named}); the run "
        "keeps its own split; begin a new run to use that of the data"
    )


def differences(was: DataRecord, now: DataRecord) -> Differences:
    """Compare data with those that a run began with."""
    ids, former = ({id: None for of_split in one.splits.values() for id in of_split} for one in (now, was))
    changed: dict[str, None] = {}
    replaced = []
    for id in ids:
        if id not in former or was.files is None or now.files is None:
            continue
        old, new = was.files.get(id, {}), now.files.get(id, {})
        changed |= {path: None for path in new if path in old and old[path] != new[path]}
        if old.keys() != new.keys():
            replaced.append(id)
    return Differences(
        added=tuple(id for id in ids if id not in former),
        gone=tuple(id for id in former if id not in ids),
        changed=tuple(changed),
        replaced=tuple(replaced),
        classes=_class_differences(was.label_space, now.label_space),
    )


def _class_differences(was: LabelSpace, now: LabelSpace) -> str:
    if was.names != now.names:
        if len(was) == len(now) and set(was.names) != set(now.names):
            pairs = zip(was.names, now.names, strict=True)
            renamed = [f"{old} is {new} now" for old, new in pairs if old != new]
            return f"{counted(len(renamed), 'class')} {agreeing(len(renamed), 'has')} another name ({listed(renamed)})"
        return f"the classes were {listed(was.names, most=12)}, and are {listed(now.names, most=12)} now"
    if (was.background, was.ignore_index) != (now.background, now.ignore_index):
        return "another class is the background, or another number is void"
    before, after = _meanings(was), _meanings(now)
    values = [value for value in {**before, **after} if before.get(value) != after.get(value)]
    if not values:
        return ""
    said = [f"{value} is {_meaning(now, after, value)}, was {_meaning(was, before, value)}" for value in values]
    return f"values of the masks mean other classes ({listed(said, most=_MOST_NAMED)})"


def _meanings(space: LabelSpace) -> dict[StoredValue, int]:
    return dict(space.mapping) or {value: value for value in (*range(len(space)), space.ignore_index)}


def _meaning(space: LabelSpace, meanings: dict[StoredValue, int], value: StoredValue) -> str:
    index = meanings.get(value)
    if index is None:
        return "unknown"
    return "void" if index == space.ignore_index else space.names[index]


def _is_renaming(was: LabelSpace, now: LabelSpace) -> bool:
    """Whether each class stands where it stood, under its name or a new one."""
    return len(was) == len(now) and all(
        old == new or (old not in now.names and new not in was.names)
        for old, new in zip(was.names, now.names, strict=True)
    )
