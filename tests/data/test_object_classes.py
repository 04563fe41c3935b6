"""Classes of objects as a dataset.yaml lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelwise.data.dataset_yaml import Description
from pixelwise.data.object_classes import object_classes
from pixelwise.errors import DataError

FILE = Path("dataset.yaml")


@pytest.mark.parametrize(
    ("listed", "names", "table"),
    [
        (["dog", "cat"], ("dog", "cat"), (1, 0)),  # the same names in another order are no renaming
        (["bird", "cat", "dog"], ("bird", "cat", "dog"), (1, 2)),
        (["feline", "canine"], ("feline", "canine"), (0, 1)),
        (["cat", "hound"], ("cat", "hound"), (0, 1)),
    ],
)
def test_a_list_orders_names_that_are_there_and_renames_by_order(
    listed: list[str], names: tuple[str, ...], table: tuple[int, ...]
) -> None:
    space, found = object_classes(("cat", "dog"), Description(classes=listed), FILE)
    assert (space.names, found) == (names, table)


def test_a_list_that_could_be_either_is_refused() -> None:
    with pytest.raises(DataError, match="'cat' is listed at place 1, but the annotation has it at place 0"):
        object_classes(("cat", "dog"), Description(classes=["hound", "cat"]), FILE)


def test_merging_goes_by_the_names_of_the_list() -> None:
    description = Description(classes=["dog", "cat", "cow"], merge={"pet": ["dog", "cat"]})
    space, table = object_classes(("cat", "dog"), description, FILE)
    assert space.names == ("pet", "cow")
    assert table == (0, 0)
