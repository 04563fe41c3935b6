"""What is too large, too many, damaged or no picture gets a clear problem, before it costs anything."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
import zlib
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
import tifffile

from pixelwise.errors import SettingError
from pixelwise.inference import Predictor
from pixelwise.serve import Limits, create_app

from .conftest import Caller, drawn, encoded, problem_of


def small(predictor: Predictor, **limits: float) -> Caller:
    return Caller(create_app({"first": predictor}, Limits(**limits)))  # type: ignore[arg-type]


async def in_pieces(body: bytes, piece: int = 100) -> AsyncIterator[bytes]:
    for start in range(0, len(body), piece):
        yield body[start : start + piece]


def test_bytes_are_counted_while_they_arrive(predictor: Predictor) -> None:
    call = small(predictor, max_bytes=1000)
    seen = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal seen
        while seen < 10**9:
            seen += 100
            yield bytes(100)

    refused = call.talk(lambda client: client.post("/v1/models/first/predict", content=endless()))
    assert "longer than the limit of 1,000 bytes" in problem_of(refused, 413, "max_bytes")
    assert seen < 10**8  # what is refused is read on for a while only


def test_a_declared_length_is_refused_at_once(predictor: Predictor) -> None:
    call = small(predictor, max_bytes=1000)
    problem_of(call.predict(bytes(1001)), 413, "max_bytes")
    form = call.post("/v1/models/first/predict", files={"file": ("a.png", bytes(2000))})
    problem_of(form, 413, "max_bytes")


def test_all_bodies_together_are_bounded(predictor: Predictor) -> None:
    call = small(predictor, max_bytes=1000)
    gate = call.app.state.gate
    gate.held = gate.most_held - 10
    refused = call.predict(encoded(drawn(4, 4))[:900])
    assert problem_of(refused, 503, "max_bytes")
    assert refused.headers["retry-after"] == "1"
    assert gate.held == gate.most_held - 10  # what was counted is given back
    assert gate.active == 0


def huge_png(height: int, width: int) -> bytes:
    """A PNG of a few hundred bytes that declares any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(10**5), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_pixels_are_counted_by_the_header(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object, **__: object) -> None:
        raise AssertionError("a picture that is too large was decoded")

    monkeypatch.setattr("pixelwise.serve.reading.decode_picture", decode)
    call = small(predictor, max_pixels=10_000)
    detail = problem_of(call.predict(huge_png(50_000, 50_000)), 413, "max_pixels")
    assert "declares 50000x50000 pixels" in detail
    detail = problem_of(call.predict(huge_png(101, 100)), 413, "max_pixels")
    assert "declares 101x100 pixels (height x width), more than the limit of 10,000" in detail


def test_channels_are_counted_too(predictor: Predictor) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((60, 100, 100), np.float64), photometric="minisblack", planarconfig="contig")
    detail = problem_of(small(predictor, max_pixels=10_000).predict(stream.getvalue()), 422, "file")
    assert "100 channels of 64 bits" in detail or "declares" in detail or "60" in detail


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 422, "file: the picture is empty"),
        (b"just text", 415, "file: not a picture, its first bytes are b'just tex'"),
        (b"GIF89a" + bytes(40), 415, "expected JPEG, PNG, TIFF or WebP"),
        (b"\x80\x04\x95", 415, "file: not a picture"),
        (b"RIFF\x10\0\0\0WAVE", 415, "file: not a picture"),
        (encoded(drawn())[:300], 422, "file: the picture is damaged or cut short"),
        (encoded(drawn(), "JPEG")[:400], 422, "file: the picture is damaged or cut short"),
        (encoded(drawn(), "WebP")[:90], 422, "file: the picture is damaged or cut short"),
        (encoded(drawn(), "TIFF")[:900], 422, "file: "),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), 422, "file: the picture is damaged or cut short"),
    ],
    ids=["empty", "text", "gif", "pickle", "sound", "cut png", "cut jpeg", "cut webp", "cut tiff", "no png"],
)
def test_what_is_no_whole_picture(call: Caller, body: bytes, status: int, says: str) -> None:
    for answer in (
        call.predict(body),
        call.post("/v1/models/first/predict", files={"file": ("a.png", body)}),
    ):
        detail = problem_of(answer, status, "file")
        assert says in detail
        assert "/tmp" not in detail
        assert "pixelwise-serve" not in detail
    assert call.predict(encoded(drawn())).status_code == 200


def test_a_picture_of_several_frames(call: Caller) -> None:
    stream = io.BytesIO()
    drawn().save(stream, "WebP", save_all=True, append_images=[drawn(seed=1)])
    assert "2 frames" in problem_of(call.predict(stream.getvalue()), 422, "file")


@pytest.mark.parametrize(
    ("query", "argument", "says"),
    [
        ({"output": "labls"}, "output", "output: there is no output 'labls'; the nearest names are labels"),
        ({"score": "3"}, "score", "score: '3' was given; it should be less than or equal to 1"),
        ({"score": "abc"}, "score", "score: 'abc' was given"),
        ({"min_area": "-1"}, "min_area", "min_area: '-1' was given; it should be greater than or equal to 0"),
        ({"mode": "quick"}, "mode", "mode: 'quick' was given; it should be 'auto', 'exact' or 'fast'"),
        ({"tta": "sideways"}, "tta", "there is no view 'sideways'"),
        ({"tta": "20"}, "tta", "a zoom lies between 0.1 and 10, got 20"),
        ({"scor": "0.5"}, "scor", "there is no argument 'scor'; the nearest names are score"),
        ({"value_range": "9,1"}, "value_range", "value_range: 9,1: expected the stored numbers"),
    ],
)
def test_arguments_that_cannot_be(call: Caller, query: dict[str, str], argument: str, says: str) -> None:
    assert says in problem_of(call.predict(encoded(drawn()), **query), 422, argument)


def test_addresses_that_do_not_exist(call: Caller) -> None:
    assert "there is no model 'frist'; the nearest names are first" in problem_of(
        call.predict(encoded(drawn()), model="frist"), 404, "model"
    )
    assert "/openapi.json lists" in problem_of(call.get("/v1/nothing"), 404, None)
    problem_of(call.get("/v1/models/first/predict"), 405, None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no form at all", "the form"),
        (b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n', "no such field"),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nxyz', "the form"),
    ],
    ids=["no form", "another field", "without its end"],
)
def test_forms_that_hold_no_picture(call: Caller, content: bytes, says: str) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = call.post("/v1/models/first/predict", content=content, headers=headers)
    assert answer.status_code in (400, 422)
    assert says in answer.json()["detail"]


class Held:
    """A predictor that begins and does not end until it is let go."""

    def __init__(self, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.free = threading.Semaphore(0), threading.Event()
        self.calls = 0
        task = predictor._task
        compute = type(task).predict

        def wait(*given: object, **more: object) -> object:
            self.calls += 1
            self.begun.release()
            assert self.free.wait(20)
            return compute(*given, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(type(task), "predict", wait)

    async def begins(self) -> None:
        while not self.begun.acquire(blocking=False):
            await asyncio.sleep(0.01)


@pytest.fixture
def held(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(predictor, monkeypatch)


def test_a_full_queue_says_when_to_come_again(predictor: Predictor, held: Held) -> None:
    pixels = 33 * 50
    call = small(predictor, max_pixels=pixels, queue=2 * pixels)

    async def crowd(client: httpx.AsyncClient) -> list[httpx.Response]:
        body = encoded(drawn())
        url = "/v1/models/first/predict?output=labels"
        first = asyncio.create_task(client.post(url, content=body))
        await held.begins()
        second = asyncio.create_task(client.post(url, content=body))
        while call.app.state.service.workers.pictures < 2:
            await asyncio.sleep(0.01)
        third = await client.post(url, content=body)
        held.free.set()
        return [await first, await second, third, await client.post(url, content=body)]

    first, second, third, fourth = call.talk(crowd)
    assert [one.status_code for one in (first, second, fourth)] == [200, 200, 200]
    detail = problem_of(third, 503, "queue")
    assert "2 pictures of 3,300 pixels wait or are computed, and 3,300 is the limit" in detail
    assert int(third.headers["retry-after"]) >= 1
    assert call.app.state.service.workers.waiting == 0


def test_views_and_probabilities_take_more_of_the_queue(predictor: Predictor, held: Held) -> None:
    pixels = 33 * 50
    call = small(predictor, max_pixels=pixels, queue=3 * pixels)

    async def crowd(client: httpx.AsyncClient, query: str) -> int:
        body = encoded(drawn())
        first = asyncio.create_task(client.post("/v1/models/first/predict?output=labels", content=body))
        await held.begins()
        second = asyncio.create_task(client.post(f"/v1/models/first/predict?{query}", content=body))
        while call.app.state.service.workers.pictures < 2 and not second.done():
            await asyncio.sleep(0.01)
        held.free.set()
        await first
        status = (await second).status_code
        held.free.clear()
        while held.begun.acquire(blocking=False):
            pass
        return status

    assert call.talk(lambda client: crowd(client, "output=labels")) == 200
    assert call.talk(lambda client: crowd(client, "output=summary")) == 200
    assert call.talk(lambda client: crowd(client, "output=labels&tta=hflip,1")) == 200
    assert call.talk(lambda client: crowd(client, "output=labels&tta=1.3")) == 503
    assert call.talk(lambda client: crowd(client, "output=summary&tta=hflip")) == 503


def test_a_computation_that_takes_too_long_is_given_up(predictor: Predictor, held: Held) -> None:
    call = small(predictor, timeout=0.5)
    answer = call.predict(encoded(drawn()))
    assert "timeout: " in problem_of(answer, 503, "timeout")
    assert call.app.state.service.workers.pictures == 1  # it still runs, and counts
    held.free.set()
    assert call.predict(encoded(drawn())).status_code == 200
    assert call.app.state.service.workers.pictures == 0


def test_a_picture_that_arrives_too_slowly(predictor: Predictor) -> None:
    call = small(predictor, timeout=0.3)

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield encoded(drawn())[:50]
            await asyncio.sleep(0.2)

    answer = call.talk(lambda client: client.post("/v1/models/first/predict", content=slow()))
    assert "did not arrive within 0.3 seconds" in problem_of(answer, 408, "timeout")


def test_nothing_new_is_taken_while_the_server_ends(call: Caller) -> None:
    call.app.state.gate.draining = True
    refused = call.predict(encoded(drawn()))
    assert "the server ends" in problem_of(refused, 503, None)
    assert int(refused.headers["retry-after"]) >= 1
    problem_of(call.get("/readyz"), 503, None)
    assert call.get("/healthz").status_code == 200
    assert call.get("/metrics").status_code == 200


def test_a_fault_of_ours_tells_nothing_about_us(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret /path")

    monkeypatch.setattr("pixelwise.serve.reading.decode_picture", fail)
    assert "secret" not in problem_of(call.predict(encoded(drawn())), 500, None)
    monkeypatch.setattr("pixelwise.serve.reading.decode_picture", lambda *_, **__: (_ for _ in ()).throw(MemoryError))
    assert "memory ran out" in problem_of(call.predict(encoded(drawn())), 503, "file")


@pytest.mark.parametrize("name", ["max_bytes", "max_pixels", "timeout", "queue"])
def test_limits_are_positive(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: it is 0; it must be positive"):
        Limits(**{name: 0})


def test_metrics_count_answers_by_address(call: Caller) -> None:
    call.predict(encoded(drawn()), output="labels")
    call.predict(b"x")
    call.get("/v1/made/up/address")
    text = call.get("/metrics").text
    path = "/v1/models/{served}/predict"
    assert f'pixelwise_requests_total{{method="POST",path="{path}",status="200"}} 1.0' in text
    assert f'pixelwise_requests_total{{method="POST",path="{path}",status="415"}} 1.0' in text
    assert 'pixelwise_requests_total{method="GET",path="other",status="404"} 1.0' in text
    assert 'pixelwise_pictures_total{model="first",output="labels"} 1.0' in text
    assert 'pixelwise_pixels_total{model="first"} 1650.0' in text
    assert "pixelwise_queue_pixels 0.0" in text
    assert 'pixelwise_compute_seconds_count{model="first"} 1.0' in text


def test_views_are_bounded_by_the_queue(predictor: Predictor) -> None:
    pixels = 33 * 50
    call = small(predictor, max_pixels=pixels, queue=3 * pixels)
    assert call.predict(encoded(drawn()), tta="hflip", output="labels").status_code == 200
    detail = problem_of(call.predict(encoded(drawn()), tta="hflip,vflip", output="labels"), 413, "tta")
    assert "the views have 6,600 pixels together, and 4,950 is the limit" in detail


def test_a_tiff_that_unpacks_to_more_than_it_declares(call: Caller) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((10, 10), np.uint8), compression="deflate")
    honest = stream.getvalue()
    with tifffile.TiffFile(io.BytesIO(honest)) as opened:
        page = opened.pages.first
        place = page.tags["StripByteCounts"].valueoffset
        start = page.tags["StripOffsets"].valueoffset
    bomb = zlib.compress(bytes(10**7), 9)
    body = bytearray(honest)
    for at, value in ((place, len(bomb)), (start, len(honest))):
        body[at : at + 4] = struct.pack("<I", value)
    detail = problem_of(call.predict(bytes(body) + bomb), 422, "file")
    assert "file: the picture is damaged: piece 1 unpacks to more than the 100 bytes" in detail
