"""Weighted sums of losses: what may be written, and what it is worth."""

from __future__ import annotations

import pytest
import torch

from pixelwise.errors import SettingError
from pixelwise.losses import make_loss
from pixelwise.ops import upsample_cross_entropy

LOGITS = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(0, 3, (1, 8, 10), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ce+dice", {"ce": 1.0, "dice": 1.0}),
        ("0.5*ce+focal", {"ce": 0.5, "focal": 1.0}),
        (" 2 * lovasz + .25*ohem ", {"lovasz": 2.0, "ohem": 0.25}),
        ("tversky(alpha=0.2, beta=0.8)+1e-1*ce", {"tversky(alpha=0.2,beta=0.8)": 1.0, "ce": 0.1}),
        ("1e+1*ce", {"ce": 10.0}),
    ],
)
def test_sums_are_the_sums_of_their_terms(text, parts):
    expected = sum(factor * make_loss(part)(LOGITS, TARGET) for part, factor in parts.items())
    torch.testing.assert_close(make_loss(text)(LOGITS, TARGET), expected)


def test_options_reach_the_formula():
    assert make_loss("focal(gamma=0)")(LOGITS, TARGET) == pytest.approx(float(make_loss("ce")(LOGITS, TARGET)))
    assert make_loss("ohem(threshold=1, least=1)")(LOGITS, TARGET) == pytest.approx(
        float(make_loss("ce")(LOGITS, TARGET))
    )
    assert make_loss("tversky(alpha=1, beta=1)")(LOGITS, TARGET) == make_loss("jaccard")(LOGITS, TARGET)
    assert make_loss("dice(smooth=100)")(LOGITS, TARGET) < make_loss("dice")(LOGITS, TARGET)


def test_label_smoothing_is_that_of_cross_entropy():
    smooth = upsample_cross_entropy(LOGITS, TARGET, label_smoothing=0.1)
    dice = make_loss("dice")(LOGITS, TARGET)
    torch.testing.assert_close(make_loss("ce+dice", label_smoothing=0.1)(LOGITS, TARGET), smooth + dice)


def test_a_loss_says_what_it_is():
    assert repr(make_loss("ce+ 0.5*focal(gamma=3)")) == "Loss(ce + 0.5*focal(gamma=3))"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no loss"),
        ("ce+", "is no loss"),
        ("ce dice", "no loss"),
        ("dce", "the nearest names are dice, ce"),
        ("x*ce", "the weight of ce"),
        ("0*ce", "above 0"),
        ("-1*ce", "above 0"),
        ("inf*ce", "above 0"),
        ("nan*ce", "above 0"),
        ("focal(gama=2)", "nearest names are gamma"),
        ("focal(gamma)", "no number"),
        ("focal(gamma=-1)", "at least 0"),
        ("tversky(alpha=-1)", "at least 0"),
        ("ohem(least=0)", "above 0"),
        ("ce(gamma=2)", "no option"),
    ],
)
def test_what_is_no_loss_is_refused(text, message):
    with pytest.raises(SettingError, match=message):
        make_loss(text)


def test_smoothing_that_no_term_knows_is_refused():
    with pytest.raises(SettingError, match="add ce"):
        make_loss("dice+focal", label_smoothing=0.1)
