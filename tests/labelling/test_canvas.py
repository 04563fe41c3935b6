"""Labels, and changes taken back and made again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.labelling.actions import Action, read_action
from pixelwise.labelling.canvas import Canvas

SIZE = (40, 50)


def new() -> Canvas:
    return Canvas(np.full(SIZE, 255, np.uint8), 255)


def stroke(number: int, value: int | None, points: list[float], name: str = "") -> Action:
    given: dict[str, Any] = {"kind": "stroke", "id": f"a{number}", "stroke": name or f"s{number}"}
    return read_action({**given, "value": value, "width": 5, "points": points})


def plain(kind: str, number: int) -> Action:
    return read_action({"kind": kind, "id": f"{kind}{number}"})


def states(canvas: Canvas, actions: list[Action]) -> list[NDArray[np.uint8]]:
    found = [canvas.labels.copy()]
    for action in actions:
        canvas.apply(action)
        found.append(canvas.labels.copy())
    return found


def random_strokes(count: int) -> list[Action]:
    rng = np.random.default_rng(3)
    values = [None, 0, 1, 2]
    return [stroke(n, values[n % 4], rng.uniform(-5, 55, 2 * int(rng.integers(1, 6))).tolist()) for n in range(count)]


def test_undo_and_redo_go_through_all_states_and_back() -> None:
    canvas = new()
    seen = states(canvas, random_strokes(60))
    for before in reversed(seen[:-1]):
        canvas.apply(plain("undo", 0))
        assert np.array_equal(canvas.labels, before)
    assert (canvas.undoable, canvas.redoable) == (0, 60)
    assert canvas.apply(plain("undo", 1)) is None
    for after in seen[1:]:
        canvas.apply(plain("redo", 0))
        assert np.array_equal(canvas.labels, after)
    assert canvas.apply(plain("redo", 1)) is None


def test_the_box_of_a_change_holds_all_that_changed() -> None:
    canvas = new()
    actions: list[Action] = []
    for number, one in enumerate(random_strokes(40)):
        actions += [one] + ([plain("undo", number)] if number % 3 == 0 else []) + [plain("redo", number)] * (number % 2)
    for action in actions:
        before = canvas.labels.copy()
        box = canvas.apply(action)
        changed = before != canvas.labels
        if box is not None:
            changed[box.slices] = False
        assert not changed.any()


def test_parts_of_a_stroke_are_undone_together() -> None:
    canvas = new()
    canvas.apply(stroke(0, 1, [5, 5, 10, 10]))
    first = canvas.labels.copy()
    canvas.apply(stroke(1, 2, [20, 20, 25, 25], "long"))
    canvas.apply(stroke(2, 2, [25, 25, 40, 25], "long"))
    whole = canvas.labels.copy()
    assert canvas.undoable == 2
    canvas.apply(plain("undo", 0))
    assert np.array_equal(canvas.labels, first)
    canvas.apply(plain("redo", 0))
    assert np.array_equal(canvas.labels, whole)


def test_a_new_stroke_ends_what_could_be_done_again() -> None:
    canvas = new()
    states(canvas, random_strokes(3))
    canvas.apply(plain("undo", 0))
    canvas.apply(stroke(9, 1, [5, 5]))
    assert canvas.redoable == 0
    assert canvas.undoable == 3


def test_the_eraser_gives_back_what_is_not_labelled() -> None:
    canvas = new()
    canvas.apply(stroke(0, 1, [5, 20, 45, 20]))
    canvas.apply(stroke(1, None, [25, 20]))
    assert canvas.labels[20, 25] == 255
    assert canvas.labels[20, 10] == 1
