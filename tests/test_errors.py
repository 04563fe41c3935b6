from __future__ import annotations

import pickle

import pytest

from pixelwise.errors import PixelwiseError, SettingError


def test_a_setting_error_names_its_argument_first() -> None:
    error = SettingError("0.1 leaves no time to train", argument="minutes")
    assert str(error) == "minutes: 0.1 leaves no time to train"
    assert (error.argument, error.text) == ("minutes", "0.1 leaves no time to train")
    with pytest.raises(PixelwiseError, match="minutes"):
        raise error


def test_a_setting_error_without_an_argument_is_its_text() -> None:
    error = SettingError("batch 3 does not divide")
    assert str(error) == error.text == "batch 3 does not divide"
    assert error.argument is None


def test_a_setting_error_comes_whole_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(SettingError("7 are too many", argument="devices")))
    assert (str(error), error.text, error.argument) == ("devices: 7 are too many", "7 are too many", "devices")
