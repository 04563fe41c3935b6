"""The libraries that run exported files: equal labels, and the choice of the fastest."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from finders import lively

from pixelwise.errors import ModelError, SettingError, UnsupportedError
from pixelwise.export import export_model
from pixelwise.inference import Predictor
from pixelwise.inference.runtimes.exported import engine_choice, engines
from pixelwise.inference.runtimes.exported.engine_choice import choose_engine
from pixelwise.inference.runtimes.exported.engines import Engine, engines_for
from pixelwise.models import SegmentationModel

pytestmark = pytest.mark.engines

openvino = pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def exported(wide: SegmentationModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(wide, tmp_path_factory.mktemp("exported") / "model.onnx").path


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (75, 110, 3), np.uint8)


def test_openvino_gives_the_labels_of_torch(wide: SegmentationModel, exported: Path, picture: np.ndarray) -> None:
    expected = Predictor(wide, device="cpu", precision="float32")(picture)
    predictor = Predictor(exported, runtime="openvino", precision="float32", tile=64, mode="exact")
    assert (predictor(picture).labels == expected.labels).mean() > 0.999
    assert len(np.unique(expected.labels)) == 3
    assert predictor.runtime.fingerprint.endswith("openvino float32")
    assert predictor.runtime.note == ""


def test_bfloat16_is_near_where_the_processor_has_it(
    wide: SegmentationModel, exported: Path, picture: np.ndarray
) -> None:
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(SettingError, match="not computed in 'bfloat16' here"):
            Predictor(exported, precision="bfloat16")
        pytest.skip("this processor has no bfloat16")
    predictor = Predictor(exported, precision="bfloat16")
    expected = Predictor(wide, device="cpu", precision="float32")(picture).labels
    assert (predictor(picture).labels == expected).mean() > 0.97
    assert predictor.runtime.fingerprint.endswith("openvino bfloat16")


def test_auto_takes_the_fastest_and_keeps_the_choice(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    real = engine_choice._try

    def watch(*arguments: object) -> dict[str, float]:
        tried.append("tried")
        return {name: number for number, name in enumerate(sorted(real(*arguments)))}

    monkeypatch.setattr(engine_choice, "_try", watch)
    monkeypatch.setattr(engine_choice, "describe_machine", lambda: ("a machine of this test",))
    first, second = Predictor(exported), Predictor(exported)
    assert tried == ["tried"]
    assert "onnx float32, the fastest on this machine: 0 ms for " in first.runtime.note
    assert first.runtime.fingerprint == second.runtime.fingerprint
    monkeypatch.setattr(engine_choice, "describe_machine", lambda: ("another machine",))
    Predictor(exported)
    assert tried == ["tried"] * 2


def test_auto_tries_every_library_for_objects_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported = export_model(lively(), tmp_path / "objects.onnx").path
    for fastest in ("openvino float32", "onnx float32"):
        monkeypatch.setattr(engine_choice, "describe_machine", lambda name=fastest: (f"where {name} is fast",))
        monkeypatch.setattr(
            engine_choice,
            "_try",
            lambda engines, prepare, name=fastest: {str(one): float(str(one) != name) for one in engines},
        )
        runtime = Predictor(exported).runtime
        assert runtime.fingerprint.endswith(fastest)
        assert runtime.note.startswith(f"{fastest}, the fastest on this machine")
        assert "bfloat16" not in runtime.note, "objects are found in float32"


def preparing(*, refused: set[str]) -> Callable[[Engine], Callable[[], None]]:
    def prepare(engine: Engine) -> Callable[[], None]:
        if str(engine) in refused:
            raise ModelError(f"{engine} refuses it")
        return lambda: None

    return prepare


def test_an_engine_that_refuses_the_file_is_passed_over() -> None:
    both = (Engine("onnx"), Engine("openvino"))
    choice = choose_engine(both, "a file of this test", 64, preparing(refused={"onnx float32"}))
    assert choice.engine == both[1]
    assert str(choice) == "openvino float32, the only one here"
    with pytest.raises(ModelError, match="openvino float32 refuses it"):
        choose_engine(both, "another", 64, preparing(refused={"onnx float32", "openvino float32"}))


def test_engines_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines_for("onnx", "auto") == (Engine("onnx"),)
    monkeypatch.setitem(engines.PACKAGES, "openvino", "no_such_package")
    assert engines_for("auto", "auto") == (Engine("onnx"),)
    with pytest.raises(UnsupportedError, match="pip install no_such_package"):
        engines_for("openvino", "auto")


def test_old_compiled_graphs_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "KEPT_BYTES", 250)
    for number in range(4):
        (tmp_path / str(number)).write_bytes(bytes(100))

        os.utime(tmp_path / str(number), (number, number))
    engines._forget_old(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["2", "3"]
