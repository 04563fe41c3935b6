"""A folder that is labelled: its pictures, their journals, and the data set of what was labelled."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pixelwise.errors import PixelwiseError, SettingError
from pixelwise.io.atomic import write_json
from pixelwise.io.locking import lock
from pixelwise.io.outputs import make_folder
from pixelwise.labelling.actions import Accept, Action, Fill, Polygon, Stroke, read_action
from pixelwise.labelling.canvas import Canvas
from pixelwise.labelling.classes import settle
from pixelwise.labelling.dataset import LabelledSet
from pixelwise.labelling.journal import Journal
from pixelwise.labelling.pictures import VOID, Picture, find_pictures, read_stems
from pixelwise.labelling.proposals import Proposals
from pixelwise.labelling.raster import Box
from pixelwise.types import LabelSpace

STROKES = "strokes"
"""The folder of journals, in the folder of the data set."""

_CLASSES, _NAMES, _LOCK = "classes.json", "names.json", ".lock"

MOST_OPEN = 8
"""Pictures whose labels are kept in memory."""


@dataclass(frozen=True)
class Change:
    """What an action has changed.

    Args:
        action: the action.
        box: the part of the picture; None where nothing changed.
        known: whether the action had been taken before.
    """

    action: Action
    box: Box | None
    known: bool = False


class Desk:
    """A picture that is open: its journal and its labels.

    Args:
        picture: the picture.
        journal: its journal.
        canvas: its labels before the first action of the journal.
    """

    def __init__(self, picture: Picture, journal: Journal, canvas: Canvas) -> None:
        self.picture = picture
        self.journal = journal
        self.canvas = canvas
        self._known: set[str] = set()
        for entry in journal.entries:
            action = read_action(entry)
            self._known.add(action.id)
            canvas.apply(action)

    def take(self, actions: Sequence[Action]) -> list[Change]:
        """Write actions into the journal, then make them.

        Raises:
            PixelwiseError: they cannot be written; none is then made.
        """
        fresh: dict[str, Action] = {}
        for action in actions:
            if action.id not in self._known:
                fresh.setdefault(action.id, action)
        if fresh:
            self.journal.append([action.model_dump(mode="json") for action in fresh.values()])
        self._known |= fresh.keys()
        return [
            Change(action, self.canvas.apply(fresh.pop(action.id)))
            if action.id in fresh
            else Change(action, None, known=True)
            for action in actions
        ]


class Project:
    """A folder of pictures and the folder that its labels go to.

    Args:
        data: the folder of pictures, which is only read.
        out: the folder of the data set and the journals; made where it is missing.
        classes: names of classes, in the order of their indices; those used before, of masks, or of a model by default.
        model_space: the classes of a model that proposes.

    Raises:
        DataError: there are no pictures, or a file of an earlier time is damaged.
        SettingError: the folder cannot be used, another server uses it, or the classes are others than before.
    """

    def __init__(
        self,
        data: Path,
        out: Path,
        *,
        classes: Sequence[str] | None = None,
        model_space: LabelSpace | None = None,
    ) -> None:
        if out.resolve() == data.resolve():
            raise SettingError(f"{out}: it is the folder of the pictures; name another one", argument="out")
        names = out / STROKES / _NAMES
        gallery = find_pictures(data, without=out, known=read_stems(names))
        make_folder(out / STROKES, "out")
        self._lock_file = _locked(out / STROKES / _LOCK)
        self.folder = out
        self.remarks = gallery.remarks
        self.pictures = {picture.id: picture for picture in gallery.pictures}
        self._mask_space = gallery.space
        try:
            if gallery.space is not None and classes is not None:
                _check_masks(classes, gallery.space)
            kept = settle(out / STROKES / _CLASSES, classes, gallery.space or model_space)
            write_json(names, {**read_stems(names), **{picture.id: picture.stem for picture in gallery.pictures}})
        except PixelwiseError:
            self._lock_file.close()
            raise
        self.id = kept.id
        self.space = kept.space
        self.labelled = LabelledSet(out, kept.space)
        if self.labelled.described:
            self.labelled.describe()  # classes may have come
        self.proposals = Proposals(out / STROKES)
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._locks = {name: threading.RLock() for name in self.pictures}
        self.status: dict[str, Status] = {picture.id: self._first_status(picture) for picture in gallery.pictures}

    def close(self) -> None:
        """Let another server use the folder."""
        self._lock_file.close()

    def journal_of(self, picture: Picture) -> Path:
        """The file of a picture's journal."""
        name = re.sub(r"[^\w.-]", "_", picture.name)[:80]
        return self.folder / STROKES / f"{name}-{picture.id}.jsonl"

    def _open_journal(self, picture: Picture) -> Journal:
        return Journal(self.journal_of(picture), {"picture": picture.name, "size": list(picture.size)})

    def _first_status(self, picture: Picture) -> Status:
        """Read how far a picture is from its journal, without painting it."""
        try:
            entries = self._open_journal(picture).entries
        except PixelwiseError as error:
            return Status(picture, trouble=str(error))
        done = [entry.get("done") for entry in entries if entry.get("kind") == "done"]
        return Status(picture, changes=len(entries), done=bool(done and done[-1]))

    @contextmanager
    def opened(self, picture: str) -> Iterator[Desk]:
        """Have a picture to oneself for the time of a block; it is opened where it is not.

        Args:
            picture: its id.

        Raises:
            KeyError: there is no such picture.
            DataError: its journal or its mask cannot be read.
        """
        known = self.pictures[picture]
        with self._locks[picture]:
            desk = self._desks.get(picture)
            if desk is None:
                canvas = Canvas(known.start(self._mask_space), VOID, lambda name: self.proposals.read(name, known.size))
                desk = Desk(known, self._open_journal(known), canvas)
            self._desks[picture] = desk
            self._desks.move_to_end(picture)
            yield desk

    def tidy(self, keep: frozenset[str]) -> None:
        """Forget the labels of pictures that were not used for long; their journals have everything.

        Args:
            keep: pictures that stay in memory, because they are not saved yet.
        """
        for name in [name for name in list(self._desks) if name not in keep]:
            if len(self._desks) <= MOST_OPEN:
                return
            if self._locks[name].acquire(blocking=False):
                self._desks.pop(name, None)
                self._locks[name].release()

    def check(self, actions: Sequence[Any]) -> list[Action]:
        """Read actions in plain JSON types.

        Raises:
            SettingError: one is none, or has a class that there is not.
        """
        read = [read_action(action) for action in actions]
        for action in read:
            value = action.value if isinstance(action, Stroke | Polygon | Fill) else None
            if value is not None and value >= len(self.space):
                raise SettingError(f"a change has the class {value}; there are {len(self.space)}", argument="actions")
            if isinstance(action, Stroke | Polygon) and len(action.points) % 2:
                raise SettingError("a change has an x without a y", argument="actions")
        return read

    def take(self, picture: str, actions: Sequence[Action]) -> list[Change]:
        """Take actions for a picture: they are on the disk when this returns.

        Raises:
            KeyError: there is no such picture.
            PixelwiseError: the picture cannot be opened, or its journal cannot be written.
        """
        with self.opened(picture) as desk:
            for action in actions:
                if isinstance(action, Accept | Fill) and action.map is not None:
                    self.proposals.keep(action.map, desk.picture.size)  # before the line that names it
            try:
                changes = desk.take(actions)
            except BaseException:
                self._desks.pop(picture, None)  # it is read anew, as its journal has it
                raise
            status = self.status[picture]
            status.changes = len(desk.journal.entries)
            status.done = desk.canvas.done
        return changes

    def save(self, picture: str) -> None:
        """Write the mask of a picture into the data set.

        Raises:
            PixelwiseError: it cannot be written.
        """
        with self.opened(picture) as desk:
            labels = desk.canvas.labels.copy()
        self.labelled.write(desk.picture, labels)

    def unsaved(self) -> list[str]:
        """Name the pictures whose journal is newer than their mask, as after a server was killed."""
        found = []
        for picture in self.pictures.values():
            journal, mask = self.journal_of(picture), self.labelled.mask_of(picture)
            if not journal.is_file() or self.status[picture.id].trouble:
                continue
            if not mask.is_file() or mask.stat().st_mtime_ns <= journal.stat().st_mtime_ns:
                found.append(picture.id)
        return found


@dataclass
class Status:
    """How far a picture is.

    Args:
        picture: the picture.
        changes: lines of its journal.
        done: whether its owner is content with it.
        trouble: why it cannot be labelled; empty where it can.
        doubt: what a model lacks to be sure, 0 to 1; None where none has looked.
    """

    picture: Picture
    changes: int = 0
    done: bool = False
    trouble: str = ""
    doubt: float | None = None


def _locked(path: Path) -> BinaryIO:
    """Lock a folder against other servers, by a file that stays open."""
    file = open(path, "ab")  # noqa: SIM115  held as long as the project is open
    try:
        lock(file.fileno())
    except OSError:
        file.close()
        raise SettingError(
            f"{path.parent}: another server labels into this folder; end it, or name another folder", argument="out"
        ) from None
    return file


def _check_masks(classes: Sequence[str], space: LabelSpace) -> None:
    """Refuse classes that would give the masks of the folder another meaning."""
    if tuple(classes)[: len(space)] != space.names:
        raise SettingError(
            f"the masks of the folder have the classes {', '.join(space.names)}; give these first, in this order, or "
            "none",
            argument="classes",
        )
