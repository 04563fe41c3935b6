"""Many pictures in one request: lines in their order, bad ones among them, zip files of any kind."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from pixelwise.inference import Predictor
from pixelwise.serve import Limits, create_app

from .conftest import Caller, drawn, encoded, problem_of

BATCH = "/v1/models/first/batch"


def lines_of(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_every_picture_gets_a_line_in_its_place(call: Caller) -> None:
    bodies = [encoded(drawn(20 + 3 * number, 30, seed=number)) for number in range(7)]
    bodies[2] = bodies[2][:200]
    bodies[4] = b"no picture"
    files = [("file", (f"{number}.png", body)) for number, body in enumerate(bodies)]
    lines = lines_of(call.post(BATCH, files=files))
    assert [line["index"] for line in lines] == list(range(7))
    assert [line["name"] for line in lines] == [f"{number}.png" for number in range(7)]
    for number, line in enumerate(lines):
        if number in (2, 4):
            assert line["error"]["status"] == (422 if number == 2 else 415)
            assert line["error"]["argument"] == "file"
            assert "result" not in line
        else:
            assert line["result"] == call.predict(bodies[number]).json()
    assert call.app.state.gate.held == call.app.state.service.workers.waiting == 0


@pytest.mark.parametrize("output", ["labels", "table", "geojson"])
def test_outputs_of_all_types_fit_into_lines(call: Caller, output: str) -> None:
    body = encoded(drawn())
    alone = call.post("/v1/models/first/predict", files={"file": ("a.png", body)}, params={"output": output})
    (line,) = lines_of(call.post(BATCH, files={"file": ("a.png", body)}, params={"output": output}))
    if output == "labels":
        assert base64.b64decode(line["base64"]) == alone.content
    elif output == "table":
        assert line["text"] == alone.text
    else:
        assert line["result"] == alone.json()
    assert line["media_type"] == alone.headers["content-type"]


@pytest.mark.parametrize("raw", [True, False])
def test_a_zip_file_stands_for_its_pictures(call: Caller, raw: bool, tmp_path: Path) -> None:
    names = ["b.png", "a/c.png", "../../escaped.png", "/etc/evil.png", "C:\\windows\\x.png"]
    entries = {name: encoded(drawn(20, 30, seed=number)) for number, name in enumerate(names)}
    packed = zipped({**entries, "a/": b"", "__MACOSX/b.png": b"x", "a/.DS_Store": b"x"})
    answer = call.post(BATCH, content=packed) if raw else call.post(BATCH, files={"file": ("all.zip", packed)})
    lines = lines_of(answer)
    assert [line["name"] for line in lines] == ["b.png", "c.png", "escaped.png", "evil.png", "x.png"]
    assert [line["result"] for line in lines] == [call.predict(body).json() for body in entries.values()]
    assert not Path("/etc/evil.png").exists()


def patched(packed: bytes, place: int, value: bytes) -> bytes:
    """Change bytes of the end record of a zip file."""
    end = packed.rfind(b"PK\x05\x06") + place
    return packed[:end] + value + packed[end + len(value) :]


@pytest.mark.parametrize(
    ("packed", "argument", "says"),
    [
        (zipped({f"{number}.png": b"x" for number in range(11)}), "max_files", "holds 11 entries, and 10 is the limit"),
        (zipped({"a.png": bytes(30_000)}), "max_unpacked", "unpacks to 30,000 bytes, more than the limit of 20,000"),
        (zipped({"a.png": bytes(15_000), "b.png": bytes(15_000)}), "max_unpacked", "unpacks to 30,000 bytes"),
        (zipped({}) + b"", "file", "not a picture"),
        (zipped({".hidden": b"x"}), "file", "holds no files"),
        (zipped({"a.png": b"x"})[:-10], "file", "the zip file is damaged"),
        (patched(zipped({"a.png": b"x"}), 10, struct.pack("<H", 60_000)), "max_files", "60,000 entries"),
        (patched(zipped({"a.png": b"x"}), 12, struct.pack("<L", 2**31)), "max_files", "entr"),
    ],
    ids=["many", "large", "large together", "empty", "hidden", "cut", "says many", "says a large directory"],
)
def test_zip_files_are_bounded(predictor: Predictor, packed: bytes, argument: str, says: str) -> None:
    call = Caller(create_app({"first": predictor}, Limits(max_files=10, max_unpacked=20_000)))
    answer = call.post(BATCH, content=packed)
    if says == "not a picture":  # without entries it does not begin as a zip file does
        (line,) = lines_of(answer)
        assert says in line["error"]["detail"]
    else:
        assert says in problem_of(answer, 422, argument)


def test_bad_entries_do_not_stop_the_others(predictor: Predictor) -> None:
    call = Caller(create_app({"first": predictor}, Limits(max_bytes=20_000)))
    good = encoded(drawn())
    packed = bytearray(zipped({"a.png": good, "b.png": good, "c.png": bytes(50_000), "d.png": good}))
    place = packed.find(b"b.png") + len(b"b.png")
    packed[place + 100] ^= 0xFF  # the bytes of b.png do not fit their checksum
    lines = lines_of(call.post(BATCH, content=bytes(packed)))
    assert [("result" in line) for line in lines] == [True, False, False, True]
    assert "the entry is damaged" in lines[1]["error"]["detail"]
    assert "max_bytes: the entry unpacks to 50,000 bytes" in lines[2]["error"]["detail"]
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        (line,) = lines_of(call.post(BATCH, content=zipped({"a.png": good}, method)))
        assert "another method than deflate" in line["error"]["detail"]


def test_too_many_files_of_a_form(predictor: Predictor) -> None:
    call = Caller(create_app({"first": predictor}, Limits(max_files=2)))
    files = [("file", (f"{number}.png", b"x")) for number in range(3)]
    assert "more than 2 files" in problem_of(call.post(BATCH, files=files), 422, "file")
    packed = zipped({"a.png": b"x", "b.png": b"x"})
    problem_of(call.post(BATCH, files=[("file", ("a.zip", packed)), ("file", ("b.zip", packed))]), 422, "max_files")


def test_a_picture_that_is_no_batch_is_told_to_predict(call: Caller) -> None:
    files = [("file", (f"{number}.png", encoded(drawn()))) for number in range(2)]
    assert "more than one file" in problem_of(call.post("/v1/models/first/predict", files=files), 422, "file")


def test_a_batch_waits_for_room_in_the_queue(predictor: Predictor) -> None:
    call = Caller(create_app({"first": predictor}, Limits(max_pixels=2000, queue=2000)))
    files = [("file", (f"{number}.png", encoded(drawn()))) for number in range(6)]
    assert all("result" in line for line in lines_of(call.post(BATCH, files=files, params={"output": "geojson"})))


def test_a_fault_of_ours_is_a_line_too(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from pixelwise.serve import reading

    decode, calls = reading.decode_picture, []

    def fail_once(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise RuntimeError("secret")
        return decode(*given)

    monkeypatch.setattr(reading, "decode_picture", fail_once)
    files = [("file", (f"{number}.png", encoded(drawn()))) for number in range(4)]
    lines = lines_of(call.post(BATCH, files=files))
    assert sorted("result" in line for line in lines) == [False, True, True, True]
    assert "secret" not in json.dumps(lines)


def test_lines_come_before_all_pictures_are_done(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from pixelwise.serve.asked import PictureOptions
    from pixelwise.serve.batches import lines
    from pixelwise.serve.forms import Upload

    service = call.app.state.service

    async def first_only() -> int:
        uploads = []
        for number in range(5):
            path = folder / str(number)
            path.write_bytes(encoded(drawn()))
            uploads.append(Upload(path, "a.png"))
        stream = lines(service, "first", uploads, PictureOptions(), "labels", folder)
        await anext(stream)
        await stream.aclose()  # its reader left
        for _ in range(100):
            if service.workers.pictures == 0:
                break
            await asyncio.sleep(0.05)
        return service.workers.pictures

    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert asyncio.run(first_only()) == 0
    text = service.metrics.text().decode()
    done = next(line for line in text.splitlines() if line.startswith("pixelwise_pictures_total{"))
    assert 1 <= float(done.split()[1]) < 5
