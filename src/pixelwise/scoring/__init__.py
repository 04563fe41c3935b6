"""Scoring a model: comparing its predictions with annotations, per picture and over a set of pictures."""

from pixelwise.scoring.evaluation import Evaluation as Evaluation
from pixelwise.scoring.judge import Judge as Judge
from pixelwise.scoring.judge import Judged as Judged
from pixelwise.scoring.judge import evaluate as evaluate
from pixelwise.scoring.judge import judge_for as judge_for
from pixelwise.scoring.judge import judge_pictures as judge_pictures
