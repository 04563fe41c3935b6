from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

from pixelwise.errors import DataError
from pixelwise.inference.runtimes.array_tail import ArrayTail
from pixelwise.inference.runtimes.tail import Tail, on_window, some_rows
from pixelwise.inference.runtimes.torch_tail import TorchTail
from pixelwise.models.base import Coarse
from pixelwise.ops import counting
from pixelwise.ops.tail import arrays
from pixelwise.placement import CoarseArray


@pytest.fixture(params=["native", "numpy"])
def tail(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ArrayTail:
    if request.param == "numpy":

        def none() -> ModuleType | None:
            return None

        monkeypatch.setattr(arrays, "native_module", none)
        monkeypatch.setattr(counting, "native_module", none)
        monkeypatch.setattr(arrays, "BAND_ELEMENTS", 500)  # several bands
    return ArrayTail()


def pairs() -> list[tuple[CoarseArray, Coarse]]:
    """Coarse logits on pictures, by stretching, with a shift, and read beyond their edges."""
    rng = np.random.default_rng(0)
    made = []
    for classes, cells, size, scale, offset in [
        (3, (5, 7), (20, 28), 0.25, -0.375),
        (2, (4, 3), (9, 17), (0.4, 0.2), (0.1, -1.5)),
        (300, (2, 2), (5, 6), 0.25, 0.0),
    ]:
        logits = rng.normal(size=(1, classes, *cells)).astype(np.float32)
        made.append((CoarseArray(logits, size, scale, offset), Coarse(torch.from_numpy(logits), size, scale, offset)))
    return made


def both(tail: ArrayTail) -> list[tuple[Tail[CoarseArray], CoarseArray, Tail[Coarse], Coarse]]:
    return [(tail, ours, TorchTail(torch.device("cpu")), theirs) for ours, theirs in pairs()]


def test_labels_are_those_of_torch(tail: ArrayTail) -> None:
    for ours, array, theirs, tensor in both(tail):
        found = ours.labels(array)
        assert found.dtype == theirs.labels(tensor).dtype
        np.testing.assert_array_equal(found, theirs.labels(tensor))
        assert len(np.unique(found)) > 1


def test_probabilities_are_those_of_torch(tail: ArrayTail) -> None:
    for ours, array, theirs, tensor in both(tail):
        np.testing.assert_allclose(ours.probabilities(array), theirs.probabilities(tensor), atol=1e-6)
        np.testing.assert_allclose(ours.confidences(array), theirs.confidences(tensor), atol=1e-6)
        np.testing.assert_allclose(ours.probabilities(array).sum(0), 1, atol=1e-5)


def test_totals_are_those_of_torch(tail: ArrayTail) -> None:
    for ours, array, theirs, tensor in both(tail):
        shape = (array.logits.shape[1], *array.size)
        mine, other = ours.zeros(shape, 8), theirs.zeros(shape, 8)
        ours.add_softmax(mine, array, 0.25)
        theirs.add_softmax(other, tensor, 0.25)
        np.testing.assert_allclose(ours.in_main_memory(mine), theirs.in_main_memory(other), atol=1e-6)
        np.testing.assert_array_equal(ours.greatest(mine), theirs.greatest(other))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_counts_are_those_of_torch(tail: ArrayTail, dtype: type[np.integer]) -> None:
    rng = np.random.default_rng(1)
    for ours, array, theirs, tensor in both(tail)[:2]:
        mask = rng.choice([0, 1, 255], array.size).astype(dtype)
        counts = ours.confusion(array, mask, 255)
        np.testing.assert_array_equal(counts, theirs.confusion(tensor, mask, 255))
        assert counts.sum() == (mask != 255).sum()
        with pytest.raises(DataError, match="holds 9, no class 0"):
            ours.confusion(array, np.full(array.size, 9, dtype), 255)


def test_windows_and_rows_are_parts_of_the_whole(tail: ArrayTail) -> None:
    for ours, array, _, _ in both(tail):
        whole = ours.confidences(array)
        height, width = array.size
        window = (slice(2, height - 1), slice(1, width))
        np.testing.assert_allclose(ours.confidences(on_window(array, window)), whole[window], atol=1e-6)
        np.testing.assert_allclose(ours.confidences(some_rows(array, 1, 3)), whole[1::3], atol=1e-6)
