from __future__ import annotations

import pytest
import torch
from torch import nn

from pixelwise.nn.allocation import AllocationLimit, TooMuchMemory

MIB = 2**20


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.empty(MIB, 64),
        lambda: torch.zeros(2**50),
        lambda: torch.full((2**20, 2**20), 1.0),
        lambda: torch.arange(2**40),
        lambda: torch.eye(2**20),
        lambda: torch.zeros(1).new_empty(2**30),
        lambda: torch.randn(2**28),
        lambda: nn.Conv2d(2**12, 2**12, 3),
        lambda: nn.Linear(2**14, 2**14),
        lambda: [nn.Conv2d(64, 64, 3) for _ in range(1000)],
        lambda: nn.ModuleList(nn.BatchNorm2d(2**17) for _ in range(100)),
    ],
)
def test_what_goes_beyond_the_limit_is_refused_before_it_is_there(make: object) -> None:
    assert callable(make)
    limit = AllocationLimit(16 * MIB)
    with pytest.raises(TooMuchMemory, match="16 MiB"), limit:
        make()
    assert limit.allocated > 16 * MIB  # what was asked for


def test_numbers_that_overflow_are_left_to_torch() -> None:
    with pytest.raises(RuntimeError), AllocationLimit(MIB):
        torch.empty(2**40, 2**40)


def test_all_new_tensors_count_and_views_do_not() -> None:
    limit = AllocationLimit(MIB)
    with limit:
        tensor = torch.zeros(1000)
        tensor.view(10, 100).t()[2:].add_(1)
        assert limit.allocated == 4000
        tensor.clone()
        assert limit.allocated == 8000
        with torch.device("meta"):
            torch.empty(2**40) + 1
        tensor.to("meta")
        assert limit.allocated == 8000
    torch.zeros(MIB)


def test_networks_come_out_the_same() -> None:
    networks = []
    for limit in (None, AllocationLimit(MIB)):
        torch.manual_seed(0)
        if limit is None:
            networks.append(nn.Conv2d(3, 4, 5))
            continue
        with limit:
            networks.append(nn.Conv2d(3, 4, 5))
        assert limit.allocated == 4 * (3 * 4 * 25 + 4)
    assert torch.equal(networks[0].weight, networks[1].weight)


def test_tensors_made_like_one_on_the_meta_device_do_not_count() -> None:
    limit = AllocationLimit(MIB)
    with limit:
        like = torch.empty(4, device="meta")
        assert like.new_empty((2**20,)).is_meta
        with pytest.raises(TooMuchMemory):
            torch.empty(4).new_empty((2**20,))
