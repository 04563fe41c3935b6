"""What a person does to the labels of a picture, as the page sends it and the journal keeps it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pixelwise.errors import SettingError, quoted

MOST_POINTS = 20_000
"""Points of one action; the page sends longer strokes in parts."""

MOST_ACTIONS = 1_000
"""Actions of one request."""

Name = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,40}$")]
Place = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
ProposalName = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Value = Annotated[int, Field(ge=0, le=65535)]


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Name
    """Chosen by the page, so that an action that arrives twice counts once."""


class Stroke(_Action):
    """A line of round ends, or a part of one.

    Args:
        kind: ``stroke``.
        stroke: parts of the same stroke have the same name, and are undone together.
        value: what its pixels become; None erases.
        width: in pixels.
        points: x and y of each point in turn, in pixels; the left upper corner of the picture is 0, 0.
    """

    kind: Literal["stroke"]
    stroke: Name
    value: Value | None
    width: Annotated[float, Field(gt=0, le=4096)]
    points: Annotated[list[Place], Field(min_length=2, max_length=2 * MOST_POINTS)]


class Polygon(_Action):
    """Everything inside a ring, by the even-odd rule.

    Args:
        kind: ``polygon``.
        value: what its pixels become; None erases.
        points: x and y of each corner in turn, in pixels.
    """

    kind: Literal["polygon"]
    value: Value | None
    points: Annotated[list[Place], Field(min_length=6, max_length=2 * MOST_POINTS)]


class Fill(_Action):
    """The connected pixels that have the label of one of them, by their sides.

    Args:
        kind: ``fill``.
        value: what they become; None erases.
        x: the column of the pixel.
        y: its row.
        map: the name of a proposal: the pixels are then those without a label for which it gives the same class.
    """

    kind: Literal["fill"]
    value: Value | None
    x: Annotated[int, Field(ge=0, le=10**6)]
    y: Annotated[int, Field(ge=0, le=10**6)]
    map: ProposalName | None = None


class Accept(_Action):
    """Takes a proposal for all pixels that are not labelled.

    Args:
        kind: ``accept``.
        map: the name of the proposal, which is kept beside the journal.
    """

    kind: Literal["accept"]
    map: ProposalName


class Undo(_Action):
    """Takes the last change back."""

    kind: Literal["undo"]


class Redo(_Action):
    """Makes the change again that was taken back last."""

    kind: Literal["redo"]


class Done(_Action):
    """Says whether the picture is labelled to its owner's content."""

    kind: Literal["done"]
    done: bool


Change = Stroke | Polygon | Fill | Accept
"""Changes labels, and can be taken back."""

Action = Change | Undo | Redo | Done

_ACTION: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="kind")])


def read_action(given: Any) -> Action:
    """Check an action in plain JSON types.

    Raises:
        SettingError: it is none.
    """
    try:
        return _ACTION.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "kind"
        raise SettingError(f"{where}: {quoted(first.get('input'))}: {first['msg']}", argument="actions") from None
