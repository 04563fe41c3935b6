"""What a request may ask for beside its picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pixelwise.inference.predictor import Predictor
from pixelwise.io.pictures.depth import parse_range


class PictureOptions(BaseModel):
    """The arguments of a request to label pictures; they mean what the options of ``predict`` mean."""

    model_config = ConfigDict(extra="forbid")

    output: Annotated[
        str | None,
        Field(
            description="summary, labels, overlay, probabilities, coco, geojson or table; by Accept unless given.",
            examples=["overlay"],
        ),
    ] = None
    score: Annotated[
        float | None,
        Field(ge=0, le=1, description="The least score of an object that is shown; as the model says unless given."),
    ] = None
    min_area: Annotated[
        int | None, Field(ge=0, description="Pixels that an object has at least; as the model says unless given.")
    ] = None
    tta: Annotated[
        str,
        Field(
            max_length=100,
            description="Views to average, with commas: hflip, vflip, rotations, and zooms such as 0.75.",
            examples=["hflip,0.75"],
        ),
    ] = ""
    mode: Annotated[
        Literal["auto", "exact", "fast"],
        Field(description="Tiles that equal the whole (exact), that see less around them (fast), or auto."),
    ] = "auto"
    value_range: Annotated[
        str | None,
        Field(
            max_length=100,
            description="LOW,HIGH: stored numbers that become black and white; as learnt unless given.",
            examples=["0,4095"],
        ),
    ] = None

    @property
    def views(self) -> tuple[str, ...]:
        """The words of ``tta``."""
        return tuple(word.strip() for word in self.tta.split(",") if word.strip())

    def applied_to(self, predictor: Predictor) -> Predictor:
        """Give a predictor that computes as asked.

        Raises:
            SettingError: it cannot.
        """
        if (self.score, self.min_area, self.views, self.mode, self.value_range) == (None, None, (), "auto", None):
            return predictor
        return predictor.with_settings(
            mode=self.mode,
            tta=self.views or None,
            score=self.score,
            min_area=self.min_area,
            value_range=parse_range(self.value_range),
        )
