from __future__ import annotations

from pixelwise.inspection import list_models
from pixelwise.inspection.listing import measure_models


def test_the_list_in_the_package_is_what_the_networks_are() -> None:
    """If this fails: ``python -m pixelwise.inspection.listing > src/pixelwise/inspection/listed.json``."""
    assert list_models() == measure_models()
