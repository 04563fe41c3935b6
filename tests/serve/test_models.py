"""The list of models, the description of the service, and the place of the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI

from pixelwise.inference import Predictor
from pixelwise.serve import create_app
from pixelwise.serve.page import mount_page

from .conftest import Caller, drawn, encoded


def test_a_card_holds_what_a_legend_needs(call: Caller, predictor: Predictor) -> None:
    (model,) = call.get("/v1/models").json()["models"]
    assert model["name"] == "first"
    card = model["card"]
    assert card["kind"] == "semantic"
    assert card["classes"][2] == {"index": 2, "name": "bright", "color": "#fadc50", "background": False}
    assert card["ignore_index"] == 255
    assert card["channels"] == 3
    assert card["object_rule"] == {"score": predictor.rule.score, "min_area": predictor.rule.min_area}
    assert card["training"] is None
    assert (card["architecture"], card["encoder"]) == ("unet", "resnet10t")


def test_several_models_answer_each_for_itself(predictor: Predictor, served_run: Path) -> None:
    call = Caller(create_app({"one": predictor, "two words": Predictor(served_run, min_area=1000)}))
    assert [one["name"] for one in call.get("/v1/models").json()["models"]] == ["one", "two words"]
    assert call.predict(encoded(drawn()), model="one").json()["objects"]
    assert not call.predict(encoded(drawn()), model="two words").json()["objects"]


def test_the_description_has_examples_and_every_argument(call: Caller) -> None:
    described = call.get("/openapi.json").json()
    predict = described["paths"]["/v1/models/{served}/predict"]["post"]
    assert {one["name"] for one in predict["parameters"]} == {
        "served", "output", "score", "min_area", "tta", "mode", "value_range",
    }  # fmt: skip
    assert predict["responses"]["200"]["content"]["application/json"]["example"]["classes"]
    assert predict["responses"]["422"]["content"]["application/problem+json"]["example"]["argument"] == "file"
    assert set(predict["requestBody"]["content"]) >= {"multipart/form-data", "image/jpeg", "image/tiff"}


@pytest.mark.parametrize("there", [True, False])
def test_the_page_is_served_where_it_is_there(tmp_path: Path, there: bool) -> None:
    app = FastAPI()
    if there:
        (tmp_path / "index.html").write_text("<title>page</title>")
        (tmp_path / "page.js").write_text("1")
    mount_page(app, tmp_path if there else tmp_path / "nowhere")
    call = Caller(app)
    assert call.get("/").status_code == (200 if there else 404)
    assert call.get("/static/page.js").status_code == (200 if there else 404)
    assert call.get("/static/../../secret").status_code == 404


def test_every_answer_forbids_what_comes_from_elsewhere(call: Caller) -> None:
    for path in ("/v1/models", "/nowhere"):
        headers = call.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
