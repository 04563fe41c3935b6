from __future__ import annotations

import pytest

from pixelwise.errors import ModelError
from pixelwise.models import MODELS
from pixelwise.training.catalogue import course_for
from pixelwise.training.object_course import ObjectCourse
from pixelwise.training.pixel_course import PixelCourse


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_the_course_of_its_kind(model: str) -> None:
    kind = ObjectCourse if model in {"mask_rcnn", "faster_rcnn"} else PixelCourse
    assert type(course_for(model)) is kind


def test_a_model_that_is_not_known_is_named() -> None:
    with pytest.raises(ModelError, match="unet2015"):
        course_for("unet-2015")
