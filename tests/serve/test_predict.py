"""Pictures over HTTP get the answers that ``pixelwise predict`` writes to files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from verbs import run

from pixelwise.inference import Predictor
from pixelwise.models import build_model
from pixelwise.serve import create_app
from pixelwise.types import LabelSpace

from .conftest import Caller, drawn, encoded, problem_of

ENDINGS = {
    "labels": "a.png",
    "overlay": "a_overlay.jpg",
    "probabilities": "a_probabilities.npy",
    "geojson": "a.geojson",
    "coco": "predictions.json",
    "table": "objects.csv",
}


@pytest.fixture(scope="module")
def offline(served_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the command line writes for a picture."""
    folder = tmp_path_factory.mktemp("offline")
    drawn().save(folder / "a.png")
    results = {}
    for output, file in ENDINGS.items():
        assert run("predict", served_run, folder / "a.png", "--out", folder / output, "--save", output) == 0
        results[output] = (folder / output / file).read_bytes()
    return results


@pytest.mark.parametrize("output", ENDINGS)
def test_every_output_has_the_bytes_of_the_command_line(call: Caller, offline: dict[str, bytes], output: str) -> None:
    answer = call.post(
        "/v1/models/first/predict", files={"file": ("a.png", encoded(drawn()))}, params={"output": output}
    )
    assert answer.status_code == 200, answer.text
    assert answer.content == offline[output]


def test_the_summary_counts_what_the_labels_hold(call: Caller, predictor: Predictor) -> None:
    prediction = predictor(drawn(), probabilities=True)
    summary = call.predict(encoded(drawn())).json()
    assert summary["size"] == {"height": 33, "width": 50}
    assert [one["name"] for one in summary["classes"]] == ["dark", "middle", "bright"]
    assert [one["color"] for one in summary["classes"]] == ["#14145a", "#5aa03c", "#fadc50"]
    counts = np.bincount(prediction.labels.reshape(-1), minlength=3)
    assert [one["pixels"] for one in summary["classes"]] == counts.tolist()
    assert sum(one["share"] for one in summary["classes"]) == pytest.approx(1)
    assert summary["no_data"] == 0
    assert summary["exact"] is True
    objects = prediction.objects()
    kept = objects.scores >= predictor.rule.score
    assert [one["area"] for one in summary["objects"]] == objects.areas[kept].tolist()
    assert [one["box"] for one in summary["objects"]] == objects.boxes[kept].tolist()
    assert summary["objects"]


def test_pixels_without_data_count_for_no_class(call: Caller) -> None:
    picture = drawn().convert("RGBA")
    picture.putalpha(Image.fromarray(np.repeat(np.array([[0] * 20 + [255] * 30], np.uint8), 33, 0)))
    summary = call.predict(encoded(picture)).json()
    assert summary["no_data"] == 33 * 20
    assert sum(one["pixels"] for one in summary["classes"]) == 33 * 30
    assert sum(one["share"] for one in summary["classes"]) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF"])
def test_every_type_of_picture_is_taken_as_body_and_as_form(call: Caller, predictor: Predictor, kind: str) -> None:
    body = encoded(drawn(), kind)
    expected = predictor(Image.open(io.BytesIO(body))).labels
    raw = call.predict(body, output="labels")
    form = call.post("/v1/models/first/predict?output=labels", files={"file": ("../../a", body)})
    assert raw.content == form.content
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(raw.content))), expected)
    assert raw.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("image/png", "image/png"),
        ("image/jpeg, image/png;q=0.5", "image/jpeg"),
        ("image/*", "image/png"),
        ("text/html, application/geo+json;q=0.9", "application/geo+json"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/json;q=0, */*", "image/png"),
    ],
)
def test_accept_chooses_the_output(call: Caller, accept: str, media_type: str) -> None:
    assert call.predict(encoded(drawn()), headers={"accept": accept}).headers["content-type"] == media_type


def test_the_query_beats_accept(call: Caller) -> None:
    answer = call.predict(encoded(drawn()), output="labels", headers={"accept": "application/json"})
    assert answer.headers["content-type"] == "image/png"
    problem_of(call.predict(encoded(drawn()), headers={"accept": "video/mp4"}), 406, "output")


def test_options_mean_what_they_mean_to_the_predictor(call: Caller, served_run: Path) -> None:
    for query, settings in (
        ({"tta": "hflip,0.75"}, {"tta": ("hflip", "0.75")}),
        ({"min_area": 40}, {"min_area": 40}),
        ({"score": 0.6}, {"score": 0.6}),
        ({"mode": "fast"}, {"mode": "fast"}),
    ):
        asked = Predictor(served_run, **settings)  # type: ignore[arg-type]
        prediction = asked(drawn(), probabilities=True)
        summary = call.predict(encoded(drawn()), **query).json()
        assert [one["pixels"] for one in summary["classes"]] == np.bincount(
            prediction.labels.reshape(-1), minlength=3
        ).tolist(), query
        objects = prediction.objects()
        kept = objects.scores >= asked.rule.score
        assert [one["area"] for one in summary["objects"]] == objects.areas[kept].tolist(), query


def test_options_change_the_answer(call: Caller) -> None:
    plain = call.predict(encoded(drawn())).json()
    assert call.predict(encoded(drawn()), tta="vflip,rotations").json()["classes"] != plain["classes"]
    assert len(call.predict(encoded(drawn()), min_area=40).json()["objects"]) < len(plain["objects"])


def test_numbers_of_another_type_need_their_range(call: Caller, predictor: Predictor) -> None:
    deep = np.asarray(drawn()).astype(np.uint16) * 16
    stream = io.BytesIO()
    tifffile.imwrite(stream, deep, photometric="rgb")
    detail = problem_of(call.predict(stream.getvalue()), 422, "value_range")
    assert detail.startswith("file: the picture holds uint16 numbers")
    assert "give value_range LOW,HIGH" in detail
    labels = call.predict(stream.getvalue(), value_range="0,4080", output="labels")
    expected = predictor(drawn()).labels
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(labels.content))), expected)


def test_a_picture_with_a_place_on_the_earth_gets_polygons_in_map_coordinates(
    call: Caller, served_run: Path, tmp_path: Path
) -> None:
    tags = [
        (33550, "d", 3, (2.0, 2.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 1000.0, 5000.0, 0.0), True),
        (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633), True),
    ]
    tifffile.imwrite(tmp_path / "map.tif", np.asarray(drawn()), photometric="rgb", extratags=tags)
    out = tmp_path / "out"
    assert run("predict", served_run, tmp_path / "map.tif", "--out", out, "--save", "geojson") == 0
    answer = call.predict((tmp_path / "map.tif").read_bytes(), output="geojson")
    assert answer.content == (out / "map.geojson").read_bytes()
    assert 900 < json.loads(answer.content)["features"][0]["geometry"]["coordinates"][0][0][0] < 1200


def test_labels_of_many_classes_have_16_bits(served_run: Path) -> None:
    model = build_model("fcn", classes=LabelSpace.of(300), encoder="resnet10t")
    call = Caller(create_app({"many": Predictor(model)}))
    labels = Image.open(io.BytesIO(call.predict(encoded(drawn()), model="many", output="labels").content))
    assert labels.mode.startswith("I")
    np.testing.assert_array_equal(np.asarray(labels), Predictor(model)(drawn()).labels)


def test_a_network_that_finds_objects() -> None:
    model = build_model("mask_rcnn", classes=LabelSpace(("leaf", "stem")), encoder="resnet10t")
    predictor = Predictor(model, score=0.0)
    call = Caller(create_app({"objects": predictor}))
    card = call.get("/v1/models").json()["models"][0]["card"]
    assert card["kind"] == "objects"
    assert [one["name"] for one in card["classes"]] == ["background", "leaf", "stem"]
    assert card["classes"][0]["background"] is True
    found = predictor(drawn(64, 64)).objects()
    summary = call.predict(encoded(drawn(64, 64)), model="objects").json()
    assert len(summary["objects"]) == len(found) > 0
    assert [one["score"] for one in summary["objects"]] == [round(float(score), 6) for score in found.scores]
    few = call.predict(encoded(drawn(64, 64)), model="objects", score=0.99).json()
    assert len(few["objects"]) < len(found)
    detail = problem_of(call.predict(encoded(drawn()), model="objects", output="probabilities"), 422, "output")
    assert "no probabilities of pixels" in detail
    problem_of(call.predict(encoded(drawn()), model="objects", tta="hflip"), 422, "tta")
