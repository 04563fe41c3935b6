"""Losses by name, computed from coarse logits: :func:`make_loss`."""

from pixelwise.losses.formulas import LOSSES as LOSSES
from pixelwise.losses.formulas import OF_PIXELS as OF_PIXELS
from pixelwise.losses.weighted_sum import Loss as Loss
from pixelwise.losses.weighted_sum import make_loss as make_loss
from pixelwise.losses.weighted_sum import parse_loss as parse_loss
