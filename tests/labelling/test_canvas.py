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


def polygon(number: int, value: int | None, *points: float) -> Action:
    return read_action({"kind": "polygon", "id": f"p{number}", "value": value, "points": list(points)})


def fill(number: int, value: int | None, x: int, y: int) -> Action:
    return read_action({"kind": "fill", "id": f"f{number}", "value": value, "x": x, "y": y})


def test_polygons_and_fills_are_taken_back_and_made_again() -> None:
    canvas = new()
    rng = np.random.default_rng(7)
    actions: list[Action] = []
    for number, drawn in enumerate(random_strokes(12)):
        corners = rng.uniform(-10, 60, 2 * int(rng.integers(3, 7))).tolist()
        x, y = int(rng.integers(0, 50)), int(rng.integers(0, 40))
        actions += [drawn, polygon(number, number % 3, *corners), fill(number, (number + 1) % 3, x, y)]
    actions.append(fill(99, None, 70, 3))  # outside
    seen = states(canvas, actions)
    for before in reversed(seen[:-1]):
        canvas.apply(plain("undo", 0))
        assert np.array_equal(canvas.labels, before)
    for after in seen[1:]:
        canvas.apply(plain("redo", 0))
        assert np.array_equal(canvas.labels, after)


def test_a_polygon_holds_the_pixels_whose_middle_is_inside() -> None:
    from matplotlib.path import Path

    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    middles = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], 1)
    for number in range(20):
        middle, reach = rng.uniform(10, 35, 2), rng.uniform(3, 30, 9)
        angle = np.linspace(0, 2 * np.pi, 9, endpoint=False)
        corners = middle + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)  # a star around its middle
        canvas = new()
        canvas.apply(polygon(number, 1, *corners.ravel().tolist()))
        inside = Path(corners).contains_points(middles).reshape(SIZE)
        assert np.array_equal(canvas.labels == 1, inside)


def test_a_fill_keeps_to_the_connected_pixels_of_one_label() -> None:
    canvas = new()
    canvas.apply(polygon(0, 1, 5, 5, 20, 5, 20, 20, 5, 20))
    canvas.apply(polygon(1, 1, 20, 20, 30, 20, 30, 30, 20, 30))  # touches by a corner alone
    box = canvas.apply(fill(2, 2, 7, 7))
    assert box == (5, 5, 20, 20)
    assert (canvas.labels[5:20, 5:20] == 2).all()
    assert (canvas.labels[20:30, 20:30] == 1).all()
    assert (canvas.labels == 2).sum() == 15 * 15


def accept(number: int) -> Action:
    return read_action({"kind": "accept", "id": f"m{number}", "map": "0" * 32})


def test_an_accepted_proposal_fills_what_is_free_and_is_taken_back() -> None:
    proposed = np.random.default_rng(0).integers(0, 3, SIZE, dtype=np.uint8)
    canvas = Canvas(np.full(SIZE, 255, np.uint8), 255, lambda name: proposed)
    canvas.apply(stroke(0, 2, [5, 5, 40, 30]))
    before = canvas.labels.copy()
    canvas.apply(accept(1))
    after = canvas.labels.copy()
    assert np.array_equal(after, np.where(before == 255, proposed, before))
    assert np.array_equal(canvas.by_hand(), before)
    canvas.apply(plain("undo", 0))
    assert np.array_equal(canvas.labels, before)
    canvas.apply(plain("redo", 0))
    assert np.array_equal(canvas.labels, after)


def test_a_region_of_a_proposal_becomes_a_class_where_nothing_is_labelled() -> None:
    proposed = np.zeros(SIZE, np.uint8)
    proposed[10:30, 10:40] = 1
    canvas = Canvas(np.full(SIZE, 255, np.uint8), 255, lambda name: proposed)
    canvas.apply(stroke(0, 0, [25.5, 0, 25.5, 39]))  # cuts the region into two
    before = canvas.labels.copy()
    given = {"kind": "fill", "id": "f", "value": 2, "map": "0" * 32}
    canvas.apply(read_action({**given, "x": 12, "y": 12}))
    expected = before.copy()
    expected[10:30, 10:25][before[10:30, 10:25] == 255] = 2
    assert np.array_equal(canvas.labels, expected)
    assert canvas.apply(read_action({**given, "x": 25, "y": 12})) is None  # has a label already


def test_what_was_painted_by_hand_is_told_from_the_rest() -> None:
    canvas = new()
    for number, one in enumerate(random_strokes(8)):
        canvas.apply(one)
        canvas.apply(plain("undo", number)) if number % 3 == 2 else None
    by_hand = canvas.labels.copy()
    canvas.apply(fill(50, 1, 49, 39))
    assert np.array_equal(canvas.by_hand(), by_hand)
    assert not np.array_equal(canvas.labels, by_hand)
