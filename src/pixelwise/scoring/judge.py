"""Scoring a model: the interface of judges, and applying a judge to pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pixelwise.data.pairs import Pair
from pixelwise.errors import SettingError
from pixelwise.inference.predictor import Predictor
from pixelwise.instances import ObjectRule
from pixelwise.io.ahead import read_ahead
from pixelwise.listener import Progress
from pixelwise.scoring.choosing import Chosen, choose_examples
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.example import EXAMPLE_SIDE, FULL_SIDE, SMALL_SIDE, Example
from pixelwise.scoring.object_judge import ObjectJudge
from pixelwise.scoring.pixel_judge import PixelJudge
from pixelwise.types import LabelSpace

ReadingT = TypeVar("ReadingT")
ComparedT = TypeVar("ComparedT")


class Judge(Protocol[ReadingT, ComparedT]):
    """Scores a predictor on annotated pictures."""

    rule: ObjectRule
    """What counts as an object."""

    def read(self, pair: Pair) -> ReadingT:
        """Read a picture with its annotation; this is called on threads.

        Raises:
            DataError: a file is missing or cannot be used.
        """
        ...

    def compare(self, reading: ReadingT) -> ComparedT:
        """Predict the picture and compare the prediction with the annotation."""
        ...

    def settled(self, compared: Sequence[ComparedT]) -> Judge[ReadingT, ComparedT]:
        """Give a judge whose rule of what counts as an object scores best on these pictures; itself for pixels."""
        ...

    def summarise(self, compared: Sequence[ComparedT]) -> Evaluation:
        """Score the set."""
        ...

    def draw(
        self,
        pair: Pair,
        compared: ComparedT,
        *,
        group: str = "",
        focus: int | None = None,
        longest: int = EXAMPLE_SIDE,
    ) -> Example:
        """Draw a picture beside its annotation, its prediction and the errors.

        Args:
            pair: the picture.
            compared: its comparison.
            group: heading that it stands under.
            focus: the class whose errors are drawn; None: all errors.
            longest: longer side in pixels that larger pictures are reduced to.
        """
        ...


@dataclass(frozen=True, eq=False)
class Judged(Generic[ReadingT, ComparedT]):
    """Pictures that a judge has compared with their annotations.

    Args:
        judge: the judge.
        pairs: the pictures.
        compared: the comparison of each picture.
    """

    judge: Judge[ReadingT, ComparedT]
    pairs: Sequence[Pair]
    compared: Sequence[ComparedT]

    def settled(self) -> Judged[ReadingT, ComparedT]:
        """Choose what counts as an object on these pictures; see :meth:`Judge.settled`."""
        return Judged(self.judge.settled(self.compared), self.pairs, self.compared)

    def evaluation(self) -> Evaluation:
        """Score the set."""
        return self.judge.summarise(self.compared)

    def examples(self, evaluation: Evaluation, *, each: int = 2) -> Drawings:
        """Draw pictures of the set at up to 4096 pixels a side; see :func:`choose_examples`."""
        return Drawings(self, choose_examples(evaluation, each=each), FULL_SIDE)

    def stamps(self, evaluation: Evaluation, *, most: int = 500) -> Drawings:
        """Draw the worst pictures of the set, at most ``most``, at the size of a stamp, the worst first."""
        return Drawings(self, [Chosen(place) for place in evaluation.ranking[:most]], SMALL_SIDE)


@dataclass(frozen=True, eq=False)
class Drawings:
    """Pictures of a set that are drawn one by one while they are iterated over.

    Args:
        judged: the set.
        chosen: the pictures.
        longest: longer side in pixels that larger pictures are reduced to.
    """

    judged: Judged[Any, Any]
    chosen: Sequence[Chosen]
    longest: int

    def __len__(self) -> int:
        return len(self.chosen)

    def __iter__(self) -> Iterator[Example]:
        judge, pairs, compared = self.judged.judge, self.judged.pairs, self.judged.compared
        for one in self.chosen:
            yield judge.draw(
                pairs[one.place], compared[one.place], group=one.group, focus=one.focus, longest=self.longest
            )


def judge_for(
    predictor: Predictor, pairs: Sequence[Pair], label_space: LabelSpace, *, rule: ObjectRule | None = None
) -> Judge[Any, Any]:
    """Choose the judge: the one for objects where objects are annotated, and otherwise the one for pixels.

    Args:
        predictor: the model.
        pairs: the pictures.
        label_space: how masks are to be read, or what the labels of annotated objects mean; a background in it is none
            of their classes.
        rule: what counts as an object; None: what the model counts.

    Raises:
        SettingError: there are no pairs, or the label space has other classes than the model.
    """
    if not pairs:
        raise SettingError("there are no pictures to score")
    if any(pair.objects is not None for pair in pairs):
        return ObjectJudge(predictor, label_space, rule=rule)
    return PixelJudge(predictor, label_space)


def judge_pictures(
    judge: Judge[ReadingT, ComparedT], pairs: Sequence[Pair], *, progress: Progress | None = None
) -> Judged[ReadingT, ComparedT]:
    """Let a judge compare pictures, each at its own size, with a few in memory at a time.

    Raises:
        DataError: a picture or its annotation is missing or cannot be used.
    """
    compared = []
    with closing(read_ahead(judge.read, pairs)) as readings:
        for reading in readings:
            compared.append(judge.compare(reading.result()))
            if progress is not None:
                progress(len(compared), len(pairs))
    return Judged(judge, tuple(pairs), compared)


def evaluate(
    predictor: Predictor,
    pairs: Sequence[Pair],
    label_space: LabelSpace,
    *,
    rule: ObjectRule | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model on pictures that are annotated with masks or with objects.

    Args:
        predictor: the model.
        pairs: the pictures.
        label_space: how they are to be read; see :func:`judge_for`.
        rule: what counts as an object; None: what the model counts.
        progress: told the pictures done and the pictures in all, after each.

    Raises:
        SettingError: there are no pairs, or the label space has other classes than the model.
        DataError: a picture or its annotation is missing or cannot be used.
    """
    judge = judge_for(predictor, pairs, label_space, rule=rule)
    return judge_pictures(judge, pairs, progress=progress).evaluation()
