"""A picture of the report, and which pictures of a set to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Ranked = TypeVar("Ranked")


@dataclass(frozen=True, eq=False)
class Example:
    """A picture beside its truth and its prediction, at the size it is shown; all four are uint8 (H, W, 3).

    Args:
        id: the picture's path relative to its data set.
        caption: figures to print below.
        group: heading that it stands under, such as ``"Worst"``.
        image: the picture.
        truth: the annotation painted over it.
        prediction: what was predicted painted over it.
        errors: the picture in grey, with what is wrong: pixels in red and ignored ones in blue; or objects found in
            green, missed in blue and made up in red.
    """

    id: str
    caption: str
    group: str
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    errors: NDArray[np.uint8]


def choose(ranked: Sequence[Ranked], each: int) -> list[tuple[str, Sequence[Ranked]]]:
    """Take pictures from both ends and the middle of a ranking, none twice; with the headings they stand under."""
    if len(ranked) <= 3 * each:
        return [("All pictures, from the worst to the best", ranked)]
    middle = (len(ranked) - each) // 2
    return [("Worst", ranked[:each]), ("Median", ranked[middle : middle + each]), ("Best", ranked[-each:][::-1])]
