"""What the page says of objects: the figures of the set, and a row a class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pixelwise.object_evaluation import ObjectEvaluation
from pixelwise.types import LabelSpace, object_space


@dataclass(frozen=True)
class ObjectClassRow:
    """What the table of classes shows of one class; a figure that is not defined is NaN."""

    name: str
    color: str
    ap: float
    box_ap: float
    pq: float
    found: int
    missed: int
    wrong: int

    @property
    def absent(self) -> bool:
        """Whether the class is neither annotated nor predicted."""
        return self.found + self.missed + self.wrong == 0


def object_context(evaluation: ObjectEvaluation, label_space: LabelSpace) -> dict[str, Any]:
    """Lay out what the template of objects asks for beside what every page has."""
    return {
        "scores": evaluation.scores,
        "figures": object_figures(evaluation),
        "classes": object_rows(evaluation, object_space(label_space)),
    }


def object_figures(evaluation: ObjectEvaluation) -> list[tuple[str, str]]:
    """Name the figures beside the headline, in words and digits; those that are not defined are left out."""
    scores, semantic = evaluation.scores, evaluation.semantic
    ratios = {
        "AP50": scores.ap50,
        "AP75": scores.headline.ap75,
        "TP / (TP + FP + FN)": scores.ap50_tp_fp_fn,
        "Box AP": scores.box.ap if scores.overlap == "mask" else math.nan,
        "Boundary AP": math.nan if scores.boundary is None else scores.boundary.ap,
        "Panoptic quality": scores.pq,
        **{f"AP of {name} objects": value for name, value in scores.headline.by_area.items()},
        "mIoU of pixels": math.nan if semantic is None else semantic.miou,
    }
    figures = [(name, f"{value:.3f}") for name, value in ratios.items() if not math.isnan(value)]
    counts = {"Objects": scores.objects, "Found": scores.tp, "Missed": scores.fn, "Wrong": scores.fp}
    return figures + [(name, f"{value:,}") for name, value in counts.items()] + [("Pictures", f"{scores.images:,}")]


def object_rows(evaluation: ObjectEvaluation, label_space: LabelSpace) -> tuple[ObjectClassRow, ...]:
    """Lay out the figures of each class, in index order."""
    scores = evaluation.scores
    found, wrong, missed = scores.counts[0].T.tolist()
    return tuple(
        ObjectClassRow(
            name,
            "#{:02x}{:02x}{:02x}".format(*label_space.colors[index]),
            ap=scores.headline.by_class[index],
            box_ap=scores.box.by_class[index],
            pq=float(scores.class_pq[index]),
            found=found[index],
            missed=missed[index],
            wrong=wrong[index],
        )
        for index, name in enumerate(scores.names)
    )
