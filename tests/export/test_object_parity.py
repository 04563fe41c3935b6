"""When a comparison of objects holds, and when it shows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelwise.errors import ModelError
from pixelwise.export.object_parity import ObjectParity, ObjectRow


def row(
    objects: int = 20, unmatched: int = 0, ties: int = 0, *, same_as_variant: bool = False, unsteady: int = 0
) -> ObjectRow:
    return ObjectRow("odd", (33, 47), "graph", objects, objects, unmatched, ties, same_as_variant, unsteady, 0.0, 1.0)


@pytest.mark.parametrize(
    ("compared", "holds"),
    [
        (row(), True),
        (row(unmatched=2, ties=2), True),  # a tenth
        (row(unmatched=3, ties=3), False),
        (row(unmatched=9, ties=9, same_as_variant=True), True),
        (row(unmatched=2, ties=1), False),
        (row(objects=3, unmatched=1, ties=1), True),
        (row(unmatched=10, ties=4, unsteady=5), True),  # torch differs from itself as well
        (row(unmatched=11, ties=4, unsteady=5), False),
    ],
)
def test_a_file_differs_by_few_ties_at_most(compared: ObjectRow, holds: bool) -> None:
    parity = ObjectParity("drawn", (row(), compared))
    assert compared.holds is holds
    assert parity.verdict == ("equal" if holds else "differs")
    if holds:
        parity.check(Path("a.onnx"))
    else:
        with pytest.raises(ModelError, match=r"a\.onnx: was not written, .* at 33x47"):
            parity.check(Path("a.onnx"))


def test_pictures_without_steady_objects_show_nothing() -> None:
    nothing = ObjectParity("drawn", (row(objects=0),))
    assert nothing.verdict == "void"
    assert "no object" in nothing.shows_nothing_because
    shaky = ObjectParity("drawn", (row(unmatched=10, ties=4, unsteady=5),))
    assert shaky.verdict == "void"
    assert "rounding decides" in shaky.shows_nothing_because
