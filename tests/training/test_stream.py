from __future__ import annotations

from pixelwise.training.stream import StepSampler


def test_every_item_is_taken_once_and_in_order() -> None:
    batches = list(StepSampler(steps=5, batch=4))
    assert [item for batch in batches for item in batch] == list(range(20))


def test_a_resumed_run_sees_what_the_unbroken_one_would() -> None:
    unbroken = list(StepSampler(steps=7, batch=3))
    resumed = StepSampler(steps=7, batch=3, start=4)
    assert list(resumed) == unbroken[4:]
    assert len(resumed) == 7


def test_processes_share_each_batch() -> None:
    whole = list(StepSampler(steps=3, batch=6))
    shares = [list(StepSampler(steps=3, batch=6, rank=rank, replicas=2)) for rank in range(2)]
    for step in range(3):
        assert sorted(shares[0][step] + shares[1][step]) == whole[step]
