"""Reading YAML from strangers, with limits on its size."""

from __future__ import annotations

from typing import Any

import yaml

MOST_YAML_VALUES = 2**20
"""The most values in a text; a value counts once for each alias that refers to it."""


def load_yaml(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """Read the value that a text holds.

    Args:
        text: YAML.
        loader: one of the safe ones, which make plain values alone.

    Raises:
        yaml.YAMLError: it is no YAML; a number or a date in it is not valid; values are nested too deep; or aliases
        make it stand for too many values, as ``b: [*a, *a]``, ``c: [*b, *b]`` and so on do.
    """
    reading = loader(text)
    try:
        node = reading.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST_YAML_VALUES:  # before values are made: merged keys are written out
            raise yaml.YAMLError(f"it stands for more than {MOST_YAML_VALUES} values")
        return reading.construct_document(node)
    except (ValueError, OverflowError, RecursionError) as error:  # such as the date 2001-99-99
        raise yaml.YAMLError(str(error)) from error
    finally:
        reading.dispose()


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values inside a value; a shared value counts each time it occurs but is visited once."""
    if id(node) not in known:
        known[id(node)] = MOST_YAML_VALUES + 1  # a value that contains itself stands for infinitely many values
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(node)]
