"""The classes that a folder is labelled with, kept beside the strokes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pixelwise.data.pairs import BACKGROUND_NAMES
from pixelwise.errors import DataError, SettingError
from pixelwise.io.atomic import write_json
from pixelwise.labelling.pictures import VOID
from pixelwise.types import LabelSpace
from pixelwise.words import counted

BACKGROUND, OBJECT = "background", "object"
"""The classes where nothing names any."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a labelled folder beside its strokes.

    Args:
        id: of the folder of strokes, so that a browser does not confuse two.
        space: the classes.
    """

    id: str
    space: LabelSpace


def label_space(names: Sequence[str]) -> LabelSpace:
    """Make the classes of a person's list; a single one gets a background before it.

    Raises:
        SettingError: there are too many, or names repeat or are empty.
    """
    names = [name.strip() for name in names]
    if not all(names) or any(not name.isprintable() for name in names):
        raise SettingError("a name is empty or no text; give names with commas between them", argument="classes")
    if len(names) == 1 and names[0].lower() not in BACKGROUND_NAMES:
        names = [BACKGROUND, *names]
    if len(names) > VOID:
        raise SettingError(f"there are {len(names)}; at most {VOID} can be labelled", argument="classes")
    background = next((index for index, name in enumerate(names) if name.lower() in BACKGROUND_NAMES), None)
    try:
        return LabelSpace(tuple(names), ignore_index=VOID, background=background)
    except SettingError as error:
        raise SettingError(error.text, argument="classes") from None


def settle(file: Path, asked: Sequence[str] | None, found: LabelSpace | None) -> Kept:
    """Decide on the classes: those kept, which may only grow; else those asked for; else those of masks or a model.

    Args:
        file: where they are kept; written where that changes.
        asked: names that the person gave.
        found: the classes of the folder's masks or of a model.

    Raises:
        DataError: the file is damaged.
        SettingError: other classes are asked for than were used before, or than masks have.
    """
    kept = _read(file)
    if kept is None:
        names = asked or (found.names if found is not None else (BACKGROUND, OBJECT))
        space = label_space(names)
        if found is not None and space.names == found.names:
            space = LabelSpace(found.names, found.colors, ignore_index=VOID, background=found.background)
        kept = Kept(secrets.token_hex(8), space)
        _write(file, kept)
    elif asked is not None:
        wanted = label_space(asked)
        before = kept.space.names
        if wanted.names[: len(before)] != before:
            raise SettingError(
                f"this folder was labelled with {', '.join(before)}; give these first, in this order, and new classes "
                "after them, or write to another folder",
                argument="classes",
            )
        if wanted.names != before:
            colors = (*kept.space.colors, *wanted.colors[len(before) :])
            kept = Kept(kept.id, LabelSpace(wanted.names, colors, ignore_index=VOID, background=wanted.background))
            _write(file, kept)
    return kept


def _read(file: Path) -> Kept | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Kept(str(content["id"]), LabelSpace.from_dict(content["classes"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, SettingError) as error:
        raise DataError(
            f"{file}: it does not say which classes were labelled ({error}); bring it back from a copy"
        ) from error


def _write(file: Path, kept: Kept) -> None:
    write_json(file, {"id": kept.id, "classes": kept.space.to_dict()})


def told(space: LabelSpace) -> str:
    """Say which classes there are."""
    return f"{counted(len(space), 'class')}: {', '.join(space.names)}"
