"""Weights for the narrow gaps between touching objects, computed once per picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.data.crops.budgeted import BudgetedCache
from pixelwise.data.crops.cache import PictureCache
from pixelwise.ops.border import border_weight_map
from pixelwise.types import LabelSpace


class GapWeights(BudgetedCache[NDArray[np.float32]]):
    """The second part of U-Net's weight map per picture: the number added to the class weight of a pixel.

    An item is a read-only float32 (H, W), 0 where there is no gap.

    Objects are the connected parts of each class except the background (class 0, unless the label space names another);
    pixels without a class belong to none.

    Args:
        cache: the pictures.
        w0: weight of a gap of no width.
        sigma: width in pixels of a gap at which the weight has fallen to 0.6 of that.
        budget_bytes: memory for maps; maps that no longer fit are computed again each time.
    """

    def __init__(self, cache: PictureCache, *, w0: float, sigma: float = 5.0, budget_bytes: int) -> None:
        super().__init__(len(cache), budget_bytes)
        self.cache = cache
        self.w0 = w0
        self.sigma = sigma

    def _make(self, index: int) -> NDArray[np.float32]:
        """Compute the (H, W) gap weights of picture ``index``, 0 where there is no gap."""
        mask = self.cache[index].mask
        assert mask is not None
        objects = connected_objects(mask, self.cache.label_space)
        weights = border_weight_map(objects, w0=self.w0, sigma=self.sigma, class_balance=False) - 1
        weights.setflags(write=False)  # the same array is returned many times
        return weights


def connected_objects(mask: NDArray[np.unsignedinteger[Any]], label_space: LabelSpace) -> NDArray[np.int32]:
    """Number the connected parts of the classes of a mask, neighbours by side.

    Args:
        mask: (H, W) class indices and ``ignore_index``.
        label_space: says which class is background; class 0 where it names none.

    Returns:
        (H, W) object ids from 1; 0 is background and what has no class.
    """
    background = 0 if label_space.background is None else label_space.background
    objects = np.zeros(mask.shape, np.int32)
    count = 0
    for index in np.unique(mask).tolist():
        if index in (background, label_space.ignore_index):
            continue
        found, parts = cv2.connectedComponents((mask == index).astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
        objects[parts > 0] = parts[parts > 0] + count
        count += found - 1  # OpenCV counts the rest as part 0
    return objects
