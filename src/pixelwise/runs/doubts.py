"""What a trained model doubts of a data set that the doctor has looked at."""

from __future__ import annotations

import os

from pixelwise.data.doctor.diagnosis import Diagnosis
from pixelwise.data.findings import Findings
from pixelwise.data.source import open_data
from pixelwise.inference.predictor import Predictor
from pixelwise.listener import Listener
from pixelwise.scoring.doubts import Doubts, find_doubts


def doubts_about(
    path: str | os.PathLike[str], diagnosis: Diagnosis, predictor: Predictor, *, listener: Listener | None = None
) -> Doubts:
    """Hold the annotation of all pictures that can be used against what a model predicts.

    Args:
        path: the folder of the data, or its ``dataset.yaml``.
        diagnosis: what the doctor found; pictures that cannot be used are left out.
        predictor: the model; the classes of the data are matched with its own by name.
        listener: told how far the work is.

    Raises:
        DataError: the data have classes that the model does not know.
    """
    source = open_data(path, label_space=predictor.label_space, skip_bad=True)
    unusable = Findings(list(diagnosis.findings)).unusable()
    return find_doubts(predictor, source.without(unusable, source.findings), listener=listener)
