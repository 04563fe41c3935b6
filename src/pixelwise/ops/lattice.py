"""Gaussian filtering of values at scattered points, in time linear in their number: the permutohedral lattice."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pixelwise.errors import SettingError


class PermutohedralLattice:
    """Sums over all pairs of N points with weights exp(-|f_i - f_j|^2 / 2), approximately (Adams, Baek and Davis 2010).

    Points in d dimensions are spread over the d + 1 corners of the simplex they lie in, the corners are blurred along
    the lattice's d + 1 directions, and the points read their result back. Corners that no point touches are left out,
    so that there are at most d + 1 corners per point, and far fewer where points lie close together.

    Weights are correct to a few percent, except for a common factor. A caller has to normalise the result by filtering
    a vector of ones.

    Args:
        features: (N, d), float; places and colours, each divided by its standard deviation.

    Raises:
        SettingError: points lie so far apart, in standard deviations, that corners cannot be numbered.
    """

    def __init__(self, features: Tensor) -> None:
        dimensions = features.shape[1]
        simplex = dimensions + 1
        elevated = _elevate(features.double())  # (N, d + 1), on the plane where coordinates sum to 0
        # The nearest point of the lattice of multiples of d + 1, moved back onto the plane if it is off it.
        nearest = (elevated / simplex).round() * simplex
        excess = (nearest.sum(1, keepdim=True) / simplex).round().long()  # (N, 1)
        order = (elevated - nearest).argsort(dim=1, descending=True, stable=True)
        rank = order.argsort(dim=1) + excess  # (N, d + 1): 0 for the coordinate that lies farthest above
        nearest += simplex * ((rank < 0).to(nearest) - (rank > dimensions).to(nearest))
        rank = rank.remainder(simplex)

        # Weights of the corners: differences between neighbours among the coordinates' distances, sorted.
        distance = (elevated - nearest) / simplex
        by_rank = torch.zeros_like(distance).scatter_(1, rank, distance)  # falls from column 0 to d
        self.weights = torch.empty_like(distance)
        self.weights[:, 1:] = (by_rank[:, :-1] - by_rank[:, 1:]).flip(1)
        self.weights[:, 0] = 1 - self.weights[:, 1:].sum(1)
        self.weights = self.weights.to(features.dtype)

        # The last coordinate follows from the others. The others are packed into one number, so that a step along a
        # direction of the lattice is the addition of a constant.
        low, high = nearest[:, :-1].amin(0) - 2 * simplex, nearest[:, :-1].amax(0) + 2 * simplex
        spans = [int(span) + 1 for span in high - low]
        if math.prod(spans) >= 2**62:
            raise SettingError(f"{len(features)} points span {spans} cells of the lattice; give larger sigmas")
        places = torch.tensor([math.prod(spans[i + 1 :]) for i in range(dimensions)])
        packed = ((nearest[:, :-1] - low).long() * places).sum(1)  # (N,)
        corners = []
        for corner in range(simplex):
            step = torch.where(rank[:, :-1] <= dimensions - corner, corner, corner - simplex)
            corners.append(packed + (step * places).sum(1))
        keys, index = torch.unique(torch.stack(corners), return_inverse=True)  # (M,), (d + 1, N)
        self.index: Tensor = index
        self.corners = len(keys)
        self.neighbours = []
        for direction in range(simplex):
            ahead = int(places.sum()) - (simplex * int(places[direction]) if direction < dimensions else 0)
            self.neighbours.append((_find(keys, keys + ahead), _find(keys, keys - ahead)))

    def filter(self, values: Tensor) -> Tensor:
        """Sum values (N, K) over all points, each with its weight: (N, K)."""
        spread = values.new_zeros(self.corners + 1, values.shape[1])  # the last row stands for corners left out
        for index, weight in zip(self.index, self.weights.T, strict=True):
            spread.index_add_(0, index, values * weight[:, None])
        for ahead, behind in self.neighbours:
            blurred = spread[ahead].add_(spread[behind]).mul_(0.25)
            spread[:-1].mul_(0.5).add_(blurred)
        result = torch.zeros_like(values)
        for index, weight in zip(self.index, self.weights.T, strict=True):
            result.addcmul_(spread[index], weight[:, None])
        return result


def _elevate(features: Tensor) -> Tensor:
    """Lay d dimensions on the plane of d + 1 where coordinates sum to 0, scaled so that the blur has variance 1."""
    dimensions = features.shape[1]
    steps = torch.arange(1, dimensions + 1, dtype=features.dtype)
    scaled = features * (dimensions + 1) * math.sqrt(2 / 3) / (steps * (steps + 1)).sqrt()  # (N, d)
    # Coordinate i is the sum of the scaled features from i on, less i times the one before it.
    tail = scaled.flip(1).cumsum(1).flip(1)
    zero = torch.zeros_like(tail[:, :1])
    return torch.cat([tail, zero], 1) - torch.cat([zero, scaled * steps], 1)


def _find(keys: Tensor, wanted: Tensor) -> Tensor:
    """Find the positions of wanted keys among sorted keys; the number of keys for those that are missing."""
    place = torch.searchsorted(keys, wanted)
    found = keys[place.clamp(max=len(keys) - 1)] == wanted
    return torch.where(found, place, len(keys))
