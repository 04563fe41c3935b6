"""Packages that import the modules of their names on first use, so that importing one does not load all of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def names_from(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the function ``__getattr__`` of a package.

    Args:
        package: its name.
        homes: the names that it offers -> the module that each comes from.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(homes[name]), name)

    return find
